# SPDX-License-Identifier: LGPL-2.1-or-later
"""A message bus by hand: Bus stands in for one that lets the engine in, and says who its senders are when it is told to."""

import os

import wire

DRIVER = "org.freedesktop.DBus"
ASKED = "GetConnectionCredentials"


class Bus(wire.Connection):
    """The connection that the engine has made."""

    def __init__(self, listener):
        self.socket, _ = listener.accept()
        self.socket.settimeout(60)
        self.serial, self.buffer, self.fds = 0, b"", []
        self.asked = []  # serial and name of what has not been answered
        self.forgotten = []  # names whose end is not to be told any more
        line = b""
        while line != b"BEGIN":
            while b"\r\n" not in self.buffer:
                self.receive()
            line, self.buffer = self.buffer.lstrip(b"\0").split(b"\r\n", 1)
            if line == b"AUTH EXTERNAL":
                self.raw(b"DATA\r\n")
            elif line.startswith((b"AUTH", b"DATA")):
                self.raw(b"OK " + b"5" * 32 + b"\r\n")
            elif line == b"NEGOTIATE_UNIX_FD":
                self.raw(b"AGREE_UNIX_FD\r\n")
        while self.message().fields[3] != "RequestName":
            pass

    def put(self, kind, sender, fields, signature="", *arguments, fds=(), flags=0):
        w = wire.Writer()
        for sort, value in zip(wire.split(signature), arguments):
            w.put(sort, value)
        fields = fields | {7: ("s", sender)} | ({8: ("g", signature)} if signature else {}) | ({9: ("u", len(fds))} if fds else {})
        self.serial += 1
        self.raw(wire.header(kind, self.serial, fields, len(w.data), flags) + bytes(w.data), fds)
        return self.serial

    def message(self):
        """The next one of the engine. What it asks the bus is answered, but for who somebody is."""
        m = self.read()
        serial, member = m.serial, m.fields.get(3)
        if m.kind != wire.CALL:
            return m
        if member == ASKED:
            self.asked.append((serial, m.body[0]))
        elif member == "RemoveMatch":
            self.forgotten.append(m.body[0].split("arg0='")[1].rstrip("'"))
        else:
            answers = {"Hello": ("s", ":1.1"), "RequestName": ("u", 1)}
            self.put(wire.RETURN, DRIVER, {5: ("u", serial)}, *answers.get(member, ()))
        return m

    def until(self, done):
        while not done():
            self.message()

    def call_from(self, sender, member="Subscribe", signature="", *arguments, fds=()):
        fields = {1: ("o", wire.PATH), 2: ("s", wire.MANAGER), 3: ("s", member), 6: ("s", wire.NAME)}
        return self.put(wire.CALL, sender, fields, signature, *arguments, fds=fds)

    def reply(self):
        while True:
            m = self.message()
            if m.kind in (wire.RETURN, wire.ERROR):
                return m

    def is_root(self, name):
        self.is_user(name, 0)

    def is_user(self, name, uid):
        """Tells who somebody is."""
        serial = next(serial for serial, asked in self.asked if asked == name)
        self.asked.remove((serial, name))
        self.put(wire.RETURN, DRIVER, {5: ("u", serial)}, "a{sv}", [("UnixUserID", ("u", uid))])

    def is_gone(self, name):
        fields = {1: ("o", "/org/freedesktop/DBus"), 2: ("s", DRIVER), 3: ("s", "NameOwnerChanged")}
        self.put(wire.SIGNAL, DRIVER, fields, "sss", name, name, "")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""slow_bus.py BUS SOCKET: stands in for a message bus that lets the engine in, and says who its senders are when it is told to.
The engine, which is at SOCKET, too, may hold two calls of one sender (clients.calls), and sixteen times as many of all."""

import os
import socket
import sys

import wire

DRIVER = "org.freedesktop.DBus"
ASKED = "GetConnectionCredentials"
LIMIT = "org.freedesktop.DBus.Error.LimitsExceeded"


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

    def put(self, kind, sender, fields, signature="", *arguments, flags=0):
        w = wire.Writer()
        for sort, value in zip(wire.split(signature), arguments):
            w.put(sort, value)
        fields = fields | {7: ("s", sender)} | ({8: ("g", signature)} if signature else {})
        self.serial += 1
        self.raw(wire.header(kind, self.serial, fields, len(w.data), flags) + bytes(w.data))
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

    def call_from(self, sender):
        fields = {1: ("o", wire.PATH), 2: ("s", wire.MANAGER), 3: ("s", "Subscribe"), 6: ("s", wire.NAME)}
        return self.put(wire.CALL, sender, fields)

    def reply(self):
        while True:
            m = self.message()
            if m.kind in (wire.RETURN, wire.ERROR):
                return m

    def is_root(self, name):
        """Tells who somebody is."""
        serial = next(serial for serial, asked in self.asked if asked == name)
        self.asked.remove((serial, name))
        self.put(wire.RETURN, DRIVER, {5: ("u", serial)}, "a{sv}", [("UnixUserID", ("u", 0))])

    def is_gone(self, name):
        fields = {1: ("o", "/org/freedesktop/DBus"), 2: ("s", DRIVER), 3: ("s", "NameOwnerChanged")}
        self.put(wire.SIGNAL, DRIVER, fields, "sss", name, name, "")


def fill(bus, first):
    """All that may wait."""
    names = [f":1.{n}" for n in range(first, first + 16)]
    calls = {name: [bus.call_from(name), bus.call_from(name)] for name in names}
    bus.until(lambda: [name for _, name in bus.asked] == names)
    return calls


def is_refused(bus, name):
    call, m = bus.call_from(name), bus.reply()
    assert (m.fields[5], m.error) == (call, LIMIT), (m.fields, m.body)


def serves_others():
    assert not wire.Connection(sys.argv[2]).manager("GetConfig").error


listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
bus = Bus(listener)

# In their order, and the bus is asked once.
calls = [bus.call_from(":1.7"), bus.call_from(":1.7")]
bus.until(lambda: bus.asked)
serves_others()
bus.is_root(":1.7")
calls.append(bus.call_from(":1.7"))
for call in calls:
    m = bus.reply()
    assert m.fields[5] == call and not m.error, (m.fields, m.body)
assert not bus.asked

# No more than may be held, of one and of all.
calls = fill(bus, 100)
is_refused(bus, ":1.100")
is_refused(bus, ":1.200")
serves_others()

# Who goes makes room, and what the bus says of him then is nothing to anybody.
bus.is_gone(":1.100")
bus.until(lambda: ":1.100" in bus.forgotten)
bus.is_root(":1.100")
del calls[":1.100"]
calls[":1.200"] = [bus.call_from(":1.200"), bus.call_from(":1.200")]
bus.until(lambda: bus.asked[-1][1] == ":1.200")
for name in sorted(calls, reverse=True):
    bus.is_root(name)
    for call in calls[name]:
        m = bus.reply()
        assert m.fields[5] == call and not m.error, (m.fields, m.body)

# A bus that is lost takes all with it.
fill(bus, 300)
bus.close()
bus = Bus(listener)
calls = fill(bus, 300)
for name in calls:
    bus.is_root(name)
    assert [bus.reply().fields[5] for _ in calls[name]] == calls[name]
serves_others()

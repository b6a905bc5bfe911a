# SPDX-License-Identifier: LGPL-2.1-or-later
"""D-Bus by hand, for tests that have to say what no library would: Connection speaks to a bus or to one peer, sends what
it is told to, be it well-formed or not, and reads what comes back."""

import array
import os
import socket
import struct

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
NAME = "org.skep.Engine1"
PATH = "/org/skep/Engine1"
MANAGER = "org.skep.Engine1.Manager"
SIZES = {"y": 1, "b": 4, "n": 2, "q": 2, "i": 4, "u": 4, "x": 8, "t": 8, "d": 8, "h": 4}
FORMATS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}


class Closed(Exception):
    """The other side has closed the connection."""


def split(signature):
    """The complete types of a signature: "sa{sv}(ii)" is "s", "a{sv}", "(ii)"."""
    types, start, depth, i = [], 0, 0, 0
    while i < len(signature):
        if signature[i] in "({":
            depth += 1
        elif signature[i] in ")}":
            depth -= 1
        if depth == 0 and signature[i] != "a":
            types.append(signature[start : i + 1])
            start = i + 1
        i += 1
    return types


def alignment(kind):
    return 8 if kind[0] in "({" else 1 if kind[0] in "gv" else 4 if kind[0] in "soa" else SIZES[kind[0]]


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, n):
        self.data += b"\0" * (-len(self.data) % n)

    def put(self, kind, value):
        self.align(alignment(kind))
        if kind in FORMATS:
            self.data += struct.pack("<" + FORMATS[kind], value)
        elif kind in "so":
            raw = value if isinstance(value, bytes) else value.encode()
            self.data += struct.pack("<I", len(raw)) + raw + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.put("g", value[0])
            self.put(value[0], value[1])
        elif kind[0] == "a":
            at = len(self.data)
            self.data += b"\0\0\0\0"
            self.align(alignment(kind[1:]))
            start = len(self.data)
            for element in value:
                self.put(kind[1:], element)
            self.data[at : at + 4] = struct.pack("<I", len(self.data) - start)
        else:
            for inner, element in zip(split(kind[1:-1]), value):
                self.put(inner, element)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, kind):
        self.at += -self.at % SIZES[kind]
        (value,) = struct.unpack_from("<" + FORMATS[kind], self.data, self.at)
        self.at += SIZES[kind]
        return value

    def text(self, size):
        value = self.data[self.at : self.at + size].decode(errors="replace")
        self.at += size + 1
        return value

    def get(self, kind):
        if kind in FORMATS:
            return self.number(kind)
        if kind in "so":
            return self.text(self.number("u"))
        if kind == "g":
            return self.text(self.number("y"))
        if kind == "v":
            return self.get(self.get("g"))
        if kind[0] == "a":
            size, values = self.number("u"), []
            self.at += -self.at % alignment(kind[1:])
            end = self.at + size
            while self.at < end:
                values.append(self.get(kind[1:]))
            return dict(values) if kind[1] == "{" else values
        self.at += -self.at % 8
        return tuple(self.get(inner) for inner in split(kind[1:-1]))


class Message:
    def __init__(self, kind, serial, fields, body, fds):
        self.kind, self.serial, self.fields, self.body, self.fds = kind, serial, fields, body, fds

    @property
    def error(self):
        return self.fields.get(4) if self.kind == ERROR else None


def header(kind, serial, fields, body_size, flags=0):
    """The bytes before a message's body. Fields are {code: (signature, value)}."""
    w = Writer()
    for sort, value in zip("yyyyuu", (ord("l"), kind, flags, 1, body_size, serial)):
        w.put(sort, value)
    w.put("a(yv)", [(code, field) for code, field in fields.items()])
    w.align(8)
    return bytes(w.data)


class Connection:
    def __init__(self, address, hello=True, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address.removeprefix("unix:path="))
        self.serial, self.buffer, self.fds = 0, b"", []
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
        while self.buffer.count(b"\r\n") < 2:
            self.receive()
        self.buffer = self.buffer.split(b"\r\n", 2)[2]
        if hello and self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello").error:
            raise Closed()

    def close(self):
        self.socket.close()

    def receive(self):
        room = socket.CMSG_SPACE(64 * 4)
        try:
            data, ancillary, _, _ = self.socket.recvmsg(1 << 18, room)
        except (ConnectionError, BrokenPipeError):
            data = b""
        if not data:
            raise Closed()
        self.buffer += data
        for level, sort, content in ancillary:
            if level == socket.SOL_SOCKET and sort == socket.SCM_RIGHTS:
                self.fds += array.array("i", content[: len(content) // 4 * 4])

    def raw(self, data, fds=()):
        """Whatever bytes, with descriptors at their first."""
        try:
            if fds:
                sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
                data = data[sent:]
            if data:  # sendall() of nothing fails where the other side has closed
                self.socket.sendall(data)
        except (ConnectionError, BrokenPipeError):
            raise Closed() from None

    def send(self, destination, path, interface, member, signature="", arguments=(), fds=(), flags=0):
        w = Writer()
        for kind, value in zip(split(signature), arguments):
            w.put(kind, value)
        fields = {1: ("o", path), 3: ("s", member), 6: ("s", destination)}
        if interface:
            fields[2] = ("s", interface)
        if signature:
            fields[8] = ("g", signature)
        if fds:
            fields[9] = ("u", len(fds))
        self.serial += 1
        self.raw(header(CALL, self.serial, fields, len(w.data), flags) + bytes(w.data), fds)
        return self.serial

    def read(self):
        """The next message."""
        while len(self.buffer) < 16:
            self.receive()
        body_size, serial, fields_size = struct.unpack_from("<III", self.buffer, 4)
        start = 16 + fields_size + (-fields_size % 8)
        while len(self.buffer) < start + body_size:
            self.receive()
        r = Reader(self.buffer)
        r.at = 12
        fields = {code: value for code, value in r.get("a(yv)")}
        body = Reader(self.buffer[start : start + body_size])
        values = [body.get(kind) for kind in split(fields.get(8, ""))]
        kind = self.buffer[1]
        self.buffer = self.buffer[start + body_size :]
        fds, self.fds = self.fds[: fields.get(9, 0)], self.fds[fields.get(9, 0) :]
        return Message(kind, serial, fields, values, fds)

    def answer(self, serial):
        while True:
            message = self.read()
            if message.fields.get(5) == serial:
                return message

    def call(self, *what, **more):
        return self.answer(self.send(*what, **more))

    def manager(self, member, signature="", *arguments, **more):
        return self.call(NAME, PATH, MANAGER, member, signature, arguments, **more)

    def property(self, path, interface, name):
        return self.call(NAME, path, "org.freedesktop.DBus.Properties", "Get", "ss", (interface, name))


def lingering_socket():
    """A socket whose last closing takes its time, and its other end, which does not read what is still to go there."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    mine = socket.create_connection(listener.getsockname())
    deaf, _ = listener.accept()
    mine.setblocking(False)
    try:
        while True:
            mine.send(b"x" * 65536)
    except BlockingIOError:
        pass
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 40))
    return mine, deaf

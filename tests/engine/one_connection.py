# SPDX-License-Identifier: LGPL-2.1-or-later
# one_connection.py ADDRESS ID: GetJob, and then its specification, over one connection to a message bus, by hand: busctl makes
# a new one each time.
import socket, struct, sys

path = sys.argv[1].split("path=")[1]
s = socket.socket(socket.AF_UNIX)
s.connect(path)
s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\n")
file = s.makefile("rb")
file.readline()
while not file.readline().startswith(b"OK"):
    pass
s.sendall(b"BEGIN\r\n")


def text(value):
    value = value.encode()
    return struct.pack("<I", len(value)) + value + b"\0"


def field(code, kind, value):
    head = bytes([code, 1]) + kind.encode() + b"\0"
    return head + (bytes([len(value)]) + value.encode() + b"\0" if kind == "g" else text(value))


def strings(*values):
    body = b""
    for value in values:
        body += b"\0" * (-len(body) % 4) + text(value)
    return body


serial = 0


def call(destination, path, interface, member, *arguments):
    global serial
    serial += 1
    parts = [field(1, "o", path), field(6, "s", destination), field(2, "s", interface), field(3, "s", member)]
    if arguments:
        parts.append(field(8, "g", "s" * len(arguments)))
    fields = b""
    for part in parts:
        fields += b"\0" * (-len(fields) % 8) + part
    body = strings(*arguments)
    header = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields
    s.sendall(header + b"\0" * (-len(header) % 8) + body)
    while True:
        head = file.read(16)
        kind, size, length = head[1], struct.unpack("<I", head[4:8])[0], struct.unpack("<I", head[12:16])[0]
        file.read(length + (-length % 8))
        body = file.read(size)
        if kind == 2:
            return body
        if kind == 3:
            sys.exit(body.decode(errors="replace"))


call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
print(call("org.skep.Engine1", "/org/skep/Engine1", "org.skep.Engine1.Manager", "GetJob", sys.argv[2])[4:-1].decode())
print(call("org.skep.Engine1", "/org/skep/Engine1/job/" + sys.argv[2], "org.freedesktop.DBus.Properties", "Get",
           "org.skep.Engine1.Job", "Spec")[8:-1].decode())

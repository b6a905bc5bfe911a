# SPDX-License-Identifier: LGPL-2.1-or-later
"""In the place of an engine: answers.py SOCKET FILE. Answers each call as the file says, which is read for every call: JSON,
{"MEMBER": ["SIGNATURE", [VALUE...]], ...}. "MEMBER ARGUMENT" is for calls with this first argument alone. A dictionary is
written as an array of pairs, a variant as ["SIGNATURE", VALUE]. What is not in the file is an error."""

import json
import socket
import sys
import threading

import wire


class Client(wire.Connection):
    def __init__(self, accepted):
        self.socket, self.serial, self.buffer, self.fds = accepted, 0, b"", []
        while not self.greeted():
            self.receive()

    def greeted(self):
        """Answers the lines before the messages. Returns whether all have come."""
        while b"\r\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\r\n", 1)
            if line == b"BEGIN":
                return True
            words = line.lstrip(b"\0").split()
            answer = {b"AUTH": b"OK " + b"0" * 32 if len(words) == 3 else b"DATA", b"DATA": b"OK " + b"0" * 32}
            self.socket.sendall(answer.get(words[0], b"AGREE_UNIX_FD") + b"\r\n")
        return False

    def reply(self, call, kind, fields, signature, values):
        w = wire.Writer()
        for sort, value in zip(wire.split(signature), values):
            w.put(sort, value)
        fields = {5: ("u", call.serial), 8: ("g", signature), **fields}
        self.serial += 1
        self.raw(wire.header(kind, self.serial, fields, len(w.data)) + bytes(w.data))

    def serve(self, call):
        member, first = call.fields[3], call.body[0] if call.body else None
        with open(sys.argv[2]) as f:
            answers = {"Hello": ["s", [":1.1"]], **json.load(f)}
        answer = answers.get(f"{member} {first}", answers.get(member))
        if answer:
            self.reply(call, wire.RETURN, {}, *answer)
        else:
            self.reply(call, wire.ERROR, {4: ("s", "org.freedesktop.DBus.Error.Failed")}, "s", [f"{member}: no answer"])

    def run(self):
        try:
            while True:
                self.serve(self.read())
        except wire.Closed:
            pass


server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    threading.Thread(target=Client(server.accept()[0]).run, daemon=True).start()

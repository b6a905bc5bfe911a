# SPDX-License-Identifier: LGPL-2.1-or-later
# journal.py OUT -- COMMAND...: runs a command with a journal of its own in the place of the host's, which it must have a
# mount namespace for. Its standard error is the file OUT.log, as far as the command knows, the journal's stream. Each
# entry becomes a line of JSON in OUT.
import array
import json
import os
import socket
import subprocess
import sys
import threading

out, command = sys.argv[1], sys.argv[3:]
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
os.makedirs("/run/systemd/journal")
os.makedirs("/run/skep")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")


def read_entry(data):  # https://systemd.io/JOURNAL_NATIVE_PROTOCOL
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[8 + size + 1 :]
        fields[name.decode()] = value.decode()
    return fields


def record():
    with open(out, "w", buffering=1) as lines:
        while True:
            data, ancillary, _, _ = journal.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            if not data and not ancillary:
                return
            for _, _, fds in ancillary:  # a large one comes as a file
                with open(array.array("i", fds)[0], "rb") as file:
                    file.seek(0)
                    data = file.read()
            lines.write(json.dumps(read_entry(data)) + "\n")


recorder = threading.Thread(target=record, daemon=True)
recorder.start()
with open(out + ".log", "w") as log:
    stream = os.fstat(log.fileno())
    process = subprocess.Popen(command, stderr=log,
                               env=dict(os.environ, JOURNAL_STREAM=f"{stream.st_dev}:{stream.st_ino}"))
    with open(out + ".pid", "w") as pid:
        pid.write(str(process.pid))
    status = process.wait()
# What it has said comes before this.
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", "/run/systemd/journal/socket")
recorder.join()
sys.exit(status)

# SPDX-License-Identifier: LGPL-2.1-or-later
# What a curious agent tries: the host's secrets, its processes, the network. Ends with 0 when it got nowhere.
import os
import socket

got = []
for path in ("/etc/shadow", "/root", "/proc/1/environ", "/proc/kcore", "/dev/mem"):
    try:
        with open(path, "rb") as f:
            f.read(1)
        got.append(path)
    except OSError as e:
        print(f"  {path}: {e.strerror}")

processes = [p for p in os.listdir("/proc") if p.isdigit()]
print(f"  processes that it sees: {len(processes)}")
if len(processes) > 3:
    got.append("the host's processes")

for host, port in (("192.0.2.1", 80), ("169.254.169.254", 80), ("127.0.0.1", 22)):
    try:
        socket.create_connection((host, port), 2).close()
        got.append(host)
    except OSError as e:
        print(f"  {host}:{port}: {e.strerror}")

try:
    os.kill(1, 9)
    got.append("killed process 1")
except OSError as e:
    print(f"  kill 1: {e.strerror}")

raise SystemExit(f"it got {got}" if got else 0)

# SPDX-License-Identifier: LGPL-2.1-or-later
# service.py DIR -- COMMAND...: runs a command as systemd runs a service of the type "notify", with a watchdog of a second.
# Each line that it says goes to DIR/notified, its pid to DIR/daemon. With PASS=NAME, it gets a socket DIR/NAME.
import os
import socket
import subprocess
import sys
import threading

place, command = sys.argv[1], sys.argv[3:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = os.path.join(place, "notify.sock")
if os.path.exists(path):
    os.unlink(path)
notify.bind(path)


def record():
    with open(os.path.join(place, "notified"), "a", buffering=1) as out:
        while True:
            out.write(notify.recv(4096).decode() + "\n")


threading.Thread(target=record, daemon=True).start()
environment = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000")
passed = os.environ.get("PASS")
if passed:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(place, passed))
    listener.listen()
    environment["LISTEN_FDS"] = "1"
    # The pid is known to nobody before the fork: a shell sets it, and becomes the command.
    command = ["sh", "-c", f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec "$@"', "sh", *command]
process = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()] if passed else [], cwd=place)
with open(os.path.join(place, "daemon"), "w") as out:
    out.write(str(process.pid))
status = process.wait()
sys.exit(status if status >= 0 else 128 - status)

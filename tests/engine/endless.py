# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system of one file, "endless", whose reads are never answered: endless.py DIRECTORY. With "stuck" behind it,
nothing is answered any more after the first reading or closing. It is mounted when "ready" is printed, and goes with this
process."""

import ctypes
import os
import signal
import struct
import sys

LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, FORGET, INTERRUPT, BATCH_FORGET = 1, 3, 14, 15, 18, 25, 26, 2, 36, 42
FILE, SIZE = 2, 1 << 20
KEEP_CACHE = 2  # or who opens it would wait for the pages that others read


def attributes(node):
    """struct fuse_attr of <linux/fuse.h>"""
    mode, links, size = (0o40755, 2, 0) if node == 1 else (0o100644, 1, SIZE)
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, 0, 0, 0, 0, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


directory = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={fuse},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
if libc.mount(b"endless", directory.encode(), b"fuse", 6, options.encode()) != 0:
    sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")


def end(*_):
    libc.umount2(directory.encode(), 2)
    os._exit(0)


signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
while True:
    request = os.read(fuse, 1 << 20)
    _, code, unique, node = struct.unpack_from("<IIQQ", request)
    error, answer = 0, b""
    while code in (READ, FLUSH) and sys.argv[2:] == ["stuck"]:
        signal.pause()
    if code in (READ, FORGET, INTERRUPT, BATCH_FORGET):
        continue
    if code == INIT:
        answer = struct.pack("<IIIIHHII", 7, 31, 0, 0, 8, 8, 65536, 1).ljust(64, b"\0")
    elif code == LOOKUP and request[40:].rstrip(b"\0") == b"endless":
        answer = struct.pack("<QQQQII", FILE, 0, 60, 60, 0, 0) + attributes(FILE)
    elif code == LOOKUP:
        error = -2
    elif code == GETATTR:
        answer = struct.pack("<QII", 60, 0, 0) + attributes(node)
    elif code == OPEN:
        answer = struct.pack("<QII", 0, KEEP_CACHE, 0)
    elif code != RELEASE:
        error = -38
    os.write(fuse, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)

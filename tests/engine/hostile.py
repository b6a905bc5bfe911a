# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that mean ill, one a case: hostile.py ADDRESS PID CASE [ARGUMENT]. Each ends with an error of its own, or with
its connection closed; the engine with process PID has to serve others meanwhile, and to hold as much afterwards as before."""

import json
import os
import random
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

import wire

address, pid, case = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TRUE = json.dumps({"command": ["true"], "policy": "strict"})
GROWTH_MAX_KIB = 64 << 10
MEMORY_MAX_KIB = 150 << 10
OPEN_MAX = 8  # that jobs which run have, and what is opened when it is first needed


def memory_kib():
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))


def sanitized():
    with open(f"/proc/{pid}/exe", "rb") as f:
        return b"__asan_init" in f.read()


def processor_ticks():
    with open(f"/proc/{pid}/stat") as f:
        return sum(int(ticks) for ticks in f.read().rsplit(")", 1)[1].split()[11:13])


def descriptors():
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_served(others=None):
    """A stranger gets his answer at once."""
    start = time.monotonic()
    c = wire.Connection(address, timeout=10)
    reply = c.manager("Submit", "sa(sh)", TRUE, [])
    assert not reply.error, reply.body
    c.close()
    assert time.monotonic() - start < 5, "a stranger had to wait"
    return reply.body[0]


def is_closed(c):
    try:
        return select.select([c.socket], [], [], 0)[0] and c.socket.recv(1, socket.MSG_PEEK) == b""
    except ConnectionError:
        return True


def settles(before):
    """What was held for those who have gone is given back."""
    for _ in range(600):
        if descriptors() <= before + OPEN_MAX:
            return
        time.sleep(0.1)
    raise AssertionError(f"{descriptors()} descriptors, {before} before")


def garbage(_):
    """What is no D-Bus, before and after the greeting, and messages that say that they are huge and never end."""
    chance = random.Random(1)
    for i in range(60):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address.removeprefix("unix:path="))
        try:
            s.sendall(chance.randbytes(chance.choice([1, 100, 70000])))
        except OSError:
            pass
        s.close()
    kept = []
    for body, fields in ((0x7fffffff, 0x7fffffff), (0x07ffffff, 100), (0xffffffff, 0)):
        for _ in range(5):
            c = wire.Connection(address)
            c.raw(struct.pack("<BBBBIII", ord("l"), wire.CALL, 0, 1, body, 9, fields) + b"\1" * 4096)
            kept.append(c)
    for first in (b"\0", b"B" * 200, b"l\1\0\2" + b"\0" * 12, b"l\0\0\1" + b"\0" * 12, b"l\1\0\1" + b"\xff" * 200):
        c = wire.Connection(address)
        c.raw(first)
        kept.append(c)
    is_served()


def vanish(_):
    """Clients that send a call, or half of one, and are gone."""
    for i in range(300):
        c = wire.Connection(address)
        fds = [os.memfd_create("input")]
        os.truncate(fds[0], 20 << 20)
        if i % 3 == 0:
            c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (TRUE, [("a", 0)]), fds)
        elif i % 3 == 1:
            c.send(wire.NAME, wire.PATH, wire.MANAGER, "Wait", "ast", ([is_served()] if i % 30 == 1 else [], 1 << 40))
        else:
            c.raw(wire.header(wire.CALL, 2, {1: ("o", wire.PATH), 3: ("s", "Submit"), 8: ("g", "sa(sh)"), 9: ("u", 1)}, 1000), fds)
        os.close(fds[0])
        c.close()
    is_served()


def descriptor_flood(_):
    """Calls with as many descriptors as a message can have, none of which is wanted."""
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(253)]
    kept = []
    for i in range(12):
        c = wire.Connection(address)
        kept.append(c)
        try:
            for _ in range(4):
                c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (TRUE, [(f"n{k}", k) for k in range(253)]), fds)
                reply = c.read()
                assert reply.error, "253 inputs were taken"
            # A message that never comes to its end keeps none.
            c.raw(wire.header(wire.CALL, 2, {1: ("o", wire.PATH), 3: ("s", "Submit"), 8: ("g", "sa(sh)"), 9: ("u", 253)}, 1000), fds)
        except wire.Closed:
            pass
    is_served()
    for c in kept:
        c.close()


def descriptors_by_turns(_):
    """Messages with descriptors on many connections, each of which makes the engine start a process: who brings none does not wait
    for his turn among them."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        data = os.memfd_create("input")
        many = [wire.Connection(address) for _ in range(60)]
        while True:
            serials = [c.send(wire.NAME, wire.PATH, wire.MANAGER, "GetConfig", fds=[data]) for c in many]
            for c, serial in zip(many, serials):
                c.answer(serial)
            os.write(tell, b"x")
    os.read(told, 1)
    c, calls = wire.Connection(address), 0
    start = time.monotonic()
    while time.monotonic() - start < 3:
        assert not c.manager("GetConfig").error
        calls += 1
    os.set_blocking(told, False)
    try:
        rounds = len(os.read(told, 65536))
    except BlockingIOError:
        rounds = 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # In turn it were one call a round.
    assert calls > 5 * (rounds + 1), (calls, rounds)


def miscounted(_):
    """Calls that bring other descriptors than they say, and such as no library reads: nothing of them is kept."""
    data = [os.memfd_create("input") for _ in range(16)]
    w = wire.Writer()
    w.put("s", TRUE)
    w.put("a(sh)", [("a", 0)])
    good = {1: ("o", wire.PATH), 2: ("s", wire.MANAGER), 3: ("s", "Submit"), 8: ("g", "sa(sh)"), 9: ("u", 16)}
    bad = (
        {9: ("u", 3)},
        {9: ("u", 17)},
        {9: ("s", "16")},
        {1: ("o", "no path")},
        {2: ("s", "org.freedesktop.DBus.Local")},
        {3: ("s", "Sub.mit")},
        {6: ("s", "..")},
        {7: ("s", "")},
        {8: ("g", "sa(s")},
        {4: ("u", 1)},
        {0: ("y", 1)},
        {200: ("av", [("as", ["x"])])},
    )
    headers = [good | fields for fields in bad] + [{k: v for k, v in good.items() if k != gone} for gone in (1, 3, 9)]
    c = wire.Connection(address)
    before = descriptors()
    for kind in (wire.CALL, wire.SIGNAL, 77):
        for fields in headers + ([good] if kind != wire.CALL else []):
            for serial in (0, 1 << 20):
                c.raw(wire.header(kind, serial, fields, len(w.data)) + bytes(w.data), data)
                assert not c.manager("GetConfig").error
    assert descriptors() <= before + OPEN_MAX, (descriptors(), before)
    # What is in order has its answer, whatever came before.
    c.raw(wire.header(wire.CALL, 1 << 20, good, len(w.data)) + bytes(w.data), data)
    assert not c.answer(1 << 20).error


def descriptors_of_calls(_):
    """Descriptors with calls that have no use for them, and that are kept until they are answered. They are refused, and closed."""
    c = wire.Connection(address)
    c.manager("Pause")
    id = is_served()
    held = descriptors()
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(253)]
    for _ in range(10):
        for some in (fds, fds[:1]):
            c.send(wire.NAME, wire.PATH, wire.MANAGER, "Wait", "ast", ([id], 1 << 40), some, flags=wire.NO_REPLY)
            reply = c.manager("Wait", "ast", [id], 1 << 40, fds=some)
            assert reply.error == "org.freedesktop.DBus.Error.LimitsExceeded", (reply.error, reply.body)
    # Those that nobody names are kept as well.
    reply = c.manager("Submit", "sa(sh)", TRUE, [], fds=fds)
    assert reply.error == "org.freedesktop.DBus.Error.LimitsExceeded", (reply.error, reply.body)
    assert not c.manager("Submit", "sa(sh)", TRUE, [], fds=fds[:16]).error
    settles(held)
    # Messages that stop before their end, with as many as one can bring.
    kept = []
    for _ in range(40):
        kept.append(wire.Connection(address))
        kept[-1].raw(unfinished_call(1000), fds)
        is_served()
    closed = []
    for _ in range(100):
        closed = [x for x in kept if is_closed(x)]
        if len(closed) >= 36:
            break
        time.sleep(0.1)
    assert len(closed) == 36, len(closed)
    for x in kept:
        x.close()
    c.manager("Resume")


def lingering(_):
    mine, deaf_end = wire.lingering_socket()
    c = wire.Connection(address)
    serial = c.send("org.skep.Engine1", "/org/skep/Engine1", "org.skep.Engine1.Manager", "Submit", "sa(sh)", (TRUE, [("a", 0)]),
                    fds=[mine.fileno()])
    # The engine has the last of it, if it is not faster.
    threading.Thread(target=mine.close, daemon=True).start()
    assert c.answer(serial).error == "org.skep.Engine1.Error.BadSpec"
    is_served()
    deaf_end.close()


def out_of_band(_):
    """Bytes out of band, with a descriptor whose closing takes its time: the first that comes, before the greeting; within a message;
    the first of one. Nor do they keep the engine busy."""
    ends = []
    for before in (None, b"l\1\0\1", b""):
        mine, deaf_end = wire.lingering_socket()
        ends.append(deaf_end)
        if before is None:
            s = socket.socket(socket.AF_UNIX)
            s.connect(address.removeprefix("unix:path="))
        else:
            s = wire.Connection(address).socket
            s.sendall(before)
        s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", mine.fileno()))], socket.MSG_OOB)
        if before == b"":
            s.sendall(b"and more")
        threading.Thread(target=mine.close, daemon=True).start()
        ends.append(s)
        time.sleep(0.2)
        is_served()
    used = processor_ticks()
    time.sleep(1)
    assert processor_ticks() - used < os.sysconf("SC_CLK_TCK") // 2, "it is busy"


def refused(_):
    """Who may not use the engine, and has sent a descriptor whose closing takes its time before that is found."""
    path = address.removeprefix("unix:path=")
    many = [wire.lingering_socket() for _ in range(3)]
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(path, 0o666)
    os.kill(pid, signal.SIGSTOP)
    child = os.fork()
    if child == 0:
        os.chdir(os.path.dirname(path))
        os.setgroups([])
        os.setuid(65534)
        for mine, _ in many:
            s = socket.socket(socket.AF_UNIX)
            s.connect(os.path.basename(path))
            socket.send_fds(s, [b"\0AUTH"], [mine.fileno()])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for mine, _ in many:
        threading.Thread(target=mine.close, daemon=True).start()
    time.sleep(0.2)
    os.kill(pid, signal.SIGCONT)
    is_served()
    os.chmod(path, 0o600)


def million_ids(_):
    """A million names of jobs in one call, and as many jobs as nobody has room for."""
    c = wire.Connection(address)
    reply = c.manager("Wait", "ast", [is_served()] * 400000, 0)
    assert reply.error == "org.freedesktop.DBus.Error.LimitsExceeded", reply.error
    try:
        wire.Connection(address).manager("Wait", "ast", [is_served()] * 1000000, 0)
        raise AssertionError("32 megabytes of ids were read")
    except wire.Closed:
        pass
    reply = c.manager("Wait", "ast", [is_served()] * 10000, 0)
    assert not reply.error, reply.body
    # Starts of ids, of which each is looked for among all jobs.
    for start in ("0", is_served()[:25]):
        reply = c.manager("Wait", "ast", [start] * 20000, 0)
        assert reply.error == "org.skep.Engine1.Error.NoSuchJob" and "whole" in reply.body[0], (reply.error, reply.body)
    reply = c.manager("SubmitBatch", "a(sa(ss))", [(TRUE, [])] * 10001)
    assert reply.error == "org.skep.Engine1.Error.BadSpec", (reply.error, reply.body)
    # And a job with more inputs than it can have.
    reply = c.manager("SubmitBatch", "a(sa(ss))", [(TRUE, [("a", "b")] * 60000)])
    assert reply.error == "org.skep.Engine1.Error.BadSpec" and "16 inputs" in reply.body[0], (reply.error, reply.body)


def unfinished_call(size):
    return wire.header(wire.CALL, 9, {1: ("o", wire.PATH), 2: ("s", wire.MANAGER), 3: ("s", "Submit"), 8: ("g", "sa(sh)")}, size)


def unfinished(_):
    """Many connections, each with a message that stops before its end: in all, 600 MiB. None has more than it may; all together do."""
    kept, closed = [], 0
    for _ in range(50):
        c = wire.Connection(address)
        kept.append(c)
        try:
            c.raw(unfinished_call(13 << 20))
            for _ in range(12):
                c.raw(b"x" * (1 << 20))
            is_served()
        except wire.Closed:
            closed += 1
    assert memory_kib() < memory + GROWTH_MAX_KIB, f"{memory_kib()} KiB, {memory} before"
    assert closed >= 46, closed
    is_served()
    # Who has ended his message has room for another.
    for c in kept:
        c.close()
    settles(before)
    c = wire.Connection(address)
    for _ in range(10):
        reply = c.manager("Submit", "sa(sh)", json.dumps({"command": ["true"], "meta": {"x": "x" * (3 << 20)}, "policy": "strict"}), [])
        assert not reply.error, reply.body
        c.manager("Cancel", "s", reply.body[0])
        c.manager("Wait", "ast", [reply.body[0]], 1 << 40)
        assert not c.manager("Forget", "s", reply.body[0]).error


def too_large(_):
    """A message that says how large it is, and is sent: it is not read to its end."""
    c, sent = wire.Connection(address), 0
    try:
        c.raw(unfinished_call(100 << 20))
        for sent in range(100):
            c.raw(b"x" * (1 << 20))
        raise AssertionError("a hundred megabytes were taken")
    except wire.Closed:
        assert sent < 20, sent
    # As much as is allowed, in small pieces.
    c = wire.Connection(address)
    spec = b'{"command": ["true"], "policy": "nosuchpolicy"}' + b" " * (3 << 20)
    body = struct.pack("<I", len(spec)) + spec + b"\0"
    body += b"\0" * (-len(body) % 4) + struct.pack("<I", 0)
    body += b"\0" * (-len(body) % 8)
    call = unfinished_call(len(body)) + body
    for at in range(0, len(call), 4096):
        c.raw(call[at : at + 4096])
    reply = c.answer(9)
    assert reply.error == "org.skep.Engine1.Error.NoSuchPolicy", (reply.error, reply.body)


def padded_calls(_):
    """Calls that wait for an answer and are kept so long, with 3 MiB each of what nobody has asked for."""
    c = wire.Connection(address)
    c.manager("Pause")
    id = is_served()
    body = wire.Writer()
    for kind, value in zip(("as", "t"), ([id], 1 << 40)):
        body.put(kind, value)
    errors = 0
    for serial in range(100, 140):
        fields = {1: ("o", wire.PATH), 2: ("s", wire.MANAGER), 3: ("s", "Wait"), 8: ("g", "ast"), 77: ("s", b"x" * (3 << 20))}
        c.raw(wire.header(wire.CALL, serial, fields, len(body.data)) + bytes(body.data))
    reply = c.read()
    assert reply.error == "org.freedesktop.DBus.Error.LimitsExceeded", reply.body
    assert 105 < reply.fields[5] < 115, reply.fields
    assert memory_kib() < memory + GROWTH_MAX_KIB, f"{memory_kib()} KiB, {memory} before"
    c.close()
    other = wire.Connection(address)
    other.manager("Resume")
    other.manager("Cancel", "s", id)


def deaf(_):
    """Clients that ask for long lists and do not read them."""
    first = wire.Connection(address)
    first.manager("Pause")
    ids = first.manager("SubmitBatch", "a(sa(ss))", [(TRUE, [])] * 1000).body[0]
    kept = []
    for _ in range(10):
        c = wire.Connection(address)
        c.socket.settimeout(1)
        kept.append(c)
        try:
            for _ in range(3000):
                c.send(wire.NAME, wire.PATH, wire.MANAGER, "ListJobs", "a{sv}su", ([], "", 0))
        except (wire.Closed, TimeoutError):
            pass
        is_served()
    assert memory_kib() < memory + GROWTH_MAX_KIB, f"{memory_kib()} KiB, {memory} before"
    # Whoever reads after all gets everything.
    c = kept[-1]
    c.socket.settimeout(20)
    for _ in range(10):
        assert len(c.read().body[0]) == 1000
    for id in ids:
        first.manager("Cancel", "s", id)
    first.manager("Resume")


def full_queue(_):
    """A paused engine takes so many jobs, and no more, by name; and is there for others."""
    c = wire.Connection(address)
    c.manager("Pause")
    taken, error = 0, None
    while taken < 1200000 and not error:
        reply = c.manager("SubmitBatch", "a(sa(ss))", [(TRUE, [])] * 10000)
        error = reply.error
        taken += 0 if error else 10000
    print(f"{taken} jobs were taken, {memory_kib()} KiB are resident")
    assert error in ("org.skep.Engine1.Error.QueueFull", "org.skep.Engine1.Error.QuotaExceeded"), error
    assert memory_kib() < MEMORY_MAX_KIB * (2 if sanitized() else 1), memory_kib()
    assert not c.property(wire.PATH, wire.MANAGER, "Version").error


def connections(_):
    """More connections than one program has any need of, which do nothing. When they have gone, nothing of them is left."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    kept = []
    for _ in range(600):
        try:
            kept.append(wire.Connection(address, timeout=5))
        except (wire.Closed, OSError):
            pass
    is_served()
    for c in kept:
        c.close()


def growing(_):
    """A file that grows as fast as it is read: nobody waits for it, and it comes to an end."""
    path = tempfile.NamedTemporaryFile(dir=".")
    os.truncate(path.name, 1 << 42)  # a hole of 4 TiB
    c = wire.Connection(address, timeout=150)
    fd = os.open(path.name, os.O_RDONLY)
    serial = c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (TRUE, [("a", 0)]), [fd])
    for _ in range(20):
        is_served()
        time.sleep(0.05)
    reply = c.answer(serial)
    assert reply.error in ("org.skep.Engine1.Error.QuotaExceeded", "org.skep.Engine1.Error.BadSpec"), (reply.error, reply.body)


def endless(path):
    """Files that never answer a read. `path` is one: tests/engine/endless.py."""
    kept = []
    for _ in range(80):
        c = wire.Connection(address, timeout=100)
        fd = os.open(path, os.O_RDONLY)
        c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (TRUE, [("a", 0)]), [fd])
        os.close(fd)
        kept.append(c)
    # One tenant has not so many copies under way: those that come last are refused at once.
    ready = select.select([c.socket for c in kept], [], [], 30)[0]
    refused = next(c for c in kept if c.socket in ready)
    kept.remove(refused)
    assert refused.read().error == "org.skep.Engine1.Error.QueueFull"
    is_served()
    for c in kept[::2]:
        c.close()
    is_served()
    if "PATIENCE" in os.environ:
        for c in kept[1::2]:
            assert c.read().error, "a file that cannot be read was taken"
    os._exit(0)  # the copies are there until their file answers


def control_characters(_):
    """What a terminal would obey is refused, or shown as what it is."""
    c = wire.Connection(address)
    evil = "a\x1b]0;owned\x07\r\n"
    for key, value in (("name", evil), ("policy", evil), ("tenant", evil), ("idempotency_key", evil), ("labels", [evil]),
                       ("environment", {evil: "x"}), ("after", {evil: "x"}), ("limits", {evil: 1}), (evil, 1), ("command", []),
                       ("working_directory", evil)):
        reply = c.manager("Submit", "sa(sh)", json.dumps({"command": ["true"], key: value}), [])
        if reply.error:
            assert not any(ord(x) < 32 for x in reply.body[0]), (key, reply.body)
    fd = os.memfd_create("input")
    for name in (evil, "../up", "a/b", "", ".", "x" * 300):
        reply = c.manager("Submit", "sa(sh)", TRUE, [(name, 0)], fds=[fd])
        assert reply.error and not any(ord(x) < 32 for x in reply.body[0]), (name, reply.body)
    for member in ("GetJob", "Cancel", "Hold", "Requeue", "Forget"):
        reply = c.manager(member, "s", evil)
        assert reply.error == "org.skep.Engine1.Error.NoSuchJob", reply.error
        assert not any(ord(x) < 32 for x in reply.body[0]), reply.body
    # Bytes that are no text at all.
    reply = c.manager("Submit", "sa(sh)", b'{"command": ["\xff\xfe"]}', [])
    assert reply.error == "org.skep.Engine1.Error.BadSpec", reply.error
    is_served()


memory, before = memory_kib(), descriptors()
{name: f for name, f in list(globals().items()) if callable(f)}[case](sys.argv[4] if len(sys.argv) > 4 else None)
settles(before)
if case != "full_queue":
    assert memory_kib() < memory + GROWTH_MAX_KIB, f"{memory_kib()} KiB, {memory} before"

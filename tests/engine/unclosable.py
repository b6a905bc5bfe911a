# SPDX-License-Identifier: LGPL-2.1-or-later
"""unclosable.py ADDRESS PID PATH [BUS]: hands descriptors to the engine of process PID, in every way there is, whose closing never
comes to its end (endless.py), as a client at ADDRESS, or as the message bus at BUS. Others are served meanwhile. This process cannot
end by itself, since it has such descriptors: it prints how it went."""

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback

import wire
from bus_by_hand import Bus

address, pid, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TRUE = json.dumps({"command": ["true"], "policy": "strict"})
LIMIT = "org.freedesktop.DBus.Error.LimitsExceeded"
BAD = "org.skep.Engine1.Error.BadSpec"
deaf = []
MANYS, ROOTS = ":1.50", ":2."  # names that stay on the bus


def is_served():
    start = time.monotonic()
    c = wire.Connection(address, timeout=10)
    data = os.memfd_create("input")
    for inputs, some in (([], ()), ([("a", 0), ("b", 0)], (data,))):
        id = c.manager("Submit", "sa(sh)", TRUE, inputs, fds=some).body[0]
        assert c.manager("Wait", "ast", [id], 10_000_000).body == [[(id, "succeeded")]]
    c.close()
    assert time.monotonic() - start < 8, "a stranger had to wait"


def has_none():
    """The engine itself never keeps one."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            assert os.readlink(f"/proc/{pid}/fd/{fd}") != path, fd
        except FileNotFoundError:
            pass


def porters():
    """Processes that have what cannot be closed."""
    names = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/stat") as f:
                name, rest = f.read().rsplit(")", 1)
            if int(rest.split()[1]) == pid and rest.split()[0] != "Z" and name.endswith("(skep-porter"):
                names.append(other)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return len(names)


def lingering():
    s, other = wire.lingering_socket()
    deaf.append(other)
    return s


def give_up(sockets):
    """It may be us who closes them last."""
    for s in sockets:
        threading.Thread(target=s.close, daemon=True).start()


class Client:
    """On a connection of its own each time."""

    def call(self, member, signature, *arguments, fds=(), answers=True, mine=()):
        self.c = wire.Connection(address)
        serial = self.c.send(wire.NAME, wire.PATH, wire.MANAGER, member, signature, arguments, fds)
        give_up(mine)
        return self.c.answer(serial) if answers else None

    def unfinished(self, fds):
        self.c = wire.Connection(address)
        fields = {1: ("o", wire.PATH), 3: ("s", "Submit"), 8: ("g", "sa(sh)"), 9: ("u", len(fds))}
        self.c.raw(wire.header(wire.CALL, 9, fields, 1000), fds)

    def leave(self):
        self.c.close()


class Sender:
    """Another one each time, on the bus."""

    def __init__(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        print("listening", flush=True)
        self.bus, self.n = Bus(listener), 100

    def call(self, member, signature, *arguments, fds=(), answers=True, mine=()):
        self.n += 1
        self.name = f":1.{self.n}"
        serial = self.bus.call_from(self.name, member, signature, *arguments, fds=fds)
        give_up(mine)
        m = None
        while not m and (answers or self.name not in [name for _, name in self.bus.asked]):
            m = self.bus.message()
            if m.fields.get(5) != serial:
                m = None
            if m is None and self.name in [name for _, name in self.bus.asked] and answers:
                self.bus.is_root(self.name)
        if not answers:
            # For the moment the call is held.
            is_served()
            has_none()
            self.bus.is_root(self.name)
        return m

    def leave(self):
        self.bus.is_gone(self.name)

    def is_refused(self, name, uid, fds, mine=()):
        """Whether that is because of what it brings."""
        os.kill(pid, signal.SIGSTOP)
        serial = self.bus.call_from(name, "Submit", "sa(sh)", "{", [("a", 0)], fds=fds)
        give_up(mine)
        time.sleep(0.1 if mine else 0)
        os.kill(pid, signal.SIGCONT)
        if mine:
            is_served()
        while True:
            m = self.bus.message()
            if m and m.fields.get(5) == serial:
                assert m.error == BAD or "not been done with; try again" in m.body[0], m.body
                if name != MANYS and not name.startswith(ROOTS):
                    self.bus.is_gone(name)
                return m.error == LIMIT
            if name in [asked for _, asked in self.bus.asked]:
                self.bus.is_user(name, uid)


def take_many(who, fds):
    """Another user of the bus, once it is known who that is; and then by a name that the engine does not know yet, each time."""
    taken = 0
    while not who.is_refused(MANYS, 2, fds):
        taken += 1
    assert taken == 128, taken
    is_served()
    s = lingering()
    assert who.is_refused(MANYS, 2, [s.fileno()], [s])
    # Who was not known has to try again, and then has what others have left him. (Sockets that have lingered may have left room meanwhile.)
    while not who.is_refused(f":1.{1000 + taken}", 2, fds) or not who.is_refused(f"{ROOTS}{taken}", 0, fds):
        taken += 1
    assert taken <= 128 + 256, taken
    assert not who.is_refused(f"{ROOTS}{taken}", 0, fds)
    is_served()


def go():
    fds = [os.open(path, os.O_RDONLY) for _ in range(40)]
    if len(sys.argv) > 4:
        who = Sender(sys.argv[4])
    else:
        who = Client()

    def check():
        is_served()
        has_none()

    id = wire.Connection(address).manager("Submit", "sa(sh)", TRUE, []).body[0]
    # Nobody wants it; it is refused; it is not named; more than a job can have; twice the same.
    assert who.call("GetJob", "s", id, fds=fds[:1]).error == LIMIT
    check()
    assert who.call("Submit", "sa(sh)", "{", [("a", 0)], fds=fds[:1]).error == BAD
    check()
    assert who.call("Submit", "sa(sh)", TRUE, [("x", 0), ("x", 0)], fds=fds[:2]).error == BAD
    check()
    assert not who.call("Submit", "sa(sh)", TRUE, [], fds=fds[:2]).error
    check()
    assert who.call("Submit", "sa(sh)", TRUE, [("a", 0)], fds=fds).error == LIMIT
    check()
    s = lingering()
    who.call("Submit", "sa(sh)", TRUE, [("a", 0)], fds=[s.fileno()], answers=False, mine=[s])
    check()
    # Copied, or so it looks; and who has asked for it goes.
    for member, signature, arguments in (("Submit", "sa(sh)", (TRUE, [("a", 0), ("b", 0)])), ("AddInput", "h", (0,))):
        for stays in (True, False):
            who.call(member, signature, *arguments, fds=fds[:1], answers=False)
            check()
            if not stays:
                who.leave()
                check()
    if isinstance(who, Client):
        # A message without an end; one whose sender is gone at once; what comes before any message.
        who.unfinished(fds)
        check()
        who.leave()
        check()
        who.call("Submit", "sa(sh)", TRUE, [("a", 0)], fds=fds[:1], answers=False)
        who.leave()
        check()
        s = socket.socket(socket.AF_UNIX)
        s.connect(address.removeprefix("unix:path="))
        socket.send_fds(s, [b"\0AUTH EXTERNAL\r\n"], fds)
        check()
        # One that hears no answer any more, with a message that has not come whole; and then speaks on.
        sleeps = who.call("Submit", "sa(sh)", json.dumps({"command": ["sleep", "30"]}), []).body[0]
        c = wire.Connection(address)
        c.send(wire.NAME, wire.PATH, wire.MANAGER, "Wait", "ast", ([sleeps], 500_000))
        c.raw(wire.header(wire.CALL, 9, {1: ("o", wire.PATH), 3: ("s", "Submit"), 8: ("g", "sa(sh)"), 9: ("u", 1)}, 1000), fds[:1])
        c.socket.shutdown(socket.SHUT_RD)
        time.sleep(1)
        try:
            c.raw(b"more of it")
        except wire.Closed:
            pass
        c.close()
        check()
        assert not who.call("Cancel", "s", sleeps).error
        # When there are so many of one user, no further message of his that brings some is read.
        for _ in range(2):
            while porters() < 128:
                who.call("GetJob", "s", id, fds=fds[:1])
            time.sleep(0.3)  # those that only end are gone
        try:
            wire.Connection(address, timeout=1).manager("Submit", "sa(sh)", TRUE, [("a", 0)], fds=[os.memfd_create("input")])
            raise AssertionError("one more was read")
        except TimeoutError:
            pass
        assert not who.call("Submit", "sa(sh)", TRUE, []).error
        has_none()
    else:
        take_many(who, fds[:1])
        check()
        # A bus that sends what is no message is left, with what has come and was not read.
        s = lingering()
        os.kill(pid, signal.SIGSTOP)
        who.bus.raw(b"no message at all", [s.fileno()])
        s.close()
        os.kill(pid, signal.SIGCONT)
        check()
    assert porters() >= 8, porters()
    print("passed", flush=True)


try:
    go()
except BaseException:
    traceback.print_exc(file=sys.stdout)
    print("failed", flush=True)
os._exit(0)

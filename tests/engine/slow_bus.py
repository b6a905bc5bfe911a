# SPDX-License-Identifier: LGPL-2.1-or-later
"""slow_bus.py BUS SOCKET: stands in for a message bus that lets the engine in, and says who its senders are when it is told to.
The engine, which is at SOCKET, too, may hold two calls of one sender (clients.calls), and sixteen times as many of all."""

import socket
import sys

import wire
from bus_by_hand import Bus

LIMIT = "org.freedesktop.DBus.Error.LimitsExceeded"


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

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many jobs, after which supervisor, workers and launchers hold what they held after the first of them:
soak.py ADDRESS PID JOBS FIRST"""

import json
import os
import sys
import time

import wire

address, supervisor, jobs, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
BATCH = 250
HUGE_PAGE_KIB = 2048
NETWORKS_KEPT = 32  # jail/networks.h
IDS_KEPT = 16  # jail/kept_ids.h
WARM_MAX = 16  # warm.maximum of skepd.json(5)
GROWTH_MAX = 1.1
SLACK_KIB = 256  # a page more here or there, of processes that have some MiB
SPECS = [json.dumps(spec) for spec in (
    {"command": ["true"], "policy": "strict"},
    {"command": ["sh", "-c", "echo out; echo err >&2; echo kept > /output/f"], "policy": "strict"},
    {"command": ["cat"], "stdin": "x" * 1000, "policy": "strict"},
    {"command": ["false"], "policy": "strict", "retry": {"attempts": 2, "backoff": "1ms", "on": ["exited"]}},
    {"command": ["no-such-program"], "policy": "strict"},
)]
STATES = ("succeeded", "succeeded", "succeeded", "failed", "failed")


def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return next((line.split()[1] for line in f if line.startswith(key + ":")), "0")


def family():
    """Supervisor, nursery, workers and launchers, by name. What a launcher has forked are jails."""
    found = {supervisor: "skepd"}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            name, parent = status(pid, "Name"), int(status(pid, "PPid"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if (name, found.get(parent)) in (("skep-worker", "skepd"), ("skep-nursery", "skepd"), ("skep-launcher", "skep-worker")):
            found[pid] = name
    return found


def sanitized(pid):
    with open(f"/proc/{pid}/exe", "rb") as f:
        return b"__asan_init" in f.read()


def descriptors_of(pid):
    """Without what a launcher keeps for jails to come, as many as there were at once, and few: network namespaces, and user
    namespaces, each of which comes with a descriptor that holds its ids."""
    kinds = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            kinds.append(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0])
        except FileNotFoundError:
            continue
    networks, users = kinds.count("net"), kinds.count("user")
    assert networks <= NETWORKS_KEPT, f"{networks} network namespaces are kept"
    assert users <= IDS_KEPT + WARM_MAX, f"{users} user namespaces are kept"
    return len(kinds) - networks - 2 * users


def huge_pages_of(pid):
    """KiB in pages of 2 MiB, which the kernel makes of smaller ones when it likes, with what lies unused between them."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("AnonHugePages:"))


def measure():
    """By kind of process: how many, their memory, their descriptors, and of the memory what is in huge pages."""
    kinds = {}
    for pid, name in family().items():
        kind = kinds.setdefault(name, [0, 0, 0, 0])
        kind[0] += 1
        # The sanitizers of those whose environment is empty keep what was freed.
        kind[1] += int(status(pid, "VmRSS")) if name not in ("skep-launcher", "skep-nursery") or not sanitized(pid) else 0
        kind[2] += descriptors_of(pid)
        kind[3] += huge_pages_of(pid)
    return kinds


def run(connection, n):
    while n > 0:
        batch = [(SPECS[i % len(SPECS)], []) for i in range(min(n, BATCH))]
        reply = connection.manager("SubmitBatch", "a(sa(ss))", batch)
        assert not reply.error, reply.body
        # Each ends as it must: that one does not, may be rare.
        left = {job: STATES[i % len(STATES)] for i, job in enumerate(reply.body[0])}
        while left:
            message = connection.read()
            if message.fields.get(3) == "JobFinished":
                job, state = message.body
                assert left.pop(job, state) == state, f"job {job} has {state}"
        n -= len(batch)



c = wire.Connection(address)
c.manager("Subscribe")
run(c, first)
time.sleep(3)  # for what is cleared up afterwards
before = measure()
start = time.monotonic()
run(c, jobs - first)
rate = (jobs - first) / (time.monotonic() - start)
time.sleep(3)  # for what is cleared up afterwards
for _ in range(20):
    after = measure()
    if all(name in before and after[name][2] <= before[name][2] for name in after):
        break
    time.sleep(1)
wrong = []
for name, (n, memory, descriptors, huge) in after.items():
    _, memory_before, descriptors_before, huge_before = before[name]
    print(f"{n} {name}: {memory_before} KiB and {descriptors_before} descriptors after {first} jobs, {memory} KiB and {descriptors} after {jobs}")
    if n != before[name][0]:
        wrong.append(f"{name}: one of them has died")
    # One more huge page each is the kernel's doing.
    if memory - min(max(huge - huge_before, 0), HUGE_PAGE_KIB * n) > memory_before * GROWTH_MAX + SLACK_KIB * n:
        wrong.append(f"{name}: {memory - memory_before} KiB more")
    if descriptors > descriptors_before:
        wrong.append(f"{name}: {descriptors - descriptors_before} descriptors more")
print(f"{rate:.0f} jobs a second")
print("\n".join(wrong))
sys.exit(1 if wrong or set(before) != {"skepd", "skep-nursery", "skep-worker", "skep-launcher"} else 0)

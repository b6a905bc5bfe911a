# SPDX-License-Identifier: LGPL-2.1-or-later
"""Submits jobs while supervisors and workers are killed at random, then accounts for each of them.

chaos.py BUILD STATE SOCKET MISSING JOBS [SEED]
chaos.py --units JOBS [SEED]

With --units the supervisor and its workers are the installed ones, as units of systemd, and their store is empty.

In the first half only supervisors die: so no job may need a second attempt. In the second half workers die as well, and an
attempt may end with its worker, and for no other reason.
"""

import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time

units = sys.argv[1] == "--units"
if units:
    state, program, jobs, rest = "/var/lib/skep", ["skepctl"], int(sys.argv[2]), sys.argv[3:]
else:
    build, state, socket, missing, jobs, rest = sys.argv[1:5] + [int(sys.argv[5]), sys.argv[6:]]
    program = [f"{build}/skepctl", "--address", "unix:path=" + socket]
seed = int(rest[0]) if rest else random.randrange(1 << 30)
chance = random.Random(seed)
kills = {"supervisor": 0, "worker": 0}
wrong = []


class Unit:
    """The supervisor as systemd has it, which starts it again by itself."""

    def kill(self):
        systemctl("kill", "-s", "KILL", "skepd.service")

    def wait(self):
        pass

    def terminate(self):
        systemctl("stop", "skepd.service", "skepd.socket", "skep-worker@*.service")


def systemctl(*words):
    subprocess.run(["systemctl", *words], check=True)


def start():
    if units:
        # It dies more often than systemd has patience for.
        subprocess.run(["systemctl", "reset-failed", "skepd.service"], stderr=subprocess.DEVNULL)
        systemctl("start", "skepd.service")
        return Unit()
    skepd = subprocess.Popen(
        [f"{build}/skepd", "--embedded", "--state", state, "--socket", socket, "--workers", "3", "--drain", "5s",
         "--allow-missing=" + missing], stdout=subprocess.PIPE, stderr=log)
    assert skepd.stdout.readline() == b"ready\n", "skepd does not start"
    return skepd


def ctl(*words, text=None):
    return subprocess.run([*program, *words], input=text, capture_output=True, text=True, timeout=120)


def workers():
    """Whoever has started them."""
    listed = subprocess.run(["pgrep", "-f", "--", f"skep-worker --socket {state}/"], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def pace():
    """How long a client takes: on a machine that is busy with other things, time goes slower for everybody."""
    begin = time.monotonic()
    ctl("list", "--json", "--state", "running")
    return max(0.2, time.monotonic() - begin)


def disturb(whom, over):
    """One of them dies, every now and then; a supervisor comes back at once, or after a while."""
    global skepd
    while not over.wait(chance.uniform(1, 6) * pace()) or not all(kills[victim] for victim in whom):
        victim = chance.choice(whom)
        kills[victim] += 1
        if victim == "supervisor":
            skepd.kill()
            skepd.wait()
            time.sleep(chance.choice([0, 0, 0.1, 1]))
            skepd = start()
        for pid in chance.sample(workers(), 1) if victim == "worker" and workers() else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def specification(number):
    wait = chance.choice([0, 0, 0.1, 0.5])
    command = f"cat /input/seed; sleep {wait}; echo {number}; echo e{number} >&2; echo {number} > /output/f"
    return {"name": f"chaos-{number}", "command": ["sh", "-c", command], "idempotency_key": f"chaos-{number}",
            "retry": {"attempts": 100, "backoff": "50ms", "on": ["lost"]}}


def submit(numbers):
    """Until each is acknowledged: the keys see to it that none is there twice."""
    known = {}
    while numbers:
        chunk = numbers[: chance.randrange(1, 25)]
        text = "".join(json.dumps(specification(n)) + "\n" for n in chunk)
        r = ctl("submit", "--input", f"seed={state}.seed", "-", text=text)
        ids = r.stdout.split()
        if r.returncode == 0 and len(ids) == len(chunk):
            known.update(zip(chunk, ids))
            numbers = numbers[len(chunk):]
        else:
            time.sleep(0.05)
    return known


def run(numbers, whom):
    over = threading.Event()
    disturber = threading.Thread(target=disturb, args=(whom, over))
    disturber.start()
    known = submit(numbers)
    time.sleep(2)
    over.set()
    disturber.join()
    while True:
        try:
            r = ctl("wait", *known.values())
        except subprocess.TimeoutExpired:
            print(ctl("list").stdout, ctl("pool").stdout)
            raise
        if r.returncode in (0, 1):
            return known
        print(r.stderr)
        time.sleep(0.2)


def check_output(number, job_id, attempt):
    place = f"{state}/jobs/{job_id}/{attempt}/"
    stdout, stderr, index = (open(place + name, "rb").read() for name in ("stdout", "stderr", "index"))
    if stdout != f"seed\n{number}\n".encode() or stderr != f"e{number}\n".encode():
        wrong.append(f"{number}: output {stdout!r}, {stderr!r}")
    told = {1: 0, 2: 0}
    before = 0
    for when, offset, length, stream in struct.iter_unpack("<QQII", index):
        if offset != told[stream] or when < before:
            wrong.append(f"{number}: its index has a gap")
        told[stream] += length
        before = when
    if told != {1: len(stdout), 2: len(stderr)}:
        wrong.append(f"{number}: the index tells of {told}")
    files = subprocess.run(["tar", "-xOf", place + "files", "f"], capture_output=True)
    if files.stdout != f"{number}\n".encode():
        wrong.append(f"{number}: files {files.stdout!r} {files.stderr!r}")


def check(numbers, may_be_lost):
    for number in numbers:
        job_id = known[number]
        job_state, attempt = database.execute("SELECT state, attempt FROM jobs WHERE id = ?", (job_id,)).fetchone()
        reports = [(n, json.loads(text)) for n, text in database.execute(
            "SELECT attempt, report FROM attempts WHERE job = ? ORDER BY attempt", (job_id,))]
        told = [(n, report["attempt"], report["reason"]) for n, report in reports]
        if job_state != "succeeded" or told != [(n, n, "lost") for n in range(1, attempt)] + [(attempt, attempt, "exited")]:
            wrong.append(f"{number}: {job_state}, attempt {attempt}, {[(n, r['reason'], r['message']) for n, r in reports]}")
            continue
        if not may_be_lost and attempt != 1:
            wrong.append(f"{number}: attempt {attempt}, and no worker has died: {reports[0][1]['message']}")
        if any("worker" not in report["message"] for _, report in reports[:-1]):
            wrong.append(f"{number}: lost, but not with its worker: {reports}")
        check_output(number, job_id, attempt)


with open(state + ".seed", "w") as f:
    f.write("seed\n")
log = open(state + ".log", "ab")
print(f"seed {seed}", flush=True)
skepd = start()
first, second = list(range(jobs // 2)), list(range(jobs // 2, jobs))
known = run(first, ["supervisor"])
known.update(run(second, ["supervisor", "worker"]))
listed = [json.loads(line) for line in ctl("list", "--json").stdout.splitlines()]
if len(listed) != jobs or {job["id"] for job in listed} != set(known.values()):
    wrong.append(f"{len(listed)} jobs are listed, {jobs} were submitted")
skepd.terminate()
skepd.wait()
database = sqlite3.connect(f"file:{state}/jobs.db?mode=ro", uri=True)
check(first, False)
check(second, True)
attempts = sum(row[0] for row in database.execute("SELECT attempt FROM jobs"))
if workers():
    wrong.append(f"workers are left: {workers()}")
if os.listdir(state + "/blobs"):
    wrong.append(f"blobs are left: {os.listdir(state + '/blobs')}")
if len(os.listdir(state + "/jobs")) != jobs:
    wrong.append(f"{len(os.listdir(state + '/jobs'))} jobs have output")
print(f"{jobs} jobs, {attempts} attempts; killed: {kills['supervisor']} supervisors, {kills['worker']} workers")
if wrong:
    print("\n".join(wrong[:20]))
    print(open(state + ".log").read()[-5000:])
sys.exit(1 if wrong or not kills["supervisor"] or not kills["worker"] else 0)

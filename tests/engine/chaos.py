# SPDX-License-Identifier: LGPL-2.1-or-later
"""Submits jobs while supervisor and workers are killed at random, then accounts for each of them.

chaos.py BUILD STATE SOCKET MISSING JOBS [SEED]
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

build, state, socket, missing, jobs = sys.argv[1:5] + [int(sys.argv[5])]
seed = int(sys.argv[6]) if len(sys.argv) > 6 else random.randrange(1 << 30)
chance = random.Random(seed)
address = "unix:path=" + socket
over = threading.Event()
lock = threading.Lock()
kills = {"supervisor": 0, "worker": 0}


def start():
    skepd = subprocess.Popen(
        [f"{build}/skepd", "--embedded", "--state", state, "--socket", socket, "--workers", "3", "--drain", "5s",
         "--allow-missing=" + missing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert skepd.stdout.readline() == b"ready\n", "skepd does not start"
    return skepd


def ctl(*words, text=None):
    return subprocess.run([f"{build}/skepctl", "--address", address, *words], input=text, capture_output=True, text=True,
                          timeout=120)


def workers():
    listed = subprocess.run(["pgrep", "-P", str(skepd.pid), "skep-worker"], capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def disturb():
    """One of them dies, every now and then."""
    global skepd
    while not over.wait(chance.uniform(0.3, 1.5)):
        with lock:
            if chance.random() < 0.5:
                skepd.kill()
                skepd.wait()
                kills["supervisor"] += 1
                skepd = start()
            else:
                for pid in chance.sample(workers(), 1) if workers() else []:
                    os.kill(pid, signal.SIGKILL)
                    kills["worker"] += 1


def specification(number):
    return {"name": f"chaos-{number}", "command": ["sh", "-c", f"cat /input/seed; echo {number}; echo {number} > /output/f"],
            "idempotency_key": f"chaos-{number}", "retry": {"attempts": 100, "backoff": "50ms", "on": ["lost"]}}


def submit():
    """Until each is acknowledged: the keys see to it that none is there twice."""
    known = {}
    numbers = list(range(jobs))
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


with open(state + ".seed", "w") as f:
    f.write("seed\n")
print(f"seed {seed}")
skepd = start()
disturber = threading.Thread(target=disturb)
disturber.start()
known = submit()
time.sleep(2)
over.set()
disturber.join()

while True:
    r = ctl("wait", *known.values())
    if r.returncode in (0, 1):
        break
    print(r.stderr)
    time.sleep(0.2)

wrong = []
for number, job_id in known.items():
    job = json.loads(ctl("status", "--json", job_id).stdout)
    if job["state"] != "succeeded" or job["report"]["attempt"] != job["attempt"]:
        wrong.append(f"{number}: {job['state']}, attempt {job['attempt']}, report {job['report'].get('message')}")
    elif ctl("logs", job_id).stdout != f"seed\n{number}\n":
        wrong.append(f"{number}: output {ctl('logs', job_id).stdout!r}")
listed = [json.loads(line) for line in ctl("list", "--json").stdout.splitlines()]
if len(listed) != jobs or len({job["id"] for job in listed}) != jobs:
    wrong.append(f"{len(listed)} jobs are listed, {jobs} were submitted")
attempts = sum(job["attempt"] for job in listed)
skepd.terminate()
skepd.wait()
if os.listdir(state + "/blobs"):
    wrong.append(f"blobs are left: {os.listdir(state + '/blobs')}")
if len(os.listdir(state + "/jobs")) != jobs:
    wrong.append(f"{len(os.listdir(state + '/jobs'))} jobs have output")
print(f"{jobs} jobs, {attempts} attempts; killed: {kills['supervisor']} supervisors, {kills['worker']} workers")
print("\n".join(wrong[:20]))
sys.exit(1 if wrong or not kills["supervisor"] or not kills["worker"] else 0)

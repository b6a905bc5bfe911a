# SPDX-License-Identifier: LGPL-2.1-or-later
"""Submits jobs of all kinds (chaos_jobs.py) and does to them whatever clients do, while supervisors, workers and launchers are
killed at random; then accounts for each job (chaos_account.py).

chaos.py BUILD STATE SOCKET MISSING JOBS [SEED]
chaos.py --units JOBS [SEED]

With --units the supervisor and its workers are the installed ones, as units of systemd, and their store is empty.

In the first half only supervisors die: so no attempt may be lost. In the second half workers and launchers die as well, and an
attempt may end with its worker, and for no other reason."""

import collections
import contextlib
import json
import os
import random
import select
import signal
import socket as sockets
import subprocess
import sys
import threading
import time

import chaos_account
import chaos_jobs
import wire

PATIENCE = 60  # seconds, within which everything is answered, and something goes on
FINAL = ("succeeded", "failed", "cancelled")
# What a client may do to any job at any time, and how often in relation to the others.
ACTS = {"Hold": 4, "Release": 5, "Requeue": 4, "Cancel": 1, "Forget": 3}
OTHERS = {"pause": 1, "reload": 1, "backup": 1, "again": 3, "conflict": 1}

units = sys.argv[1] == "--units"
if units:
    state, address, jobs, rest = "/var/lib/skep", "/run/skep/engine.sock", int(sys.argv[2]), sys.argv[3:]
else:
    build, state, address, missing, jobs, rest = sys.argv[1:5] + [int(sys.argv[5]), sys.argv[6:]]
seed = int(rest[0]) if rest else random.randrange(1 << 30)
chance = {who: random.Random(f"{seed} {who}") for who in ("client", "operator", "killer")}
draw = chaos_jobs.Draw(chance["client"])
kills = collections.Counter()
done = collections.Counter()
asked = collections.defaultdict(set)  # by id: what was asked for, answered or not
forgotten = set()  # ids of which that was answered
signalled = collections.defaultdict(list)  # by id: the final states of JobFinished
answered = []  # ids
wrong = []


def give_up(why):
    """What goes on cannot be judged any more."""
    print(why, "\n".join(wrong), open(log.name, errors="replace").read()[-8000:], sep="\n", flush=True)
    for pid in workers() + ([] if units or skepd.poll() is not None else [skepd.pid]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os._exit(1)


# ---- supervisors and workers ----

class Unit:
    """The supervisor as systemd has it, which starts it again by itself."""

    def kill(self):
        systemctl("kill", "-s", "KILL", "skepd.service")

    def poll(self):
        return None

    def wait(self, timeout=None):
        pass

    def terminate(self):
        systemctl("stop", "skepd.service")


def systemctl(*words):
    subprocess.run(["systemctl", *words], check=True)


def start(place=None, socket=None):
    if units:
        # It dies more often than systemd has patience for.
        subprocess.run(["systemctl", "reset-failed", "skepd.service"], stderr=subprocess.DEVNULL)
        systemctl("start", "skepd.service")
        return Unit()
    drain = chance["killer"].choice(("0s", "0s", "300ms"))
    process = subprocess.Popen(
        [f"{build}/skepd", "--embedded", "--config", state + ".json", "--state", place or state, "--socket", socket or address,
         "--workers", "3", "--drain", drain, "--allow-missing=" + missing], stdout=subprocess.PIPE, stderr=log)
    if not select.select([process.stdout], [], [], PATIENCE)[0] or process.stdout.readline() != b"ready\n":
        give_up(f"skepd does not start: {process.poll()}")
    return process


def end(process):
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        give_up("skepd does not end")


def pids(*pattern):
    return [int(pid) for pid in subprocess.run(["pgrep", *pattern], capture_output=True, text=True).stdout.split()]


def workers():
    """Whoever has started them."""
    return pids("-f", "--", f"skep-worker --socket {state}/")


def launchers():
    return [pid for worker in workers() for pid in pids("-P", str(worker), "skep-launcher")]


def kill(victim):
    global skepd
    if victim in ("killed", "ended"):
        if skepd.poll() is not None:
            give_up(f"skepd has ended by itself: {skepd.poll()}")
        if victim == "ended":
            end(skepd)
        else:
            skepd.kill()
            skepd.wait()
        time.sleep(chance["killer"].choice([0, 0, 0.1, 1]))
        skepd = start()
    else:
        living = launchers() if victim == "launcher" else workers()
        for pid in chance["killer"].sample(living, min(1, len(living))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    kills[victim] += 1


def disturb(whom, over):
    """One of them dies, every now and then; a supervisor comes back at once, or after a while."""
    while not over.wait(chance["killer"].uniform(1, 5) * pace()) or not all(kills[victim] for victim in whom):
        kill(chance["killer"].choice(whom))


# ---- clients ----

class Unanswered(Exception):
    """The supervisor has died meanwhile: nobody knows whether it was done."""


class Client:
    """One that connects again."""

    def __init__(self, where=address):
        self.where, self.connection = where, None

    def connect(self):
        until = time.monotonic() + PATIENCE
        while not self.connection:
            try:
                self.connection = wire.Connection(self.where, timeout=PATIENCE)
            except (OSError, wire.Closed):
                if time.monotonic() > until:
                    give_up("nobody listens")
                time.sleep(0.02)

    def call(self, member, signature="", *arguments, fds=(), may_be_repeated=False):
        while True:
            self.connect()
            try:
                return self.connection.manager(member, signature, *arguments, fds=fds)
            except sockets.timeout:
                give_up(f"{member} is not answered: skepd hangs")
            except (wire.Closed, OSError):
                self.connection = None
                if not may_be_repeated:
                    raise Unanswered(member) from None

    def list(self, **filters):
        found, cursor = [], ""
        while True:
            reply = self.call("ListJobs", "a{sv}su", [(k, ("s", v)) for k, v in filters.items()], cursor, 0, may_be_repeated=True)
            found += reply.body[0]
            cursor = reply.body[1]
            if not cursor:
                return found


def pace():
    """How long a client takes: on a machine that is busy with other things, time goes slower for everybody."""
    begin = time.monotonic()
    Client().list(state="running")
    return max(0.15, time.monotonic() - begin)


def memory_file(text):
    fd = os.memfd_create("input", os.MFD_CLOEXEC)
    os.write(fd, text.encode())
    return fd


def submit_one(client, entry):
    """Answers with the reply. Inputs come as descriptors."""
    files = [memory_file(text) for _, text in entry.work.inputs]
    try:
        return client.call("Submit", "sa(sh)", json.dumps(entry.spec(lambda parent: parent.ids[-1])),
                           [(name, i) for i, (name, _) in enumerate(entry.work.inputs)], fds=files)
    finally:
        for fd in files:
            os.close(fd)


def submit_batch(client, entries):
    digests = {}
    for text in {text for entry in entries for _, text in entry.work.inputs}:
        fd = memory_file(text)
        try:
            reply = client.call("AddInput", "h", 0, fds=[fd], may_be_repeated=True)
        finally:
            os.close(fd)
        if reply.error:
            return reply
        digests[text] = reply.body[0]
    index = {entry: f"#{i}" for i, entry in enumerate(entries)}
    return client.call("SubmitBatch", "a(sa(ss))", [
        (json.dumps(entry.spec(lambda parent: index.get(parent) or parent.ids[-1])),
         [(name, digests[text]) for name, text in entry.work.inputs]) for entry in entries])


def submit(client, entries):
    """Until it is answered: keys see to it that none is there twice."""
    until = time.monotonic() + PATIENCE
    alone = len(entries) == 1 and chance["client"].random() < 0.7
    while True:
        try:
            reply = submit_one(client, entries[0]) if alone else submit_batch(client, entries)
        except Unanswered:
            for entry in entries:
                entry.unanswered += 1
            continue
        if not reply.error:
            break
        why = reply.body[0]
        if "there is no such job" in why and any("Forget" in asked[p.ids[-1]] for e in entries for p in e.work.parents if p.ids):
            for entry in entries:
                entry.refused = True
            return
        # Those that are to come again: the supervisor ends, or is another one, which does not know what was added.
        if not any(text in why for text in ("the supervisor is ending", "AddInput has not answered", "try again")):
            wrong.append(f"a submission is refused: {reply.error}: {why}")
            return
        if time.monotonic() > until:
            give_up(f"a submission is refused for ever: {why}")
        time.sleep(0.02)
    ids = [reply.body[0]] if alone else reply.body[0]
    for entry, job in zip(entries, ids):
        entry.ids.append(job)
        answered.append(job)


# ---- the operator ----

def any_job():
    """As a rule one of the last, or a member of it."""
    entry = chance["operator"].choice(known()[-30:] if chance["operator"].random() < 0.8 else known())
    job = chance["operator"].choice(entry.ids)
    member = entry.work.count and chance["operator"].random() < 0.5
    return f"{job}_{chance['operator'].randrange(entry.work.count)}" if member else job


def known():
    return [entry for entry in list(draw.entries) if entry.ids]


def act(client, member):
    job = any_job()
    asked[job].add(member)
    reply = client.call(member, "s", job)
    if reply.error and not any(reply.error.endswith(name) for name in ("WrongState", "NoSuchJob")):
        wrong.append(f"{member} of {job}: {reply.error}: {reply.body[0]}")
    elif member == "Forget" and not reply.error:
        forgotten.add(job)
    elif reply.error and reply.error.endswith("NoSuchJob") and "Forget" not in asked[job.split("_")[0]]:
        wrong.append(f"{member} of {job}: {reply.body[0]}")


def submit_again(client, change):
    """With a key that is known: the same job, or none."""
    keyed = [entry for entry in known() if entry.key and not any("Forget" in asked[job] for job in entry.ids)]
    if not keyed:
        return
    entry = chance["operator"].choice(keyed)
    spec = entry.spec(lambda parent: parent.ids[-1])
    if change:
        spec["meta"] = {"entry": -1}
    # Inputs are none of it: a caller may not have them any more.
    reply = client.call("Submit", "sa(sh)", json.dumps(spec), [])
    if reply.error and "the supervisor is ending" in reply.body[0]:
        return
    expected = "IdempotencyConflict" if change else entry.ids[-1]
    got = reply.error.split(".")[-1] if reply.error else reply.body[0]
    # Parents may have been submitted again since, with other ids.
    if change and reply.error and "there is no such job" in reply.body[0] and entry.work.parents:
        return
    if got != expected and len({len(parent.ids) for parent in entry.work.parents} | {1}) == 1:
        wrong.append(f"job {entry.number} again: {got} {reply.body} instead of {expected}")


def back_up(client):
    must, may_be_gone = set(answered), {job for job, what in asked.items() if "Forget" in what}
    reply = client.call("Backup")
    if reply.error:
        if "a copy of the state is being made" not in reply.body[0]:
            wrong.append(f"Backup: {reply.error}: {reply.body[0]}")
        return
    with os.fdopen(reply.fds[0], "rb") as f:
        wrong.extend(chaos_account.check_copy(f, must - may_be_gone - {job for job, what in asked.items() if "Forget" in what}))


def other(client, what):
    if what == "pause":
        client.call("Pause")
        time.sleep(0.1)
        client.call("Resume", may_be_repeated=True)
    elif what == "backup":
        back_up(client)
    elif what == "reload":
        reply = client.call("Reload")
        if reply.error:
            wrong.append(f"Reload: {reply.body[0]}")
    else:
        submit_again(client, what == "conflict")


def operate(over):
    client, weights = Client(), ACTS | OTHERS
    while not over.wait(chance["operator"].uniform(0, 0.03)) or not all(done[what] for what in weights):
        if not known():
            continue
        (what,) = chance["operator"].choices(list(weights), list(weights.values()))
        done[what] += 1
        try:
            act(client, what) if what in ACTS else other(client, what)
        except Unanswered:
            pass


def let_go():
    """What was held or paused goes on."""
    client = Client()
    client.call("Resume", may_be_repeated=True)
    for job, what in list(asked.items()):
        if "Hold" in what:
            client.call("Release", "s", job, may_be_repeated=True)


def watch(over):
    """Who has subscribed is told of each end once."""
    client = Client()
    while not over.is_set():
        try:
            if not client.connection:
                client.connect()
                client.connection.manager("Subscribe")
                client.connection.socket.settimeout(0.2)
            message = client.connection.read()
        except sockets.timeout:
            continue
        except (wire.Closed, OSError):
            client.connection = None
            continue
        if message.fields.get(3) == "JobFinished":
            signalled[message.body[0]].append(message.body[1])


# ---- the course of things ----

def run(number, whom):
    over = threading.Event()
    threads = [threading.Thread(target=disturb, args=(whom, over)), threading.Thread(target=operate, args=(over,))]
    for thread in threads:
        thread.start()
    client, end_of_it = Client(), len(draw.entries) + number
    while len(draw.entries) < end_of_it:
        submit(client, draw.batch())
        time.sleep(chance["client"].uniform(0, 0.15))
    time.sleep(1)
    over.set()
    for thread in threads:
        thread.join()
    let_go()
    wait_for_all()


def wait_for_all():
    """Also for those whose submission was not answered."""
    client, last, until = Client(), None, time.monotonic() + PATIENCE
    while True:
        left = [(job["id"], job["state"], job["attempt"]) for job in client.list() if job["state"] not in FINAL]
        if not left:
            return
        if left != last:
            last, until = left, time.monotonic() + PATIENCE
        if time.monotonic() > until:
            for job, job_state, attempt in left:
                wrong.append(f"job {job} stays {job_state}, attempt {attempt}: " + client.connection.property(
                    f"/org/skep/Engine1/job/{job}", "org.skep.Engine1.Job", "Waiting").body[0])
            give_up("jobs do not end")
        time.sleep(0.1)


def check_counts():
    """When nothing waits and nothing runs, nobody has a share in it."""
    client = Client()
    for tenant in client.call("ListTenants", may_be_repeated=True).body[0]:
        if tenant["queued"] or tenant["running"]:
            wrong.append(f"tenant {tenant['name']} has {tenant['queued']} queued, {tenant['running']} running, and nothing is")
    for name in ("Queued", "Running"):
        (n,) = client.connection.property(wire.PATH, wire.MANAGER, name).body
        if n:
            wrong.append(f"{name} is {n}")


def check_copy(listed):
    """A supervisor on what `skepctl backup` has written knows the same jobs."""
    copy = state + ".copy"
    subprocess.run([f"{build}/skepctl", "--address", "unix:path=" + address, "backup", copy + ".tar"], check=True, timeout=PATIENCE)
    os.mkdir(copy, 0o700)
    subprocess.run(["tar", "-xf", copy + ".tar", "-C", copy], check=True)
    process = start(copy, address + "c")
    if Client(address + "c").list() != listed:
        wrong.append("a supervisor on a copy tells of other jobs")
    end(process)


if not units:
    os.makedirs(state + ".tenants", exist_ok=True)
    with open(state + ".tenants/narrow.json", "w") as f:
        json.dump({"limits": {"running": 2}}, f)
    with open(state + ".json", "w") as f:
        json.dump({"tenants_directory": state + ".tenants"}, f)
log = open(state + ".log", "ab")
print(f"seed {seed}", flush=True)
skepd = start()
over = threading.Event()
watcher = threading.Thread(target=watch, args=(over,))
watcher.start()
run(jobs // 2, ["killed", "ended"])
first = {entry.number for entry in draw.entries}
run(jobs - jobs // 2, ["killed", "ended", "worker", "launcher"])
check_counts()
over.set()
watcher.join()
listed = Client().list()
# The last one finds nothing to do, and removes what is nobody's.
end(skepd)
skepd = start()
again = Client().list()
if again != listed:
    wrong.append("the next supervisor tells of other jobs")
back_up(Client())
if not units:
    check_copy(listed)
end(skepd)
if units:
    systemctl("stop", "skepd.socket", "skep-worker@*.service")
if workers() or launchers():
    wrong.append(f"workers are left: {workers()} {launchers()}")
if not units:
    wrong += chaos_account.check_left(state)
account = chaos_account.Account(state, draw.entries, asked, forgotten, signalled, listed)
wrong += account.check(first)
text = open(log.name, errors="replace").read()
wrong += [line for line in text.splitlines()
          if any(words in line for words in ("cannot become", "out of memory", "Sanitizer", "runtime error"))]
print(f"{len(draw.entries)} submissions, {account.summary}; killed: {dict(kills)}; done: {dict(done)}")
if wrong:
    print("\n".join(wrong[:40]))
    print(text[-5000:])
sys.exit(1 if wrong else 0)

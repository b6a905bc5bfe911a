# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the chaos test finds in the state directory, held against what was asked for."""

import collections
import glob
import io
import json
import os
import sqlite3
import struct
import tarfile
import tempfile

import chaos_jobs

FINAL = ("succeeded", "failed", "cancelled")
STREAMS = {"stdout", "stderr", "files", "index"}
LEFT_IN_ORDER = {"jobs", "blobs", "jobs.db", "jobs.db-reserve", "skep-state", "worker.sock.lock"}


def integrity(database):
    verdict = [row[0] for row in database.execute("PRAGMA integrity_check")]
    broken = database.execute("PRAGMA foreign_key_check").fetchall()
    return [] if verdict == ["ok"] and not broken else [f"the store is damaged: {verdict} {broken}"]


def check_copy(file, must_be_there):
    """A copy of the state opens, is sound, and has what was answered before."""
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(place)
        database = sqlite3.connect(place + "/jobs.db")
        missing = must_be_there - {row[0] for row in database.execute("SELECT id FROM jobs")}
        needed = {blob for (text,) in database.execute("SELECT inputs FROM jobs WHERE finished_usec = 0")
                  for _, blob in json.loads(text or "[]")}
        return integrity(database) + ([f"a copy lacks jobs {missing}"] if missing else []) + [
            f"a copy lacks input {blob}" for blob in needed if not os.path.exists(f"{place}/blobs/{blob}")]


def check_left(state):
    """Of what is there only while skepd runs, and of drafts, nothing."""
    return [f"{state} has {name}" for name in set(os.listdir(state)) - LEFT_IN_ORDER]


class Account:
    def __init__(self, state, entries, asked, forgotten, signalled, listed):
        self.state, self.entries, self.asked, self.forgotten, self.signalled = state, entries, asked, forgotten, signalled
        self.listed = {job["id"]: job for job in listed}
        self.wrong = []
        database = sqlite3.connect(f"file:{state}/jobs.db?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        self.wrong += integrity(database)
        self.jobs = {row["id"]: dict(row) for row in database.execute("SELECT * FROM jobs")}
        self.reports = collections.defaultdict(dict)
        for row in database.execute("SELECT * FROM attempts"):
            self.reports[row["job"]][row["attempt"]] = json.loads(row["report"])
        self.members = collections.defaultdict(dict)
        for job_id in self.jobs:
            if "_" in job_id:
                whole, index = job_id.split("_")
                self.members[whole][int(index)] = job_id

    def say(self, job_id, what):
        job = self.jobs.get(job_id, {})
        entry = self.entry_of(job_id) if job else None
        number = entry.number if entry else "?"
        self.wrong.append(f"{job_id} (entry {number}, {job.get('state')}, attempt {job.get('attempt')}): {what}")

    def whole_of(self, job_id):
        return job_id.split("_")[0]

    def entry_of(self, job_id):
        return self.entries[json.loads(self.jobs[self.whole_of(job_id)]["spec"])["meta"]["entry"]]

    def index_of(self, job_id):
        return int(job_id.split("_")[1]) if "_" in job_id else None

    def last_report(self, job_id):
        return self.reports[job_id].get(max(self.reports[job_id], default=0))

    def was_asked(self, job_id, what):
        ids = {job_id, self.whole_of(job_id)} | set(() if "_" in job_id else self.members[job_id].values())
        return any(what in self.asked.get(one, ()) for one in ids)

    # ---- which jobs there are ----

    def check_submissions(self):
        found = collections.defaultdict(list)
        for job_id in self.jobs:
            if "_" not in job_id:
                found[self.entry_of(job_id).number].append(job_id)
        for entry in self.entries:
            ids = found[entry.number]
            for job_id in entry.ids:
                if job_id in self.jobs and job_id in self.forgotten:
                    self.say(job_id, "it was forgotten, and is there")
                if job_id not in self.jobs and "Forget" not in self.asked.get(job_id, ()):
                    self.wrong.append(f"{job_id} (entry {entry.number}): it was answered, and is not there")
            more = len(set(ids) - set(entry.ids))
            if more > (0 if entry.key and entry.ids else entry.unanswered):
                self.wrong.append(f"entry {entry.number}: {ids} are there, {entry.ids} were answered")
            for job_id in ids:
                tenant = entry.tenant or "root"
                if self.jobs[job_id]["tenant"] != tenant:
                    self.say(job_id, f"tenant {self.jobs[job_id]['tenant']}, not {tenant}")
                if sorted(self.members[job_id]) != list(range(entry.work.count)):
                    self.say(job_id, f"members {sorted(self.members[job_id])}")

    # ---- how each has ended ----

    def check_end(self, job_id):
        job = self.jobs[job_id]
        if job["state"] not in FINAL or not job["finished_usec"]:
            return self.say(job_id, "it has not ended")
        told = self.signalled.get(job_id, [])
        if told not in ([], [job["state"]]):
            self.say(job_id, f"its end was signalled as {told}")
        if self.listed[job_id]["state"] != job["state"]:
            self.say(job_id, f"listed as {self.listed[job_id]['state']}")
        if job["state"] == "cancelled" and not self.was_asked(job_id, "Cancel"):
            self.say(job_id, "nobody has cancelled it")
        if self.members[job_id]:
            self.check_whole(job_id)
        else:
            self.check_job(job_id)

    def check_whole(self, job_id):
        states = collections.Counter(self.jobs[member]["state"] for member in self.members[job_id].values())
        expected = "failed" if states["failed"] else "cancelled" if states["cancelled"] else "succeeded"
        if self.jobs[job_id]["state"] != expected:
            self.say(job_id, f"its members are {dict(states)}")
        if {k: n for k, n in self.listed[job_id]["array"].items() if n} != dict(states):
            self.say(job_id, f"it counts {self.listed[job_id]['array']}, its members are {dict(states)}")
        expected = {}
        for index, member in self.members[job_id].items():
            report = self.reports[member].get(self.jobs[member]["attempt"])
            if report and report.get("files_bytes"):
                expected[f"{index}/f"] = self.entry_of(job_id).work.file(index)
        if self.files(job_id) != expected:
            self.say(job_id, f"it has left {self.files(job_id)}, not {expected}")

    def check_job(self, job_id):
        job, entry, report = self.jobs[job_id], self.entry_of(job_id), self.last_report(job_id)
        attempts = sorted(self.reports[job_id])
        # Behind those of its attempts, one that it was cancelled between two of them.
        between = job["state"] == "cancelled" and 0 < job["attempt"] < attempts[-1]
        if attempts != (list(range(1, job["attempt"] + 1 + between)) or [0]):
            return self.say(job_id, f"reports of attempts {attempts}")
        if any(report["attempt"] != min(n, job["attempt"]) for n, report in self.reports[job_id].items()):
            self.say(job_id, "a report is another attempt's")
        self.check_earlier(job_id)
        reason, code = report["reason"], report.get("exit_code")
        if not self.may_end_so(job_id, reason, code):
            self.say(job_id, f"reason {reason}, exit code {code}: {report['message']}")
        if reason == "exited":
            self.check_output(job_id, report)
        if report.get("cached"):
            self.check_cached(job_id, report)
        parents = [self.jobs.get(parent) for parent in json.loads(self.jobs[self.whole_of(job_id)]["spec"]).get("after", {}).values()]
        failed = any(parent and parent["state"] != "succeeded" for parent in parents)
        gone = any(parent is None for parent in parents)
        if (reason == "dependency" and not failed and not gone) or (failed and reason not in ("dependency", "cancelled", "deadline")):
            self.say(job_id, f"{reason}; those before it: {[parent and parent['state'] for parent in parents]}")
        if job["state"] == "succeeded" and any(parent and parent["finished_usec"] > job["started_usec"] for parent in parents):
            self.say(job_id, "it was started before one that it runs after had ended")

    def may_end_so(self, job_id, reason, code):
        job, entry = self.jobs[job_id], self.entry_of(job_id)
        if job["state"] == "succeeded":
            return reason == "exited" and code == 0 and not entry.work.code
        if job["state"] == "cancelled":
            return reason == "cancelled"
        # One that has failed by itself just when it was cancelled is not run again.
        asked, failed_early = self.was_asked(job_id, "Cancel"), code == chaos_jobs.FAILED_EARLY and job["attempt"] < entry.work.from_attempt
        return (reason == "exited" and (code == entry.work.code != 0 or asked and failed_early)
                or reason == "dependency" and job["attempt"] == 0
                or reason == "deadline" and "deadline" in entry.more
                or reason == "lost" and (entry.attempts < chaos_jobs.ATTEMPTS or asked))

    def check_earlier(self, job_id):
        job, entry = self.jobs[job_id], self.entry_of(job_id)
        failures, requeued = 0, self.was_asked(job_id, "Requeue")
        for attempt, report in sorted(self.reports[job_id].items()):
            reason = report["reason"]
            if reason == "lost" and entry.number in self.first:
                self.say(job_id, f"attempt {attempt} is lost, and no worker has died: {report['message']}")
            if reason == "lost" and "worker" not in report["message"]:
                self.say(job_id, f"attempt {attempt} is lost, but not with its worker: {report['message']}")
            if attempt < max(self.reports[job_id]):
                failures += reason in ("lost", "exited")
                # To be queued again it was ended, or had ended just then.
                if not (reason in ("lost", "cancelled") or requeued or (entry.retries and report.get("exit_code") in (
                        chaos_jobs.FAILED_EARLY, entry.work.code))):
                    self.say(job_id, f"attempt {attempt} has ended with {reason} {report['exit_code']}, and there was another")
        failures += job["state"] == "failed" and report["reason"] in ("lost", "exited")
        if job["state"] != "cancelled" and (failures < job["failures"] if requeued else failures != job["failures"]):
            self.say(job_id, f"{job['failures']} failures are counted, {failures} were reported")

    # ---- what each has left ----

    def place(self, job_id):
        return f"{self.state}/jobs/{job_id}/{self.jobs[job_id]['attempt']}/"

    def read(self, job_id, stream):
        try:
            with open(self.place(job_id) + stream, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def files(self, job_id):
        data = self.read(job_id, "files")
        with tarfile.open(fileobj=io.BytesIO(data)) if data else tempfile.TemporaryFile() as archive:
            return {m.name.removeprefix("./"): archive.extractfile(m).read().decode() for m in (archive if data else ()) if m.isfile()}

    def check_output(self, job_id, report):
        work, index = self.entry_of(job_id).work, self.index_of(job_id)
        stdout, stderr = self.read(job_id, "stdout"), self.read(job_id, "stderr")
        if stdout != work.stdout(index).encode() or stderr != work.stderr().encode():
            self.say(job_id, f"output {stdout!r}, {stderr!r}, not {work.stdout(index)!r}")
        if self.files(job_id) != ({"f": work.file(index)} if work.leaves else {}):
            self.say(job_id, f"it has left {self.files(job_id)}")
        if [report[f"{stream}_bytes"] for stream in ("stdout", "stderr")] != [len(stdout), len(stderr)]:
            self.say(job_id, "the report tells of other sizes")
        told, before = {1: 0, 2: 0}, 0
        for when, offset, length, stream in struct.iter_unpack("<QQII", self.read(job_id, "index")):
            if offset != told[stream] or when < before:
                self.say(job_id, "its index has a gap")
            told[stream], before = told[stream] + length, when
        if told != {1: len(stdout), 2: len(stderr)}:
            self.say(job_id, f"the index tells of {told}")

    def check_cached(self, job_id, report):
        origin = report["cached_from"]
        entry = self.entry_of(job_id)
        if "cache" not in entry.more:
            self.say(job_id, "it did not ask for the cache")
        if origin not in self.jobs:
            if not self.was_asked(origin, "Forget"):
                self.say(job_id, f"its origin {origin} is not there")
            return
        own = ("attempt", "cached", "cached_from")
        theirs = self.last_report(origin)
        if theirs["cached"] or {k: v for k, v in theirs.items() if k not in own} != {k: v for k, v in report.items() if k not in own}:
            self.say(job_id, f"its report is not that of {origin}")
        if self.jobs[origin]["tenant"] != self.jobs[job_id]["tenant"] or self.index_of(origin) != self.index_of(job_id):
            self.say(job_id, f"its origin {origin} is another tenant's, or another member")
        if any(self.read(job_id, stream) != self.read(origin, stream) for stream in STREAMS):
            self.say(job_id, f"it has not left what {origin} has left")

    def check_directory(self):
        for path in glob.glob(self.state + "/jobs/*"):
            job_id = os.path.basename(path)
            if job_id not in self.jobs:
                self.wrong.append(f"{path} is nobody's")
                continue
            for attempt in os.listdir(path):
                names = set(os.listdir(f"{path}/{attempt}"))
                if not attempt.isdigit() or int(attempt) > max(1, self.jobs[job_id]["attempt"]) or names - STREAMS:
                    self.say(job_id, f"{path}/{attempt} has {names}")
        if os.listdir(self.state + "/blobs"):
            self.wrong.append(f"blobs are left: {os.listdir(self.state + '/blobs')}")

    def check(self, first):
        """What is wrong. first: numbers of the entries of which no attempt may be lost."""
        self.first = first
        self.check_submissions()
        if set(self.listed) != set(self.jobs):
            self.wrong.append(f"listed and stored are different jobs: {set(self.listed) ^ set(self.jobs)}")
            return self.wrong
        for job_id in self.jobs:
            self.check_end(job_id)
        self.check_directory()
        return self.wrong

    @property
    def summary(self):
        states = collections.Counter(job["state"] for job in self.jobs.values())
        cached = sum(bool((self.last_report(job_id) or {}).get("cached")) for job_id in self.jobs)
        return (f"{len(self.jobs)} jobs ({dict(states)}, {cached} from the cache), "
                f"{sum(job['attempt'] for job in self.jobs.values())} attempts")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The jobs of the chaos test: what is asked for, drawn from a seed, and what each must come to, whatever dies meanwhile.

A Work is what a command does, and follows from nothing but itself: two submissions of the same work may share one result.
An Entry is a submission of a work, with all that is not in the result: tenant, retry, deadline, key, and what became of it."""

import dataclasses

TENANTS = ("", "red", "narrow")  # the last may run two at a time
TEXTS = ("one\n", "two\n", "three\n" * 100)
FAILED_EARLY = 3  # the exit code of an attempt that was not to succeed yet
# Whatever dies, dies more seldom than that.
ATTEMPTS = 100


@dataclasses.dataclass(frozen=True)
class Work:
    number: int
    word: str
    inputs: tuple  # of pairs: name, text
    parents: tuple  # of Entry, each at /input/p<i>
    wait: float
    code: int
    from_attempt: int  # those before fail
    leaves: bool  # something in /output
    count: int  # members of the array, 0: none

    def script(self):
        return (
            "cat /input/[ab] /input/p?/f /input/p?/*/f 2>/dev/null; "
            f"sleep {self.wait}; echo out {self.number} $WORD $SKEP_ARRAY_INDEX; echo err {self.number} >&2; "
            + (f"echo file {self.number} $WORD $SKEP_ARRAY_INDEX > /output/f; " if self.leaves else "")
            + f"[ $SKEP_ATTEMPT -ge {self.from_attempt} ] || exit {FAILED_EARLY}; exit {self.code}")

    def line(self, kind, index):
        return " ".join([kind, str(self.number), self.word] + [str(index)] * (index is not None)) + "\n"

    def file(self, index=None):
        """What is in /output/f of a job, or of a member."""
        return self.line("file", index) if self.leaves else ""

    def stdout(self, index=None):
        parts = [text for _, text in self.inputs]
        parts += [parent.work.file() for parent in self.parents if not parent.work.count]
        for parent in self.parents:
            members = sorted(range(parent.work.count), key=str)  # as the shell sorts them
            parts += [parent.work.file(i) for i in members]
        return "".join(parts) + self.line("out", index)

    def stderr(self):
        return f"err {self.number}\n"


@dataclasses.dataclass(eq=False)
class Entry:
    number: int
    work: Work
    tenant: str
    more: dict  # keys of the specification
    attempts: int  # so many may fail
    retries: bool  # also what has exited
    ids: list = dataclasses.field(default_factory=list)  # that were answered
    unanswered: int = 0  # submissions of which nobody knows whether they were taken
    refused: bool = False  # one that it was to run after was forgotten

    @property
    def key(self):
        return self.more.get("idempotency_key")

    def spec(self, name_parent):
        """As it is submitted. name_parent(parent): how one that it runs after is called."""
        spec = {"name": f"chaos-{self.number}", "command": ["sh", "-c", self.work.script()], "policy": "strict",
                "environment": {"WORD": self.work.word}, "meta": {"entry": self.number},
                "retry": {"attempts": self.attempts, "backoff": "20ms", "on": ["lost", "exited"] if self.retries else ["lost"]},
                **self.more}
        if self.tenant:
            spec["tenant"] = self.tenant
        if self.work.parents:
            spec["after"] = {f"p{i}": name_parent(parent) for i, parent in enumerate(self.work.parents)}
        return spec


class Draw:
    """Entries, one after the other."""

    def __init__(self, chance):
        self.chance, self.entries, self.repeatable = chance, [], []

    def likely(self, probability):
        return self.chance.random() < probability

    def new_work(self, tenant):
        before = [e for e in self.entries[-20:] if e.tenant == tenant and not e.refused]
        parents = self.chance.sample(before, min(len(before), self.chance.choice((0, 0, 0, 1, 1, 2, 3))))
        names = self.chance.choice(((), (), ("a",), ("a", "b")))
        code = 7 if self.likely(0.05) else 0
        return Work(number=len(self.entries), word="w", inputs=tuple((name, self.chance.choice(TEXTS)) for name in names),
                    parents=tuple(parents), wait=self.chance.choice((0, 0, 0, 0.1, 0.3, 0.8)), code=code,
                    from_attempt=self.chance.choice((2, 3)) if not code and self.likely(0.15) else 1,
                    leaves=self.likely(0.6), count=self.chance.randrange(1, 6) if self.likely(0.3) else 0)

    def changed(self, work):
        """Looks the same, and is not."""
        if work.inputs and self.likely(0.3):
            return dataclasses.replace(work, inputs=(("a", self.chance.choice(TEXTS)),))
        if work.count and self.likely(0.7):
            return dataclasses.replace(work, count=work.count + self.chance.randrange(-1, 4) or 1)
        return dataclasses.replace(work, word=self.chance.choice(("w", "x", "y")))

    def entry(self):
        repeatable = [e for e in self.repeatable[-25:] if not e.refused]
        repeated = self.chance.choice(repeatable) if repeatable and self.likely(0.4) else None
        if repeated:
            tenant = repeated.tenant if self.likely(0.9) or repeated.work.parents else self.chance.choice(TENANTS)
            work = self.changed(repeated.work) if self.likely(0.4) else repeated.work
        else:
            tenant = self.chance.choice(TENANTS)
            work = self.new_work(tenant)
        more = {"priority": self.chance.randrange(101)} if self.likely(0.3) else {}
        if repeated or self.likely(0.7 if work.count else 0.3):
            more["cache"] = "1h"
        if work.count:
            more["array"] = {"count": work.count}
            if self.likely(0.6):
                more["array"]["parallel"] = self.chance.randrange(1, 4)
        if self.likely(0.08):
            more["deadline"] = self.chance.choice(("200ms", "1s", "1h"))
        if self.likely(0.3):
            more["idempotency_key"] = f"key-{len(self.entries)}"
        exhausts = work.code != 0 and self.likely(0.4)
        entry = Entry(len(self.entries), work, tenant, more, 2 if exhausts else ATTEMPTS, exhausts or work.from_attempt > 1)
        self.entries.append(entry)
        if "cache" in more:
            self.repeatable.append(entry)
        return entry

    def batch(self):
        """With parents in it, and earlier ones. What runs after others of it has a key only where they have: else it would be
        another one when the batch is submitted again."""
        entries = [self.entry() for _ in range(self.chance.choice((1, 1, 2, 5, 10, 20)))]
        for entry in reversed(entries):
            for parent in entry.work.parents if entry.key else ():
                parent.more.setdefault("idempotency_key", f"key-{parent.number}") if parent in entries else None
        return entries

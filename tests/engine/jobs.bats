#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a job may ask for beside its run: further attempts, a deadline, a key; and what people do with jobs.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
        start_engine --drain 0s
}

teardown_file() {
        stop_engine
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

@test "a job that fails is tried again, for the reasons that it names, so many times" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "exit 3"], "retry": {"attempts": 3, "backoff": "100ms", "on": ["exited"]}}')
        run ctl wait "$id"
        [ "$status" -eq 1 ]
        [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["exit_code"]')" = "failed 3 3" ]
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "exit 3"], "retry": {"attempts": 3, "backoff": "100ms", "on": ["oom", "signalled"]}}')
        run ctl wait "$id"
        [ "$(field "$id" 'job["attempt"]')" = 1 ]
}

@test "success ends the attempts, and each keeps its report and its output" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo attempt $SKEP_ATTEMPT; exit $((SKEP_ATTEMPT < 3))"], "retry": {"attempts": 5, "backoff": "50ms", "on": ["exited"]}}')
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 3" ]
        [ "$(ctl logs "$id")" = "attempt 3" ]
        for attempt in 1 2 3; do
                run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$id" \
                        org.skep.Engine1.Job Report u $attempt
                [[ $output == *\\\"attempt\\\":$attempt,* ]]
        done
}

# The reports that each attempt has: attempt, reason and exit code, each.
reports() { # id, attempts
        local attempt
        for attempt in $(seq "$2"); do
                busctl --json=short --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$1" org.skep.Engine1.Job Report u "$attempt"
        done | python3 -c '
import json, sys
for line in sys.stdin:
    report = json.loads(json.loads(line)["data"][0])
    print(report and (report["attempt"], report["reason"], report["exit_code"]))'
}

@test "an attempt that runs has no report, and one that has ended keeps its own, also where the job is cancelled behind it" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT = 1 ] || sleep 60; exit 3"], "retry": {"attempts": 3, "backoff": "100ms", "on": ["exited"]}}')
        for i in $(seq 100); do [ "$(field "$id" 'job["state"], job["attempt"]')" = "running 2" ] && break; sleep 0.1; done
        [ "$(reports "$id" 2)" = $'(1, \'exited\', 3)\nNone' ]
        ctl status "$id" | grep -q '^report  *of attempt 1$'
        ctl list | grep -q "^$id  *running  *-  "
        kill_engine
        start_engine --drain 0s
        [ "$(reports "$id" 2)" = $'(1, \'exited\', 3)\nNone' ]
        ctl cancel "$id"
        run ctl wait "$id"
        [ "$(reports "$id" 2)" = $'(1, \'exited\', 3)\n(2, \'cancelled\', None)' ]
        id=$(ctl submit - <<< '{"command": ["false"], "retry": {"attempts": 3, "backoff": "100s", "on": ["exited"]}}')
        reach "$id" backoff
        ctl cancel "$id"
        run ctl wait "$id"
        for when in before after; do
                [ "$(reports "$id" 1)" = "(1, 'exited', 1)" ]
                [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["message"]')" = "cancelled 1 cancelled before its next attempt" ]
                restart_engine
        done
}

@test "the wait for the next attempt survives a restart, and can be cut short or cancelled" {
        id=$(ctl submit - <<< '{"command": ["false"], "retry": {"attempts": 5, "backoff": "100s", "on": ["exited"]}}')
        reach "$id" backoff
        restart_engine
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "backoff 1" ]
        ctl requeue "$id"
        for i in $(seq 100); do
                [ "$(field "$id" 'job["attempt"], job["state"]')" = "2 backoff" ] && break
                sleep 0.1
        done
        ctl cancel "$id"
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "cancelled 2" ]
}

@test "the wait for the next attempt ends by itself, also when a supervisor was away" {
        id=$(ctl submit - <<< '{"command": ["false"], "retry": {"attempts": 2, "backoff": "3s", "on": ["exited"]}}')
        for i in $(seq 100); do
                [ "$(field "$id" 'job["state"] in ("queued", "starting", "running")')" = False ] && break
                sleep 0.1
        done
        restart_engine
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "failed 2" ]
}

@test "what is no rule for attempts is refused by its key" {
        for retry in '{"attempts": 0}' '{"attempts": 1000}' '{"on": ["cancelled"]}' '{"on": ["rain"]}' '{"backoff": 3}' '{"more": 1}'; do
                run ctl submit - <<< "{\"command\": [\"true\"], \"retry\": $retry}"
                [ "$status" -eq 125 ]
                [[ $output == *retry* ]]
        done
}

@test "a job that was not started before its deadline fails, one that was does not" {
        ctl pause
        late=$(ctl submit - <<< '{"command": ["true"], "deadline": "1s"}')
        early=$(ctl submit - <<< '{"command": ["sleep", "3"], "deadline": "60s"}')
        run ctl wait "$late"
        [ "$status" -eq 1 ]
        [ "$(field "$late" 'job["state"], job["attempt"], job["report"]["reason"]')" = "failed 0 deadline" ]
        ctl resume
        ctl wait "$early"
        id=$(ctl submit - <<< '{"command": ["sleep", "4"], "deadline": "3s"}')
        ctl wait "$id"
}

@test "a deadline that is no time is refused" {
        for none in 0s 0ms 0h; do
                run ctl submit - <<< "{\"command\": [\"true\"], \"deadline\": \"$none\"}"
                [ "$status" -eq 125 ]
                [[ $output == *"deadline: must be more than 0"* ]]
        done
        run ctl submit - <<< '{"command": ["true"], "deadline": 5}'
        [ "$status" -eq 125 ]
}

@test "a deadline goes on while no supervisor runs" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["sleep", "1"], "deadline": "1s"}')
        stop_engine
        sleep 1.2
        start_engine --drain 0s
        run ctl wait "$id"
        [ "$(field "$id" 'job["report"]["reason"]')" = deadline ]
        # It has stayed paused.
        id=$(ctl submit - <<< '{"command": ["true"]}')
        sleep 0.5
        [ "$(field "$id" 'job["state"]')" = queued ]
        ctl resume
        ctl wait "$id"
}

@test "the same key is the same job, for one tenant, also after a restart" {
        spec='{"command": ["true"], "idempotency_key": "order-7731"}'
        id=$(ctl submit - <<< "$spec")
        [ "$(ctl submit - <<< "$spec")" = "$id" ]
        # In whatever order its keys come.
        [ "$(ctl submit - <<< '{"idempotency_key": "order-7731", "command": ["true"]}')" = "$id" ]
        run ctl submit - <<< '{"command": ["false"], "idempotency_key": "order-7731"}'
        [ "$status" -eq 125 ]
        [[ $output == *"another specification"* ]]
        ctl wait "$id"
        restart_engine
        [ "$(ctl submit - <<< "$spec")" = "$id" ]
        [ "$(field "$id" 'job["attempt"]')" = 1 ]
        other=$(ctl submit - <<< '{"command": ["true"], "idempotency_key": "order-7731", "tenant": "another"}')
        [ "$other" != "$id" ]
        ctl rm "$id"
        [ "$(ctl submit - <<< "$spec")" != "$id" ]
}

@test "the same job again is the same also when no more are taken, and when what it ran after is forgotten" {
        parent=$(ctl submit - <<< '{"command": ["true"]}')
        spec='{"command": ["true"], "idempotency_key": "once more", "after": {"before": "'"$parent"'"}}'
        id=$(ctl submit - <<< "$spec")
        ctl wait "$id"
        ctl rm "$parent"
        ctl drain
        [ "$(ctl submit - <<< "$spec")" = "$id" ]
        [ "$(ctl submit - <<< "[$spec]")" = "$id" ]
        run ctl submit - <<< '{"command": ["true"]}'
        [ "$status" -eq 125 ]
        run ctl submit - <<< '[{"command": ["true"]}]'
        [ "$status" -eq 125 ]
        ctl resume
}

@test "the same key from many at once makes one job" {
        for i in $(seq 12); do
                ctl submit - <<< '{"command": ["true"], "idempotency_key": "at-once"}' > "id$i" 3>&- &
        done
        wait
        [ "$(cat id* | sort -u | wc -l)" -eq 1 ]
        [ "$(cat id* | wc -l)" -eq 12 ]
}

@test "a held job is not started until it is released" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"]}')
        ctl hold "$id"
        ctl resume
        ctl run -- true
        restart_engine
        ctl run -- true
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "queued 0" ]
        ctl release "$id"
        ctl wait "$id"
        run ctl hold "$id"
        [ "$status" -eq 125 ]
        [[ $output == *"has ended"* ]]
}

@test "a held job can be cancelled, and one that runs can be held for its next attempt" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"]}')
        ctl hold "$id"
        ctl cancel "$id"
        run ctl wait "$id"
        ctl resume
        [ "$(field "$id" 'job["state"]')" = cancelled ]
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT = 2 ] || sleep 71; exit 1"], "retry": {"attempts": 2, "backoff": "50ms", "on": ["exited"]}}')
        reach "$id" running
        ctl hold "$id"
        go_on 71
        reach "$id" queued
        ctl run -- true
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "queued 1" ]
        ctl release "$id"
        run ctl wait "$id"
        [ "$(field "$id" 'job["attempt"]')" = 2 ]
}

@test "requeue starts a running job again, and counts as no failure" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 4 || sleep 60"]}')
        for attempt in 1 2 3 4; do
                for i in $(seq 100); do
                        [ "$(field "$id" 'job["attempt"], job["state"]')" = "$attempt running" ] && break
                        sleep 0.1
                done
                ctl requeue "$id"
        done
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 5" ]
}

@test "rm forgets what has ended, and nothing else" {
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        reach "$id" running
        run ctl rm "$id"
        [ "$status" -eq 125 ]
        [[ $output == *"cancel it first"* ]]
        ctl cancel "$id"
        run ctl wait "$id"
        ctl rm "$id"
        run ctl status "$id"
        [ "$status" -eq 125 ]
        [ ! -e "$state/jobs/$id" ]
        restart_engine
        run ctl status "$id"
        [ "$status" -eq 125 ]
}

@test "drain lets the queue run empty, and takes nothing" {
        id=$(ctl submit - <<< '{"command": ["sleep", "1"]}')
        ctl drain
        run ctl submit - <<< '{"command": ["true"]}'
        [ "$status" -eq 125 ]
        [[ $output == *drained* ]]
        ctl wait "$id"
        ctl resume
        ctl run -- true
}

@test "a job runs after others, and has what they left" {
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 72; echo one > /output/f"]}')
        two=$(ctl submit - <<< '{"command": ["sh", "-c", "mkdir /output/d; echo two > /output/d/g"]}')
        id=$(ctl submit - <<< "{\"command\": [\"sh\", \"-c\", \"cat /input/a/f /input/b/d/g\"], \"after\": {\"a\": \"$one\", \"b\": \"$two\"}}")
        [ "$(field "$id" 'job["state"]')" = waiting ]
        run ctl rm "$two"
        [ "$status" -eq 125 ]
        go_on 72
        ctl wait "$id"
        [ "$(ctl logs "$id")" = "one
two" ]
        # What has succeeded already is not waited for.
        id=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/again/f\"], \"after\": {\"again\": \"$one\"}}")
        ctl wait "$id"
        [ "$(ctl logs "$id")" = one ]
        ctl rm "$one"
}

@test "a job that left nothing is an empty directory to those after it" {
        one=$(ctl submit - <<< '{"command": ["true"]}')
        id=$(ctl submit - <<< "{\"command\": [\"ls\", \"-A\", \"/input/a\"], \"after\": {\"a\": \"$one\"}}")
        ctl wait "$id"
        [ -z "$(ctl logs "$id")" ]
}

@test "when one fails or is cancelled, all after it end, by name" {
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 3; exit 1"]}')
        two=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"first\": \"$one\"}}")
        three=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"second\": \"$two\"}}")
        run ctl wait "$three"
        [ "$status" -eq 1 ]
        [ "$(field "$three" 'job["state"], job["report"]["reason"], job["attempt"]')" = "failed dependency 0" ]
        [ "$(field "$three" 'job["report"]["start"], job["report"]["worker"]')" = "None None" ]
        run grep "^ran " <<< "$(ctl status "$three")"
        [ "$output" = "" ]
        [[ $(field "$two" 'job["report"]["message"]') == *after.first*$one* ]]
        late=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"x\": \"$one\"}}")
        run ctl wait "$late"
        [ "$(field "$late" 'job["report"]["reason"]')" = dependency ]
        one=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        two=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"first\": \"$one\"}}")
        ctl cancel "$one"
        run ctl wait "$two"
        [ "$(field "$two" 'job["report"]["reason"]')" = dependency ]
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 73; true"]}')
        two=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"first\": \"$one\"}}")
        ctl cancel "$two"
        run ctl wait "$two"
        [ "$(field "$two" 'job["state"]')" = cancelled ]
        go_on 73
        ctl wait "$one"
        ctl rm "$one" "$two"
}

@test "what waits for others goes on waiting under the next supervisor" {
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 74; echo late > /output/f"]}')
        two=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/a/f\"], \"after\": {\"a\": \"$one\"}}")
        restart_engine
        [ "$(field "$two" 'job["state"]')" = waiting ]
        go_on 74
        ctl wait "$two"
        [ "$(ctl logs "$two")" = late ]
        restart_engine
        [ "$(field "$two" 'job["state"]')" = succeeded ]
}

@test "who names a job that is not there, or is not his, is refused" {
        theirs=$(ctl submit - <<< '{"command": ["true"], "tenant": "another"}')
        for after in '{"a": "01aaaaaaaaaaaaaaaaaaaaaaaa"}' '{"a": "short"}' '{"a/b": "01aaaaaaaaaaaaaaaaaaaaaaaa"}' \
                '{"..": "01aaaaaaaaaaaaaaaaaaaaaaaa"}' "{\"a\": \"$theirs\"}" '["x"]'; do
                run ctl submit - <<< "{\"command\": [\"true\"], \"after\": $after}"
                [ "$status" -eq 125 ]
                [[ $output == *after* ]]
        done
        run ctl submit - <<< '[{"command": ["true"], "tenant": "another"}, {"command": ["true"], "after": {"a": "#0"}}]'
        [ "$status" -eq 125 ]
        [[ $output == *"job 1: after.a: there is no such job" ]]
        mine=$(ctl submit - <<< '{"command": ["true"]}')
        echo x > f
        run ctl submit --input "a=f" - <<< "{\"command\": [\"true\"], \"after\": {\"a\": \"$mine\"}}"
        [ "$status" -eq 125 ]
}

@test "a batch is taken as a whole, in order, and its jobs may run after each other" {
        python3 - > jobs <<'P'
import json
jobs = [{"command": ["sh", "-c", f"cat /input/seed; echo {i}"], "name": f"j{i}"} for i in range(40)]
jobs.append({"command": ["sh", "-c", "cat /input/a/f"], "after": {"a": "#41"}, "name": "child"})
jobs.append({"command": ["sh", "-c", "echo out > /output/f"], "name": "parent"})
print(json.dumps(jobs))
P
        echo seed > seed
        ctl submit --input seed=seed jobs > ids
        [ "$(wc -l < ids)" -eq 42 ]
        ctl wait $(cat ids)
        [ "$(ctl logs "$(sed -n 8p ids)")" = "seed
7" ]
        [ "$(field "$(sed -n 41p ids)" 'job["spec"]["name"], job["spec"]["after"]["a"]')" = "child $(sed -n 42p ids)" ]
        [ "$(ctl logs "$(sed -n 41p ids)")" = out ]
        [ -z "$(ls "$state/blobs")" ]
}

@test "nothing of a batch is taken when one of it is refused, and the error names it" {
        before=$(ctl list --json | wc -l)
        for bad in '{"command": []}' '{"command": ["true"], "after": {"a": "#7"}}' \
                '{"command": ["true"], "after": {"a": "#x"}}' '{"command": ["true"], "policy": "none-such"}' '[]'; do
                run ctl submit - <<< "[{\"command\": [\"true\"]}, $bad, {\"command\": [\"true\"], \"after\": {\"b\": \"#1\"}}]"
                [ "$status" -eq 125 ]
                [[ $output == *"job 1"* ]]
        done
        [ "$(ctl list --json | wc -l)" -eq "$before" ]
        # In a circle, the key that closes it.
        run -125 ctl submit - <<< '[{"command": ["true"]}, {"command": ["true"], "after": {"a": "#2"}}, {"command": ["true"], "after": {"b": "#1"}}]'
        [[ $output == "skepctl: job 2: after.b: the jobs wait for each other in a circle" ]]
        # The one that is wrong, and not the one that runs after it and stands before it.
        run -125 ctl submit - <<< '[{"command": ["true"], "after": {"a": "#1"}}, {"command": ["true"], "after": {"a": "#2"}}, {"command": ["true"], "prio": 1}]'
        [[ $output == "skepctl: job 2: prio: unknown key"* ]]
        run ctl submit - <<< '{"command": ["true"], "after": {"a": "#0"}}'
        [ "$status" -eq 125 ]
        [[ $output == *batch* ]]
        # Whatever stands there is shown so that it does nothing to a terminal or a log.
        run ctl submit - <<< '{"command": ["true"], "after": {"a": "#\u001b[2J"}}'
        [[ $output == *'after.a: "#\x1b[2J" means'* ]]
        run ctl submit - <<< '[{"command": ["true"]}, {"command": ["true"], "after": {"\u001b[1m": "#\u001b[2J"}}]'
        [[ $output == *'after.\x1b[1m: "#\x1b[2J" is no job of this batch'* ]]
}

@test "a batch with keys gives the jobs that are there already" {
        ctl submit - <<< '[{"command": ["true"], "idempotency_key": "b1"}, {"command": ["true"], "idempotency_key": "b2"}]' > one
        ctl submit - <<< '[{"command": ["true"], "idempotency_key": "b2"}, {"command": ["false"]}, {"command": ["true"], "idempotency_key": "b1"}, {"command": ["true"], "idempotency_key": "b1"}]' > two
        [ "$(sed -n 1p two)" = "$(sed -n 2p one)" ]
        [ "$(sed -n 3p two)" = "$(sed -n 1p one)" ]
        [ "$(sed -n 4p two)" = "$(sed -n 1p one)" ]
        ctl wait $(cat one)
        ctl submit - <<< '[{"command": ["true"], "idempotency_key": "b3"}, {"command": ["true"], "idempotency_key": "b3"}]' > three
        [ "$(sort -u three | wc -l)" -eq 1 ]
        ctl wait $(cat three)
}

@test "a job of a batch that is being stored is found by its key, or is said to be none" {
        python3 -B - "$SKEP_ADDRESS" "$BATS_TEST_DIRNAME" <<'P'
import json, sys
sys.path.insert(0, sys.argv[2])
import wire

def spec(key):
    return json.dumps({"command": ["true"], "idempotency_key": key})

def submit_batch(c, prefix):  # so many take a while
    c.send(wire.NAME, wire.PATH, wire.MANAGER, "SubmitBatch", "a(sa(ss))", ([(spec(f"{prefix}{i}"), []) for i in range(4000)],))
    return c.serial

c = wire.Connection(sys.argv[1], timeout=30)
c.manager("Pause")
batch = submit_batch(c, "key-")
alone = c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (spec("key-3999"), []))
# Nothing of it is new, and still it is not known.
again = c.send(wire.NAME, wire.PATH, wire.MANAGER, "SubmitBatch", "a(sa(ss))", ([(spec("key-7"), [])],))
answers = {}
while len(answers) < 3:
    reply = c.read()
    answers[reply.fields.get(5)] = reply
assert not answers[alone].error, answers[alone].body
assert answers[alone].body[0] == answers[batch].body[0][3999]
assert answers[again].error and "is being stored" in answers[again].body[0] or answers[again].body[0] == [answers[batch].body[0][7]]
assert list(answers).index(again) > list(answers).index(batch) or answers[again].error, "answered before it was stored"
assert c.manager("SubmitBatch", "a(sa(ss))", [(spec("key-7"), [])]).body[0] == [answers[batch].body[0][7]]
# Nobody waits any more for the first.
gone = wire.Connection(sys.argv[1], timeout=30)
submit_batch(gone, "other-")
alone = c.send(wire.NAME, wire.PATH, wire.MANAGER, "Submit", "sa(sh)", (spec("other-3999"), []))
gone.close()
reply = c.answer(alone)
assert not reply.error or "was given up" in reply.body[0], reply.body
for reply in answers.values():
    for id in reply.body[0] if isinstance(reply.body[0], list) else []:
        c.manager("Cancel", "s", id)
c.manager("Resume")
P
        ctl run -- true
}

@test "a chain that is named from its end is bounded" {
        python3 -c '
import json
print(json.dumps([{"command": ["true"], "after": {"a": f"#{i + 1}"}} for i in range(900)] + [{"command": ["true"]}]))' > jobs
        run ctl submit jobs
        [ "$status" -eq 125 ]
        [[ $output == *"turn them around"* ]]
        ctl run -- true
}

@test "a batch survives what comes right after it" {
        python3 -c '
import json
print(json.dumps([{"command": ["sh", "-c", "echo x > /output/f"]}] + [{"command": ["cat", "/input/a/f"], "after": {"a": "#0"}} for i in range(30)]))' > jobs
        ctl submit jobs > ids
        kill_engine
        sleep 1
        start_engine --drain 0s
        ctl wait $(cat ids)
        [ "$(wc -l < ids)" -eq 31 ]
        [ "$(ctl logs "$(tail -1 ids)")" = x ]
}

@test "a batch has no inputs but those that were added" {
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager SubmitBatch \
                'a(sa(ss))' 1 '{"command": ["true"]}' 1 a 0123456789
        [ "$status" -ne 0 ]
        [[ $output == *AddInput* ]]
}

@test "of what is not UTF-8 a batch says where it is, as of any other mistake" {
        PYTHONPATH=$BATS_TEST_DIRNAME timeout 60 python3 -B -c 'import sys, wire
good = "{\"command\": [\"true\"]}"
for bad in (b"{\"command\": [\"\xff\"]}", []), (good, [(b"\xff", "digest")]), (good, [("a", b"\xff")]):
    answer = wire.Connection(sys.argv[1]).manager("SubmitBatch", "a(sa(ss))", [(good, []), bad, (good, [])])
    print(answer.error, *answer.body)' "$SKEP_ADDRESS" > answers
        [ "$(sort answers | uniq -c | sed 's/^ *//')" = "3 org.skep.Engine1.Error.BadSpec job 1: the specification, or what names its inputs, is not UTF-8" ]
}

# METHOD SIGNATURE ARGUMENT: the name of the error, by a message that is made by hand.
error_of() {
        PYTHONPATH=$BATS_TEST_DIRNAME timeout 60 python3 -B -c 'import sys, wire
argument = int(sys.argv[4]) if sys.argv[3] == "h" else sys.argv[4]
print(wire.Connection(sys.argv[1]).manager(sys.argv[2], sys.argv[3], argument, fds=[0] if sys.argv[3] == "h" else []).error)' "$SKEP_ADDRESS" "$@" < /etc/passwd
}

@test "what cannot be done has the name of an error that stands in the document" {
        [ "$(error_of AddInput h 7)" = org.skep.Engine1.Error.BadSpec ]
        id=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 2}}')
        ctl wait "$id"
        [ "$(error_of Forget s "${id}_0")" = org.skep.Engine1.Error.WrongState ]
        [ "$(error_of AddInput h 0)" = None ]
}

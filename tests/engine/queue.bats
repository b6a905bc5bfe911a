#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tenants and the queue: whose job is the next, how many run, and what is refused.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        export state=$BATS_TEST_TMPDIR/state
        mkdir tenants
}

teardown() {
        if kill -0 "$(cat "$BATS_FILE_TMPDIR/pid" 2>/dev/null)" 2>/dev/null; then
                stop_engine
        fi
}

start() { # the configuration's other keys
        echo "{\"tenants_directory\": \"$PWD/tenants\"${1:+, $1}}" > config.json
        start_engine --config "$PWD/config.json" --drain 0s
}

jobs() { # tenant, how many, seconds that each sleeps, further keys
        python3 - "$@" <<'P'
import sys, json
tenant, n, seconds = sys.argv[1:4]
job = {"command": ["sleep", seconds], "tenant": tenant, **json.loads(sys.argv[4] if len(sys.argv) > 4 else "{}")}
print("\n".join([json.dumps(job)] * int(n)))
P
}

reach_attempt() { # id, which: waits until that runs
        for i in $(seq 100); do
                [ "$(field "$1" 'job["attempt"], job["state"]')" = "$2 running" ] && return
                sleep 0.1
        done
        return 1
}

# What came of all jobs, in the order of their starts, to a Python program.
judge() {
        ctl list --json > list
        python3 -c '
import json, sys
jobs = sorted((json.loads(line) for line in open("list")), key=lambda job: job["started_usec"] or 1 << 62)
started = [job for job in jobs if job["started_usec"]]
def at_once(some):
    ends = sorted([(job["started_usec"], 1) for job in some] + [(job["finished_usec"], -1) for job in some])
    now = most = 0
    for _, step in ends:
        now += step
        most = max(most, now)
    return most
'"$1"
}

@test "the machine is shared by weight, whatever the numbers of jobs" {
        echo '{"weight": 1}' > tenants/one.json
        echo '{"weight": 2}' > tenants/two.json
        echo '{"weight": 4}' > tenants/four.json
        start
        ctl pause
        jobs one 2000 0.02 | ctl submit - > /dev/null
        jobs two 400 0.02 | ctl submit - > /dev/null
        jobs four 600 0.02 | ctl submit - > ids
        ctl resume
        # Four has run out of jobs when 1050 of all have been started: up to then all of them wait.
        CTL_SECONDS=300 ctl wait $(tail -1 ids) # an emulated machine runs ten jobs a second
        judge '
# Of the time that is shared; how many jobs that is, depends on how long each of them has taken here.
until = started[839]["started_usec"]
n = {name: sum(job["tenant"] == name for job in started[:840]) for name in ("one", "two", "four")}
used = {name: sum(min(job["finished_usec"], until) - job["started_usec"] for job in started[:839] if job["tenant"] == name) for name in n}
share = {name: used[name] / sum(used.values()) * 7 for name in n}
print(n, share)
assert all(abs(share[name] / weight - 1) <= 0.05 for name, weight in (("one", 1), ("two", 2), ("four", 4)))
assert abs(n["one"] - 120) <= 24 and abs(n["two"] - 240) <= 36 and abs(n["four"] - 480) <= 60'
}

@test "behind the many jobs of another, a first job is the next" {
        start
        ctl pause
        jobs many 5000 0.5 | ctl submit - > /dev/null
        ctl resume
        sleep 1
        id=$(jobs few 1 0 | ctl submit -)
        ctl wait "$id"
        judge '
few = next(job for job in jobs if job["tenant"] == "few")
between = [job for job in started if few["submitted_usec"] < job["started_usec"] < few["started_usec"]]
print(len(between))
assert len(between) <= 40 # those that were on their way already, or came while it was written down'
}

@test "priority counts within a tenant only" {
        start '"workers": {"minimum": 1}, "pool": {"jobs_per_worker": 1}'
        ctl pause
        jobs a 10 0.1 '{"priority": 100}' | ctl submit - > /dev/null
        jobs b 5 0.1 '{"priority": 0}' | ctl submit - > low
        jobs b 5 0.1 '{"priority": 1}' | ctl submit - > high
        ctl resume
        ctl wait $(cat low high)
        sleep 1
        judge '
# Of the time of the first, each has one half, as far as single jobs have it.
first = [(job["tenant"], job["finished_usec"] - job["started_usec"]) for job in started[:10]]
used = [sum(usec for tenant, usec in first if tenant == name) for name in "ab"]
assert abs(used[0] - used[1]) <= 2 * max(usec for _, usec in first) and {tenant for tenant, _ in first} == {"a", "b"}, first
assert [job["priority"] for job in jobs if job["tenant"] == "b"] == [1] * 5 + [0] * 5'
}

@test "whatever a job waits for, it stands where it came" {
        start '"workers": {"minimum": 1, "maximum": 1}, "scaler": "off", "pool": {"jobs_per_worker": 1}'
        ctl submit - <<< '{"command": ["sh", "-c", "sleep 71; true"]}' > first
        reach "$(cat first)" running
        # Those that run after another, and one that is held meanwhile.
        for i in 1 2 3; do
                echo '{"command": ["true"]}'
                echo "{\"command\": [\"true\"], \"after\": {\"a\": \"$(cat first)\"}}"
        done | ctl submit - > ids
        ctl hold "$(sed -n 3p ids)"
        ctl release "$(sed -n 3p ids)"
        ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"a\": \"$(cat first)\"}, \"array\": {\"count\": 3}}" > array
        ctl pause
        go_on 71
        ctl wait $(cat first)
        ctl resume
        ctl wait $(cat ids array)
        judge '
order = [job["id"] for job in started if "array" not in job]
wanted = open("first").read().split() + open("ids").read().split()
wanted += [f"{array}_{i}" for array in open("array").read().split() for i in range(3)]
print(order, wanted)
assert order == wanted'
}

@test "a ceiling of running jobs is held, and the others go on" {
        echo '{"limits": {"running": 2}}' > tenants/few.json
        start
        jobs few 12 0.1 | ctl submit - > ids
        jobs other 12 0.1 | ctl submit - >> ids
        for id in $(cat ids); do ctl wait "$id"; done
        judge '
assert at_once([job for job in jobs if job["tenant"] == "few"]) <= 2
assert at_once([job for job in jobs if job["tenant"] == "other"]) > 2'
}

@test "a batch for another tenant leaves nothing of its inputs on the account of the caller" {
        echo '{"limits": {"input_bytes": "10K"}}' > tenants/root.json
        start
        for i in 1 2; do
                head -c 8000 /dev/urandom > a
                { jobs other 1 0; jobs other 1 0; } | ctl submit --input a=a -
        done
        run ctl submit --input a=a --input "b=$(type -P bash)" - <<< '[{"command": ["true"]}]'
        [ "$status" -eq 125 ]
        [[ $output == *"bytes more"* ]]
}

@test "what is over a ceiling, or not permitted, is refused by name, and leaves nothing" {
        echo '{"policies": ["strict"], "limits": {"queued": 3}}' > tenants/narrow.json
        echo '{"limits": {"submissions_per_minute": 2}}' > tenants/slow.json
        echo '{"limits": {"input_bytes": "10K", "spec_bytes": "4K"}}' > tenants/small.json
        start
        ctl pause
        run ctl submit - <<< '{"command": ["true"], "tenant": "narrow"}'
        [ "$status" -eq 125 ]
        [[ $output == *"narrow may use strict, and not python"* ]]
        jobs narrow 3 1 '{"policy": "strict"}' | ctl submit - > ids
        run ctl submit - < <(jobs narrow 1 1 '{"policy": "strict"}')
        [[ $output == *"may have 3 jobs that wait"* ]]
        # A batch is counted as it is read, and all of it is given back.
        ctl cancel "$(head -1 ids)"
        run ctl submit - < <(jobs narrow 2 1 '{"policy": "strict"}')
        [[ $output == *"job 1"*"3 jobs"* ]]
        jobs narrow 1 1 '{"policy": "strict"}' | ctl submit -
        # The same again is no other job, and costs nothing.
        ctl cancel "$(sed -n 2p ids)"
        ctl cancel "$(sed -n 3p ids)"
        same=$(jobs narrow 1 1 '{"policy": "strict", "idempotency_key": "k"}')
        for i in 1 2 3 4 5; do ctl submit - <<< "$same"; done
        [ "$(ctl list --json | grep -c '"state": *"queued"')" -eq 2 ]
        jobs narrow 1 1 '{"policy": "strict"}' | ctl submit -
        run ctl submit - < <(jobs slow 3 0)
        [[ $output == *"2 jobs a minute: try again in"* ]]
        # An array is one, however many its members are. (The next may come in half a minute.)
        { jobs slow 1 0 && jobs slow 1 0 '{"array": {"count": 100}}'; } | ctl submit -
        run ctl submit - < <(jobs slow 1 0)
        [[ $output == *"2 jobs a minute: try again in"* ]]
        run ctl submit - < <(jobs small 1 0 "{\"meta\": {\"x\": \"$(head -c 5000 /dev/zero | tr '\0' x)\"}}")
        [[ $output == *"may take 4K"* ]]
        head -c 8000 /dev/urandom > a
        head -c 8000 /dev/urandom > b
        jobs small 1 0 | ctl submit --input a=a -
        run ctl submit --input b=b - < <(jobs small 1 0)
        [[ $output == *"2240 bytes more"* ]]
        [ "$(ls "$state/blobs" | wc -l)" -eq 1 ]
}

@test "what waits is not started while its tenant has left as much as it may, says so, and goes on when there is room" {
        echo '{"limits": {"output_bytes": "1M", "running": 1}}' > tenants/much.json
        start
        ctl pause
        first=$(ctl submit - <<< '{"command": ["sh", "-c", "head -c 1100000 /dev/zero"], "tenant": "much"}')
        jobs much 2 0 | ctl submit - > ids
        array=$(jobs much 1 0 '{"array": {"count": 2}}' | ctl submit -)
        ctl resume
        ctl wait "$first"
        # Others are not held up by it.
        ctl wait "$(jobs other 1 0 | ctl submit -)"
        room="for room: the jobs of tenant much have left 1M, as much as they may: remove some that have ended"
        for id in $(cat ids) "${array}_0" "$array"; do
                [ "$(field "$id" 'job["state"], job["attempt"], job["waiting"]')" = "queued 0 $room" ]
        done
        # So it is after a restart.
        stop_engine
        start
        ctl wait "$(jobs other 1 0 | ctl submit -)"
        [ "$(field "$(head -1 ids)" 'job["state"], job["attempt"], job["waiting"]')" = "queued 0 $room" ]
        ctl rm "$first"
        ctl wait $(cat ids) "$array"
        # A ceiling that is raised is as good, and so is the end of what is remembered.
        for step in ceiling retention; do
                echo '{"limits": {"output_bytes": "1M", "running": 1}}' > tenants/much.json
                ctl reload
                ctl pause
                first=$(ctl submit - <<< '{"command": ["sh", "-c", "head -c 1100000 /dev/zero"], "tenant": "much"}')
                id=$(jobs much 1 0 | ctl submit -)
                ctl resume
                ctl wait "$first"
                [[ $(field "$id" 'job["state"], job["waiting"]') == "queued for room: "* ]]
                ctl wait "$id" & # before it is forgotten
                if [ $step = ceiling ]; then
                        echo '{"limits": {"output_bytes": "3M"}}' > tenants/much.json
                else
                        echo "{\"tenants_directory\": \"$PWD/tenants\", \"retention\": {\"age\": \"1s\"}}" > config.json
                fi
                sleep 1
                ctl reload
                wait $!
                [ $step = retention ] || ctl rm "$first"
        done
}

@test "what is queued again counts against the rate of submissions" {
        # So the next may come in half a minute, and not while this goes on.
        echo '{"limits": {"submissions_per_minute": 2}}' > tenants/slow.json
        start
        id=$(jobs slow 1 60 | ctl submit -)
        reach_attempt "$id" 1
        ctl requeue "$id"
        reach_attempt "$id" 2
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Requeue s "$id"
        [ "$status" -ne 0 ]
        [[ $output == *"2 jobs a minute: try again in"* ]]
        run ctl requeue "$id"
        [ "$status" -eq 125 ]
        [ "$(field "$id" 'job["attempt"], job["state"]')" = "2 running" ]
        run ctl submit - < <(jobs slow 1 0)
        [[ $output == *"2 jobs a minute: try again in"* ]]
        # Where nothing comes of it, it costs nothing; and of an array, it is one.
        ctl pause
        other=$(jobs other 1 0 | ctl submit -)
        ctl requeue "$other"
        ctl resume
        echo '{"limits": {"submissions_per_minute": 2}}' > tenants/few.json
        ctl reload
        array=$(jobs few 1 60 '{"array": {"count": 3}}' | ctl submit -)
        reach_attempt "${array}_2" 1
        ctl requeue "$array"
        reach_attempt "${array}_2" 2
        run ctl requeue "$array"
        [ "$status" -eq 125 ]
}

@test "what runs is no more than the pool has, and what can never fit is refused" {
        start '"pool": {"memory": "1G", "cpu_overcommit": 8}'
        run ctl submit - <<< '{"command": ["true"], "limits": {"memory": "2G"}}'
        [ "$status" -eq 125 ]
        [[ $output == *"limits.memory: the pool has 1G, and the job could never be started with 2G"* ]]
        run ctl submit - <<< '{"command": ["true"], "limits": {"cpu": 1000}}'
        [ "$status" -eq 125 ]
        jobs a 8 0.2 '{"limits": {"memory": "300M"}}' | ctl submit - > ids
        for id in $(cat ids); do ctl wait "$id"; done
        judge 'assert at_once(jobs) == 3, at_once(jobs)'
}

@test "what was submitted to a smaller pool is no less when the pool has become larger" {
        start '"pool": {"memory": "64M"}'
        ctl pause
        jobs a 8 1 | ctl submit - > ids # each may have 512M, by its policy
        sed -i 's/64M/1G/' config.json
        ctl reload
        ctl resume
        for id in $(cat ids); do ctl wait "$id"; done
        judge 'assert at_once(jobs) == 2, at_once(jobs)'
}

@test "what may have more than the whole pool, by its policy, runs alone" {
        start '"pool": {"memory": "64M"}'
        jobs a 3 0.3 | ctl submit - > ids
        for id in $(cat ids); do ctl wait "$id"; done
        judge 'assert at_once(jobs) == 1, at_once(jobs)'
}

@test "a large job is not held up for ever by small ones" {
        start '"pool": {"memory": "1G", "cpu_overcommit": 8}'
        jobs a 4 0.3 '{"limits": {"memory": "256M"}}' | ctl submit - > /dev/null
        id=$(jobs a 1 0 '{"limits": {"memory": "1G"}}' | ctl submit -)
        jobs b 400 0.1 '{"limits": {"memory": "256M"}}' | ctl submit - > /dev/null
        ctl wait "$id"
        judge '
large = next(i for i, job in enumerate(jobs) if job["id"] == "'"$id"'")
print(large)
assert large < 60'
}

@test "ceilings and weights that are written anew count after a reload" {
        echo '{"limits": {"running": 1}}' > tenants/a.json
        start
        jobs a 30 0.3 | ctl submit - > ids
        sleep 0.5
        echo '{"limits": {"running": 6}}' > tenants/a.json
        busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Reload
        ctl wait "$(tail -1 ids)"
        judge 'assert 4 <= at_once([job for job in jobs if job["finished_usec"]]) <= 6'
        echo '{' > tenants/a.json
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Reload
        [ "$status" -ne 0 ]
        [[ $output == *a.json* ]]
}

@test "an array that waits counts after a restart as it did before, and not at all when it has ended" {
        echo '{"limits": {"queued": 6}}' > tenants/few.json
        start
        ctl pause
        for i in 1 2 3; do ctl submit - <<< '{"command": ["true"], "tenant": "few", "array": {"count": 2}}'; done > ids
        run ctl submit - <<< '{"command": ["true"], "tenant": "few"}'
        [ "$status" -eq 125 ]
        stop_engine
        start
        ctl cancel "$(head -1 ids)"
        run ctl wait "$(head -1 ids)"
        ctl submit - <<< '{"command": ["true"], "tenant": "few", "array": {"count": 2}}' >> ids
        ctl resume
        ctl wait $(tail -3 ids)
        ctl pause
        ctl submit - <<< '{"command": ["true"], "tenant": "few", "array": {"count": 6}}'
}

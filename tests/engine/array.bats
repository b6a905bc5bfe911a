#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Arrays: one id, many members.

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

states() { # id: of the members, by number
        ctl list --json | python3 -c '
import json, sys
members = [job for job in map(json.loads, sys.stdin) if job["id"].startswith(sys.argv[1] + "_")]
print(*[job["state"] for job in sorted(members, key=lambda job: int(job["id"].split("_")[1]))])' "$1"
}

@test "an array has one id, and members that know their number" {
        echo seed > seed
        id=$(ctl submit --input seed=seed - <<< '{"command": ["sh", "-c", "cat /input/seed; echo $SKEP_ARRAY_INDEX $SKEP_JOB_ID"], "array": {"count": 12}, "name": "many"}')
        [ "$(wc -w <<< "$id")" -eq 1 ]
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["report"]["reason"], job["report"]["exit_code"]')" = "succeeded exited 0" ]
        for i in 0 7 11; do
                [ "$(ctl logs "${id}_$i")" = "seed
$i ${id}_$i" ]
                [ "$(field "${id}_$i" 'job["state"], job["attempt"], job["spec"]["name"]')" = "succeeded 1 many" ]
        done
        # A part of the id is the array; members are in their order.
        [ "$(field "${id:0:20}" 'job["id"]')" = "$id" ]
        [ "$(ctl list --json | python3 -c 'import json, sys; print(*[job["id"].split("_")[1] for job in map(json.loads, sys.stdin) if job["id"].startswith(sys.argv[1] + "_")])' "$id")" = "0 1 2 3 4 5 6 7 8 9 10 11" ]
        [ "$(ctl list --json | python3 -c 'import json, sys; print(*[job["array"] for job in map(json.loads, sys.stdin) if job["id"] == sys.argv[1]])' "$id")" = "{'succeeded': 12}" ]
        run busctl --address="$SKEP_ADDRESS" get-property org.skep.Engine1 "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Members
        [ "$output" = 'a{su} 1 "succeeded" 12' ]
        for wrong in "${id}_12" "${id}_" "${id}_01" "${id}_-1" "${id}_99999999999"; do
                run ctl status "$wrong"
                [ "$status" -eq 125 ]
        done
        [ -z "$(ls "$state/blobs")" ]
}

@test "an array has started when the first of its members has" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ARRAY_INDEX$SKEP_ATTEMPT != 01 ] || sleep 71; sleep 1; exit $(( 2 - SKEP_ATTEMPT ))"], "array": {"count": 3, "parallel": 1}, "retry": {"attempts": 2, "backoff": "100ms", "on": ["exited"]}}')
        [ "$(field "$id" 'job["started_usec"]')" = None ]
        ctl resume
        reach "${id}_0" running
        first=$(field "${id}_0" 'job["started_usec"]')
        [ "$(field "$id" 'job["started_usec"]')" = "$first" ]
        kill_engine
        start_engine --drain 0s
        reach "$id" running
        go_on 71
        ctl wait "$id"
        for when in before after; do
                [ "$(field "$id" "abs(job['started_usec'] - $first) < 1000000 and job['finished_usec'] - job['started_usec'] > 5000000")" = True ]
                restart_engine
        done
}

@test "no more members run than are to run in parallel" {
        id=$(ctl submit - <<< '{"command": ["sleep", "0.2"], "array": {"count": 10, "parallel": 2}}')
        ctl wait "$id"
        ctl list --json | python3 -c '
import json, sys
jobs = [job for job in map(json.loads, sys.stdin) if job["id"].startswith(sys.argv[1] + "_")]
steps = sorted([(job["started_usec"], 1) for job in jobs] + [(job["finished_usec"], -1) for job in jobs])
now = most = 0
for _, step in steps:
    now += step
    most = max(most, now)
print(most)
assert len(jobs) == 10 and most == 2' "$id"
}

@test "an array fails when one of its members does, and says which" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX -lt 3 || exit 5"], "array": {"count": 5}}')
        run ctl wait "$id"
        [ "$status" -eq 1 ]
        [ "$(states "$id")" = "succeeded succeeded succeeded failed failed" ]
        [ "$(field "$id" 'job["state"], job["report"]["reason"], job["report"]["exit_code"], job["report"]["message"]')" = "failed exited 5 2 of 5 members have failed; the first is ${id}_3" ]
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo > /output/f; test $SKEP_ARRAY_INDEX != 1 || kill -SEGV $$"], "array": {"count": 2}}')
        run -1 ctl wait "$id"
        [ "$(field "$id" 'job["report"]["reason"], job["report"]["signal"], job["report"]["files_bytes"] > 0')" = "signalled 11 True" ]
        ctl list | grep -q "^$id .*SIGSEGV"
        # Each member is tried again by itself.
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX != 1 || test $SKEP_ATTEMPT = 3"], "array": {"count": 3}, "retry": {"attempts": 3, "backoff": "50ms", "on": ["exited"]}}')
        ctl wait "$id"
        [ "$(field "${id}_1" 'job["attempt"]')" = 3 ]
        [ "$(field "${id}_2" 'job["attempt"]')" = 1 ]
}

@test "what is done to an array is done to all of it, and to a member to that alone" {
        id=$(ctl submit - <<< '{"command": ["sleep", "60"], "array": {"count": 6, "parallel": 2}}')
        reach "$id" running
        run ctl rm "$id"
        [ "$status" -eq 125 ]
        ctl hold "${id}_2"
        ctl cancel "${id}_0"
        reach "${id}_3" running
        [ "$(field "${id}_2" 'job["state"]')" = queued ]
        run ctl rm "${id}_0"
        [ "$status" -eq 125 ]
        [[ $output == *"member of an array"* ]]
        ctl cancel "$id"
        run ctl wait "$id"
        [ "$status" -eq 1 ]
        [ "$(states "$id")" = "cancelled cancelled cancelled cancelled cancelled cancelled" ]
        ctl rm "$id"
        run ctl status "${id}_4"
        [ "$status" -eq 125 ]
        [ -z "$(ls "$state/jobs" | grep "$id")" ]
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 4}}')
        ctl hold "$id"
        ctl resume
        ctl run -- true
        [ "$(states "$id")" = "queued queued queued queued" ]
        ctl release "${id}_3"
        ctl wait "${id}_3"
        ctl release "$id"
        ctl wait "$id"
}

@test "a member that is held lets another in, also when it has been started before" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX != 0 || test $SKEP_ATTEMPT != 1"], "array": {"count": 3, "parallel": 1}, "retry": {"backoff": "5s", "on": ["exited"]}}')
        reach "${id}_0" backoff
        ctl hold "${id}_0"
        ctl wait "${id}_1" "${id}_2"
        reach "${id}_0" queued
        ctl release "${id}_0"
        ctl wait "$id"
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX != 0 || test $SKEP_ATTEMPT != 1 || sleep 60"], "array": {"count": 3, "parallel": 1}}')
        reach "${id}_0" running
        ctl hold "${id}_0"
        sleep 0.5
        [ "$(states "$id")" = "running queued queued" ]
        ctl requeue "${id}_0"
        ctl wait "${id}_1" "${id}_2"
        [ "$(field "${id}_0" 'job["state"]')" = queued ]
        ctl release "${id}_0"
        ctl wait "$id"
        # A supervisor that finds one held in its backoff lets another in, too.
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 1; test $SKEP_ARRAY_INDEX != 0"], "array": {"count": 3, "parallel": 1}, "retry": {"backoff": "60s", "on": ["exited"]}}')
        reach "${id}_0" backoff
        ctl pause
        ctl hold "${id}_0"
        restart_engine
        ctl resume
        ctl wait "${id}_1" "${id}_2"
        ctl cancel "$id"
        run ctl wait "$id"
}

@test "what is done to an array is done to those that were not yet let in before any of them could take a place" {
        job='"command": ["true"], "cache": "1h", "labels": ["all"], "array": {"count": 5'
        ctl pause
        first=$(ctl submit - <<< "{$job}}")
        ctl cancel "${first}_0"
        ctl resume
        run ctl wait "$first"
        [ "$(states "$first")" = "cancelled succeeded succeeded succeeded succeeded" ]
        # The cache has the results of all members but the first: each would have its own as soon as it is let in.
        ctl pause
        held=$(ctl submit - <<< "{$job, \"parallel\": 1}}")
        cancelled=$(ctl submit - <<< "{$job, \"parallel\": 1}}")
        ctl hold "$held"
        ctl cancel "$cancelled"
        run ctl wait "$cancelled"
        # A deadline is one of all of them, too.
        late=$(ctl submit - <<< "{$job, \"parallel\": 1}, \"deadline\": \"1s\"}")
        run ctl wait "$late"
        ctl resume
        [ "$(states "$late")" = "failed failed failed failed failed" ]
        [ "$(states "$cancelled")" = "cancelled cancelled cancelled cancelled cancelled" ]
        [ "$(states "$held")" = "queued queued queued queued queued" ]
        ctl release "$held"
        ctl wait "$held"
}

@test "an array outlives its supervisor" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 0.3; echo $SKEP_ARRAY_INDEX"], "array": {"count": 30, "parallel": 4}}')
        gone=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 3}}')
        ctl wait "$gone"
        ctl rm "$gone"
        sleep 0.5
        kill_engine # which may be in the middle of a write
        sleep 1
        start_engine --drain 0s
        ctl wait "$id"
        [ "$(field "$id" 'job["state"]')" = succeeded ]
        for i in 0 15 29; do
                [ "$(ctl logs "${id}_$i")" = $i ]
        done
        restart_engine
        [ "$(field "$id" 'job["state"]')" = succeeded ]
        [ "$(states "$id" | wc -w)" -eq 30 ]
        run ctl status "$gone"
        [ "$status" -eq 125 ]
        [ "$(sqlite3 "$state/jobs.db" "SELECT count(*) FROM jobs WHERE id LIKE '$gone%'")" = 0 ]
}

@test "no more members run than are to run in parallel, and they come in their order, also under the next supervisor" {
        for known in yes no; do
                id=$(ctl submit - <<< '{"command": ["sleep", "72"], "array": {"count": 12, "parallel": 1}}')
                ctl cancel "${id}_0" "${id}_1"
                reach "${id}_2" running
                kill_engine
                # As if that it was started had not been written down.
                [ $known = yes ] || sqlite3 "$state/jobs.db" "UPDATE jobs SET state = 'queued', attempt = 0 WHERE id = '${id}_2';
                        UPDATE jobs SET state = 'queued', finished_usec = 0 WHERE id = '${id}_1'"
                start_engine --drain 0s
                reach "${id}_2" running
                sleep 0.5
                [ "$(ctl list --array "$id" --state running,starting --ids)" = "${id}_2" ]
                go_on 72
                next=$([ $known = yes ] && echo 3 || echo 1)
                reach "${id}_$next" running
                [ "$(ctl list --array "$id" --state running,starting --ids)" = "${id}_$next" ]
                ctl cancel "$id"
                run ctl wait "$id"
        done
}

@test "arrays wait for others, and end with them" {
        ctl pause
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "echo one > /output/f"]}')
        id=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/a/f\"], \"array\": {\"count\": 3}, \"after\": {\"a\": \"$one\"}}")
        [ "$(field "$id" 'job["state"]')" = waiting ]
        ctl resume
        ctl wait "$id"
        [ "$(ctl logs "${id}_2")" = one ]
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 1; exit 1"]}')
        id=$(ctl submit - <<< "{\"command\": [\"true\"], \"array\": {\"count\": 3}, \"after\": {\"a\": \"$one\"}}")
        run ctl wait "$id"
        [ "$(states "$id")" = "failed failed failed" ]
        [ "$(field "$id" 'job["report"]["reason"]')" = dependency ]
}

@test "arrays come in batches, are known by keys, and their members have their own results in the cache" {
        ctl submit - <<< '[{"command": ["true"], "array": {"count": 3}}, {"command": ["true"]}, {"command": ["true"], "array": {"count": 2}, "after": {"a": "#0", "b": "#1"}}]' > ids
        [ "$(wc -l < ids)" -eq 3 ]
        ctl wait $(cat ids)
        [ "$(field "$(tail -1 ids)_1" 'job["state"]')" = succeeded ]
        spec='{"command": ["sh", "-c", "date +%N"], "array": {"count": 3}, "idempotency_key": "an-array"}'
        id=$(ctl submit - <<< "$spec")
        [ "$(ctl submit - <<< "$spec")" = "$id" ]
        ctl wait "$id"
        spec='{"command": ["sh", "-c", "date +%N"], "array": {"count": 5, "parallel": 2}, "cache": "1h"}'
        one=$(ctl submit - <<< "$spec")
        ctl wait "$one"
        two=$(ctl submit - <<< "$spec")
        ctl wait "$two"
        [ "$(ctl logs "${one}_4")" = "$(ctl logs "${two}_4")" ]
        [ "$(ctl logs "${one}_4")" != "$(ctl logs "${one}_3")" ]
}

@test "where the cache has the results of some members, the others run, once each" {
        job='"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f"], "cache": "1h", "labels": ["some"]'
        first=$(ctl submit - <<< "{$job, \"array\": {\"count\": 3}}")
        ctl wait "$first"
        for more in '"count": 7' '"count": 9, "parallel": 2'; do
                id=$(CTL_SECONDS=20 ctl submit - <<< "{$job, \"array\": {$more}}")
                CTL_SECONDS=20 ctl wait "$id"
                [ "$(field "$id" 'set(job["array"].items())')" = "{('succeeded', ${more:9:1})}" ]
                for i in 0 2 6; do [ "$(field "${id}_$i" 'job["attempt"], job["report"]["attempt"]')" = "1 1" ]; done
                [ "$(field "${id}_2" 'job["report"]["cached_from"]')" = "${first}_2" ]
                ctl output "$id" "out$more"
                [ "$(cat "out$more"/*/f | wc -l)" -eq "${more:9:1}" ]
        done
        run ! grep "cannot become" "$BATS_FILE_TMPDIR/log"
}

@test "a supervisor starts also where the cache has the results of members that waited" {
        job='{"command": ["sleep", "2"], "cache": "1h", "array": {"count": 3}}'
        ctl pause
        first=$(ctl submit - <<< "$job")
        second=$(ctl submit - <<< "$job")
        ctl hold "$second"
        ctl resume
        ctl wait "$first"
        # As if it had been killed when the first had ended, and the second did not have that yet.
        stop_engine
        sqlite3 "$state/jobs.db" "UPDATE jobs SET held = 0 WHERE id LIKE '$second%'"
        start_engine --drain 0s
        ctl wait "$second"
        [ "$(field "${second}_2" 'job["attempt"], job["report"]["cached_from"]')" = "1 ${first}_2" ]
}

@test "what is no array is refused by its key, and a large one is one commit and one turn in the queue" {
        for array in '{"count": 0}' '{"count": 10001}' '{"parallel": 2}' '{"count": 2, "parallel": 0}' '{"count": "3"}' '{"count": 3, "step": 2}' 5 '[1, 2]'; do
                run ctl submit - <<< "{\"command\": [\"true\"], \"array\": $array}"
                [ "$status" -eq 125 ]
                [[ $output == *array* ]]
        done
        id=$(ctl submit - <<< '{"command": ["sleep", "60"], "array": {"count": 10000, "parallel": 3}, "priority": 0}')
        ctl run -- true
        ctl cancel "$id"
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"]')" = cancelled ]
        ctl rm "$id"
        ctl run -- true
}

@test "what the members have left is the array's, a directory each, and is there for those that run after it" {
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX = 1 || { mkdir /output/d; echo $SKEP_ARRAY_INDEX > /output/d/f; }"], "array": {"count": 11}}')
        id=$(ctl submit - <<< "{\"command\": [\"sh\", \"-c\", \"cat /input/all/10/d/f /input/all/0/d/f; ls /input/all/1 | wc -l\"], \"after\": {\"all\": \"$one\"}}")
        ctl wait "$id"
        [ "$(ctl logs "$id")" = "10
0
0" ]
        ctl output "$one" all
        [ "$(cat all/7/d/f)" = 7 ]
        [ "$(ls "$state/jobs/$one/1")" = files ]
        restart_engine
        id=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/all/3/d/f\"], \"after\": {\"all\": \"$one\"}}")
        ctl wait "$id"
        [ "$(ctl logs "$id")" = 3 ]
        run ctl rm "$one"
        [ ! -e "$state/jobs/$one" ]
        [ -z "$(ls "$state/jobs" | grep "^$one")" ]
        # A member can be run after, too.
        one=$(ctl submit - <<< '{"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f"], "array": {"count": 3}}')
        id=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/a/f\"], \"after\": {\"a\": \"${one}_2\"}}")
        ctl wait "$id"
        [ "$(ctl logs "$id")" = 2 ]
}

# A supervisor with a collector that this script is; $build is its tree then, and $real the one before.
start_engine_with_collector() {
        mkdir -p own/build
        cp "$build/skepd" own/build/
        ln -s "$build"/{skepctl,skep-worker,skep-nursery,skep-launcher,skep-scope} own/build/
        ln -s "$top/policies" own/policies
        printf '#!/bin/sh\n%s\n' "$1" > own/build/skep-collector
        chmod +x own/build/skep-collector
        real=$build build=$PWD/own/build
        restart_engine
}

@test "of arrays that end at once a few are put together at a time, of each tenant, and none is lost" {
        spec='{"command": ["sh", "-c", "head -c 1M /dev/urandom > /output/f"], "cache": "1h", "tenant": "many", "array": {"count": 4}}'
        ctl wait "$(ctl submit - <<< "$spec")"
        start_engine_with_collector "
                cd '$PWD'
                if mkdir first 2> /dev/null || mkdir second 2> /dev/null; then
                        while :; do sleep 0.1; done
                fi
                exec '$build/skep-collector' \"\$@\""
        for i in $(seq 40); do echo "$spec"; done | ctl submit - > ids
        for i in $(seq 100); do [ ! -e second ] || break; sleep 0.1; done
        [ -e second ]
        waits() { [ "$(field "$(tail -1 ids)" 'job["state"], job["waiting"]')" = "queued until what its members have left is put together" ]; }
        for i in $(seq 100); do ! waits || break; sleep 0.1; done
        waits
        ctl wait "$(ctl submit - <<< "${spec/many/other}")"
        [ "$(pgrep -P "$(cat "$BATS_FILE_TMPDIR/pid")" -x skep-collector | wc -l)" -eq 2 ]
        [ "$(field "$(tail -1 ids)" 'job["state"]')" = queued ]
        # They end with the supervisor, and the next one begins anew.
        build=$real
        restart_engine
        ctl wait $(cat ids)
        for id in $(cat ids); do [ "$(field "$id" 'job["state"]')" = succeeded ]; done
        ctl output "$(tail -1 ids)" last
        [ "$(stat -c %s last/3/f)" -eq 1048576 ]
}

@test "where the collector is of another version, what the members have left waits for the supervisor to be so, too" {
        start_engine_with_collector "exec '$build/skep-collector' other \"\$2\""
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f"], "array": {"count": 2}}')
        for i in $(seq 100); do
                grep -q "skep-collector is of another version than skepd" "$BATS_FILE_TMPDIR/log" && break
                sleep 0.1
        done
        [ "$(field "$id" 'job["state"]')" = queued ]
        build=$real
        restart_engine
        ctl wait "$id"
        ctl output "$id" out
        [ "$(cat out/0/f out/1/f)" = "0
1" ]
}

@test "an array of which somebody has removed all that its members have left has failed" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ARRAY_INDEX = 0 && echo > /output/f || sleep 74; true"], "array": {"count": 2}}')
        reach "${id}_0" succeeded
        rm "$state/jobs/${id}_0/1/files"
        go_on 74
        run -1 ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["report"]["message"]')" = \
                "failed what the members have left could not be put together: No data available" ]
        ctl rm "$id"
}

@test "an array whose members have left too many files has failed, and says so" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo > /output/f; test $SKEP_ARRAY_INDEX = 0 -o $SKEP_ATTEMPT -gt 1 || sleep 60"], "array": {"count": 2}}')
        reach "${id}_0" succeeded
        reach "${id}_1" running
        # As if it had left so many: the directory itself, again and again.
        python3 - "$state/jobs/${id}_0/1/files" << 'P'
import sys, tarfile
entry = tarfile.TarInfo("./")
entry.type = tarfile.DIRTYPE
with open(sys.argv[1], "wb") as f:
    for _ in range(1 << 8):
        f.write(entry.tobuf(tarfile.GNU_FORMAT) * (1 << 12))
    f.write(bytes(1024))
P
        ctl requeue "${id}_1"
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["report"]["message"]')" = \
                "failed what the members have left could not be put together: it has more than 1048576 files and directories" ]
        ctl rm "$id"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# How long jobs are remembered that have ended.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup() {
        cd "$BATS_TEST_TMPDIR"
        place_engine "$BATS_TEST_TMPDIR"
}

teardown() {
        stop_engine
}

# start CONFIGURATION
start() {
        echo "$1" > skepd.json
        start_engine --config skepd.json
}

known() {
        ctl list --json | wc -l
}
until_known() {
        for i in $(seq 100); do [ "$(known)" -eq "$1" ] && return; sleep 0.1; done
        echo "$(known) jobs are known, not $1"
        return 1
}

@test "the oldest that have ended make room, with their output" {
        start '{"retention": {"count": 3}}'
        head -c 1000 /dev/zero > input
        # The first has ended before the others begin.
        ctl submit - --input i=input <<< '{"command": ["sh", "-c", "echo x > /output/f"]}' > ids
        ctl wait $(head -1 ids)
        for i in $(seq 7); do echo '{"command": ["sh", "-c", "echo x > /output/f"]}'; done | ctl submit - --input i=input >> ids
        # Whichever end last: so none of them can be waited for.
        until_known 3
        for i in $(seq 50); do [ "$(ls state/jobs | wc -l)" -ne 3 ] || break; sleep 0.1; done
        [ "$(ls state/jobs | wc -l)" -eq 3 ]
        [ "$(ls state/blobs | wc -l)" -eq 0 ]
        for id in $(ctl list --json | json_lines id); do [ -e "state/jobs/$id/1/files" ]; done
        run -125 ctl status "$(head -1 ids)"
        [ "$(sqlite3 state/jobs.db 'SELECT count(*) FROM jobs')" -eq 3 ]
        [ "$(sqlite3 state/jobs.db 'SELECT count(*) FROM attempts')" -eq 3 ]
}

json_lines() { # KEY
        python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)[sys.argv[1]])' "$1"
}

@test "where there are too many, those of who has most go" {
        start '{"retention": {"count": 10}}'
        one=$(echo '{"command": ["true"], "tenant": "few"}' | ctl submit -)
        ctl wait "$one"
        for i in $(seq 40); do echo '{"command": ["true"], "tenant": "many", "deadline": "1us"}'; done | ctl submit - > ids
        ctl wait $(cat ids) > /dev/null || true
        until_known 10
        [ "$(ctl status "$one" --json | json_get tenant)" = few ]
}

@test "where there are far too many, no tenant is left with fewer than another for that" {
        start '{}'
        for i in $(seq 40); do echo '{"command": ["true"], "tenant": "one", "deadline": "1us"}'; done > jobs
        for i in $(seq 39); do echo '{"command": ["true"], "tenant": "other", "deadline": "1us"}'; done >> jobs
        ctl submit - < jobs > ids
        ctl wait $(cat ids) > /dev/null || true
        echo '{"retention": {"count": 50}}' > skepd.json
        ctl reload
        until_known 50
        [ "$(ctl list --json --tenant one | wc -l)" -eq 25 ]
}

@test "what is older goes, and nothing else" {
        start '{"retention": {"age": "5s"}}'
        long=$(echo '{"command": ["sh", "-c", "echo; sleep 71; true"]}' | ctl submit -)
        old=$(echo '{"command": ["true"]}' | ctl submit -)
        ctl wait "$old"
        ctl status "$old" > /dev/null
        until_known 1
        for i in $(seq 50); do [ "$(ls state/jobs)" != "$long" ] || break; sleep 0.1; done
        [ "$(ls state/jobs)" = "$long" ]
        go_on 71
        ctl wait "$long"
        ctl status "$long" > /dev/null
        until_known 0
        # As soon as that is on the disk.
        for i in $(seq 50); do [ -n "$(ls state/jobs)" ] || break; sleep 0.1; done
        [ "$(ls state/jobs | wc -l)" -eq 0 ]
}

@test "one that others ran after goes when these have ended and its own time is over" {
        start '{"retention": {"age": "8s"}}'
        parent=$(echo '{"command": ["true"]}' | ctl submit -)
        ctl wait "$parent"
        child=$(echo "{\"command\": [\"sleep\", \"60\"], \"after\": {\"a\": \"$parent\"}}" | ctl submit -)
        reach "$child" running
        sleep 9
        # It has left the list of those to be forgotten; another one stands there now.
        ctl run -- true < /dev/null
        [ "$(known)" -eq 3 ]
        ctl cancel "$child"
        run ctl wait "$child"
        for i in $(seq 20); do [ "$(known)" -gt 2 ] || break; sleep 0.2; done
        run -125 ctl status "$parent"
        [ "$(known)" -eq 2 ]
}

@test "a reload and a restart keep to what is said then" {
        start '{"retention": {"count": 100}}'
        for i in $(seq 70); do echo '{"command": ["echo"]}'; done | ctl submit - > ids
        ctl wait $(cat ids)
        [ "$(known)" -eq 70 ]
        echo '{"retention": {"count": 60}}' > skepd.json
        ctl reload
        until_known 60
        echo '{"retention": {"count": 2}}' > skepd.json
        stop_engine
        start_engine --config skepd.json
        until_known 2
        # Those that ended last.
        ctl list --json | json_lines finished_usec | sort -n | head -1 > oldest
        [ "$(ls state/jobs | wc -l)" -eq 2 ]
}

@test "the output of a job stays until those that run after it have ended" {
        start '{"retention": {"count": 1}}'
        parent=$(echo '{"command": ["sh", "-c", "echo kept > /output/f"]}' | ctl submit -)
        ctl wait "$parent"
        slow=$(echo '{"command": ["sh", "-c", "sleep 72; true"]}' | ctl submit -)
        child=$(echo "{\"command\": [\"cat\", \"/input/before/f\"], \"after\": {\"before\": \"$parent\", \"slow\": \"$slow\"}}" | ctl submit -)
        for i in 1 2 3; do ctl run -- true < /dev/null; done
        [ "$(ctl status --json "$child" | json_get state)" = waiting ]
        go_on 72
        ctl wait "$child"
        [ "$(ctl logs "$child")" = kept ]
        until_known 1
        run -125 ctl status "$parent"
}

@test "an array stays until those that run after one of its members have ended" {
        start '{"retention": {"count": 1}}'
        array=$(echo '{"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f"], "array": {"count": 3}}' | ctl submit -)
        ctl wait "$array"
        slow=$(echo '{"command": ["sh", "-c", "sleep 73; true"]}' | ctl submit -)
        for i in 0 2; do
                echo "{\"command\": [\"cat\", \"/input/before/f\"], \"after\": {\"before\": \"${array}_$i\", \"slow\": \"$slow\"}}"
        done | ctl submit - > ids
        for i in 1 2 3; do ctl run -- true < /dev/null; done
        run ctl rm "$array"
        [[ $output == *"run after it"* ]]
        ctl cancel "$(head -1 ids)"
        for i in 1 2 3; do ctl run -- true < /dev/null; done
        go_on 73
        ctl wait "$(tail -1 ids)"
        [ "$(ctl logs "$(tail -1 ids)")" = 2 ]
        until_known 1
        run -125 ctl status "${array}_0"
        ctl run -- true < /dev/null
}

@test "it stays while one of those is tried again, or was lost" {
        start '{"retention": {"count": 1}}'
        parent=$(echo '{"command": ["sh", "-c", "echo kept > /output/f"]}' | ctl submit -)
        ctl wait "$parent"
        child=$(ctl submit - <<< "{\"command\": [\"sh\", \"-c\", \"cat /input/before/f; [ \$SKEP_ATTEMPT -ge 3 ] || { [ \$SKEP_ATTEMPT -eq 1 ] || sleep 60; exit 1; }\"],
                \"after\": {\"before\": \"$parent\"}, \"retry\": {\"attempts\": 3, \"backoff\": \"1h\", \"on\": [\"exited\", \"lost\"]}}")
        # While it waits for its second attempt; and in that, it is lost.
        for i in 1 2 3; do ctl run -- true < /dev/null; done
        [ "$(field "$child" 'job["attempt"]')" = 1 ]
        ctl requeue "$child"
        reach "$child" running
        [ "$(field "$child" 'job["attempt"]')" = 2 ]
        kill -9 $(pgrep -P "$(cat "$BATS_FILE_TMPDIR/pid")" skep-worker)
        reach "$child" backoff
        for i in 1 2 3; do ctl run -- true < /dev/null; done
        ctl requeue "$child"
        ctl wait "$child"
        [ "$(ctl logs "$child")" = kept ]
        [ "$(field "$child" 'job["attempt"]')" = 3 ]
        until_known 1
}

@test "a waiting child keeps its parent through a restart" {
        start '{"retention": {"count": 1}}'
        parent=$(echo '{"command": ["sh", "-c", "echo kept > /output/f"]}' | ctl submit -)
        ctl wait "$parent"
        ctl pause
        child=$(echo "{\"command\": [\"cat\", \"/input/before/f\"], \"after\": {\"before\": \"$parent\"}}" | ctl submit -)
        stop_engine
        start_engine --config skepd.json
        ctl resume # a pause lasts
        ctl wait "$child"
        [ "$(ctl logs "$child")" = kept ]
        until_known 1
}

@test "who comes with its inputs when the job that it is to run after has been forgotten is refused" {
        start '{}'
        parent=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$parent"
        truncate -s 512M big
        ctl submit --input big=big - <<< "{\"command\": [\"true\"], \"after\": {\"before\": \"$parent\"}}" 2> why 3>&- &
        submitting=$!
        copying=$(reach_porter "$(cat "$BATS_FILE_TMPDIR/pid")")
        kill -STOP "$copying"
        ctl rm "$parent"
        kill -CONT "$copying"
        status=0
        wait "$submitting" || status=$?
        [ "$status" -eq 125 ]
        grep -q 'after.before: there is no such job' why
        [ "$(known)" -eq 0 ]
}

@test "a job that has ended can be forgotten, one that others run after cannot" {
        start '{}'
        parent=$(echo '{"command": ["true"]}' | ctl submit -)
        ctl wait "$parent"
        ctl pause
        child=$(echo "{\"command\": [\"true\"], \"after\": {\"before\": \"$parent\"}}" | ctl submit -)
        run ctl rm "$parent"
        [ "$status" -ne 0 ]
        [[ $output == *"run after it"* ]]
        run ctl rm "$child"
        [[ $output == *"has not ended"* ]]
        ctl resume
        ctl wait "$child"
        ctl rm "$parent" "$child"
        [ "$(known)" -eq 0 ]
        [ "$(ls state/jobs | wc -l)" -eq 0 ]
}

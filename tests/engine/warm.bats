#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The jails that a worker keeps ready: how many of which policy, and what becomes of them.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
        export state=$BATS_FILE_TMPDIR/state
        export SKEP_ADDRESS=unix:path=$BATS_FILE_TMPDIR/engine.sock
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

teardown() {
        stop_engine || true
}

# An engine with one worker and this configuration of `warm`.
start_with() {
        printf '{"warm": %s}' "$1" > config.json
        start_engine --config "$PWD/config.json" --workers 1 --drain 0s
}

# Runs a job; how it was started.
start_of() {
        local id
        id=$(ctl submit - <<< "{\"command\": [\"true\"], \"policy\": \"${1:-python}\"}")
        ctl wait "$id" || return 1
        ctl status --json "$id" | python3 -c 'import json, sys; print(json.load(sys.stdin)["report"]["start"])'
}

# Runs jobs until one is started warm.
reach_warm() {
        local i
        for i in $(seq 50); do
                [ "$(start_of "$@")" != warm ] || return 0
                sleep 0.1
        done
        return 1
}

# The first processes of the jails that wait: those whose job has not been executed.
waiting() {
        local pid
        for pid in $(pgrep -x skep-reaper); do
                [ "$(readlink "/proc/$pid/exe")" = "$build/skep-launcher" ] && grep -qx skep-reaper "/proc/$pid/comm" && echo "$pid"
        done
        return 0
}

reach_waiting() { # how many, at least
        local i
        for i in $(seq 100); do
                [ "$(waiting | wc -l)" -lt "$1" ] || return 0
                sleep 0.05
        done
        return 1
}

warm_of_pool() { # of its one worker
        ctl pool --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["workers"][0]["warm"])'
}

@test "the first job is started cold, and what follows finds jails" {
        start_with '{}'
        [ "$(start_of)" = cold ]
        reach_warm
        # Of each policy its own.
        [ "$(start_of strict)" = cold ]
        reach_warm strict
}

@test "as many are kept as were started at once, and no more than the configuration says" {
        start_with '{"maximum": 3}'
        ids=$(for i in $(seq 8); do echo '{"command": ["true"]}'; done | ctl submit -)
        ctl wait $ids
        reach_waiting 3
        # Each has two processes: that of the job is there, too.
        sleep 0.3
        [ "$(waiting | wc -l)" -eq 6 ]
}

@test "the pool shows how many jails wait" {
        start_with '{"maximum": 3}'
        [ "$(warm_of_pool)" = 0 ]
        ids=$(for i in $(seq 8); do echo '{"command": ["true"]}'; done | ctl submit -)
        ctl wait $ids
        for i in $(seq 100); do
                [ "$(warm_of_pool)" = 3 ] && break
                sleep 0.1
        done
        ctl pool | grep -E '^1 +ready +0 +3 '
}

@test "none is kept where none may be" {
        start_with '{"maximum": 0}'
        for i in 1 2 3; do [ "$(start_of)" = cold ]; done
        [ -z "$(waiting)" ]
}

@test "none is kept while memory is short" {
        start_with '{"memory": "100T"}'
        for i in 1 2 3; do [ "$(start_of)" = cold ]; done
        [ -z "$(waiting)" ]
}

@test "one that dies while it waits is replaced, and no job gets it" {
        start_with '{"maximum": 1}'
        start_of
        for i in 1 2 3; do
                reach_waiting 2
                kill -KILL $(waiting | tail -n "$((i % 2 + 1))")
                id=$(ctl submit - <<< '{"command": ["true"]}')
                ctl wait "$id" || { ctl status --json "$id" >&2; false; }
        done
        reach_warm
}

@test "nothing is left of jails that wait when the worker is killed, at any moment" {
        start_with '{"maximum": 4}'
        for pause in 0 0.003 0.006 0.01 0.02 0.05; do
                ids=$(for i in $(seq 6); do echo '{"command": ["true"]}'; done | ctl submit -)
                sleep "$pause"
                pkill -KILL -f "skep-worker --socket $state/worker.sock"
                ctl wait $ids
        done
        stop_engine
        for _ in $(seq 50); do
                [ "$(leftovers)" != "$BEFORE" ] || break
                sleep 0.1
        done
        nothing_is_left
}

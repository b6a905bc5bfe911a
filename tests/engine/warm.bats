#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The jails that a worker keeps ready: how many of which policy, and what becomes of them.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
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

reach_warm_of_pool() { # how many that are ready, at least
        local i
        for i in $(seq 200); do
                [ "$(warm_of_pool)" -lt "$1" ] || return 0
                sleep 0.1
        done
        return 1
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
        # Each has two processes: that of the job is there, too.
        reach_waiting 6
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
                # The next one may not be there yet.
                until pkill -KILL -f "skep-worker --socket $state/worker.sock"; do sleep 0.01; done
                ctl wait $ids || { for id in $ids; do ctl status --json "$id"; done; cat "$BATS_FILE_TMPDIR/log"; false; } >&2
        done
        stop_engine
        for _ in $(seq 50); do
                [ "$(leftovers)" != "$BEFORE" ] || break
                sleep 0.1
        done
        nothing_is_left
}

# What an earlier supervisor has counted: on each of so many days, about this time, so many jobs of a policy at once.
remember_bursts() { # days, policy, how many
        local now minute day
        now=$(($(date +%s) / 60 * 60))
        for day in $(seq "$1"); do
                for minute in 0 60 120 180; do
                        echo "INSERT OR IGNORE INTO load VALUES (60, $((now - day * 86400 + minute)), 1, 0, $3, $3, 0, 0, 0, 0);"
                        echo "INSERT INTO policy_load VALUES ($((now - day * 86400 + minute)), '$2', $3, $3);"
                done
        done | sqlite3 "$state/jobs.db"
}

# The jails of a policy that a worker has been told to keep, as skepctl shows them.
expected() {
        ctl forecast --json | python3 -c 'import json, sys
print(next(p["warm"] for p in json.load(sys.stdin)["policies"] if p["policy"] == sys.argv[1]))' "$1"
}

@test "a burst that comes again finds jails waiting, and no longer than it may be late" {
        rm -rf "$state"
        start_with '{"maximum": 8}'
        stop_engine
        remember_bursts 3 python 6
        remember_bursts 3 gone 4
        start_with '{"maximum": 8}'
        [ "$(expected python)" -eq 6 ]
        reach_waiting 12
        reach_warm_of_pool 6
        # As many at once as on the days before, and all of them are started warm.
        ids=$(for i in $(seq 6); do echo '{"command": ["true"]}'; done | ctl submit -)
        ctl wait $ids
        for id in $ids; do ctl status --json "$id"; done | python3 -c 'import json, sys
starts = [json.loads(line)["report"]["start"] for line in sys.stdin]
assert starts == ["warm"] * 6, starts'
        ctl forecast > text
        grep -q '^python .* daily' text
        # The scaler off foresees nothing; what the worker keeps by its own use is another matter.
        ctl scale off
        [ "$(expected python)" -eq 0 ]
}

@test "jails that are expected and not used are given up when the supervisor goes or thinks otherwise" {
        rm -rf "$state"
        start_with '{}'
        stop_engine
        remember_bursts 3 strict 5
        start_with '{}'
        reach_waiting 10
        ctl scale off
        for i in $(seq 50); do
                [ -n "$(waiting)" ] || break
                sleep 0.1
        done
        [ -z "$(waiting)" ]
        # A number of workers foresees them again, and at once.
        ctl scale 1
        reach_waiting 10
}

@test "a worker that takes nothing more keeps none of the jails that are expected, however long its last job runs" {
        rm -rf "$state"
        start_with '{}'
        stop_engine
        remember_bursts 3 strict 6
        printf '{"scaler": "fixed", "workers": {"minimum": 1}}' > config.json
        start_engine --config "$PWD/config.json" --drain 0s
        ctl scale 2
        for i in $(seq 100); do [ "$(ctl pool | grep -c ' ready ')" -lt 2 ] || break; sleep 0.1; done
        reach_warm_jails() { # worker, an expression on how many it keeps
                for i in $(seq 100); do
                        ctl pool --json | python3 -c 'import json, sys
jails = next(w["warm"] for w in json.load(sys.stdin)["workers"] if w["name"] == sys.argv[1])
sys.exit(not eval(sys.argv[2]))' "$@" && return
                        sleep 0.1
                done
                return 1
        }
        for i in 1 2; do echo '{"command": ["sleep", "60"]}'; done | ctl submit - > ids
        for id in $(cat ids); do reach "$id" running; done
        reach_warm_jails 2 'jails >= 3'
        ctl scale 1
        [ "$(ctl pool --json | json_get workers | grep -o draining | wc -l)" -eq 1 ]
        # One of the policy of its job may be there, by its own use.
        reach_warm_jails 2 'jails <= 1'
        reach_warm_jails 1 'jails >= 3'
}

@test "policies that are expected at once share what may be kept" {
        rm -rf "$state"
        start_with '{"maximum": 6}'
        stop_engine
        remember_bursts 3 strict 6
        remember_bursts 3 python 3
        start_with '{"maximum": 6}'
        reach_waiting 12
        reach_warm_of_pool 6
        sleep 0.3
        [ "$(waiting | wc -l)" -eq 12 ]
        start_of python > start
        grep -qx warm start
        [ "$(start_of strict)" = warm ]
}

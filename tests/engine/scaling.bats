#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The pool is sized by the load: what is counted is kept, decided, explained and shown.

load ../helper
load engine

setup_file() {
        export MISSING=$(find_missing) state=$BATS_FILE_TMPDIR/state SKEP_ADDRESS=unix:path=$BATS_FILE_TMPDIR/engine.sock
        start_engine
}
teardown_file() {
        stop_engine
}
setup() {
        cd "$BATS_TEST_TMPDIR"
}

load_of_last_hour() {
        sqlite3 "$state/jobs.db" 'SELECT coalesce(sum(arrivals), 0) FROM load WHERE step_sec = 10'
}

@test "what came is kept in steps, and what the scaler decides has a reason" {
        for i in $(seq 5); do echo '{"command": ["true"]}'; done | ctl submit - > ids
        # shellcheck disable=SC2046
        ctl wait $(cat ids)
        for i in $(seq 40); do
                [ "$(load_of_last_hour)" -ge 5 ] && break
                sleep 1
        done
        sqlite3 "$state/jobs.db" "select * from load; select count(*), state from jobs group by state"; cat "$BATS_FILE_TMPDIR/log"; echo "state $state"
        [ "$(load_of_last_hour)" -eq 5 ]
        for i in $(seq 70); do
                ctl forecast --json > report
                grep -q are.wanted report && break
                sleep 1
        done
        [ "$(json_get mode report)" = predictive ]
        [[ $(json_get decisions.0.sentence report 2> /dev/null || python3 -c 'import json; print(json.load(open("report"))["decisions"][0]["sentence"])') == *"are wanted: "* ]]
        ctl forecast > text
        grep -q '^The scaler is predictive' text
        grep -q '^The last decision: ' text
}

@test "a plot is drawn" {
        ctl forecast --svg plot.svg
        python3 -c 'import sys, xml.etree.ElementTree as t; assert t.parse("plot.svg").getroot().tag.endswith("svg")'
}

@test "Forecast answers as the interface says" {
        busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Forecast u 15 > answer
        grep -q '^a(tddd) ' answer
}

@test "an operator's word holds until he takes it back" {
        ctl scale 4
        [ "$(ctl forecast --json | json_get mode)" = fixed ]
        [ "$(busctl --address="$SKEP_ADDRESS" get-property org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager PoolTarget)" = "u 4" ]
        ctl reload
        [ "$(busctl --address="$SKEP_ADDRESS" get-property org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager PoolTarget)" = "u 4" ]
        run ctl scale best
        [ "$status" -ne 0 ]
        [[ $output == *"off, fixed, reactive or predictive"* ]]
        ctl scale off
        [ "$(ctl forecast --json | json_get mode)" = off ]
        ctl scale predictive
        [ "$(ctl forecast --json | json_get mode)" = predictive ]
}

@test "what was counted is there after a restart" {
        before=$(load_of_last_hour)
        stop_engine
        start_engine
        [ "$(load_of_last_hour)" -eq "$before" ]
        ctl forecast > text
        [ "$(sqlite3 "$state/jobs.db" "SELECT count(*) FROM learnt")" -eq 1 ]
}

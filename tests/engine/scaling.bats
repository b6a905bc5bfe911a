#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The pool is sized by the load: what is counted is kept, decided, explained and shown.

load ../helper
load one_engine

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

@test "a job that is held and released all the time has come once" {
        before=$(load_of_last_hour)
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"]}')
        for i in $(seq 20); do ctl hold "$id"; ctl release "$id"; done
        for i in $(seq 50); do
                [ "$(load_of_last_hour)" -gt "$before" ] && break
                sleep 1
        done
        # All of it is in this step, or in the next one.
        sleep 11
        [ "$(load_of_last_hour)" -eq $((before + 1)) ]
        ctl resume
        ctl wait "$id"
}

@test "what was counted is there after a restart" {
        before=$(load_of_last_hour)
        stop_engine
        start_engine
        [ "$(load_of_last_hour)" -eq "$before" ]
        ctl forecast > text
        [ "$(sqlite3 "$state/jobs.db" "SELECT count(*) FROM learnt")" -eq 1 ]
}

# Eight days in which a job came now and then, and for ten minutes of each day, which come again in so many seconds, four a second.
remember_days() {
        python3 - "$state/jobs.db" "$1" <<'P'
import sqlite3, sys, time
now, later = int(time.time()) // 60 * 60, int(sys.argv[2])
db = sqlite3.connect(sys.argv[1])
for at in range(now - 8 * 86400, now, 60):
    n = 240 if (at - now - later) % 86400 < 600 else 2
    db.execute("INSERT OR REPLACE INTO load VALUES (60, ?, 1, 0, ?, ?, ?, 0, 0, 0)", (at, n, n, n * 20_000_000))
db.commit()
P
}

target() {
        busctl --address="$SKEP_ADDRESS" get-property org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager PoolTarget
}

# What is likely, most of all, of what is foreseen: in whole workers.
most_likely() {
        ctl forecast --json | python3 -c 'import json, sys; print(int(max((b["p50"] for b in json.load(sys.stdin)["forecast"]), default=0)))'
}

@test "the pool grows before a burst that comes every day, and says why" {
        stop_engine
        rm -rf "$state"
        echo '{"pool": {"memory": "100G", "cpu_overcommit": 100}, "workers": {"minimum": 2, "maximum": 12}}' > "$BATS_FILE_TMPDIR/config.json"
        start_engine --config "$BATS_FILE_TMPDIR/config.json" --drain 0s
        stop_engine
        sqlite3 "$state/jobs.db" 'DELETE FROM learnt'
        remember_days 240
        start_engine --config "$BATS_FILE_TMPDIR/config.json" --drain 0s
        "$build/listen" "$SKEP_ADDRESS" > signals 3>&- &
        # An emulated machine learns for more than a minute.
        for i in $(seq 180); do
                [ "$(target)" = "u 2" ] || break
                sleep 1
        done
        [ "$(target)" != "u 2" ]
        for i in $(seq 50); do grep -q '^Scaled 2 3 The load is' signals && break; sleep 0.1; done
        grep -q '^Scaled 2 3 The load is .* are wanted: 3' signals
        # Nothing has come yet that would ask for it.
        [ -z "$(ctl list --json)" ]
        ctl forecast --json > report
        [ "$(json_get mode report)" = predictive ]
        python3 - <<'P'
import json
report = json.load(open("report"))
d = report["decisions"][0]
assert d["target"] > d["workers"] == 2 and d["load"] < 1, d
assert d["bound"] == "up" and "are wanted: 3, since a cycle adds at most 50 %" in d["sentence"], d
assert max(b["p50"] for b in report["forecast"]) > 5, report["forecast"]
P
        ctl forecast | grep -q '^The last decision: .* are wanted: 3, since'
        # What was learnt is there after a restart, and from the first moment on.
        stop_engine
        [ "$(sqlite3 "$state/jobs.db" "SELECT count(*) FROM learnt")" -eq 1 ]
        start_engine --config "$BATS_FILE_TMPDIR/config.json" --drain 0s
        [ "$(most_likely)" -gt 5 ]
        [ "$(ctl forecast --json | json_get accuracy.week.forecasts)" -gt 9000 ]
}

@test "what cannot be read of what was learnt is learnt again" {
        stop_engine
        sqlite3 "$state/jobs.db" "UPDATE learnt SET data = 'of another version'"
        start_engine --config "$BATS_FILE_TMPDIR/config.json" --drain 0s
        grep -q 'learns again from the load' "$BATS_FILE_TMPDIR/log"
        for i in $(seq 100); do
                [ "$(most_likely)" -gt 0 ] && break
                sleep 1
        done
        [ "$(ctl forecast --json | json_get accuracy.week.forecasts)" -gt 9000 ]
}

@test "jobs that no worker could start are no load" {
        stop_engine
        rm -rf "$state"
        mkdir tenants
        echo '{"limits": {"output_bytes": "1M"}}' > tenants/full.json
        echo "{\"tenants_directory\": \"$PWD/tenants\", \"pool\": {\"memory\": \"100G\", \"cpu_overcommit\": 1000, \"jobs_per_worker\": 1},
               \"workers\": {\"minimum\": 1, \"maximum\": 12}, \"scaler\": \"off\"}" > config.json
        start_engine --config "$PWD/config.json" --drain 0s
        ctl pause
        id=$(ctl submit - <<< '{"command": ["head", "-c", "1100000", "/dev/zero"], "tenant": "full"}')
        for tenant in full held; do
                for i in $(seq 6); do echo "{\"command\": [\"sleep\", \"1\"], \"tenant\": \"$tenant\"}"; done
        done | ctl submit - > ids
        ctl list --tenant held --ids | ctl hold -
        ctl resume
        ctl wait "$id"
        ctl scale reactive
        [ "$(target)" = "u 1" ]
        # These could.
        ctl scale off
        ctl pause
        ctl list --tenant held --ids | ctl release -
        ctl scale reactive
        [ "$(target)" = "u 2" ]
        ctl resume
}

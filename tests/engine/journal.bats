#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What skepd and its workers say to the journal. Here a script is in its place.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        export MISSING=$(find_missing)
        export state=$BATS_FILE_TMPDIR/state journal=$BATS_FILE_TMPDIR/journal
        export SKEP_ADDRESS=unix:path=$BATS_FILE_TMPDIR/engine.sock
        unshare --mount python3 "$BATS_TEST_DIRNAME/journal.py" "$journal" -- "$build/skepd" --embedded --state "$state" \
                --socket "$BATS_FILE_TMPDIR/engine.sock" --allow-missing="$MISSING" > "$BATS_FILE_TMPDIR/ready" 3>&- &
        for i in $(seq 100); do
                grep -qs ready "$BATS_FILE_TMPDIR/ready" && return
                sleep 0.1
        done
        cat "$journal.log" >&2
        return 1
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

teardown_file() {
        kill -TERM "$(cat "$journal.pid")"
        for i in $(seq 150); do kill -0 "$(cat "$journal.pid")" 2> /dev/null || return 0; sleep 0.1; done
        return 1
}

entries() { # EXPRESSION on the entry e: those for which it is true, one a line
        python3 -c 'import json, sys
for line in open(sys.argv[1]):
    e = json.loads(line)
    if eval(sys.argv[2]): print(json.dumps(e))' "$journal" "$1"
}

shows() { # EXPRESSION: an entry comes for which it is true
        for i in $(seq 50); do [ -n "$(entries "$1")" ] && return; sleep 0.1; done
        cat "$journal" >&2
        return 1
}

id_of() { # the message id of an event
        sed -n "s/.*\[LOG_EVENT_$1\] = \"\(.*\)\",/\1/p" "$top/engine/base/log.c"
}

@test "a job has two messages, at its start and its end, with fields to find it by" {
        id=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$id"
        shows "e.get('MESSAGE_ID') == '$(id_of JOB_ENDED)' and e['SKEP_JOB'] == '$id'"
        [ "$(entries "e.get('SKEP_JOB') == '$id'" | wc -l)" -eq 2 ]
        for event in JOB_STARTED JOB_ENDED; do
                [ "$(entries "e.get('MESSAGE_ID') == '$(id_of $event)' and e['SKEP_JOB'] == '$id'" | tee entry | wc -l)" -eq 1 ]
                [ "$(json_get SKEP_TENANT entry) $(json_get SKEP_POLICY entry) $(json_get PRIORITY entry)" = "root python 6" ]
                [ "$(json_get SYSLOG_IDENTIFIER entry)" = skepd ]
                [[ $(json_get SKEP_WORKER entry) == [12] ]]
        done
        shows "e['MESSAGE'] == 'job $id of root has succeeded' and e['SKEP_REASON'] == 'exited'"
        [ ! -s "$journal.log" ]
}

@test "the end of a job says how it failed" {
        run ctl run -- sh -c 'exit 3' < /dev/null
        [ "$status" -eq 3 ]
        shows "e['MESSAGE'].endswith('of root has failed (exited with 3)')"
        run ctl run --wall 50ms -- sleep 9 < /dev/null
        shows "e.get('SKEP_REASON') == 'wall-limit' and 'has failed (wall-limit)' in e['MESSAGE']"
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        ctl cancel "$id"
        shows "e.get('SKEP_REASON') == 'cancelled' and e['SKEP_JOB'] == '$id' and 'has been cancelled' in e['MESSAGE']"
}

@test "what a job has named is in the journal without control characters" {
        run -127 ctl run -- $'/no\nPRIORITY=0\x1b[31m' < /dev/null
        shows "e.get('SKEP_REASON') == 'exec-failed' and '/no\\\\x0aPRIORITY=0\\\\x1b' in e['MESSAGE'] and e['PRIORITY'] == '6'"
        [ -z "$(entries "e['PRIORITY'] == '0' or chr(27) in str(e.values()) or chr(10) in e['MESSAGE']")" ]
}

@test "the death of a worker, and the configuration's being read, have their ids" {
        worker=$(ctl pool --json | json_get workers | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["name"])')
        kill -KILL "$(pgrep -f -- "--socket $state/worker.sock --name $worker( |\$)")"
        shows "e.get('MESSAGE_ID') == '$(id_of WORKER_DIED)' and e['SKEP_WORKER'] == '$worker' and e['PRIORITY'] == '4'"
        ctl reload
        shows "e.get('MESSAGE_ID') == '$(id_of CONFIGURED)' and e['PRIORITY'] == '6'"
}

@test "a worker says which one it is" {
        run "$build/skep-worker" --socket "$PWD/none/sock" --name 7
        [[ $output == "skep-worker: "*none/sock* ]]
        run unshare --mount python3 "$BATS_TEST_DIRNAME/journal.py" "$PWD/other" -- \
                "$build/skep-worker" --socket "$PWD/none/sock" --name 7
        [ "$status" -eq 1 ]
        journal=$PWD/other shows "e['SYSLOG_IDENTIFIER'] == 'skep-worker' and e['SKEP_WORKER'] == '7' and e['PRIORITY'] == '3'"
}

@test "a worker that is started by hand has its help" {
        run -0 "$build/skep-worker" --help
        [[ $output == "Usage: skep-worker --socket PATH --name N"* ]]
        for option in $(grep -o -- '--[a-z-]*' <<< "$output"); do grep -q -- "\*\?$option\*" "$top/docs/man/skep-worker.8.scd" || echo "$option"; done > missing
        [ ! -s missing ]
        run -0 "$build/skep-worker" --version
        [[ $output == "skep-worker "[0-9]* ]]
}

@test "a standard error that is not the journal's gets lines, whatever the environment says" {
        run env JOURNAL_STREAM=1:1 "$build/skepd" --nonsense
        [[ $output == "skepd: "* ]]
}

@test "each message id is explained by the catalog, which systemd takes" {
        command -v journalctl > /dev/null || skip "no journalctl here"
        mkdir -p root/usr/lib/systemd/catalog root/var/lib/systemd/catalog
        cp "$top/units/skep.catalog" root/usr/lib/systemd/catalog/
        run journalctl --root="$PWD/root" --update-catalog
        [ "$status" -eq 0 ]
        [[ $output != *ignoring* && $output != *nvalid* ]]
        [ "$(journalctl --root="$PWD/root" --list-catalog | cut -d' ' -f1 | sort)" = \
                "$(sed -n 's/.*\[LOG_EVENT_.*"\(.*\)",/\1/p' "$top/engine/base/log.c" | sort)" ]
        [ "$(journalctl --root="$PWD/root" --list-catalog | grep -c ' skep: ')" -eq "$(grep -c '^-- ' "$top/units/skep.catalog")" ]
}

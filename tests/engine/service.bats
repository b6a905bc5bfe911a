#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skepd as a service: what it says to systemd, and takes from it. Here a script is in systemd's place.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        export MISSING=$(find_missing)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        export SKEP_ADDRESS=unix:path=$PWD/e.sock
}

teardown() {
        [ -z "${pid:-}" ] || { kill -KILL "$(cat daemon)"; wait "$pid" || true; }
        [ -z "${bus:-}" ] || kill "$bus"
        end_workers "$PWD/state"
}

start() {
        python3 "$BATS_TEST_DIRNAME/service.py" "$PWD" -- "$build/skepd" --state "$PWD/state" --allow-missing="$MISSING" "$@" 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do grep -q READY=1 notified 2>/dev/null && [ -s daemon ] && return; sleep 0.1; done
        cat log >&2
        return 1
}

until_notified() {
        for i in $(seq 100); do grep -q -- "$1" notified && return; sleep 0.1; done
        cat notified >&2
        return 1
}

@test "it says when it is ready, what it does, when it reloads and when it ends, and answers the watchdog" {
        start --embedded --socket e.sock
        until_notified "STATUS=0 running, 0 waiting, 2 workers"
        ctl pause
        until_notified "STATUS=.*paused"
        until_notified "WATCHDOG=1"
        kill -HUP "$(cat daemon)"
        until_notified "RELOADING=1"
        grep -q MONOTONIC_USEC= notified
        kill -TERM "$(cat daemon)"
        until_notified "STOPPING=1"
        wait "$pid"
        pid=
}

@test "it takes its socket from a socket unit, and leaves it there" {
        PASS=passed.sock start --embedded --socket e.sock
        [ ! -e e.sock ]
        SKEP_ADDRESS=unix:path=$PWD/passed.sock ctl run -- echo through < /dev/null | grep -q through
        kill -TERM "$(cat daemon)"
        wait "$pid"
        pid=
        [ -S passed.sock ]
}

@test "SIGTERM of the service ends it at once, and its jobs go on to the next one" {
        dbus-daemon --session --address="unix:path=$PWD/bus" --nofork --nopidfile 3>&- &
        bus=$!
        for i in $(seq 100); do [ -S bus ] && break; sleep 0.1; done
        echo '{"workers": {"start": "embedded"}}' > skepd.json
        start --config skepd.json --bus "unix:path=$PWD/bus" --socket e.sock
        id=$(echo '{"command": ["sh", "-c", "echo begun; sleep 5; echo ended"]}' | ctl submit -)
        for i in $(seq 100); do [ "$(ctl logs "$id")" = begun ] && break; sleep 0.1; done
        kill -TERM "$(cat daemon)"
        wait "$pid"
        rm notified daemon
        start --config skepd.json --bus "unix:path=$PWD/bus" --socket e.sock
        ctl wait "$id"
        [ "$(ctl logs "$id")" = $'begun\nended' ]
        [ "$(ctl status --json "$id" | json_get attempt)" = 1 ]
}

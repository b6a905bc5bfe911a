#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What an operator has changed in the units, or has not installed: it is said once, by name, and the rest goes on.

bats_require_minimum_version 1.5.0
load ../helper
load installed

setup_file() {
        install_packages
        # Workers 1 and 2, and no others.
        systemctl stop skepd.service 'skep-worker@*.service'
        systemctl start skepd
        skepctl scale 2
        skepctl run -- true < /dev/null
}

pool_says() {
        skepctl pool | grep -q -- "$1"
}

worker() { # number, key
        skepctl pool --json | python3 -c 'import json, sys
print(json.dumps({w["name"]: w for w in json.load(sys.stdin)["workers"]}[sys.argv[1]][sys.argv[2]]))' "$@"
}

@test "the pool shows memory and pressure of each unit, with its jobs" {
        before=$(worker 1 memory_bytes)
        [ "$before" -gt 0 ] && [ "$before" -lt 1000000000 ]
        [ "$before" -le "$(cat /sys/fs/cgroup/skep.slice/skep-worker@1.service/memory.peak 2> /dev/null || echo 1000000000)" ]
        if [ -e /proc/pressure/memory ]; then
                [[ $(worker 1 pressure) == '{"memory": '*'"cpu": '*'"io": '* ]]
                skepctl pool | grep -E '^1 .* (none|(cpu|memory|io) [0-9.]+ %) '
        else
                [ "$(worker 1 pressure)" = "{}" ]
        fi
        [ "$(skepctl pool --json | json_get troubles)" = "[]" ]
}

@test "a unit whose drop-in takes its cgroup away is named, and the others go on" {
        mkdir -p /run/systemd/system/skep-worker@3.service.d
        printf '[Service]\nDelegate=no\n' > /run/systemd/system/skep-worker@3.service.d/narrow.conf
        systemctl daemon-reload
        start=$(date +%s)
        skepctl scale 3
        until_true 30 pool_says "^worker 3: its unit could not be started"
        journalctl --since "@$start" SKEP_WORKER=3 -o cat | grep -q "skep-worker@3.service has no control group to itself"
        [ "$(skepctl run -- echo goes on < /dev/null)" = "goes on" ]
        [ "$(journalctl --since "@$start" SKEP_WORKER=3 SYSLOG_IDENTIFIER=skepd -o cat | grep -c "worker 3 cannot be started")" -eq 1 ]
        rm -r /run/systemd/system/skep-worker@3.service.d
        systemctl daemon-reload
        until_true 30 eval '[ "$(worker 3 state)" = "\"ready\"" ]'
        skepctl scale 2
}

@test "journalctl finds a job by its fields, and explains its end" {
        id=$(echo '{"command": ["sh", "-c", "exit 3"]}' | skepctl submit -)
        skepctl wait "$id" || true
        until_true 20 sh -c "journalctl -b SKEP_JOB=$id -o cat | grep -q 'has failed (exited with 3)'"
        [ "$(journalctl -b SKEP_JOB="$id" -o cat | wc -l)" -eq 2 ]
        journalctl -b -x SKEP_JOB="$id" SKEP_REASON=exited | grep -q "Job $id has ended"
}

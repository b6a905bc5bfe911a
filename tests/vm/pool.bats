#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The pool of units: it grows and shrinks, whatever an operator or chance does to it.

bats_require_minimum_version 1.5.0
load ../helper
load installed

setup_file() {
        install_packages
}

teardown() {
        systemctl unmask --quiet skep-worker@{1,2,3}.service
        skepctl scale 2
}

@test "the pool grows from 2 to 20 units and back, and no job is lost" {
        for i in $(seq 40); do echo '{"command": ["sleep", "3"], "limits": {"memory": "64M"}}'; done |
                as member skepctl submit - > "$BATS_TEST_TMPDIR/ids"
        skepctl scale 20
        until_true 180 workers_are 20 || { skepctl pool; systemctl list-units --no-pager 'skep-worker@*'; return 1; }
        [ "$(skepctl pool | grep -c 'skep-worker@.*\.service')" -eq 20 ]
        skepctl scale 2
        all_succeed < "$BATS_TEST_TMPDIR/ids"
        until_true 120 workers_are 2 || { skepctl pool; systemctl list-units --no-pager 'skep-worker@*'; return 1; }
        [ "$(as member skepctl list --json --state succeeded | grep -cFf "$BATS_TEST_TMPDIR/ids")" -eq 40 ]
        # A unit is stopped when it has no job left: none was given to another.
        [ "$(as member skepctl list --json | grep -Ff "$BATS_TEST_TMPDIR/ids" | grep -cE '"attempt": *1\b')" -eq 40 ]
}

@test "a masked unit is said by name, and the others go on" {
        # The next that it will take: which two stayed, hung on which had jobs.
        for n in 1 2 3; do systemctl is-active --quiet skep-worker@$n.service || break; done
        systemctl mask skep-worker@$n.service
        skepctl scale 3
        until_true 30 sh -c 'skepctl pool | grep -q masked'
        [ "$(journalctl -u skepd.service -b --no-pager | grep -c 'unit is masked')" -eq 1 ]
        as member skepctl run -- true
        systemctl unmask skep-worker@$n.service
        until_true 60 workers_are 3
        skepctl scale 2
        until_true 60 workers_are 2
}

@test "supervisors and workers die at random, and each job ends once, with its output" {
        systemctl stop skepd.service skepd.socket 'skep-worker@*.service'
        rm -rf /var/lib/skep/*
        systemctl start skepd.socket skepd.service
        timeout 300 python3 "$top/tests/engine/chaos.py" --units "${CHAOS_JOBS:-24}"
        systemctl start skepd.socket skepd.service
        until_true 60 workers_are 2
}

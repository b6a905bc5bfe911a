#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host that has a program for crashes (core_pattern), as Fedora and Ubuntu have: it runs as root, outside, and reads
# what the job has made of its memory. Here alone, since the setting is everybody's.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
        cd "$BATS_TEST_TMPDIR"
        before=$(cat /proc/sys/kernel/core_pattern)
        crashes=$BATS_TEST_TMPDIR/crashes
        printf '#!/bin/sh\necho "$1" >> %s\n' "$crashes" > handler
        chmod 755 handler
        echo "|$BATS_TEST_TMPDIR/handler %e" > /proc/sys/kernel/core_pattern
}

teardown() {
        echo "$before" > /proc/sys/kernel/core_pattern
}

@test "the host's program for crashes is started for the host's own" {
        run sh -c 'kill -SEGV $$'
        for i in $(seq 50); do [ -s "$crashes" ] && break; sleep 0.1; done
        [ -s "$crashes" ]
}

@test "it is not started for a job, whatever that does with its limit" {
        printf '{"extends": "python", "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}' > profile.json
        for policy in python strict build ./profile.json; do
                run --separate-stderr "$build/skep-jail" --policy $policy -- sh -c 'for limit in : "ulimit -c 0" "ulimit -Sc 0"; do
                        sh -c "$limit; kill -SEGV \$\$" 2> /dev/null; echo $?
                done' </dev/null
                [ "$output" = $'139\n139\n139' ]
        done
        sleep 1
        [ ! -e "$crashes" ]
}

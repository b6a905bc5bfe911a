#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What skep-jail doctor says where nothing is missing.

bats_require_minimum_version 1.5.0
load ../helper

@test "doctor says that everything is enforced, and by what" {
        cd "$BATS_TEST_TMPDIR"
        run "$build/skep-jail" doctor
        echo "$output"
        [ "$status" -eq 0 ]
        [ "${lines[-1]}" = "Jails can be made here, and everything is enforced." ]
        "$build/skep-jail" doctor --json > said
        [ "$(json_get missing said)" = "[]" ]
        for layer in memory cpu io pids; do [ "$(json_get layers.$layer.by said)" = cgroup ]; done
        for feature in pressure swap overlay squashfs erofs bind_rw; do [ "$(json_get features.$feature.held said)" = yes ]; done
}

@test "doctor in a unit with a part of the cgroup tree says what holds for jails there" {
        cd "$BATS_TEST_TMPDIR"
        for delegated in yes memory; do
                run systemd-run --quiet --wait --pipe -p Delegate=$delegated "$build/skep-jail" doctor --json
                [ "$status" -le 1 ]
                printf '%s\n' "$output" > said
                for limit in "memory 64M" "cpu 1"; do
                        run systemd-run --quiet --wait --pipe -p Delegate=$delegated "$build/skep-jail" \
                                --policy "$(bare_policy)" --${limit% *} ${limit#* } -- true
                        held=$(json_get layers.${limit% *}.held said)
                        echo "$delegated $limit: $held, $status: $output"
                        if [ "$held" = yes ]; then
                                [ "$status" -eq 0 ]
                        else
                                [ "$status" -eq 125 ]
                                [ -n "$(json_get layers.${limit% *}.remedy said)" ]
                        fi
                done
        done
}

@test "doctor tells a user without a systemd of his own how to start it" {
        cd "$BATS_TEST_TMPDIR"
        run runuser -u alone -- "$build/skep-jail" doctor --json
        printf '%s\n' "$output" > said
        [ "$(json_get layers.user.held said)" = yes ]
        [ "$(json_get layers.cgroup.held said)" = no ]
        [[ $(json_get layers.cgroup.remedy said) == *"enable-linger alone"* ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What only a host with systemd and all cgroup v2 controllers shows: limits that bite, and by what they are held.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
        cd "$BATS_TEST_TMPDIR"
        report=$BATS_TEST_TMPDIR/report.json
}

jail() {
        "$build/skep-jail" --report "$report" --input payload="$payload" "$@" </dev/null
}

held() {
        json_get "enforced.$1" "$report"
}

@test "nothing is missing on this host" {
        run jail --memory 64M --cpu 1 --pids 20 --wall 30s --cpu-time 10s -- true
        [ "$status" -eq 0 ]
        [ "$(json_get not_enforced "$report")" = "[]" ]
        for layer in memory cpu pids; do [ "$(held $layer)" = cgroup ]; done
        [ "$(held cpu_time)" = cpu.stat ]
        [[ $(held landlock) == "abi "* ]]
}

@test "a memory bomb ends as oom, and only itself" {
        run jail --memory 64M -- sh -c '/input/payload memory 512; echo survived'
        [ "$status" -eq 137 ]
        [ "$(json_get reason "$report")" = oom ]
        [[ $output != *survived* ]]
        [ "$(json_get memory_peak_bytes "$report")" -le $((70 * 1024 * 1024)) ]
        [ "$(json_get memory_peak_bytes "$report")" -ge $((50 * 1024 * 1024)) ]
}

@test "files in the jail's tmpfs count as memory" {
        run jail --memory 64M --disk 512M -- sh -c 'head -c 256M /dev/zero > /work/big'
        [ "$status" -eq 137 ]
        [ "$(json_get reason "$report")" = oom ]
}

@test "a fork bomb is held by the pids controller" {
        run jail --pids 30 --wall 20s -- /input/payload forks
        [ "$output" = "29 children" ]
        [ "$(held pids)" = cgroup ]
}

@test "a CPU hog gets its share of a processor and no more" {
        run jail --cpu 0.2 --wall 4s -- /input/payload spin
        [ "$status" -eq 124 ]
        used=$(($(json_get cpu_user_usec "$report") + $(json_get cpu_system_usec "$report")))
        [ "$used" -lt 2000000 ]
}

@test "an IO hog is held by the io controller" {
        printf '{"extends": "python", "filesystem": {"writable": ["/srv/io"]}, "limits": {"io": {"write": "1M"}}}' > io.json
        mkdir -p /srv/io
        run jail --policy ./io.json --wall 60s -- sh -c 'dd if=/dev/zero of=/srv/io/f bs=1M count=4 oflag=direct 2>&1'
        rm -rf /srv/io
        [ "$(held io)" = cgroup ]
        [ "$status" -eq 0 ]
        [ "$(json_get wall_usec "$report")" -ge 2000000 ]
}

@test "the launcher lives in a delegated scope, which goes with it" {
        "$build/skep-jail" -- sleep 100 </dev/null &
        for _ in $(seq 300); do [ -n "$(systemctl list-units --no-legend 'skep-jails-*.scope')" ] && break; sleep 0.1; done
        [ -n "$(systemctl list-units --no-legend 'skep-jails-*.scope')" ]
        kill -TERM $!
        wait $! || true
        for i in $(seq 50); do [ -z "$(systemctl list-units --no-legend 'skep-jails-*.scope')" ] && break; sleep 0.2; done
        [ -z "$(systemctl list-units --no-legend 'skep-jails-*.scope')" ]
        [ -z "$(find /sys/fs/cgroup/system.slice -name 'skep-[0-9]*' -type d)" ]
}

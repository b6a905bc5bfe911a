#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Jails of an ordinary user, who has subordinate ids and a systemd of his own: nearly all that root has.

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

@test "we are an ordinary user, and nothing is missing" {
        [ "$(id -u)" -ne 0 ]
        run jail --memory 64M --cpu 1 --pids 20 --wall 30s --cpu-time 10s -- true
        echo "$output"
        [ "$status" -eq 0 ]
        [ "$(json_get not_enforced "$report")" = "[]" ]
        for layer in memory cpu pids; do [ "$(held $layer)" = cgroup ]; done
        [ "$(held cpu_time)" = cpu.stat ]
        [[ $(held landlock) == "abi "* ]]
}

@test "the job has ids of its own, by newuidmap" {
        run jail -- cat /proc/self/uid_map
        echo "$output"
        [ "$status" -eq 0 ]
        [ "${#lines[@]}" -eq 3 ]
        [ "$(held user)" = namespace ]
        subordinate=$(sed -n "s/^$(id -un):\([0-9]*\):.*/\1/p" /etc/subuid)
        # The second number of a line is the id outside, and never the user's own.
        awk -v first="$subordinate" -v own="$(id -u)" '$2 == own || $2 < first { exit 1 }' <<< "$output"
}

@test "what a job has closed in its results is kept, though its owner is another" {
        run jail --output out -- sh -c '
                cd /output; echo good > good; echo shut > shut; mkdir d; echo deep > d/f; chmod 0 shut d/f d; chmod 0 /output'
        echo "$output"
        [ "$status" -eq 0 ]
        [ "$(cat out/good out/shut out/d/f | xargs)" = "good shut deep" ]
}

@test "two jails at the same time have different ids" {
        "$build/skep-jail" -- sh -c 'cat /proc/self/uid_map; exec sleep 100' > one < /dev/null &
        for _ in $(seq 200); do [ -s one ] && break; sleep 0.1; done
        jail -- cat /proc/self/uid_map > two
        kill -TERM $!
        wait $! || true
        [ -s one ]
        [ -s two ]
        ! cmp one two
}

@test "a file of the user's is bound writable, with his own id" {
        mkdir shared
        run jail --bind-rw "$PWD/shared" -- sh -c "echo x > $PWD/shared/y; cat /proc/self/uid_map"
        echo "$output"
        [ "$status" -eq 0 ]
        [ "$(stat -c %u shared/y)" = "$(id -u)" ]
}

@test "a user's memory bomb ends as oom, and only itself" {
        run jail --memory 64M -- sh -c '/input/payload memory 512; echo survived'
        [ "$status" -eq 137 ]
        [ "$(json_get reason "$report")" = oom ]
        [[ $output != *survived* ]]
}

@test "a user's fork bomb is held by the pids controller" {
        run jail --pids 30 --wall 60s -- /input/payload forks
        [ "$output" = "29 children" ]
        [ "$(held pids)" = cgroup ]
}

@test "a user's CPU hog gets its share of a processor and no more" {
        run jail --cpu 0.2 --wall 4s -- /input/payload spin
        [ "$status" -eq 124 ]
        [ "$(held cpu)" = cgroup ]
        [ $(($(json_get cpu_user_usec "$report") + $(json_get cpu_system_usec "$report"))) -lt 2000000 ]
}

@test "it lives in a scope of the user's systemd, which goes with it" {
        "$build/skep-jail" -- sleep 100 </dev/null &
        for _ in $(seq 300); do [ -n "$(systemctl --user list-units --no-legend 'skep-jails-*.scope')" ] && break; sleep 0.1; done
        [ -n "$(systemctl --user list-units --no-legend 'skep-jails-*.scope')" ]
        kill -TERM $!
        wait $! || true
        for _ in $(seq 50); do [ -z "$(systemctl --user list-units --no-legend 'skep-jails-*.scope')" ] && break; sleep 0.2; done
        [ -z "$(systemctl --user list-units --no-legend 'skep-jails-*.scope')" ]
        [ -z "$(find /sys/fs/cgroup -name 'skep-[0-9]*' -type d -user "$(id -un)")" ]
}

@test "doctor says so" {
        run "$build/skep-jail" doctor --json
        echo "$output"
        printf '%s\n' "$output" > said
        for layer in memory cpu pids; do [ "$(json_get layers.$layer.by said)" = cgroup ]; done
        [[ $(json_get layers.user.by said) == *namespace* ]]
}

@test "an image is imported, and a job runs in it" {
        export SKEP_IMAGES=$BATS_TEST_TMPDIR/images
        PYTHONPATH=$top/tests/jail PYTHONDONTWRITEBYTECODE=1 python3 -c "from images import *
docker('a.tar', [directory('bin'), file('bin/payload', open('$payload', 'rb').read(), 0o755)])"
        run "$build/skep-jail" image import a.tar it
        echo "$output"
        [ "$status" -eq 0 ]
        run jail --root it -- /bin/payload true
        echo "$output"
        [ "$status" -eq 0 ]
}

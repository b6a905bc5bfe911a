#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Jails that an ordinary user makes, without any privilege.

bats_require_minimum_version 1.5.0
load ../helper

user() {
        setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH=/usr/bin:/bin HOME="$HOME_OF_USER" "$@"
}

setup_file() {
        # The tree may lie where nobody else can look.
        export place=$(mktemp -d /tmp/skep-user.XXXXXX) HOME_OF_USER
        HOME_OF_USER=$place/home
        mkdir -p "$place/build" "$place/home"
        cp "$build/skep-jail" "$build/skep-launcher" "$build/skep-scope" "$payload" "$place/build/"
        cp -r "$top/policies" "$place/"
        chmod -R a+rX "$place"
        chown 65534:65534 "$place/home"
        export ALLOW=cgroup,memory,cpu,cpu_time,io BEFORE=$(leftovers)
        user unshare --user --mount --pid --fork --mount-proc true || export NO_NAMESPACES=yes
}

teardown_file() {
        rm -rf "$place"
}

setup() {
        [ -z "${NO_NAMESPACES:-}" ] || skip "this host lets no ordinary user make namespaces"
        cd "$place/home"
}

jail() {
        user timeout 60 "$place/build/skep-jail" --allow-missing="$ALLOW" "$@" </dev/null
}

@test "a user's job runs, as the agent, in namespaces of its own" {
        run jail --report "$place/home/report" -- sh -c 'id -u; hostname; ls /proc | grep -c "^[0-9]"; ls /sys/class/net 2>&1 | head -1; pwd'
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = 1000 ]
        [ "${lines[1]}" = skep ]
        [ "${lines[2]}" -le 6 ]
        [ "${lines[4]}" = /work ]
        [ "$(json_get enforced.seccomp "$place/home/report")" = filter ]
        [ "$(json_get enforced.capabilities "$place/home/report")" = "bounding set" ]
        [[ $(json_get enforced.user "$place/home/report") == namespace* ]]
        [[ $(json_get not_enforced "$place/home/report") == *'"memory"'* || $(json_get enforced.memory "$place/home/report") == cgroup ]]
}

@test "what a user cannot have is refused by name, and by all names at once" {
        run user "$place/build/skep-jail" -- true </dev/null
        if [ "$status" -ne 0 ]; then
                [ "$status" -eq 125 ]
                [[ $output == *"cannot enforce"*"--allow-missing="* ]]
                # What it says is all that it takes, and nothing of it is too much.
                list=${output##*--allow-missing=}
                run user "$place/build/skep-jail" --allow-missing="$list" -- true </dev/null
                [ "$status" -eq 0 ]
                for layer in ${list//,/ }; do
                        others=$(tr , '\n' <<< "$list" | grep -vx "$layer" | paste -sd ,) || true
                        run user "$place/build/skep-jail" --allow-missing="$others" -- true </dev/null
                        [ "$status" -eq 125 ]
                        [[ $output == *"cannot enforce \"$layer\":"*"--allow-missing=$list" ]]
                done
        fi
        printf '{"extends": "python", "capabilities": ["cap_chown"]}' > caps.json
        run jail --policy ./caps.json -- true
        [ "$status" -eq 125 ]
        [[ $output == *capabilities* ]]
}

@test "a user's job has POSIX message queues where the policy allows them" {
        printf '{"extends": "python", "syscalls": {"allow": ["@message-queue"]}}' > queues.json
        run jail --policy ./queues.json --input payload="$place/build/payload" -- /input/payload queue
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = hello ]
}

@test "no capability is left, and none comes back" {
        run jail -- sh -c 'grep -c "Cap.*0000000000000000" /proc/self/status; grep NoNewPrivs /proc/self/status | tr -dc 0-9'
        [ "${lines[0]}" = 5 ]
        [ "${lines[1]}" = 1 ]
}

@test "the reaper cannot be traced, killed or looked into, though it may have the job's id" {
        run jail -- sh -c 'kill -9 1; cat /proc/1/environ /proc/1/maps; readlink /proc/1/root; echo still here'
        [[ $output == *"still here" ]]
        [[ $output == *"Permission denied"* ]]
        [[ $output != *HOME=* ]]
}

@test "its limits, processors and priorities are not set, though it may have the job's id" {
        cat > attack.py <<'P'
import ctypes, os, resource, threading
def tried(call, *arguments):
    try:
        call(*arguments)
        print(call.__name__, "done")
    except OSError as e:
        print(call.__name__, e.strerror)
tried(resource.prlimit, 1, resource.RLIMIT_NOFILE, (0, 0))
tried(os.sched_setaffinity, 1, {0})
tried(os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0))
tried(os.setpriority, os.PRIO_PROCESS, 1, 19)
libc = ctypes.CDLL(None, use_errno=True)
print("junk", libc.syscall(ctypes.c_long(302), ctypes.c_ulong(1 | 5 << 32), 7, b"\0" * 16, None), ctypes.get_errno())
# with those of everybody who has the id
ioprio_set, ioprio_get = (251, 252) if os.uname().machine == "x86_64" else (30, 31)
try:
    os.setpriority(os.PRIO_USER, 0, 19)
except OSError:
    pass
libc.syscall(ioprio_set, 3, os.getuid(), 3 << 13)
print("of 1:", open("/proc/1/stat").read().rsplit(")", 1)[1].split()[16], libc.syscall(ioprio_get, 1, 1))
# its own are
tried(resource.prlimit, 0, resource.RLIMIT_NOFILE, (100, 100))
tried(resource.prlimit, os.getpid(), resource.RLIMIT_NOFILE, (90, 90))
tried(os.sched_setaffinity, 0, os.sched_getaffinity(0))
tried(os.setpriority, os.PRIO_PROCESS, 0, 5)
P
        run jail --report "$place/home/report" --input attack.py=attack.py -- python3 /input/attack.py
        [ "$status" -eq 0 ]
        [ "$(grep -c 'not permitted' <<< "$output")" -eq 4 ]
        if [ "$(uname -m)" = x86_64 ]; then grep -qx 'junk -1 1' <<< "$output"; fi
        grep -qx 'of 1: 0 0' <<< "$output"
        [ "$(grep -c done <<< "$output")" -eq 4 ]
        [ "$(json_get reason "$place/home/report")" = exited ]
}

@test "root of a user namespace, as in a rootless container, makes jails like the user that it is" {
        as_root() { user unshare -Ur timeout 60 "$place/build/skep-jail" --allow-missing="$ALLOW" "$@"; }
        mkdir -p own
        chown 65534:65534 own
        run as_root --report "$place/home/report" --bind-rw own:/own --output "$place/home/kept" -- \
                sh -c 'id -u; touch /own/new; echo out > /output/out; for i in $(seq 300); do sleep 60 & done' </dev/null
        [ "${lines[0]}" = 1000 ]
        [[ $output == *"Cannot fork"* ]]
        [ "$(json_get enforced.pids "$place/home/report")" = rlimit ]
        [ "$(stat -c %u own/new kept/out)" = $'65534\n65534' ]
        # Nor is a pipe on standard input one that the job could write to.
        run as_root -- sh -c 'cat; echo more > /proc/self/fd/0' <<< "$(printf 'x%.0s' {1..5000})"
        [ "${#output}" -ge 5000 ]
        run user unshare -Ur "$place/build/skep-jail" doctor --json
        [ "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["host"]["ids"]["held"])' <<< "$output")" = partly ]

        # Where it is root by another name, a job would be, too.
        for root in -r --map-user=1000; do
                run unshare -U $root "$place/build/skep-jail" --allow-missing="$ALLOW" -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"the id of root outside"* ]]
        done
}

@test "an archive that takes over a user's unpacking cannot fill the disk" {
        mkdir -p "$place/hostile/build"
        cp -r "$place/policies" "$place/hostile/"
        cp "$place"/build/skep-{jail,launcher,scope} "$place/hostile/build/"
        cp "$build/hostile-unpacker" "$place/hostile/build/skep-image-unpack"
        chmod -R a+rX "$place/hostile"
        for attack in bytes:--disk names:--files closed:"cannot be opened"; do
                echo "${attack%%:*}" > a.tar
                run user SKEP_IMAGES="$place/home/images" timeout 300 "$place/hostile/build/skep-jail" image import \
                        --allow-missing="$ALLOW" --disk 4M --files 200 a.tar it
                echo "$attack: $output"
                [ "$status" -eq 125 ]
                [[ $output == *"${attack#*:}"* ]]
                [ -z "$(ls -A "$place/home/images")" ]
        done
}

@test "the own directory is bound, and written where that was asked for" {
        mkdir -p shared
        user true
        chown 65534:65534 shared
        run jail --bind "$PWD/shared" -- touch "$PWD/shared/x"
        [ "$status" -eq 1 ]
        run jail --bind-rw "$PWD/shared" -- touch "$PWD/shared/y"
        [ "$status" -eq 0 ]
        [ "$(stat -c %u shared/y)" = 65534 ]
        mkdir -p foreign
        chown 0:0 foreign
        run jail --bind-rw "$PWD/foreign" -- true
        [ "$status" -eq 125 ]
        [[ $output == *"somebody else"* ]]
}

@test "what is standard input is read, and not changed" {
        printf 'one\ntwo\n' > given
        chown 65534:65534 given
        chmod 600 given
        run user sh -c 'read -r line; exec "$@"' sh timeout 60 "$place/build/skep-jail" --allow-missing="$ALLOW" -- \
                sh -c 'cat; chmod 777 /proc/self/fd/0; touch -d @0 /proc/self/fd/0; : 2> /dev/null > /proc/self/fd/0' < given
        echo "$output"
        [ "${lines[0]}" = two ]
        [ "$(stat -c %a given)" = 600 ]
        [ "$(stat -c %Y given)" -gt 0 ]
        [ "$(wc -l < given)" = 2 ]
        run jail --input stdin=given -- sh -c 'cat; chmod 777 /proc/self/fd/0'
        [ "${lines[1]}" = two ]
        [ "$(stat -c %a given)" = 600 ]
        # Who reads the pipe next reads nothing that the job has written.
        run user sh -c '(printf "one\ntwo\n"; sleep 2) | ("$@"; cat)' sh "$place/build/skep-jail" --allow-missing="$ALLOW" -- \
                sh -c 'read -r line; echo injected > /proc/self/fd/0; echo $line'
        echo "$output"
        [ "${lines[0]}" = one ]
        [[ $output != *injected* ]]
}

@test "limits that need no cgroup hold a user's job" {
        run jail --wall 500ms -- sleep 20
        [ "$status" -eq 124 ]
        run jail --disk 2M -- sh -c 'head -c 4M /dev/zero > /work/x'
        [[ $output == *"No space left"* ]]
        run jail --pids 8 --bind "$place/build" -- "$place/build/payload" forks 100
        [ "$status" -eq 1 ]
        [[ $output =~ ^[0-7]" children" ]]
}

@test "inputs and outputs are a user's too" {
        echo text > input
        mkdir -p tree/sub
        echo deep > tree/sub/file
        chown -R 65534:65534 .
        run jail --input in=input --input tree/=tree --output out -- sh -c 'cat /input/in /input/tree/sub/file; echo result > /output/r'
        [ "$status" -eq 0 ]
        [ "$output" = "text
deep" ]
        [ "$(cat out/r)" = result ]
        [ "$(stat -c %u out/r)" = 65534 ]
}

@test "what a job has closed in its results is kept all the same" {
        run jail --output out --report "$place/home/report" -- sh -c '
                cd /output; echo good > good; echo shut > shut; mkdir -p d/e; echo deep > d/e/f; printf "#!/bin/sh" > run
                ln -s /etc/passwd link; chmod 0 shut d/e/f d/e d; chmod 111 run; chmod 0 /output; exit 3'
        [ "$status" -eq 3 ]
        [ "$output" = 'skep-jail: of /output, 1 entry is left out that is no file and no directory: "link"' ]
        [ "$(cat out/good out/shut out/d/e/f | xargs)" = "good shut deep" ]
        [ -x out/run ]
        [ ! -e out/link ]
        [ "$(stat -c %a out/shut)" = 644 ]
}

@test "a directory with something mounted below it is no root for a user, who is told so" {
        run jail --root / -- true
        [ "$status" -eq 125 ]
        [[ $output == *"root /: something is mounted below it, and only root can"* ]]
}

@test "a directory of the user's is the root" {
        mkdir -p root/bin
        cp "$place/build/payload" root/bin/
        chown -R 65534:65534 root
        run jail --root "$PWD/root" -- /bin/payload true
        [ "$status" -eq 0 ]
}

@test "a kept policy is believed only from a directory that nobody else may write" {
        under_strict() { user XDG_CACHE_HOME="$place/home/cache" timeout 60 "$place/build/skep-jail" --allow-missing="$ALLOW" --policy strict -- "$@" < /dev/null; }
        socket='import socket; socket.socket()'
        user mkdir "$place/home/cache"
        sleep 0.2 # for the policies' own times
        user XDG_CACHE_HOME="$place/home/cache" timeout 60 "$place/build/skep-jail" --allow-missing="$ALLOW" --policy build -- true < /dev/null
        run ! under_strict python3 -c "$socket"
        chmod 777 cache/skep
        # Who may rename there gives one for the other.
        mv cache/skep/build cache/skep/strict
        run ! under_strict python3 -c "$socket"
        chmod 755 cache/skep
        under_strict python3 -c "$socket"
        rm -r cache
}

@test "devices are there, and no others" {
        run jail -- sh -c 'echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; ls /dev'
        [ "${lines[0]}" = 3 ]
        [ "${lines[1]}" = 5 ]
        [[ $output != *sda* && $output != *vda* && $output != *mem* ]]
}

@test "nothing is left of all this" {
        nothing_is_left
        [ -z "$(pgrep -u 65534 skep)" ]
}

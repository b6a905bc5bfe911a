#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Hosts that lack something: what does not work is said once, by name, and the rest goes on.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        export MISSING=$(find_missing)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        export SKEP_ADDRESS=unix:path=$PWD/e.sock
        pid=
}

teardown() {
        # One that a test has stopped hears of it when it goes on.
        [ -z "$pid" ] || { kill -TERM "$pid"; kill -CONT "$pid"; wait "$pid" || true; }
        [ -z "${bus:-}" ] || { kill "$bus"; kill -CONT "$bus"; }
        end_workers "$PWD/state"
}

# start PREPARATION [OPTION]...: skepd in a mount namespace that a command has prepared.
start() {
        local prepare=$1
        shift
        unshare --mount --propagation private bash -ec 'eval "$1"; shift; exec "$@"' - "$prepare" \
                "$build/skepd" --state "$PWD/state" --socket "$PWD/e.sock" "$@" > out 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do
                [ ! -S e.sock ] || ! ctl pool > /dev/null 2>&1 || return 0
                kill -0 $pid 2> /dev/null || { pid=; break; }
                sleep 0.1
        done
        cat log >&2
        return 1
}

troubles() {
        ctl pool --json | json_get troubles
}

@test "without a message bus the private socket serves, and the bus is found when it comes" {
        start : --embedded --bus "unix:path=$PWD/bus" --allow-missing="$MISSING"
        [ "$(ctl run -- echo hello < /dev/null)" = hello ]
        ctl pool | grep -q "^the message bus at unix:path=$PWD/bus cannot be reached: No such file or directory: .*clients come by $PWD/e.sock"
        sleep 6 # it is tried again meanwhile
        [ "$(grep -c "cannot be reached" log)" -eq 1 ]
        dbus-daemon --session --address="unix:path=$PWD/bus" --nofork --nopidfile 3>&- &
        bus=$!
        for i in $(seq 100); do [ "$(troubles)" = "[]" ] && break; sleep 0.1; done
        [ "$(troubles)" = "[]" ]
        grep -q "the message bus is there again" log
        DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus SKEP_ADDRESS= ctl pool | grep -q "2 workers"
}

# SIGTERM is heard.
ends_at_once() {
        kill -TERM "$pid"
        for i in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
        run ! kill -0 "$pid"
        wait "$pid"
        pid=
}

@test "clients that say nothing, or do not read, do not hold up the end" {
        start : --embedded --allow-missing="$MISSING"
        cat > idle.py <<P
import socket, sys, time
sys.path.insert(0, "$BATS_TEST_DIRNAME")
import wire
mute = socket.socket(socket.AF_UNIX)
mute.connect("$PWD/e.sock")
deaf = wire.Connection("$SKEP_ADDRESS")
for _ in range(40):
    deaf.send(wire.NAME, wire.PATH, "org.freedesktop.DBus.Introspectable", "Introspect")
deaf.send(wire.NAME, wire.PATH, wire.MANAGER, "Subscribe")
print("sent", flush=True)
time.sleep(100)
P
        timeout 100 python3 -B idle.py > idle 3>&- &
        idle=$!
        for i in $(seq 100); do grep -q sent idle && break; sleep 0.1; done
        sleep 1
        ends_at_once
        kill "$idle"
}

# listen_deaf: a bus that is there, and never says a word.
listen_deaf() {
        python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(64)
time.sleep(600)' "$PWD/bus" 3>&- &
        bus=$!
        for i in $(seq 100); do [ -S bus ] && return; sleep 0.1; done
        return 1
}

@test "a message bus that does not answer holds up nothing, and is given up, once" {
        listen_deaf
        start : --embedded --bus "unix:path=$PWD/bus" --allow-missing="$MISSING"
        grep -q ready out
        [ "$(troubles)" = "[]" ] # it may still answer
        [ "$(ctl run -- echo hello < /dev/null)" = hello ]
        for i in $(seq 300); do [ "$(troubles)" = "[]" ] || break; sleep 0.1; done
        ctl pool | grep -q "^the name org.skep.Engine1 on the message bus: .*: it is tried again every 5 s; clients come by $PWD/e.sock"
        sleep 6 # it is tried again meanwhile
        [ "$(ctl run -- echo hello < /dev/null)" = hello ]
        [ "$(grep -c "on the message bus" log)" -eq 1 ]
        ends_at_once
}

@test "a system bus that does not answer holds up neither the start nor the end where workers are units" {
        listen_deaf
        export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus
        start 'mount -t tmpfs none /run; mkdir /run/skep' --allow-missing="$MISSING"
        id=$(ctl submit - <<< '{"command": ["true"]}')
        [ "$(ctl status --json "$id" | json_get state)" = queued ]
        ends_at_once
}

@test "while the bus hangs the private socket serves, and who called over the bus is answered afterwards" {
        dbus-daemon --session --address="unix:path=$PWD/bus" --nofork --nopidfile 3>&- &
        bus=$!
        for i in $(seq 100); do [ -S bus ] && break; sleep 0.1; done
        start : --embedded --bus "unix:path=$PWD/bus" --allow-missing="$MISSING"
        for i in $(seq 100); do busctl --address="unix:path=$PWD/bus" list | grep -q '^org.skep.Engine1 ' && break; sleep 0.1; done
        cat > call.py <<P
import sys
sys.path.insert(0, "$BATS_TEST_DIRNAME")
import wire
c = wire.Connection("unix:path=$PWD/bus")
serial = c.send(wire.NAME, wire.PATH, wire.MANAGER, "Subscribe")
for _ in range(2):
    c.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
print("sent", flush=True)
print("answered", c.answer(serial).error)
P
        # The supervisor does not look before the call is there, and the bus hangs.
        kill -STOP "$pid"
        timeout 100 python3 -B call.py > caller 3>&- &
        caller=$!
        for i in $(seq 100); do grep -q sent caller && break; sleep 0.1; done
        kill -STOP "$bus"
        kill -CONT "$pid"
        [ "$(ctl run -- echo hello < /dev/null)" = hello ]
        run ! grep answered caller
        kill -CONT "$bus"
        wait $caller
        grep -q '^answered None$' caller
        ends_at_once
}

@test "calls over the bus wait until it says whose they are, in their order, so many of one and of all" {
        echo '{"clients": {"calls": 2}}' > skepd.json
        timeout 100 python3 -B "$BATS_TEST_DIRNAME/slow_bus.py" "$PWD/bus" "$SKEP_ADDRESS" > slow 3>&- &
        slow=$!
        for i in $(seq 100); do grep -q listening slow && break; sleep 0.1; done
        start : --embedded --config skepd.json --bus "unix:path=$PWD/bus" --allow-missing="$MISSING"
        wait $slow
        grep -q "the message bus has closed the connection" log
        grep -q "the message bus is there again" log
        ends_at_once
}

@test "without systemd no worker is started, and jobs wait" {
        start 'mount -t tmpfs none /run; mkdir /run/skep' --allow-missing="$MISSING"
        id=$(ctl submit - <<< '{"command": ["true"]}')
        sleep 1
        ctl pool > pool
        cat pool
        grep -q "^workers are units of systemd, which cannot be reached (No such file or directory), so that none is started" pool
        grep -q "^worker 1: systemd cannot be asked to start its unit: No such file or directory$" pool
        [ "$(ctl status --json "$id" | json_get state)" = queued ]
        [ "$(grep -c "workers are units of systemd" log)" -eq 1 ]
        [ "$(grep -c "worker 1 cannot be started" log)" -eq 1 ]
}

# on_systemd VERSION: with a bus of its own, and one there that says that it is systemd.
on_systemd() {
        export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus
        dbus-daemon --session --address="$DBUS_SYSTEM_BUS_ADDRESS" --nofork --nopidfile 3>&- &
        bus=$!
        for i in $(seq 100); do [ -S bus ] && break; sleep 0.1; done
        "$build/systemd" "$DBUS_SYSTEM_BUS_ADDRESS" "$1" > systemd 3>&- &
        for i in $(seq 100); do grep -q ready systemd && break; sleep 0.1; done
        start 'mount -t tmpfs none /run; mkdir /run/skep' --allow-missing="$MISSING"
}

@test "a systemd that is too old is said to be, once, and asked all the same" {
        on_systemd 247.3-7+deb11u1
        for i in $(seq 100); do ctl pool > pool; grep -q "older than 252" pool && break; sleep 0.1; done
        cat pool
        grep -q "^systemd 247.3-7+deb11u1 is older than 252: what its units of Skep say may not hold" pool
        grep -q "^worker 1: .*there is no such unit" pool
        [ "$(grep -c "older than 252" log)" -eq 1 ]
}

@test "a systemd that is new enough is not" {
        on_systemd v255.4
        for i in $(seq 100); do ctl pool > pool; grep -q "no such unit" pool && break; sleep 0.1; done
        grep -q "^worker 1: .*there is no such unit" pool
        ! grep -q "older than" pool log
}

@test "with the control groups of version 1, what cannot be limited is named" {
        start 'mount -t tmpfs none /sys/fs/cgroup' --embedded
        ctl pool | grep -q "^this host cannot limit memory, cpu, io, .*boot it with systemd.unified_cgroup_hierarchy=1"
        run ctl run --memory 64M -- true < /dev/null
        [ "$status" -eq 125 ]
        [[ $output == *'"memory"'*"--allow-missing="* ]]
}

@test "what the operator allows to be missing is no trouble" {
        start 'mount -t tmpfs none /sys/fs/cgroup' --embedded --allow-missing=memory,cpu,io,pids,cgroup,cpu_time
        [ "$(troubles)" = "[]" ]
        ctl run -- true < /dev/null
}

@test "groups that are covered by another mount are none" {
        start 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup' --embedded --allow-missing=memory,cpu,io,pids,cgroup,cpu_time
        ctl run -- true < /dev/null
}

@test "with a read-only /etc it runs, and is configured anew" {
        start 'mount --bind /etc /etc; mount -o remount,bind,ro /etc' --embedded --allow-missing="$MISSING"
        ctl run -- true < /dev/null
        ctl reload
        [ "$(troubles)" = "[]" ]
}

@test "the soft limit of descriptors is raised" {
        start 'ulimit -Sn 100' --embedded --allow-missing="$MISSING"
        limits=$(awk '/Max open files/ {print $4, $5}' "/proc/$pid/limits")
        [ "${limits% *}" = "${limits#* }" ] || [ "${limits% *}" -ge 65536 ]
}

@test "while there are too few descriptors for a job it waits, and does not fail" {
        start : --embedded --allow-missing="$MISSING"
        ctl pause
        echo input > file
        for i in $(seq 16); do inputs+=(--input "i$i=file"); done
        id=$(ctl submit - "${inputs[@]}" <<< '{"command": ["cat", "/input/i16"]}')
        # Enough for a client that comes, and not for the job.
        prlimit --pid $pid --nofile=$(($(ls "/proc/$pid/fd" | wc -l) + 12)):
        ctl resume
        for i in $(seq 50); do [[ $(troubles) == *"no job can be handed to a worker: Too many open files"* ]] && break; sleep 0.1; done
        [[ $(troubles) == *"no job can be handed to a worker: Too many open files"* ]]
        [[ $(ctl status "$id") == *"no job can be handed to a worker at this moment: Too many open files"* ]]
        sleep 2
        [ "$(ctl status --json "$id" | json_get state)" = queued ]
        prlimit --pid $pid --nofile=4096:
        ctl wait "$id"
        [ "$(ctl logs "$id")" = input ]
        [ "$(ctl status --json "$id" | json_get attempt)" = 1 ]
        [ "$(troubles)" = "[]" ]
}

@test "while there are too few descriptors to put together what an array has left it waits, and does not fail" {
        start : --embedded --allow-missing="$MISSING"
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo x > /output/f; sleep 3"], "array": {"count": 2}}')
        for i in $(seq 50); do [ "$(ctl status --json "${id}_1" | json_get state)" = running ] && break; sleep 0.1; done
        sleep 0.5
        prlimit --pid $pid --nofile=$(ls "/proc/$pid/fd" | wc -l):
        sleep 4
        prlimit --pid $pid --nofile=4096:
        ctl wait "$id"
        ctl output "$id" left
        [ "$(cat left/0/f left/1/f)" = $'x\nx' ]
}

@test "who comes when no descriptor is left is turned away, and keeps nobody awake" {
        start 'ulimit -n 120' --embedded --allow-missing="$MISSING"
        timeout 60 python3 -B - "$BATS_TEST_DIRNAME" "$SKEP_ADDRESS" "$pid" <<'P'
import os, sys, time
sys.path.insert(0, sys.argv[1])
import wire
kept, refused = [], 0
for _ in range(120):
    try:
        kept.append(wire.Connection(sys.argv[2], timeout=5))
    except (wire.Closed, OSError):
        refused += 1
assert refused > 20 and len(kept) > 10, (len(kept), refused)
def ticks():
    return sum(map(int, open(f"/proc/{sys.argv[3]}/stat").read().rsplit(")", 1)[1].split()[11:13]))
before = ticks()
time.sleep(2)
assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.5, "it is kept awake"
P
        grep -q "a client is not served: " log # at its socket, or at what it takes beside that
        for i in $(seq 50); do ctl pool > /dev/null 2>&1 && break; sleep 0.1; done
        ctl run -- true < /dev/null
}

@test "on a disk that is full it starts again, says so, and gets over it" {
        mkdir -m 700 state
        # A mount of its own, which a later start has to find as it was: so one shell starts it twice.
        cat > twice <<S
mount -t tmpfs -o size=4M,mode=700 none state
"$build/skepd" --embedded --state "$PWD/state" --socket "$PWD/first.sock" --allow-missing="$MISSING" > ready & first=\$!
until grep -q ready ready; do sleep 0.1; done
kill \$first; wait \$first
dd if=/dev/zero of=state/filler bs=1k 2> /dev/null || :
[ "\$(df --output=avail state | tail -1)" -eq 0 ]
S
        start "$(cat twice)" --embedded --allow-missing="$MISSING"
        full=
        for i in $(seq 100); do
                run ctl submit - <<< "{\"command\": [\"true\"], \"stdin\": \"$(head -c 9000 /dev/zero | tr '\0' x)\"}"
                [ "$status" -eq 0 ] || { full=$output && break; }
        done
        [[ $full == *"cannot be stored"* ]]
        for i in $(seq 50); do [[ $(troubles) == *"no new jobs are taken until it can be written"* ]] && break; sleep 0.1; done
        [[ $(troubles) == *"no new jobs are taken until it can be written"* ]]
        rm "/proc/$pid/root$PWD/state/filler"
        for i in $(seq 50); do [ "$(troubles)" = "[]" ] && break; sleep 0.1; done
        ctl run -- true < /dev/null
        grep -q "the store can be written again" log
        [ "$(grep -c "no new jobs are taken" log)" -eq 1 ]
}

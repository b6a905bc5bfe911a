#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Policies from outside: what each that ships is meant to run, what their keys do, and profiles written for containers.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        report=$BATS_TEST_TMPDIR/report.json
}

# Runs in a jail, with the payload at /input/payload.
jail() {
        "$build/skep-jail" --allow-missing="$MISSING" --report "$report" --input payload="$payload" "$@" </dev/null
}

policy() { # NAME JSON: writes ./NAME.json
        printf '%s\n' "$2" > "$1.json"
}

# Makes a system call by its number, and says what came of it.
call_number() {
        echo "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); r = libc.syscall($1); print(os.strerror(ctypes.get_errno()) if r < 0 else 'done')"
}

# ---- what is kept of them ----

@test "a policy that is changed while it is read is not kept as it was" {
        policy new '{"extends": "python", "filesystem": {"hidden": ["/usr/share"]}}'
        for i in $(seq 24); do policy old$i '{"extends": "python"}' && cp new.json new$i.json; done
        sleep 0.3
        cat > change.py <<'P'
import os, subprocess, sys, time
for i in range(1, 25):
    job = subprocess.Popen([*sys.argv[1:], "--policy", f"./old{i}.json", "--", "true"])
    time.sleep(i * 0.00025)
    os.rename(f"new{i}.json", f"old{i}.json")
    job.wait()
    # Once more, where it may be kept; and then as that was.
    for _ in range(2):
        again = subprocess.run([*sys.argv[1:], "--policy", f"./old{i}.json", "--", "ls", "/usr/share"], stdout=subprocess.PIPE)
        assert again.stdout == b"", f"changed after {i / 4} ms, and not seen"
P
        python3 change.py "$build/skep-jail" --allow-missing="$MISSING" < /dev/null
}

@test "no two policies are kept under the same name" {
        mkdir -p a
        policy a%b '{"extends": "python"}'
        policy a/b '{"extends": "python", "filesystem": {"hidden": ["/usr/share"]}}'
        policy a%2fb '{"extends": "python"}'
        sleep 0.3
        for i in 1 2; do
                for name in a%b a%2fb; do
                        run jail --policy "./$name.json" -- ls /usr/share
                        [ -n "$output" ]
                done
                run jail --policy ./a/b.json -- ls /usr/share
                [ -z "$output" ]
        done
}

# ---- what ships ----

@test "strict runs a static program and pipelines of coreutils" {
        run jail --policy strict -- /input/payload limits
        [ "$output" = "core 1 files 4096" ] # 1: not even a program for crashes gets a core
        run jail --policy strict -- sh -c 'seq 1000 | sort -rn | uniq | head -3 | tr "\n" " "; cp -a /etc/passwd /work/p; mv /work/p /work/q
                ln -s q /work/l; cat /work/l | wc -l; tar -cf /work/t.tar -C /work q; mkdir /work/x; tar -xf /work/t.tar -C /work/x; cmp /work/q /work/x/q
                install -m 640 /work/q /work/i; stat -c %a /work/i; ls -la /work > /dev/null; find /work -type f | xargs sha256sum | cut -c1-64 | sort -u | wc -l
                timeout 9 true; rm -r /work/x /work/i; ls /work | tr "\n" " "'
        [ "$status" -eq 0 ]
        [ "$output" = "1000 999 998 3
640
2
l q t.tar " ]
}

@test "strict runs awk" {
        run jail --policy strict -- sh -c 'seq 1000 | awk "{s += \$1} END {print s; \"echo from a pipe\" | getline x; print x > \"/work/out\"}"; cat /work/out'
        [ "$status" -eq 0 ]
        [ "$output" = "500500
from a pipe" ]
}

@test "strict runs sqlite3 on a file, with its journals" {
        command -v sqlite3 > /dev/null || skip "sqlite3 is not installed"
        run jail --policy strict -- sqlite3 /work/db 'create table t(a, b); begin; insert into t values (1, 2), (3, 4); commit;
                begin; delete from t; rollback; select sum(a * b) from t; pragma journal_mode=wal; insert into t values (5, 6);
                vacuum; select count(*) from t; pragma integrity_check;'
        [ "$status" -eq 0 ]
        [ "$output" = "14
wal
3
ok" ]
}

@test "strict has no sockets, no shared memory and no Python threads' luxury" {
        for call in socket:1 ptrace unshare mount keyring personality; do
                run jail --policy strict -- /input/payload ${call%:*} ${call#*:}
                [ "$status" -eq 1 ]
        done
}

@test "agent is python with the broker, whose absence is in the report" {
        run jail --policy agent -- python3 -c 'import json, sqlite3, subprocess, hashlib, threading; print("agent")'
        [ "$output" = agent ]
        [[ $(json_get not_enforced "$report") == *broker* ]]
}

@test "build compiles this project" {
        command -v gcc > /dev/null && [ -e "$top/Makefile" ] || skip "no compiler here, or no source"
        mkdir source
        tar -C "$top" --exclude=./build --exclude=./.git -c . | tar -x -C source
        run jail --policy build --input source/=source --output out -- \
                sh -c 'cp -r /input/source /work/source && cd /work/source && make -s -j2 all && build/skep-jail --version && cp build/skep-jail /output'
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        [[ $output == "skep-jail "* ]]
        [ -x out/skep-jail ]
        [ "$(json_get denied_syscalls "$report")" = "{}" ]
}

@test "service runs nginx on the jail's own loopback, without a wall limit" {
        nginx=$(command -v nginx) || nginx=$build/debian/nginx
        [ -x "$nginx" ] || skip "nginx is not here"
        mkdir site
        echo "a page" > site/index.html
        cat > nginx.conf <<'C'
daemon off;
pid /work/nginx.pid;
error_log stderr;
worker_processes 2;
events { worker_connections 64; }
http {
        access_log off;
        client_body_temp_path /work/body;
        proxy_temp_path /work/proxy;
        fastcgi_temp_path /work/fastcgi;
        uwsgi_temp_path /work/uwsgi;
        scgi_temp_path /work/scgi;
        sendfile on;
        server { listen 127.0.0.1:8080; root /input/site; }
}
C
        cat > get.py <<'P'
import time, urllib.request
for i in range(300):
    try:
        print(urllib.request.urlopen("http://localhost:8080/").read().decode(), end="")
        break
    except OSError:
        time.sleep(0.1)
P
        run jail --policy service --input nginx="$nginx" --input nginx.conf=nginx.conf --input site/=site --input get.py=get.py -- \
                sh -c '/input/nginx -e stderr -p /work -c /input/nginx.conf & python3 /input/get.py; kill $!; wait $!'
        [ "$status" -eq 0 ]
        [ "$output" = "a page" ]
        [ "$(json_get denied_syscalls "$report")" = "{}" ]
        run json_get enforced.wall "$report"
        [ "$status" -ne 0 ]
}

@test "calls that nobody knows do not exist; those that are not allowed are refused and counted" {
        run jail -- python3 -c "$(call_number 600)"
        [ "$output" = "Function not implemented" ]
        run jail -- python3 -c "$(call_number 400)"
        [ "$output" = "Function not implemented" ]
        [ "$(json_get denied_syscalls "$report")" = "{}" ]
        run jail -- /input/payload mount
        [[ $output == *"not permitted"* ]]
        [ "$(json_get denied_syscalls "$report")" = '{"mount": 1}' ]
}

@test "programs of newer distributions than this one are refused nothing that their libraries call" {
        for policy in strict python agent build service; do
                run jail --policy $policy -- /input/payload newer $([ $policy = strict ] || echo all)
                [ "$status" -eq 0 ]
                [ "$(json_get denied_syscalls "$report")" = "{}" ]
        done
}

@test "POSIX message queues work where a policy allows them, and are refused and counted elsewhere" {
        for policy in strict python build; do
                run jail --policy $policy -- /input/payload queue
                [ "${lines[0]}" = "queue: refused: Operation not permitted" ]
                [ "$(json_get denied_syscalls "$report")" = '{"mq_open": 1}' ]
        done
        run jail -- test -e /dev/mqueue
        [ "$status" -eq 1 ]
        policy queues '{"extends": "python", "syscalls": {"allow": ["@message-queue"]}}'
        policy profile '{"defaultAction": "SCMP_ACT_ALLOW"}'
        mkdir root
        chmod 755 root "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
        for options in "--policy ./queues.json" "--policy ./profile.json" "--policy ./queues.json --root $PWD/root"; do
                run jail $options -- /input/payload queue
                [ "$output" = "hello
read-only
queue: done" ]
                # Each jail has its own.
                run jail $options -- /input/payload queue left
                [ "$output" = "queue: refused: No such file or directory" ]
        done
}

# ---- keys ----

@test "programs are executed where the policy says, and a child's list adds" {
        policy parent '{"extends": "strict", "filesystem": {"execute": ["/work"]}}'
        policy child '{"extends": "strict", "filesystem": {"execute": ["/dev/shm"]}}'
        for place in work dev/shm tmp; do
                for name in parent child; do
                        run jail --policy ./$name.json -- sh -c "cp /usr/bin/true /$place/t && /$place/t"
                        case $name:$place in
                        parent:work | child:dev/shm) [ "$status" -eq 0 ] ;;
                        *) [ "$status" -eq 126 ] ;;
                        esac
                done
        done
        # what is not there is no reason to refuse a job
        policy absent '{"extends": "strict", "filesystem": {"execute": ["/no/such/place", "/etc/passwd/place"]}}'
        jail --policy ./absent.json -- true
}

@test "what a job writes to a directory of the host is not executed by the loader either, unless the policy says so" {
        mkdir -m 777 mine
        chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
        loader=$(ldd /usr/bin/true | grep -o '/[^ ]*/ld-[^ ]*')
        policy closed '{"extends": "strict", "filesystem": {"writable": ["'"$PWD"'/mine"]}}'
        policy open '{"extends": "strict", "filesystem": {"writable": ["'"$PWD"'/mine"], "execute": ["'"$PWD"'/mine"]}}'
        run jail --policy ./open.json --chdir "$PWD" -- sh -c "cp /usr/bin/true mine && $loader mine/true && mine/true"
        if [[ $output == *"cannot be id-mapped"* ]]; then skip "the file system of $PWD has no id-mapped mounts"; fi
        [ "$status" -eq 0 ]
        run -127 jail --policy ./closed.json --chdir "$PWD" -- sh -c "cp /usr/bin/true mine && $loader mine/true"
        [[ $output == *"failed to map segment"* ]]
}

@test "directories of the host are shown, hidden and added as the policy says" {
        mkdir -m 755 shown
        chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
        echo text > shown/file
        policy files '{"extends": "strict", "filesystem": {"read_only": ["'"$PWD"'/shown"], "tmpfs": ["/run/own"], "hidden": ["/usr/games", "/usr/include"]}}'
        run jail --policy ./files.json -- sh -c "cat $PWD/shown/file; echo mine > /run/own/f; cat /run/own/f; ls /usr/include | wc -l; : > $PWD/shown/new"
        [ "${lines[0]} ${lines[1]} ${lines[2]}" = "text mine 0" ]
        [ "$status" -ne 0 ]
        [ ! -e shown/new ]
        policy gone '{"extends": "strict", "filesystem": {"read_only": ["/no/such/place"]}}'
        run jail --policy ./gone.json -- true
        [ "$status" -eq 125 ]
        [[ $output == *"filesystem.read_only: /no/such/place: No such file"* ]]
}

@test "a hidden file is empty, whatever lies at /dev" {
        echo text > mine
        policy files '{"extends": "strict", "filesystem": {"hidden": ["/etc/passwd"]}}'
        policy devices '{"extends": "strict", "filesystem": {"hidden": ["/dev", "/etc/passwd"]}}'
        for options in "--policy ./files.json" "--policy ./files.json --bind mine:/dev/null" \
                "--policy ./files.json --bind .:/dev" "--policy ./devices.json"; do
                # shellcheck disable=SC2086
                run jail $options -- cat /etc/passwd
                [ "$status" -eq 0 ]
                [ -z "$output" ]
        done
}

@test "a directory of the policy's lies on another one, whichever list it is on" {
        mkdir -m 755 shown shown/own
        chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
        echo text > shown/file
        policy files '{"extends": "strict", "filesystem": {"read_only": ["'"$PWD"'/shown", "/run/over/shown"], "tmpfs": ["'"$PWD"'/shown/own", "/run/over"]}}'
        mkdir -p over/shown
        run unshare --mount sh -c 'mkdir -p /run/over && mount --bind "$1" /run/over && shift && exec "$@"' sh "$PWD/over" \
                "$build/skep-jail" --allow-missing="$MISSING" --policy ./files.json -- \
                sh -c "cat $PWD/shown/file; echo mine > $PWD/shown/own/f; cat $PWD/shown/own/f; echo mine > /run/over/f; cat /run/over/f; ls -d /run/over/shown" < /dev/null
        rmdir /run/over
        [ "${lines[*]}" = "text mine mine /run/over/shown" ]
        [ -z "$(ls shown/own)" ]
}

@test "paths that a job could get around are refused" {
        refused() { # FILESYSTEM SENTENCE
                policy bad '{"extends": "python", "filesystem": {'"$1"'}}'
                run jail --policy ./bad.json -- true
                [ "$status" -eq 125 ]
                [[ $output == *"$2"* ]]
        }
        refused '"writable": ["/srv"], "read_only": ["/srv/a"]' 'filesystem.read_only: "/srv/a" lies in "/srv", which is writable'
        refused '"writable": ["/opt", "/srv"], "hidden": ["/srv/a/b"]' 'filesystem.hidden: "/srv/a/b" lies in "/srv", which is writable'
        refused '"read_only": ["/"]' '"/" can be in "writable" alone'
        refused '"hidden": ["/proc/self/mountinfo"]' 'filesystem.hidden: what is in /proc/self'
        # What a job leaves there would be lost.
        refused '"tmpfs": ["/output"]' 'filesystem.tmpfs: what is in another directory than /output is not kept'
        refused '"tmpfs": ["/output/a"]' 'filesystem.tmpfs: what is in another directory than /output is not kept'
        refused '"writable": ["/output"]' 'filesystem.writable: what is in another directory than /output is not kept'
        refused '"read_only": ["/output/a"]' 'filesystem.read_only: what is in another directory than /output is not kept'
        refused "\"writable\": [\"/\"$(printf ', "/srv/%s"' {1..65})]" 'filesystem.writable: more than 64 paths'
        # what only looks like it, and a root that takes changes
        policy good '{"extends": "python", "filesystem": {"writable": ["/"], "tmpfs": ["/output2", "/work"], "hidden": ["/usr/share", "/proc/stat"]}}'
        run jail --policy ./good.json -- sh -c 'ls /usr/share; cat /proc/stat'
        [ "$status" -eq 0 ]
        [ -z "$output" ]
}

@test "what a policy requires is had or the job is refused, whatever the operator allows to be missing" {
        policy needs '{"extends": "strict", "require": ["memory"]}'
        run jail --policy ./needs.json -- true
        if [[ $MISSING == *memory* ]]; then
                [ "$status" -eq 125 ]
                [[ $output == *'cannot enforce "memory", which the policy requires'* ]]
        else
                [ "$status" -eq 0 ]
        fi
        policy unset '{"extends": "strict", "require": ["io"]}'
        run jail --policy ./unset.json -- true
        [ "$status" -eq 125 ]
        [[ $output == *'cannot enforce "io", which the policy requires'* ]]
        policy had '{"extends": "strict", "require": ["seccomp", "landlock", "wall", "pids"]}'
        run jail --policy ./had.json -- true
        [ "$status" -eq 0 ]
}

@test "a ceiling is named, with what is above it" {
        policy capped '{"extends": "strict", "limits": {"wall": {"default": "5s", "max": "10s"}, "pids": {"max": 9}}}'
        run jail --policy ./capped.json --wall 11s -- true
        [ "$status" -eq 125 ]
        [[ $output == *'limits.wall: the policy "capped" allows at most 10s'* ]]
        run jail --policy ./capped.json --wall 10s -- true
        [ "$status" -eq 0 ]
        run jail --policy ./capped.json --pids 10 -- true
        [[ $output == *"limits.pids"*9* ]]
        run jail --policy ./capped.json -- /input/payload forks
        [ "${lines[0]}" = "8 children" ]
}

@test "capabilities are kept over the jail's own ids, and no others" {
        policy owner '{"extends": "build", "capabilities": ["cap_chown"]}'
        run jail --policy ./owner.json -- sh -c 'grep CapEff /proc/self/status; : > /work/f; chown 1001:1001 /work/f && stat -c %u:%g /work/f; chown 70000 /work/f'
        [[ ${lines[0]} == *0000000000000001 ]]
        [ "${lines[1]}" = 1001:1001 ]
        [ "$status" -ne 0 ]
        run jail --policy build -- sh -c ': > /work/f; chown 1001:1001 /work/f'
        [ "$status" -ne 0 ]
}

@test "a device is there when the policy names it, and a job is refused when the host has it not" {
        policy tty '{"extends": "strict", "devices": ["/dev/tty"]}'
        run jail --policy ./tty.json -- sh -c 'test -c /dev/tty; echo $?; : < /dev/tty'
        [ "${lines[0]}" = 0 ]
        run jail --policy strict -- test -e /dev/tty
        [ "$status" -eq 1 ]
        policy gone '{"extends": "strict", "devices": ["/dev/no-such-device"]}'
        run jail --policy ./gone.json -- true
        [ "$status" -eq 125 ]
        [[ $output == *"devices: /dev/no-such-device: No such file"* ]]
}

@test "what is no device is not bound as one" {
        for path in /dev/shm /dev/pts /dev/fd /dev/stdin; do
                [ -e "$path" ] || continue
                policy none '{"extends": "strict", "devices": ["'"$path"'"]}'
                run jail --policy ./none.json -- true
                [ "$status" -eq 125 ]
                [[ $output == *"devices: $path "* ]]
        done
        # A link is followed within /dev, and not out of it.
        [ "$(id -u)" -eq 0 ] || return 0
        policy link '{"extends": "strict", "devices": ["/dev/link"]}'
        for target in tty:0 ../tmp:125 /dev/tty:125; do
                run unshare -m sh -c 'mount -t tmpfs t /mnt && mkdir /mnt/shm && mknod -m 666 /mnt/null c 1 3 && mknod -m 666 /mnt/tty c 5 0 &&
                        ln -s "$1" /mnt/link && mount --move /mnt /dev && shift && exec "$@"' sh "${target%:*}" \
                        "$build/skep-jail" --allow-missing="$MISSING" --policy ./link.json -- test -c /dev/link </dev/null
                echo "$output"
                [ "$status" -eq "${target#*:}" ]
                [[ $status -eq 0 || $output == *"devices: /dev/link is a link that"* ]]
        done
}

@test "a terminal's requests stay refused where a device has its own" {
        policy tty '{"extends": "strict", "devices": ["/dev/tty"]}'
        run jail --policy ./tty.json -- /input/payload tiocsti
        [[ $output == *"not permitted"* ]]
        [ "$(json_get denied_syscalls "$report")" = '{"ioctl": 1}' ]
}

@test "a policy may end a job for a refused call" {
        policy kill '{"extends": "python", "syscalls": {"action": "kill"}}'
        run jail --policy ./kill.json -- /input/payload mount
        [ "$status" -eq 159 ]
        [ "$(json_get signal "$report")" = 31 ]
        run jail --policy ./kill.json -- python3 -c "$(call_number 600)"
        [ "$output" = "Function not implemented" ]
}

@test "a network of the policy's own is refused by name" {
        policy net '{"extends": "strict", "network": {"mode": "allow", "hosts": ["example.org"]}}'
        run jail --policy ./net.json -- true
        [ "$status" -eq 125 ]
        [[ $output == *"net.json: network:"*"not built yet"* ]]
}

# ---- profiles written for containers ----

# What everyone does under a profile, and what nobody may.
try_profile() {
        run --separate-stderr jail --policy "$1" -- python3 -c '
import hashlib, json, os, socket, sqlite3, subprocess, tempfile, threading
threads = [threading.Thread(target=hashlib.sha256, args=(b"x",)) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
server = socket.create_server(("127.0.0.1", 0)); socket.create_connection(server.getsockname())
db = sqlite3.connect("/work/db"); db.execute("create table t(a)"); db.commit()
print(subprocess.run("seq 5 | sort -rn | head -1", shell=True, capture_output=True, text=True).stdout, end="")'
        [ "$status" -eq 0 ]
        [ "$output" = 5 ]
        [ "$(json_get denied_syscalls "$report")" = "{}" ]
        printf '%s' "$stderr" > notes
        for attempt in unshare clone-namespace mount keyring tiocsti "socket 40" "socket 17 3"; do
                run --separate-stderr jail --policy "$1" -- /input/payload $attempt
                [ "$status" -eq 1 ]
                [[ $output == *"not permitted"* ]]
        done
        [ "$(json_get denied_syscalls "$report")" = '{"socket": 1}' ]
        run --separate-stderr jail --policy "$1" -- /input/payload clone3
        [[ $output == *"not implemented"* ]]
        run --separate-stderr jail --policy "$1" -- sh -c ': > /work/f; chmod 4755 /work/f'
        [ "$status" -ne 0 ]
}

@test "Docker's default profile works as it stands" {
        [ -e "$build/debian/docker.json" ] || skip "the profile is not here"
        try_profile "$build/debian/docker.json"
        # what it allows and python's own calls do not have
        run --separate-stderr jail --policy "$build/debian/docker.json" -- /input/payload ptrace
        [ "$status" -eq 0 ]
}

@test "Podman's default profile works as it stands" {
        [ -e "$build/debian/podman.json" ] || skip "the profile is not here"
        try_profile "$build/debian/podman.json"
        [ "$(grep -c 'no policy allows: .*mount' notes)" -eq 1 ]
        [ "$(json_get denied_complete "$report")" = true ]
        # its default is that a call does not exist, and what no policy allows is not permitted
        run --separate-stderr jail --policy "$build/debian/podman.json" -- python3 -c "$(call_number 449)"
        [ "$output" = "Function not implemented" ]
        run --separate-stderr jail --policy "$build/debian/podman.json" -- python3 -c "$(call_number 425)"
        [ "$output" = "Operation not permitted" ]
}

@test "a profile's errors, signals and conditions are the job's" {
        policy mine '{"extends": "python", "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
                {"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "errno": "EBUSY"},
                {"names": ["lseek"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": [{"index": 2, "value": 2, "op": "SCMP_CMP_EQ"}]},
                {"names": ["sync"], "action": "SCMP_ACT_LOG"},
                {"names": ["syncfs"], "action": "SCMP_ACT_KILL_PROCESS"},
                {"names": ["alarm"], "action": "SCMP_ACT_TRAP"}]}}'
        cat > try.py <<'P'
import os
def attempt(f, *args):
    try:
        f(*args)
        print("done")
    except OSError as e:
        print(os.strerror(e.errno))
attempt(os.mkdir, "/work/x")
attempt(os.rmdir, "/work/x")
fd = os.open("/work/f", os.O_CREAT | os.O_RDWR)
attempt(os.lseek, fd, 0, os.SEEK_SET)
attempt(os.lseek, fd, 0, os.SEEK_END)
attempt(os.sync)
attempt(os.fchmod, fd, 0o4755)
P
        run jail --policy ./mine.json --input try.py=try.py -- python3 /input/try.py
        [ "$status" -eq 0 ]
        [ "$output" = "Read-only file system
Device or resource busy
done
Invalid argument
done
Operation not permitted" ]
        [ "$(json_get denied_syscalls.mkdir "$report")" = 1 ]
        [ "$(json_get denied_syscalls.rmdir "$report")" = 1 ]
        [ "$(json_get denied_syscalls.fchmod "$report")" = 1 ]
        [ "$(json_get denied_complete "$report")" = true ]
        run jail --policy ./mine.json -- python3 -c 'import ctypes, os; ctypes.CDLL(None).syncfs(os.open("/work", os.O_RDONLY))'
        [ "$status" -eq 159 ]
        run jail --policy ./mine.json -- python3 -c 'import signal; signal.alarm(1)'
        [ "$status" -eq 159 ]
}

@test "what of a profile cannot be had is said once, or refused" {
        policy bare '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "call_of_tomorrow", "action": "SCMP_ACT_ALLOW"}]}'
        run --separate-stderr jail --policy ./bare.json -- echo ran
        [ "$output" = ran ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == *"call_of_tomorrow"* ]]
        policy bare '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "call_of_tomorrow", "action": "SCMP_ACT_ERRNO"}]}'
        run jail --policy ./bare.json -- echo ran
        [ "$status" -eq 125 ]
        [[ $output == *"bare.json: syscalls[0]: \"call_of_tomorrow\""* ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The jail from outside: what holds, and what is left. In the machine for tests, too, as root and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../helper
load jail

@test "a job that a signal ends is 128+N" {
        run jail -- sh -c 'kill -SEGV $$' </dev/null
        [ "$status" -eq 139 ]
        [ "$(reason)" = signalled ]
        [ "$(json_get signal "$report")" = 11 ]
        [ "$(json_get exit_code "$report")" = null ]
}

@test "the limit of CPU time counts all processes together" {
        needs_cgroup
        run jail --wall 30s --cpu-time 300ms -- sh -c '/input/payload spin & /input/payload spin' </dev/null
        [ "$status" -eq 124 ]
        [ "$(reason)" = cpu-limit ]
        used=$(($(json_get cpu_user_usec "$report") + $(json_get cpu_system_usec "$report")))
        [ "$used" -ge 300000 ]
        [ "$used" -lt 3000000 ]
}

@test "a caller's precedence over others, and fixed addresses, are not handed on" {
        [ "$(id -u)" -eq 0 ] || skip "only root has any"
        run chrt -f 5 nice -n -5 ionice -c 1 setarch -R "$build/skep-jail" --allow-missing="$MISSING" -- python3 -c '
import os; print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0), open("/proc/self/personality").read().strip())
import ctypes; print(ctypes.CDLL(None).syscall(252, 1, 0) >> 13)' </dev/null
        [ "${lines[0]}" = "0 0 00000000" ]
        [ "${lines[1]}" != 1 ]
        # what is after others stays so
        run nice -n 7 "$build/skep-jail" --allow-missing="$MISSING" -- nice </dev/null
        [ "$output" = 7 ]
}

@test "disk is limited in bytes" {
        run jail --disk 1M -- sh -c 'head -c 3M /dev/zero > /work/a' </dev/null
        [[ $output == *"No space left"* ]]
        run jail --disk 1M -- sh -c 'head -c 1000000 /dev/zero > /tmp/a' </dev/null
        [ "$status" -eq 0 ]
        run jail --disk 1M -- sh -c 'head -c 600K /dev/zero > /tmp/a; head -c 600K /dev/zero > /dev/shm/b' </dev/null
        [[ $output == *"No space left"* ]]
}

@test "disk is limited in files" {
        run jail --files 50 -- sh -c 'i=0; while [ $i -lt 60 ]; do : > /work/$i || exit 9; i=$((i+1)); done' </dev/null
        [ "$status" -ne 0 ]
        [[ $output == *"No space left"* ]]
        run jail --files 50 -- sh -c 'i=0; while [ $i -lt 45 ]; do : > /work/$i || exit 9; i=$((i+1)); done' </dev/null
        [ "$status" -eq 0 ]
}

@test "processes are limited, and what holds it is named" {
        run jail --pids 20 -- /input/payload forks </dev/null
        [ "$status" -eq 1 ]
        held=$(json_get enforced.pids "$report")
        # By the other way a user without a cgroup has less, not more: what else he runs counts.
        [ "$output" = "19 children" ] || [[ $held == rlimit && $(id -u) -ne 0 && $output =~ ^1?[0-9]" children"$ ]]
        [[ $held =~ ^(cgroup|rlimit)$ ]]
}

@test "a fork bomb is contained and leaves nothing" {
        run jail --pids 50 --wall 2s -- /input/payload forkbomb </dev/null
        [ "$status" -eq 124 ]
        [ "$(reason)" = wall-limit ]
}

@test "two jails do not share their count of processes" {
        [ "$(id -u)" -eq 0 ] || needs_cgroup
        jail --pids 20 --wall 10s -- sh -c '/input/payload forks 15 & sleep 2' > one </dev/null &
        run "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" --pids 20 -- /input/payload forks </dev/null
        [ "$output" = "19 children" ]
        wait
}

@test "memory is held by its controller, or refused by name" {
        if [[ $MISSING == *memory* ]]; then
                run "$build/skep-jail" --report "$report" --memory 64M -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *'cannot enforce'*'"memory"'* ]]
                [ "$(reason)" = setup-failed ]
                run jail --memory 64M -- true </dev/null
                [ "$status" -eq 0 ]
                [[ $(json_get not_enforced "$report") == *memory* ]]
        else
                run jail --memory 64M -- /input/payload memory 512 </dev/null
                [ "$status" -eq 137 ]
                [ "$(reason)" = oom ]
                [ "$(json_get enforced.memory "$report")" = cgroup ]
        fi
}

@test "no capability, no new privileges, and a filter" {
        run jail -- grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status </dev/null
        for line in "${lines[@]}"; do
                case $line in
                Cap*) [[ $line == *0000000000000000 ]] ;;
                NoNewPrivs*) [[ $line == *1 ]] ;;
                Seccomp*) [[ $line == *2 ]] ;;
                esac
        done
        [ "${#lines[@]}" -eq 7 ]
}

@test "the job has three descriptors and no other" {
        exec 7< "$BATS_TEST_FILENAME"
        run jail -- /input/payload descriptors </dev/null
        exec 7<&-
        [ "${#lines[@]}" -eq 3 ]
}

@test "every namespace is the jail's own" {
        run jail -- sh -c 'for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done' </dev/null
        [ "${#lines[@]}" -eq 7 ]
        for line in "${lines[@]}"; do
                name=${line%%:*}
                [[ $name == cgroup && ,$MISSING, == *,cgroup,* ]] && continue
                [ "$line" != "$(readlink /proc/self/ns/$name)" ]
        done
}

@test "the host's programs are there, however its directories are mounted" {
        needs_root
        job='sh -c "sha256sum < /etc/ld.so.cache; ls /etc/alternatives | wc -l; [ -x /usr/bin/env ] && test ! -e /usr/root"'
        expected="$(sha256sum < /etc/ld.so.cache) $(ls /etc/alternatives | wc -l)"
        for change in true "mount --bind /usr /usr" "mount --bind /etc /etc" "mount --bind /etc/alternatives /etc/alternatives" \
                "mount --bind /etc/ld.so.cache /etc/ld.so.cache" "mount -t tmpfs tmpfs /usr/local/games"; do
                run unshare --mount sh -c "$change && exec '$build/skep-jail' --allow-missing='$MISSING' -- $job" < /dev/null
                [ "$status" -eq 0 ]
                [ "${lines[*]}" = "$expected" ]
        done
        # A link leads out of what is the jail's own, and so is not followed in there.
        cat > linked <<'END'
mount -t tmpfs tmpfs root && mkdir root/upper root/work root/merged
mount -t overlay overlay -o lowerdir=/,upperdir=root/upper,workdir=root/work root/merged
mkdir -p "root/merged/$1"
for place in dev proc sys "$1"; do mount --rbind "/$place" "root/merged/$place"; done
shift
mv root/merged/etc/alternatives root/merged/etc/others && ln -s /etc/others root/merged/etc/alternatives
cd root/merged && pivot_root . . && umount -l .
exec "$@"
END
        mkdir root
        run unshare --mount sh -e linked "$top" "$build/skep-jail" --allow-missing="$MISSING" -- \
                sh -c 'ls /etc/alternatives | wc -l; grep -c " / /etc/alternatives ro," /proc/self/mountinfo; ls /etc/others' < /dev/null
        [ "${lines[0]}" = "$(ls /etc/alternatives | wc -l)" ]
        [ "${lines[1]}" = 1 ]
        [[ ${lines[2]} == *"No such file"* ]]
        # Of the host's root, nothing else comes along, by no policy.
        echo '{"extends": "python", "filesystem": {"read_only": ["/proc"]}}' > proc.json
        run jail --policy ./proc.json -- sh -c 'ls /proc/fs/host | wc -l; test -x /usr/bin/env && cat /etc/ld.so.cache | wc -c' < /dev/null
        [ "${lines[*]}" = "0 $(wc -c < /etc/ld.so.cache)" ]
        run jail -- sh -c 'grep -c " /host" /proc/self/mountinfo; cat /etc/shadow; ls /usr/../root /usr/../home /boot' < /dev/null
        [ "${lines[0]}" = 0 ]
        [[ $output == *"/etc/shadow: No such file"* ]]
        [[ $output == *"/usr/../root': No such file"* ]]
}

@test "the linker's cache may be replaced where the root may be changed, and nowhere else" {
        needs_root
        echo '{"extends": "python", "filesystem": {"writable": ["/"]}}' > writable.json
        run jail --policy ./writable.json -- sh -c 'echo new > /etc/other && mv /etc/other /etc/ld.so.cache && cat /etc/ld.so.cache' < /dev/null
        [ "$output" = new ]
        run -1 jail -- mv /etc/ld.so.cache /tmp/ < /dev/null
}

@test "the job's ids are of a range of their own, above those of others" {
        needs_root
        "$build/skep-jail" --allow-missing="$MISSING" -- sleep 100 </dev/null &
        job=$!
        for i in $(seq 300); do for p in $(pgrep -x sleep); do uid=$(stat -c %u /proc/$p 2>/dev/null || echo 0); [ "$uid" -ge 1879048192 ] && break 2; done; sleep 0.1; done
        [ "$uid" -ge $((0x70000000)) ]
        [ "$uid" -lt $((0x80000000)) ]
        [ $(( (uid - 0x70000000) % 0x10000 )) -eq 1000 ]
        kill -TERM $job
        wait $job || true
}

@test "the host's processes are not there" {
        run jail -- sh -c 'ls -d /proc/[0-9]* | wc -l; cat /proc/1/comm; tr -d "\0" < /proc/1/cmdline' </dev/null
        [ "${lines[0]}" -le 5 ]
        [ "${lines[1]}" = skep-reaper ]
        [ "${#lines[@]}" -eq 2 ] # nor the command line of who made the jail
}

@test "the host's files are not there, and /usr is read-only" {
        run jail -- sh -c 'cat /etc/shadow; ls /root /home /sys/kernel; : > /usr/x; : > /x; : > /etc/x' </dev/null
        [[ $output == *"/etc/shadow: No such file"* ]]
        [[ $output == *"cannot access '/root'"* ]]
        [ "$status" -ne 0 ]
        [ ! -e /usr/x ]
        for path in /usr/x /x /etc/x /dev/x /input/x /proc/sys/kernel/hostname /run/x; do
                run jail -- /input/payload write $path </dev/null
                [ "$status" -eq 1 ]
        done
        for path in /work/x /tmp/x /output/x /dev/shm/x /var/tmp/x; do
                run jail -- /input/payload write $path </dev/null
                [ "$status" -eq 0 ]
        done
}

@test "the dangerous parts of /proc tell nothing" {
        for path in kcore keys kallsyms kmsg timer_list sysrq-trigger cmdline config.gz; do
                run jail -- /input/payload read /proc/$path </dev/null
                [ "$status" -eq 1 ]
        done
        run jail -- cat /proc/cpuinfo /proc/meminfo </dev/null
        [ "$status" -eq 0 ]
}

@test "where a policy wants processes alone, nothing else is in /proc" {
        run jail --policy strict -- sh -c 'ls -A /proc | grep -vE "^[0-9]+$" | sort; cat /proc/self/comm' </dev/null
        [ "${lines[*]}" = "self thread-self cat" ]
        for path in meminfo stat sys/kernel/hostname net/dev mounts ../proc/cpuinfo self/../version; do
                run jail --policy strict -- cat "/proc/$path" </dev/null
                [ "$status" -eq 1 ]
        done
        echo '{"extends": "strict", "filesystem": {"proc_subset": "all"}}' > all.json
        jail --policy ./all.json -- cat /proc/meminfo /proc/sys/kernel/hostname </dev/null
        echo '{"filesystem": {"proc_subset": "some"}}' > some.json
        run jail --policy ./some.json -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *'filesystem.proc_subset: must be "all" or "pid"'* ]]
}

@test "/dev has what programs need" {
        run jail -- sh -c 'echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; head -c 3 /dev/random | wc -c; echo text > /dev/stdout; echo x > /dev/full || echo full' </dev/null
        [ "${lines[0]}${lines[1]}${lines[2]}" = 333 ]
        [ "${lines[3]}" = text ]
        [[ $output == *full* ]]
        run jail -- sh -c 'ls /dev | tr "\n" " "' </dev/null
        [ "$output" = "fd full null random shm stderr stdin stdout urandom zero " ]
}

@test "the network is a loopback that is up, and nothing else" {
        run jail -- python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 8080))
print([i for _, i in socket.if_nameindex()])
try: socket.create_connection(("192.0.2.1", 80), 2)
except OSError as e: print(e.errno)' </dev/null
        [ "${lines[0]}" = "['lo']" ]
        [ "${lines[1]}" = 101 ]
}

@test "abstract sockets of the host are out of reach" {
        python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0skep-test-abstract"); s.listen(); time.sleep(60)' 3>&- &
        server=$!
        for i in $(seq 100); do ! grep -q '@skep-test-abstract$' /proc/net/unix || break; sleep 0.1; done
        run jail -- /input/payload abstract skep-test-abstract </dev/null
        kill $server
        [ "$status" -eq 1 ]
}

@test "32-bit calls and x32 are closed, and clone3 does not exist" {
        run jail -- /input/payload int80 </dev/null
        [ "$status" -ne 0 ]
        run jail -- /input/payload x32 </dev/null
        [ "$status" -eq 1 ]
        [[ $output == *"not implemented"* ]]
        run jail -- /input/payload clone3 </dev/null
        [[ $output == *"not implemented"* ]]
}

@test "a job that asks to be traced by its parent goes on, and its stops are not its end" {
        echo '{"extends": "python", "syscalls": {"allow": ["ptrace"]}}' > ptrace.json
        cat > traced <<'P'
import ctypes, os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: print("signal", flush=True))
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
if sys.argv[1] == "executes":
    os.execv("/bin/sh", ["sh", "-c", "exit 7"])
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGSEGV if sys.argv[1] == "crashes" else signal.SIGURG)
P
        for case in "executes 7 exited" "crashes 139 signalled" "goes-on 0 exited"; do
                set -- $case
                run jail --policy ./ptrace.json --wall 10s --input traced=traced -- python3 /input/traced "$1" </dev/null
                [ "$status" -eq "$2" ]
                [ "$(reason)" = "$3" ]
                [ "$1" = executes ] || [ "$output" = signal ]
        done
}

@test "what would lead out is refused" {
        for attempt in unshare clone-namespace mount ptrace keyring "setuid 0" mknod tiocsti personality "socket 40" "socket 17 3" "socket 16 3" "socket 1 3"; do
                run jail -- /input/payload $attempt </dev/null
                case $attempt in
                "socket 16 3") [ "$status" -eq 0 ] ;; # netlink, to ask for the own addresses
                "socket 1 3") [ "$status" -eq 0 ] || [[ $output == *"not supported"* ]] ;;
                *) [ "$status" -eq 1 ] ;;
                esac
        done
}

@test "the host name is the jail's own" {
        run jail -- cat /proc/sys/kernel/hostname </dev/null
        [ "$output" = skep ]
        [ "$(uname -n)" != skep ]
}

@test "a session and a terminal of its own: none" {
        run jail -- sh -c 'ps -o sid=,tty= -p $$; : < /dev/tty' </dev/null
        [[ ${lines[0]} =~ 2\ +\? ]]
        [[ $output == *"/dev/tty"* ]]
}

@test "process 1 cannot be killed from inside" {
        run jail -- sh -c '/input/payload kill-all; echo alive' </dev/null
        [[ $output == *"kill 1: refused"* ]]
}

@test "refused calls are counted by name" {
        run jail -- /input/payload ptrace 3 </dev/null
        [ "$(json_get denied_syscalls.ptrace "$report")" = 3 ]
        [ "$(json_get denied_complete "$report")" = true ]
}

@test "after 4096 refused calls the count is closed, and says so" {
        run jail -- /input/payload ptrace 5000 </dev/null
        [ "$(json_get denied_syscalls.ptrace "$report")" = 4096 ]
        [ "$(json_get denied_complete "$report")" = false ]
        [[ $output == *"not implemented"* ]]
}

@test "refused calls are counted also when the job is killed" {
        "$build/skep-jail" --allow-missing="$MISSING" --report "$report" --input payload="$payload" -- \
                sh -c '/input/payload ptrace 2; echo said; exec sleep 100' </dev/null > out &
        for i in $(seq 600); do grep -q said out && break; sleep 0.1; done
        kill -TERM $!
        wait $! || true
        [ "$(reason)" = cancelled ]
        [ "$(json_get denied_syscalls.ptrace "$report")" = 2 ]
}

@test "strict has no sockets, python has" {
        run jail --policy strict -- /input/payload socket 1 </dev/null
        [ "$status" -eq 1 ]
        run jail --policy python -- /input/payload socket 1 </dev/null
        [ "$status" -eq 0 ]
}

@test "a program in /work is executed under python and not under strict" {
        for policy in strict python; do
                run jail --policy $policy -- sh -c 'cp /usr/bin/true /work/t && chmod +x /work/t && /work/t' </dev/null
                case $policy in
                strict) [ "$status" -eq 126 ] ;;
                python) [ "$status" -eq 0 ] ;;
                esac
        done
}

@test "a loader does not run what may not be executed" {
        for policy in strict python; do
                run jail --policy $policy -- sh -c 'cp /usr/bin/true /work/t && if ld.so /work/t; then echo ran; fi' </dev/null
                [ "$status" -eq 0 ]
                case $policy in
                strict) [[ $output != *ran* ]] ;;
                python) [ "$output" = ran ] ;;
                esac
        done
}

@test "nobody can make a file that is set user id, which a writable bind would show the host" {
        for command in 'cp /usr/bin/id /work/id; chmod 4755 /work/id' 'mkdir -m 2777 /work/d' 'install -m 6755 /usr/bin/id /work/i'; do
                run jail --policy build -- sh -c "$command" </dev/null
                [ "$status" -ne 0 ]
        done
        run jail -- python3 -c 'import os; os.close(os.open("/work/f", os.O_CREAT | os.O_WRONLY, 0o4755))' </dev/null
        [ "$status" -ne 0 ]
        run jail -- python3 -c 'import os; os.close(os.open("/work/f", os.O_CREAT | os.O_WRONLY, 0o755))' </dev/null
        [ "$status" -eq 0 ]
}

@test "netlink is for the own addresses alone" {
        for protocol in 4 6 9 12 15 16; do
                run jail -- python3 -c "import socket; socket.socket(16, 2, $protocol)" </dev/null
                [ "$status" -ne 0 ]
        done
        run jail -- python3 -c 'import socket; socket.socket(16, 2, 0)' </dev/null
        [ "$status" -eq 0 ]
}

@test "jails that start at the same moment do not stand in each other's way" {
        for round in 1 2 3; do
                for i in $(seq 25); do
                        "$build/skep-jail" --policy strict --allow-missing="$MISSING" -- true < /dev/null > "out$i" 2>&1 3>&- ||
                                echo "failed" >> "out$i" &
                done
                wait
                [ -z "$(cat out*)" ]
        done
}

@test "a bound directory is seen, and written only when asked" {
        mkdir project
        chmod 755 project "$BATS_TEST_TMPDIR"
        echo text > project/file
        for place in /input/p /input/a/b /dev/p /made/p; do
                [ "$(jail --bind "$PWD/project:$place" -- cat "$place/file" </dev/null)" = "$(cat project/file)" ]
        done
        run jail --bind "$PWD/project:/work/p" -- sh -c 'cat /work/p/file; : > /work/p/new' </dev/null
        [ "${lines[0]}" = text ]
        [ ! -e project/new ]
        run jail --bind-rw "$PWD/project:/work/p" -- sh -c 'echo more > /work/p/new; stat -c %U /work/p/new' </dev/null
        if [[ $output == *"cannot be id-mapped"* ]]; then skip "the file system of $PWD has no id-mapped mounts"; fi
        [ "$output" = agent ]
        [ "$(cat project/new)" = more ]
        [ "$(stat -c %u project/new)" = "$(stat -c %u project)" ]
}

@test "orphans that ignore every signal go with the job" {
        run timeout 20 "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" -- /input/payload orphans </dev/null
        [ "$status" -eq 0 ]
        [ "$output" = left ]
        [ -z "$(pgrep -f 'payload orphans')" ]
}

have_gone() { # a process that is being ended may be seen after its jail
        for i in $(seq 100); do
                pgrep -x -f "$1" > /dev/null || return 0
                sleep 0.1
        done
        return 1
}

@test "nothing is left when the caller is killed" {
        "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" --wall 60s -- /input/payload orphans </dev/null &
        "$build/skep-jail" --allow-missing="$MISSING" -- sleep 61 </dev/null &
        sleep 1
        kill -KILL %1 %2 2>/dev/null || true
        nothing_is_left
        have_gone 'sleep 61'
}

@test "nothing is left when the caller is killed at any moment of the start" {
        for delay in 0.001 0.003 0.004 0.004 0.005 0.005 0.006 0.006 0.007 0.008 0.009 0.010 0.012 0.015 0.020 0.030 0.050; do
                "$build/skep-jail" --allow-missing="$MISSING" -- sleep 62 </dev/null 2>/dev/null &
                sleep $delay
                kill -KILL $! 2>/dev/null || true
        done
        have_gone 'sleep 62'
        # One that was killed between making its cgroup and having it watched has left that to the next one.
        jail -- true </dev/null
        nothing_is_left
}

@test "a jail that waits for a long job gives back the memory of its program" {
        ldd "$build/skep-jail" 2>&1 | grep -q statically || skip "with the sanitizers it is large"
        "$build/skep-jail" --policy strict --allow-missing="$MISSING" -- sleep 100 < /dev/null 3>&- &
        for _ in $(seq 100); do
                sleep 0.1
                reaper=$(pgrep -P $! skep-reaper) || continue
                sizes=$(awk '/^RssFile/ { if ($2 > 400) n++ } END { print n + 0 }' /proc/$!/status "/proc/$reaper/status")
                [ "$sizes" -gt 0 ] || break
        done
        kill $!
        wait $! || true
        [ "$sizes" -eq 0 ]
}

@test "many jails at once" {
        for i in $(seq 10); do
                "$build/skep-jail" --allow-missing="$MISSING" -- sh -c "sleep 0.5; echo $i" </dev/null > out.$i &
        done
        wait
        for i in $(seq 10); do [ "$(cat out.$i)" = "$i" ]; done
}

@test "a caller that lives in the cgroup for jails leaves nothing in it, and its controllers as they were" {
        needs_root
        needs_cgroup
        [ ! -d /run/systemd/system ] || skip "this host's cgroups are systemd's"
        tree=/sys/fs/cgroup
        [ -d $tree/unified ] && tree=$tree/unified
        group=$tree/tests-of-base-$$
        mkdir "$group"
        # Beside a process that stays, and alone.
        for alone in "" exec; do
                for what in "" learn doctor; do
                        run sh -c 'echo $$ > "$1/cgroup.procs" && '"$alone"' "$0" '"$what"' --cgroup "$1" ${2:+--allow-missing=$2} ${2:+-- true} > said 2>&1 </dev/null' \
                                "$build/skep-jail" "$group" "$([ "$what" = doctor ] || echo "$MISSING,cgroup,memory,cpu,pids,io")"
                        [ "$status" -eq 0 ] || [[ $what = doctor && $status -eq 1 ]] || { cat said; false; }
                        [ -z "$(find "$group" -mindepth 1 -type d)" ]
                        [ -z "$(cat "$group/cgroup.subtree_control")" ]
                done
        done
        rmdir "$group"
}

@test "nothing is left of all this" {
        nothing_is_left
}

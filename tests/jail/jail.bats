#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The jail from outside: what gets in, what comes out, what holds, what is left.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        report=$BATS_TEST_TMPDIR/report.json
}

# An ordinary user runs these, too, who may have no cgroup.
needs_root() {
        [ "$(id -u)" -eq 0 ] || skip "for root"
}
needs_cgroup() {
        [[ ,$MISSING, != *,cgroup,* ]] || skip "there is no cgroup for jails here"
}

# Runs in a jail, with the payload at /input/payload.
jail() {
        "$build/skep-jail" --allow-missing="$MISSING" --report "$report" --input payload="$payload" "$@"
}

reason() {
        json_get reason "$report"
}

@test "the exit status is the job's own" {
        run jail -- sh -c 'exit 7' </dev/null
        [ "$status" -eq 7 ]
        [ "$(reason)" = exited ]
        [ "$(json_get exit_code "$report")" = 7 ]
}

@test "a job that a signal ends is 128+N" {
        run jail -- sh -c 'kill -SEGV $$' </dev/null
        [ "$status" -eq 139 ]
        [ "$(reason)" = signalled ]
        [ "$(json_get signal "$report")" = 11 ]
        [ "$(json_get exit_code "$report")" = null ]
}

@test "a missing program is 127, one that cannot be executed 126" {
        run -127 jail -- /no/such/program </dev/null
        [ "$status" -eq 127 ]
        [ "$(reason)" = exec-failed ]
        run -127 jail -- nosuchprogram </dev/null
        [ "$status" -eq 127 ]
        run jail -- /etc/passwd </dev/null
        [ "$status" -eq 126 ]
        [ "$(reason)" = exec-failed ]
        run jail -- /usr </dev/null
        [ "$status" -eq 126 ]
}

@test "a script whose interpreter is missing says so, and is 126" {
        printf '#!/no/interpreter\n' > script
        chmod +x script
        run jail --input script=script -- /input/script </dev/null
        [ "$status" -eq 126 ]
        [[ $output == *interpreter* ]]
}

@test "an own exit status of 137 is not taken for out of memory" {
        run jail -- sh -c 'exit 137' </dev/null
        [ "$status" -eq 137 ]
        [ "$(reason)" = exited ]
}

@test "the wall limit is held to the millisecond's order" {
        run jail --wall 300ms -- sleep 20 </dev/null
        [ "$status" -eq 124 ]
        [ "$(reason)" = wall-limit ]
        wall=$(json_get wall_usec "$report")
        [ "$wall" -ge 300000 ]
        [ "$wall" -lt 5000000 ]
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

@test "sleeping is not CPU time" {
        run jail --cpu-time 2s -- sleep 2.5 </dev/null
        [ "$status" -eq 0 ]
}

@test "output over its limit is dropped, and the job goes on" {
        run jail --output-limit 1000 -- sh -c 'head -c 100000 /dev/zero | tr "\0" x; exit 5' </dev/null
        [ "$status" -eq 5 ]
        [ "${#output}" -eq 1000 ]
        [ "$(json_get truncated "$report")" = true ]
        [ "$(json_get stdout_bytes "$report")" = 1000 ]
}

@test "an output limit of 0 keeps nothing" {
        run jail --output-limit 0 -- echo text </dev/null
        [ "$status" -eq 0 ]
        [ -z "$output" ]
}

@test "stdout and stderr stay apart" {
        jail -- sh -c 'echo out; echo err >&2' > out 2> err </dev/null
        [ "$(cat out)" = out ]
        [ "$(cat err)" = err ]
        [ "$(json_get stderr_bytes "$report")" = 4 ]
}

@test "binary data passes unchanged, from a file and from a pipe" {
        head -c 3000001 /dev/urandom > blob
        jail -- cat < blob | cmp - blob
        cat blob | jail -- cat | cmp - blob
        [ "$(jail -- sha256sum < blob)" = "$(sha256sum < blob)" ]
}

@test "a file that everybody may write is not written as standard input" {
        printf 'one\ntwo\n' > given
        chmod 666 given
        run sh -c 'read -r line; exec "$@"' sh "$build/skep-jail" --allow-missing="$MISSING" -- \
                sh -c 'cat; touch -d @0 /proc/self/fd/0; truncate -s 0 /proc/self/fd/0; echo x > /proc/self/fd/0' < given
        [ "${lines[0]}" = two ]
        [ "$(stat -c %Y given)" -gt 0 ]
        [ "$(cat given)" = "one
two" ]
}

@test "a closed standard input is empty" {
        jail -- cat <&- > out
        [ ! -s out ]
}

@test "a reader that goes away ends the job as in any pipe" {
        run timeout 20 bash -c '"$1" --allow-missing="$MISSING" --wall 15s --report "$2" -- yes </dev/null | head -1' - "$build/skep-jail" "$report"
        [ "$output" = y ]
        [ "$(reason)" = signalled ]
        [ "$(json_get signal "$report")" = 13 ]
}

@test "a stuck reader cannot hold the jail beyond its wall limit" {
        jail --wall 500ms -- yes </dev/null | {
                for i in $(seq 600); do [ -s "$report" ] && break; sleep 0.1; done
                [ -s "$report" ] && : > told
        } || true
        [ -e told ]
        [ "$(reason)" = wall-limit ]
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

@test "the job is uid 1000 in /work with an empty environment" {
        run env SECRET=x "$build/skep-jail" --allow-missing="$MISSING" --setenv ONE=1 -- sh -c 'id -u; id -g; id -G; pwd; env | sort' </dev/null
        [ "$status" -eq 0 ]
        [ "${lines[0]} ${lines[1]} ${lines[2]} ${lines[3]}" = "1000 1000 1000 /work" ]
        [[ $output == *$'\nONE=1'* ]]
        [[ $output != *SECRET* ]]
        [ "$(env -i sh -c 'echo' | wc -l)" -eq 1 ]
        for name in HOME=/work USER=agent LANG=C.UTF-8 TMPDIR=/tmp PATH=; do [[ $output == *"$name"* ]]; done
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
s = socket.socket(socket.AF_UNIX); s.bind("\0skep-test-abstract"); s.listen(); time.sleep(5)' &
        server=$!
        sleep 0.5
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

@test "a terminal on standard input is relayed, and stays outside" {
        run python3 - "$build/skep-jail" "$MISSING" <<'P'
import os, pty, subprocess, sys
master, slave = pty.openpty()
job = subprocess.Popen([sys.argv[1], "--allow-missing=" + sys.argv[2], "--wall", "10s", "--", "sh", "-c",
                        "test -t 0 && echo terminal; readlink /proc/self/fd/0; read line; echo got $line"],
                       stdin=slave, stdout=subprocess.PIPE, text=True)
os.close(slave)
os.write(master, b"typed\n")
print(job.communicate(timeout=20)[0], end="")
P
        [[ ${lines[0]} == pipe:* ]]
        [ "${lines[1]}" = "got typed" ]
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

@test "strict runs a static program and a pipeline of coreutils and awk" {
        run jail --policy strict -- sh -c '/input/payload limits; seq 100 | sort -rn | head -3 | awk "{s+=\$1} END {print s}"; ls /usr | wc -l > /work/n; cat /work/n' </dev/null
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = "core 1 files 4096" ]
        [ "${lines[1]}" = 297 ]
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

@test "inputs are read-only, keep their executable bit, and may be private to their owner" {
        echo secret > private
        chmod 600 private
        run jail --input private=private -- sh -c 'cat /input/private; test -x /input/payload; : > /input/private; rm /input/private' </dev/null
        [ "${lines[0]}" = secret ]
        [ "$status" -ne 0 ]
        [ "$(cat private)" = secret ]
}

@test "a directory goes in as a tree, and results come out as one" {
        mkdir -p src/sub
        echo one > src/a
        echo two > "src/sub/b c"
        ln -s a src/link
        printf '#!/bin/sh\necho ran\n' > src/run
        chmod +x src/run
        run jail --input src/=src --output out -- sh -c 'cat /input/src/link "/input/src/sub/b c"; /input/src/run; cp -r /input/src/sub /output/; echo three > /output/c; : > /input/src/new' </dev/null
        [ "${lines[0]} ${lines[1]} ${lines[2]}" = "one two ran" ]
        [ "$(cat "out/sub/b c")" = two ]
        [ "$(cat out/c)" = three ]
}

@test "links, FIFOs and what they point to do not come out" {
        run jail --output out -- sh -c 'ln -s /etc/passwd /output/link; mkfifo /output/fifo; echo x > /output/file; ln /output/file /output/hard' </dev/null
        [ "$status" -eq 0 ]
        [ "$(ls out | tr '\n' ' ')" = "file hard " ]
}

@test "holes and second names in /output are not copied out over the limit" {
        run jail --disk 1M --output out -- truncate -s 3G /output/x </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *'"x"'*"too large"* ]]
        [ "$(du -sk out 2>/dev/null | cut -f1)" -le 64 ] || [ ! -e out ]
        run jail --disk 8M --output out2 -- sh -c 'head -c 4M /dev/zero > /output/a; for i in 1 2 3 4; do ln /output/a /output/$i; done' </dev/null
        [ "$status" -eq 125 ]
}

@test "a result that cannot be kept is known before the job runs" {
        run jail --output /nowhere/a/b -- sh -c 'echo ran' </dev/null
        [ "$status" -eq 125 ]
        [[ $output != *ran* ]]
        run "$build/skep-jail" --allow-missing="$MISSING" --report /nowhere/r.json -- sh -c 'echo ran' </dev/null
        [ "$status" -eq 125 ]
        [[ $output != *ran* ]]
}

@test "output that our own reader does not take is an error" {
        status=0
        jail -- echo text > /dev/full </dev/null 2> err || status=$?
        [ "$status" -eq 125 ]
        grep -q "No space left" err
}

@test "a slow reader gets what was counted, also when a limit ends the job" {
        got=$(jail --wall 700ms -- sh -c 'head -c 400000 /dev/zero; sleep 9' </dev/null 2>/dev/null | { sleep 1.5; wc -c; })
        [ "$got" -eq 400000 ]
        [ "$(json_get stdout_bytes "$report")" = 400000 ]
}

@test "a job that hands its output to somebody outside does not hold its jail" {
        mkdir -m 777 shared
        chmod 755 "$BATS_TEST_TMPDIR"
        python3 - <<'P' 3>&- &
import array, socket, time
s = socket.socket(socket.AF_UNIX); s.bind("shared/s"); __import__("os").chmod("shared/s", 0o777); s.listen()
c, _ = s.accept(); c.recvmsg(10, 1000); time.sleep(30)
P
        holder=$!
        for i in $(seq 100); do [ -S shared/s ] && break; sleep 0.1; done
        run timeout 10 "$build/skep-jail" --allow-missing="$MISSING" --bind "$PWD/shared:/tmp/s" -- python3 -c '
import socket, array
s = socket.socket(socket.AF_UNIX); s.connect("/tmp/s/s")
s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2]))]); print("sent")' </dev/null
        kill $holder
        [ "$status" -eq 0 ]
        [ "$output" = sent ]
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

@test "a policy under which nothing can start or end is refused at once" {
        printf '{"filesystem": {"execute": ["/usr"]}, "syscalls": {"allow": ["read", "write", "exit_group"]}}' > p.json
        run timeout 10 "$build/skep-jail" --policy ./p.json -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *execve* ]]
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

@test "a /run that cannot be used is an error and not a hang" {
        needs_root
        run timeout 20 unshare -m sh -c 'mount -t tmpfs t /run && ln -s /nonexistent /run/skep && "$0" --allow-missing="$1" -- true' "$build/skep-jail" "$MISSING" </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *jail-ids* ]]
}

@test "an archive that is none is refused, and names the input" {
        echo nonsense-that-is-not-a-tar > f
        head -c 2000 /dev/urandom > g
        run python3 - "$build/skep-jail" "$MISSING" <<'P'
import subprocess, sys
sys.exit(subprocess.run([sys.argv[1], "--allow-missing=" + sys.argv[2], "--input", "t/=f", "--", "true"]).returncode)
P
        [ "$status" -eq 125 ]
        [[ $output == *"t/"* ]]
}

@test "a bound directory is seen, and written only when asked" {
        mkdir project
        chmod 755 project "$BATS_TEST_TMPDIR"
        echo text > project/file
        run jail --bind "$PWD/project:/work/p" -- sh -c 'cat /work/p/file; : > /work/p/new' </dev/null
        [ "${lines[0]}" = text ]
        [ ! -e project/new ]
        run jail --bind-rw "$PWD/project:/work/p" -- sh -c 'echo more > /work/p/new; stat -c %U /work/p/new' </dev/null
        if [[ $output == *"cannot be id-mapped"* ]]; then skip "the file system of $PWD has no id-mapped mounts"; fi
        [ "$output" = agent ]
        [ "$(cat project/new)" = more ]
        [ "$(stat -c %u project/new)" = "$(stat -c %u project)" ]
}

@test "bad input is refused in a sentence with 125, and nothing is created" {
        mkfifo fifo
        python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("socket")'
        mkdir dir
        refuse() {
                local part=$1
                shift
                run timeout 20 "$build/skep-jail" --allow-missing="$MISSING" "$@" </dev/null
                [ "$status" -eq 125 ] || { echo "$*: status $status"; return 1; }
                [[ $output == *"$part"* ]] || { echo "$*: $output"; return 1; }
                [ "${#lines[@]}" -eq 1 ]
        }
        refuse "there is no such option" --frobnicate -- true
        refuse "--memory" --memory lots -- true
        refuse "--memory" --memory 99999999999T -- true
        refuse "--memory" --memory 0 -- true
        refuse "--wall" --wall 5 -- true
        refuse "--pids" --pids -1 -- true
        refuse "a/b" --input a/b="$payload" -- true
        refuse "\"..\"" --input ..="$payload" -- true
        refuse 'x0a' --input $'a\nb'="$payload" -- true
        refuse "NAME=PATH" --input nothing -- true
        refuse "regular file" --input f=fifo -- true
        refuse "regular file" --input s=socket -- true
        refuse "is a directory" --input d=dir -- true
        refuse "not a directory" --input d/="$payload" -- true
        refuse "nowhere" --input d=nowhere -- true
        refuse "two inputs" --input d="$payload" --input d="$payload" -- true
        refuse "no policy" --policy nothing -- true
        refuse "magic" --allow-missing=magic -- true
        refuse "never made without" --allow-missing=seccomp -- true
        refuse "--setenv" --setenv 1A=b -- true
        refuse "--chdir" --chdir work -- true
        refuse "which command"
        refuse "needs a value" --memory
        many=()
        for i in $(seq 17); do many+=(--input "n$i=$payload"); done
        refuse "more than 16 inputs" "${many[@]}" -- true
        printf '{"limits": {"memroy": 1}}' > p.json
        refuse "p.json: limits.memroy: unknown key" --policy ./p.json -- true
        nothing_is_left
}

@test "a working directory that is not there is said" {
        run jail --chdir /work/nowhere -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"/work/nowhere"* ]]
}

@test "Ctrl-C cancels, and so does SIGTERM" {
        for signal in INT TERM; do
                "$build/skep-jail" --allow-missing="$MISSING" --report "$report" -- sleep 30 </dev/null &
                caller=$!
                sleep 1
                kill -$signal $caller
                status=0
                wait $caller || status=$?
                [ "$status" -eq 130 ]
                [ "$(reason)" = cancelled ]
        done
}

@test "orphans that ignore every signal go with the job" {
        run timeout 20 "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" -- /input/payload orphans </dev/null
        [ "$status" -eq 0 ]
        [ "$output" = left ]
        [ -z "$(pgrep -f 'payload orphans')" ]
}

@test "nothing is left when the caller is killed" {
        "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" --wall 60s -- /input/payload orphans </dev/null &
        "$build/skep-jail" --allow-missing="$MISSING" -- sleep 61 </dev/null &
        sleep 1
        kill -KILL %1 %2 2>/dev/null || true
        nothing_is_left
        [ -z "$(pgrep -f 'sleep 61')" ]
}

@test "nothing is left when the caller is killed at any moment of the start" {
        for delay in 0.001 0.003 0.004 0.004 0.005 0.005 0.006 0.006 0.007 0.008 0.009 0.010 0.012 0.015 0.020 0.030 0.050; do
                "$build/skep-jail" --allow-missing="$MISSING" -- sleep 62 </dev/null 2>/dev/null &
                sleep $delay
                kill -KILL $! 2>/dev/null || true
        done
        nothing_is_left
        [ -z "$(pgrep -f 'sleep 62')" ]
}

@test "a jail that waits for a long job gives back the memory of its program" {
        ldd "$build/skep-jail" 2>&1 | grep -q statically || skip "with the sanitizers it is large"
        "$build/skep-jail" --policy strict --allow-missing="$MISSING" -- sleep 20 < /dev/null 3>&- &
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

@test "the report has every key" {
        jail -- true </dev/null
        for key in reason exit_code signal message attempt start cached worker policy_digest setup_usec wall_usec \
                cpu_user_usec cpu_system_usec memory_peak_bytes pids_peak io_read_bytes io_write_bytes \
                pressure.memory_usec pressure.cpu_usec pressure.io_usec stdout_bytes stderr_bytes truncated \
                denied_syscalls denied_complete enforced.user enforced.mount enforced.seccomp enforced.wall not_enforced; do
                json_get $key "$report" > /dev/null
        done
        [ "$(json_get start "$report")" = cold ]
}

@test "nothing is left of all this" {
        nothing_is_left
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A job in a jail that was there before it: the same as any other, but sooner. (What it must hold: escapes.sh.)

bats_require_minimum_version 1.5.0
load ../helper
load jail

# Runs in a jail that waits for it, with the payload at /input/payload.
warm() {
        timeout 60 "$build/warm-jail" --allow-missing="$MISSING" --report "$report" --input payload="$payload" "$@"
}

start() {
        json_get start "$report"
}

@test "a job gets a jail that was there before, and its report says so" {
        run warm -- sh -c 'echo here; exit 7' </dev/null
        [ "$status" -eq 7 ]
        [ "$output" = here ]
        [ "$(start)" = warm ]
        [ "$(reason)" = exited ]
}

@test "it sees what a job in a new jail sees" {
        cat > look <<'END'
id; pwd; env | sort; uname -n; ls -lan / /dev /work /tmp /output /input | sed 's/^\([^ ]*\) *[0-9]* /\1 /; s/ [A-Z][a-z][a-z] .*:../ /'
sed 's/ [0-9]*:[0-9]* / /; s/^[0-9]* [0-9]* //; s/,size=[^ ,]*//; s/,nr_inodes=[^ ,]*//' /proc/self/mountinfo | sort
grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid|Pid|PPid|Shd|Sig)' /proc/self/status; cat /proc/self/cgroup; ulimit -a
ls /proc/self/fd | tr '\n' ' '; cat /proc/self/oom_score_adj; ls -l /proc/self/ns | wc -l; umask
END
        "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" --input look=look -- sh /input/look > cold < /dev/null
        warm --input look=look -- sh /input/look > warm < /dev/null
        diff cold warm
        [ "$(wc -l < warm)" -gt 60 ]
        [ "$(start)" = warm ]
}

@test "inputs, archives, standard input, variables, directory and results" {
        mkdir -p tree/below && echo deep > tree/below/file && echo typed > given && chmod 755 given
        run warm --input tree/=tree --input given=given --setenv WORD=said --chdir /input/tree/below --output out -- \
                sh -c 'cat file; cat /input/given; test -x /input/given && cat; echo $WORD; echo kept > /output/result' < given
        [ "$status" -eq 0 ]
        [ "${lines[*]}" = "deep typed typed said" ]
        [ "$(cat out/result)" = kept ]
        [ "$(start)" = warm ]
        echo piped | warm -- cat > from-pipe
        [ "$(cat from-pipe)" = piped ]
}

@test "inputs and standard input are read-only" {
        echo one > given && chmod 666 given
        run warm --input given=given -- sh -c 'echo two > /input/given; touch /input/new; rm /input/given
                truncate -s 0 /proc/self/fd/0; echo x > /proc/self/fd/0; umount /input/given; cat /input/given' < given
        [ "${lines[-1]}" = one ]
        [ "$(cat given)" = one ]
        [ "$(start)" = warm ]
}

@test "an input that has to be copied, or a bind, takes a new jail" {
        echo private > given && chmod 600 given
        run warm --input given=given -- cat /input/given </dev/null
        [ "$output" = private ]
        [ "$(start)" = cold ]
        run warm --bind "$PWD":/work/here -- ls /work/here </dev/null
        [ "$status" -eq 0 ]
        [ "$(start)" = cold ]
}

@test "a job gets no jail of another policy, or of what its own was before" {
        run warm --keep python --policy strict -- sh -c 'cp /bin/true /tmp/t && /tmp/t' </dev/null
        [ "$status" -eq 126 ]
        [ "$(start)" = cold ]
        cat > mine.json <<< '{"extends": "strict", "filesystem": {"execute": ["/tmp"]}}'
        sed 's/, "filesystem".*}}/}/' mine.json > before.json
        run warm --keep ./before.json --policy ./mine.json -- sh -c 'cp /bin/true /tmp/t && /tmp/t' </dev/null
        [ "$status" -eq 0 ]
        [ "$(start)" = cold ]
}

@test "the limits are the job's" {
        run warm --disk 1M -- dd if=/dev/zero of=/work/big bs=64k count=64 </dev/null
        [[ $output == *"No space left"* ]]
        [ "$(start)" = warm ]
        run warm --files 20 -- sh -c 'for i in $(seq 50); do : > /tmp/$i || break; done; ls /tmp | wc -l' </dev/null
        [ "${lines[-1]}" -ge 15 ] && [ "${lines[-1]}" -le 20 ]
        run warm --disk 64M -- dd if=/dev/zero of=/work/big bs=1M count=60 </dev/null
        [ "$status" -eq 0 ]
        run warm --pids 5 -- sh -c 'for i in 1 2 3 4 5 6 7; do sleep 5 & done; wait' </dev/null
        [[ $output == *ork* ]]
        run warm --wall 300ms -- sleep 20 </dev/null
        [ "$status" -eq 124 ]
        [ "$(reason)" = wall-limit ]
        run warm --cpu-time 300ms -- sh -c 'while :; do :; done' </dev/null
        [ "$status" -eq 124 ]
        [ "$(reason)" = cpu-limit ]
        [ "$(start)" = warm ]
        run warm --output-limit 1000 -- head -c 5000 /dev/zero </dev/null
        [ "$(json_get stdout_bytes "$report")" = 1000 ]
}

@test "memory is limited, where its controller is" {
        [[ ,$MISSING, != *,memory,* ]] || skip "this host has no memory controller"
        run warm --memory 32M -- /input/payload memory 64 </dev/null
        [ "$(reason)" = oom ]
        [ "$(start)" = warm ]
}

@test "refused calls are counted" {
        run warm -- /input/payload ptrace 3 </dev/null
        [ "$(json_get denied_syscalls.ptrace "$report")" = 3 ]
        [ "$(start)" = warm ]
}

@test "a policy under which nothing can wait has jails that wait all the same" {
        cat > few.json <<< '{"filesystem": {"execute": ["/input"]}, "syscalls": {"allow": ["execve", "exit_group", "write", "brk",
                "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlinkat", "getrandom", "mprotect"]}}'
        run warm --policy ./few.json -- /input/payload ptrace 2 </dev/null
        [[ $output == *refused* ]]
        [ "$(json_get denied_syscalls.ptrace "$report")" = 2 ]
        [ "$(start)" = warm ]
}

@test "what making the jail has cost is not in the job's accounts" {
        # The least of some: what else the machine does is in them, too.
        for i in 1 2 3 4 5; do
                run warm -- true </dev/null
                [ "$(start)" = warm ]
                "$build/skep-jail" --allow-missing="$MISSING" --report cold.json -- true < /dev/null
                [ "$(json_get setup_usec "$report")" -gt 0 ]
                used() { echo $(($(json_get cpu_user_usec "$1") + $(json_get cpu_system_usec "$1"))); }
                used "$report" >> warm
                used cold.json >> cold
        done
        [ "$(sort -n warm | head -1)" -lt "$(sort -n cold | head -1)" ]
}

@test "no two jobs share a jail" {
        run warm --jobs 6 -- sh -c 'ls -A /tmp /work /dev/shm /output | grep -c found; hostname; : > /tmp/found
                : > /work/found; : > /dev/shm/found; : > /output/found; cat /proc/sys/kernel/random/boot_id > /dev/null' </dev/null
        [ "$status" -eq 0 ]
        [ "$(printf '%s\n' "${lines[@]}" | sort -u | tr '\n' ' ')" = "0 skep " ]
        [ "${#lines[@]}" -eq 12 ]
}

@test "who can make a socket gets a network that nobody was in" {
        run warm --policy python --jobs 4 -- python3 -c '
import socket
print(open("/proc/net/dev").read().split("lo:")[1].split()[0])
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).send(b"said")' < /dev/null
        [ "$status" -eq 0 ]
        [ "${lines[*]}" = "0 0 0 0" ]
        # Where none can be made, there is no loopback to use; of any kind, since names of sockets would be seen by the next.
        run warm --policy strict -- grep -c 127.0.0.1 /proc/self/net/fib_trie < /dev/null
        [ "$output" = 0 ]
        echo '{"extends": "strict", "syscalls": {"allow": ["socketpair"]}}' > pair.json
        run warm --policy ./pair.json -- grep -q 127.0.0.1 /proc/self/net/fib_trie < /dev/null
        [ "$status" -eq 0 ]
}

@test "who can make no IPC object is where there is none, and never in the host's namespace" {
        needs_root
        run warm --policy strict --jobs 2 -- readlink /proc/self/ns/ipc < /dev/null
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = "${lines[1]}" ]
        [ "${lines[0]}" != "$(readlink /proc/self/ns/ipc)" ]
        # By what is in there: its number may be that of one that has gone.
        echo '{"extends": "strict", "syscalls": {"allow": ["@ipc"]}}' > ipc.json
        run warm --policy ./ipc.json --jobs 2 -- sh -c 'ipcmk -M 4096 && ipcs -m | grep -c 4096; readlink /proc/self/ns/ipc' < /dev/null
        [ "$status" -eq 0 ]
        [ "$(grep -c '^1$' <<< "$output")" -eq 2 ]
        [[ $output != *"$(readlink /proc/self/ns/ipc)"* ]]
}

@test "a program that is not there, and a directory that is not" {
        run -127 warm -- nonesuch </dev/null
        [[ $output == *"nonesuch: not found in the jail"* ]]
        run warm -- /etc/passwd </dev/null
        [ "$status" -eq 126 ]
        run warm --chdir /nowhere -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"/nowhere"* ]]
        [ "$(start)" = warm ]
}

@test "where all processors are busy, jails are made ahead all the same, but slowly" {
        for _ in $(seq "$(nproc)"); do
                timeout 60 sh -c 'while :; do :; done' &
        done
        spinners=$(jobs -p)
        begin=$(date +%s%N)
        warm --jobs 20 -- true
        end=$(date +%s%N)
        kill $spinners
        [ "$(start)" = warm ]
        (((end - begin) / 1000000 >= 19 * 50))
}

@test "nothing is left when the caller is killed at any moment" {
        for ms in 0 5 10 15 20 25 30 40 50 60 80 100; do
                timeout -s KILL "$(printf '0.%03d' "$ms")" "$build/warm-jail" --allow-missing="$MISSING" --jobs 50 \
                        --input payload="$payload" -- true </dev/null >/dev/null 2>&1 || true
        done
        for _ in $(seq 50); do
                [ "$(leftovers)" != "$BEFORE" ] || break
                sleep 0.1
        done
        nothing_is_left
}

@test "nothing is left of all this" {
        nothing_is_left
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Refused system calls are seen: while the job runs, and at the end of one that failed.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

jail() {
        "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" "$@" </dev/null
}

@test "a refused call is said with its program and its arguments" {
        jail --trace-denied -- /input/payload ptrace 1 2> err || true
        [ "$(cat err)" = 'skep-jail: denied: ptrace(0, 0, 0x0, 0x0) by "payload" (pid 2)' ]
}

@test "strings among the arguments are shown" {
        jail --trace-denied -- /input/payload mount 2> err || true
        [ "$(cat err)" = 'skep-jail: denied: mount("none", "/tmp", "tmpfs", 0x0, 0x0) by "payload" (pid 2)' ]
}

@test "the files that a refused call names are shown, whichever call it is" {
        [ "$(uname -m)" = x86_64 ] || skip "the numbers of the calls are those of x86-64"
        echo '{"extends": "python", "syscalls": {"deny": ["access", "inotify_add_watch", "link", "rename", "rmdir", "setxattr", "unlink"]}}' > denies.json
        cat > names.py <<'P'
import ctypes
call = ctypes.CDLL(None).syscall
call(87, b"/work/f")
call(82, b"a", b"b")
call(86, b"c", b"d")
call(84, b"e\n")
call(188, b"/work", b"user.x", b"v", 1, 0)
call(254, 7, b"/tmp", 2)
call(21, b"/work/g", 4)
P
        jail --trace-denied --policy ./denies.json --input names.py=names.py -- python3 -S /input/names.py 2> err
        grep -qF 'denied: unlink("/work/f") by' err
        grep -qF 'denied: rename("a", "b") by' err
        grep -qF 'denied: link("c", "d") by' err
        grep -qF 'denied: rmdir("e\x0a") by' err
        grep -q 'denied: setxattr("/work", "user.x", 0x[0-9a-f]*, 1, 0x0) by' err
        grep -qF 'denied: inotify_add_watch(7, "/tmp", 0x2) by' err
        grep -q 'denied: access(".*", 0x[0-9]) by' err # the linker's is the first
}

@test "the first call of each is said, and no other" {
        jail --trace-denied -- sh -c '/input/payload ptrace 5; /input/payload ptrace 5; /input/payload unshare' 2> err || true
        [ "$(grep -c denied: err)" -eq 2 ]
        [ "$(grep -c ptrace err)" -eq 1 ]
        grep -q 'unshare(0x10000000)' err
}

@test "it is said while the job runs" {
        "$build/skep-jail" --allow-missing="$MISSING" --input payload="$payload" --trace-denied --wall 60s -- \
                sh -c '/input/payload ptrace 1; sleep 50' </dev/null 2> err &
        for i in $(seq 300); do grep -q denied err && break; sleep 0.1; done
        grep -q 'denied: ptrace' err
        kill -0 $!
        kill -TERM $!
        wait $! || true
}

@test "a refused call is counted once, also where signals come all the time" {
        [ "$(printf '6.17\n%s\n' "$(uname -r)" | sort -V | head -1)" = 6.17 ] ||
                skip "this kernel may wake a call whose answer is on its way (\"tracer replies too fast\" of seccomp.c)"
        cat > refused.py <<'P'
import ctypes, errno, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGALRM, lambda *a: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
print([libc.unshare(0) < 0 and ctypes.get_errno() for i in range(2000)].count(errno.EPERM))
P
        for i in 1 2 3 4; do
                [ "$(jail --report report --input refused.py=refused.py -- python3 /input/refused.py)" = 2000 ]
                [ "$(json_get denied_syscalls.unshare report)" = 2000 ]
        done
}

@test "the name of a program cannot write to the terminal" {
        cat > named.py <<'P'
import ctypes
libc = ctypes.CDLL(None)
libc.prctl(15, b"\033]0;x\007\nskep", 0, 0, 0)
libc.unshare(0x10000000)
P
        jail --trace-denied --input named.py=named.py -- python3 /input/named.py 2> err
        [ "$(wc -l < err)" -eq 1 ]
        grep -qF 'by "\x1b]0;x\x07\x0askep"' err
}

@test "no argument of a call looks like another" {
        cat > quoted.py <<'P'
import ctypes
libc = ctypes.CDLL(None)
libc.mount(b'a", "b") by "systemd" (pid 1)', "\u202eb\\".encode(), b"tmpfs", 0, None)
P
        jail --trace-denied --input quoted.py=quoted.py -- python3 /input/quoted.py 2> err
        [ "$(cat err)" = 'skep-jail: denied: mount("a\x22, \x22b\x22) by \x22systemd\x22 (pid 1)", "\xe2\x80\xaeb\x5c", "tmpfs", 0x0, 0x0) by "python3" (pid 2)' ]
}

@test "an image's words do not reach the terminal as they are" {
        run -127 jail -- "$(printf '/bin/\033[31mred')"
        [[ $output == *'/bin/\x1b[31mred'* ]]
        run jail --chdir "$(printf '/\033]0;x\007')" -- true
        [[ $output == *'\x1b]0;x\x07'* ]]
}

@test "who ends itself by SIGSYS was refused nothing" {
        run jail -- sh -c 'kill -SYS $$'
        [ "$status" -eq 159 ]
        [ -z "$output" ]
}

@test "what cannot be read is shown as an address" {
        cat > bad.py <<'P'
import ctypes
ctypes.CDLL(None).chroot(ctypes.c_void_p(16))
P
        jail --trace-denied --input bad.py=bad.py -- python3 /input/bad.py 2> err
        grep -qF 'chroot(0x10) by "python3"' err
}

@test "the count is the same with and without it" {
        jail --report plain -- /input/payload ptrace 3 || true
        jail --report traced --trace-denied -- /input/payload ptrace 3 || true
        [ "$(json_get denied_syscalls plain)" = "$(json_get denied_syscalls traced)" ]
        [ "$(json_get denied_complete traced)" = true ]
}

@test "a job that fails says at its end what it was refused; one that does not says nothing" {
        jail -- sh -c '/input/payload ptrace 3; /input/payload mount; exit 4' > out 2> err || status=$?
        [ "$status" -eq 4 ]
        [ "$(cat err)" = "skep-jail: refused system calls: ptrace 3, mount 1; --trace-denied says whose" ]
        jail -- sh -c '/input/payload ptrace 3; exit 0' > out 2> err
        [ ! -s err ]
        jail -- sh -c 'exit 4' > out 2> err || true
        [ ! -s err ]
}

@test "a job that is killed for a refused call says so" {
        policy=$(write_policy kill '{"filesystem": {"execute": ["/usr", "/input"]}, "syscalls": {"action": "kill", "allow": ["@default", "@basic-io", "@file-system", "@process", "@signal"]}}')
        "$build/skep-jail" --policy "$policy" --trace-denied --input payload="$payload" -- /input/payload ptrace 1 </dev/null 2> err || status=$?
        [ "$status" -eq 159 ]
        [[ $(cat err) == *"killed for a system call"* ]]
        for action in KILL KILL_THREAD KILL_PROCESS TRAP; do
                printf '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_%s"}]}' $action > profile.json
                for times in 1 2; do # the second from what was kept of the first
                        run jail --policy ./profile.json -- mkdir /work/x </dev/null
                        [ "$status" -eq 159 ]
                        [[ $output == *"killed for a system call"* ]]
                done
        done
}

@test "a job that may have filters of its own answers no call in the place of ours" {
        echo '{"extends": "python", "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}' > all.json
        echo '{"extends": "python", "syscalls": {"allow": ["seccomp"]}, "devices": ["/dev/tty"]}' > device.json
        for name in all device; do
                run "$top/tests/jail/escapes.sh" --tap --only 'resources: own-listener' --policy "$PWD/$name.json"
                echo "$output"
                [ "$status" -eq 0 ]
                [ "${lines[1]}" = "ok 1 - $PWD/$name.json: resources: own-listener" ]
        done
}

@test "nothing is left of all this" {
        nothing_is_left
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skep-jail as a command: what goes in, what comes out, and how it ends. Words, options and pipes, which no kernel answers otherwise.

bats_require_minimum_version 1.5.0
load ../helper
load jail

@test "the exit status is the job's own" {
        run jail -- sh -c 'exit 7' </dev/null
        [ "$status" -eq 7 ]
        [ "$(reason)" = exited ]
        [ "$(json_get exit_code "$report")" = 7 ]
}

@test "a missing program is 127, one that cannot be executed 126" {
        run -127 jail -- /no/such/program </dev/null
        [ "$status" -eq 127 ]
        [ "$(reason)" = exec-failed ]
        run -127 jail -- nosuchprogram </dev/null
        [ "$status" -eq 127 ]
        run -127 jail -- $'/no/\e[2J' </dev/null
        [[ $output == *'/no/\x1b[2J: not found in the jail'* ]]
        run jail -- /etc/passwd </dev/null
        [ "$status" -eq 126 ]
        [ "$(reason)" = exec-failed ]
        run jail -- /usr </dev/null
        [ "$status" -eq 126 ]
}

@test "a program is looked for from the working directory, and where PATH has nothing it is not found" {
        mkdir here
        printf '#!/nope\n' | tee here/plain here/script > /dev/null
        chmod +x here/script
        printf '#!/bin/sh\necho found\n' > here/good
        chmod +x here/good
        from() { jail --input d/=here --chdir /input/d "$@" </dev/null; }
        run from -- ./plain
        [ "$status" -eq 126 ]
        run from --setenv PATH=.:/bin -- plain
        [ "$status" -eq 126 ]
        run from -- ./script
        [ "$status" -eq 126 ]
        [[ $output == *"./script: its interpreter is not in the jail"* ]]
        [ "$(from -- ./good)" = found ]
        run -127 from -- ./missing
        for path in '' :; do
                run -127 from --setenv PATH=$path -- good
                [ "$(reason)" = exec-failed ]
        done
}

@test "whatever a job's words are, its report is JSON in UTF-8, and says what was wrong" {
        says() { # SENTENCE: of the report, which is read as strictly as can be
                python3 -c 'import json, sys; print(json.loads(open(sys.argv[1], "rb").read().decode())["message"])' "$report" > message
                grep -qF -- "$1" message
        }
        long=$(printf 'é%.0s' {1..300})
        run -127 jail -- "$long" </dev/null
        says éééé
        [ "$(reason)" = exec-failed ]
        says 'é…: File name too long'
        run -127 jail -- "x$long" </dev/null
        says xéééé
        run jail --chdir "/$long" -- true </dev/null
        says 'é…: File name too long'
        run -127 jail -- $'/no/\xff' </dev/null
        says '/no/\xff: not found in the jail'
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

@test "where there is no /dev/null, a closed standard input is empty all the same, and none of ours" {
        needs_root
        bare() { unshare -m sh -c 'mount -t tmpfs none /dev && exec "$@" <&-' sh "$build/skep-jail" --allow-missing="$MISSING" --wall 10s "$@"; }
        run bare -- cat
        [ "$status" -eq 0 ]
        [ -z "$output" ]
        run unshare -m sh -c 'exec < /dev/null; mount -t tmpfs none /dev && exec "$@"' sh "$build/skep-jail" --allow-missing="$MISSING" -- true
        [ "$status" -eq 125 ]
        [[ $output == *"/dev/null: No such file"* ]]
}

@test "a reader that goes away ends the job as in any pipe" {
        run timeout 20 bash -c '"$1" --allow-missing="$MISSING" --wall 15s --report "$2" -- yes </dev/null | head -1' - "$build/skep-jail" "$report"
        [ "$output" = y ]
        [ "$(reason)" = signalled ]
        [ "$(json_get signal "$report")" = 13 ]
}

@test "what cannot be written to standard output is an error" {
        for words in --help --version 'explain strict' 'explain --diff strict python --json' 'doctor --json'; do
                run sh -c 'exec "$0" "$@" > /dev/full' "$build/skep-jail" $words
                [ "$status" -eq 125 ]
                [[ $output == *"writing to standard output: No space left on device"* ]]
        done
}

@test "who has read enough of what is said is no failure, also where SIGPIPE is ignored" {
        for words in --help --version 'explain strict' 'explain --diff strict python --json' 'image list'; do
                { trap "" PIPE; status=0; sleep 0.2; "$build/skep-jail" $words 2> err || status=$?; echo $status > status; } | true
                [ ! -s err ]
                [[ $words == *--diff* ]] || [ "$(< status)" -eq 0 ]
        done
        # A job is ended by that as it would be by any pipe, whatever its caller ignores.
        { trap "" PIPE; jail --wall 20s -- yes </dev/null || : ; } | head -1
        [ "$(reason)" = signalled ]
        [ "$(json_get signal "$report")" = 13 ]
}

@test "where no file may grow, that is an error with a sentence" {
        run bash -c 'ulimit -f 0; exec "$@"' bash "$build/skep-jail" --allow-missing="$MISSING" -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"File too large"* ]]
}

@test "a report for a FIFO that nobody reads is an error, and no wait" {
        mkfifo fifo
        run timeout -s KILL 20 "$build/skep-jail" --allow-missing="$MISSING" --report fifo -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"writing the report to fifo"* ]]
        exec 7<> fifo
        "$build/skep-jail" --allow-missing="$MISSING" --report fifo -- true </dev/null
        while read -r -t 20 line <&7; do
                echo "$line"
                [ "$line" != "}" ] || break
        done > "$report"
        [ "$(reason)" = exited ]
}

@test "in a directory that is gone, what is relative is not found" {
        mkdir gone
        cd gone
        rmdir ../gone
        for option in '--bind .' '--root ./tree'; do
                run "$build/skep-jail" --allow-missing="$MISSING" $option -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"No such file or directory"* ]]
        done
        run "$build/skep-jail" --allow-missing="$MISSING" -- pwd </dev/null
        [ "$output" = /work ]
}

@test "a stuck reader cannot hold the jail beyond its wall limit" {
        for stream in 1 2; do
                { jail --wall 500ms -- sh -c "exec yes >&$stream" </dev/null && : || : > "over$stream"; } 2>&1 | {
                        for i in $(seq 600); do [ -e "over$stream" ] && break; sleep 0.1; done
                        [ -e "over$stream" ] && : > "told$stream"
                } || true
                [ -e "told$stream" ]
                [ "$(reason)" = wall-limit ]
        done
}

@test "what is said of a job comes behind what it said itself" {
        { jail --wall 3s -- sh -c 'seq 100000 >&2; exec sleep 9' </dev/null || : ; } 2>&1 | { sleep 3.2; cat; } > said
        [ "$(wc -l < said)" -eq 100001 ]
        [ "$(tail -1 said)" = "skep-jail: the job was ended by its wall limit" ]
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

@test "a report to standard output comes behind the output, and takes nothing away" {
        run_here() {
                "$build/skep-jail" --allow-missing="$MISSING" --report /dev/stdout "$@" </dev/null
        }
        run_here -- echo said > out
        [ "$(head -1 out)" = said ]
        tail -n +2 out > report
        [ "$(json_get reason report)" = exited ]
        echo older > out
        run_here -- echo said >> out
        [ "$(head -2 out)" = $'older\nsaid' ]
        run_here -- echo said | cat > out
        [ "$(head -1 out)" = said ]
        tail -n +2 out > report
        [ "$(json_get reason report)" = exited ]
        echo older > out
        status=0
        run_here --memory nonsense -- true >> out 2> err || status=$?
        [ "$status" -eq 125 ]
        [ "$(head -1 out)" = older ]
        tail -n +2 out > report
        [ "$(json_get reason report)" = setup-failed ]
        # nor does it wait for who does not read
        mkfifo unread
        exec 4<> unread
        timeout 20 "$build/skep-jail" --allow-missing="$MISSING" --report /dev/stdout --wall 500ms -- yes </dev/null > unread 2> err || status=$?
        exec 4<&-
        [ "$status" -eq 124 ]
        grep -q "wall limit" err
}

@test "of a pipe of packets, too, all is passed on when the job has ended" {
        cat > packets <<'P'
import fcntl, os, time
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
os.write(2, b"ready\n")
while not os.path.exists("/tmp/go/now"):
    time.sleep(0.01)
for i in range(250):
    os.write(1, b"%d\n" % i)
P
        mkdir go
        "$build/skep-jail" --allow-missing="$MISSING" --input packets=packets --bind "$PWD/go:/tmp/go" -- \
                python3 /input/packets </dev/null > out 2> err 3>&- &
        jail_pid=$!
        until grep -q ready err; do sleep 0.01; done
        kill -STOP "$jail_pid" # so that none is read before
        touch go/now
        sleep 0.5
        kill -CONT "$jail_pid"
        wait "$jail_pid"
        [ "$(wc -l < out)" -eq 250 ]
}

@test "a terminal that nobody reads holds up neither a limit nor a signal" {
        run timeout 60 python3 - "$build/skep-jail" "$MISSING" <<'P'
import pty, subprocess, sys
def run(wall):
    return subprocess.Popen([sys.argv[1], "--allow-missing=" + sys.argv[2], "--wall", wall, "--", "yes"],
                            stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL)
master, slave = pty.openpty()
print(run("500ms").wait())
job = run("1min") # which is full now
try:
    job.wait(1)
except subprocess.TimeoutExpired:
    job.terminate()
print(job.wait())
P
        [ "$output" = $'124\n130' ]
}

@test "strict runs a static program and a pipeline of coreutils and awk" {
        run jail --policy strict -- sh -c '/input/payload limits; seq 100 | sort -rn | head -3 | awk "{s+=\$1} END {print s}"; ls /usr | wc -l > /work/n; cat /work/n' </dev/null
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = "core 1 files 4096" ]
        [ "${lines[1]}" = 297 ]
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

@test "a directory goes in while others are at work in it" {
        mkdir live
        touch live/{1..1000}
        echo kept > live/kept
        python3 -c '
import os
while not os.path.exists("over"):
    for i in range(200): open(f"live/come{i}", "w").close()
    for i in range(200): os.mkdir(f"live/dir{i}")
    for i in range(200): os.unlink(f"live/come{i}")
    for i in range(200): os.rmdir(f"live/dir{i}")' 3>&- &
        for i in 1 2 3 4 5 6 7 8 9 10; do
                run jail --input d/=live -- cat /input/d/kept </dev/null
                [ "$output" = kept ] || break
        done
        : > over
        wait
        [ "$output" = kept ]
}

@test "links, FIFOs and what they point to do not come out" {
        run jail --output out --report report.json -- sh -c 'ln -s /etc/passwd /output/link; mkfifo /output/fifo; echo x > /output/file; ln /output/file /output/hard' </dev/null
        [ "$status" -eq 0 ]
        [ "$(ls out | tr '\n' ' ')" = "file hard " ]
        [[ $output == *"skep-jail: of /output, 2 entries are left out that are no files and no directories, such as"* ]]
        grep -q '"message": "of /output, 2 entries are left out' report.json
}

@test "holes and second names in /output are not copied out over the limit" {
        run jail --disk 1M --output out -- truncate -s 3G /output/x </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *'"x"'*"too large"* ]]
        [[ $(json_get message "$report") == *"too large"* ]]
        [ "$(du -sk out 2>/dev/null | cut -f1)" -le 64 ] || [ ! -e out ]
        run jail --disk 8M --output out2 -- sh -c 'head -c 4M /dev/zero > /output/a; for i in 1 2 3 4; do ln /output/a /output/$i; done' </dev/null
        [ "$status" -eq 125 ]
}

@test "a result that cannot be kept is known before the job runs" {
        run jail --output /nowhere/a/b -- sh -c 'echo ran' </dev/null
        [ "$status" -eq 125 ]
        [[ $output != *ran* ]]
        ln -s nothing link
        for options in '--report /nowhere/r.json' '--report x/' '--report=' '--output=' '--output link'; do
                run "$build/skep-jail" --allow-missing="$MISSING" $options -- sh -c 'echo ran' </dev/null
                [ "$status" -eq 125 ]
                [[ $output != *ran* ]]
        done
}

@test "results are not asked for where something is bound in their place" {
        mkdir bound
        for inside in /output //output/ /./output; do
                run jail --output kept --bind "bound:$inside" -- sh -c 'echo ran' </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"--output: what is left in /output is not kept"* ]]
                [ ! -e kept ]
                [ "$(reason)" = setup-failed ]
        done
        # a part of it may be; and without --output, all of it
        jail --output kept --bind bound:/output/part -- sh -c 'echo x > /output/whole' </dev/null
        [ "$(cat kept/whole)" = x ]
        jail --bind bound:/output -- true </dev/null
}

@test "output that our own reader does not take is an error" {
        status=0
        jail -- echo text > /dev/full </dev/null 2> err || status=$?
        [ "$status" -eq 125 ]
        grep -q "No space left" err
}

@test "a slow reader gets what was counted, also when a limit ends the job" {
        got=$(jail --wall 3s -- sh -c 'head -c 400000 /dev/zero; sleep 9' </dev/null 2>/dev/null | { sleep 3.2; wc -c; })
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

@test "a policy under which nothing can start or end is refused at once" {
        printf '{"filesystem": {"execute": ["/usr"]}, "syscalls": {"allow": ["read", "write", "exit_group"]}}' > p.json
        run timeout 10 "$build/skep-jail" --policy ./p.json -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *execve* ]]
}

@test "a /run that cannot be used is an error and not a hang" {
        needs_root
        run timeout 20 unshare -m sh -c 'mount -t tmpfs t /run && ln -s /nonexistent /run/skep && "$0" --allow-missing="$1" -- true' "$build/skep-jail" "$MISSING" </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *jail-ids* ]]
}

@test "a cgroup that was named is meant, also where there are none" {
        needs_root
        without() { # skep-jail's arguments
                unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh "$build/skep-jail" \
                        --allow-missing=cgroup,memory,cpu,pids,io,cpu_time "$@" </dev/null
        }
        run without --cgroup /sys/fs/cgroup/jails -- echo ran
        [ "$status" -eq 125 ]
        [[ $output == *"no cgroup v2 is mounted"* ]]
        run without -- echo ran
        [ "$output" = ran ]
}

@test "an input that is more than the limits of disk or files says so" {
        mkdir -p large many
        truncate -s 2M large/f
        touch many/{1..30}
        for options in '--disk 1M --input d/=large' '--files 10 --input d/=many'; do
                run jail $options -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *'input "d/": more than the job'"'"'s limits of disk and files: '* ]]
        done
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
        if grep -q ' /dev/' /proc/self/mountinfo; then refuse "something is mounted there" --input d/=/dev -- true; fi
        refuse "two inputs" --input d="$payload" --input d="$payload" -- true
        refuse "two inputs" --input stdin="$payload" --input stdin="$payload" -- true
        refuse "no policy" --policy nothing -- true
        refuse "magic" --allow-missing=magic -- true
        refuse "never made without" --allow-missing=seccomp -- true
        refuse "--setenv" --setenv 1A=b -- true
        refuse '--bind: ":/x" names no path' --bind :/x -- true
        refuse 'binding at /etc/passwd: Not a directory' --bind .:/etc/passwd -- true
        refuse 'binding at /usr: Is a directory' --bind "$payload:/usr" -- true
        refuse 'binding at /usr/none/here: Read-only file system' --bind .:/usr/none/here -- true
        refuse '--cgroup: "" is no path' --cgroup= -- true
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

@test "a report for the directory of the output is there, also where both are new, and where no jail is made" {
        jail --output d --report d/r -- sh -c 'echo x > /output/x' </dev/null
        [ "$(ls d | tr '\n' ' ')" = "r x " ]
        [ "$(json_get reason d/r)" = exited ]
        for options in '--policy nope' '--memory lots' '--cgroup /nope' '--frobnicate'; do
                rm -r d
                run "$build/skep-jail" $options --output d --report d/r -- true </dev/null
                [ "$status" -eq 125 ]
                [ "$(json_get reason d/r)" = setup-failed ]
        done
        # Nothing is made where it would be of no use.
        run jail --output e --report nowhere/r -- true </dev/null
        [ "$status" -eq 125 ]
        [ ! -e e ]
}

@test "whatever is refused has a report that says why, and no old one" {
        refused() {
                local part=$1
                shift
                echo old > "$report"
                run "$build/skep-jail" --allow-missing="$MISSING" "$@" </dev/null
                [ "$status" -eq 125 ]
                [ "$(reason)" = setup-failed ] || { echo "$*: $(cat "$report")"; return 1; }
                [[ $(json_get message "$report") == *"$part"* ]]
        }
        refused "no policy" --report "$report" --policy nope -- true
        refused "/nope" --report "$report" --root /nope -- true
        refused "/nope" --input x=/nope --report "$report" -- true
        refused "--memory" --memory lots --report "$report" --wall 1s -- true
        refused "at most" --report "$report" --policy "$(write_policy few '{"extends": "python", "limits": {"pids": {"max": 5}}}')" --pids 6 -- true
        [[ $(json_get policy_digest "$report") == sha256:* ]]
        refused "which command" --report "$report"
        refused "/nope" --report "$report" --output /nope/nope/nope -- true
        refused "/nope" --report "$report" --cgroup /nope -- true
        refused "no such option" --report "$report" --frobnicate -- true
        refused "no such option" --frobnicate=x -xy --report "$report" -- true
        run "$build/skep-jail" --report /nowhere/r.json --policy nope -- true </dev/null
        [ "$status" -eq 125 ]
        [ "${#lines[@]}" -eq 1 ]
        # What follows the command is its own.
        run "$build/skep-jail" --policy nope -- true --report own.json </dev/null
        [ ! -e own.json ]
}

@test "what is no cgroup is refused as one, and nothing in it is swept" {
        mkdir -p dir/skep-12
        for place in "$PWD/dir" ./dir /sys/fs; do
                run jail --cgroup "$place" -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"$place: is no directory of cgroup v2" || $output == *"no cgroup v2 is mounted"* ]]
        done
        [ "$(ls dir)" = skep-12 ]
}

@test "a cgroup that is frozen, or below one that is, is said to be at once, and nothing is left in it" {
        needs_root
        needs_cgroup
        group=/sys/fs/cgroup
        [ -d $group/unified ] && group=$group/unified
        group=$group/frozen-$$
        mkdir -p $group/below
        echo 1 > $group/cgroup.freeze
        for place in $group $group/below; do
                run timeout 20 "$build/skep-jail" --allow-missing="$MISSING" --cgroup $place -- true </dev/null
                left=$(find $group -mindepth 1 -type d)
                [ "$status" -eq 125 ] && [[ $output == *"$place: this cgroup is frozen"* ]] && [ "$left" = $group/below ] || break
        done
        echo 0 > $group/cgroup.freeze
        thawed=0
        jail --cgroup $group -- true </dev/null || thawed=$?
        rmdir $group/below $group
        [ "$status" -eq 125 ]
        [[ $output == *"$place: this cgroup is frozen"* ]]
        [ "$left" = $group/below ]
        [ "$thawed" -eq 0 ]
}

@test "a cgroup that is threaded is refused as one" {
        needs_root
        needs_cgroup
        group=/sys/fs/cgroup
        [ -d $group/unified ] && group=$group/unified
        group=$group/threaded-$$
        mkdir -p $group/inner
        echo threaded > $group/inner/cgroup.type
        run jail --cgroup $group/inner -- true </dev/null
        left=$(find $group -mindepth 1 -type d)
        rmdir $group/inner $group
        [ "$status" -eq 125 ]
        [[ $output == *"$group/inner: this cgroup is threaded"* ]]
        [ "$left" = $group/inner ]
}

@test "a working directory that is not there is said" {
        run jail --chdir /work/nowhere -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"/work/nowhere"* ]]
}

@test "Ctrl-C cancels, and so does SIGTERM" {
        for signal in INT TERM; do
                "$build/skep-jail" --allow-missing="$MISSING" --report "$report" -- sh -c 'echo here; exec sleep 30' </dev/null > out &
                caller=$!
                for i in $(seq 100); do ! grep -q here out || break; sleep 0.1; done
                kill -$signal $caller
                status=0
                wait $caller || status=$?
                [ "$status" -eq 130 ]
                [ "$(reason)" = cancelled ]
        done
}

@test "a hangup cancels, but not under nohup" {
        hung_up() { # COMMAND...: a run that is hung up while it waits
                mkdir -m 777 -p bound
                rm -f bound/here bound/heard
                "$@" "$build/skep-jail" --allow-missing="$MISSING" --report "$report" --bind-rw bound:/tmp/bound -- \
                        sh -c ': > /tmp/bound/here; until [ -e /tmp/bound/heard ]; do sleep 0.1; done' </dev/null > said 2>&1 &
                caller=$!
                for i in $(seq 100); do [ ! -e bound/here ] || break; sleep 0.1; done
                kill -HUP $caller
                [ "$1" != nohup ] || { sleep 0.5; : > bound/heard; }
                status=0
                wait $caller || status=$?
        }
        hung_up env
        [ "$status" -eq 130 ]
        hung_up nohup
        [ "$status" -eq 0 ]
        [ "$(reason)" = exited ]
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

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The engine from outside: skepd with its workers, and skepctl.

bats_require_minimum_version 1.5.0
load ../helper
load one_engine

@test "run ends as the job ends, with its output" {
        run ctl run -- sh -c 'echo out; exit 3' </dev/null
        [ "$status" -eq 3 ]
        [ "$output" = out ]
        run ctl run -- sh -c 'kill -SEGV $$' </dev/null
        [ "$status" -eq 139 ]
        run -127 ctl run -- nosuchprogram </dev/null
        run -126 ctl run -- /etc/passwd </dev/null
        run ctl run --wall 300ms -- sleep 20 </dev/null
        [ "$status" -eq 124 ]
}

@test "run keeps stdout and stderr apart" {
        ctl run -- sh -c 'echo out; echo err >&2' > out 2> err </dev/null
        [ "$(cat out)" = out ]
        [ "$(cat err)" = err ]
}

@test "binary data passes unchanged, from a file and from a pipe" {
        head -c 3000001 /dev/urandom > blob
        [ "$(ctl run -- sha256sum < blob)" = "$(sha256sum < blob)" ]
        [ "$(cat blob | ctl run -- sha256sum)" = "$(sha256sum < blob)" ]
        ctl run -- cat < blob | cmp - blob
}

@test "a file that was read in part goes in from there" {
        printf 'first\nsecond\n' > lines
        { read -r first; run ctl run -- cat; } < lines
        [ "$output" = second ]
}

@test "a directory in, results out" {
        mkdir -p src/sub
        echo one > src/sub/a
        ln -s sub/a src/link
        run ctl run --input src/=src --input one=src/sub/a --output out -- sh -c 'cat /input/src/link /input/one; cp -r /input/src/sub /output' </dev/null
        [ "$output" = $'one\none' ]
        [ "$(cat out/sub/a)" = one ]
}

@test "ten jobs at once with mixed policies" {
        for i in $(seq 10); do
                policy=$(echo strict python build | cut -d' ' -f$((i % 3 + 1)))
                {
                        status=0
                        ctl run --policy $policy --json -- sh -c "sleep 0.3; echo output $i; exit $i" > out.$i 2>&1 </dev/null || status=$?
                        echo $status > status.$i
                } 3>&- &
        done
        wait
        for i in $(seq 10); do
                [ "$(cat status.$i)" = "$i" ]
                [ "$(head -1 out.$i)" = "output $i" ]
                tail -1 out.$i > report
                [ "$(json_get exit_code report)" = "$i" ]
                [ "$(json_get reason report)" = exited ]
        done
}

@test "Ctrl-C cancels the job" {
        # Not by ctl: timeout(1) would pass the signal on, and a second one waits for nothing.
        "$build/skepctl" run --name interrupted -- sleep 30 </dev/null 3>&- &
        for i in $(seq 100); do
                [[ $(ctl list --json --state running) == *'"name":"interrupted"'* ]] && break
                sleep 0.1
        done
        kill -INT $!
        status=0
        wait $! || status=$?
        [ "$status" -eq 130 ]
        run ctl list --json --state cancelled
        [[ $output == *'"name":"interrupted"'* ]]
}

@test "submit prints one id a line, in order, of a job, an array and lines" {
        echo '{"command": ["echo", "one"]} // a comment' > one.json
        echo '[{"command": ["echo", "a"]}, {"command": ["echo", "b"]}]' > array.json
        printf '%s\n' '{"command": ["echo", "x"]}' '' '{"command": ["echo", "y"]}' > lines.jsonl
        run ctl submit one.json
        [ "$status" -eq 0 ]
        [ "${#lines[@]}" -eq 1 ]
        run ctl submit array.json
        [ "${#lines[@]}" -eq 2 ]
        ctl wait "${lines[@]}"
        [ "$(ctl logs "${lines[1]}")" = b ]
        run ctl submit - < lines.jsonl
        [ "${#lines[@]}" -eq 2 ]
        ctl wait "${lines[@]}"
        [ "$(ctl logs "${lines[0]}")" = x ]
}

@test "a malformed submission is 125, and says which job" {
        echo '[{"command": ["true"], "limits": {"memory": "lots"}}]' > bad.json
        run -125 ctl submit bad.json
        [[ $output == *"limits.memory"* ]]
        echo '{"command": ["true"]' > bad.json
        run -125 ctl submit bad.json
        [[ $output == *"bad.json"*"not JSON"* ]]
        printf '{"command": ["true"]}\n{"command": }\n' > bad.jsonl
        run -125 ctl submit bad.jsonl
        [[ $output == *"line 2"* ]]
}

@test "wait ends with 0 when all succeeded, 1 otherwise" {
        echo '[{"command": ["true"]}, {"command": ["false"]}]' > jobs.json
        run ctl submit jobs.json
        ctl wait "${lines[0]}"
        run -1 ctl wait "${lines[@]}"
}

@test "status --json is the job as one object" {
        echo '{"command": ["sh", "-c", "exit 4"], "name": "shown", "meta": {"ticket": "4711"}}' > job.json
        id=$(ctl submit job.json)
        ctl wait "$id" || true
        ctl status --json "$id" > job
        [ "$(json_get id job)" = "$id" ]
        [ "$(json_get state job)" = failed ]
        [ "$(json_get attempt job)" = 1 ]
        [ "$(json_get spec.meta.ticket job)" = 4711 ]
        [ "$(json_get report.exit_code job)" = 4 ]
        [ "$(json_get report.attempt job)" = 1 ]
        [[ $(json_get report.start job) =~ ^(cold|warm)$ ]]
        [[ $(json_get report.worker job) =~ ^[12]$ ]]
        [ "$(json_get submitted_usec job)" -le "$(json_get started_usec job)" ]
        [ "$(json_get started_usec job)" -le "$(json_get finished_usec job)" ]
        ctl status "$id" | grep -q shown
}

@test "ids may be shortened, and an ambiguous one is refused" {
        id=$(echo '{"command": ["true"]}' | ctl submit -)
        ctl wait "$id"
        ctl wait "$(echo '{"command": ["true"]}' | ctl submit -)"
        ctl status "${id:0:25}" > /dev/null
        run -125 ctl status "${id:0:2}"
        [[ $output == *"more than one"* ]]
        run -125 ctl status 7zzzzzzzzzzzzzzzzzzzzzzzzz
        [[ $output == *"no such job"* ]]
}

@test "a queued job can be cancelled, and stays cancelled" {
        ctl scale 2 # and no more of them for what waits
        for i in $(seq 16); do echo '{"command": ["sleep", "60"]}'; done | ctl submit - > busy
        id=$(echo '{"command": ["true"], "priority": 0}' | ctl submit -)
        [ "$(ctl status --json "$id" | json_get state)" = queued ]
        ctl cancel "$id"
        [ "$(ctl status --json "$id" | json_get state)" = cancelled ]
        ctl cancel "$id"
        ctl cancel $(cat busy)
        run -1 ctl wait $(cat busy)
        [ "$(ctl status --json "$(head -1 busy)" | json_get report.reason)" = cancelled ]
        ctl scale predictive
}

@test "higher priority starts first" {
        # One place comes free, and no other: two that start at once would say nothing.
        ctl scale 2
        { echo '{"command": ["sh", "-c", "sleep 71; true"]}'; for i in $(seq 15); do echo '{"command": ["sleep", "20"]}'; done; } | ctl submit - > busy
        low=$(echo '{"command": ["true"], "priority": 10}' | ctl submit -)
        high=$(echo '{"command": ["sleep", "0.3"], "priority": 90}' | ctl submit -)
        go_on 71
        ctl wait "$high"
        ctl cancel $(cat busy)
        ctl wait "$low"
        [ "$(ctl status --json "$high" | json_get finished_usec)" -le "$(ctl status --json "$low" | json_get started_usec)" ]
        ctl wait $(cat busy) || true
        ctl scale predictive
}

@test "logs -f follows to the end" {
        id=$(echo '{"command": ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done"]}' | ctl submit -)
        run ctl logs -f "$id"
        [ "$output" = $'1\n2\n3' ]
}

@test "what a job that has not ended leaves is not taken for nothing" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo x > /output/f; sleep 60"]}')
        array=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 2}}')
        for unended in "$id" "$array"; do
                run ctl output "$unended" early
                [ "$status" -eq 125 ]
                [[ $output == *"job $unended has not ended"*"skepctl wait"* ]]
        done
        ctl resume
        reach "$id" running
        run ctl output "$id" early
        [ "$status" -eq 125 ]
        [ ! -e early ]
        ctl cancel "$id"
        ctl wait "$id" "$array" || true
        ctl output "$id" late
        [ "$(cat late/f)" = x ]
        ctl output "$array" late
}

@test "the files of a job that has left none are an archive, also where somebody has looked early" {
        PYTHONPATH=$BATS_TEST_DIRNAME timeout 60 python3 -B -c 'import json, sys, tarfile, wire
engine = wire.Connection(sys.argv[1])
def files():
    return open(engine.call(wire.NAME, path, "org.skep.Engine1.Job", "OpenOutput", "su", ("files", 1)).fds[0], "rb")
for command in ["true"], ["/none/such"], None:
    engine.manager("Pause")
    job, path = engine.manager("Submit", "sa(sh)", json.dumps({"command": command or ["true"]}), []).body
    early = files()
    if not command:
        engine.manager("Cancel", "s", job)
    engine.manager("Resume")
    engine.manager("Wait", "ast", [job], 20000000)
    print(*tarfile.open(fileobj=files()).getnames(), "nothing")' "$SKEP_ADDRESS" > names
        [ "$(cat names)" = $'nothing\nnothing\nnothing' ]
}

@test "output brings the files of a job" {
        id=$(echo '{"command": ["sh", "-c", "mkdir /output/d; echo x > /output/d/f; ln -s /etc/passwd /output/l"]}' | ctl submit -)
        ctl wait "$id"
        ctl output "$id" results
        [ "$(cat results/d/f)" = x ]
        [ ! -e results/l ] && [ ! -L results/l ]
        left_out='of /output, 1 entry is left out that is no file and no directory: "l"'
        [ "$(ctl status --json "$id" | python3 -c 'import json, sys; print(json.load(sys.stdin)["report"]["message"])')" = "$left_out" ]
        [[ $(ctl status "$id") == *"$left_out"* ]]
}

@test "standard input may be text in the job" {
        id=$(echo '{"command": ["cat"], "stdin": "some text"}' | ctl submit -)
        ctl wait "$id"
        [ "$(ctl logs "$id")" = "some text" ]
}

@test "equal inputs are stored once, and go when nobody needs them" {
        head -c 100000 /dev/urandom > blob
        ctl pause
        for i in 1 2 3; do echo '{"command": ["true"]}' | ctl submit --input data=blob - ; done > ids
        [ "$(ls "$state/blobs" | wc -l)" -eq 1 ]
        ctl resume
        ctl wait $(cat ids)
        [ "$(ls "$state/blobs" | wc -l)" -eq 0 ]
}

@test "an input is what it was when it was submitted" {
        echo before > file
        for i in $(seq 16); do echo '{"command": ["sleep", "1"]}'; done | ctl submit - > busy
        id=$(echo '{"command": ["cat", "/input/file"]}' | ctl submit --input file=file -)
        echo after > file
        ctl wait "$id"
        [ "$(ctl logs "$id")" = before ]
        ctl wait $(cat busy)
}

@test "what is wrong is said in a sentence, and nothing is created" {
        before=$(ctl list --json | wc -l)
        refuse() {
                local part=$1
                shift
                run ctl "$@" </dev/null
                [ "$status" -eq 125 ] || { echo "$*: status $status: $output"; return 1; }
                [[ $output == *"$part"* ]] || { echo "$*: $output"; return 1; }
                [ "${#lines[@]}" -eq 1 ]
        }
        mkfifo fifo
        refuse "limits.memory" run --memory lots -- true
        refuse "limits.memory" run --memory 99999999999999T -- true
        refuse "limits.wall" run --wall 5 -- true
        refuse "no policy" run --policy nothing -- true
        refuse "policy" run --policy ../../etc/passwd -- true
        refuse "a/b" run --input a/b=/etc/hostname -- true
        refuse "regular file" run --input a=fifo -- true
        refuse "no such option" run --bind /etc -- true
        refuse "no such option" run --allow-missing=memory -- true
        refuse "which command" run
        refuse "name" run --name $'a\x1b[2J' -- true
        [ "$(ctl list --json | wc -l)" -eq "$before" ]
}

@test "an input that is no regular file, and a seventeenth, are refused by the supervisor itself" {
        mkfifo fifo
        submit() {
                run timeout 20 "$build/submit-raw" "$SKEP_ADDRESS" "$@"
                [ "$status" -ne 0 ]
        }
        submit '{"command":["true"]}' a/b 0 < /etc/passwd
        [[ $output == *'a/b'* ]]
        submit '{"command":["true"]}' a 0 <> fifo
        [[ $output == *'"a" is not a regular file'* ]]
        submit '{"command":["true"]}' dev 0 < /dev/zero
        [[ $output == *'"dev" is not a regular file'* ]]
        # What it answers does not choose the name of the error.
        submit '{"command":["true"]}' memory 0 < /proc/self/mem
        [[ $output == org.skep.Engine1.Error.BadSpec:*'"memory": cannot be read: Input/output error'* ]]
        many=()
        for i in $(seq 17); do many+=("n$i" 0); done
        submit '{"command":["true"]}' "${many[@]}" < /etc/passwd
        [[ $output == *'16 inputs'* ]]
        submit '{"command":["true"], "unknown": 1}'
        [[ $output == *'unknown: unknown key'* ]]
        submit '{"command":["true"], "stdin": "x"}' stdin 0 < /etc/passwd
        [[ $output == *'stdin'* ]]
        [ "$(ls "$state/blobs" | wc -l)" -eq 0 ]
}

@test "why a job has failed is known whatever its words and its archives are" {
        python3 - <<'P'
import io, tarfile
with tarfile.open("f", "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
    for name in ("a\udcff", "a\udcff/b"):
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
P
        id=$("$build/submit-raw" "$SKEP_ADDRESS" '{"command": ["true"]}' t/ 0 < f)
        ctl wait "$id" || true
        [ "$(field "$id" 'job["report"]["reason"], job["report"]["message"]')" = 'setup-failed input "t/": "a\xff/b": Not a directory' ]
        id=$("$build/submit-raw" "$SKEP_ADDRESS" "{\"command\": [\"$(printf 'é%.0s' {1..300})\"]}")
        ctl wait "$id" || true
        [ "$(field "$id" 'job["report"]["reason"]')" = exec-failed ]
        [[ "$(field "$id" 'job["report"]["message"]')" == éééé* ]]
}

@test "busctl introspects and calls the private socket" {
        run busctl --address="$SKEP_ADDRESS" introspect org.skep.Engine1 /org/skep/Engine1
        [ "$status" -eq 0 ]
        for member in Submit Wait GetJob ListJobs Cancel; do [[ $output == *".$member"* ]]; done
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager ListJobs 'a{sv}su' 0 "" 2
        [ "$status" -eq 0 ]
        [[ $output == "aa{sv}s 2 "* ]]
        id=$(echo '{"command": ["true"]}' | ctl submit -)
        run busctl --address="$SKEP_ADDRESS" introspect org.skep.Engine1 "/org/skep/Engine1/job/$id"
        [[ $output == *OpenOutput* ]]
        run busctl --address="$SKEP_ADDRESS" introspect org.skep.Engine1 /org/skep/Engine1/job/7zzzzzzzzzzzzzzzzzzzzzzzzz
        [[ $output != *OpenOutput* ]]
}

@test "lists come in pages" {
        run busctl --json=short --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager ListJobs 'a{sv}su' 0 "" 1
        cursor=$(echo "$output" | python3 -c 'import json,sys; d=json.load(sys.stdin)["data"]; print(d[1]); assert d[0][0]["id"]["data"] == d[1]')
        run busctl --json=short --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager ListJobs 'a{sv}su' 0 "$cursor" 1
        [ "$(echo "$output" | python3 -c 'import json,sys; print(json.load(sys.stdin)["data"][0][0]["id"]["data"])')" \> "$cursor" ]
}

@test "a worker that dies is replaced, and its jobs run again" {
        id=$(echo '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30; echo attempt $SKEP_ATTEMPT"]}' | ctl submit -)
        for i in $(seq 50); do [ "$(ctl status --json "$id" | json_get state)" = running ] && break; sleep 0.1; done
        pkill -KILL -P "$(cat "$BATS_FILE_TMPDIR/pid")" skep-worker
        ctl wait "$id"
        [[ $(ctl logs "$id") == "attempt "[23] ]] # it may meet both workers on their way out
        [ "$(ctl logs "$id")" = "attempt $(ctl status --json "$id" | json_get report.attempt)" ]
}

@test "a launcher that dies takes its jobs with it, and they run again" {
        id=$(echo '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30; echo again"]}' | ctl submit -)
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = running ] && break; sleep 0.1; done
        for launcher in $(pgrep skep-launcher); do
                [ "$(readlink "/proc/$launcher/exe")" = "$build/skep-launcher" ] && kill -KILL "$launcher"
        done
        ctl wait "$id"
        [ "$(ctl logs "$id")" = again ]
}

@test "run shows the output of the attempt that counts" {
        ctl run --name followed -- sh -c 'echo a$SKEP_ATTEMPT; [ $SKEP_ATTEMPT -ge 2 ] || sleep 60; echo b$SKEP_ATTEMPT' > out 2> err </dev/null 3>&- &
        for i in $(seq 100); do grep -q a1 out && break; sleep 0.1; done
        pkill -KILL -P "$(cat "$BATS_FILE_TMPDIR/pid")" skep-worker
        wait $!
        grep -Eq '^b[23]$' out
        grep -q 'run again' err
}

@test "a job whose results cannot be kept has not succeeded" {
        run ctl run --disk 1M --output out -- truncate -s 3G /output/x </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *"keeping /output"* ]]
        id=$(ctl list --json | tail -1 | json_get id)
        [ "$(ctl status --json "$id" | json_get report.reason)" = output-failed ]
        [ "$(ctl status --json "$id" | json_get attempt)" = 1 ] # another would do the same
        [ "$(du -sk "$state/jobs" | cut -f1)" -lt 100000 ]
}

@test "a submission is all or nothing" {
        before=$(ctl list --json --state succeeded | wc -l)
        echo '[{"command": ["sleep", "5"], "name": "half"}, {"command": ["true"], "x": 1}]' > jobs.json
        run -125 ctl submit jobs.json
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == *"job 1"*"x: unknown key"* ]]
        for i in $(seq 30); do ctl list --json --state running | grep -q '"half"' || break; sleep 0.1; done
        ! ctl list --json --state running | grep -q '"half"'
}

@test "lines of JSON may begin with empty ones and comments" {
        printf '\n// two jobs\n{"command": ["true"]} // one\n\n{"command": ["true"]}\n' > lines.jsonl
        run ctl submit lines.jsonl
        [ "$status" -eq 0 ]
        [ "${#lines[@]}" -eq 2 ]
}

@test "clients that go while their inputs are copied leave nothing" {
        head -c 100M /dev/zero > big
        pid=$(cat "$BATS_FILE_TMPDIR/pid")
        for i in $(seq 8); do
                timeout -s KILL 0.05 "$build/submit-raw" "$SKEP_ADDRESS" '{"command":["true"]}' a 0 < big > /dev/null || true
        done
        for i in $(seq 50); do
                [ -z "$(ls -l "/proc/$pid/fd" | grep "$PWD/big")" ] && [ -z "$(ls "$state/blobs")" ] && break
                sleep 0.1
        done
        [ -z "$(ls -l "/proc/$pid/fd" | grep "$PWD/big")" ]
        [ -z "$(ls "$state/blobs")" ]
}

@test "a client that does not read its answers is asked for no more, and gets them when it reads" {
        timeout 30 python3 - "$BATS_FILE_TMPDIR/engine.sock" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n")
def field(code, kind, value):
    head = bytes([code, 1]) + kind + b"\0"
    return head + struct.pack("<I", len(value)) + value + b"\0" if kind != b"g" else head + bytes([len(value)]) + value + b"\0"
def call(serial):
    fields = b""
    for f in (field(1, b"o", b"/org/skep/Engine1"), field(2, b"s", b"org.skep.Engine1.Manager"), field(3, b"s", b"ListJobs"), field(8, b"g", b"a{sv}su")):
        fields += b"\0" * (-len(fields) % 8) + f
    body = struct.pack("<II", 0, 0) + struct.pack("<I", 0) + b"\0" + b"\0" * 3 + struct.pack("<I", 0)
    header = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields
    return header + b"\0" * (-len(header) % 8) + body
s.settimeout(3)
try:
    for n in range(1, 20000):
        s.sendall(call(n))
except TimeoutError:
    pass
else:
    sys.exit("it was served for ever")
s.settimeout(20)
received = 0
try:
    while received < 1000000:
        received += len(s.recv(1 << 20)) or sys.exit("it was let go")
except TimeoutError:
    sys.exit(f"{received} bytes came")
P
        [ "$(awk '/VmRSS/ {print $2}' "/proc/$(cat "$BATS_FILE_TMPDIR/pid")/status")" -lt 200000 ]
        ctl list > /dev/null
}

@test "a socket that somebody answers on is not taken" {
        run timeout 20 "$build/skepd" --embedded --state "$BATS_TEST_TMPDIR/other" --socket "$BATS_FILE_TMPDIR/engine.sock"
        [ "$status" -ne 0 ]
        [[ $output == *"another skepd answers"* ]]
        ctl list > /dev/null
}

@test "what somebody else keeps in a directory is not taken for state" {
        mkdir -p mine/jobs
        echo precious > mine/jobs/file
        run timeout 20 "$build/skepd" --embedded --state mine --socket "$BATS_TEST_TMPDIR/e.sock"
        [ "$status" -ne 0 ]
        [[ $output == *"no skepd has made it"* ]]
        [ "$(cat mine/jobs/file)" = precious ]
        mkdir -m 777 open
        chmod 777 open
        run timeout 20 "$build/skepd" --embedded --state open --socket "$BATS_TEST_TMPDIR/e.sock"
        [[ $output == *"nobody else"* ]]
}

@test "the check of the configuration reads every policy" {
        run "$build/skepd" --check
        [ "$status" -eq 0 ]
}

@test "what of a policy cannot be had here is in the log, once, and is said by the check" {
        mkdir -p own/build
        cp -r "$top/policies" own/
        cp "$build"/{skepd,skepctl,skep-worker,skep-nursery,skep-collector,skep-launcher,skep-scope} own/build/
        echo '{"extends": "python", "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["call_of_tomorrow"], "action": "SCMP_ACT_ALLOW"}]}}' > own/policies/noted.json
        run own/build/skepd --check
        [ "$status" -eq 0 ]
        [ "$(grep -c "policy noted: .*call_of_tomorrow" <<< "$output")" -eq 1 ]
        own/build/skepd --embedded --state other --socket "$PWD/e.sock" --workers 1 --allow-missing="$MISSING" > ready 2> log 3>&- &
        for i in $(seq 100); do grep -q ready ready && break; sleep 0.1; done
        run ! grep call_of_tomorrow log
        for i in 1 2; do ctl --address "unix:path=$PWD/e.sock" run --policy noted -- true </dev/null; done
        ctl --address "unix:path=$PWD/e.sock" run -- true </dev/null
        kill -TERM $!
        wait $!
        [ "$(grep -c call_of_tomorrow log)" -eq 1 ]
        grep -q "^skepd: policy noted: seccomp: not known to this libseccomp, and so not allowed: call_of_tomorrow$" log
}

@test "a second supervisor does not get the same state" {
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$BATS_TEST_TMPDIR/other.sock"
        [ "$status" -ne 0 ]
        [[ $output == *"another skepd"* ]]
}

@test "a supervisor that is not there is said, with 125" {
        run -125 ctl --address "$BATS_TEST_TMPDIR/nothing.sock" run -- true
        [[ $output == *"not reached at"* ]]
}

@test "SIGTERM lets running jobs end, and nothing is left" {
        id=$(echo '{"command": ["sh", "-c", "sleep 1; echo done > /output/f"]}' | ctl submit -)
        sleep 0.3
        ctl logs -f "$id" > /dev/null 2>&1 3>&- &
        stop_engine
        wait
        leftovers > left
        diff left - <<< "$BEFORE"
        start_engine
}

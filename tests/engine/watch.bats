#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skepctl where it goes on while something happens: logs, waits, events, top.

bats_require_minimum_version 1.5.0
load ../helper
load one_engine
load ctl

clients_are() { # how many that stay, at which socket
        for i in $(seq 200); do
                [ "$(grep -c " 03 *[0-9]* $2$" /proc/net/unix)" -lt "$1" ] || return 0
                sleep 0.1
        done
        return 1
}

# Who follows in these files has been told of the last job that came, and so is told of what comes.
followed_in() { # FILE...
        local id file told
        for i in $(seq 50); do
                id=$(ctl submit - <<< '{"command": ["true"]}')
                ctl wait "$id"
                for j in $(seq 10); do
                        told=yes
                        for file; do [ "$(grep -c "$id" "$file")" -eq 2 ] || told=; done
                        [ -z "$told" ] || return 0
                        sleep 0.1
                done
        done
        return 1
}

@test "logs shows one stream, or another attempt" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo out $SKEP_ATTEMPT; echo err $SKEP_ATTEMPT >&2; exit 1"], "retry": {"attempts": 2, "backoff": "10ms", "on": ["exited"]}}')
        run -1 ctl wait "$id"
        [ "$(ctl logs "$id" 2>/dev/null)" = "out 2" ]
        [ "$(ctl logs "$id" 2>&1 >/dev/null)" = "err 2" ]
        [ "$(ctl logs --stdout "$id" 2>&1)" = "out 2" ]
        [ "$(ctl logs --stderr "$id" 2>&1)" = "err 2" ]
        [ "$(ctl logs --attempt 1 --stdout "$id")" = "out 1" ]
        refuse "no attempt 3" logs --attempt 3 "$id"
        refuse "out of range" logs --attempt 0 "$id"
}

@test "logs -f goes on with the next attempt while it runs" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo begin $SKEP_ATTEMPT; [ $SKEP_ATTEMPT = 2 ] && sleep 600; sleep 71; exit 1"], "retry": {"attempts": 3, "backoff": "300ms", "on": ["exited"]}, "limits": {"wall": "1h"}}')
        ctl logs -f "$id" > out 2> err 3>&- &
        for i in $(seq 200); do grep -q 'begin 1' out && break; sleep 0.1; done
        go_on 71
        for i in $(seq 200); do grep -q 'begin 2' out && break; sleep 0.1; done
        grep -q 'begin 2' out
        [ "$(ctl status --json "$id" | json_get state)" = running ]
        grep -q 'run again; the output of attempt 2' err
        ctl cancel "$id"
        wait $!
}

@test "logs -f shows each attempt, also those that end before it looks" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo try $SKEP_ATTEMPT; [ $SKEP_ATTEMPT = 6 ]"], "retry": {"attempts": 9, "backoff": "1ms", "on": ["exited"]}}')
        ctl logs -f "$id" > out 2>/dev/null 3>&- &
        for i in $(seq 200); do [ -e "$state/jobs/$id/1/index" ] && break; sleep 0.1; done
        ctl resume
        wait $!
        diff <(seq -f 'try %g' 6) out
}

@test "logs -f ends with its reader" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "for i in $(seq 600); do echo $i; sleep 0.2; done"]}')
        [ "$(ctl logs -f "$id" | head -1)" = 1 ]
        silent=$(ctl submit - <<< '{"command": ["sh", "-c", "echo begun; sleep 600"]}')
        [ "$(ctl logs -f "$silent" | head -1)" = begun ]
        ctl cancel "$silent"
        [ "$(ctl status --json "$id" | json_get state)" = running ]
        ctl cancel "$id"
}

@test "a second Ctrl-C leaves at once, with 130" {
        ctl run --name stubborn -- sh -c 'trap "" TERM INT; sleep 60' < /dev/null 3>&- &
        for i in $(seq 100); do ctl list --state running --name stubborn --ids | grep -q . && break; sleep 0.1; done
        pid=$(pgrep -f 'skepctl run --name stubborn' | tail -1)
        kill -INT "$pid"
        kill -INT "$pid" 2> /dev/null || true
        status=0
        wait $! || status=$?
        [ "$status" -eq 130 ]
}

@test "who waits is not disturbed by another supervisor's taking over" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 72; true"]}')
        ctl wait "$id" 2> err 3>&- &
        waiter=$!
        ctl logs -f "$id" 2> err2 3>&- &
        follower=$!
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = running ] && break; sleep 0.1; done
        clients_are 2 "$BATS_FILE_TMPDIR/engine.sock"
        sleep 0.5 # until they have asked
        pid=$(cat "$BATS_FILE_TMPDIR/pid")
        kill -KILL "$pid"
        while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
        start_engine
        go_on 72
        wait $waiter
        wait $follower
        grep -q 'the supervisor has gone' err
        [ "$(ctl status --json "$id" | json_get state)" = succeeded ]
}

@test "Ctrl-C while there is no supervisor cancels the job at the next one, and a second one leaves it" {
        for signals in 1 2; do
                "$build/skepctl" run --name "gone$signals" -- sleep 60 < /dev/null 2> err 3>&- &
                runner=$!
                for i in $(seq 100); do id=$(ctl list --state running --name "gone$signals" --ids); [ -z "$id" ] || break; sleep 0.1; done
                pid=$(cat "$BATS_FILE_TMPDIR/pid")
                kill -KILL "$pid"
                while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
                for i in $(seq 100); do grep -q 'has gone' err && break; sleep 0.1; done
                for signal in $(seq $signals); do
                        kill -INT $runner
                        for i in $(seq 100); do grep -q 'cancelled when' err && break; sleep 0.1; done
                done
                status=0
                [ $signals = 1 ] || wait $runner || status=$?
                start_engine
                [ $signals = 2 ] || wait $runner || status=$?
                [ "$status" -eq "$([ $signals = 1 ] && echo 130 || echo 125)" ]
                [ $signals = 1 ] || grep -q "the job goes on: skepctl cancel $id" err
                ctl cancel "$id"
                run ctl wait "$id"
        done
}

@test "a long wait shows how far it is, on a terminal alone" {
        for i in 1 2 3 4; do echo '{"command": ["sh", "-c", "sleep 73; true"]}'; done | ctl submit - > ids
        { until_shown 'wait \[.*of 4'; go_on 73 4; } 3>&- &
        on_terminal_shown "$build/skepctl wait $(tr '\n' ' ' < ids)"
        [ "$status" -eq 0 ]
        grep -aq 'wait \[.*of 4' shown
        wait
        ids=$(for i in 1 2; do echo '{"command": ["sleep", "1"]}'; done | ctl submit -)
        run ctl wait $ids
        [ -z "$output" ]
}

@test "run says on a terminal why the job does not run yet" {
        ctl pause
        { until_shown 'waiting .* s: the engine is paused'; ctl resume; } 3>&- &
        on_terminal_shown "$build/skepctl run -- echo done"
        [ "$status" -eq 0 ]
        [[ $(< shown) == *"waiting "*" s: the engine is paused"*$'\r\e[K'"done"* ]]
        wait
}

@test "events tells what has come and ended, and what comes" {
        id=$(ctl submit - <<< '{"command": ["false"], "name": "eventful"}')
        run ctl wait "$id"
        [ "$(ctl events -n 2 | wc -l)" -eq 3 ]
        run grep "$id" <<< "$(ctl events)"
        [[ ${lines[0]} == *" submitted "*"$id"*" eventful" ]]
        [[ ${lines[1]} == *" failed "*"$id"*"exit 1"*" eventful" ]]
        ctl events --json | grep "$id" | tail -1 > last
        [ "$(json_get event last)" = finished ]
        [ "$(json_get reason last)" = exited ]
        [ "$(ctl events --json -n 0)" = "" ]
        "$build/skepctl" events --json -f -n 0 > out 3>&- &
        follower=$!
        followed_in out
        id=$(ctl submit - <<< '{"command": ["true"], "name": "followed"}')
        ctl wait "$id"
        for i in $(seq 100); do [ "$(grep -c "$id" out)" -eq 2 ] && break; sleep 0.1; done
        restart_engine
        after=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$after"
        for i in $(seq 100); do [ "$(grep -c "$after" out)" -eq 2 ] && break; sleep 0.1; done
        kill $follower
        [ "$(grep -c "$after" out)" -eq 2 ]
        [ "$(grep "$id" out | head -1 | json_get event)" = submitted ]
        [ "$(grep "$id" out | tail -1 | json_get state)" = succeeded ]
}

@test "who follows events is not told by the next supervisor of what was before" {
        ctl run -- true < /dev/null
        "$build/skepctl" events --json -f -n 0 > none 2>&1 3>&- &
        followers=$!
        "$build/skepctl" events --json -f --since "$(date -d '+1 min' '+%F %T')" > later 2>&1 3>&- &
        followers+=" $!"
        followed_in none later
        for file in none later; do grep -c time_usec "$file" > "$file.before"; done
        restart_engine
        for i in $(seq 100); do [ "$(cat none later | grep -c "has gone")" -eq 2 ] && break; sleep 0.1; done
        after=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$after"
        for i in $(seq 100); do [ "$(cat none later | grep -c "$after")" -eq 4 ] && break; sleep 0.1; done
        kill $followers
        for file in none later; do
                [ "$(grep -c time_usec "$file")" -eq $(($(< "$file.before") + 2)) ]
                [ "$(grep -c "$after" "$file")" -eq 2 ]
        done
}

@test "a wait for more jobs than the supervisor remembers" {
        echo '{"retention": {"count": 50}}' > few.json
        "$build/skepd" --embedded --config few.json --state few --socket "$PWD/few.sock" --allow-missing="$MISSING" > ready 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do grep -q ready ready && break; sleep 0.1; done
        export SKEP_ADDRESS=unix:path=$PWD/few.sock
        ctl pause
        for i in $(seq 800); do echo '{"command": ["true"], "priority": '$((i % 100))'}'; done | ctl submit - > ids
        CTL_SECONDS=300 ctl wait - < ids 3>&- &
        waiter=$!
        clients_are 1 "$PWD/few.sock"
        sleep 0.5 # until it has asked
        ctl resume
        wait $waiter
        kill -TERM $pid
        wait $pid
}

@test "logs shows both streams in the order in which they were written, and when" {
        # It writes a line when the one before has been seen: of what is there at the same time, nobody knows the order.
        cat > writes.py <<'P'
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
for i in range(1, 6):
    for name, stream in ("out", sys.stdout), ("err", sys.stderr):
        print(name, i, file=stream, flush=True)
        signal.sigwait([signal.SIGUSR1])
print("end", end="")
P
        id=$(ctl submit --input writes.py=writes.py - <<< '{"command": ["python3", "/input/writes.py"]}')
        expected=$(for i in 1 2 3 4 5; do echo "out $i"; echo "err $i"; done; echo end)
        ctl logs -f "$id" > followed 2>&1 3>&- &
        for n in 1 2 3 4 5 6 7 8 9 10; do
                for i in $(seq 100); do [ "$(wc -l < followed)" -lt $n ] || break; sleep 0.1; done
                pkill -USR1 -x -f 'python3 /input/writes.py'
        done
        wait $!
        [ "$(cat followed)" = "$expected" ]
        [ "$(ctl logs "$id" 2>&1)" = "$expected" ]
        ctl --utc logs --timestamps "$id" > stamped 2>&1
        [ "$(sed 's/^[-0-9]*T[:0-9]*\.[0-9]\{6\}Z //' stamped)" = "$expected" ]
        sort -c stamped
        TZ=JST-9 ctl logs --timestamps --stdout "$id" | grep -q '+0900 out 1'
}

@test "an index that is damaged loses nothing of the output" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "seq 20000; seq 20000 >&2"]}')
        ctl wait "$id"
        seq 20000 > expected
        for damage in "truncate -s 100" "truncate -s 0" "dd if=/dev/urandom bs=4800 count=1 status=none conv=notrunc of="; do
                case $damage in
                *=) eval "$damage$state/jobs/$id/1/index" ;;
                *) $damage "$state/jobs/$id/1/index" ;;
                esac
                ctl logs "$id" > out 2> err
                cmp out expected
                cmp err expected
        done
        truncate -s 0 "$state/jobs/$id/1/index"
        refuse "no times were kept" logs --timestamps "$id"
}

@test "a great deal of output on both streams is followed byte by byte" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "for i in $(seq 40); do head -c 50000 /dev/zero; head -c 50000 /dev/zero >&2; done; echo end"], "limits": {"output": "100M"}}')
        ctl logs -f "$id" > out 2> err
        { head -c 2000000 /dev/zero; echo end; } | cmp - out
        head -c 2000000 /dev/zero | cmp - err
        # A reader that is slow, and one that goes away.
        ctl logs "$id" 2> /dev/null | { sleep 0.5; cmp - out; }
        ctl logs "$id" 2> err2 | head -c 10 > /dev/null
        cmp err err2
}

# With a job that runs.
watch_top() { # test
        id=$(ctl submit - <<< '{"command": ["sleep", "600"], "name": "watched"}')
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = running ] && break; sleep 0.1; done
        run timeout 120 python3 "$top/tests/engine/top.py" "$build/skepctl" "$1"
        ctl cancel "$id"
        echo "$output"
        [ "$status" -eq 0 ]
}

@test "top shows the pool, the tenants and what runs, until q" {
        watch_top content
}

@test "top writes only the lines that have changed" {
        watch_top changes
}

@test "top takes keys" {
        watch_top keys
}

@test "top fits the terminal, also when that changes" {
        watch_top sizes
}

@test "top gives the terminal back, whatever ends or stops it" {
        watch_top signals
        watch_top stop
}

@test "top elsewhere than on a terminal is one picture, or as many as asked for" {
        ctl run -- true < /dev/null # so that there is a tenant
        run ctl top
        [ "$status" -eq 0 ]
        [[ $output == "skepd "*"workers: 2 of 2"* && $output != *$'\e'* ]]
        [ "$(ctl top -n 2 | grep -c '^skepd ')" -eq 2 ]
        ctl top --json -n 2 > objects
        [ "$(wc -l < objects)" -eq 2 ]
        [ "$(tail -1 objects | json_get engine.workers)" = 2 ]
        head -1 objects | python3 -c 'import json, sys
view = json.load(sys.stdin)
assert view["finished_per_second"] is None
limits = next(t for t in view["tenants"] if t["name"] == "root")["limits"]
assert limits["running"] is limits["submissions_per_minute"] is None and limits["queued"] == 100000'
        tail -1 objects | grep -q '"finished_per_second":[0-9]'
        [ "$(tail -1 objects | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["workers"]))')" -eq 2 ]
        "$build/skepctl" top --json > objects 3>&- &
        for i in $(seq 200); do [ "$(wc -l < objects)" -lt 2 ] || break; sleep 0.1; done
        kill $!
        [ "$(wc -l < objects)" -ge 2 ]
}

@test "an array that runs shows how far it is" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 30}}')
        run grep "^$id " <<< "$(ctl list)"
        [[ $output == *" 0 of 30 "* ]]
        [[ $(ctl status "$id") == *"members      30 queued"* ]]
        ctl cancel "$id"
        run -1 ctl wait "$id"
        ctl resume
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skepctl, as people and programs use it.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
        start_engine
}

teardown_file() {
        stop_engine
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

restart_engine() {
        stop_engine
        start_engine
}

# Ends with 125 and one sentence that has this in it.
refuse() {
        local part=$1
        shift
        run ctl "$@" </dev/null
        [ "$status" -eq 125 ] || { echo "$*: status $status: $output"; return 1; }
        [[ $output == *"$part"* ]] || { echo "$*: $output"; return 1; }
        [ "${#lines[@]}" -eq 1 ]
}

# On a terminal of its own: what would be on it, in $output.
on_terminal() { # command, as a line for sh
        run timeout 60 script -qec "$1" /dev/null </dev/null
}

@test "what is typed wrong gets one sentence with the way out" {
        refuse "see skepctl --help" nosuch
        refuse 'is "cancel" meant' canc
        refuse "no such option" --bogus
        refuse "skepctl --help"
        for command in status wait cancel hold release requeue rm; do
                refuse "skepctl $command ID" $command
                refuse "no such option" $command --bogus
                refuse "no such job" $command 7zzzzzzzzzzzzzzzzzzzzzzzzz
        done
        refuse "skepctl logs" logs
        refuse "skepctl output ID DIR" output x
        refuse "no words" pause now
        refuse "takes no words" list x
        refuse "no such state" list --state lost
        refuse "is no time" list --since tomorrow
        refuse "needs a value" list --since
        refuse "which state" list --state ""
        refuse "not built yet" agents
        refuse "not built yet" agents
        refuse "not reached at" --address /nonexistent/socket list
}

@test "each command has its help" {
        for command in $(ctl --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
                run ctl $command --help
                [ "$status" -eq 0 ]
                [[ $output == "Usage: skepctl $command"* ]]
        done
        [ "$(ctl --version)" = "skepctl 0.1.0" ]
}

@test "acts on all that are named, and says which could not be done" {
        run ctl submit - <<< '[{"command": ["sleep", "60"]}, {"command": ["sleep", "60"]}]'
        first=${lines[0]} second=${lines[1]}
        run ctl cancel "$first" 7zzzzzzzzzzzzzzzzzzzzzzzzz "$second"
        [ "$status" -eq 125 ]
        [ "$output" = "skepctl: 7zzzzzzzzzzzzzzzzzzzzzzzzz: there is no such job" ]
        run -1 ctl wait "$first" "$second"
        run ctl cancel $'\e[2J'
        [[ $output == *'\x1b[2J'* && $output != *$'\e'* ]]
}

@test "ids come from standard input, and lists give them" {
        for i in $(seq 40); do echo '{"command": ["sleep", "60"], "name": "many"}'; done | ctl submit - > ids
        ctl list --name many --ids > listed
        cmp ids listed
        ctl list --name many --ids | ctl cancel -
        run -1 ctl wait - < ids
        [ "$(ctl list --name many --state cancelled --ids | wc -l)" -eq 40 ]
        [ "$(ctl list --name many --state succeeded,failed --ids | wc -l)" -eq 0 ]
        ctl rm - < ids
        [ -z "$(ctl list --name many --ids)" ]
        ctl wait - < /dev/null
}

@test "list goes through pages, and since a time" {
        old=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$old"
        sleep 1
        before=$(date '+%Y-%m-%d %H:%M:%S')
        sleep 1
        ctl pause
        for i in $(seq 1203); do echo '{"command": ["true"], "name": "page"}'; done | ctl submit - > ids
        [ "$(ctl list --name page --json | wc -l)" -eq 1203 ]
        [ "$(ctl list --name page | wc -l)" -eq 1204 ]
        [ "$(ctl list --since "$before" --ids | wc -l)" -eq 1203 ]
        [ "$(ctl list --since 1h --ids | head -1)" \< "$(head -1 ids)" ]
        ctl cancel - < ids
        ctl resume
}

@test "a file of more than one batch is one file: places in after, order, errors" {
        ctl pause
        {
                for i in $(seq 1000); do echo '{"command": ["true"], "name": "batched"}'; done
                echo '{"command": ["true"], "name": "batched", "after": {"x": "#3", "y": "#999"}}'
                echo '{"command": ["true"], "name": "batched", "after": {"x": "#1000"}}'
        } > jobs
        ctl submit jobs > ids
        [ "$(wc -l < ids)" -eq 1002 ]
        ctl list --name batched --ids | cmp - ids
        [ "$(ctl status --json "$(sed -n 1001p ids)" | json_get spec.after.x)" = "$(sed -n 4p ids)" ]
        [ "$(ctl status --json "$(sed -n 1002p ids)" | json_get spec.after.x)" = "$(sed -n 1001p ids)" ]
        run ctl status "$(sed -n 1001p ids)"
        [[ $output == *"after "*"x: $(sed -n 4p ids) (queued)"* ]]
        ctl cancel - < ids
        ctl resume
        { echo '{"command": ["true"], "after": {"x": "#1001"}}'; for i in $(seq 1001); do echo '{"command": ["true"]}'; done; } > jobs
        refuse "job 0: after.x: #1001 comes in a later batch" submit jobs
}

@test "jobs come as an array of any size, over several lines, through a pipe" {
        python3 -c 'import json; print(json.dumps([{"command": ["true"], "stdin": "x" * 400000}] * 20, indent=1))' > jobs.json
        run ctl submit <(cat jobs.json)
        [ "$status" -eq 0 ]
        [ "${#lines[@]}" -eq 20 ]
        ctl wait "${lines[@]}"
        printf '{\n  "command": ["true"]\n}\n{\n  "command": ["true"]\n}\n' > jobs.json
        run ctl submit jobs.json
        [ "${#lines[@]}" -eq 2 ]
}

@test "status says what an operator asks" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "exit 3"], "name": "asked", "retry": {"attempts": 9, "backoff": "1h", "on": ["exited"]}}')
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = backoff ] && break; sleep 0.1; done
        run ctl status "$id"
        [[ $output == *"state        backoff"* && $output == *"attempt      1 of 9"* && $output == *"sh -c 'exit 3'"* ]]
        [[ $output == *"jail made in "* && $output == *"in all, CPU "* ]]
        ctl cancel "$id"
        run -1 ctl wait "$id"
        run ctl status "$id"
        [[ $output == *"state        cancelled"* ]]
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "kill -SEGV $$"]}')
        run ctl wait "$id"
        run ctl status "$id"
        echo "$output"
        [[ $output == *"failed (SIGSEGV)"* ]]
        TZ=Asia/Tokyo ctl status "$id" > local
        TZ=Asia/Tokyo ctl --utc status "$id" > utc
        grep -q '^submitted .*Z$' utc
        ! grep -q '^submitted .*Z$' local
}

@test "colours are for terminals" {
        id=$(ctl submit - <<< '{"command": ["true"], "name": "coloured"}')
        ctl wait "$id"
        run ctl list --name coloured
        [[ $output != *$'\e['* ]]
        on_terminal "TERM=xterm $build/skepctl list --name coloured"
        [[ $output == *$'\e[32msucceeded\e[0m'* ]]
        on_terminal "TERM=xterm NO_COLOR=1 $build/skepctl list --name coloured"
        [[ $output != *$'\e['* ]]
        on_terminal "TERM=dumb $build/skepctl list --name coloured"
        [[ $output != *$'\e['* ]]
}

@test "what a job writes cannot command a terminal, but goes through pipes unchanged" {
        printf '\033]0;owned\007\033[2J\033[31mred\033[0m\n\302\233\377' > bytes
        run ctl run --input bytes=bytes -- cat /input/bytes < /dev/null
        id=$(ctl list --ids | tail -1)
        ctl logs "$id" | cmp - bytes
        on_terminal "$build/skepctl logs $id"
        [[ $output == *'\x1b]0;owned\x07\x1b[2J'$'\e[31mred\e[0m'* ]]
        [[ $output == *'\xc2\x9b\xff'* ]]
        on_terminal "$build/skepctl logs --raw $id"
        [[ $output == *$'\e]0;owned\a'* ]]
        on_terminal "$build/skepctl run -- printf '\\033[2J' < /dev/null"
        [[ $output == *'\x1b[2J'* ]]
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
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo begin $SKEP_ATTEMPT; sleep 1; [ $SKEP_ATTEMPT = 2 ] && sleep 600"], "retry": {"attempts": 3, "backoff": "300ms", "on": ["exited"]}, "limits": {"wall": "1h"}}')
        ctl logs -f "$id" > out 2> err 3>&- &
        for i in $(seq 200); do grep -q 'begin 2' out && break; sleep 0.1; done
        grep -q 'begin 2' out
        [ "$(ctl status --json "$id" | json_get state)" = running ]
        grep -q 'run again; the output of attempt 2' err
        ctl cancel "$id"
        wait $!
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
        id=$(ctl submit - <<< '{"command": ["sleep", "4"]}')
        ctl wait "$id" 2> err 3>&- &
        waiter=$!
        ctl logs -f "$id" 2> err2 3>&- &
        follower=$!
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = running ] && break; sleep 0.1; done
        sleep 0.2
        pid=$(cat "$BATS_FILE_TMPDIR/pid")
        kill -KILL "$pid"
        while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
        start_engine
        wait $waiter
        wait $follower
        grep -q 'the supervisor has gone' err
        [ "$(ctl status --json "$id" | json_get state)" = succeeded ]
}

@test "a long wait shows how far it is, on a terminal alone" {
        for i in 1 2 3 4; do echo '{"command": ["sleep", "1.5"]}'; done | ctl submit - > ids
        on_terminal "$build/skepctl wait $(tr '\n' ' ' < ids)"
        [ "$status" -eq 0 ]
        [[ $output == *"wait ["*"of 4"* ]]
        ids=$(for i in 1 2; do echo '{"command": ["sleep", "1"]}'; done | ctl submit -)
        run ctl wait $ids
        [ -z "$output" ]
}

@test "run says on a terminal why the job does not run yet" {
        ctl pause
        { sleep 3; ctl resume; } 3>&- &
        on_terminal "$build/skepctl run -- echo done"
        [ "$status" -eq 0 ]
        [[ $output == *"waiting "*" s: the engine is paused"*$'\r\e[K'"done"* ]]
        wait
}

# What bash offers for a line whose last word is being typed: words split as bash splits them.
complete_line() { # words
        PATH=$build:$PATH bash -c '
                source "$1"
                shift
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
                _skepctl
                printf "%s\n" "${COMPREPLY[@]}"' bash "$top/engine/ctl/skepctl.bash-completion" "$@"
}

@test "bash completes commands, options, states, ids and policies" {
        id=$(ctl submit - <<< '{"command": ["sleep", "600"]}')
        done=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$done"
        [ "$(complete_line skepctl canc)" = cancel ]
        [ "$(complete_line skepctl list --st)" = --state ]
        [ "$(complete_line skepctl list --state fai)" = failed ]
        complete_line skepctl status "" | grep -qx "$id"
        complete_line skepctl status "" | grep -qx "$done"
        complete_line skepctl cancel "" | grep -qx "$id"
        ! complete_line skepctl cancel "" | grep -qx "$done"
        complete_line skepctl rm "${done:0:20}" | grep -qx "$done"
        ! complete_line skepctl rm "" | grep -qx "$id"
        [ -z "$(complete_line skepctl run -- cancel)" ]
        address=$SKEP_ADDRESS
        export SKEP_ADDRESS=/nonexistent
        [ -z "$(complete_line skepctl status "")" ]
        complete_line skepctl --address unix : path = "${address#unix:path=}" status "" | grep -qx "$id"
        complete_line skepctl --address "${address#unix:path=}" status "" | grep -qx "$id"
        export SKEP_ADDRESS=$address
        ctl cancel "$id"
}

@test "each command is in the manual, and bash knows it" {
        commands=$(ctl --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
        [ "$(wc -w <<< "$commands")" -ge 16 ]
        for command in $commands; do
                grep -q "^\*$command\*\|, \*$command\*" "$top/docs/man/skepctl.1.scd"
                complete_line skepctl "$command" | grep -qx "$command"
        done
        for word in $(complete_line skepctl ""); do
                case $word in
                -*) grep -q "\*$word\*" "$top/docs/man/skepctl.1.scd" ;;
                *) ctl "$word" --help > /dev/null ;;
                esac
        done
}

@test "doctor says what is amiss on the way to the supervisor, and by its status" {
        run ctl doctor
        [ "$status" -le 1 ]
        [[ $output == *"supervisor  yes   it answers, version 0.1.0"* && $output == *"jails can be made"* ]]
        [[ $output == *"address     yes   $SKEP_ADDRESS, by \$SKEP_ADDRESS"* ]]
        run ctl pause
        run ctl doctor --json
        [ "$status" -eq 1 ]
        [ "$(json_get reached <<< "$output")" = true ]
        [[ $output == *'"name":"intake","verdict":"no"'*'"remedy":"skepctl resume"'* ]]
        ctl resume
        run -125 ctl doctor --address "$BATS_TEST_TMPDIR/nothing"
        [[ $output == *"socket      note  $BATS_TEST_TMPDIR/nothing: No such file"* ]]
        touch file
        run -125 ctl doctor --address "$BATS_TEST_TMPDIR/file"
        [[ $output == *"is no socket"* ]]
}

@test "an ordinary user is told which group lets him in" {
        run setpriv --reuid 65534 --regid 65534 --clear-groups "$build/skepctl" --address "$BATS_FILE_TMPDIR/engine.sock" doctor
        [[ $output == *"group "*" skep"* ]] || [[ $output == *"no group skep"* ]]
        [ "$status" -ne 0 ]
        run setpriv --reuid 65534 --regid 65534 --clear-groups "$build/skepctl" --address "$BATS_FILE_TMPDIR/engine.sock" list
        [ "$status" -eq 125 ]
        [ "${#lines[@]}" -eq 1 ]
}

@test "status says why a job waits" {
        ctl pause
        run ctl submit - <<< '[{"command": ["true"]}, {"command": ["true"]}, {"command": ["true"], "after": {"x": "#0"}}]'
        first=${lines[0]} second=${lines[1]} third=${lines[2]}
        run ctl status "$second"
        [[ $output == *"waits        the engine is paused; 1 of its tenant's jobs stand before it"* ]]
        run ctl status "$third"
        [[ $output == *"waits        for 1 jobs that it is to run after"*"x: $first (queued)"* ]]
        ctl hold "$first"
        run ctl status "$first"
        [[ $output == *"held: skepctl release"*"waits        it is held"* ]]
        ctl cancel "$first" "$second"
        ctl resume
        run -1 ctl wait "$third"
        id=$(ctl submit - <<< '{"command": ["false"], "retry": {"attempts": 2, "backoff": "1h", "on": ["exited"]}}')
        for i in $(seq 100); do [ "$(ctl status --json "$id" | json_get state)" = backoff ] && break; sleep 0.1; done
        run ctl status "$id"
        [[ $output == *"waits        for its next attempt"*"next attempt "*", in "* ]]
        [ "$(ctl status --json "$id" | json_get due_usec)" -gt "$(ctl status --json "$id" | json_get submitted_usec)" ]
        ctl cancel "$id"
        run -1 ctl wait "$id"
        [ "$(ctl status --json "$id" | json_get due_usec)" = null ]
        # What takes all of the pool leaves no room for another.
        big=$(ctl submit - <<< "{\"command\": [\"sleep\", \"60\"], \"limits\": {\"memory\": \"$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) * 7 / 10))K\"}}")
        for i in $(seq 100); do [ "$(ctl status --json "$big" | json_get state)" = running ] && break; sleep 0.1; done
        id=$(ctl submit - <<< "{\"command\": [\"true\"], \"limits\": {\"memory\": \"$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) * 3 / 10))K\"}}")
        run ctl status "$id"
        [[ $output == *"waits        for memory: it needs "*"of the pool's are free"* ]]
        ctl cancel "$big"
        ctl wait "$id"
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
        sleep 0.5
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

@test "config says what holds, and where it is from; reload, what needs a restart" {
        run ctl config
        [[ ${lines[0]} == KEY*VALUE*FROM ]]
        [[ $output == *"default_policy"*"python"*"default"* ]]
        [ "$(ctl config --json | json_get default_policy.value)" = python ]
        ctl reload
        [ "$(ctl reload --json | json_get needs_restart)" = "[]" ]
}

@test "a wait for more jobs than the supervisor remembers" {
        echo '{"retention": {"count": 50}}' > few.json
        "$build/skepd" --embedded --config few.json --state few --socket "$PWD/few.sock" --allow-missing="$MISSING" > ready 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do grep -q ready ready && break; sleep 0.1; done
        export SKEP_ADDRESS=unix:path=$PWD/few.sock
        ctl pause
        for i in $(seq 800); do echo '{"command": ["true"], "priority": '$((i % 100))'}'; done | ctl submit - > ids
        ctl wait - < ids 3>&- &
        waiter=$!
        sleep 0.5
        ctl resume
        wait $waiter
        kill -TERM $pid
        wait $pid
}

@test "logs shows both streams in the order in which they were written, and when" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "for i in 1 2 3 4 5; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done; printf end"]}')
        expected=$(for i in 1 2 3 4 5; do echo "out $i"; echo "err $i"; done; echo end)
        [ "$(ctl logs -f "$id" 2>&1)" = "$expected" ]
        [ "$(ctl logs "$id" 2>&1)" = "$expected" ]
        ctl --utc logs --timestamps "$id" > stamped 2>&1
        [ "$(sed 's/^[-0-9]*T[:0-9]*\.[0-9]\{6\}Z //' stamped)" = "$expected" ]
        sort -c stamped
        TZ=Asia/Tokyo ctl logs --timestamps --stdout "$id" | grep -q '+0900 out 1'
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
        run ctl top
        [ "$status" -eq 0 ]
        [[ $output == "skepd "*"workers: 2 of 2"* && $output != *$'\e'* ]]
        [ "$(ctl top -n 2 | grep -c '^skepd ')" -eq 2 ]
        ctl top --json -n 2 > objects
        [ "$(wc -l < objects)" -eq 2 ]
        [ "$(tail -1 objects | json_get engine.workers)" = 2 ]
        [ "$(tail -1 objects | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["workers"]))')" -eq 2 ]
        timeout 3 "$build/skepctl" top --json > objects || true
        [ "$(wc -l < objects)" -ge 2 ]
}

@test "pool shows the workers, and scale changes how many there are" {
        run ctl pool
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = "2 workers, 2 wanted (2 to 50 are possible)" ]
        [[ ${lines[1]} == "WORKER  STATE"*"JOBS  WARM"*"MEMORY  PRESSURE"*"UP"*"UNIT"* ]]
        [ "$(grep -c ' ready ' <<< "$output")" -eq 2 ]
        ctl scale 3
        for i in $(seq 100); do [ "$(ctl pool | grep -c ' ready ')" -eq 3 ] && break; sleep 0.1; done
        [ "$(ctl pool --json | python3 -c 'import json, sys; pool = json.load(sys.stdin); print(pool["pool_target"], len(pool["workers"]))')" = "3 3" ]
        refuse "2 to 50 workers" scale 60
        refuse "out of range" scale 1000000
        refuse "how many workers" scale
        refuse "off, fixed, reactive or predictive" scale many
        refuse "not a whole number" scale 3x
        ctl scale 2
        for i in $(seq 100); do [ "$(ctl pool | grep -c ' ready ')" -eq 2 ] && break; sleep 0.1; done
        [ "$(ctl pool --json | json_get pool_target)" = 2 ]
}

@test "policies are listed, and completed" {
        run ctl policies
        [[ ${lines[0]} == NAME*DIGEST*DESCRIPTION ]]
        [ "$(grep -c '^python  *sha256:[0-9a-f]\{12\} ' <<< "$output")" -eq 1 ]
        ctl policies --json > objects
        grep -q '^{"name":"strict","digest":"sha256:[0-9a-f]\{64\}","description":"' objects
        [ "$(complete_line skepctl run --policy str)" = strict ]
        complete_line skepctl run --policy "" | grep -qx python
}

@test "jobs that are many megabytes together are submitted in several batches" {
        ctl pause
        python3 -c '
import json
for i in range(30):
    print(json.dumps({"command": ["true"], "meta": {"text": "x" * (1 << 20)}, "after": {"before": "#" + str(i - 1)} if i else {}}))' > large
        ctl submit large > ids
        [ "$(wc -l < ids)" -eq 30 ]
        [ "$(ctl status --json "$(tail -1 ids)" | json_get spec.after.before)" = "$(tail -2 ids | head -1)" ]
        ctl cancel $(cat ids)
        ctl resume
}

@test "an array is one job with members: counts in its status, members in lists, their output by their ids" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo member $SKEP_ARRAY_INDEX; [ $SKEP_ARRAY_INDEX != 2 ]"], "name": "many", "array": {"count": 12, "parallel": 4}}')
        run -1 ctl wait "$id"
        run ctl status "$id"
        [[ $output == *"members      11 succeeded, 1 failed"* ]]
        [ "$(ctl status --json "$id" | json_get array.succeeded)" = 11 ]
        ctl list --array "${id:0:25}" --ids > members
        for i in $(seq 0 11); do echo "${id}_$i"; done | cmp - members
        [ "$(ctl list --array "$id" --state failed --ids)" = "${id}_2" ]
        [ "$(ctl logs "${id}_11")" = "member 11" ]
        run -1 ctl wait "${id}_2"
        ctl wait "${id}_3" "${id}_4"
        [ "$(ctl status --json "${id}_3" | json_get state)" = succeeded ]
        refuse "no such job" status "${id}_12"
        refuse "is an array" logs "$id"
        # Those that come behind it are no members.
        other=$(ctl submit - <<< '{"command": ["true"]}')
        [ "$(ctl list --array "$id" --ids | wc -l)" -eq 12 ]
        [ -z "$(ctl list --array "$other" --ids)" ]
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager ListJobs 'a{sv}su' 1 array s "$id" "${id}_9" 1
        [[ $output == "aa{sv}s 1 "*"\"${id}_10\""*" \"${id}_10\"" ]]
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

@test "backup writes a whole copy under the name, or to standard output" {
        id=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$id"
        echo before > copy.tar
        chmod 644 copy.tar
        ctl backup copy.tar
        [ "$(stat -c %a copy.tar)" = 600 ]
        [ "$(ls | wc -l)" -eq 1 ]
        tar -tf copy.tar | sort > ../names
        ctl backup - | tar -tf - | sort | cmp - ../names
        refuse "is there, and no file" backup /dev/null
        refuse "where to" backup
        refuse "No such file" backup /nonexistent/place/copy
        on_terminal "$build/skepctl backup -"
        [[ $output == *"not for a terminal"* ]]
}

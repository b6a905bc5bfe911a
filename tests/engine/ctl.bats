#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skepctl, as people and programs use it.

bats_require_minimum_version 1.5.0
load ../helper
load one_engine
load ctl

teardown() {
        end_stand_in
}

@test "what is typed wrong gets one sentence with the way out" {
        refuse "see skepctl --help" nosuch
        refuse 'is "cancel" meant' canc
        refuse "no such option" --bogus
        refuse "skepctl --help"
        for command in status wait cancel hold release requeue rm; do
                refuse "skepctl $command ID" $command
                refuse "no such option" $command --bogus
                refuse "an id is empty" $command ""
                refuse "no such job" $command 7zzzzzzzzzzzzzzzzzzzzzzzzz
        done
        refuse "skepctl logs" logs
        refuse "an id is empty" logs ""
        refuse "an id is empty" list --array ""
        refuse "skepctl output ID DIR" output x
        refuse "no words" pause now
        refuse "takes no words" list x
        refuse '"lost": there is no such state; there are waiting, queued, starting, running, backoff, succeeded, failed, cancelled' list --state running,lost
        refuse "is no time" list --since tomorrow
        refuse "needs a value" list --since
        refuse "takes no words" forecast 5
        refuse "--minutes: \"0\" is out of range" forecast --minutes=0
        refuse "which state" list --state ""
        refuse "-l: there is no such option" list -la
        refuse "-x: there is no such option" events -fx
        refuse "-n: there is no such option" list -n 1
        refuse "-n: needs a value" events -n
        refuse "-n: \"x\"" events -nx
        refuse "--bogus=1: there is no such option" events --bogus=1
        refuse "--follow=1: there is no such option, or it takes no value" events --follow=1
        echo '{"command": ["true"]}' > job
        refuse "only --input is possible" submit job --name x
        refuse "only --input is possible" submit job --output out
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

@test "the options of all commands stand before the command or behind its name" {
        for command in $(ctl --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
                for form in "--utc $command" "$command --utc"; do
                        [ "$(ctl $form --json --version)" = "skepctl 0.1.0" ]
                        [[ $(ctl $form --json --help) == "Usage: skepctl $command"* ]]
                done
        done
        [[ $(ctl list --ids --state running -h) == "Usage: skepctl list"* ]]
        ctl run --utc --json -- true < /dev/null
        [ "$(ctl run printf %s --version < /dev/null)" = --version ]
}

@test "short options are written as everywhere: with their values, and several together" {
        ctl run -- true < /dev/null
        for form in -n1 "-n 1" --number=1 "--number 1"; do
                [ "$(ctl events $form --json | wc -l)" -eq 1 ]
                [ "$(ctl top $form --json | wc -l)" -eq 1 ]
        done
        for form in "--minutes=5 --svg=plot" "--minutes 5 --svg plot"; do
                rm -f plot
                ctl forecast $form
                grep -q '<svg' plot
        done
        "$build/skepctl" events -fn1 > followed 3>&- &
        for i in $(seq 200); do [ "$(wc -l < followed)" -lt 2 ] || break; sleep 0.1; done
        kill $!
        [ "$(wc -l < followed)" -eq 2 ]
        run "$build/skepd" -xy
        [[ $status -ne 0 && $output == *"-x: there is no such option"* ]]
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

        # Also where no message can have what is named.
        first=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        run ctl cancel $'\xff' "$first"
        [ "$status" -eq 125 ]
        [ "$output" = 'skepctl: \xff: an id that is not UTF-8' ]
        run -1 ctl wait "$first"
        ctl rm --json $'\xff' "$first" 2>/dev/null | python3 -c '
import json, sys
outcomes = [json.loads(line) for line in sys.stdin.buffer.read().decode().splitlines()]
assert [(o["id"], o["error"]) for o in outcomes] == [("\\xff", "an id that is not UTF-8"), (sys.argv[1], None)], outcomes' "$first"
}

@test "what changes something, and waits, says with --json what came of it" {
        run ctl submit - <<< '[{"command": ["sleep", "60"]}, {"command": ["true"]}]'
        first=${lines[0]} second=${lines[1]}
        [ "$(ctl wait --json "$second" "$second")" = "{\"id\":\"$second\",\"state\":\"succeeded\"}" ]
        for command in requeue hold release cancel; do
                [ "$(ctl $command "$first" --json)" = "{\"id\":\"$first\",\"error\":null}" ]
        done
        run -1 ctl wait --json "$first" "$second"
        [[ ${#lines[@]} -eq 2 && $output == *"{\"id\":\"$first\",\"state\":\"cancelled\"}"* ]]
        run ! bash -c '"$1" rm --json "$2" 7zzzzzzzzzzzzzzzzzzzzzzzzz 2> /dev/null' - "$build/skepctl" "$first"
        # As the answers come.
        [[ $output == *"{\"id\":\"$first\",\"error\":null}"* ]]
        [[ $output == *'{"id":"7zzzzzzzzzzzzzzzzzzzzzzzzz","error":"there is no such job"}'* ]]
        [ "$(ctl pause --json | json_get paused)" = true ]
        [ "$(ctl drain --json | json_get draining)" = true ]
        [[ $(ctl resume --json) == '{"paused":false,"draining":false,"scaler":"predictive","pool_target":'*'}' ]]
        [ "$(ctl scale --json fixed | json_get scaler)" = fixed ]
        ctl scale predictive --json
}

@test "what cannot be printed is said, also where others are to read it at once" {
        printf '%s\n' '{"command": ["true"]}' '{"command": ["true"]}' > jobs
        for command in "submit jobs" "wait --json $(ctl submit jobs | head -1)" "list" "status --json $(ctl list --ids | head -1)"; do
                run ctl $command > /dev/null
                [ "$status" -eq 0 ] || { echo "$command: $output"; return 1; }
                run -125 sh -c 'exec timeout 60 "$@" > /dev/full' - "$build/skepctl" $command
                [ "$output" = "skepctl: standard output: No space left on device" ] || { echo "$command: $output"; return 1; }
        done
        run -125 sh -c 'exec timeout 60 "$@" > /dev/full' - "$build/skepctl" doctor
        [ "$output" = "skepctl: standard output: No space left on device" ]
}

@test "who has read enough is no failure, also where SIGPIPE is ignored; jobs that are not submitted are one" {
        unread() { # COMMAND...: its status, when nobody reads what it prints
                rm -f pipe
                mkfifo pipe
                exec 8<> pipe 9> pipe 8<&- # its reader has gone
                status=0
                (trap "" PIPE && exec timeout 60 "$build/skepctl" "$@" >&9 2> err 9>&-) || status=$?
                exec 9>&-
        }
        for i in $(seq 1100); do echo '{"command": ["true"]}'; done > jobs
        ctl pause
        unread submit jobs
        [ "$status" -eq 125 ]
        grep -q '^skepctl: the jobs from 1000 on are not submitted: standard output: Broken pipe' err
        ctl list --ids --state queued | ctl cancel - > /dev/null
        ctl resume
        head -2 jobs > few
        for command in "submit few" list "list --json" "top -n 2" "events -f" config "config --help" pool; do
                unread $command
                [ "$status" -eq 0 ] || { echo "$command: $status $(< err)"; return 1; }
                [ ! -s err ] || { echo "$command: $(< err)"; return 1; }
        done
}

@test "ids come from standard input, and lists give them" {
        for i in $(seq 40); do echo '{"command": ["sleep", "60"], "name": "many"}'; done | ctl submit - > ids
        ctl list --name many --ids > listed
        cmp ids listed
        ctl list --name many --ids | ctl cancel -
        run -1 ctl wait - < ids
        [ "$(sed 's/^/ \t/; s/$/  and more/' ids | ctl status - --json | wc -l)" -eq 40 ]
        [ "$(ctl list --name many --state cancelled --ids | wc -l)" -eq 40 ]
        [ "$(ctl list --name many --state succeeded,failed --ids | wc -l)" -eq 0 ]
        ctl rm - < ids
        [ -z "$(ctl list --name many --ids)" ]
}

@test "no id on standard input: nothing is asked, nothing is done" {
        for command in status show wait cancel hold release requeue rm; do
                for form in "" --json; do
                        run -0 ctl $command - $form < /dev/null
                        [ -z "$output" ]
                done
        done
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
        echo '[{"command": ["true"]}, {"command": ["true"], "after": {"x": "#2"}}]' > jobs
        refuse "job 1: after.x: there is no job #2: the last is #1" submit jobs
        { for i in $(seq 1003); do echo '{"command": ["true"]}'; done; echo '{"command": []}'; } > jobs
        ctl pause
        status=0
        ctl submit jobs > ids 2> why || status=$?
        [ "$status" -eq 125 ]
        ctl cancel - < ids
        ctl resume
        [ "$(wc -l < ids)" -eq 1000 ]
        [[ $(< why) == "skepctl: of the jobs from 1000 on (those before are submitted): job 1003: command"* ]]
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

        # What is held waits for its release, until it has ended.
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        ctl hold "$id"
        run ctl status "$id"
        [[ $output == *", held: skepctl release lets it start"* ]]
        ctl cancel "$id"
        run -1 ctl wait "$id"
        run ctl status "$id"
        [[ $output == *$'state        cancelled'* && $output != *"release lets it start"* ]]
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "kill -SEGV $$"]}')
        run ctl wait "$id"
        run ctl status "$id"
        echo "$output"
        [[ $output == *"failed (SIGSEGV)"* ]]
        TZ=JST-9 ctl status "$id" > local
        TZ=JST-9 ctl --utc status "$id" > utc
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

@test "a terminal that obeys no sequences gets none" {
        for term in "TERM=dumb" "TERM=" "unset TERM;"; do
                on_terminal "$term $build/skepctl top"
                [[ $status -eq 0 && $output == "skepd "*"workers: "* && $output != *$'\e'* ]]
                on_terminal "$term $build/skepctl list"
                [[ $output != *$'\e'* ]]
                on_terminal "$term $build/skepctl run -- sleep 1"
                [[ $output != *$'\e'* ]]
        done
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
        complete_line skepctl cancel "" > offered
        run ! grep -qx "$done" offered
        complete_line skepctl rm "${done:0:20}" | grep -qx "$done"
        complete_line skepctl rm "" > offered
        run ! grep -qx "$id" offered
        [ -z "$(complete_line skepctl run -- cancel)" ]
        address=$SKEP_ADDRESS
        export SKEP_ADDRESS=/nonexistent
        [ -z "$(complete_line skepctl status "")" ]
        complete_line skepctl --address unix : path = "${address#unix:path=}" status "" | grep -qx "$id"
        complete_line skepctl --address "${address#unix:path=}" status "" | grep -qx "$id"
        export SKEP_ADDRESS=$address
        ctl cancel "$id"
}

@test "bash completes the values of options" {
        mkdir -p place/inner && touch place/file
        [ "$(complete_line skepctl list --state running,fa)" = running,failed ]
        [ "$(complete_line skepctl list --state = running,fa)" = running,failed ]
        id=$(ctl submit - <<< '{"command": ["true"]}')
        complete_line skepctl list --array "" | grep -qx "$id"
        [ "$(complete_line skepctl --address "")" = place ]
        [ "$(complete_line skepctl --address unix : path = place/f)" = place/file ]
        [ "$(complete_line skepctl run --input "")" = place ]
        [ "$(complete_line skepctl run --input a = place/f)" = place/file ]
        [ "$(complete_line skepctl run --input = a = place/f)" = place/file ]
        [ "$(complete_line skepctl submit --input a/ = place/i)" = place/inner ]
        [ "$(complete_line skepctl forecast --svg place/f)" = place/file ]
        [ "$(complete_line skepctl forecast --mi)" = --minutes ]
        [ "$(complete_line skepctl run --output place/)" = place/inner ]
        [ "$(complete_line skepctl output --json "$id" place/)" = place/inner ]
        [ "$(complete_line skepctl scale re)" = reactive ]
        [ -z "$(complete_line skepctl scale reactive "")" ]
        [ -z "$(complete_line skepctl run python3 -)" ]
        [ -z "$(complete_line skepctl run --policy python --setenv A = b python3 --js)" ]
        [ "$(complete_line skepctl run --policy python --js)" = --json ]
}

@test "bash completes every option that the help of a command has" {
        for command in "" $(ctl --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
                case $command in
                run) ctl --help | sed -n '/^Options of run/,/^$/p' ;;
                *) ctl $command --help | grep ^Usage: ;;
                esac > help
                grep -o -- ' \[\?--\?[a-z][a-z-]*' help | tr -d ' [' | while read -r option; do
                        complete_line skepctl $command - | grep -qx -- "$option" || { echo "$command $option"; exit 1; }
                done
        done
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
        ctl drain
        run -1 ctl doctor
        [[ $output == *"intake      no    draining: no job is taken; those that are there are run"* ]]
        ctl resume
        run -125 ctl doctor --address "$BATS_TEST_TMPDIR/nothing"
        [[ $output == *"socket      note  $BATS_TEST_TMPDIR/nothing: No such file"* ]]
        touch file
        run -125 ctl doctor --address "$BATS_TEST_TMPDIR/file"
        [[ $output == *"is no socket"* ]]
}

# answer_state TROUBLES WORKER: the engine's troubles, and the properties of its only worker, as answers.py has them.
answer_state() {
        printf '{"GetAll": ["a{sv}", [[["Version", ["s", "0.1.0"]], ["Workers", ["u", 1]], ["PoolTarget", ["u", 2]], ["Troubles", %s]]]],
                 "GetManagedObjects": ["a{oa{sa{sv}}}", [[["/org/skep/Engine1/worker/3",
                        [["org.skep.Engine1.Worker", [["Name", ["s", "3"]], %s]]]]]]]}' "[\"as\", $1]" "$2" > answers
}

@test "the path of a socket may have what means something in an address" {
        for name in 'a:b' 'a,b;c=d' 'a%41' 'a b'; do
                ln -s "$BATS_FILE_TMPDIR/engine.sock" "$name"
                ctl --address "$PWD/$name" pool
                SKEP_ADDRESS=./$name ctl pool
                run ctl --address "$PWD/$name" doctor
                [[ $output == *"socket      yes   $PWD/$name"* ]]
        done
}

@test "doctor finds what the engine, and a worker, say of themselves" {
        begin_stand_in
        answer_state '["the store cannot be written"]' '["Unit", ["s", "skep-worker@3.service"]], ["Trouble", ["s", "no such unit\u001b[2J"]]'
        run -1 ctl --address "$PWD/stand-in" doctor
        [[ $output == *"trouble     no    the store cannot be written"* ]]
        [[ $output == *"workers     note  1 of 2"*"→ journalctl -u 'skep-worker@*'"* ]]
        [[ $output == *"workers     no    worker 3: no such unit\x1b[2J"*"→ journalctl -u 'skep-worker@*'"* ]]
        run -1 ctl --address "$PWD/stand-in" doctor --json
        [[ $output == *'"name":"trouble","verdict":"no","text":"the store cannot be written"'* ]]
        answer_state '[]' '["Unit", ["s", ""]], ["Trouble", ["s", ""]]'
        run ctl --address "$PWD/stand-in" doctor
        [[ $output == *"workers     note  1 of 2"*"→ see what skepd has written"* ]]
        [[ $output != *journalctl* && $output != *"worker 3"* && $output != *trouble* ]]
}

@test "what is not measured is null, and a dash in tables" {
        begin_stand_in
        answer_state '[]' '["Warm", ["t", 18446744073709551615]], ["MemoryBytes", ["t", 18446744073709551615]], ["Pressure", ["a{sd}", []]], ["Unit", ["s", "u"]]'
        sed -i '1s/{/{"ListTenants": ["aa{sv}", [[]]], "ListJobs": ["aa{sv}s", [[], ""]], /' answers
        ctl --address "$PWD/stand-in" pool --json | grep -q '"warm":null,"memory_bytes":null,"pressure":{},"unit":"u"'
        ctl --address "$PWD/stand-in" top --json -n 1 | grep -q '"warm":null,"memory_bytes":null,"pressure":{},"unit":"u"'
        ctl --address "$PWD/stand-in" pool | grep -q '^3  *-  *0  *-  *-  *-  *-  *u$'
}

# What an engine is asked by each of them.
commands_that_ask() {
        printf '%s\n' "list" "list --ids" "list --array 1" "events" "status 1" "logs 1" "output 1 place" "wait 1" "wait $SOME" "pool" "top -n 1" "config" \
                "forecast" "forecast --svg svg" "policies" "reload" "backup copy" "submit jobs" "run -- true" "doctor"
}

@test "an answer of other types is an error, and no crash" {
        SOME=01hf7yat000000000000000000
        begin_stand_in
        echo '{"command": ["true"]}' > jobs
        for answer in '["u", [7]]' '["", []]' '["a{ub}", [[[1, 1]]]]' '["as", [["a", "b"]]]'; do
                python3 -c 'import json, sys; print(json.dumps(dict.fromkeys(sys.argv[2:], json.loads(sys.argv[1]))))' "$answer" GetAll Get GetManagedObjects \
                        ListTenants ListJobs ListPolicies GetConfig GetScalingReport GetJob Report OpenOutput Wait Subscribe Reload Backup Submit > answers
                while read -r line; do
                        [[ $answer != '["as"'* || $line != reload ]] || continue # that is right
                        run "$build/skepctl" --address "$PWD/stand-in" $line < /dev/null
                        [ "$status" -eq 125 ] || [ "$line" = doctor -a "$status" -le 125 ] || { echo "$answer: $line: $status $output"; false; }
                        [ "${#lines[@]}" -eq 1 ] || [ "$line" = doctor ] || { echo "$answer: $line: $output"; false; }
                done < <(commands_that_ask)
        done
}

@test "values of other types are passed over, and what a terminal would obey is escaped" {
        SOME=01hf7yat000000000000000000
        begin_stand_in
        echo '{"command": ["true"]}' > jobs
        python3 "$top/tests/engine/odd_answers.py" > answers
        mapfile -t all < answers
        echo '[{"command": ["true"]}, {"command": ["true"]}]' > jobs
        for answer in "${all[@]}"; do
                echo "$answer" > answers
                while read -r line; do
                        run "$build/skepctl" --address "$PWD/stand-in" $line < /dev/null
                        [ "$status" -le 125 ] || { echo "$line: $status $output"; false; }
                        [[ $output != *$'\e'* ]] || { echo "$line: $output"; false; }
                done < <(commands_that_ask)
        done
        [ "$("$build/skepctl" --address "$PWD/stand-in" submit jobs)" = '\x1b[2J' ]
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
        [[ $output == *"waits        for 1 job that it is to run after"*"x: $first (queued)"* ]]
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

@test "config says what holds, and where it is from; reload, what needs a restart" {
        run ctl config
        [[ ${lines[0]} == KEY*VALUE*FROM ]]
        [[ $output == *"default_policy"*"python"*"default"* ]]
        [ "$(ctl config --json | json_get default_policy.value)" = python ]
        ctl reload
        [ "$(ctl reload --json | json_get needs_restart)" = "[]" ]
}

@test "pool shows the workers, and scale changes how many there are" {
        # The jobs of the tests before may have called for more.
        ctl scale 2
        for i in $(seq 200); do [ "$(ctl pool --json | json_get workers | grep -o '"name"' | wc -l)" -eq 2 ] && break; sleep 0.1; done
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

@test "libarchive is loaded when an archive is made, and said to be missing then" {
        lib=$(ldconfig -p | awk '/libarchive.so.13 / { print $NF; exit }')
        for program in skepctl skepd skep-worker; do
                run ldd "$build/$program"
                [[ $status -eq 0 && $output != *libarchive* && $output != *libxml2* ]] || sanitized
        done
        mkdir tree
        hide=(unshare --mount sh -c 'mount --bind /dev/null "$1" && shift && exec "$@"' sh "$(readlink -f "$lib")")
        run -0 "${hide[@]}" "$build/skepctl" run -- true
        run -125 "${hide[@]}" "$build/skepctl" run --input d/=tree -- true
        [[ $output == *libarchive.so.13*"libarchive makes no archive"* ]]
        run -0 ctl run --input d/=tree -- true
}

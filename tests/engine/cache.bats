#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The result cache: what is the same, what is not, and what is gone.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
        start_engine --drain 0s
}

teardown_file() {
        stop_engine
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

# Submits a job, waits for it, and says where its result is from: its own id, or another's.
origin() { # keys of the job, further options
        local spec=$1 id
        shift
        id=$(ctl submit "$@" - <<< "{\"cache\": \"1h\", $spec}")
        ctl wait "$id" > /dev/null
        field "$id" 'job["report"].get("cached_from", job["id"])'
}

# The next engine sees a database of packages that can be changed: "packages", here.
with_own_packages() {
        local database
        database=$(ls /var/lib/dpkg/status /usr/lib/sysimage/rpm/rpmdb.sqlite /var/lib/rpm/rpmdb.sqlite 2>/dev/null | head -1)
        cp "$database" packages
        stop_engine
        export PREPARE="mount --bind '$PWD/packages' '$database'"
        start_engine --drain 0s
}

@test "the same job is not run again, and has the result of the first" {
        spec='"command": ["sh", "-c", "date +%N; echo err >&2; date +%N > /output/f"]'
        first=$(ctl submit - <<< "{\"cache\": \"1h\", $spec}")
        ctl wait "$first"
        second=$(ctl submit - <<< "{$spec, \"cache\": \"1h\", \"name\": \"other\", \"priority\": 3}")
        ctl wait "$second"
        [ "$second" != "$first" ]
        [ "$(field "$second" 'job["state"], job["attempt"], job["report"]["cached"], job["report"]["cached_from"]')" = "succeeded 1 True $first" ]
        [ "$(field "$first" 'job["report"]["cached"]')" = False ]
        [ "$(field "$second" 'job["report"]["wall_usec"]')" = "$(field "$first" 'job["report"]["wall_usec"]')" ]
        [ "$(ctl logs "$first" 2> e1)" = "$(ctl logs "$second" 2> e2)" ]
        [ "$(cat e2)" = err ]
        ctl output "$first" a
        ctl output "$second" b
        diff -r a b
        # The same file, not a copy.
        [ "$(stat -c %i "$state/jobs/$first/1/files")" = "$(stat -c %i "$state/jobs/$second/1/files")" ]
        # Without the key it runs.
        third=$(ctl submit - <<< "{$spec}")
        ctl wait "$third"
        [ "$(ctl logs "$third" 2>/dev/null)" != "$(ctl logs "$first" 2>/dev/null)" ]
        # And is not found by who has it.
        id=$(ctl submit - <<< '{"command": ["true"], "labels": ["without"]}')
        ctl wait "$id"
        [ "$(origin '"command": ["true"], "labels": ["without"]')" != "$id" ]
}

@test "a result outlives its first job, and a restart" {
        spec='"command": ["sh", "-c", "date +%N"], "labels": ["outlives"]'
        first=$(origin "$spec")
        stop_engine
        start_engine --drain 0s
        id=$(ctl submit - <<< "{\"cache\": \"1h\", $spec}")
        ctl wait "$id"
        [ "$(field "$id" 'job["report"]["cached_from"]')" = "$first" ]
        ctl rm "$first"
        [[ $(ctl logs "$id") =~ ^[0-9]+$ ]]
        # It is not found by that any more: what has no output of its own any more is run.
        [ "$(origin "$spec")" != "$first" ]
}

@test "what differs in anything that counts is run" {
        base='"command": ["cat"], "stdin": "x"'
        first=$(origin "$base")
        [ "$(origin "$base")" = "$first" ]
        for other in '"command": ["cat", "-"], "stdin": "x"' '"command": ["cat"], "stdin": "y"' "$base, \"environment\": {\"A\": \"1\"}" \
                "$base, \"environment\": {\"A\": \"1\", \"B\": \"2\"}" "$base, \"working_directory\": \"/tmp\"" "$base, \"policy\": \"strict\"" \
                "$base, \"labels\": [\"l\"]" "$base, \"limits\": {\"pids\": 20}" "$base, \"tenant\": \"other\""; do
                id=$(origin "$other")
                run ! grep -qx "$id" seen
                echo "$id" >> seen
                [ "$(origin "$other")" = "$id" ]
        done
        run ! grep -qx "$first" seen
        # Not what it is called or how it is run, nor the order of what has none.
        [ "$(origin "$base, \"environment\": {\"B\": \"2\", \"A\": \"1\"}")" = "$(sed -n 4p seen)" ]
        labelled=$(origin "$base, \"labels\": [\"l\", \"m\"]")
        [ "$labelled" != "$(sed -n 7p seen)" ]
        [ "$(origin "$base, \"labels\": [\"m\", \"l\"]")" = "$labelled" ]
        # Nor whether what its policy gives is written out.
        [ "$(origin "$base, \"policy\": \"strict\", \"limits\": {\"pids\": 32, \"wall\": \"1min\"}")" = "$(sed -n 6p seen)" ]
        [ "$(origin "$base, \"name\": \"n\", \"meta\": {\"a\": 1}, \"retry\": {\"attempts\": 1}")" = "$first" ]
}

@test "inputs count by what is in them" {
        echo one > a
        echo one > b
        echo two > c
        spec='"command": ["cat", "/input/f"]'
        first=$(origin "$spec" --input f=a)
        [ "$(origin "$spec" --input f=b)" = "$first" ]
        [ "$(origin "$spec" --input f=c)" != "$first" ]
        two=$(origin "$spec" --input f=b --input g=c)
        [ "$two" != "$first" ]
        [ "$(origin "$spec" --input g=c --input f=b)" = "$two" ]
        [ "$(origin "$spec" --input g=b --input f=c)" != "$two" ]
}

@test "what it runs after counts by its name, in whatever order it stands" {
        parents=$(printf '%s\n' '{"command": ["true"], "labels": ["a"]}' '{"command": ["true"], "labels": ["b"]}' | ctl submit -)
        ctl wait $parents
        read -r -d '' a b <<< "$parents" || true
        spec='"command": ["ls", "/input"]'
        first=$(origin "$spec, \"after\": {\"x\": \"$a\", \"y\": \"$b\"}")
        [ "$(origin "$spec, \"after\": {\"y\": \"$b\", \"x\": \"$a\"}")" = "$first" ]
        [ "$(origin "$spec, \"after\": {\"x\": \"$b\", \"y\": \"$a\"}")" != "$first" ]
}

@test "a result that was made without a layer is none where that is demanded" {
        spec='"command": ["true"], "labels": ["layers"]'
        first=$(origin "$spec")
        for layer in landlock io memory; do [[ ,$MISSING, == *,$layer,* ]] || break; done
        also=$MISSING${MISSING:+,}$layer
        stop_engine
        start_engine --drain 0s --allow-missing="$also"
        without=$(origin "$spec")
        [ "$without" != "$first" ]
        [ "$(origin "$spec")" = "$without" ]
        restart_engine
        [ "$(origin "$spec")" = "$first" ]
}

@test "what failed is run again, and so is what is too old" {
        id=$(ctl submit - <<< '{"command": ["false"], "cache": "1h"}')
        run ctl wait "$id"
        id=$(ctl submit - <<< '{"command": ["false"], "cache": "1h"}')
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["report"]["cached"]')" = "failed False" ]
        first=$(origin '"command": ["true"], "labels": ["old"]')
        sleep 1.1
        id=$(ctl submit - <<< '{"command": ["true"], "labels": ["old"], "cache": "1s"}')
        ctl wait "$id"
        [ "$(field "$id" 'job["report"]["cached"]')" = False ]
        for wrong in 5 '"-1s"' true '"soon"'; do
                run ctl submit - <<< "{\"command\": [\"true\"], \"cache\": $wrong}"
                [ "$status" -eq 125 ]
                [[ $output == *cache* ]]
        done
}

@test "a result whose output is gone is none" {
        first=$(origin '"command": ["echo", "gone"]')
        rm "$state/jobs/$first/1/stdout"
        id=$(origin '"command": ["echo", "gone"]')
        [ "$id" != "$first" ]
        [ "$(ctl logs "$id")" = gone ]
        spec='"command": ["sh", "-c", "echo gone > /output/f"]'
        first=$(origin "$spec")
        [ "$(origin "$spec")" = "$first" ]
        [ "$(field "$first" 'job["report"]["files_bytes"]')" -eq "$(stat -c %s "$state/jobs/$first/1/files")" ]
        rm -r "$state/jobs/$first"
        id=$(origin "$spec")
        [ "$id" != "$first" ]
        ctl output "$id" out
        [ "$(cat out/f)" = gone ]
}

@test "those that are the same and wait at the same time run once" {
        spec='{"command": ["sh", "-c", "sleep 1; date +%N"], "cache": "1h", "labels": ["flight"]}'
        for i in 1 2 3 4 5 6; do echo "$spec"; done | ctl submit - > ids
        ctl wait $(cat ids)
        first=$(head -1 ids)
        for id in $(tail -5 ids); do
                [ "$(field "$id" 'job["report"]["cached_from"]')" = "$first" ]
        done
        # However young a result has to be, this one could not be younger.
        spec='{"command": ["sh", "-c", "sleep 1; date +%N"], "cache": "1us", "labels": ["flight", "young"]}'
        for i in 1 2 3; do echo "$spec"; done | ctl submit - > ids
        ctl wait $(cat ids)
        for id in $(tail -2 ids); do
                [ "$(field "$id" 'job["report"].get("cached_from")')" = "$(head -1 ids)" ]
        done
        [ "$(field "$(ctl submit - <<< "$spec" | tee id)" 'job["state"]')" != succeeded ]
        ctl wait "$(cat id)"
        [ "$(field "$(cat id)" 'job["report"]["cached"]')" = False ]
        # When the first comes to nothing, another takes its place.
        spec='{"command": ["sh", "-c", "sleep 71; true"], "cache": "1h", "labels": ["flight", "two"]}'
        for i in 1 2 3; do echo "$spec"; done | ctl submit - > ids
        ctl cancel "$(sed -n 2p ids)"
        ctl cancel "$(sed -n 1p ids)"
        reach "$(sed -n 3p ids)" running
        go_on 71
        ctl wait "$(sed -n 3p ids)"
        [ "$(field "$(sed -n 3p ids)" 'job["report"]["cached"], job["attempt"]')" = "False 1" ]
        [ "$(field "$(sed -n 2p ids)" 'job["state"]')" = cancelled ]
        # One that is held keeps no other back.
        ctl pause
        spec='{"command": ["true"], "cache": "1h", "labels": ["flight", "three"]}'
        printf '%s\n' "$spec" "$spec" | ctl submit - > ids
        ctl hold "$(head -1 ids)"
        ctl resume
        ctl wait "$(tail -1 ids)"
        ctl release "$(head -1 ids)"
        ctl wait "$(head -1 ids)"
        [ "$(field "$(head -1 ids)" 'job["report"]["cached_from"]')" = "$(tail -1 ids)" ]
}

@test "of those that are the same and wait, the most urgent is run, whichever came first" {
        spec='"command": ["sh", "-c", "date +%N"], "cache": "1h", "labels": ["urgent"]'
        ctl pause
        low=$(ctl submit - <<< "{$spec, \"priority\": 0}")
        between=$(ctl submit - <<< '{"command": ["true"], "priority": 50}')
        high=$(ctl submit - <<< "{$spec, \"priority\": 100}")
        middle=$(ctl submit - <<< "{$spec, \"priority\": 50}")
        [[ $(field "$low" 'job["waiting"]') == *"that is the same"* ]]
        [[ $(field "$high" 'job["waiting"]') == *"is paused" ]] # none of its tenant stands before it
        # It leads no more: the next of them does, and may be less urgent than one that follows.
        ctl hold "$high"
        ctl resume
        ctl wait "$low" "$between" "$middle"
        [ "$(field "$low" 'job["report"]["cached_from"]')" = "$middle" ]
        ctl release "$high"
        ctl wait "$high"
        [ "$(field "$high" 'job["report"]["cached_from"]')" = "$middle" ]
        # One that waits for its next attempt holds up no more urgent one.
        spec='"command": ["sh", "-c", "date +%N; exit 3"], "cache": "1h", "labels": ["urgent", "two"]'
        low=$(ctl submit - <<< "{$spec, \"priority\": 0, \"retry\": {\"backoff\": \"1h\", \"on\": [\"exited\"]}}")
        reach "$low" backoff
        high=$(ctl submit - <<< "{$spec}")
        run ctl wait "$high"
        [ "$(field "$high" 'job["report"]["exit_code"]')" = 3 ]
        ctl cancel "$low"
}

@test "one that is held while it runs goes on, and those that are the same wait for it" {
        spec='{"command": ["sh", "-c", "sleep 72; true"], "cache": "1h", "labels": ["held"]}'
        first=$(ctl submit - <<< "$spec")
        reach "$first" running
        second=$(ctl submit - <<< "$spec")
        ctl hold "$first"
        go_on 72
        ctl wait "$first" "$second"
        [ "$(field "$second" 'job["report"]["cached_from"]')" = "$first" ]
        # But not for another attempt of it.
        spec='{"command": ["sh", "-c", "sleep 73; true"], "cache": "1h", "labels": ["held", "two"]}'
        first=$(ctl submit - <<< "$spec")
        reach "$first" running
        second=$(ctl submit - <<< "$spec")
        ctl hold "$first"
        ctl requeue "$first"
        reach "$second" running
        go_on 73
        ctl wait "$second"
        [ "$(field "$second" 'job["report"]["cached"]')" = False ]
        ctl release "$first"
        ctl wait "$first"
        [ "$(field "$first" 'job["attempt"], job["report"]["cached_from"]')" = "2 $second" ]
}

@test "one that is queued again while the same has succeeded has its result, and the report of its attempt" {
        with_own_packages
        spec='{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ne 2 ] || sleep 60; sleep 74; true"], "cache": "1h", "labels": ["requeued"]}'
        first=$(ctl submit - <<< "$spec")
        reach "$first" running
        ctl requeue "$first"
        for i in $(seq 100); do [ "$(field "$first" 'job["state"], job["attempt"]')" = "running 2" ] && break; sleep 0.1; done
        # Over another root it is another one, and runs beside it.
        touch packages
        second=$(ctl submit - <<< "$spec")
        reach "$second" running
        go_on 74
        ctl wait "$second"
        ctl requeue "$first"
        ctl wait "$first"
        [ "$(field "$first" 'job["attempt"], job["report"]["attempt"], job["report"]["cached_from"]')" = "3 3 $second" ]
        reports=$(sqlite3 "$state/jobs.db" "SELECT attempt, report ->> 'reason' FROM attempts WHERE job = '$first' ORDER BY attempt")
        [ "$reports" = $'1|cancelled\n2|cancelled\n3|exited' ]
        unset PREPARE
        restart_engine
}

@test "one that runs on under the next supervisor is waited for by those that are the same" {
        spec='{"command": ["sh", "-c", "sleep 75; date +%N"], "cache": "1h", "labels": ["next"]}'
        first=$(ctl submit - <<< "$spec")
        reach "$first" running
        ahead=$(ctl submit - <<< "$spec")
        kill_engine
        start_engine --drain 0s
        behind=$(ctl submit - <<< "$spec")
        for id in "$ahead" "$behind"; do
                [[ $(field "$id" 'job["state"], job["waiting"]') == "queued for a job that is the same"* ]]
        done
        go_on 75
        ctl wait "$first" "$ahead" "$behind"
        for id in "$ahead" "$behind"; do
                [ "$(field "$id" 'job["report"].get("cached_from")')" = "$first" ]
        done
        # Also where that it was started had not been written down, and another one stands before it.
        spec='{"command": ["sh", "-c", "sleep 5; date +%N"], "cache": "1h", "labels": ["next", "two"]}'
        ctl pause
        ahead=$(ctl submit - <<< "$spec")
        ctl hold "$ahead"
        ctl resume
        first=$(ctl submit - <<< "$spec")
        reach "$first" running
        kill_engine
        sqlite3 "$state/jobs.db" "UPDATE jobs SET state = 'queued', attempt = 0 WHERE id = '$first'; UPDATE jobs SET held = 0 WHERE id = '$ahead'"
        start_engine --drain 0s
        ctl wait "$first" "$ahead"
        [ "$(field "$first" 'job["attempt"], job["report"]["cached"]')" = "1 False" ]
        [ "$(field "$ahead" 'job["report"].get("cached_from")')" = "$first" ]
}

@test "what a worker runs without the supervisor's knowledge gets no result from the cache, and spoils none" {
        spec='"command": ["sh", "-c", "sleep 76; echo kept > /output/f"], "labels": ["unknown"]'
        first=$(ctl submit - <<< "{\"cache\": \"1h\", $spec}")
        go_on 76
        ctl wait "$first"
        second=$(ctl submit - <<< "{$spec}")
        reach "$second" running
        kill_engine
        # As if it had asked for the cache, and that it was started had not been written down.
        sqlite3 "$state/jobs.db" "UPDATE jobs SET state = 'queued', attempt = 0, spec = json_set(spec, '\$.cache', '1h') WHERE id = '$second'"
        start_engine --drain 0s
        go_on 76
        ctl wait "$second"
        [ "$(field "$second" 'job["attempt"], job["report"]["cached"]')" = "1 False" ]
        [ "$(stat -c %h "$state/jobs/$first/1/files")" -eq 1 ]
        # What no worker has does get it.
        third=$(ctl submit - <<< "{$spec}")
        ctl hold "$third"
        restart_engine
        kill_engine
        sqlite3 "$state/jobs.db" "UPDATE jobs SET held = 0, state = 'queued', attempt = 0, spec = json_set(spec, '\$.cache', '1h') WHERE id = '$third'"
        start_engine --drain 0s
        ctl wait "$third"
        [ "$(field "$third" 'job["report"]["cached"]')" = True ]
}

@test "who watches the output of one that waits for the same sees it, and it is not run for that" {
        spec='{"command": ["sh", "-c", "sleep 77; date +%N; date +%N > /output/f"], "cache": "1h", "labels": ["watched"]}'
        one=$(ctl submit - <<< "$spec")
        reach "$one" running
        two=$(ctl submit - <<< "$spec")
        ctl logs -f "$two" > followed 2> /dev/null &
        logs=$!
        for i in $(seq 50); do [ -e "$state/jobs/$two/1/stdout" ] && break; sleep 0.1; done
        [ -e "$state/jobs/$two/1/stdout" ]
        : > "$state/jobs/$two/1/files"
        go_on 77
        ctl wait "$one" "$two"
        wait $logs
        [ "$(field "$two" 'job["report"]["cached_from"]')" = "$one" ]
        [ -s followed ]
        [ "$(cat followed)" = "$(ctl logs "$one" 2> /dev/null)" ]
        ctl output "$one" a
        ctl output "$two" b
        diff -r a b
        # Nothing that it has written is something to be seen, too.
        spec='{"command": ["sh", "-c", "sleep 78; true"], "cache": "1h", "labels": ["watched", "nothing"]}'
        one=$(ctl submit - <<< "$spec")
        reach "$one" running
        two=$(ctl submit - <<< "$spec")
        timeout 30 "$build/skepctl" logs -f "$two" > followed 2>&1 &
        logs=$!
        for i in $(seq 50); do [ -e "$state/jobs/$two/1/stdout" ] && break; sleep 0.1; done
        : > "$state/jobs/$two/1/files"
        go_on 78
        wait $logs
        [ "$(field "$two" 'job["state"], job["report"]["cached"]')" = "succeeded True" ]
        ctl output "$two" c
        [ -z "$(ls c)" ]
}

@test "a chain is found again as a whole" {
        chain='[{"command": ["sh", "-c", "date +%N > /output/f"], "cache": "1h", "labels": ["chain"]},
                {"command": ["sh", "-c", "cat /input/a/f; date +%N"], "cache": "1h", "after": {"a": "#0"}}]'
        ctl submit - <<< "$chain" > one
        ctl wait $(cat one)
        ctl submit - <<< "$chain" > two
        ctl wait $(cat two)
        [ "$(field "$(tail -1 two)" 'job["report"]["cached_from"]')" = "$(tail -1 one)" ]
        [ "$(ctl logs "$(tail -1 two)")" = "$(ctl logs "$(tail -1 one)")" ]
        # What runs after a result from the cache has its files.
        id=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/a/f\"], \"after\": {\"a\": \"$(head -1 two)\"}}")
        ctl wait "$id"
        [ "$(ctl logs "$id")" = "$(ctl logs "$(head -1 two)"; ctl output "$(head -1 one)" o; cat o/f)" ]
}

@test "one that the root has changed under holds up none that is the same" {
        with_own_packages
        spec='{"command": ["sh", "-c", "sleep 8; date +%N"], "cache": "1h", "labels": ["root"], "retry": {"backoff": "0s"}}'
        for how in requeued lost; do
                one=$(ctl submit - <<< "$spec")
                reach "$one" running
                two=$(ctl submit - <<< "$spec")
                [[ $(field "$two" 'job["waiting"]') == *"that is the same"* ]]
                touch packages
                case $how in
                requeued) ctl requeue "$one" ;;
                lost) kill -9 $(pgrep -P "$(cat "$BATS_FILE_TMPDIR/pid")" skep-worker) ;;
                esac
                CTL_SECONDS=30 ctl wait "$one" "$two"
                ctl rm "$one"
                CTL_SECONDS=20 ctl wait "$two"
                touch packages
        done
        unset PREPARE
        restart_engine
}

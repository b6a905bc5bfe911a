#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The supervisor may die, and its workers may: what runs goes on, and each end counts once.

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

# Holds the lock of the store's writers until the file "unlock" is there.
lock_store() {
        rm -f locked unlock
        sqlite3 "$state/jobs.db" "BEGIN IMMEDIATE" ".shell touch locked" ".shell until [ -e unlock ]; do sleep 0.05; done" "COMMIT" 3>&- &
        locker=$!
        while [ ! -e locked ]; do sleep 0.02; done
}
unlock_store() {
        touch unlock
        wait "$locker"
}

workers() { # of this state directory, whoever has started them
        pgrep -f -- "skep-worker --socket $state/"
}

@test "a job runs on while its supervisor is killed and comes back" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo one; sleep 8; echo two; echo kept > /output/f"]}')
        reach "$id" running
        before=$(workers)
        kill_engine
        start_engine --drain 0s
        [ "$(workers)" = "$before" ]
        reach "$id" running
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["attempt"]')" = "succeeded 1 1" ]
        [ "$(field "$id" '0 < job["started_usec"] < job["finished_usec"] - 1500000')" = True ]
        [ "$(ctl logs "$id")" = $'one\ntwo' ]
        ctl output "$id" out
        [ "$(cat out/f)" = kept ]
}

@test "an answer means that it is on the disk" {
        kept() { sqlite3 "$state/jobs.db" "$1"; }
        # While somebody else writes, for a moment, nothing gets there.
        slowly() {
                sqlite3 "$state/jobs.db" "BEGIN IMMEDIATE" ".shell touch locked" ".shell sleep 0.7" "COMMIT" 3>&- &
                while [ ! -e locked ]; do sleep 0.02; done
                rm locked
                "$@"
        }
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        reach "$id" running
        slowly ctl cancel "$id"
        [ "$(kept "SELECT state FROM jobs WHERE id = '$id'")" = cancelled ]
        slowly ctl pause
        [ "$(kept "SELECT value FROM settings WHERE name = 'intake'")" = paused ]
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        slowly ctl hold "$id"
        [ "$(kept "SELECT held FROM jobs WHERE id = '$id'")" = 1 ]
        slowly ctl release "$id"
        [ "$(kept "SELECT held FROM jobs WHERE id = '$id'")" = 0 ]
        slowly ctl cancel "$id"
        [ "$(kept "SELECT state FROM jobs WHERE id = '$id'")" = cancelled ]
        ctl resume
        id=$(ctl submit - <<< '{"command": ["echo", "left"]}')
        ctl wait "$id"
        lock_store
        ctl rm "$id" 3>&- &
        removing=$!
        sleep 0.4
        # Until it is forgotten for good, its output is there.
        [ -e "$state/jobs/$id/1/stdout" ]
        unlock_store
        wait $removing
        [ -z "$(kept "SELECT state FROM jobs WHERE id = '$id'")" ]
        [ ! -e "$state/jobs/$id" ]
}

@test "nobody is told of an end that is not on the disk" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 71; true"]}')
        reach "$id" running
        lock_store
        go_on 71
        sleep 1
        [ "$(field "$id" 'job["state"], job["finished_usec"], job["report"]')" = "running None None" ]
        [ "$(ctl list --json | python3 -c "
import json, sys
print([(job['state'], job['finished_usec'], job['report']) for job in map(json.loads, sys.stdin) if job['id'] == '$id'])")" = "[('running', None, None)]" ]
        run ! grep -q running <<< "$(ctl events -n 1)"
        unlock_store
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["finished_usec"] > 0, job["report"]["reason"]')" = "succeeded True exited" ]
}

@test "what was cancelled while it ran is not run again, whatever dies" {
        for dies in supervisor both; do
                id=$(ctl submit - <<< '{"command": ["sh", "-c", "trap \"\" TERM; sleep 60"], "retry": {"attempts": 3, "on": ["lost", "signalled"]}}')
                reach "$id" running
                # It says nothing of that any more, until there is another supervisor.
                kill -STOP $(workers)
                ctl requeue "$id"
                ctl cancel "$id"
                ctl hold "$id"
                kill_engine
                if [ $dies = both ]; then kill -KILL $(workers); else kill -CONT $(workers); fi
                start_engine --drain 0s
                run ctl wait "$id"
                [ "$(field "$id" 'job["state"], job["report"]["reason"]')" = "cancelled cancelled" ]
                [ "$(field "$id" 'job["submitted_usec"] < job["finished_usec"]')" = True ]
        done
        # The workers have nothing of them left.
        for i in $(seq 100); do pgrep -f 'trap "" TERM; sleep 60' > /dev/null || break; sleep 0.1; done
        run ! pgrep -f 'trap "" TERM; sleep 60'
        ctl run -- true < /dev/null
}

@test "a job that has ended by itself when it is cancelled has the state that it then had, and is not tried again" {
        for code in 3 0; do
                id=$(ctl submit - <<< "{\"command\": [\"sh\", \"-c\", \"sleep 72; exit $code\"], \"retry\": {\"attempts\": 3, \"on\": [\"exited\"]}}")
                reach "$id" running
                kill -STOP $(workers)
                go_on 72
                sleep 1
                ctl cancel "$id"
                kill -CONT $(workers)
                run ctl wait "$id"
                [ "$(field "$id" 'job["attempt"], job["report"]["reason"], job["report"]["exit_code"]')" = "1 exited $code" ]
                [ "$(field "$id" 'job["state"]')" = "$([ $code = 0 ] && echo succeeded || echo failed)" ]
        done
}

@test "who copies inputs for a supervisor that is killed ends with it, and leaves nothing beside the next one" {
        truncate -s 1G big
        echo small > small
        ctl submit --input big=big --input small=small - <<< '{"command": ["true"]}' 3>&- &
        submitting=$!
        copying=$(reach_porter "$(cat "$BATS_FILE_TMPDIR/pid")")
        kill -STOP "$copying"
        kill_engine
        start_engine --drain 0s
        kill -CONT "$copying" || true
        for i in $(seq 200); do kill -0 "$copying" 2>/dev/null || break; sleep 0.1; done
        run ! wait "$submitting"
        [ -z "$(ls "$state/blobs")" ]
}

@test "who forks those that copy inputs is replaced when it dies, and ends with its supervisor" {
        echo small > small
        supervisor=$(cat "$BATS_FILE_TMPDIR/pid")
        first=$(pgrep -P "$supervisor" -x skep-nursery)
        kill -KILL "$first"
        [ "$(ctl run --input small=small -- cat /input/small < /dev/null)" = small ]
        second=$(pgrep -P "$supervisor" -x skep-nursery)
        [ "$second" != "$first" ]
        # What a service manager, or a terminal, says to all of them is for the supervisor.
        kill -TERM "$second"
        kill -INT "$second"
        [ "$(ctl run --input small=small -- cat /input/small < /dev/null)" = small ]
        [ "$(grep -c "skep-nursery has ended: another one is started when it is needed" "$BATS_FILE_TMPDIR/log")" -eq 1 ]
        kill_engine
        for i in $(seq 100); do kill -0 "$second" 2> /dev/null || break; sleep 0.1; done
        run ! kill -0 "$second"
        start_engine --drain 0s
}

@test "a job that ends while there is no supervisor is reported to the next one" {
        for i in 1 2 3; do echo "{\"command\": [\"sh\", \"-c\", \"sleep 73; echo $i; exit $i\"]}"; done | ctl submit - > ids
        for id in $(cat ids); do reach "$id" running; done
        kill_engine
        go_on 73 3
        sleep 2
        start_engine --drain 0s
        run ctl wait $(cat ids)
        for i in 1 2 3; do
                id=$(sed -n ${i}p ids)
                [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["exit_code"]')" = "failed 1 $i" ]
                [ "$(ctl logs "$id")" = "$i" ]
        done
}

@test "a worker that dies while there is no supervisor: its jobs are lost, and run again" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30; echo attempt $SKEP_ATTEMPT"], "retry": {"attempts": 3, "backoff": "50ms"}}')
        reach "$id" running
        kill_engine
        kill -KILL $(workers)
        start_engine --drain 0s
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
        [ "$(ctl logs "$id")" = "attempt 2" ]
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Report u 1
        [[ $output == *lost*"ended while there was no supervisor"* ]]
}

# The worker of a job dies, and its launcher cannot clean up.
stop_in_the_middle() { # sets id, launcher
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30"], "retry": {"attempts": 2, "backoff": "1ms"}}')
        reach "$id" running
        launcher=$(pgrep -P "$(workers)" -x skep-launcher)
        kill -STOP "$launcher"
        kill -KILL "$(workers)"
        sleep 0.5
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "running 1" ]
}

@test "a job is not lost, and runs no second time, as long as something of it may run" {
        stop_engine
        start_engine --drain 0s --workers 1
        stop_in_the_middle
        kill -CONT "$launcher"
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
        # A supervisor that comes meanwhile waits, too.
        stop_in_the_middle
        kill_engine
        (sleep 1; kill -CONT "$launcher") &
        start_engine --drain 0s
        # Who has ended may not have been waited for yet.
        run ! grep -q '^State:.[^ZX]' "/proc/$launcher/status"
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
}

@test "what was cancelled or requeued before a crash is so after it" {
        cancelled=$(ctl submit - <<< '{"command": ["sleep", "30"]}')
        requeued=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30"]}')
        reach "$cancelled" running
        reach "$requeued" running
        kill -STOP $(workers) # so that they do not answer before the crash
        ctl cancel "$cancelled"
        ctl requeue "$requeued"
        sleep 0.5
        kill_engine
        kill -CONT $(workers)
        start_engine --drain 0s
        run ctl wait "$cancelled" "$requeued"
        [ "$(field "$cancelled" 'job["state"], job["attempt"]')" = "cancelled 1" ]
        [ "$(field "$requeued" 'job["state"], job["attempt"]')" = "succeeded 2" ]
}

@test "an attempt begins when the end of the one before is on the disk, so that a crash forgets no failure" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] && exec sleep 4; sleep 74; exit 3"], "retry": {"backoff": "1ms", "on": ["exited"]}}')
        reach "$id" running
        # Somebody else writes.
        lock_store
        go_on 74
        reach "$id" backoff
        sleep 0.5
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "backoff 1" ]
        kill_engine
        unlock_store
        start_engine --drain 0s
        ctl wait "$id"
        [ "$(sqlite3 "$state/jobs.db" "SELECT failures FROM jobs WHERE id = '$id'")" -eq 1 ]
        [ "$(sqlite3 "$state/jobs.db" "SELECT count(*) FROM attempts WHERE job = '$id'")" -eq 2 ]
}

@test "a job that comes to a worker whose launcher has just died is lost, and runs again" {
        for i in 1 2 3; do
                kill -STOP $(workers)
                id=$(ctl submit - <<< '{"command": ["true"], "retry": {"backoff": "1ms"}}')
                reach "$id" starting
                for worker in $(workers); do kill -KILL $(pgrep -P "$worker" skep-launcher); done
                kill -CONT $(workers)
                ctl wait "$id"
                [ "$(field "$id" 'job["state"]')" = succeeded ]
        done
}

@test "what was requeued and then held before a crash is held after it, and not cancelled" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 30"]}')
        reach "$id" running
        kill -STOP $(workers)
        ctl requeue "$id"
        ctl hold "$id"
        kill_engine
        kill -CONT $(workers)
        start_engine --drain 0s
        reach "$id" queued
        [ "$(field "$id" 'job["held"], job["attempt"]')" = "True 1" ]
        ctl release "$id"
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
}

@test "nothing is started before each worker has said what it has; a silent one is ended" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || sleep 60; echo attempt $SKEP_ATTEMPT"], "retry": {"attempts": 3, "backoff": "50ms"}}')
        reach "$id" running
        kill_engine
        kill -STOP $(workers)
        start_engine --drain 0s
        other=$(ctl submit - <<< '{"command": ["true"]}')
        sleep 1
        [ "$(field "$other" 'job["state"]')" = queued ]
        [ "$(field "$id" 'job["attempt"]')" = 1 ]
        ctl wait "$id" "$other"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
        [ "$(field "$other" 'job["attempt"]')" = 1 ]
}

@test "a supervisor that wants fewer workers lets the others end their jobs" {
        for i in 1 2 3 4; do echo '{"command": ["sleep", "8"]}'; done | ctl submit - > ids
        for id in $(cat ids); do reach "$id" running; done
        [ "$(workers | wc -l)" -eq 2 ]
        kill_engine
        start_engine --drain 0s --workers 1
        ctl wait $(cat ids)
        for id in $(cat ids); do [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 1" ]; done
        for i in $(seq 50); do [ "$(workers | wc -l)" -eq 1 ] && break; sleep 0.1; done
        [ "$(workers | wc -l)" -eq 1 ]
        stop_engine
        start_engine --drain 0s
}

@test "a worker that was one too many for the last supervisor, and is none for this one, goes on" {
        ctl scale 3
        for i in $(seq 100); do [ "$(ctl pool --json | grep -o '"ready"' | wc -l)" -eq 3 ] && break; sleep 0.1; done
        for i in 1 2 3 4 5 6; do echo '{"command": ["sh", "-c", "sleep 75; true"]}'; done | ctl submit - > ids
        for id in $(cat ids); do reach "$id" running; done
        ctl scale 2
        before=$(workers)
        [ "$(wc -l <<< "$before")" -eq 3 ]
        kill_engine
        start_engine --drain 0s --workers 3
        go_on 75 6
        ctl wait $(cat ids)
        ctl run -- true
        sleep 1
        for worker in $before; do kill -0 "$worker"; done
        stop_engine
        start_engine --drain 0s
}

@test "a supervisor that cannot start changes nothing for what runs" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 8; echo end"]}')
        reach "$id" running
        kill_engine
        mv "$state/worker.sock.lock" lock
        mkdir "$state/worker.sock.lock"
        run start_engine --drain 0s
        [ "$status" -ne 0 ]
        rmdir "$state/worker.sock.lock"
        mv lock "$state/worker.sock.lock"
        mkdir "$BATS_FILE_TMPDIR/engine.sock.of-another"
        run "$build/skepd" --embedded --state "$state" --socket "$BATS_FILE_TMPDIR/engine.sock.of-another" --allow-missing="$MISSING"
        [ "$status" -eq 1 ]
        [[ $output == *engine.sock.of-another* ]]
        start_engine --drain 0s
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 1" ]
        [ "$(ctl logs "$id")" = end ]
}

@test "a deadline is none for what was started before it, though that was not written down" {
        ctl pause
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 4; echo end"], "deadline": "4s"}')
        cp "$state/jobs.db" "$state/jobs.db-wal" . # as it is before the start
        ctl resume
        reach "$id" running
        kill_engine
        kill -STOP $(workers)
        cp jobs.db jobs.db-wal "$state/"
        rm -f "$state/jobs.db-shm"
        start_engine --drain 0s
        sleep 3.7
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "queued 0" ]
        kill -CONT $(workers)
        ctl resume
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 1" ]
        [ "$(ctl logs "$id")" = end ]
}

@test "a stranger's connection to the workers' socket is closed, and harms nobody" {
        python3 - "$state/worker.sock" << 'P'
import socket, sys
for _ in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    try:
        s.send(b"\1" + bytes(7) + b"\2" + bytes(7) + b"\2" + bytes(7) + b"\1" + bytes(7) + b"1\0")
        assert s.recv(100) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass
P
        [ "$(ctl run -- echo fine </dev/null)" = fine ]
}

@test "SIGTERM ends everything, and what runs is queued again without a failure" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 3 ] || sleep 30"], "retry": {"attempts": 1}}')
        for attempt in 1 2; do
                reach "$id" running
                stop_engine
                leftovers > left
                diff left - <<< "$BEFORE"
                start_engine --drain 0s
        done
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 3" ]
}

@test "what an attempt has left that ended with its supervisor is on its tenant's account" {
        # 1 M, and the index of it.
        left() { sqlite3 "$state/jobs.db" "SELECT state, output_bytes / 1000000 FROM jobs WHERE id = '$1'"; }
        job='{"command": ["sh", "-c", "[ $SKEP_ATTEMPT -ge 2 ] || { head -c 1100000 /dev/zero; sleep 60; }"]}'
        queued=$(ctl submit - <<< "$job")
        until [ "$(ctl logs "$queued" | wc -c)" -eq 1100000 ]; do sleep 0.1; done
        stop_engine
        [ "$(left "$queued")" = "queued|1" ]
        start_engine --drain 0s
        ctl wait "$queued"
        [ "$(left "$queued")" = "succeeded|1" ]
        # One that was being cancelled when all of it died.
        cancelled=$(ctl submit - <<< "$job")
        until [ "$(ctl logs "$cancelled" | wc -c)" -eq 1100000 ]; do sleep 0.1; done
        kill -STOP $(workers)
        ctl cancel "$cancelled"
        kill_engine
        kill -KILL $(workers)
        start_engine --drain 0s
        ctl wait "$(ctl submit - <<< '{"command": ["true"]}')"
        [ "$(left "$cancelled")" = "cancelled|1" ]
}

@test "a worker without a supervisor ends some time after its last job" {
        echo '{"orphan_grace": "500ms", "workers": {"minimum": 1}}' > config.json
        state=$PWD/state
        "$build/skepd" --embedded --config config.json --state "$state" --socket "$PWD/s" --allow-missing="$MISSING" > ready 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do grep -q ready ready && break; sleep 0.1; done
        export SKEP_ADDRESS=unix:path=$PWD/s
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "sleep 76; echo end"]}')
        reach "$id" running
        kill -KILL $pid
        wait $pid || true
        sleep 1
        [ "$(workers | wc -l)" -eq 1 ] # not before
        go_on 76
        for i in $(seq 100); do [ -n "$(workers)" ] || break; sleep 0.1; done
        [ -z "$(workers)" ]
        [ "$(cat "state/jobs/$id/1/stdout")" = end ]
        grep -q 'no supervisor has come' log
}

@test "a full disk costs the end of the output, and no job; the intake recovers by itself" {
        mkdir small
        mount -t tmpfs -o size=8M tmpfs small
        state=$PWD/small/state
        "$build/skepd" --embedded --workers 1 --state "$state" --socket "$PWD/s" --allow-missing="$MISSING" > ready 2> log 3>&- &
        pid=$!
        for i in $(seq 100); do grep -q ready ready && break; sleep 0.1; done
        export SKEP_ADDRESS=unix:path=$PWD/s
        head -c 4M /dev/zero > small/filler
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "echo begin; head -c 6M /dev/zero; sleep 1; exit 3"]}')
        for i in $(seq 100); do [ "$(df --output=avail small | tail -1)" -eq 0 ] && break; sleep 0.1; done
        [ "$(df --output=avail small | tail -1)" -eq 0 ]
        run ctl submit - <<< '{"command": ["true"]}'
        [ "$status" -eq 125 ]
        sleep 2
        [ "$(field "$id" 'job["state"]')" = running ]
        rm small/filler
        run ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["exit_code"], job["report"]["truncated"]')" = "failed 1 3 True" ]
        [[ $(field "$id" 'job["report"]["message"]') == *"end of the output could not be written"*"No space left"* ]]
        [ "$(stat -c %s "$state/jobs/$id/1/stdout")" -eq "$(field "$id" 'job["report"]["stdout_bytes"]')" ]
        ctl run -- true < /dev/null
        kill -TERM $pid
        wait $pid
        umount small
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What survives: jobs, their inputs, output and reports, whatever happens to the supervisor.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        export state=$BATS_TEST_TMPDIR/state
}

teardown() {
        if kill -0 "$(cat "$BATS_FILE_TMPDIR/pid" 2>/dev/null)" 2>/dev/null; then
                stop_engine
        fi
        umount -q "$BATS_TEST_TMPDIR/later" "$BATS_TEST_TMPDIR/now" || true
}

# As a crash of the machine: supervisor and workers.
crash_engine() {
        local pid workers
        pid=$(cat "$BATS_FILE_TMPDIR/pid")
        workers=$(pgrep -P "$pid" || true)
        # shellcheck disable=SC2086
        kill -KILL "$pid" $workers
        for i in $(seq 100); do
                # shellcheck disable=SC2086
                kill -0 $pid $workers 2>/dev/null || return 0
                sleep 0.1
        done
        return 1
}

@test "what a job has left is on the disk when its end is" {
        truncate -s 64M disk
        mkfs.ext4 -q -F disk || skip "no ext4 here"
        mkdir -p now later
        mount -o loop disk now || skip "no loop devices here"
        state=$PWD/now/state
        start_engine --drain 0s
        for i in 1 2 3; do
                id=$(ctl submit - <<< '{"command": ["sh", "-c", "head -c 200000 /dev/urandom | tee /output/file; echo error >&2"]}')
                ctl wait "$id"
                # As it is on the disk at this moment, which is what a power cut would leave.
                cp disk cut
                mount -o loop cut later
                ctl logs --raw "$id" > out 2> err
                cmp out "later/state/jobs/$id/1/stdout"
                cmp err "later/state/jobs/$id/1/stderr"
                tar -xOf "later/state/jobs/$id/1/files" file | cmp - out
                [ "$(sqlite3 later/state/jobs.db "SELECT state FROM jobs WHERE id = '$id'")" = succeeded ]
                umount later
        done
        stop_engine
        umount now
}

@test "a supervisor that is killed loses no job" {
        start_engine
        echo hello > input
        for i in $(seq 12); do
                echo "{\"command\": [\"sh\", \"-c\", \"sleep 1; cat /input/f; echo $i\"], \"name\": \"job-$i\"}" |
                        ctl submit --input f=input - >> ids
        done
        sleep 0.7
        crash_engine
        start_engine
        ctl wait $(cat ids)
        n=0
        while read -r id; do
                n=$((n + 1))
                [ "$(field "$id" 'job["state"], job["spec"]["name"]')" = "succeeded job-$n" ]
                [ "$(ctl logs "$id")" = "hello
$n" ]
        done < ids
        [ "$(ctl list --json | wc -l)" -eq 12 ]
        # What jobs were given is nobody else's to read.
        [ "$(stat -c %a "$state"/jobs.db* | sort -u)" = 600 ]
        stop_engine
        [ -z "$(ls "$state/blobs")" ]
        nothing_is_left
}

@test "an attempt that was lost has its report, and the next one is counted" {
        start_engine
        id=$(echo '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 1 || sleep 60"]}' | ctl submit -)
        for i in $(seq 50); do
                [ "$(field "$id" 'job["state"]')" = running ] && break
                sleep 0.1
        done
        crash_engine
        start_engine
        ctl wait "$id"
        [ "$(field "$id" 'job["attempt"], job["report"]["reason"], job["report"]["attempt"]')" = "2 exited 2" ]
        run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Report u 1
        [[ $output == *lost* ]]
        # That it cannot be read is not that there is none.
        sqlite3 "$state/jobs.db" 'ALTER TABLE attempts RENAME TO elsewhere'
        run ! busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Report u 1
        [[ $output == *"no such table"* ]]
        sqlite3 "$state/jobs.db" 'ALTER TABLE elsewhere RENAME TO attempts'
}

@test "of an attempt whose worker has ended before it was packed, no half archive is shown" {
        start_engine
        for ending in worker machine drain; do
                id=$(echo '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 1 || sleep 60; echo left > /output/f"]}' | ctl submit -)
                reach "$id" running
                # As the worker begins it.
                mkdir -p "$state/jobs/$id/1"
                head -c 5000 /dev/urandom > "$state/jobs/$id/1/files"
                case $ending in
                worker) pkill -KILL -P "$(cat "$BATS_FILE_TMPDIR/pid")" ;;
                machine) crash_engine && start_engine --drain 0s ;;
                drain) restart_engine ;;
                esac
                ctl wait "$id"
                [ "$(field "$id" 'job["attempt"]')" -eq 2 ]
                [ ! -e "$state/jobs/$id/1/files" ]
                ctl output "$id" "$ending"
                [ "$(cat "$ending/f")" = left ]
        done
}

@test "a job whose supervisor dies three times under it is not started again" {
        start_engine
        id=$(echo '{"command": ["sleep", "60"]}' | ctl submit -)
        for attempt in 1 2 3; do
                for i in $(seq 100); do
                        [ "$(field "$id" 'job["attempt"], job["state"]')" = "$attempt running" ] && break
                        sleep 0.1
                done
                [ "$(field "$id" 'job["attempt"]')" = $attempt ]
                crash_engine
                start_engine
        done
        run ctl wait "$id"
        [ "$status" -eq 1 ]
        [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["reason"]')" = "failed 3 lost" ]
}

@test "what has ended is shown by the next supervisor, with its output" {
        start_engine
        run ctl run --output out -- sh -c 'echo text; echo file > /output/f; exit 3'
        [ "$status" -eq 3 ]
        id=$(ctl list --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["id"])')
        before=$(ctl status --json "$id")
        crash_engine
        start_engine
        [ "$(ctl status --json "$id")" = "$before" ]
        [ "$(ctl logs "$id")" = text ]
        ctl output "$id" again
        [ "$(cat again/f)" = file ]
        # What ended does not start again, and new ids come after the old.
        next=$(echo '{"command": ["true"]}' | ctl submit -)
        [[ $next > $id ]]
        ctl wait "$next"
        [ "$(field "$id" 'job["attempt"]')" = 1 ]
}

@test "SIGTERM gives back what did not end in time, and that is no lost attempt" {
        start_engine --drain 1s
        id=$(echo '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 4 || sleep 60"]}' | ctl submit -)
        for attempt in 1 2 3 4; do
                for i in $(seq 100); do
                        [ "$(field "$id" 'job["attempt"], job["state"]')" = "$attempt running" ] && break
                        sleep 0.1
                done
                stop_engine
                start_engine --drain 1s
        done
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 5" ]
        for attempt in 1 4; do
                run busctl --address="$SKEP_ADDRESS" call org.skep.Engine1 "/org/skep/Engine1/job/$id" org.skep.Engine1.Job Report u $attempt
                [[ $output == *"cancelled"*"the supervisor ended before the job did"*"attempt\\\":$attempt"* ]]
        done
}

@test "a job that is queued again has not been started, under the next supervisor either" {
        start_engine --drain 0s
        id=$(ctl submit - <<< '{"command": ["sleep", "60"]}')
        reach "$id" running
        ctl pause
        stop_engine
        start_engine --drain 0s
        [ "$(field "$id" 'job["state"], job["attempt"], job["started_usec"]')" = "queued 1 None" ]
        ctl cancel "$id"
        ctl resume
}

@test "a cancelled job stays cancelled" {
        start_engine --workers 1
        id=$(echo '{"command": ["sleep", "60"]}' | ctl submit -)
        ctl cancel "$id"
        run ctl wait "$id"
        crash_engine
        start_engine
        [ "$(field "$id" 'job["state"]')" = cancelled ]
}

@test "a policy that has gone fails its jobs by name" {
        start_engine --workers 1
        for i in $(seq 40); do
                echo '{"command": ["sleep", "60"], "policy": "strict"}'
        done | ctl submit - > ids
        id=$(echo '{"command": ["true"], "policy": "strict"}' | ctl submit -)
        crash_engine
        sqlite3 "$state/jobs.db" "UPDATE jobs SET policy = 'passing' WHERE id = '$id'"
        start_engine --workers 1 --drain 0s
        run ctl wait "$id"
        [ "$status" -eq 1 ]
        [[ $(field "$id" 'job["report"]["message"]') == *passing* ]]
        [ "$(field "$(head -1 ids)" 'job["state"] in ("queued", "starting", "running", "backoff")')" = True ]
}

@test "what runs when its policy goes, and the supervisor, runs to its end, and fails by name if it would have to run again" {
        start_engine --workers 1
        echo data > f
        for i in 1 2; do
                echo '{"command": ["sh", "-c", "sleep 7'$i'; cat /input/f"], "policy": "strict", "retry": {"backoff": "0s"}}'
        done | ctl submit - --input f=f > ids
        array=$(echo '{"command": ["sh", "-c", "sleep 71; true"], "policy": "strict", "array": {"count": 2, "parallel": 1}}' | ctl submit -)
        one=$(head -1 ids) two=$(tail -1 ids)
        for id in "$one" "$two" "${array}_0"; do reach "$id" running; done
        kill_engine
        # Of one, as if that it was started had not been written down.
        sqlite3 "$state/jobs.db" "UPDATE jobs SET policy = 'passing' WHERE policy = 'strict'; UPDATE jobs SET state = 'queued', attempt = 0 WHERE id = '$one'"
        start_engine --workers 1 --drain 0s
        for id in "$one" "$two" "${array}_0"; do reach "$id" running; done
        ctl requeue "$two"
        go_on 71 2
        run ctl wait "$one" "$two" "$array"
        [ "$(field "$one" 'job["state"], job["attempt"]')" = "succeeded 1" ]
        [ "$(ctl logs "$one")" = data ]
        [ "$(field "${array}_0" 'job["state"]')" = succeeded ]
        for id in "$two" "${array}_1" "$array"; do
                [ "$(field "$id" 'job["state"], job["report"]["reason"]')" = "failed setup-failed" ]
        done
        for id in "$two" "${array}_1"; do
                [[ $(field "$id" 'job["report"]["message"]') == *passing* ]]
        done
        stop_engine
}

@test "what belongs to no job is removed at the start" {
        start_engine
        stop_engine
        mkdir -p "$state/jobs/01aaaaaaaaaaaaaaaaaaaaaaaa/1"
        touch "$state/jobs/01aaaaaaaaaaaaaaaaaaaaaaaa/1/stdout" "$state/blobs/new-0-0" "$state/blobs/0123"
        start_engine
        [ -z "$(ls "$state/jobs" "$state/blobs" | grep -v :)" ]
}

@test "output that somebody has removed is not taken for none" {
        start_engine
        id=$(ctl submit - <<< '{"command": ["echo", "something"]}')
        none=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$id" "$none"
        rm -r "$state/jobs/$id"
        for again in 1 2; do
                run ctl logs "$id"
                [ "$status" -eq 125 ]
                [[ $output == *"what job $id has left is not in the state directory any more"* ]]
                [ -z "$(ctl logs "$none")" ]
                restart_engine
        done
}

@test "a job whose input, or what it runs after, somebody has removed fails and says which" {
        start_engine
        echo input > file
        array=$(ctl submit - <<< '{"command": ["sh", "-c", "echo x > /output/f"], "array": {"count": 2}}')
        before=$(ctl submit - <<< '{"command": ["sh", "-c", "echo x > /output/f"]}')
        nothing=$(ctl submit - <<< '{"command": ["true"]}')
        ctl wait "$array" "$before" "$nothing"
        ctl pause
        ctl submit --input data=file - <<< '{"command": ["true"]}' > ids
        ctl submit --input stdin=file - <<< '{"command": ["true"]}' >> ids
        for id in "$before" "$array" "${array}_1" "$nothing"; do
                ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"first\": \"$id\"}}"
        done >> ids
        rm "$state"/blobs/* "$state/jobs/$before/1/files"
        rm -r "$state/jobs/$array" "$state/jobs/${array}_1"
        ctl resume
        run ctl wait $(cat ids)
        said() {
                echo "$(field "$(sed -n "$1p" ids)" 'job["state"], job["report"]["reason"], job["report"]["message"]')"
        }
        why="failed setup-failed the job could not be handed to a worker: "
        [ "$(said 1)" = "${why}its input \"data\": No such file or directory" ]
        [ "$(said 2)" = "${why}its standard input: No such file or directory" ]
        [ "$(said 3)" = "${why}after.first: what job $before has left is not there any more" ]
        [ "$(said 4)" = "${why}after.first: what job $array has left is not there any more" ]
        [ "$(said 5)" = "${why}after.first: what job ${array}_1 has left is not there any more" ]
        [ "$(field "$(sed -n 6p ids)" 'job["state"]')" = succeeded ]
}

@test "a damaged store is refused, and nothing of it is touched" {
        start_engine
        echo '{"command": ["echo"]}' | ctl submit - > id
        ctl wait "$(cat id)"
        stop_engine
        [ ! -e "$state/jobs.db-wal" ]
        cp "$state/jobs.db" good
        printf 'not a database at all, but long enough to be taken for one, which it is not, by any means, at any time' > "$state/jobs.db"
        sum=$(sha256sum < "$state/jobs.db")
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
        [ "$status" -eq 1 ]
        [[ $output == *"$state/jobs.db is damaged"*recover*"sets it aside with all that jobs have left"* ]]
        [ "$(sha256sum < "$state/jobs.db")" = "$sum" ]
        [ -d "$state/jobs/$(cat id)" ]
        cp good "$state/jobs.db"
        start_engine
        [ "$(field "$(cat id)" 'job["state"]')" = succeeded ]
}

# Does not start, and says this.
refuse_start() {
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
        [ "$status" -eq 1 ] && [[ $output == *"$1"* ]] || { echo "status $status: $output"; return 1; }
}

@test "a store that was lost is not made anew over what jobs have left" {
        start_engine
        ctl submit - <<< '{"command": ["echo", "left"]}' > id
        ctl wait "$(cat id)"
        stop_engine
        cp "$state/jobs.db" good
        rm "$state/jobs.db"
        refuse_start "$state/jobs.db is not there or empty"
        [ ! -e "$state/jobs.db" ]
        : > "$state/jobs.db"
        refuse_start "$state/jobs.db is not there or empty"
        [ ! -s "$state/jobs.db" ]
        rm "$state/jobs.db"
        sqlite3 "$state/jobs.db" 'CREATE TABLE jobs (id); DROP TABLE jobs'
        refuse_start "$state/jobs.db is not there or empty"
        [ "$(cat "$state/jobs/$(cat id)/1/stdout")" = left ]
        # What it advises leaves room for a new one, and the old one is whole.
        [[ $output =~ \"(cd .*)\"\ sets ]]
        cp good "$state/jobs.db"
        bash -c "${BASH_REMATCH[1]}"
        start_engine
        [ -z "$(ctl list --json)" ]
        stop_engine
        mv "$state" new
        mv new/damaged "$state"
        start_engine
        [ "$(ctl logs "$(cat id)")" = left ]
}

@test "a store that was changed by another hand is refused with the way out" {
        start_engine
        ctl submit - <<< '{"command": ["true"], "array": {"count": 2}}' > id
        ctl wait "$(cat id)"
        stop_engine
        cp "$state/jobs.db" good
        for change in "UPDATE jobs SET state = '99'" "DROP TABLE attempts; DROP TABLE jobs" "ALTER TABLE jobs DROP COLUMN digest" \
                "DELETE FROM jobs WHERE id LIKE '%_1'"; do
                cp good "$state/jobs.db"
                sqlite3 "$state/jobs.db" "$change"
                refuse_start "$state/jobs.db is damaged ("
                [[ $output == *"sets it aside with all that jobs have left"* ]]
        done
        cp good "$state/jobs.db"
        start_engine
        [ "$(field "$(cat id)" 'job["state"]')" = succeeded ]
}

@test "a store that was lost is missed, too, where its jobs have left nothing" {
        start_engine
        ctl run -- true
        stop_engine
        rm -r "$state"/jobs.db* "$state"/jobs/* || true
        refuse_start "$state/jobs.db is not there or empty"
        # As directories are that have never said whether there was one.
        : > "$state/skep-state"
        mkdir "$state/jobs/01aaaaaaaaaaaaaaaaaaaaaaaa"
        refuse_start "$state/jobs.db is not there or empty"
        rmdir "$state/jobs/01aaaaaaaaaaaaaaaaaaaaaaaa"
        touch "$state/blobs/0123"
        refuse_start "$state/jobs.db is not there or empty"
}

@test "a first start that was broken off is begun again" {
        mkdir -m 700 "$state"
        mkdir "$state/jobs" "$state/blobs"
        : > "$state/skep-state"
        : > "$state/jobs.db"
        start_engine
        ctl run -- true
        stop_engine
        start_engine
        [ "$(ctl list --json | wc -l)" -eq 1 ]
}

@test "a damaged store gives a new one of what can be read" {
        start_engine
        id=$(ctl submit - <<< '{"command": ["echo", "kept"]}')
        array=$(ctl submit - <<< '{"command": ["true"], "array": {"count": 2}}')
        ctl wait "$id" "$array"
        stop_engine
        # 2000 more like it, one of them in the middle on a page that nobody can read; and a member of an array is lost.
        columns='tenant, policy, spec, inputs, state, attempt, failures, submitted_usec, started_usec, finished_usec, due_usec, held'
        sqlite3 "$state/jobs.db" "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1999)
                INSERT INTO jobs (id, $columns) SELECT printf('7%s%010d', substr(id, 2, 15), n), $columns
                FROM jobs, numbers WHERE id = '$id';
                DELETE FROM jobs WHERE id = '${array}_1'" > /dev/null
        at=$(grep -abo "7${id:1:15}0000001000" "$state/jobs.db" | head -1)
        head -c 4096 /dev/zero | tr '\0' '\377' |
                dd of="$state/jobs.db" bs=4096 seek=$((${at%%:*} / 4096)) conv=notrunc status=none
        sum=$(sha256sum < "$state/jobs.db")
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
        [ "$status" -eq 1 ]
        [[ $output == *"skepd --recover $state/jobs.db NEW"* ]]
        run "$build/skepd" --recover "$state/jobs.db" new.db
        [ "$status" -eq 0 ]
        [[ $output == "new.db has "*" jobs and "*" reports, which is what could be read" ]]
        [ "$(sha256sum < "$state/jobs.db")" = "$sum" ]
        [ "$(stat -c %a new.db)" = 600 ]
        n=$(sqlite3 new.db 'PRAGMA integrity_check; SELECT count(*) FROM jobs' | paste -sd ' ')
        [ "${n% *}" = ok ]
        [ "${n#* }" -gt 1950 ]
        [ "${n#* }" -lt 2001 ]
        rm "$state"/jobs.db*
        mv new.db "$state/jobs.db"
        start_engine
        [ "$(field "$id" 'job["state"], job["report"]["reason"]')" = "succeeded exited" ]
        [ "$(ctl logs "$id")" = kept ]
        [ "$(field "7${id:1:15}0000001999" 'job["state"]')" = succeeded ]
        run -125 ctl status "$array"
        stop_engine
        # What is whole comes whole, and no file is written over.
        run "$build/skepd" --recover "$state/jobs.db" again.db
        [[ $output == *" jobs and "*", and nothing is missing" ]]
        [ "$(sqlite3 again.db 'SELECT * FROM jobs')" = "$(sqlite3 "$state/jobs.db" 'SELECT * FROM jobs')" ]
        run "$build/skepd" --recover "$state/jobs.db" again.db
        [ "$status" -eq 1 ]
        [[ $output == *exists* ]]
        head -c 100000 /dev/urandom > noise
        run "$build/skepd" --recover noise other.db
        [ "$status" -eq 1 ]
        [[ $output == *"nothing of noise can be read"* ]]
        [ ! -e other.db ]
}

@test "a log that is damaged is refused, and one that is missing is told of" {
        start_engine
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"]}')
        crash_engine
        # As it should be.
        start_engine
        [ "$(field "$id" 'job["state"]')" = queued ]
        run ! grep -q 'jobs.db-wal' "$BATS_FILE_TMPDIR/log"
        crash_engine
        cp "$state/jobs.db-wal" log
        head -c 32 /dev/zero | dd of="$state/jobs.db-wal" conv=notrunc status=none
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
        [ "$status" -eq 1 ]
        [[ $output == *"$state/jobs.db-wal is damaged"* ]]
        cp log "$state/jobs.db-wal"
        start_engine
        [ "$(field "$id" 'job["state"]')" = queued ]
        stop_engine
        # Without its end.
        start_engine
        late=$(ctl submit - <<< '{"command": ["true"]}')
        crash_engine
        cp "$state/jobs.db-wal" log
        truncate -s -100 "$state/jobs.db-wal"
        for times in 1 2; do
                run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
                [ "$status" -eq 1 ]
                [[ $output == *"$state/jobs.db-wal has lost its end"*"rm $state/jobs.db-shm"* ]]
        done
        cp "$state/jobs.db-shm" index
        rm "$state/jobs.db-shm"
        start_engine
        run ctl status "$late"
        [ "$status" -ne 0 ]
        crash_engine
        # What was not committed may be torn, and the index may be older, or broken.
        cp log "$state/jobs.db-wal"
        cp index "$state/jobs.db-shm"
        head -c 5000 /dev/urandom >> "$state/jobs.db-wal"
        start_engine
        [ "$(field "$late" 'job["state"]')" = queued ]
        cp "$state/jobs.db-shm" index
        ctl cancel "$late"
        crash_engine
        cp index "$state/jobs.db-shm"
        start_engine
        [ "$(field "$late" 'job["state"]')" = cancelled ]
        crash_engine
        head -c 32768 /dev/urandom > "$state/jobs.db-shm"
        start_engine
        [ "$(field "$late" 'job["state"]')" = cancelled ]
        stop_engine
        # An end in order leaves none.
        start_engine
        run ! grep -q 'jobs.db-wal' "$BATS_FILE_TMPDIR/log"
        ctl resume
        ctl wait "$id"
        crash_engine
        rm "$state/jobs.db-wal"
        start_engine
        grep -q 'jobs.db-wal is not there' "$BATS_FILE_TMPDIR/log"
        stop_engine
}

@test "where the load is kept, a damaged store holds up no job" {
        start_engine
        ctl run -- true
        stop_engine
        for page in $(sqlite3 "$state/jobs.db" "SELECT rootpage FROM sqlite_master WHERE name IN ('load', 'policy_load')"); do
                head -c 4096 /dev/zero | tr '\0' '\377' |
                        dd of="$state/jobs.db" bs=4096 seek=$((page - 1)) conv=notrunc status=none
        done
        start_engine
        # The load of an idle engine is kept every minute alone.
        for i in $(seq 150); do
                ctl run -- true
                grep -q 'the load is not kept' "$BATS_FILE_TMPDIR/log" && break
                sleep 0.4
        done
        ctl run -- true
        ctl pool | tee pool
        grep 'the load is not kept for forecasts' pool | grep -q "jobs.db is damaged.*skepd --recover"
        [ "$(grep -c 'the load is' "$BATS_FILE_TMPDIR/log")" -eq 1 ]
        ! grep -q 'no new jobs' "$BATS_FILE_TMPDIR/log"
}

@test "a store that is found damaged while it is in use is said with the way out" {
        start_engine
        for i in $(seq 150); do echo '{"command": ["true"]}'; done | ctl submit - > ids
        ctl wait $(cat ids)
        stop_engine
        # The last leaf of the reports, which the start does not read, and the end of the next job does.
        sqlite3 "$state/jobs.db" VACUUM
        at=$(grep -abo "$(tail -1 ids)" "$state/jobs.db" | tail -1)
        start_engine
        head -c 4096 /dev/zero | tr '\0' '\377' |
                dd of="$state/jobs.db" bs=4096 seek=$((${at%%:*} / 4096)) conv=notrunc status=none
        for i in $(seq 20); do ctl submit - <<< '{"command": ["true"]}' || break; done
        for i in $(seq 50); do
                grep -q 'no new jobs' "$BATS_FILE_TMPDIR/log" && break
                sleep 0.1
        done
        grep 'no new jobs are taken' "$BATS_FILE_TMPDIR/log" | grep -q 'skepd --recover'
}

@test "a store of a newer version is refused" {
        start_engine
        stop_engine
        sqlite3 "$state/jobs.db" 'PRAGMA user_version = 99'
        run timeout 20 "$build/skepd" --embedded --state "$state" --socket "$PWD/s" --allow-missing="$MISSING"
        [ "$status" -eq 1 ]
        [[ $output == *newer*99* ]]

        # Nor is it made an older one of, whatever its tables have by then.
        local change
        for change in 'SELECT 1' 'ALTER TABLE jobs ADD COLUMN later TEXT'; do
                sqlite3 "$state/jobs.db" "$change"
                run "$build/skepd" --recover "$state/jobs.db" new.db
                [ "$status" -eq 1 ]
                [[ $output == *"$state/jobs.db was written by a newer skepd (schema 99"* ]]
                [ ! -e new.db ]
        done
}

@test "a store of the first version becomes one of this version" {
        start_engine
        stop_engine
        rm "$state"/jobs.db*
        sqlite3 "$state/jobs.db" "
                CREATE TABLE jobs (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, policy TEXT NOT NULL, spec TEXT NOT NULL,
                        inputs TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, failures INTEGER NOT NULL,
                        submitted_usec INTEGER NOT NULL, started_usec INTEGER NOT NULL, finished_usec INTEGER NOT NULL,
                        due_usec INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE attempts (job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE, attempt INTEGER NOT NULL,
                        report TEXT NOT NULL, PRIMARY KEY (job, attempt)) WITHOUT ROWID;
                INSERT INTO jobs VALUES ('01kaaaaaaaaaaaaaaaaaaaaaaa', 'root', 'python', '{\"command\":[\"true\"]}', '[]',
                        'queued', 0, 0, 1700000000000000, 0, 0, 0, 0);
                INSERT INTO jobs VALUES ('01kaaaaaaaaaaaaaaaaaaaaaab', 'root', 'python', '{\"command\":[\"false\"]}', '[]',
                        'failed', 1, 1, $(date +%s)000000, $(date +%s)000001, $(date +%s)000002, 0, 0);
                INSERT INTO attempts VALUES ('01kaaaaaaaaaaaaaaaaaaaaaab', 1, '{\"reason\":\"exited\",\"exit_code\":1}');
                PRAGMA application_id = 0x536b6570; PRAGMA user_version = 1;"
        start_engine
        ctl wait 01kaaaaaaaaaaaaaaaaaaaaaaa
        [ "$(field 01kaaaaaaaaaaaaaaaaaaaaaab 'job["state"], job["report"]["exit_code"]')" = "failed 1" ]
        stop_engine
        [ "$(sqlite3 "$state/jobs.db" 'PRAGMA user_version; SELECT count(*) FROM jobs; SELECT count(*) FROM settings')" = "4
2
0" ]
}

@test "who has paused the engine finds it paused after a restart" {
        start_engine
        ctl pause
        stop_engine
        start_engine
        id=$(echo '{"command": ["true"]}' | ctl submit -)
        sleep 0.5
        [ "$(field "$id" 'job["state"]')" = queued ]
        ctl drain
        ctl wait "$id"
        crash_engine
        start_engine
        run ctl submit - <<< '{"command": ["true"]}'
        [ "$status" -eq 125 ]
        # A pause does not open what was closed.
        ctl pause
        for again in 1 2; do
                run ctl submit - <<< '{"command": ["true"]}'
                [ "$status" -eq 125 ]
                [[ $output == *drained* ]]
                [ "$(busctl --address="$SKEP_ADDRESS" get-property org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager Paused Draining | tr '\n' ' ')" = "b true b true " ]
                restart_engine
        done
        ctl resume
        ctl run -- true
}

# On a disk of 2 MiB, whose place is $inside.
start_small() {
        local pid
        mkdir state
        # In a mount namespace of its own, so that nothing stays mounted.
        unshare -m --propagation private bash -c '
                mount -t tmpfs -o size=2M,mode=700 tmpfs "$1/state"
                shift
                exec "$@"' - "$PWD" "$build/skepd" --embedded --state "$state" \
                --socket "$BATS_FILE_TMPDIR/engine.sock" --allow-missing="$MISSING" > "$BATS_FILE_TMPDIR/ready" 2> log 3>&- &
        pid=$!
        echo $pid > "$BATS_FILE_TMPDIR/pid"
        for i in $(seq 100); do
                grep -q ready "$BATS_FILE_TMPDIR/ready" && break
                sleep 0.1
        done
        inside=/proc/$pid/root$state
}

@test "an input for which the disk has no room is the store's failure" {
        start_small
        head -c 4M /dev/zero > big
        run "$build/submit-raw" "$SKEP_ADDRESS" '{"command": ["true"]}' big 0 < big
        [ "$status" -eq 1 ]
        [[ $output == 'org.skep.Engine1.Error.StoreFailed: input "big": cannot be stored: the state directory has no room' ]]
        [ -z "$(ls "$inside/blobs")" ]
        stop_engine
}

@test "a full disk stops the intake, not the running jobs, and is got over" {
        start_small
        id=$(echo '{"command": ["sh", "-c", "sleep 6; echo done"]}' | ctl submit -)
        sleep 0.5
        dd if=/dev/zero of="$inside/filler" bs=64k 2>/dev/null || true
        dd if=/dev/zero of="$inside/filler2" bs=1k 2>/dev/null || true
        full=
        for i in $(seq 300); do
                run ctl submit - <<< "{\"command\": [\"true\"], \"stdin\": \"$(head -c 4000 /dev/zero | tr '\0' x)\"}"
                [ "$status" -eq 0 ] || { full=$output && break; }
        done
        [[ $full == *"cannot be stored"* ]]
        sleep 4
        rm "$inside/filler" "$inside/filler2"
        ctl wait "$id"
        for i in $(seq 30); do
                ctl run -- true && break
                sleep 0.2
        done
        ctl run -- true
        stop_engine
}

# An engine whose state is on a disk of so much: OPTIONS of tmpfs. It is reached by $inside.
start_on_small_disk() {
        mkdir -p state
        PREPARE="mount -t tmpfs -o mode=700,$1 none '$state'" start_engine --drain 0s
        inside=/proc/$(cat "$BATS_FILE_TMPDIR/pid")/root$state
}
say_troubles() {
        ctl pool --json | json_get troubles
}
trouble_is() { # part of a sentence; "[]": there is none
        for i in $(seq 100); do [[ $(say_troubles) != *"$1"* ]] || return 0; sleep 0.1; done
        echo "not $1: $(say_troubles)"
        return 1
}

@test "who holds and releases a job all the time fills no memory while the disk is full" {
        start_on_small_disk size=8M
        ctl pause
        id=$(ctl submit - <<< '{"command": ["true"]}')
        other=$(ctl submit - <<< '{"command": ["true"]}')
        head -c 20M /dev/zero > "$inside/filler" 2> /dev/null || true
        run ctl hold "$other"
        resident() { awk '/VmRSS/ {print $2}' "/proc/$(cat "$BATS_FILE_TMPDIR/pid")/status"; }
        before=$(resident)
        PYTHONPATH=$BATS_TEST_DIRNAME python3 - "$SKEP_ADDRESS" "$id" <<'P'
import sys, wire
engine = wire.Connection(sys.argv[1], hello=False)
for i in range(30001):
    assert engine.manager("Release" if i % 2 else "Hold", "s", sys.argv[2]).error.endswith(".StoreFailed")
P
        [ $(($(resident) - before)) -lt 4000 ] || [ -n "${SAN:-}" ]
        # What it came to is written when that can be.
        rm "$inside/filler"
        held() { nsenter --mount --target "$(cat "$BATS_FILE_TMPDIR/pid")" sqlite3 "$state/jobs.db" "SELECT held FROM jobs ORDER BY id" | xargs; }
        for i in $(seq 50); do [ "$(held)" = "1 1" ] && break; sleep 0.1; done
        [ "$(held)" = "1 1" ]
        ctl release "$id" "$other"
        [ "$(held)" = "0 0" ]
        stop_engine
}

@test "what a job has left waits for room on the disk, and the job with it" {
        start_on_small_disk size=8M,nr_inodes=100
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "exec 2>&-; sleep 73; head -c 300000 /dev/urandom > /output/f"]}')
        gone=$(ctl submit - <<< '{"command": ["sh", "-c", "exec 2>&-; sleep 73; head -c 300000 /dev/urandom > /output/f"]}')
        reach "$id" running
        reach "$gone" running
        head -c 100M /dev/zero > "$inside/filler" || true
        go_on 73 2
        trouble_is "no room for what jobs have left"
        [[ $(say_troubles) == *"$state: "* ]]
        sleep 4
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "running 1" ]
        [ "$(field "$gone" 'job["state"], job["attempt"]')" = "running 1" ]
        run ctl cancel "$gone"
        # It is, but cannot be written down.
        [[ $status -eq 0 || $output == *"it is done, and would be undone"* ]]
        sleep 0.5
        rm "$inside/filler"
        ctl wait "$id"
        run ctl wait "$gone"
        [ "$(field "$id" 'job["state"], job["attempt"], job["report"]["reason"], job["report"]["message"]')" = "succeeded 1 exited None" ]
        [ "$(field "$gone" 'job["state"], job["attempt"], job["report"]["reason"]')" = "cancelled 1 cancelled" ]
        [[ $(field "$gone" 'job["report"]["message"]') == "keeping /output: "*"No space left on device" ]]
        ctl output "$id" out
        [ "$(stat -c %s out/f)" -eq 300000 ]
        trouble_is "[]"
        # Files may be what there are too many of.
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "exec 2>&-; sleep 74; echo f > /output/f"]}')
        reach "$id" running
        for i in $(seq 100); do : > "$inside/file-$i" || break; done 2> /dev/null
        go_on 74
        trouble_is "no room for what jobs have left"
        rm "$inside"/file-*
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 1" ]
        trouble_is "[]"
}

# Fills the disk, but for so many KiB.
fill_disk() {
        head -c $(($(stat -f -c '%a * %S' "$inside") - $1 * 1024)) /dev/zero > "$inside/filler"
}

@test "what the members of an array have left is put together when there is room for that" {
        start_on_small_disk size=24M
        spec='{"command": ["sh", "-c", "head -c 1M /dev/urandom > /output/f; test $SKEP_ARRAY_INDEX = 0 || sleep 75; true"], "array": {"count": 2}}'
        id=$(ctl submit - <<< "$spec")
        gone=$(ctl submit - <<< "$spec")
        reach "${id}_0" succeeded
        reach "${gone}_0" succeeded
        fill_disk 2600
        go_on 75 2
        trouble_is "no room for what jobs have left"
        reach "${id}_1" succeeded
        reach "${gone}_1" succeeded
        sleep 2
        [ "$(field "$id" 'job["state"], job["waiting"]')" = "queued for room on the disk, for what its members have left" ]
        ctl cancel "$gone"
        run ctl wait "$gone"
        [ "$(field "$gone" 'job["state"], job["report"]["reason"], job["report"]["message"]')" = \
                "cancelled cancelled what the members have left could not be put together: No space left on device" ]
        [ "$(field "$id" 'job["state"]')" = queued ]
        rm "$inside/filler"
        ctl wait "$id"
        [ "$(field "$id" 'job["state"], job["report"]["reason"]')" = "succeeded exited" ]
        ctl output "$id" out
        [ "$(stat -c %s out/0/f out/1/f)" = "1048576
1048576" ]
        trouble_is "[]"
}

@test "who looks into the store while it is in use takes nothing away from it" {
        start_engine
        ctl run -- true
        [ "$(sqlite3 "$state/jobs.db" 'SELECT count(*) FROM jobs')" -eq 1 ]
        id=$(echo '{"command": ["sleep", "60"]}' | ctl submit -)
        [ "$(sqlite3 "$state/jobs.db" 'SELECT count(*) FROM jobs')" -eq 2 ]
        crash_engine
        start_engine
        ctl cancel "$id"
        ctl wait "$id" || true
        [ "$(ctl list --json | wc -l)" -eq 2 ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copies of the state that are made while it is in use.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup() {
        cd "$BATS_TEST_TMPDIR"
        place_engine "$BATS_TEST_TMPDIR"
        start_engine
}

teardown() {
        stop_engine
}

@test "a supervisor starts from a copy, and runs what had not ended" {
        echo secret > input
        done=$(echo '{"command": ["true"]}' | ctl submit -)
        parent=$(echo '{"command": ["sh", "-c", "echo left > /output/f"]}' | ctl submit -)
        ctl wait "$done" "$parent"
        ctl pause
        one=$(echo '{"command": ["cat", "/input/data"]}' | ctl submit --input data=input -)
        two=$(echo '{"command": ["sha256sum", "/input/data"]}' | ctl submit --input data=input -)
        child=$(echo "{\"command\": [\"cat\", \"/input/before/f\"], \"after\": {\"before\": \"$parent\"}}" | ctl submit -)
        ctl backup copy.tar
        [ "$(stat -c %a copy.tar)" = 600 ]
        # What comes afterwards is not in it.
        late=$(echo '{"command": ["true"]}' | ctl submit -)
        tar tf copy.tar | sort > members
        [ "$(grep -c '^blobs/' members)" -eq 1 ]
        [ "$(grep -c '^jobs/' members)" -eq 1 ]
        grep -q "^jobs/$parent/1/files$" members
        [ "$(ls state | grep -c backup)" -eq 0 ]
        stop_engine
        mkdir -m 700 again
        tar xf copy.tar -C again
        state=$PWD/again start_engine
        ctl resume
        ctl wait "$one" "$two" "$child"
        [ "$(ctl logs "$one")" = secret ]
        [ "$(ctl logs "$child")" = left ]
        [ "$(ctl status --json "$done" | json_get state)" = succeeded ]
        run -125 ctl status "$late"
        # Nobody needs it any more.
        [ "$(ls again/blobs | wc -l)" -eq 0 ]
}

@test "what is not in a copy is on nobody's account where that is used" {
        stop_engine
        mkdir tenants
        echo '{"limits": {"output_bytes": "1M"}}' > tenants/full.json
        echo "{\"tenants_directory\": \"$PWD/tenants\"}" > skepd.json
        start_engine --config skepd.json
        left=$(ctl submit - <<< '{"command": ["head", "-c", "1100000", "/dev/zero"], "tenant": "full"}')
        ctl wait "$left"
        run -125 ctl submit - <<< '{"command": ["true"], "tenant": "full"}'
        ctl backup copy.tar
        stop_engine
        mkdir -m 700 again
        tar xf copy.tar -C again
        for start in 1 2; do
                state=$PWD/again start_engine --config skepd.json
                ctl wait "$(ctl submit - <<< '{"command": ["true"], "tenant": "full"}')"
                run -125 ctl logs "$left"
                [[ $output == *"is not in the state directory any more"* ]]
                [ $start = 2 ] || stop_engine
        done
}

@test "copies that are made under load are whole, and hold up nothing" {
        head -c 3000000 /dev/urandom > big
        for i in $(seq 200); do echo '{"command": ["sh", "-c", "echo x"]}'; done | ctl submit - --input big=big > ids 3>&- &
        submitting=$!
        for i in 1 2 3 4 5; do ctl backup copy.$i.tar; done
        wait $submitting
        ctl wait $(cat ids) > /dev/null
        for i in 1 2 3 4 5; do
                mkdir -m 700 copy.$i
                tar xf copy.$i.tar -C copy.$i
                [ "$(sqlite3 copy.$i/jobs.db 'PRAGMA integrity_check')" = ok ]
                # Every input that a job needs is there.
                sqlite3 copy.$i/jobs.db "SELECT DISTINCT json_extract(input.value, '\$[1]') FROM jobs, json_each(jobs.inputs) AS input WHERE finished_usec = 0" |
                        while read -r blob; do cmp "copy.$i/blobs/$blob" big; done
        done
        # What was kept for the copies goes after them.
        [ "$(ls state/blobs | wc -l)" -eq 0 ]
        [ "$(ls state | grep -c backup)" -eq 0 ]
}

@test "no job can keep copies from being made by how its numbers are written" {
        ctl pause
        ctl submit - <<< '{"command": ["true"], "meta": {"n": 1.}}' || true
        ctl submit - <<< '{"command": ["true"], "meta": {"n": [1.5, 1e999]}}'
        ctl backup copy.tar
        for id in $(ctl list --ids); do ctl status --json "$id" | python3 -m json.tool > /dev/null; done
}

@test "a copy has what arrays and jobs need that left nothing" {
        empty=$(ctl submit - <<< '{"command": ["true"]}')
        full=$(ctl submit - <<< '{"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f"], "array": {"count": 2}}')
        ctl wait "$empty" "$full"
        ctl pause
        array=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/full/1/f\"], \"array\": {\"count\": 3}, \"after\": {\"full\": \"$full\", \"empty\": \"$empty\"}}")
        child=$(ctl submit - <<< "{\"command\": [\"cat\", \"/input/one/f\"], \"after\": {\"one\": \"${full}_0\"}}")
        ctl backup copy.tar
        [ "$(tar tf copy.tar | grep '^jobs/' | sort)" = "jobs/$full/1/files
jobs/${full}_0/1/files" ]
        stop_engine
        mkdir -m 700 again
        tar xf copy.tar -C again
        state=$PWD/again start_engine
        ctl resume
        ctl wait "$array" "$child"
        [ "$(ctl logs "${array}_2")" = 1 ]
        [ "$(ctl logs "$child")" = 0 ]
}

@test "a copy has what members have left whose array has not ended" {
        array=$(ctl submit - <<< '{"command": ["sh", "-c", "echo $SKEP_ARRAY_INDEX > /output/f; test $SKEP_ARRAY_INDEX != 1 -o $SKEP_ATTEMPT != 1 || sleep 60"], "array": {"count": 3}}')
        reach "${array}_0" succeeded
        reach "${array}_2" succeeded
        reach "${array}_1" running
        ctl backup copy.tar
        ctl cancel "$array"
        stop_engine
        mkdir -m 700 again
        tar xf copy.tar -C again
        state=$PWD/again start_engine
        ctl wait "$array"
        ctl output "$array" all
        [ "$(cat all/0/f all/1/f all/2/f)" = $'0\n1\n2' ]
}

@test "what a job has left is in a copy, be the job forgotten while it is made" {
        parent=$(ctl submit - <<< '{"command": ["sh", "-c", "echo left > /output/f"]}')
        ctl wait "$parent"
        ctl pause
        # Inputs come first.
        head -c 300000000 /dev/urandom > big
        ctl submit --input big=big - <<< '{"command": ["true"]}'
        child=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"before\": \"$parent\"}}")
        ctl backup copy.tar 3>&- &
        copying=$!
        for i in $(seq 100); do
                find "/proc/$(cat "$BATS_FILE_TMPDIR/pid")/fd" -lname '*/backup.tar*' 2> /dev/null | grep -q . && break
                sleep 0.02
        done
        ctl cancel "$child"
        run -1 ctl wait "$child"
        ctl rm "$parent"
        wait $copying
        tar tf copy.tar | grep -q "^jobs/$parent/1/files$"
        [ ! -e "state/jobs/$parent" ]
}

@test "what ran when a copy was made runs again from it, and that is no failed attempt" {
        id=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 1 || sleep 60"], "retry": {"attempts": 1}}')
        array=$(ctl submit - <<< '{"command": ["sh", "-c", "test $SKEP_ATTEMPT -gt 1 || sleep 60"], "retry": {"attempts": 1}, "array": {"count": 2}}')
        child=$(ctl submit - <<< "{\"command\": [\"true\"], \"after\": {\"one\": \"$id\", \"two\": \"$array\"}}")
        reach "$id" running
        reach "$array" running
        ctl backup copy.tar
        ctl cancel "$id" "$array"
        stop_engine
        [ "$(ls state | grep -c backup)" -eq 0 ]
        mkdir -m 700 again
        tar xf copy.tar -C again
        state=$PWD/again start_engine
        ctl wait "$id" "$array" "$child"
        [ "$(field "$id" 'job["state"], job["attempt"]')" = "succeeded 2" ]
}

@test "a caller who goes leaves nothing, and one copy is made at a time" {
        ctl pause
        for i in 1 2 3 4; do
                head -c 60000000 /dev/urandom > big
                echo '{"command": ["true"]}' | ctl submit - --input big=big
        done
        pid=$(cat "$BATS_FILE_TMPDIR/pid")
        # SQLite keeps a descriptor of the store for the next time.
        ctl backup copy.tar
        before=$(ls "/proc/$pid/fd" | wc -l)
        for i in $(seq 10); do
                timeout -s KILL 0.05 "$build/skepctl" backup copy.tar || true
        done
        ctl backup copy.tar
        [ "$(tar tf copy.tar | grep -c '^blobs/')" -eq 4 ]
        for i in $(seq 50); do [ "$(ls "/proc/$pid/fd" | wc -l)" -le "$before" ] && break; sleep 0.1; done
        [ "$(ls "/proc/$pid/fd" | wc -l)" -le "$before" ]
        [ "$(awk '/VmHWM/ {print $2}' "/proc/$pid/status")" -lt 150000 ] || [ -n "${SAN:-}" ]
}

@test "a copy is for root" {
        busctl --address="$SKEP_ADDRESS" introspect org.skep.Engine1 /org/skep/Engine1 | grep -q '^.Backup '
        run setpriv --reuid nobody --regid nogroup --clear-groups "$build/skepctl" --address "$SKEP_ADDRESS" backup "$PWD/x"
        [ "$status" -eq 125 ]
        [ ! -e x ]
}

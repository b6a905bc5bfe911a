#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients that mean ill: what they do is theirs alone. And a few seconds of a fuzzer.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        export ASAN_OPTIONS=quarantine_size_mb=4 # what a sanitizer keeps of what was freed is not held by the engine
        place_engine "$BATS_FILE_TMPDIR"
        # So few bytes are an end that is reached soon.
        mkdir "$BATS_FILE_TMPDIR/tenants"
        echo '{"users": ["root"], "limits": {"input_bytes": "64M"}}' > "$BATS_FILE_TMPDIR/tenants/root.json"
        echo '{"users": ["bin"]}' > "$BATS_FILE_TMPDIR/tenants/bin.json"
        echo "{\"tenants_directory\": \"$BATS_FILE_TMPDIR/tenants\", \"clients\": {\"memory\": \"32M\"}}" > "$BATS_FILE_TMPDIR/skepd.json"
        start_engine --drain 0s --config "$BATS_FILE_TMPDIR/skepd.json"
}

teardown_file() {
        stop_engine
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

hostile() {
        timeout 200 python3 -B "$BATS_TEST_DIRNAME/hostile.py" "$SKEP_ADDRESS" "$(cat "$BATS_FILE_TMPDIR/pid")" "$@"
}

@test "garbage, and messages without an end, are their sender's trouble alone" {
        hostile garbage
}

@test "clients that vanish in the middle of a call leave nothing" {
        hostile vanish
        for i in $(seq 50); do
                [ -z "$(ls "$state/blobs")" ] && break
                sleep 0.1
        done
        [ -z "$(ls "$state/blobs")" ]
}

@test "a flood of descriptors is not kept" {
        hostile descriptor_flood
}

@test "descriptors come with inputs alone, and so many are held for one user" {
        hostile descriptors_of_calls
}

@test "whose messages bring descriptors has his share of the engine, and no more" {
        hostile descriptors_by_turns
}

@test "descriptors of a message that is out of order are not kept" {
        hostile miscounted
}

@test "a million ids are refused, and cost nothing" {
        hostile million_ids
}

@test "a socket among descriptors that would linger does not hold up the engine" {
        hostile lingering
}

@test "a byte out of band is like any other, whatever comes with it" {
        hostile out_of_band
}

@test "who is refused leaves nothing for which the engine waits" {
        hostile refused
}

@test "messages that never come to their end are held up to a limit, over all connections of a user" {
        sleep 1 # of refusals, one a second is told
        hostile unfinished
        grep -q "a client is not served: unfinished messages of user 0 take more than 33554432 bytes" "$BATS_FILE_TMPDIR/log"
        sleep 1
        hostile too_large
        grep -q "a message of user 0 is larger than 16777216 bytes" "$BATS_FILE_TMPDIR/log"
}

@test "calls that wait for an answer are held up to the same limit, whatever stands in them" {
        hostile padded_calls
}

@test "answers that nobody reads do not pile up" {
        hostile deaf
}

@test "a flood of connections leaves nothing" {
        hostile connections
}

@test "an input without an end holds up nobody, and ends at its cap" {
        hostile growing
        [ -z "$(ls "$state/blobs")" ]
}

# PATIENCE=1: until its deadline of a minute, at which it is refused.
@test "an input that never answers a read holds up nobody" {
        [ -c /dev/fuse ] || skip "no FUSE here"
        mkdir endless
        python3 "$BATS_TEST_DIRNAME/endless.py" "$PWD/endless" > ready 3>&- &
        for i in $(seq 50); do
                [ -s ready ] && break
                sleep 0.1
        done
        result=0
        hostile endless "$PWD/endless/endless" || result=$?
        # Nor does the supervisor wait for it at its end.
        stop_engine || result=$?
        kill %%
        start_engine --drain 0s --config "$BATS_FILE_TMPDIR/skepd.json"
        [ "$result" -eq 0 ]
}

# Who stands on such a descriptor ends when the file system does.
unclosable() { # ARGUMENT...
        for i in $(seq 1200); do
                grep -qE '^(passed|failed)$' unclosable && break
                sleep 0.1
        done
        cat unclosable
        grep -q '^passed$' unclosable
}

start_stuck() {
        [ -c /dev/fuse ] || skip "no FUSE here"
        mkdir stuck
        python3 "$BATS_TEST_DIRNAME/endless.py" "$PWD/stuck" stuck > ready 3>&- &
        stuck=$!
        for i in $(seq 50); do
                [ -s ready ] && break
                sleep 0.1
        done
}

@test "what cannot be closed holds up nobody, nor the end of the engine" {
        start_stuck
        python3 -B "$BATS_TEST_DIRNAME/unclosable.py" "$SKEP_ADDRESS" "$(cat "$BATS_FILE_TMPDIR/pid")" "$PWD/stuck/endless" > unclosable 3>&- &
        client=$!
        result=0
        unclosable || result=$?
        stop_engine || result=$?
        kill $stuck
        wait $stuck $client || true
        start_engine --drain 0s --config "$BATS_FILE_TMPDIR/skepd.json"
        [ "$result" -eq 0 ]
}

@test "nor does it where it comes over a message bus, and it goes with its file system" {
        start_stuck
        stop_engine
        start_engine --drain 0s --config "$BATS_FILE_TMPDIR/skepd.json" --bus "unix:path=$PWD/nothing%2f..%2fbus,guid=00;unix:path=$PWD/b%75s"
        python3 -B "$BATS_TEST_DIRNAME/unclosable.py" "$SKEP_ADDRESS" "$(cat "$BATS_FILE_TMPDIR/pid")" "$PWD/stuck/endless" "$PWD/bus" > unclosable 3>&- &
        client=$!
        result=0
        unclosable || result=$?
        kill $stuck
        wait $stuck $client || true
        for i in $(seq 100); do
                [ -n "$(pgrep -P "$(cat "$BATS_FILE_TMPDIR/pid")" -x skep-porter)" ] || break
                sleep 0.1
        done
        run ! pgrep -P "$(cat "$BATS_FILE_TMPDIR/pid")" -x skep-porter
        stop_engine || result=$?
        start_engine --drain 0s --config "$BATS_FILE_TMPDIR/skepd.json"
        [ "$result" -eq 0 ]
}

@test "control characters reach nobody's terminal" {
        hostile control_characters
        ctl list > list
        run ! grep -q $'[\x01-\x08\x0b-\x1f]' list
}

@test "whatever the methods are called with, the engine lives and says what is wrong" {
        # The same calls each time; make fuzz makes new ones.
        timeout 200 python3 -B "$BATS_TEST_DIRNAME/../fuzz/bus.py" "$SKEP_ADDRESS" "$(cat "$BATS_FILE_TMPDIR/pid")" "${FUZZ_SECONDS:-5}" 967165727
}

# The last: the jobs that it leaves are many.
@test "a queue that is full says so, and takes no more memory" {
        hostile full_queue
}

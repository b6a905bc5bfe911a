#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What many jobs leave behind in the processes that run them: nothing. SOAK_JOBS=20000 takes a minute or more. And the
# benchmark of the engine, a little of each part: that it measures, not what.

bats_require_minimum_version 1.5.0
load ../helper
load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
}

@test "after many jobs, memory and descriptors are what they were after the first" {
        jobs=${SOAK_JOBS:-2000}
        # What is remembered of ended jobs, and how many jails wait, is as much after the first.
        echo '{"retention": {"count": 200}, "warm": {"maximum": 4}}' > "$BATS_TEST_TMPDIR/skepd.json"
        export ASAN_OPTIONS=quarantine_size_mb=0:thread_local_quarantine_size_kb=0 # else what was freed is kept
        start_engine --drain 0s --config "$BATS_TEST_TMPDIR/skepd.json"
        result=0
        timeout 1500 python3 -B "$BATS_TEST_DIRNAME/soak.py" "$SKEP_ADDRESS" "$(cat "$BATS_FILE_TMPDIR/pid")" "$jobs" \
                $((jobs > 5000 ? 1000 : jobs / 3)) || result=$?
        stop_engine
        [ "$result" -eq 0 ]
        [ -z "$(ls "$state/blobs")" ]
}

@test "the benchmark of the engine runs to its end, and prints what it measured" {
        [ -x "$build/bench-engine" ] || skip "the benchmark is not built here"
        run "$top/tests/bench-engine/run.sh" --as-it-is 1
        echo "$output"
        [ "$status" -eq 0 ]
        for number in 'jobs a second, end to end' 'submit to report, idle, median' 'open load' 'SubmitBatch, jobs' 'Submit from 16 callers' \
                '100,000 queued: the supervisor' '1,000 tenants: a job run' 'idle: wake-ups'; do
                [[ $output == *"$number"* ]]
        done
        [[ $output == *"at most 25"* ]]
}

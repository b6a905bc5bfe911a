# SPDX-License-Identifier: LGPL-2.1-or-later
# An engine for a file of tests: with $state, $SKEP_ADDRESS and $MISSING set.

start_engine() {
        rm -f "$BATS_FILE_TMPDIR/ready" # of the one before
        "$build/skepd" --embedded --state "$state" --socket "$BATS_FILE_TMPDIR/engine.sock" --allow-missing="$MISSING" \
                "$@" > "$BATS_FILE_TMPDIR/ready" 2> "$BATS_FILE_TMPDIR/log" 3>&- &
        echo $! > "$BATS_FILE_TMPDIR/pid"
        for i in $(seq 100); do
                grep -qs ready "$BATS_FILE_TMPDIR/ready" && return
                sleep 0.1
        done
        cat "$BATS_FILE_TMPDIR/log" >&2
        return 1
}

stop_engine() {
        kill -TERM "$(cat "$BATS_FILE_TMPDIR/pid")"
        for i in $(seq 150); do
                kill -0 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || return 0
                sleep 0.1
        done
        return 1
}

ctl() {
        timeout 60 "$build/skepctl" "$@"
}

# Those that a supervisor on this state directory has left for the next one.
end_workers() {
        local worker
        for worker in $(pgrep -f -- "--socket $1/worker.sock "); do
                kill -TERM "$worker"
                for i in $(seq 100); do kill -0 "$worker" 2>/dev/null || break; sleep 0.1; done
        done
}

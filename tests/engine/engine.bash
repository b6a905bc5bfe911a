# SPDX-License-Identifier: LGPL-2.1-or-later
# An engine for a file of tests, or for each test in it.

place_engine() { # DIRECTORY: where its state is to be
        export MISSING=$(find_missing) BEFORE=$(leftovers) state=$1/state SKEP_ADDRESS=unix:path=$BATS_FILE_TMPDIR/engine.sock
}

# PREPARE=COMMAND: in a mount namespace that it has prepared.
start_engine() {
        local inside=()
        [ -z "${PREPARE:-}" ] || inside=(unshare --mount --propagation private bash -ec 'eval "$PREPARE"; exec "$@"' -)
        rm -f "$BATS_FILE_TMPDIR/ready" # of the one before
        "${inside[@]}" "$build/skepd" --embedded --state "$state" --socket "$BATS_FILE_TMPDIR/engine.sock" --allow-missing="$MISSING" \
                "$@" > "$BATS_FILE_TMPDIR/ready" 2> "$BATS_FILE_TMPDIR/log" 3>&- &
        echo $! > "$BATS_FILE_TMPDIR/pid"
        for i in $(seq 100); do
                grep -qs ready "$BATS_FILE_TMPDIR/ready" && return
                sleep 0.1
        done
        cat "$BATS_FILE_TMPDIR/log" >&2
        return 1
}

stop_engine() { # [tenths of a second that it has]
        kill -TERM "$(cat "$BATS_FILE_TMPDIR/pid")"
        for i in $(seq "${1:-150}"); do
                kill -0 "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || return 0
                sleep 0.1
        done
        return 1
}

# As a crash of the supervisor alone. What it has locked is free then.
kill_engine() {
        kill -KILL "$(cat "$BATS_FILE_TMPDIR/pid")"
        while kill -0 "$(cat "$BATS_FILE_TMPDIR/pid")" 2> /dev/null; do sleep 0.02; done
}

restart_engine() {
        stop_engine
        start_engine --drain 0s
}

ctl() { # CTL_SECONDS=N
        timeout "${CTL_SECONDS:-60}" "$build/skepctl" "$@"
}

field() { # id, expression on the job
        ctl status --json "$1" | python3 -c "import json, sys; job = json.load(sys.stdin); print($2)"
}

reach() { # id, state: waits for it
        for i in $(seq 100); do
                [ "$(field "$1" 'job["state"]')" = "$2" ] && return
                sleep 0.1
        done
        return 1
}

# Jobs that wait by "sleep NUMBER", in a shell, go on, when there are so many of them. So they run as long as a test needs, and no
# longer; each place has a number of its own.
go_on() { # NUMBER [HOW MANY]
        for i in $(seq 300); do
                [ "$(pgrep -c -x -f "sleep $1")" -lt "${2:-1}" ] || break
                sleep 0.1
        done
        pkill -x -f "sleep $1"
}

# Says which process takes a client's descriptors for the supervisor with this pid, as soon as there is one.
reach_porter() {
        for i in $(seq 1000); do
                pgrep -P "$1" -x skep-porter && return
                sleep 0.01
        done
        return 1
}

# Those that a supervisor on this state directory has left for the next one.
end_workers() {
        local worker
        for worker in $(pgrep -f -- "--socket $1/worker.sock "); do
                kill -TERM "$worker"
                for i in $(seq 100); do kill -0 "$worker" 2>/dev/null || break; sleep 0.1; done
        done
}

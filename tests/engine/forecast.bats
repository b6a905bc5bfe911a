#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skep-forecast: the scaler's own code over a trace.

load ../helper

setup_file() {
        python3 "$BATS_TEST_DIRNAME/../bench/loads.py" bursts 2 > "$BATS_FILE_TMPDIR/bursts.csv"
        export trace=$BATS_FILE_TMPDIR/bursts.csv
}

forecast() {
        "$build/skep-forecast" "$@"
}

@test "a replay prints a row a cycle, in which nothing is ready before its start delay" {
        forecast replay "$trace" --start-delay 300 --csv "$BATS_TEST_TMPDIR/rows.csv"
        python3 - "$trace" "$BATS_TEST_TMPDIR/rows.csv" <<'P'
import csv, sys
trace = list(csv.reader(open(sys.argv[1])))
rows = list(csv.DictReader(open(sys.argv[2])))
assert list(rows[0]) == ["time", "demand", "ready", "target", "p50", "p90", "p99"], rows[0]
assert len(rows) == len(trace) - 2 # its line of names, and the first step, before which nothing is known
for before, row in zip(rows, rows[5:]):
    assert int(row["ready"]) <= max(int(r["target"]) for r in rows if r["time"] <= before["time"]), row
for row in rows:
    assert 2 <= int(row["target"]) <= 50 and float(row["p50"]) <= float(row["p90"]) <= float(row["p99"])
P
}

@test "the demand is the mean of the arrivals over the time that a job takes" {
        printf '%s\n' 0,60 60,0 120,0 180,30 240,90 > "$BATS_TEST_TMPDIR/t.csv"
        forecast replay "$BATS_TEST_TMPDIR/t.csv" --capacity 10 --job-seconds 180 --csv - | cut -d, -f1,2 > "$BATS_TEST_TMPDIR/rows"
        diff -u - "$BATS_TEST_TMPDIR/rows" <<'R'
time,demand
60,3.0000
120,2.0000
180,1.0000
240,4.0000
R
}

@test "JSON has what a judge needs" {
        forecast replay "$trace" --json > "$BATS_TEST_TMPDIR/json"
        for key in time_under_provisioned mean_over_provisioning mean_ready lost_work changes_of_direction capacity \
                forecast.at_or_below_p90 last_40_percent.time_under_provisioned; do
                json_get "$key" "$BATS_TEST_TMPDIR/json"
        done
        [ "$(forecast replay "$trace" --policy reactive --json | json_get policy)" = reactive ]
}

@test "cutting a trace short changes no decision before the cut" {
        forecast replay "$trace" --capacity 12 --csv "$BATS_TEST_TMPDIR/whole"
        for lines in 3 100 1501; do
                head -n "$lines" "$trace" > "$BATS_TEST_TMPDIR/part.csv"
                forecast replay "$BATS_TEST_TMPDIR/part.csv" --capacity 12 --csv "$BATS_TEST_TMPDIR/part"
                head -n $((lines - 1)) "$BATS_TEST_TMPDIR/whole" | diff - "$BATS_TEST_TMPDIR/part"
        done
}

@test "compare prints forecast, reacting and the day before at one cost, and a plot" {
        forecast compare "$trace" --start-delay 300 --json --svg "$BATS_TEST_TMPDIR/plot.svg" > "$BATS_TEST_TMPDIR/json"
        python3 - "$BATS_TEST_TMPDIR/json" "$BATS_TEST_TMPDIR/plot.svg" <<'P'
import json, sys, xml.etree.ElementTree as tree
c = json.load(open(sys.argv[1]))
same = c["at_the_same_mean_pool"]
assert same["predictive"] < same["reactive"] / 2, same
assert "seasonal_naive" in same and len(c["sweep"]) > 10
assert tree.parse(sys.argv[2]).getroot().tag.endswith("svg")
P
}

@test "bad traces and options end with a sentence" {
        printf '0,1\n60,-2\n' > "$BATS_TEST_TMPDIR/bad.csv"
        run forecast replay "$BATS_TEST_TMPDIR/bad.csv"
        [ "$status" -eq 1 ]
        [[ $output == *"bad.csv: line 2: the count is negative"* ]]
        for options in "--quantile 2" "--quantile 0" "--min 5 --max 4" "--job-seconds 0" "--job-seconds -1" "--capacity nan" \
                "--cycle 0" "--start-delay 1e9" "--policy best" "--nothing"; do
                # shellcheck disable=SC2086
                run forecast replay "$trace" $options
                [ "$status" -eq 1 ] || { echo "$options: $status"; return 1; }
                [ "${#lines[@]}" -eq 1 ]
        done
        run forecast replay
        [ "$status" -eq 1 ]
        run forecast guess
        [ "$status" -eq 1 ]
}

@test "a trace may come by a pipe, and the reader may go" {
        forecast replay - --json < "$trace" | json_get cycles
        forecast replay "$trace" --csv - | head -1
}

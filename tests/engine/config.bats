#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The configuration: its files, skepd --check, GetConfig and Reload.

bats_require_minimum_version 1.5.0
load ../helper
load engine

# A tree of its own: the programs of a build tree read the tree's files.
setup_file() {
        export MISSING=$(find_missing)
        export tree=$BATS_FILE_TMPDIR/tree
        mkdir -p "$tree/build" "$tree/skepd.json.d"
        cp -r "$top/policies" "$tree/"
        cp "$build"/{skepd,skep-worker,skep-nursery,skep-collector,skep-launcher,skep-scope} "$tree/build/"
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        rm -f "$tree"/skepd.json "$tree"/skepd.json.d/*
}

start() {
        "$tree/build/skepd" --embedded --state state --socket "$PWD/e.sock" --allow-missing="$MISSING" "$@" > ready 2> log 3>&- &
        pid=$!
        export SKEP_ADDRESS=unix:path=$PWD/e.sock
        for i in $(seq 100); do grep -q ready ready && return; sleep 0.1; done
        cat log >&2
        return 1
}

teardown() {
        [ -z "${pid:-}" ] || { kill -TERM "$pid"; wait "$pid"; }
}

manager() { # a method that gives a string
        busctl --address="$SKEP_ADDRESS" --json=short call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager "$@"
}
config() { # KEY value|from
        manager GetConfig | python3 -c 'import json, sys; print(json.loads(json.load(sys.stdin)["data"][0])[sys.argv[1]][sys.argv[2]])' "$@"
}

@test "every value of the table stands in the manual, with its default" {
        start
        manager GetConfig | python3 -c '
import json, sys
for key, value in json.loads(json.load(sys.stdin)["data"][0]).items():
    if value["from"] == "default":
        print("*%s* = %s" % (key, json.dumps(value["value"])))
    else:
        print("*%s* =" % key)' | sort > table
        grep -E '^\*[a-z_.]+\* = ' "$top/docs/man/skepd.json.5.scd" | sort > manual
        [ "$(wc -l < table)" -eq "$(wc -l < manual)" ]
        while read -r line; do
                grep -qF -- "$line" manual || { echo "not in the manual: $line"; return 1; }
        done < table
}

@test "the limits of a number are those that the manual says" {
        python3 - "$top/docs/man/skepd.json.5.scd" "$build/skepd" <<'P'
import json, re, subprocess, sys
for part in re.split(r"\n(?=\*[a-z_.]+\* = )", open(sys.argv[1]).read())[1:]:
    key, default = re.match(r"\*([a-z_.]+)\* = (.*)", part).groups()
    # Not a fraction, which is taken in thousandths.
    if not re.fullmatch("[0-9]+", default) or key in ("pool.memory", "pool.cpu_overcommit"):
        continue
    group, name = key.split(".")
    open("config.json", "w").write(json.dumps({group: {name: 10 ** 12}}))
    said = subprocess.run([sys.argv[2], "--check", "--config", "config.json"], capture_output=True, text=True).stderr
    low, high = re.search(re.escape(key) + r": must be from (\d+) to (\d+)", said).groups()
    ranges = [(low, high)] if key != "warm.maximum" else [("up", high)]
    assert all(re.search(rf"\b{a} to {b}\b", part) for a, b in ranges), (key, said, part)
P
}

@test "values that need a restart are those that the manual marks" {
        python3 - "$top/docs/man/skepd.json.5.scd" > marked <<'P'
import re, sys
for part in re.split(r"\n(?=\*[a-z_.]+\* = )", open(sys.argv[1]).read())[1:]:
    part = part.split("\n#")[0]
    if "(restart)" in part:
        print(re.match(r"\*([a-z_.]+)\*", part).group(1))
P
        start
        # All but those that options have set.
        echo '{"orphan_grace": "1s", "workers": {"start": "embedded", "maximum": 7}, "queue": {"jobs": 9},
               "pool": {"memory": "1G", "cpu_overcommit": 2, "jobs_per_worker": 3},
               "warm": {"memory": 5, "maximum": 3}, "retention": {"age": "5s", "count": 8}, "default_policy": "strict",
               "clients": {"connections": 200, "connections_per_user": 7, "calls": 77, "message": "2M", "memory": "3M"}, "drain": "1s"}' > "$tree/skepd.json"
        manager Reload | python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)["data"][0]))' | sort > named
        diff named <(grep -vx 'state_directory\|socket' marked | sort)
        [ "$(config queue.jobs value)" = 9 ]
        [ "$(config warm.maximum value)" = 16 ]
        grep -q "needs a restart" log
}

@test "later files win, and options over all of them" {
        echo '{"workers": {"minimum": 3}, "queue": {"jobs": 5}, "drain": "7s"}' > "$tree/skepd.json"
        echo '{"queue": {"jobs": 6}}' > "$tree/skepd.json.d/10-a.json"
        echo '{"queue": {"jobs": 7}} // the last' > "$tree/skepd.json.d/20-b.json"
        echo 'not read' > "$tree/skepd.json.d/30-c.json.orig"
        start --drain 1s
        [ "$(config queue.jobs value)" = 7 ]
        [ "$(config queue.jobs from)" = "$(readlink -f "$tree/build")/../skepd.json.d/20-b.json" ]
        [ "$(config workers.minimum value)" = 3 ]
        [ "$(config drain from)" = --drain ]
        [ "$(config retention.count from)" = default ]
}

@test "--config reads that file alone" {
        echo '{"workers": {"minimum": 3}}' > "$tree/skepd.json"
        echo '{"queue": {"jobs": 5}}' > own.json
        start --config own.json
        [ "$(config queue.jobs value)" = 5 ]
        [ "$(config workers.minimum value)" = 2 ]
        run timeout 20 "$tree/build/skepd" --embedded --config nothing.json
        [ "$status" -eq 1 ]
        [[ $output == *"nothing.json"* ]]
}

@test "the check says every problem, and ends with 1" {
        echo '{"workers": {"minimum": 3, "maximum": 2}, "drain": 5, "allow_missing": ["nothing"], "unknown": 1}' > "$tree/skepd.json"
        echo 'no json' > "$tree/skepd.json.d/x.json"
        echo '{"extends": "nothing"}' > "$tree/policies/broken.json"
        echo '{"syscalls": 5}' > "$tree/policies/broken-too.json"
        run "$tree/build/skepd" --check --state /dev/null --workers 99
        rm "$tree"/policies/broken*.json
        [ "$status" -eq 1 ]
        for part in "workers.minimum" "drain: a number needs a unit" "allow_missing" "unknown: unknown key" "x.json: not JSON" \
                "broken" "broken-too" "/dev/null" "--workers: workers.minimum: must be from 1 to 50"; do
                [[ $output == *"$part"* ]] || { echo "missing: $part"; return 1; }
        done
        [[ ${lines[-1]} == *"9 problems" ]]
        run timeout 20 "$tree/build/skepd" --embedded --state state --socket "$PWD/e.sock"
        [ "$status" -eq 1 ]
        [ ! -e state ]
        [[ $output == *"--check"* ]]
}

@test "the check says what a start would stumble over" {
        mkdir -p tenants
        : > file
        echo '{"policies": ["strict", "none-such"]}' > tenants/a.json
        echo '{"weight": "x"}' > tenants/b.json
        echo '{ broken' > tenants/c.json
        echo '{"policies": ["strict", "missing"]}' > tenants/default.json
        echo '{"name": "a"}' > tenants/again.json
        echo "{\"tenants_directory\": \"$PWD/tenants\"}" > "$tree/skepd.json"
        run "$tree/build/skepd" --check --state "$PWD/state" --socket "$PWD/file"
        [ "$status" -eq 1 ]
        for part in "tenants: tenant a: policies: there is no policy \"none-such\"" "b.json: weight" "c.json: not JSON" \
                "tenants: tenant default: policies: there is no policy \"missing\"" "two files are for the tenant \"a\"" \
                "socket: $PWD/file is there, and is no socket" "6 problems"; do
                [[ $output == *"$part"* ]] || { echo "missing: $part in $output"; return 1; }
        done
        rm -r tenants
        run "$tree/build/skepd" --check --state "$PWD/state" --socket "$PWD/nowhere/s"
        [ "$status" -eq 1 ]
        [[ $output == *"tenants_directory: $PWD/tenants: No such file or directory"* ]]
        [[ $output == *"socket: $PWD/nowhere/s: its directory is not there"* ]]
        [[ ${lines[-1]} == *"2 problems" ]]
        rm "$tree/skepd.json"
        for socket in "$PWD/file/s" /run/skep/none-such/s; do
                run "$tree/build/skepd" --check --state "$PWD/state" --socket "$socket"
                [ "$status" -eq 1 ]
                [[ ${lines[0]} == *"socket: $socket: its directory is not there" ]]
        done
        "$tree/build/skepd" --check --state "$PWD/state" --socket /run/skep/s
}

@test "of a value that is none on this host the check names the file and the key, as of any other" {
        : > file
        long=/tmp/$(printf 'x%.0s' $(seq 90))
        echo "{\"default_policy\": \"none\", \"tenants_directory\": \"$PWD/file\", \"state_directory\": \"$PWD/file\", \"socket\": \"$PWD/no/s\"}" > "$tree/skepd.json"
        run "$tree/build/skepd" --check
        [ "$status" -eq 1 ]
        for part in "skepd.json: default_policy: there is no policy \"none\"" "skepd.json: tenants_directory: $PWD/file: Not a directory" \
                "skepd.json: state_directory: $PWD/file: Not a directory" "skepd.json: socket: $PWD/no/s: its directory is not there" "4 problems"; do
                [[ $output == *"$part"* ]] || { echo "missing: $part in $output"; return 1; }
        done
        # Its workers' socket would have too long a name.
        rm "$tree/skepd.json"
        run "$tree/build/skepd" --check --state "$long"
        [[ $output == *"--state: state_directory: a path may have 94 characters"* ]]
        run "$tree/build/skepd" --check --state "${long:0:94}"
        [[ $output != *"94 characters"* ]]
}

@test "tenants whose directory was set and is gone keep their ceilings" {
        mkdir tenants
        echo "{\"tenants_directory\": \"$PWD/tenants\"}" > "$tree/skepd.json"
        echo '{"policies": ["strict"]}' > tenants/root.json
        start
        mv tenants away
        run manager Reload
        [ "$status" -ne 0 ]
        [[ $output == *"skepd.json: tenants_directory: $PWD/tenants: No such file or directory"* ]]
        run -125 ctl run -- true </dev/null
        [[ $output == *python* ]]
}

@test "of two values that do not go together the one that was set is named, with its file" {
        echo '{"clients": {"connections": 100}}' > "$tree/skepd.json"
        run "$tree/build/skepd" --check --state "$PWD/state"
        [ "$status" -eq 1 ]
        [[ $output == *"skepd.json: clients.connections (100) is below clients.connections_per_user (128, the default)"* ]]
        echo '{"clients": {"message": "32M", "memory": "16M"}}' > "$tree/skepd.json"
        run "$tree/build/skepd" --check --state "$PWD/state"
        [[ $output == *"skepd.json: clients.message (32M) is above clients.memory (16M, from "*"skepd.json)"* ]]
        echo '{"workers": {"maximum": 3}}' > "$tree/skepd.json"
        run "$tree/build/skepd" --check --state "$PWD/state" --workers 4
        [[ $output == *"--workers: workers.minimum (4) is above workers.maximum (3, from "*"skepd.json)"* ]]
}

@test "a configuration that is no file is refused with a sentence" {
        mkfifo fifo
        for file in /dev/null "$PWD/fifo"; do
                run timeout 20 "$tree/build/skepd" --check --state "$PWD/state" --config "$file"
                [ "$status" -eq 1 ]
                [[ $output == *"$file: must be a regular file"* ]]
        done
}

@test "a check makes nothing, and is silent where all is well" {
        run "$tree/build/skepd" --check --state "$PWD/state"
        [ "$status" -eq 0 ]
        [ -z "$output" ]
        [ ! -e state ]
}

@test "a policy whose image is not there is one, and its results cannot be kept" {
        echo '{"extends": "python", "filesystem": {"root": "none-such-image"}}' > "$tree/policies/imaged.json"
        start
        PYTHONPATH=$BATS_TEST_DIRNAME python3 -B -c 'import sys, wire
answer = wire.Connection(sys.argv[1]).manager("Submit", "sa(sh)", sys.argv[2], [])
print(answer.error, *answer.body)' "$SKEP_ADDRESS" '{"command": ["true"], "policy": "imaged", "cache": "1h"}' > answer
        rm "$tree/policies/imaged.json"
        [[ $(< answer) == "org.skep.Engine1.Error.BadSpec cache: the root "*"/none-such-image: No such file or directory" ]]
}

@test "a reload with a mistake changes nothing; SIGHUP reloads too" {
        echo '{"queue": {"jobs": 5}}' > "$tree/skepd.json"
        start
        echo '{"queue": {"jobs": 6}, "default_policy": "nothing"}' > "$tree/skepd.json"
        run manager Reload
        [ "$status" -ne 0 ]
        [[ $output == *default_policy* ]]
        [ "$(config queue.jobs value)" = 5 ]
        echo '{"queue": {"jobs": 6}, "nothing": 1}' > "$tree/skepd.json"
        run manager Reload
        [[ $output == *"nothing: unknown key"* ]]
        [ "$(config queue.jobs value)" = 5 ]
        echo '{"queue": {"jobs": 8}}' > "$tree/skepd.json"
        kill -HUP "$pid"
        for i in $(seq 50); do [ "$(config queue.jobs value)" = 8 ] && break; sleep 0.1; done
        [ "$(config queue.jobs value)" = 8 ]
}

@test "a pool that is fixed has the minimum that is read again, unless somebody has said how many" {
        fixed() { echo "{\"scaler\": \"fixed\", \"workers\": {\"minimum\": $1, \"maximum\": 5}}" > "$tree/skepd.json"; }
        decision() { ctl forecast --json | json_get decisions | grep -o 'fixed at [0-9]*' | head -1; }
        fixed 3
        start
        fixed 1
        manager Reload
        [ "$(decision)" = "fixed at 1" ]
        ctl scale 4
        fixed 2
        manager Reload
        [ "$(decision)" = "fixed at 4" ]
}

@test "a number of workers that somebody has said holds as far as the bounds do that are read again" {
        bounds() { echo "{\"workers\": {\"minimum\": $1, \"maximum\": $2}}" > "$tree/skepd.json"; }
        target() { ctl pool --json | json_get pool_target; }
        decision() { ctl forecast --json | json_get decisions | grep -o "The pool[^\"']*" | head -1; }
        bounds 1 5
        start
        ctl scale 4
        bounds 1 2
        manager Reload
        [ "$(target)" = 2 ]
        [ "$(decision)" = "The pool is fixed at 2: 2 now." ]
        bounds 5 6
        manager Reload
        [ "$(target)" = 5 ]
        [ "$(decision)" = "The pool is fixed at 5: 5 now." ]
        bounds 1 5
        manager Reload
        [ "$(target)" = 4 ]
        ! grep "the pool cannot have" log
}

@test "commands that take many jobs are content with as few calls as a client may have" {
        echo '{"clients": {"calls": 3}}' > "$tree/skepd.json"
        start
        ctl pause
        for i in $(seq 40); do echo '{"command": ["true"]}'; done | ctl submit - > ids
        ctl hold - < ids
        [ "$(ctl cancel --json - none-such < ids 2> why | grep -c '"error":null')" -eq 40 ]
        [ "$(< why)" = "skepctl: none-such: there is no such job" ]
        [ "$(ctl list --state cancelled --ids | wc -l)" -eq 40 ]
        ctl rm - < ids
        [ "$(ctl list --ids)" = "" ]
}

@test "who waits for a job can cancel it, with as few calls as a client may have" {
        echo '{"clients": {"calls": 1}}' > "$tree/skepd.json"
        run -1 "$tree/build/skepd" --check --state "$PWD/state"
        [[ $output == *"clients.calls"*"2"* ]]
        echo '{"clients": {"calls": 2}}' > "$tree/skepd.json"
        start
        run -130 timeout 60 python3 - "$build/skepctl" <<'P'
import signal, subprocess, sys
command = [sys.argv[1], "run", "--", "sh", "-c", "echo begun; exec sleep 60"]
runner = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
runner.stdout.readline()
runner.send_signal(signal.SIGINT)
sys.exit(runner.wait())
P
        [ "$(ctl list --state cancelled --ids | wc -l)" -eq 1 ]
}

@test "files whose names are not UTF-8 are named all the same" {
        mkdir -p tenants
        echo "{\"tenants_directory\": \"$PWD/tenants\"}" > "$tree/skepd.json"
        echo '{"drain": "3s"}' > "$tree/skepd.json.d/"$'caf\xe9.json'
        start
        [[ $(config drain from) == *'/skepd.json.d/caf\xe9.json' ]]
        echo '{}' > tenants/$'caf\xe9.json'
        run -1 manager Reload
        [[ $output == *'tenant "caf\xe9"'* ]]
        echo '{"weight": 0}' > tenants/$'caf\xe9.json'
        run -1 manager Reload
        [[ $output == *'caf\xe9'* ]]
}

@test "tenants are checked, and read again" {
        mkdir -p tenants
        echo "{\"tenants_directory\": \"$PWD/tenants\"}" > "$tree/skepd.json"
        echo '{"limits": {"queued": 2}}' > tenants/root.json
        start
        ctl run -- true </dev/null
        echo '{"policies": ["strict"]}' > tenants/root.json
        manager Reload
        run -125 ctl run -- true </dev/null
        [[ $output == *python* ]]
        echo '{"policies": 5}' > tenants/root.json
        run manager Reload
        [ "$status" -ne 0 ]
        ctl run --policy strict -- true </dev/null
        run "$tree/build/skepd" --check --state "$PWD/state"
        [ "$status" -eq 1 ]
        [[ $output == *root.json* ]]
}

@test "policies are read again" {
        echo '{"extends": "strict", "limits": {"pids": {"default": 4, "max": 4}}}' > "$tree/policies/mine.json"
        start
        ctl run --policy mine -- true </dev/null
        run -125 ctl run --policy mine --pids 9 -- true </dev/null
        echo '{"extends": "strict", "limits": {"pids": {"default": 4, "max": 10}}}' > "$tree/policies/mine.json"
        manager Reload
        ctl run --policy mine --pids 9 -- true </dev/null
        echo '{"extends": 5}' > "$tree/policies/mine.json"
        run manager Reload
        [ "$status" -ne 0 ]
        ctl run --policy mine --pids 9 -- true </dev/null
        rm "$tree/policies/mine.json"
        # Whether a job has asked for it or not.
        echo '{ broken' > "$tree/policies/unused.json"
        run manager Reload
        rm "$tree/policies/unused.json"
        [ "$status" -ne 0 ]
        [[ $output == *unused.json*"not JSON"* ]]
        manager Reload
}

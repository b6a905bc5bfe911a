#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# skep-jail learn: policies under which a command runs, and from which no line can be taken.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        place= link=
}

teardown() {
        [ -z "$link" ] || rm -f "$link"
        [ -z "$place" ] || rm -rf "$place"
}

learn() {
        "$build/skep-jail" learn --allow-missing="$MISSING" --write learnt.json "$@" </dev/null
}

# Runs under what was learnt.
learnt() {
        "$build/skep-jail" --allow-missing="$MISSING" --policy ./learnt.json "$@" </dev/null
}

# The items of a list of the policy, one a line: items LIST
items() {
        grep -v '^ *//' learnt.json | python3 -c '
import json, sys
policy = json.load(sys.stdin)
for part in policy, policy["filesystem"], policy["syscalls"]:
    print("\n".join(part.get(sys.argv[1], [])), end="\n" if part.get(sys.argv[1]) else "")
' "$1"
}

# Takes each item away in turn, runs the command, and prints those without which it does the same each time: exits, writes, says.
# (Whose children are not waited for may still be lucky once.)
spared() {
        python3 - "$build/skep-jail" "$MISSING" "$@" <<'P'
import copy, json, subprocess, sys
lines = [line for line in open("learnt.json") if not line.lstrip().startswith("//")]
policy = json.loads("".join(lines))
def run(policy):
    json.dump(policy, open("less.json", "w"))
    done = subprocess.run([sys.argv[1], "--allow-missing=" + sys.argv[2], "--policy", "./less.json", "--wall", "20s"] + sys.argv[3:],
                          stdin=subprocess.DEVNULL, capture_output=True)
    errors = [line for line in done.stderr.splitlines() if not line.startswith(b"skep-jail:")]
    return done.returncode, done.stdout, errors
whole, tried = run(policy), 0
for part, name in ("syscalls", "allow"), ("filesystem", "execute"), ("filesystem", "read_only"):
    for item in policy[part].get(name, []):
        less = copy.deepcopy(policy)
        less[part][name].remove(item)
        tried += 1
        if all(run(less) == whole for _ in range(3)):
            print("spared:", item)
print("whole:", whole[0], "tried:", tried)
P
}

@test "python: what is learnt runs it, and nothing else" {
        run --separate-stderr learn -- python3 -c 'print(6*7)'
        [ "$status" -eq 0 ]
        [ -z "$output" ]
        [[ $stderr == *"as proof"* ]]
        [ "$(learnt -- python3 -c 'print(6*7)')" = 42 ]
        run learnt -- sh -c id
        [ "$status" -eq 126 ]
        run learnt -- python3 -c 'import os; os.execv("/bin/sh", ["sh", "-c", "id"])'
        [ "$status" -ne 0 ]
        [[ $output != *uid=* ]]
}

@test "no line can be taken away" {
        learn -- cat /etc/hostname
        run spared -- cat /etc/hostname
        [[ $output =~ ^"whole: 0 tried: "[0-9]+$ ]]
        [ "${output##* }" -gt 8 ]
        learn --force -- sh -c 'seq 10 | sort | tail -1; ls -l / | grep -c work'
        run spared -- sh -c 'seq 10 | sort | tail -1; ls -l / | grep -c work'
        [[ $output =~ ^"whole: 0 tried: "[0-9]+$ ]]
        [ "${output##* }" -gt 20 ]
}

@test "sqlite3, with a file of its own" {
        command -v sqlite3 > /dev/null || skip "there is no sqlite3"
        learn -- sqlite3 /work/db 'create table t(a); insert into t values(7); select a from t'
        [ "$(learnt -- sqlite3 /work/db 'create table t(a); insert into t values(7); select a from t')" = 7 ]
        run learnt -- sh -c id
        [ "$status" -eq 126 ]
}

@test "gcc: the compiler's programs are named one by one, and what it makes is as it was" {
        command -v gcc > /dev/null || skip "there is no gcc"
        printf '#include <stdio.h>\nint main(void) { puts("hello"); }\n' > hello.c
        learn --input hello.c=hello.c -- gcc -o /output/hello /input/hello.c
        learnt --input hello.c=hello.c --output out -- gcc -o /output/hello /input/hello.c
        [ "$(out/hello)" = hello ]
        items execute | grep -q '/cc1$'
        items execute | grep -q 'ld-linux\|/ld-\|/ld.so'
        [ "$(items execute | grep -cx '/usr\|/bin\|/usr/bin')" -eq 0 ]
        items allow | grep -qx 'f\?chmod\(at\)\?2\?' # nothing but /output shows that it is needed
        run learnt -- sh -c id
        [ "$status" -eq 126 ]
}

@test "a script's interpreter is learnt, and a program that it makes by its directory" {
        printf '#!/bin/sh\ncp /input/payload /work/made\nexec /work/made limits\n' > script
        chmod +x script
        learn --input script=script --input payload="$payload" -- /input/script
        [ "$(items execute | grep -v /ld)" = $'/input/script\n/usr/bin/cp\n/usr/bin/dash\n/work' ]
        learnt --input script=script --input payload="$payload" -- /input/script
}

@test "paths of the host are learnt when anybody may read them, programs too" {
        place=$(mktemp -d /var/lib/skep-test-XXXXXX)
        chmod 755 "$place"
        cat > "$place/run" <<P
#!/bin/sh
read x < $place/public; echo \$x
read x < $place/secret
read x < /etc/shadow
exec $place/tool ran
P
        echo public > "$place/public"
        echo secret > "$place/secret"
        cp /bin/echo "$place/tool"
        chmod 755 "$place/run"
        chmod 600 "$place/secret"
        learn -- "$place/run" 2> err
        [ "$(items read_only)" = "$place/public"$'\n'"$place/run"$'\n'"$place/tool" ]
        items execute | grep -qx "$place/tool"
        grep -q "left out: $place/secret: not everybody may read it" err
        grep -q "left out: /etc/shadow: not everybody" err
        run --separate-stderr learnt -- "$place/run"
        [ "$output" = $'public\nran' ]
}

@test "a program whose name no policy can have is left out, and said to be" {
        mkdir -p root/bin
        cp "$payload" root/bin/payload
        cp "$payload" root/bin/$'odd\xff'
        chmod -R a+rX root
        run learn --root ./root -- /bin/$'odd\xff' true
        [ "$status" -eq 0 ]
        [[ $output == *'left out: /bin/odd\xff: a strange name'* ]]
        learnt -- /bin/$'odd\xff' true
        # one that the caller shows may be executed as it is, and one of the job's own where that is
        learn --force --bind "$PWD/root/bin:/opt" -- /opt/$'odd\xff' true
        learnt --bind "$PWD/root/bin:/opt" -- /opt/$'odd\xff' true
        run learn --force --input payload=root/bin/payload -- sh -c "cp /input/payload /work/\$0 && exec /work/\$0 true" $'odd\xff'
        [ "$status" -eq 0 ]
        [[ $output != *"left out"* ]]
        items execute | grep -qx /work
}

@test "where links of /usr lead out of it, their other end is learnt" {
        place=$(mktemp -d /var/lib/skep-test-XXXXXX)
        link=/usr/local/lib/${place##*/}
        chmod 755 "$place"
        cp "$payload" "$place/tool"
        chmod 755 "$place/tool"
        ln -s "$place" "$link"
        learn -- "$link/tool" limits
        [ "$(items read_only)" = "$place/tool" ]
        [ "$(items execute)" = "$place/tool" ]
        learnt -- "$link/tool" limits
}

@test "many files of one directory are the directory" {
        place=$(mktemp -d /var/lib/skep-test-XXXXXX)
        chmod 755 "$place"
        for i in $(seq 12); do echo "text $i" > "$place/$i"; done
        learn -- sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do read x < $place/\$i; echo \$x; done"
        [ "$(items read_only)" = "$place" ]
}

@test "a program in a directory that the base shows is learnt, where nothing there may be executed yet" {
        place=$(mktemp -d /var/lib/skep-test-XXXXXX)
        mkdir "$place/shown"
        cp /bin/echo "$place/shown/tool"
        chmod -R a+rX "$place"
        for list in read_only writable; do
                printf '{"extends": "learn", "filesystem": {"%s": ["%s/shown"]}}' "$list" "$place" > base.json
                learn --force --policy ./base.json -- sh -c "$place/shown/tool ran; true"
                [ "$(items "$list")" = "$place/shown" ]
                items execute | grep -qx "$place/shown/tool"
                [ "$(learnt -- sh -c "$place/shown/tool ran; true")" = ran ]
                learn --force --policy ./base.json -- "$place/shown/tool" ran
                [ "$(learnt -- "$place/shown/tool" ran)" = ran ]
        done
}

@test "of a directory that is writable already, nothing else is learnt" {
        place=$(mktemp -d /var/lib/skep-test-XXXXXX)
        mkdir "$place/own" "$place/own/mounted" "$place/other"
        echo text > "$place/other/file"
        chmod -R a+rX "$place"
        printf '{"extends": "learn", "filesystem": {"writable": ["%s/own"]}}' "$place" > base.json
        # What is mounted below is not there; what the command has looked for before it makes it, is there afterwards.
        unshare --mount sh -c 'mount --bind "$1/other" "$1/own/mounted" && shift && exec "$@"' sh "$place" \
                "$build/skep-jail" learn --allow-missing="$MISSING" --write learnt.json --policy ./base.json -- \
                sh -c "cd $place/own; cat mounted/file 2>&-; for i in 1 2 3 4; do [ -e \$i ]; : > \$i; done; rm 1 2 3 4; echo done" </dev/null
        [ "$(items writable)" = "$place/own" ]
        [ -z "$(items read_only)" ]
}

@test "what no policy allows stays refused while it is learnt" {
        run --separate-stderr learn --expect 1 --input payload="$payload" -- /input/payload ptrace 1
        [ "$status" -eq 0 ]
        [[ $stderr == *"never allowed by the policy that this started from: ptrace"* ]]
        [ "$(items allow | grep -cx ptrace)" -eq 0 ]
}

@test "the base can be another" {
        run learn --policy strict --input payload="$payload" -- /input/payload socket 1
        [ "$status" -eq 125 ]
        [[ $output == *"ended with 1 and not with 0"* ]]
        learn --policy python --input payload="$payload" -- /input/payload socket 1
        items allow | grep -qx socket
        [ "$(json_get limits.disk <(grep -v '^ *//' learnt.json))" = 256M ]
}

@test "another root is learnt in, and is in the policy" {
        mkdir -p tree/bin tree/usr tree/etc
        cp "$payload" tree/bin/
        echo inside > tree/etc/name
        chmod 755 . "$BATS_RUN_TMPDIR"
        learn --root ./tree -- /bin/payload read /etc/name
        [ "$(json_get filesystem.root <(grep -v '^ *//' learnt.json))" = "$PWD/tree" ]
        [ "$(items execute)" = /bin/payload ]
        learnt -- /bin/payload read /etc/name
        # What it lacks is not taken from the host.
        learn --force --root ./tree --expect 1 -- /bin/payload read /etc/hostname
        [ -z "$(items read_only)" ]
        if command -v mksquashfs > /dev/null && [ "$(id -u)" -eq 0 ]; then
                mksquashfs tree tree.squashfs -quiet -no-progress > /dev/null
                learn --force --root "$PWD/tree.squashfs" -- /bin/payload read /etc/name
                learnt -- /bin/payload read /etc/name
        fi
        run learn --force --root ./nowhere -- true
        [ "$status" -eq 125 ]
        [[ $output == *"nowhere: No such file"* ]]
}

@test "a command that fails is not learnt, unless that is expected" {
        run --separate-stderr learn -- sh -c 'echo because >&2; exit 3'
        [ "$status" -eq 125 ]
        [[ $stderr == *because* ]]
        [[ $stderr == *"--expect 3"* ]]
        [ ! -e learnt.json ]
        run learn -- /no/such/program
        [ "$status" -eq 125 ]
        [[ $output == *"not found in the jail"* ]]
        learn --expect 1 --input payload="$payload" -- /input/payload read /no/such/file
        run learnt --input payload="$payload" -- /input/payload read /no/such/file
        [ "$status" -eq 1 ]
}

@test "output that is not the same each time is not compared, and that is said" {
        run --separate-stderr learn -- cat /proc/sys/kernel/random/uuid
        [ "$status" -eq 0 ]
        [[ $stderr == *"differs from run to run"* ]]
        learnt -- cat /proc/sys/kernel/random/uuid
}

@test "of /proc only its processes are learnt, unless more is looked for" {
        learn -- cat /proc/self/comm
        grep -q '"proc_subset": "pid"' learnt.json
        rm learnt.json
        learn -- grep -c MemTotal /proc/meminfo
        grep -q '"proc_subset": "all"' learnt.json
        [ "$(learnt -- grep -c MemTotal /proc/meminfo)" = 1 ]
        # What it does not need of that is not kept.
        rm learnt.json
        learn -- sh -c 'test -e /proc/meminfo; echo done'
        grep -q '"proc_subset": "pid"' learnt.json
}

@test "what is only needed sometimes does not break the proof" {
        command='read x < /proc/sys/kernel/random/uuid; case $x in [0-7]*) cd /tmp || exit 1;; esac'
        learn -- sh -c "$command"
        for i in 1 2 3 4 5 6 7 8; do learnt -- sh -c "$command"; done
        # And brings nothing along that it does not need.
        items allow | sort > sometimes
        learn --force -- sh -c 'read x < /proc/sys/kernel/random/uuid; cd /tmp || exit 1'
        [ -z "$(items allow | sort | comm -13 - sometimes)" ]
}

@test "what the command leaves running is learnt as well, however far it comes before the end" {
        learn -- sh -c 'sleep 5 & echo done'
        items execute | grep -qx /usr/bin/sleep
        for i in $(seq 20); do
                run learnt -- sh -c 'sleep 5 & echo done'
                [ "$output" = done ]
        done
        # Two that write in either order.
        learn --force -- sh -c 'echo a & echo b; wait'
        for i in $(seq 10); do [ "$(learnt -- sh -c 'echo a & echo b; wait' | sort)" = $'a\nb' ]; done
}

@test "what the command waits for is waited for" {
        # It does not wait for anything itself, so that without the wait it never comes to its end.
        command='awk "BEGIN { for (i = 0; i < 3000000; i++); print i }"; exit'
        learn -- sh -c "$command"
        [ "$(learnt -- sh -c "$command")" = 3000000 ]
        run spared -- sh -c "$command"
        [[ $output =~ ^"whole: 0 tried: "[0-9]+$ ]]
}

@test "a directory that goes in is there in every run" {
        mkdir dir
        printf '#!/bin/sh\n. ./words\n' > dir/run
        echo 'echo read' > dir/words
        chmod +x dir/run
        learn --input d/=dir --chdir /input/d -- ./run
        [ "$(learnt --input d/=dir --chdir /input/d -- ./run)" = read ]
}

@test "processes that work side by side have what they need, whoever comes first" {
        pool='import multiprocessing
def square(x): return x * x
with multiprocessing.Pool(3) as pool: print(pool.map(square, range(5)))'
        learn -- python3 -c "$pool"
        for i in $(seq 30); do [ "$(learnt -- python3 -c "$pool")" = "[0, 1, 4, 9, 16]" ]; done
}

@test "output that is not the same each time is there all the same" {
        learn -- bash -c 'echo $RANDOM; echo $RANDOM >&2'
        run --separate-stderr learnt -- bash -c 'echo $RANDOM; echo $RANDOM >&2'
        [[ $output =~ ^[0-9]+$ ]]
        [[ $stderr =~ ^[0-9]+$ ]]
}

@test "a file on standard input is there in every run; a pipe is said to be empty" {
        printf 'a\nb\nc\n' > lines
        "$build/skep-jail" learn --allow-missing="$MISSING" --write learnt.json -- wc -l < lines
        [ "$(learnt --input stdin=lines -- wc -l)" = 3 ]
        rm learnt.json
        printf 'a\n' | "$build/skep-jail" learn --allow-missing="$MISSING" --write learnt.json -- cat 2> err
        grep -q -- '--input stdin=FILE' err
}

@test "a policy that is there is not written over" {
        echo mine > learnt.json
        run learn -- true
        [ "$status" -eq 125 ]
        [[ $output == *--force* ]]
        run "$build/skep-jail" learn --allow-missing="$MISSING" --write '' -- true </dev/null
        [ "$status" -eq 125 ]
        [[ $output == *'--write: "" is no path'* ]]
        [ "$(cat learnt.json)" = mine ]
        learn --force --input payload="$payload" -- /input/payload limits
        learnt --input payload="$payload" -- /input/payload limits
}

@test "without a file the policy is what goes to standard output; limits of the command line are its limits" {
        "$build/skep-jail" learn --allow-missing="$MISSING" --pids 7 --disk 3M --input payload="$payload" -- \
                /input/payload limits </dev/null > learnt.json
        learnt --input payload="$payload" -- /input/payload limits
        [ "$(json_get limits.pids <(grep -v '^ *//' learnt.json))" = 7 ]
        [ "$(json_get limits.disk <(grep -v '^ *//' learnt.json))" = 3M ]
}

@test "a ceiling of what it started from is one of what is learnt" {
        write_policy ceilings '{"extends": "learn", "limits": {"pids": {"default": 20, "max": 30}, "disk": {"default": "3M", "max": "4M"}}}'
        learn --policy "$BATS_FILE_TMPDIR/ceilings.json" --pids 25 --input payload="$payload" -- /input/payload limits
        learnt --pids 30 --disk 4M --input payload="$payload" -- /input/payload limits
        run learnt --pids 31 --input payload="$payload" -- /input/payload limits
        [ "$status" -eq 125 ]
        [[ $output == *"limits.pids: "*"at most 30"* ]]
        run "$build/skep-jail" explain --diff --json "$BATS_FILE_TMPDIR/ceilings.json" ./learnt.json
        [ "$(json_get only_b.limits <<< "$output")" = '["pids 25, not 20"]' ]
}

@test "nothing is left of learning that is interrupted" {
        timeout -s KILL 2 "$build/skep-jail" learn --allow-missing="$MISSING" -- sleep 1 </dev/null || true
        nothing_is_left
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a policy is said to permit, and how two of them are said to differ.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
        cd "$BATS_TEST_TMPDIR"
}

explain() {
        "$build/skep-jail" explain "$@"
}

policy() { # name, JSON
        printf '%s\n' "$2" > "$1.json"
}

calls='"syscalls": {"allow": ["@default", "@basic-io"]}'

@test "they are explained in a sandbox too, where seccomp() is refused" {
        sanitized && skip "what the sanitizers ask for at a start is refused in there"
        inside() {
                "$build/skep-jail" --allow-missing="$(find_missing)" --policy build --bind "$build/skep-jail:/tmp/tree/build/skep-jail" \
                        --bind "$top/policies:/tmp/tree/policies" -- /tmp/tree/build/skep-jail "$@" </dev/null
        }
        [ "$(inside explain strict | grep digest)" = "$("$build/skep-jail" explain strict | grep digest)" ]
        run inside doctor --json
        [ "$status" -eq 125 ]
        [[ $output != *compiling* ]]
}

@test "the policies that ship are explained, and anybody may ask" {
        for name in strict python build; do
                run setpriv --reuid nobody --regid nogroup --clear-groups "$build/skep-jail" explain $name
                [ "$status" -eq 0 ]
                for section in Files Rights Limits "System calls" Narrowed Refused "On this host"; do
                        [[ $output == *"$section"* ]]
                done
        done
        [ "$(explain)" = "$(explain python)" ]
        [ "$(explain --policy strict)" = "$(explain strict)" ]
}

@test "it fits a terminal" {
        # Paths of files are not broken.
        run explain python
        [ "$(grep -v "$top" <<< "$output" | awk '{ if (length($0) > 100) n++ } END { print n + 0 }')" -eq 0 ]
}

@test "the files that a policy comes from are named, in their order" {
        policy base "{$calls}"
        mkdir sub
        policy mine '{"extends": "build"}'
        run explain --json ./mine.json
        [ "$(python3 -c 'import json,os,sys; print(*[os.path.basename(f) for f in json.load(sys.stdin)["files"]])' <<< "$output")" \
                = "mine.json build.json python.json strict.json" ]
}

@test "system calls are counted by group, and every allowed one is in a group or named" {
        for name in strict python build; do
                explain --json $name | python3 -c '
import json, sys
calls = json.load(sys.stdin)["system_calls"]
grouped = {c for g in calls["groups"].values() for c in g["allowed"]}
assert grouped | set(calls["ungrouped"]) == set(calls["allowed"]), "lost"
assert not grouped & set(calls["ungrouped"])
assert set(calls["narrowed"]) <= set(calls["allowed"])
assert not set(calls["others_but"]) & set(calls["allowed"])
assert calls["open"] in ([], ["ids (setresuid setresgid)"]) # which make calls, and which change nothing without a capability
for group in calls["groups"].values():
    assert not set(group["allowed"]) & set(group["refused"])
'
        done
        [ "$(explain --json strict | json_get system_calls.allowed | python3 -c 'import json,sys; print(len(json.load(sys.stdin)) <= 100)')" = True ]
}

@test "calls that are narrowed say to what" {
        run explain python
        [[ $output == *"TIOCGWINSZ"* ]]
        [[ $output != *"TIOCSTI"* ]]
        [[ $output == *"only unix inet(tcp udp) inet6(tcp udp) netlink(route)"* ]]
        [[ $output == *"no new namespaces"* ]]
        [[ $output == *"no set-user-id, no set-group-id"* ]]
        [[ $output == *"clone3 openat2 fail with ENOSYS"* ]]
        run explain strict
        [[ $output == *"clone3 futex_requeue "*" mseal openat2 "*" fail with ENOSYS"* ]]
}

@test "a profile of the OCI runtime specification is explained, and compared, like any other" {
        profile() { # the value above which argument 1 of dup2 is allowed
                printf '%s' '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                        {"names": ["read", "write", "execve", "exit_group", "openat", "mmap", "close", "ioctl"], "action": "SCMP_ACT_ALLOW"},
                        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
                        {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
                        {"names": ["dup2"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": '"$1"', "op": "SCMP_CMP_GT"}]},
                        {"names": ["getpid"], "action": "SCMP_ACT_KILL_PROCESS"},
                        {"names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}'
        }
        profile 5 > five.json
        profile 6 > six.json
        run explain ./five.json
        [ "$status" -eq 0 ]
        for words in "only linux32" "all but TIOCSTI" "only some values of argument 2" "getpid kill the process" \
                "getuid fail with EACCES" "only unix inet inet6"; do
                [[ $output == *"$words"* ]]
        done
        run explain --diff --json ./five.json ./six.json
        [ "$status" -eq 1 ]
        [ "$(json_get only_b.more_of <<< "$output")" = "[]" ]
        [[ $(json_get only_a.more_of <<< "$output") == *dup2* ]]
}

@test "what is said of a call is what happens to it" {
        explain --json strict > said.json
        for call in ptrace socket; do
                [ "$(python3 -c "import json; print('$call' in json.load(open('said.json'))['system_calls']['allowed'])")" = False ]
        done
        run "$build/skep-jail" --allow-missing=memory,cpu,io --policy strict --report report.json -- sh -c 'sqlite3 :memory: "select 1"; umount /tmp' </dev/null
        python3 - <<'P'
import json
allowed = json.load(open("said.json"))["system_calls"]["allowed"]
denied = json.load(open("report.json"))["denied_syscalls"]
narrowed = json.load(open("said.json"))["system_calls"]["narrowed"]
assert denied, "nothing was denied"
assert not [c for c in denied if c in allowed and c not in narrowed], denied
P
}

@test "everything that a policy may say is told" {
        policy all '{"description": "all of it", "extends": "strict", "filesystem": {"read_only": ["/srv/r"],
                "writable": ["/srv/w"], "tmpfs": ["/var/t"], "hidden": ["/usr/games"], "execute": ["/srv/x"]},
                "network": "broker", "devices": ["/dev/fuse"], "capabilities": ["cap_chown"], "require": ["landlock"],
                "syscalls": {"action": "kill"}, "limits": {"memory": {"default": "100M", "max": "3G"}}}'
        run explain ./all.json
        [ "$status" -eq 0 ]
        for word in "all of it" /srv/r /srv/w /var/t /usr/games /srv/x broker /dev/fuse cap_chown landlock \
                "kill the process" 100M "at most 3G"; do
                [[ $output == *"$word"* ]]
        done
}

# What a key of the JSON has, as one line: said KEY[.KEY]... OPTION...
said() {
        explain --json "${@:2}" | json_get "$1" | python3 -c 'import json, sys; v = json.load(sys.stdin); print(*v if isinstance(v, list) else [v])'
}

@test "the root is the policy's, or that of --root" {
        mkdir tree
        echo nothing > file.squashfs
        policy directory "{\"extends\": \"python\", \"filesystem\": {\"root\": \"$PWD/tree\"}}"
        run explain python
        [[ $output == *"root  "*"the host's /usr, and a few files of its /etc; read-only"* ]]
        [[ $output == *"read  "*"/usr /etc(a few files)"* ]]
        for options in "./directory.json" "python --root $PWD/tree"; do
                run explain $options
                [ "$status" -eq 0 ]
                [[ $output == *"root  "*"the directory $PWD/tree; read-only"* ]]
                [[ $output != *"/etc(a few files)"* ]]
                [ "$(said permitted.read $options)" = "/(all of its root) /proc(its own processes) /input /proc(the host's figures)" ]
                [ "$(said permitted.executed $options)" = "/(all of its root) /input /work /tmp" ]
                [ "$(explain --json $options | json_get root.kind)" = directory ]
                [ "$(explain --json $options | json_get root.name)" = "$PWD/tree" ]
        done
        [ "$(explain --root "$PWD/file.squashfs" --json | json_get root.kind)" = image-file ]
        # Back to the host's, whatever the policy has.
        [ "$(explain --root host ./directory.json | grep '^  root')" = "$(explain python | grep '^  root')" ]
        [ "$(explain --root host ./directory.json --json | json_get root.name)" = null ]
}

@test "a root that may be written is said to be, and to forget" {
        policy writable '{"extends": "python", "filesystem": {"writable": ["/", "/srv"]}}'
        run explain ./writable.json
        [[ $output == *"root  "*"the host's /usr"*"forgotten"* ]]
        [[ $(said permitted.written ./writable.json) == *"/(until the job ends)"* ]]
        [ "$(said permitted.written_of_host ./writable.json)" = /srv ]
        [ "$(explain --json ./writable.json | json_get root.writable)" = true ]
        [ "$(explain --json python | json_get root.writable)" = false ]
}

@test "an imported image is said with what it has, and what its jobs get" {
        [ "$(id -u)" -eq 0 ] || skip "needs root, to import an image"
        export SKEP_IMAGES=$PWD/images PYTHONPATH=$BATS_TEST_DIRNAME MISSING=$(find_missing)
        python3 -c 'from images import *
docker("archive", [file("etc/release", "x")], config={"Entrypoint": ["/bin/serve"], "Cmd": ["--all"], "WorkingDir": "/srv", "Env": ["COLOUR=red", "SIZE=1", "COLOUR=blue"]})'
        "$build/skep-jail" image import --allow-missing="$MISSING" archive mine
        run explain --root mine
        [[ $output == *"root  "*"the imported image mine ("*" files, "*"); read-only"* ]]
        [[ $output == *"runs /bin/serve --all, in /srv, sets COLOUR SIZE"$'\n'* ]]
        [ "$(explain --root mine --json | json_get root.kind)" = image ]
        [ "$(explain --root mine --json | json_get root.image.working_directory)" = /srv ]
        [ "$(explain --root mine --json | json_get host.refused)" = null ]
}

@test "a root that is not there is in the way of a job, and of nothing that is said" {
        policy nowhere '{"extends": "python", "filesystem": {"root": "/no/where"}}'
        for options in ./nowhere.json "--root nosuchimage"; do
                run explain $options
                [ "$status" -eq 0 ]
                [[ $output == *"cannot run"*"no"* ]]
                [[ $(explain --json $options | json_get host.refused) == *no?* ]]
        done
        [ "$(explain --json ./nowhere.json | json_get root.kind)" = null ]
        [ "$(explain --json ./nowhere.json | json_get root.name)" = /no/where ]
}

@test "two roots differ, and what is in them" {
        mkdir tree
        policy less "{$calls}"
        policy more "{$calls, \"filesystem\": {\"root\": \"$PWD/tree\"}}"
        run explain --diff --json ./less.json ./more.json
        [ "$status" -eq 1 ]
        [ "$(json_get only_b.root <<< "$output")" = "[\"$PWD/tree\"]" ]
        [ "$(json_get only_a.root <<< "$output")" = '["host"]' ]
        [ "$(json_get only_b.read <<< "$output")" = '["/(all of its root)"]' ]
        [ "$(json_get only_a.read <<< "$output")" = '["/usr", "/etc(a few files)"]' ]
        run explain --diff ./less.json ./more.json
        [[ $output == *"root"*"$PWD/tree"* ]]
        # Over the same root they are the same.
        run explain --diff --root "$PWD/tree" ./less.json ./more.json
        [ "$status" -eq 0 ]
        policy writable "{$calls, \"filesystem\": {\"writable\": [\"/\"]}}"
        run explain --diff --json ./less.json ./writable.json
        [ "$(json_get only_b.root <<< "$output")" = '["host(writable)"]' ]
        [ "$(json_get only_b.written <<< "$output")" = '["/(until the job ends)"]' ]
        [ "$(json_get only_b.written_of_host <<< "$output")" = '[]' ]
        # It is the same root; one that lies in it is another.
        [ "$(json_get only_a.root <<< "$output")" = '[]' ]
        mkdir tree/sub
        policy sub "{$calls, \"filesystem\": {\"root\": \"$PWD/tree/sub\"}}"
        run explain --diff --json ./more.json ./sub.json
        [ "$(json_get only_b.root <<< "$output")" = "[\"$PWD/tree/sub\"]" ]
}

@test "all of a root that may be executed is more than a directory of it, but not than what is shown there" {
        mkdir tree
        policy all "{$calls, \"filesystem\": {\"execute\": [\"/usr\"]}}"
        policy parts "{$calls, \"filesystem\": {\"execute\": [\"/usr/bin\", \"/opt\"]}}"
        run explain --diff --json --root "$PWD/tree" ./all.json ./parts.json
        [ "$(json_get only_a.executed <<< "$output")" = '["/(all of its root)"]' ]
        [ "$(json_get only_b.executed <<< "$output")" = '[]' ]
        policy parts "{$calls, \"filesystem\": {\"execute\": [\"/usr/bin\", \"/opt\", \"/srv\", \"/mnt\", \"/work\"], \"read_only\": [\"/usr/bin/env\", \"/opt2\", \"/srv\"], \"writable\": [\"/mnt/x\"]}}"
        run explain --diff --json --root "$PWD/tree" ./all.json ./parts.json
        [ "$(json_get only_b.executed <<< "$output")" = '["/srv", "/mnt", "/work"]' ]
        # Of the host's there is /usr alone.
        run explain --diff --json ./all.json ./parts.json
        [ "$(json_get only_b.executed <<< "$output")" = '["/opt", "/srv", "/mnt", "/work"]' ]
}

@test "a door out of the jail that a policy opens is named" {
        policy open '{"extends": "strict", "syscalls": {"allow": ["ptrace"]}}'
        run explain ./open.json
        [[ $output == *"but open"*"ptrace"* ]]
}

@test "what a file says cannot write to the terminal" {
        printf '{%s, "description": "a \\u001b[31m b \\u009b31m c", "filesystem": {"read_only": ["/\\u001b[2J"]}}' "$calls" > odd.json
        explain ./odd.json > said
        [ -z "$(tr -d '\11\12\40-\176\200-\377' < said)" ]
        ! grep -q $'\xc2\x9b' said
}

@test "what this host does not enforce is what a job's report says" {
        explain --json python > said.json
        missing=$(python3 -c 'import json; print(",".join(json.load(open("said.json"))["host"]["not_enforced"]))')
        "$build/skep-jail" ${missing:+--allow-missing=$missing} --report report.json -- true </dev/null
        python3 - <<'P'
import json
said, report = json.load(open("said.json"))["host"], json.load(open("report.json"))
assert said["enforced"] == report["enforced"], (said, report["enforced"])
assert said["not_enforced"] == report["not_enforced"]
P
}

@test "a required layer that this host lacks is said to be in the way" {
        policy needy '{"extends": "strict", "network": "broker", "require": ["broker"]}'
        run explain ./needy.json
        [[ $output == *"cannot run"*"broker"* ]]
        [ "$(explain --json ./needy.json | json_get host.refused)" != null ]
}

@test "the same, written in another way, is the same" {
        policy a '{"description": "one", "syscalls": {"allow": ["@default", "@copy"]}}'
        policy b '{"description": "other", "syscalls": {"allow": ["tee", "splice", "vmsplice", "sendfile", "copy_file_range", "@default"]}}'
        run explain --diff ./a.json ./b.json
        [ "$status" -eq 0 ]
        [ "$output" = "./a.json and ./b.json permit the same" ]
        run explain --diff python python
        [ "$status" -eq 0 ]
        [ "$(explain --diff --json ./a.json ./b.json | json_get same)" = true ]
}

@test "each thing that one permits and the other does not is found, in its direction" {
        policy less "{$calls}"
        check() { # JSON of what permits more, key, word
                policy more "{$1}"
                for order in "less more only_b" "more less only_a"; do
                        read -r first second side <<< "$order"
                        run explain --diff --json ./$first.json ./$second.json
                        [ "$status" -eq 1 ]
                        printf '%s' "$output" | KEY=$2 WORD=$3 SIDE=$side python3 -c '
import json, os, sys
diff = json.load(sys.stdin)
side = os.environ["SIDE"]
other = "only_a" if side == "only_b" else "only_b"
key, word = os.environ["KEY"], os.environ["WORD"]
assert diff["same"] is False
assert any(word in w for w in diff[side][key]), diff[side]
assert not any(diff[other].values()), diff[other]
assert not any(v for k, v in diff[side].items() if k != key), diff[side]
'
                done
        }
        check "$calls, \"filesystem\": {\"read_only\": [\"/srv\"]}" read /srv
        check "$calls, \"filesystem\": {\"writable\": [\"/srv\"]}" written_of_host /srv
        check "$calls, \"filesystem\": {\"tmpfs\": [\"/srv\"]}" written /srv
        check "$calls, \"filesystem\": {\"execute\": [\"/srv\"]}" executed /srv
        check "$calls, \"devices\": [\"/dev/fuse\"]" devices /dev/fuse
        check "$calls, \"network\": \"broker\"" network broker
        check "$calls, \"capabilities\": [\"cap_chown\"]" capabilities cap_chown
        check '"syscalls": {"allow": ["@default", "@basic-io", "chown"]}' system_calls chown

        policy less "{$calls, \"filesystem\": {\"hidden\": [\"/usr/games\"]}}"
        check "$calls" not_hidden /usr/games
        policy less "{$calls, \"filesystem\": {\"hidden\": [\"/usr/lib/games\"]}}"
        policy more "{$calls, \"filesystem\": {\"hidden\": [\"/usr/lib\"]}}"
        run explain --diff --json ./less.json ./more.json
        [ "$(json_get only_a.not_hidden <<< "$output")" = '["/usr/lib"]' ]
        [ "$(json_get only_b.not_hidden <<< "$output")" = '[]' ]
        policy less "{$calls, \"require\": [\"memory\"]}"
        check "$calls" not_required memory
        policy less "{$calls, \"limits\": {\"memory\": \"64M\"}}"
        check "$calls, \"limits\": {\"memory\": \"65M\"}" limits "memory 65M, not 64M"
        check "$calls" limits "memory unlimited, not 64M"
        policy less "{$calls, \"limits\": {\"pids\": {\"default\": 5, \"max\": 10}}}"
        check "$calls, \"limits\": {\"pids\": {\"default\": 5, \"max\": 11}}" limits "pids at most 11, not 10"
        policy less '{"syscalls": {"allow": ["@default", "@basic-io"], "action": "kill"}}'
        check "$calls" refused_calls error
}

@test "what lies in a directory is permitted with that, and what may be written may be read" {
        filesystem() {
                policy "$1" "{$calls, \"filesystem\": {$2}}"
        }
        filesystem less '"read_only": ["/srv/a", "/opt/b"], "execute": ["/usr/bin", "/srv/a"], "tmpfs": ["/var/t/x"], "writable": ["/mnt/w/x"]'
        filesystem more '"read_only": ["/srv"], "execute": ["/usr", "/srv"], "tmpfs": ["/var/t"], "writable": ["/mnt/w", "/opt/b"]'
        run explain --diff --json ./less.json ./more.json
        [ "$status" -eq 1 ]
        [ "$(json_get only_b.read <<< "$output")" = '["/srv"]' ]
        [ "$(json_get only_b.executed <<< "$output")" = '["/usr", "/srv"]' ]
        [ "$(json_get only_b.written <<< "$output")" = '["/var/t"]' ]
        [ "$(json_get only_b.written_of_host <<< "$output")" = '["/mnt/w", "/opt/b"]' ]
        run python3 -c 'import json, sys; print([k for k, v in json.loads(sys.argv[1])["only_a"].items() if v])' "$output"
        [ "$output" = '[]' ]
        filesystem less '"execute": ["/usr", "/srv/a"]'
        filesystem more '"execute": ["/"]'
        run explain --diff --json ./less.json ./more.json
        [ "$(json_get only_a.executed <<< "$output")$(json_get only_b.executed <<< "$output")" = '[]["/"]' ]
        # The one's name is only the beginning of the other's.
        filesystem less '"read_only": ["/srv"]'
        filesystem more '"read_only": ["/srv2"]'
        run explain --diff --json ./less.json ./more.json
        [ "$(json_get only_a.read <<< "$output")$(json_get only_b.read <<< "$output")" = '["/srv"]["/srv2"]' ]
}

@test "a difference is said for people too, with whole groups by their names" {
        explain strict | grep -q '^  network  *none: no socket can be made'
        explain python | grep -q '^  network  *an own loopback, and nothing else'
        explain agent | grep -q '^  network  *an own loopback, and the broker'
        explain --diff strict python | grep -q '^  network  *loopback'
        run explain --diff strict python
        [ "$status" -eq 1 ]
        [[ $output == *"python permits, and strict does not:"* ]]
        [[ $output == *"@network-io(18)"* ]]
        [[ $output == *"read  "*"/proc(the host's figures)"$'\n'* ]]
        [[ $output == *"memory 512M, not 256M"* ]]
        [[ $output != *"strict permits"* ]]
}

@test "a policy that is not there, or too many of them, is 125" {
        run explain nosuch
        [ "$status" -eq 125 ]
        [[ $output == *nosuch* ]]
        run explain strict python
        [ "$status" -eq 125 ]
        run explain --diff strict
        [ "$status" -eq 125 ]
        [[ $output == *"two policies"* ]]
        run explain --diff strict nosuch
        [ "$status" -eq 125 ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What this host is said to enforce, against what jails on it do; and places that lack something, made for the test.

bats_require_minimum_version 1.5.0
load ../helper

setup() {
        cd "$BATS_TEST_TMPDIR"
}

doctor() {
        "$build/skep-jail" doctor "$@"
}

as_nobody() {
        setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}

# Reads held, by, why or remedy of a finding: said KIND NAME KEY, of the file "said".
said() {
        KIND=$1 NAME=$2 KEY=$3 python3 -c '
import json, os
value = json.load(open("said"))[os.environ["KIND"]][os.environ["NAME"]][os.environ["KEY"]]
print("\n".join(value) if isinstance(value, list) else value)
'
}

every_limit() {
        printf '%s' '{"extends": "python", "network": "broker", "limits": {"memory": "64M", "cpu": 1, "pids": 16, "wall": "20s",
                "cpu_time": "10s", "disk": "1M", "files": 100, "output": "1M", "io": {"read": "50M", "write": "50M"}}}' > every.json
}

@test "each layer is said as a job with every limit reports it" {
        doctor --json > said || [ $? -eq 1 ]
        every_limit
        run "$build/skep-jail" --policy ./every.json --report report.json \
                --allow-missing="$(python3 -c 'import json; print(",".join(json.load(open("said"))["missing"]))')" -- true </dev/null
        [ "$status" -eq 0 ]
        python3 - <<'P'
import json
said, report = json.load(open("said")), json.load(open("report.json"))
held = {name: l["by"] for name, l in said["layers"].items() if l["held"] == "yes"}
missing = [name for name, l in said["layers"].items() if l["held"] != "yes"]
assert held == report["enforced"], (held, report["enforced"])
assert missing == report["not_enforced"], (missing, report["not_enforced"])
assert [m for m in missing if m != "broker"] == said["missing"]
assert said["possible"]
P
}

@test "what is said to be missing is refused when nobody allows it, and nothing else is" {
        doctor --json > said || [ $? -eq 1 ]
        every_limit
        for layer in $(json_get missing said | tr -d '[],"'); do
                others=$(LAYER=$layer python3 -c '
import json, os
print(",".join(m for m in json.load(open("said"))["missing"] if m != os.environ["LAYER"]))')
                run "$build/skep-jail" --policy ./every.json --allow-missing="$others" -- true </dev/null
                [ "$status" -eq 125 ]
                [[ $output == *"cannot enforce \"$layer\""* ]]
        done
}

@test "whatever is missing has a reason, and is in the verdict and the exit status" {
        run doctor --json
        code=$status
        printf '%s\n' "$output" > said
        python3 - <<'P'
import json
said = json.load(open("said"))
for kind in "host", "layers", "features":
    assert said[kind]
    for name, f in said[kind].items():
        assert f["held"] in ("yes", "no", "partly")
        assert (f["why"] is None) == (f["held"] == "yes"), (name, f)
        assert f["held"] != "yes" or f["by"], name
        assert isinstance(f["remedy"], list)
P
        problems=$(python3 -c '
import json
said = json.load(open("said"))
print(*[n for k in ("host", "layers", "features") for n, f in said[k].items() if f["held"] != "yes" and n != "broker"])')
        [ "$code" -eq $([ -n "$problems" ] && echo 1 || echo 0) ]
        run doctor
        [ "$status" -eq "$code" ]
        for name in $problems; do [[ $output == *Problems*"$name"* ]]; done
        [[ ${lines[-1]} == "Jails can be made here"* ]]
        missing=$(json_get missing said | tr -d '[]," ')
        if [ -n "$missing" ]; then
                list=$(python3 -c 'import json; print(",".join(json.load(open("said"))["missing"]))')
                [[ ${lines[-1]} == *"--allow-missing=$list"* ]]
        fi
}

@test "nothing is left of it" {
        left() {
                leftovers
                cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep memfd:image
                true
        }
        before=$(left)
        doctor > /dev/null || true
        as_nobody "$build/skep-jail" doctor > /dev/null || true
        # Loop devices are everybody's: others may have theirs for a moment.
        for i in $(seq 100); do
                new=$(comm -13 <(sort <<< "$before") <(left | sort))
                [ -n "$new" ] || break
                sleep 0.1
        done
        [ -z "$new" ]
}

@test "an ordinary user is told what holds for him" {
        run as_nobody "$build/skep-jail" doctor --json
        code=$status
        printf '%s\n' "$output" > said
        missing=$(python3 -c 'import json; print(",".join(json.load(open("said"))["missing"]))')
        run as_nobody "$build/skep-jail" --allow-missing="$missing" -- true </dev/null
        if [ "$(json_get possible said)" = true ]; then
                [ "$status" -eq 0 ]
                [ "$code" -le 1 ]
        else
                [ "$status" -eq 125 ]
                [ "$code" -eq 125 ]
                [[ $output == *"$(said host jail why)"* ]]
        fi
        if as_nobody unshare -Urm true; then
                [ "$(said layers user held)" = yes ]
                [ "$(said layers mount held)" = yes ]
        else
                [ "$(said layers mount held)" = no ]
        fi
        [ "$(said features squashfs held)" = no ]
}

@test "a user without a range of ids is told how to get one, and one with a range that it works" {
        [ -u /usr/bin/newuidmap ] || skip "there is no newuidmap"
        as_nobody unshare -U true || skip "users cannot make user namespaces"
        : > ids
        # As in a session, with a directory of the user's own below /run/user; all of it in a mount namespace.
        session='mount -t tmpfs none /run && mkdir -p /run/user/65534 && chown nobody /run/user/65534 &&
                mount --bind ids /etc/subuid && mount --bind ids /etc/subgid && exec setpriv --reuid nobody --regid nogroup --clear-groups'
        run --separate-stderr unshare -m sh -c "$session \"\$0\" doctor --json" "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said host ids held)" = partly ]
        [ "$(said host ids remedy)" = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody" ]
        [ "$(said layers user by)" = "namespace, caller's id" ]

        printf 'other:100000:65536\nnobody:300000:65536\n' > ids
        run --separate-stderr unshare -m sh -c "$session \"\$0\" doctor --json" "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said host ids held)" = yes ]
        [[ $(said host ids by) == *newuidmap* ]]
        [ "$(said layers user by)" = namespace ]

        # newuidmap gives nothing to who has given up on gaining privileges.
        run --separate-stderr unshare -m sh -c "$session --no-new-privs \"\$0\" doctor --json" "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said host ids held)" = partly ]
        [[ $(said host ids why) == *"cannot be taken"* ]]
        [[ $(said host ids remedy) == *no_new_privs* ]]
}

@test "a user without a cgroup is told who holds each controller, and one with a cgroup names it" {
        [ "$(id -u)" -eq 0 ] && [ ! -d /run/systemd/system ] || skip "for root, where no systemd runs"
        tree=/sys/fs/cgroup
        [ -d $tree/unified ] && tree=$tree/unified
        group=$tree/tests-of-doctor-$$
        as_nobody "$build/skep-jail" doctor --json > said || true
        [ "$(said layers cgroup held)" = no ]
        [[ $(said layers cgroup why) == *"making a cgroup in $tree"* ]]
        for controller in memory cpu; do
                if grep -q "[:,]$controller[:,]" /proc/self/cgroup; then
                        [[ $(said layers $controller why) == "cgroup v1 still holds"* ]]
                        [[ $(said layers $controller remedy) == *cgroup_no_v1=all* ]]
                fi
        done
        mkdir "$group"
        chown -R nobody "$group"
        run --separate-stderr sh -c 'echo $$ > "$1/cgroup.procs" && exec setpriv --reuid nobody --regid nogroup --clear-groups "$0" doctor --cgroup "$1" --json' \
                "$build/skep-jail" "$group"
        printf '%s\n' "$output" > said
        find "$group" -depth -type d -exec rmdir {} \;
        [ "$(said layers cgroup held)" = yes ]
        [ "$(said layers cpu_time held)" = yes ]
        as_nobody "$build/skep-jail" doctor --cgroup /tmp > said || [ $? -eq 125 ]
        grep -q '/tmp: is no directory of cgroup v2' said
}

@test "of a cgroup that is named and frozen it is said how it thaws" {
        tree=/sys/fs/cgroup
        [ -d $tree/unified ] && tree=$tree/unified
        group=$tree/frozen-$$
        mkdir "$group" 2>/dev/null || skip "no cgroup can be made here"
        echo 1 > "$group/cgroup.freeze"
        "$build/skep-jail" doctor --cgroup "$group" --json > said || [ $? -eq 125 ]
        rmdir "$group"
        [[ $(said layers cgroup why) == *"is frozen"* ]]
        [[ $(said layers cgroup remedy) == *"echo 0 > $group/cgroup.freeze"* ]]
        [[ $(said layers cgroup remedy) != *docker* ]]
}

@test "a root without a capability is told which, and there are no jails for it" {
        for capability in sys_admin net_admin mknod chown setuid setgid; do
                run setpriv --bounding-set=-$capability --inh-caps=-$capability "$build/skep-jail" doctor --json
                [ "$status" -eq 125 ]
                printf '%s\n' "$output" > said
                [ "$(json_get possible said)" = false ]
                [[ $(said host jail why) == *"CAP_${capability^^}"* ]]
                [[ $(said host jail remedy) == *"${capability^^}"* ]]
        done
}

@test "a limit of user namespaces is named with its sysctl" {
        unshare -Ur true || skip "there are no user namespaces"
        run unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" doctor --json' "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said layers user held)" = no ]
        [[ $(said layers user remedy) == *"user.max_user_namespaces="* ]]
        [ "$(said layers net why)" = "$(said layers user why)" ]
        run unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" doctor --json' "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said layers net held)" = no ]
        [[ $(said layers net remedy) == *"user.max_net_namespaces="* ]]
        [ "$(said layers ipc held)" = yes ]
}

@test "a filter that refuses namespaces is found to be one" {
        [ "$(uname -m)" = x86_64 ] || skip "the numbers of the calls are those of x86-64"
        cat > filtered.py <<'P'
# As container engines have it: no new namespaces, no mounts, and no clone3 at all.
import ctypes, os, struct, sys
answers = {272: 1, 308: 1, 165: 1, 155: 1, 428: 1, 429: 1, 430: 1, 432: 1, 435: 38}
program = [(0x20, 0, 0, 0)]
for number, error in answers.items():
    program += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | error)]
program.append((0x06, 0, 0, 0x7fff0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(22, 2, ctypes.byref(Program(len(program), ctypes.addressof(code))), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
P
        run python3 filtered.py "$build/skep-jail" doctor --json
        [ "$status" -eq 125 ]
        printf '%s\n' "$output" > said
        [ "$(said layers net held)" = no ]
        [[ $(said layers net why) == *"system call filter"* ]]
        [[ $(said host jail why) == *"system call filter"* ]]
        [ -n "$(said host jail remedy)" ]
}

@test "a covered /proc is found, by a user; root's jails do not mind" {
        as_nobody unshare -Urmp true || skip "users cannot make user namespaces"
        run unshare -m sh -c 'mount -t tmpfs none /proc/sys/fs && exec setpriv --reuid nobody --regid nogroup --clear-groups "$0" doctor --json' \
                "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said features proc held)" = no ]
        [[ $(said features proc why) == *"covers parts of /proc"* ]]
        run unshare -m sh -c 'mount -t tmpfs none /proc/sys/fs && exec "$0" doctor --json' "$build/skep-jail"
        printf '%s\n' "$output" > said
        [ "$(said features proc held)" = yes ]
        [ "$(json_get possible said)" = true ]
}

@test "a chroot is named, whether something is mounted on its tree or not" {
        mkdir tree
        for way in : 'mount -t tmpfs none tree'; do
                run --separate-stderr unshare -m sh -c "$way"' && cd tree && mkdir -p proc dev usr build && mount -t proc none proc &&
                        mount --rbind /usr usr && ln -sfn usr/lib lib && ln -sfn usr/lib64 lib64 && touch dev/null && mount --bind /dev/null dev/null &&
                        cp "$0" build && cp -r "$1" . && exec chroot . /build/skep-jail doctor --json' "$build/skep-jail" "$top/policies"
                [ "$status" -eq 125 ]
                printf '%s\n' "$output" > said
                [[ $(said layers user why) == *"in a chroot"* ]]
                [[ $(said layers user remedy) == *pivot_root* ]]
        done
        run unshare -m "$build/skep-jail" doctor
        [[ $output != *chroot* ]]
}

@test "a host without /proc is told that, and not what cannot be known without it" {
        sanitized && skip "the sanitizers need /proc"
        run --separate-stderr unshare -m sh -c 'mount -t tmpfs none /proc && exec "$0" doctor --json' "$build/skep-jail"
        [ "$status" -eq 125 ]
        printf '%s\n' "$output" > said
        [[ $(said host jail why) == *"no /proc is mounted"* ]]
        [[ $(said host jail remedy) == *"mount -t proc"* ]]
        for layer in user memory cpu io; do
                [[ $(said layers $layer held) == yes || $(said layers $layer remedy) == *"mount -t proc"* ]]
        done
        [[ $(said features squashfs remedy) == *"mount -t proc"* ]]
}

@test "who has no id in his user namespace is told so" {
        unshare -U true || skip "there are no user namespaces"
        run --separate-stderr unshare -U "$build/skep-jail" doctor --json
        [ "$status" -eq 125 ]
        printf '%s\n' "$output" > said
        [[ $(said layers user why) == *"no id in its user namespace"* ]]
        [[ $(said layers user remedy) == *"--map-current-user"* ]]
}

@test "a directory that cannot be id-mapped cannot be bound writable, and is said to be so" {
        doctor --json > said || [ $? -eq 1 ]
        bound() { "$build/skep-jail" --policy "$(bare_policy)" --bind-rw .:/bound -- true </dev/null; }
        if [ "$(said features bind_rw held)" = yes ]; then bound; else run ! bound; fi
        cd /proc
        doctor --json > "$BATS_TEST_TMPDIR/said" || [ $? -eq 1 ]
        run ! bound
        cd "$BATS_TEST_TMPDIR"
        [ "$(said features bind_rw held)" = no ]
        [[ $(said features bind_rw why) == *"id-mapped"* ]]
}

@test "a broken policy is named" {
        mkdir -p tree/build
        cp "$build/skep-jail" tree/build/
        cp -r "$top/policies" tree/
        printf '{"extends": "nosuch"}' > tree/policies/broken.json
        run tree/build/skep-jail doctor --json
        printf '%s\n' "$output" > said
        [ "$(said host policies held)" = partly ]
        [[ $(said host policies why) == *broken.json*nosuch* ]]
        [ "$(json_get possible said)" = true ]
        rm tree/policies/broken.json
        run tree/build/skep-jail doctor --json
        printf '%s\n' "$output" > said
        [ "$(said host policies held)" = yes ]
}

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# In the machine for tests: runs the suites, and leaves what comes of each on the third disk as soon as it has ended.
#
# The machine has two processors. What root runs and what an ordinary user runs go side by side, each with a copy of the
# build of its own, since suites look for what is left of theirs; then the escape suite, which judges the whole machine.
set -u
out=$(mktemp -d)
only=$(cat /skep/only)
suites=$(cat /skep/suites) # as paths below the tree; empty: all of them
user_runtime=/run/user/$(id -u plain)
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin

save() {
        flock "$out" tar -C "$out" -cf /dev/vdc .
        sync /dev/vdc
}

wanted() { # suite
        [ -z "$suites" ] || [[ " $suites " == *" $1 "* ]]
}

# Says on the console how it goes, by which run.sh sees that the machine is alive.
run_suite() { # name, directory of the tree, suite, command before bats
        local name=$1 tree=$2 suite=$3 start=$SECONDS
        shift 3
        wanted "$suite" || return 0
        (cd "$tree" && "$@" bats --timing --formatter tap --filter "$only" "$suite" 2> "$out/$name.err") |
                tee "$out/$name.tap" | sed -un 's/^\(not \)\?ok [0-9]*/  &/p'
        echo "# $name: $((SECONDS - start)) s"
        save
}

as_user() {
        setpriv --reuid plain --regid plain --init-groups env HOME=/home/plain USER=plain XDG_RUNTIME_DIR="$user_runtime" \
                DBUS_SESSION_BUS_ADDRESS="unix:path=$user_runtime/bus" "$@"
}

run_as_root() {
        local suite name
        cd /skep || return
        for suite in tests/vm/*.bats tests/jail/*.bats; do
                name=$(basename "$suite" .bats)
                case $suite in tests/vm/plain.bats) continue ;; tests/vm/*) name=vm-$name ;; esac
                run_suite "$name" /skep "$suite"
        done
}

run_as_user() {
        cp -r /skep /home/plain/skep
        for _ in $(seq 100); do [ -S "$user_runtime/bus" ] && break; sleep 0.2; done
        run_suite plain /home/plain/skep tests/vm/plain.bats as_user
        run_suite plain-jail /home/plain/skep tests/jail/jail.bats as_user
}

{
        uname -a
        systemctl --version | head -1
        cat /sys/fs/cgroup/cgroup.controllers
} > "$out/machine"
save

run_as_user &
run_as_root
wait
cd /skep || exit 1
if wanted tests/jail/escapes.sh && [[ escapes =~ $only ]]; then
        start=$SECONDS
        tests/jail/escapes.sh --tap --policy python 2> "$out/escapes.err" | tee "$out/escapes.tap" | sed -un 's/^\(not \)\?ok [0-9]*/  &/p'
        echo "# escapes: $((SECONDS - start)) s"
fi
journalctl -b --no-pager > "$out/journal"
systemctl --failed --no-pager > "$out/failed-units"
echo "$SECONDS" > "$out/ended"
save

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# In the machine for tests: runs the suites, and leaves what comes of each on the third disk as soon as it has ended.
#
# The machine has two processors. What root runs and what an ordinary user runs go side by side, each with a copy of the
# build of its own, since suites look for what is left of theirs; then the escape suite, which judges the whole machine.
#
# A suite is a path in the tree; with "user:" before it, the user runs it. Others than these take more time than they tell.
set -u
cd /skep || exit 1
out=$(mktemp -d)
only=$(cat only)
suites=$(cat suites)
: "${suites:=$(echo tests/vm/*.bats | sed 's/tests.vm.plain/user:&/') tests/jail/jail.bats tests/jail/roots.bats
        user:tests/jail/jail.bats tests/jail/escapes.sh}"
user_runtime=/run/user/$(id -u plain)
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin

save() {
        flock "$out" tar -C "$out" -cf /dev/vdc .
        sync /dev/vdc
}

# As on a host without systemd: a scope for each jail would take most of the time. The suites of tests/vm have it.
without_systemd=(unshare --mount sh -c 'mount -t tmpfs none /run/systemd && exec "$@"' sh)
as_user=(setpriv --reuid plain --regid plain --init-groups env HOME=/home/plain USER=plain
        XDG_RUNTIME_DIR="$user_runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$user_runtime/bus")

# Says on the console how it goes, by which run.sh sees that the machine is alive.
run_suite() { # suite, name, command before bats
        local suite=$1 name=$2 start=$SECONDS
        shift 2
        case $suite in tests/jail/*) set -- "${without_systemd[@]}" "$@" ;; esac
        "$@" bats --timing --formatter tap --filter "$only" "$suite" 2> "$out/$name.err" |
                tee "$out/$name.tap" | sed -un 's/^\(not \)\?ok [0-9]*/  &/p'
        echo "# $name: $((SECONDS - start)) s"
        save
}

run_as_root() {
        for suite in $suites; do
                case $suite in
                user:* | *.sh) ;;
                tests/vm/*) run_suite "$suite" "vm-$(basename "$suite" .bats)" env ;;
                *) run_suite "$suite" "$(basename "$suite" .bats)" env ;;
                esac
        done
}

run_as_user() {
        [[ $suites == *user:* ]] || return 0
        cp -r /skep /home/plain/skep
        cd /home/plain/skep || return
        for _ in $(seq 300); do [ -S "$user_runtime/bus" ] && break; sleep 0.2; done
        for suite in $suites; do
                case $suite in
                user:*) run_suite "${suite#user:}" "user-$(basename "$suite" .bats)" "${as_user[@]}" ;;
                esac
        done
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
if [[ $suites == *escapes.sh* && escapes =~ $only ]]; then
        start=$SECONDS
        "${without_systemd[@]}" tests/jail/escapes.sh --tap --policy python 2> "$out/escapes.err" | tee "$out/escapes.tap" |
                sed -un 's/^\(not \)\?ok [0-9]*/  &/p'
        echo "# escapes: $((SECONDS - start)) s"
fi
journalctl -b --no-pager > "$out/journal"
systemctl --failed --no-pager > "$out/failed-units"
echo "$SECONDS" > "$out/ended"
save

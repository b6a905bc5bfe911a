#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# In a machine for tests: runs the suites of its part, one after the other, and leaves what comes of each on the third disk as soon as
# it has ended.
#
# Two machines run side by side: what judges the installed packages is in the one, what judges the jail and the engine as they were
# built in the other. They have one processor each, since with two an emulated machine takes half as much time again for
# each process that it starts; a third, after the second, has two, for what needs some that the hogs do not have; and a fourth
# has all of the engine's suite, where machines are not emulated, or when it is asked for. At last the first is started anew in the
# middle of submissions, and what comes after that runs. "inside.sh parts" lists the parts: name, processors, after which other
# part or "-", suites.
set -u

parts() {
        echo "packages 1 - units pool overrides scaling busless removal"
        echo "jails 1 - cgroup crash host jail roots escapes survive warm user user-jail"
        echo "hogs 2 jails hogs"
        echo "engine 2 - engine"
}
if [ "${1:-}" = parts ]; then
        parts
        exit
fi

cd /skep || exit 1
out=/var/tmp/results
only=$(cat only)
wanted=$(cat suites)
user_runtime=/run/user/$(id -u plain)
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin

save() {
        tar -C "$out" -cf /dev/vdc .
        sync /dev/vdc
}

# As on a host without systemd: a scope for each jail would take most of the time. The suites of tests/vm have it.
without_systemd=(unshare --mount sh -c 'mount -t tmpfs none /run/systemd && exec "$@"' sh)
as_user=(setpriv --reuid plain --regid plain --init-groups env HOME=/home/plain USER=plain
        XDG_RUNTIME_DIR="$user_runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$user_runtime/bus")

is_wanted() {
        [[ -z $wanted || " $wanted " == *" $1 "* ]]
}

# Says on the console how it goes, by which run.sh sees that the machine is alive.
run() { # name, command that prints TAP
        local name=$1 start=$SECONDS
        shift
        is_wanted "$name" || return 0
        timeout 600 "$@" 2> "$out/$name.err" | tee "$out/$name.tap" | sed -un 's/^\(not \)\?ok [0-9]*/  &/p'
        echo "# $name: $((SECONDS - start)) s"
        ! grep -q '^not ok' "$out/$name.tap" || journalctl -b --no-pager > "$out/$name.journal"
        save
}

# What the engine asks of cgroups and of processes that outlive each other; the rest asks it of the store and the queue.
declare -A here=([tests/engine/survive.bats]='while its supervisor is killed|while there is no supervisor: |SIGTERM ends|full disk costs'
        [tests/engine/warm.bats]='first job is started cold|nothing is left of jails')

suite() { # name, file, command before the runner
        local name=$1 file=$2 filter=$only
        shift 2
        [ "$only" != . ] || [ "$part" = engine ] || filter=${here[$file]:-.}
        case $file in tests/jail/* | tests/engine/*) set -- "${without_systemd[@]}" "$@" ;; esac
        run "$name" "$@" tests/vm/bats.bash "$filter" "$file"
}

# Who is in the middle of this when the machine goes down has not been answered, and is not in the list.
submit_without_end() {
        while :; do
                skepctl submit - <<< '{"command": ["sh", "-c", "sleep 1; echo here"]}' >> /var/tmp/acknowledged
                sync /var/tmp/acknowledged
        done 2> /dev/null
}

reboot_in_the_middle() {
        : > /var/tmp/acknowledged
        : > $out/rebooted
        submit_without_end &
        submit_without_end &
        for _ in $(seq 100); do [ "$(wc -l < /var/tmp/acknowledged)" -ge 6 ] && break; sleep 0.5; done
        systemctl reboot --no-block
        wait
}

# A user's systemd does not come back to a bus that was restarted: so that suite is the last before the machine is.
packages() {
        if [ -e "$out/rebooted" ]; then
                suite removal tests/vm/removal.bats
                return
        fi
        suite units tests/vm/units.bats
        suite pool tests/vm/pool.bats
        suite overrides tests/vm/overrides.bats
        suite scaling tests/vm/scaling.bats
        suite busless tests/vm/busless.bats
        ! is_wanted removal || reboot_in_the_middle
}

# An ordinary user has a copy of the build, which is his.
jails() {
        suite cgroup tests/vm/cgroup.bats
        suite crash tests/vm/crash.bats
        suite host tests/vm/host.bats
        suite jail tests/jail/jail.bats
        suite roots tests/jail/roots.bats
        suite survive tests/engine/survive.bats
        suite warm tests/engine/warm.bats
        run escapes "${without_systemd[@]}" tests/jail/escapes.sh --tap --policy python
        cp -r /skep /home/plain/skep
        cd /home/plain/skep || return
        for _ in $(seq 300); do [ -S "$user_runtime/bus" ] && break; sleep 0.2; done
        suite user tests/vm/plain.bats "${as_user[@]}"
        suite user-jail tests/jail/jail.bats "${as_user[@]}"
}

hogs() {
        suite hogs tests/vm/hogs.bats
}

# All of the engine's suite, whose parts are no names of their own.
engine() {
        wanted=
        for file in tests/engine/*.bats; do
                suite "engine-$(basename "$file" .bats)" "$file"
        done
}

part=$(sed -n 's/.*\bPART=\([a-z]*\).*/\1/p' /proc/cmdline)
mkdir -p $out
{
        uname -a
        systemctl --version | head -1
        cat /sys/fs/cgroup/cgroup.controllers
} > "$out/machine"
save
"$part"
journalctl --no-pager > "$out/journal"
systemctl --failed --no-pager > "$out/failed-units"
echo "$SECONDS" > "$out/ended"
save
systemctl poweroff --no-block

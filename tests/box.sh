#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# box.sh COMMAND...: runs a command with mounts, processes, IPC and a cgroup of its own, and ends whatever it leaves. Suites judge
# the host before and after; in boxes they can go side by side, and none takes another's jails for its own leftovers.
#
# Fails where there can be none. So on a host that systemd runs, which gives jails their cgroups, and knows processes by their
# numbers outside.
set -eu
if [ -d /run/systemd/system ]; then
        echo "box.sh: this host's cgroups are systemd's" >&2
        exit 1
fi
tree=/sys/fs/cgroup
[ -d $tree/unified ] && tree=$tree/unified
# Not a name of ours: a launcher outside would take it for what a dead one has left, and end it.
group=$tree/tests-of-skep-$$
mkdir "$group"
trap 'find "$group" -depth -type d -exec rmdir {} ";"' EXIT
# The ids of jails are everybody's.
mkdir -p /run/skep
: >> /run/skep/jail-ids
sh -c 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"' sh "$group" \
        unshare --mount --pid --fork --kill-child --mount-proc --ipc --cgroup sh -c '
                umount "$1" && mount -t cgroup2 none "$1" && shift
                exec 9< /run/skep/jail-ids
                mount -t tmpfs -o mode=755 none /run/skep && : > /run/skep/jail-ids && mount --no-canonicalize --bind /proc/self/fd/9 /run/skep/jail-ids
                exec 9<&-
                exec "$@"' sh "$tree" "$@"

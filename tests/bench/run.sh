#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a jail costs, beside bubblewrap and crun, which are installed where they are missing: run.sh RUNS STALLS PAYLOAD
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ]; then
        echo "The benchmark makes jails, which needs root here: run make bench-jail as root."
        exit 1
fi

missing=
command -v bwrap >/dev/null || missing="$missing bubblewrap"
command -v crun >/dev/null || missing="$missing crun"
if [ -n "$missing" ]; then
        echo "Installing, to compare with:$missing"
        # shellcheck disable=SC2086
        if command -v apt-get >/dev/null; then
                apt-get update -q >/dev/null
                DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
        else
                dnf install -y -q $missing
        fi
fi

# In memory, as crun has its state by itself.
folder=$(mktemp -d /run/skep-bench-XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$folder"

# crun does not work where cgroup v2 is not the one hierarchy. In a mount namespace of the benchmark, it is, for all.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
        build/bench-jail "$@" "$folder"
else
        unshare --mount sh -c 'umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
                exec build/bench-jail "$@"' bench-jail "$@" "$folder"
fi

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the engine costs, beside bubblewrap and beanstalkd, which are installed where they are missing, unless told not to:
# run.sh [--as-it-is] PERCENT [PART]...
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ]; then
        echo "The benchmark makes jails, which needs root here: run make bench-engine as root."
        exit 1
fi

missing=
if [ "$1" = --as-it-is ]; then
        shift
else
        command -v bwrap >/dev/null || missing="$missing bubblewrap"
        command -v beanstalkd >/dev/null || missing="$missing beanstalkd"
fi
if [ -n "$missing" ]; then
        echo "Installing, to compare with:$missing"
        # The package would start a beanstalkd of its own.
        # shellcheck disable=SC2086
        if command -v apt-get >/dev/null; then
                apt-get update -q >/dev/null
                RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
        else
                dnf install -y -q $missing
        fi
fi

# On a disk: its commits are part of what is measured.
folder=$(mktemp -d /var/tmp/skep-bench-XXXXXX)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$folder"

# Each jail has the host's /usr, and so a program below it. This one is there for the benchmark alone.
percent=$1
shift
unshare --mount sh -c 'mount -t tmpfs -o mode=755 tmpfs /usr/local/games && cp build/bench-nothing /usr/local/games/ &&
        exec build/bench-engine "$@"' bench-engine "$percent" /usr/local/games/bench-nothing "$folder" "$@"

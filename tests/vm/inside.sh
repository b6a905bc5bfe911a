#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# In the machine for tests: runs the suites, and leaves what came of it on the third disk.
set -u
cd /skep
out=$(mktemp -d)
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin

{
        uname -a
        systemctl --version | head -1
        cat /sys/fs/cgroup/cgroup.controllers
} > "$out/machine"

CK_TAP_LOG_FILE_NAME=$out/unit.tap CK_VERBOSITY=silent build/unit-tests > /dev/null 2>&1
for file in tests/jail/*.bats tests/engine/*.bats tests/vm/*.bats; do
        echo "# $file"
        bats --timing --formatter tap --filter "$(cat only)" "$file" > "$out/$(basename "$file").tap" 2> "$out/$(basename "$file").err"
done
if [[ escapes =~ $(cat only) ]]; then
        echo "# tests/jail/escapes.sh"
        tests/jail/escapes.sh --tap --policy python > "$out/escapes.tap" 2> "$out/escapes.err"
fi
journalctl -b --no-pager > "$out/journal"
systemctl --failed --no-pager > "$out/failed-units"
tar -C "$out" -cf /dev/vdc .
sync

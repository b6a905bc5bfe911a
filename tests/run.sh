#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every suite, and counts: the last line says "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
        echo "The tests make jails, which needs root here: run make check as root."
        exit 1
fi

tap=$(mktemp -d)
trap 'rm -rf "$tap"' EXIT

echo "# rules of the tree"
tests/rules.sh > "$tap/rules"
cat "$tap/rules"

echo "# unit tests"
CK_TAP_LOG_FILE_NAME="$tap/unit" CK_VERBOSITY=silent build/unit-tests
grep '^not ok' "$tap/unit"

for file in tests/jail/*.bats tests/engine/*.bats; do
        echo "# $file"
        bats --formatter tap "$file" | tee "$tap/$(basename "$file")" | grep -v '^1\.\.'
done

echo "# tests/jail/escapes.sh"
tests/jail/escapes.sh --tap | tee "$tap/escapes" | grep -v '^1\.\.'

# A suite that ended before its end has a plan that is not kept.
lost=0
for file in "$tap"/*; do
        planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$file" | tail -1)
        ran=$(grep -cE '^(not )?ok ' "$file")
        if [ "${planned:-0}" -gt "$ran" ] || [ "$ran" -eq 0 ]; then
                echo "$(basename "$file"): $ran of ${planned:-?} tests ran"
                lost=$((lost + 1))
        fi
done

skipped=$(cat "$tap"/* | grep -cE '^ok .*# skip')
passed=$(($(cat "$tap"/* | grep -c '^ok ') - skipped))
failed=$(($(cat "$tap"/* | grep -c '^not ok ') + lost))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

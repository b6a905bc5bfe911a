#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every suite, and counts: the last line says "N passed, N failed, N skipped". Most of what suites do is waiting, so that some
# of them go side by side, each in a box of its own (box.sh), and are told of when they end. Where there are no boxes, or with
# LANES=1, one goes after the other.
set -u
cd "$(dirname "$0")/.."

suite() { # FILE, whose TAP goes to the directory $tap
        local start=$SECONDS name
        name=${1#tests/} name=${name//\//-}
        case $1 in
        *.bats) set -- "$1" bats --formatter tap "$1" ;;
        *) set -- "$1" "$1" --tap ;;
        esac
        timeout 1200 $box "${@:2}" > "$tap/$name" 2> "$tap/$name.err"
        {
                flock 9
                echo "# $1: $((SECONDS - start)) s"
                grep -v '^1\.\.' "$tap/$name"
                cat "$tap/$name.err"
                rm "$tap/$name.err"
        } 9< "$tap"
}

if [ "${1:-}" = suite ]; then
        suite "$2"
        exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
        echo "The tests make jails, which needs root here: run make check as root."
        exit 1
fi

tap=$(mktemp -d)
export tap
trap 'rm -rf "$tap"' EXIT

echo "# rules of the tree"
tests/rules.sh > "$tap/rules"
cat "$tap/rules"

echo "# unit tests"
CK_TAP_LOG_FILE_NAME="$tap/unit" CK_VERBOSITY=silent build/unit-tests
grep '^not ok' "$tap/unit"

# The longest first, so that none is left alone at the end.
export box=tests/box.sh
lanes=${LANES:-$(($(nproc) + 1))}
$box true 2> /dev/null || { box='' && lanes=1; }
long=(engine/scaling.bats jail/policies.bats engine/survive.bats jail/image.bats engine/jobs.bats
        engine/hostile.bats engine/engine.bats jail/user.bats engine/store.bats jail/escapes.sh)
printf '%s\n' "${long[@]/#/tests/}" tests/jail/*.bats tests/engine/*.bats | awk '!seen[$0]++' | xargs -P "$lanes" -n 1 "$PWD/tests/run.sh" suite

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

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every suite, and counts: the last line says "N passed, N failed, N skipped". Most of what suites do is waiting, so that some
# of them go side by side, each in a box of its own (box.sh), and are told of when they end; one that fails, once more
# alone. Where there are no boxes, or with LANES=1, one goes after the other.
set -u
cd "$(dirname "$0")/.."

name_of() { # FILE
        local name=${1#tests/}
        echo "${name//\//-}"
}

suite() { # FILE, whose TAP goes to the directory $tap
        local start=$SECONDS name
        name=$(name_of "$1")
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
mapfile -t files < <(printf '%s\n' "${long[@]/#/tests/}" tests/jail/*.bats tests/engine/*.bats | awk '!seen[$0]++')
printf '%s\n' "${files[@]}" | xargs -P "$lanes" -n 1 "$PWD/tests/run.sh" suite

# A suite that ended before its end has a plan that is not kept.
came_to_its_end() { # TAP
        planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$1" | tail -1)
        ran=$(grep -cE '^(not )?ok ' "$1")
        [ "${planned:-0}" -le "$ran" ] && [ "$ran" -gt 0 ]
}

# Beside others one may only have been late: then it goes once more, alone, and what comes of that counts.
for file in "${files[@]}"; do
        [ "$lanes" -gt 1 ] || break
        if grep -q '^not ok' "$tap/$(name_of "$file")" || ! came_to_its_end "$tap/$(name_of "$file")"; then
                echo "# $file has failed, and goes once more, alone"
                suite "$file"
        fi
done

lost=0
for file in "$tap"/*; do
        if ! came_to_its_end "$file"; then
                echo "$(basename "$file"): $ran of ${planned:-?} tests ran"
                lost=$((lost + 1))
        fi
done

skipped=$(cat "$tap"/* | grep -cE '^ok .*# skip')
passed=$(($(cat "$tap"/* | grep -c '^ok ') - skipped))
failed=$(($(cat "$tap"/* | grep -c '^not ok ') + lost))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

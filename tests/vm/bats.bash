#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bats.bash REGEX FILE: runs the tests of a file for bats whose names match, and prints TAP, as bats --timing --filter does.
#
# It is for the emulated machine alone. There bats itself, with ten processes a test and a trap at each command, takes longer
# than most tests. Here a test is one fork of the shell that has read the file. Of bats it has what the suites that run there use.
regex=$1
BATS_TEST_FILENAME=$(realpath "$2")
BATS_TEST_DIRNAME=${BATS_TEST_FILENAME%/*}
BATS_RUN_TMPDIR=$(mktemp -d)
BATS_FILE_TMPDIR=$BATS_RUN_TMPDIR/file
BATS_VERSION=1.0-emulated
export BATS_TEST_FILENAME BATS_TEST_DIRNAME BATS_RUN_TMPDIR BATS_FILE_TMPDIR
mkdir "$BATS_FILE_TMPDIR"

bats_require_minimum_version() { :; }
setup() { :; }
teardown() { :; }
setup_file() { :; }
teardown_file() { :; }

load() {
        local file=$1
        [[ $file == /* ]] || file=$BATS_TEST_DIRNAME/$file
        [ -e "$file" ] || file+=.bash
        # shellcheck disable=SC1090
        source "$file"
}

skip() {
        echo "$*" > "$BATS_TEST_TMPDIR.skip"
        exit 0
}

# Sets output, lines (those that are not empty), status; with --separate-stderr also stderr.
run() {
        local options=$- separate= expected= line=
        while [[ $1 == -* || $1 == '!' ]]; do
                case $1 in
                --separate-stderr) separate=yes ;;
                '!' | -[0-9]*) expected=${1#-} ;;
                *) echo "run: $1 is not there in the emulated machine" >&2 && return 1 ;;
                esac
                shift
        done
        set +eE
        trap - ERR
        if [ -n "$separate" ]; then
                output=$("$@" 2> "$BATS_TEST_TMPDIR.stderr")
                status=$?
                stderr=$(< "$BATS_TEST_TMPDIR.stderr")
        else
                output=$("$@" 2>&1)
                status=$?
        fi
        lines=()
        while IFS= read -r line; do [ -z "$line" ] || lines+=("$line"); done <<< "$output"
        trap failed ERR
        [[ $options != *e* ]] || set -eE
        case $expected in
        '') ;;
        '!') [ "$status" -ne 0 ] ;;
        *) [ "$status" -eq "$expected" ] ;;
        esac
}

# Of the command that a test ends by: the innermost is told first. What fails in $(…) does not end it by itself.
failed() {
        local i
        [ "$BASHPID" = "$shell" ] || return 0
        for ((i = 0; i < ${#FUNCNAME[@]} - 1; i++)); do
                echo "(in ${FUNCNAME[i + 1]}, ${BASH_SOURCE[i + 1]##*/} line ${BASH_LINENO[i]}: $BASH_COMMAND)"
        done
        trap - ERR
}

# The file with its tests as functions, line by line, so that the numbers of lines stay.
names=()
text=
while IFS= read -r line; do
        if [[ $line =~ ^@test\ [\"\'](.*)[\"\']\ \{(.*)$ ]]; then
                names+=("${BASH_REMATCH[1]}")
                line="test_${#names[@]}() {${BASH_REMATCH[2]}"
        fi
        text+=$line$'\n'
done < "$BATS_TEST_FILENAME"
printf '%s' "$text" > "$BATS_RUN_TMPDIR/${BATS_TEST_FILENAME##*/}"
# shellcheck disable=SC1090
source "$BATS_RUN_TMPDIR/${BATS_TEST_FILENAME##*/}"

chosen=()
for i in "${!names[@]}"; do [[ ! ${names[i]} =~ $regex ]] || chosen+=("$i"); done
echo "1..${#chosen[@]}"
[ ${#chosen[@]} -gt 0 ] || exit 0

told() {
        sed 's/^/# /' "$BATS_RUN_TMPDIR/out"
}
# Without what a file sets up there are no tests; what it takes down, or leaves, is said.
ended() {
        [ -n "$set_up" ] || { echo "not ok 1 setup_file" && told; } >&3
        rm -rf "$BATS_RUN_TMPDIR"
}
set_up=
trap ended EXIT
set -eE
trap failed ERR
shell=$BASHPID
exec 3>&1 > "$BATS_RUN_TMPDIR/out" 2>&1
setup_file
set +eE
trap - ERR
exec 1>&3 2>&3
set_up=yes

for ((n = 1; n <= ${#chosen[@]}; n++)); do
        name=${names[chosen[n - 1]]}
        export BATS_TEST_NUMBER=$n BATS_TEST_DESCRIPTION=$name BATS_TEST_TMPDIR=$BATS_RUN_TMPDIR/$n
        mkdir "$BATS_TEST_TMPDIR"
        start=${EPOCHREALTIME/./}
        (
                shell=$BASHPID
                trap teardown EXIT
                set -eE
                trap failed ERR
                setup
                "test_$((chosen[n - 1] + 1))"
        ) > "$BATS_RUN_TMPDIR/out" 2>&1 3>&1
        status=$?
        took="in $(((${EPOCHREALTIME/./} - start) / 1000))ms"
        if [ $status -ne 0 ]; then
                echo "not ok $n $name $took"
                told
        elif [ -e "$BATS_TEST_TMPDIR.skip" ]; then
                echo "ok $n $name # skip $(< "$BATS_TEST_TMPDIR.skip")"
        else
                echo "ok $n $name $took"
        fi
done
teardown_file > "$BATS_RUN_TMPDIR/out" 2>&1 || told

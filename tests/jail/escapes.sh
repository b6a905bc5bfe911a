#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the escape suite (escapes.c, where cases and verdicts are explained), and judges each case from outside too.
#
#   escapes.sh [--tap] [--only REGEX] [--policy NAME]...   our own jail, else under the policies python and strict;
#                                                          "warm": under python, one that was there before its job
#   escapes.sh [--only REGEX] --with COMMAND               another sandbox: the command line before the command
#
# REGEX is matched with "class: case". COMMAND is read as a shell reads it, and may speak of $place, the directory with
# what is there to be found:
#
#   --with 'bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp'
#
# It must show the program, which is $place/program, or say by PROGRAM=PATH in the environment where it is inside. What
# it shows of $place/readonly and $place/writable, at the same paths, is a directory of the host bound read-only or
# writable.
#
# A line a case: what came of it inside, what outside, and the evidence. Inside: held, escaped, n/a; "ended", when the
# sandbox has ended the case as it should; "none", when it came to no verdict. Outside: "same"; "changed", when something
# is new or missing on the host; "left", when a process is; "stuck", when the case had to be ended from here. The exit
# status is 0 when nothing has escaped.
set -u
export LC_ALL=C

tap='' only=. with='' passes=()
while [ $# -gt 0 ]; do
        case $1 in
        --tap) tap=yes ;;
        --only) only=$2 && shift ;;
        --with) with=$2 && shift ;;
        --policy) passes+=("$2") && shift ;;
        *) echo "escapes.sh: what is $1?" >&2 && exit 2 ;;
        esac
        shift
done

place=$(mktemp -d /var/tmp/skep-escapes.XXXXXX)
chmod 755 "$place"
export BATS_FILE_TMPDIR=$place # where helper.bash keeps its policies
# shellcheck source=tests/helper.bash
. "$(dirname "$0")/../helper.bash"
program=$build/escapes
inside=${PROGRAM:-$place/program}
secret="this is the host's secret"
token=skep-escapes-token-$$
group=30           # cases that share a sandbox, where none of them needs its own
grace=30           # tenths of a second that the host has, to be as before
flood=$((9 << 20)) # bytes of output that are not too many
number=0 held=0 escaped=0 not_applicable=0
canaries='' missing='' writable=yes

finish() {
        [ -z "$canaries" ] || { kill "$canaries" && wait "$canaries"; } 2>/dev/null
        rm -rf "$place"
}
trap finish EXIT
trap 'exit 2' INT TERM

# What an attacker could know of the host. The program that sandboxes run is a copy: nobody else may have it open.
start_canaries() {
        cp "$program" "$place/program"
        mkfifo "$place/records"
        "$program" canaries "$place" "$program" > "$place/words" &
        canaries=$!
        for _ in $(seq 100); do
                [ -s "$place/words" ] && break
                sleep 0.05
        done
        read -ra words < "$place/words" || exit 2
}

# ---- running ----

# The command line of the sandbox, into `command`: set_sandbox WALL OUTPUT
set_sandbox() {
        if [ -n "$with" ]; then
                eval "command=($with)"
                command+=("$inside")
                return
        fi
        local own=(skep-jail --policy "$pass" --bind "$place/readonly" ${writable:+--bind-rw "$place/writable"})
        # What is to be bound is known only with the job.
        [ "$pass" != warm ] || own=(warm-jail --policy python)
        command=("$build/${own[0]}" "${own[@]:1}" --allow-missing="$missing" --report "$place/report" --wall "$1"
                --pids 30 --memory 256M --disk 64M --files 2000 --input escapes="$place/program"
                ${2:+--output "$place/output"} -- /input/escapes)
}

# Runs one case, or some with commas between, as long as it may: what comes of it is in a directory.
run_case() { # LABELS HOW DIRECTORY
        local how=$2 at=$3 wall=20s limit=20 output='' around=() start=$EPOCHREALTIME
        local -a command
        case $how in *outlasts*) wall=$short ;; esac
        case $how in *accounted*) wall=120s limit=120 around=("$program" account) ;; esac
        case $how in *terminal*) around=("$program" terminal) ;; esac
        case $how in *collected*) output=yes ;; esac
        [ -d "$at" ] || mkdir -p "$at"
        [ ! -e "$place/output" ] || rm -rf "$place/output"
        set_sandbox "$wall" "$output"
        around=(timeout -k 2 "$limit" "${around[@]}")
        command+=(run "$1" token="$token" "${words[@]}")
        # A caller that leaves its descriptors open: a directory that leads out, and somebody's records.
        case $how in
        *stuck-reader*)
                [ -e "$at/stuck" ] || mkfifo "$at/stuck"
                : > "$at/out"
                "${around[@]}" "${command[@]}" < /dev/null 9<> "$at/stuck" 1>&9 2> "$at/err" 9>&- 8< / 7<> "$place/records"
                ;;
        *) "${around[@]}" "${command[@]}" < /dev/null > "$at/out" 2> "$at/err" 8< / 7<> "$place/records" ;;
        esac
        # How it ended, and whether it had to be ended.
        echo "$? $((${EPOCHREALTIME/./} - ${start/./} >= limit * 1000000))" > "$at/end"
}

# ---- judging ----

state() {
        "$program" state "$place" "$token"
}

# What is not as before, into `changes`: what takes its time to go has it, but what was written down stays.
compare_state() {
        local i after
        changes=''
        for ((i = 0; i < grace; i++)); do
                after=$(state)
                [ "$after" != "$before" ] || return 0
                changes=$(diff <(echo "$before") <(echo "$after") | grep '^[<>]')
                [[ $changes != *"> log "* ]] || break
                sleep 0.1
        done
        sed -n 's/^> process \([0-9]*\) .*/\1/p' <<< "$changes" | while read -r pid; do
                kill -KILL "$pid"
        done 2>/dev/null
        sleep 0.2
        before=$(state)
}

# What came out of /output: nothing but plain files and directories within the limits.
look_at_output() {
        [ -e "$place/output" ] || return 0
        find "$place/output" ! -type f ! -type d -printf '> output %y %p\n' -o -perm /6000 -printf '> output mode %m %p\n'
        grep -rlF "$secret" "$place/output" 2>/dev/null | sed 's/^/> output tells: /'
        [ "$(find "$place/output" | wc -l)" -le 2010 ] || echo "> output has too many files"
        [ "$(du -sk "$place/output" | cut -f1)" -le 66000 ] || echo "> output is too large"
}

# What a sandbox has cost beside what the job itself has used, by the report, into `cost` (ms), `own` and `grown` (KiB).
read_account() { # FILE
        read -r _ cost _ _ _ grown _ < <(grep '^account: ' "$1")
        own=$(awk -F '[:,]' '/"cpu_(user|system)_usec"/ { sum += $2 } END { print int(sum / 1000) }' "$place/report")
        cost=$((cost - own))
}

judge_account() {
        local cost grown own
        read_account "$at/err"
        text+="; outside: $((cost - empty_cost)) ms more than without, $grown KiB (the job: $own ms)"
        if sanitized; then grown=0; fi
        if [ $((cost - empty_cost)) -ge 1000 ] || [ "$grown" -ge 1024 ]; then
                add_change "it cost $((cost - empty_cost)) ms and $grown KiB"
        fi
}

add_change() {
        outer=changed changes+="> $1"$'\n'
}

# By what the case said: `inner` and `text`.
judge_inside() { # HOW DIRECTORY
        local how=$1 at=$2 status line
        read -r status late < "$at/end"
        line=$(grep -ahE '^(held|escaped|n/a): ' "$at/err" "$at/out")
        line=${line##*$'\n'}
        inner=${line%%:*} text=${line#*: }
        [ -z "$line" ] || return
        inner=none text="$(head -qc 300 "$at/err" "$at/out" | tr '\n' ' ')status $status"
        case $how in *floods*) [ "$status" -ne 0 ] || inner=held text="64 MiB were written" ;; esac
        case $how in
        *outlasts* | *endless*)
                case $status in 124 | 137 | 143) inner=ended text="by the sandbox" ;; esac
                ;;
        esac
}

# By what has changed outside: `outer` and `changes`.
judge_outside() { # HOW DIRECTORY
        local how=$1 at=$2 size found
        outer=same
        compare_state
        [ -z "$changes" ] || outer=changed
        [[ $changes != *"> process "* ]] || outer=left
        # Another sandbox may leave it to its caller to end it; ours has a limit for that.
        if [ "$late" -eq 1 ] && [ -z "$with" ]; then outer=stuck; fi
        case $how in
        *floods*)
                size=$(stat -c %s "$at/out")
                [ "$size" -le "$flood" ] || add_change "$((size >> 20)) MiB of output"
                ;;
        *terminal*) ! grep -q '^typed: ' "$at/err" || add_change "typed into the terminal" ;;
        *collected*)
                found=$(look_at_output)
                [ -z "$found" ] || outer=changed changes+=$found$'\n'
                ;;
        *accounted*) [ -n "$with" ] || judge_account ;;
        esac
}

# ---- telling ----

tell() {
        local verdict=held
        if ! kill -0 "$canaries"; then
                echo "Bail out! What the suite has put on the host has gone."
                exit 2
        fi
        number=$((number + 1))
        if [ "$inner" = escaped ] || [ "$inner" = none ] || [ "$outer" != same ]; then
                verdict=escaped
                escaped=$((escaped + 1))
        elif [ "$inner" = n/a ]; then
                verdict=n/a not_applicable=$((not_applicable + 1))
        else
                held=$((held + 1))
        fi
        if [ -z "$tap" ]; then
                printf '%-10s %-22s %-8s %-8s %s\n' "$class" "$label" "$inner" "$outer" "$text"
        elif [ $verdict = held ]; then
                echo "ok $number - $pass: $class: $label"
        elif [ $verdict = n/a ]; then
                echo "ok $number - $pass: $class: $label # skip $text"
        else
                echo "not ok $number - $pass: $class: $label"
                echo "#   $description"
                echo "#   inside: $inner, $text; outside: $outer"
        fi
        [ "$outer" = same ] || head -10 <<< "$changes" | cut -c 1-200 | sed "s/^/${tap:+#}      /"
}

# ---- all of them ----

# Which of the cases need no sandbox of their own; they share one. Where anything is not as it was afterwards, or one
# says nothing, it is tried again alone, and judged by that.
run_shared() {
        local labels=() i line
        while IFS=$'\t' read -r class label description how; do
                if [[ "$class: $label" =~ $only ]] && [ -z "$how" ]; then labels+=("$label"); fi
        done < <("$program" list)
        for ((i = 0; i < ${#labels[@]}; i += group)); do
                run_case "$(IFS=, && echo "${labels[*]:i:group}")" "" "$place/shared"
                compare_state
                [ -z "$changes" ] || continue
                while read -r label line; do
                        result[$label]=$line
                done < <(grep -aE '^[a-z0-9-]+ (held|escaped|n/a): ' "$place/shared/out")
        done
}

# Those that go on until they are ended take their time, and share that.
run_outlasting() {
        local labels=()
        while IFS=$'\t' read -r class label description how; do
                if [[ "$class: $label" =~ $only && $how == *outlasts* ]]; then
                        run_case "$label" "$how" "$place/outlasting/$label" &
                        labels+=("$label" $!)
                fi
        done < <("$program" list)
        [ ${#labels[@]} -gt 0 ] || return 0
        set -- "${labels[@]}"
        while [ $# -gt 0 ]; do wait "$2"; shift 2; done
        compare_state
        [ -z "$changes" ] || return 0
        set -- "${labels[@]}"
        while [ $# -gt 0 ]; do
                judge_inside outlasts "$place/outlasting/$1"
                [ "$inner" != ended ] || [ "$late" -eq 1 ] || result[$1]="$inner: $text"
                shift 2
        done
}

run_all() {
        declare -A result=()
        run_shared
        run_outlasting
        while IFS=$'\t' read -r class label description how; do
                [[ "$class: $label" =~ $only ]] || continue
                local layer=${how##*layer=}
                outer=same changes=''
                if [[ $how == *layer=* && -z $with && ,$missing, == *,$layer,* ]]; then
                        inner=n/a text="this host cannot enforce \"$layer\""
                elif [ -n "${result[$label]:-}" ]; then
                        inner=${result[$label]%%:*} text=${result[$label]#*: }
                else
                        run_case "$label" "$how" "$place/alone"
                        judge_inside "$how" "$place/alone"
                        judge_outside "$how" "$place/alone"
                fi
                tell
        done < <("$program" list)
}

start_canaries
if [ -n "$with" ]; then
        passes=("${with%% *}")
else
        [ ${#passes[@]} -gt 0 ] || passes=(python strict warm)
        missing=$(find_missing)
        # Where the file system has no id-mapped mounts, there is no writable directory.
        pass=python
        set_sandbox 10s ''
        "${command[@]}" list > "$place/list" 2>&1 < /dev/null || writable=''
fi
if [ -n "$tap" ]; then
        cases=$("$program" list | awk -F '\t' -v only="$only" '($1 ": " $2) ~ only' | wc -l)
        echo "1..$((cases * ${#passes[@]}))"
fi
for pass in "${passes[@]}"; do
        set_sandbox 10s ''
        start=$EPOCHREALTIME
        if ! timeout 60 "$program" account "${command[@]}" list < /dev/null > "$place/list" 2> "$place/list.err"; then
                echo "escapes.sh: the sandbox does not run the program:" >&2
                head -qn 5 "$place/list.err" "$place/list" >&2
                exit 2
        fi
        # Cases that go on until they are ended: long enough to get to it on a slow machine too, and not too long.
        short=$((1000 + (${EPOCHREALTIME/./} - ${start/./}) / 2000))
        short=$((short < 4000 ? short : 4000))ms
        [ -n "$with" ] || read_account "$place/list.err"
        empty_cost=${cost:-0}
        [ -n "$tap" ] || printf '\n%s\n\n%-10s %-22s %-8s %-8s %s\n' "$pass" class case inside outside evidence
        before=$(state)
        run_all
done
[ -n "$tap" ] || printf '\n%d held, %d escaped, %d not applicable\n' "$held" "$escaped" "$not_applicable"
[ "$escaped" -eq 0 ]

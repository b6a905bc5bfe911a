#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rules that the compiler does not know, as TAP: which folder may include which (docs/ARCHITECTURE.md), and the licence
# of each file.
set -u
cd "$(dirname "$0")/.."

n=0
failed=0
verdict() { # name, what was found
        n=$((n + 1))
        if [ -z "$2" ]; then
                echo "ok $n $1"
        else
                echo "not ok $n $1"
                printf '%s\n' "$2" | sed 's/^/#   /'
                failed=1
        fi
}

# folder: what its files may include, beside their own folder and the system
allowed() {
        case $1 in
        engine/base) echo '^$' ;;
        jail) echo '^engine/base/' ;;
        jail/probe) echo '^(engine/base/|jail/)' ;;
        jail/image_unpack) echo '^(engine/base/|jail/image_config\.h$)' ;;
        jail/cli) echo '^(engine/base/|jail/)' ;;
        engine/worker) echo '^(engine/base/|jail/jail\.h$)' ;;
        engine/supervisor) echo '^(engine/base/|jail/jail\.h$|engine/worker/protocol\.h$|engine/scaler/(scaler|recurrence)\.h$)' ;;
        engine/ctl) echo '^(engine/base/|engine/scaler/plot\.h$)' ;;
        engine/scaler) echo '^engine/base/' ;;
        engine/scaler/cli) echo '^engine/(base|scaler)/' ;;
        esac
}

for folder in engine/base jail jail/probe jail/image_unpack jail/cli engine/worker engine/supervisor engine/ctl \
        engine/scaler engine/scaler/cli; do
        found=$(grep -nE '^#include "' "$folder"/*.[ch] | grep -vE "#include \"$folder/" |
                sed -E 's/^([^:]*:[0-9]*):#include "([^"]*)".*/\2 \1/' |
                while read -r included where; do
                        echo "$included" | grep -qE "$(allowed $folder)" || echo "$where includes $included"
                done)
        verdict "$folder includes only what it may" "$found"
done

verdict "every source names its licence" \
        "$(git ls-files '*.c' '*.h' '*.sh' '*.bash' '*.bats' Makefile | while read -r file; do
                head -3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || echo "$file"
        done)"

verdict "no call that has a safer form" \
        "$(grep -nE '\b(strcat|sprintf|vsprintf|gets|system|popen|alloca|strtok)\(' engine/*/*.[ch] jail/*.[ch] jail/*/*.[ch])"

verdict "skep-policy(5) has every call that no policy allows" \
        "$(sed -n '/^static const char \*const forbidden/,/^};/p' jail/floor.c | grep -o '"[a-z0-9_]*"' | tr -d '"' |
                while read -r call; do
                        grep -q "\*$call\*" docs/man/skep-policy.5.scd || echo "$call"
                done)"

verdict "skep-jail(1) has every option" \
        "$(for command in '' explain learn doctor image; do build/skep-jail $command --help; done | grep -o '^  --[a-z-]*' |
                grep -v -e --help | sort -u | while read -r option; do
                        grep -qF -e "*$option*" docs/man/skep-jail.1.scd || echo "$option"
                done)"

# What stands in packaging/deb is spread over its two packages: a new page must be in one of them.
verdict "every manual page is in a package" \
        "$(for page in docs/man/*.scd; do
                name=$(basename "$page" .scd)
                grep -qE "man/man./$name\$|^usr/share/man/man${name##*.}\$" packaging/deb/*.install || echo "$name"
        done)"

# Bash does not end a test for what "!" makes false; only as its last command does that count.
verdict "no test goes on over a command that was to fail" \
        "$(awk 'FNR == 1 { at = "" }
                at != "" && !/^[ \t]*(#|$)/ { if (!/^}/) print at; at = "" }
                /^[ \t]+! / && !/(\|\||&&)/ { at = FILENAME ":" FNR ":" $0 }' tests/*.bash tests/*/*.bats tests/*/*.bash)"

verdict "every message id is in the catalog, and none else" \
        "$(sed -n 's/.*\[LOG_EVENT_.*"\([0-9a-f]*\)",/\1/p' engine/base/log.c | sort > build/message-ids
        sed -n 's/^-- \([0-9a-f]*\)$/\1/p' units/skep.catalog | sort | diff build/message-ids -)"

verdict "a message that names a job, a worker or a policy has it as a field" \
        "$(grep -nE 'log_(error|warning|info)\("[^"]*\b(job|worker|policy) %s' engine/*/*.c)"

echo "1..$n"
exit $failed

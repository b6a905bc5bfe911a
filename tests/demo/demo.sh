#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job, end to end: an embedded supervisor in a temporary place, and real work in its jails.
set -eu
cd "$(dirname "$0")/../.."
build=$PWD/build
here=$PWD/tests/demo

if [ "$(id -u)" -ne 0 ]; then
        echo "Jails are made with root's privileges here: run make demo as root."
        exit 1
fi

place=$(mktemp -d)
skepd=
finish() {
        status=$?
        if [ -n "$skepd" ]; then
                kill -TERM "$skepd" 2>/dev/null || true
                wait "$skepd" 2>/dev/null || true
        fi
        rm -rf "$place"
        if [ $status -eq 0 ]; then
                echo "demo: all went as it should; everything is stopped and removed."
        else
                echo "demo: FAILED (see above); everything is stopped and removed."
        fi
        exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

title() { printf '\n== %s\n' "$*"; }

# Runs a job and shows its report: job EXPECTED-STATUS KEY=VALUE[|VALUE]... -- skepctl-run-arguments...
job() {
        local want=$1 status=0 expected=()
        shift
        while [ "$1" != -- ]; do expected+=("$1"); shift; done
        shift
        "$build/skepctl" run --json "$@" > "$place/all" < /dev/null || status=$?
        head -n -1 "$place/all"
        tail -n 1 "$place/all" > "$place/report"
        python3 "$here/show.py" "$place/report" "${expected[@]}"
        if [ "$status" -ne "$want" ]; then
                echo "  expected exit status $want, and it is $status"
                return 1
        fi
}

title "What this host can enforce"
# Asked of the jail itself, one limit at a time; what is missing is allowed by name, and by nothing else.
missing=
for layer in memory cpu; do
        case $layer in memory) limit=64M ;; cpu) limit=1 ;; esac
        others=$(echo memory cpu | tr ' ' '\n' | grep -v $layer | paste -sd,)
        if why=$("$build/skep-jail" --allow-missing="$others" --$layer $limit -- true 2>&1 < /dev/null); then
                echo "  $layer: held by its cgroup controller"
        else
                echo "  $layer: ${why#skep-jail: }"
                missing=${missing:+$missing,}$layer
        fi
done
[ -z "$missing" ] || echo "  So the supervisor is started with --allow-missing=$missing."

start() {
        "$build/skepd" --embedded --state "$place/state" --socket "$place/engine.sock" "$@" > "$place/ready" 2> "$place/log" &
        skepd=$!
        for _ in $(seq 100); do
                grep -q ready "$place/ready" && return
                sleep 0.05
        done
        cat "$place/log"
        echo "the supervisor did not start"
        return 1
}
export SKEP_ADDRESS=unix:path=$place/engine.sock
start --allow-missing="$missing"

title "An analysis by python3 of this machine's package database, handed in as an input"
if [ -r /var/lib/dpkg/status ]; then
        cp /var/lib/dpkg/status "$place/packages"
else
        rpm -qa --queryformat '%{GROUP}\t%{SIZE}\n' > "$place/packages"
fi
job 0 reason=exited exit_code=0 -- --input packages="$place/packages" --input packages.py="$here/packages.py" \
        -- /usr/bin/python3 /input/packages.py

title "A C program is compiled in one jail, and runs in another"
cat > "$place/hello.c" <<'C'
#include <stdio.h>
#include <unistd.h>
int main(void)
{
        printf("  hello from a program compiled next door, as uid %d in pid %d\n", getuid(), getpid());
        return 0;
}
C
job 0 reason=exited exit_code=0 -- --policy build --input hello.c="$place/hello.c" --output "$place/out" \
        -- cc -O2 -o /output/hello /input/hello.c
job 0 reason=exited exit_code=0 -- --policy strict --input hello="$place/out/hello" -- /input/hello

title "A fork bomb"
job 124 reason=wall-limit -- --pids 64 --wall 1s -- bash -c 'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 10' 2>/dev/null

title "A memory hog"
hog='import sys; x = bytearray(1 << 30); sys.exit("it got its gibibyte")'
case ",$missing," in
*,memory,*)
        echo "  This host has no memory controller. A supervisor that was not told to go without it refuses the job:"
        kill -TERM "$skepd"; wait "$skepd" || true
        start --allow-missing="$(echo "$missing" | tr ',' '\n' | grep -v memory | paste -sd,)"
        job 125 reason=setup-failed -- --memory 128M -- /usr/bin/python3 -c "$hog"
        kill -TERM "$skepd"; wait "$skepd" || true
        start --allow-missing="$missing"
        ;;
*)
        job 137 reason=oom -- --memory 128M -- /usr/bin/python3 -c "$hog"
        ;;
esac

title "A job that looks for /etc/shadow, the host's processes and the network"
job 0 reason=exited exit_code=0 -- --input probe.py="$here/probe.py" -- /usr/bin/python3 /input/probe.py

title "The jobs of the last supervisor"
"$build/skepctl" list
echo

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every fuzz target for so many seconds, from the seeds beside it. The last line counts.
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-30}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0
failed=0

profile() { # what comes before and after it
        cat > "$place/$name/profile" <<J
$1{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "archMap": [], "flags": [], "syscalls": [
{"names": ["execve", "exit_group"], "action": "SCMP_ACT_ALLOW"},
{"name": "clone", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}, "excludes": {"caps": ["CAP_SYS_ADMIN"]},
"args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}$2
J
}

for target in build/fuzz/*; do
        name=$(basename "$target")
        mkdir -p "$place/$name"
        case $name in
        fuzz_policy)
                cp policies/*.json "$place/$name"
                profile '{"seccomp":' '}'
                ;;
        fuzz_oci_seccomp)
                cp build/debian/*.json "$place/$name" 2> /dev/null
                profile '' ''
                ;;
        fuzz_config) printf '{"workers":{"minimum":3,"start":"units"},"retention":{"age":"2h"},"allow_missing":["memory"]}' > "$place/$name/a" ;;
        fuzz_spec) printf '{"command":["true"],"limits":{"memory":"1M","io":{"read":5}},"meta":{}}' > "$place/$name/job" ;;
        fuzz_call)
                printf '/opt/../a//b' > "$place/$name/path"
                printf '400000-401000 r-xp 0 08:01 9 /bin/x\n' > "$place/$name/map"
                head -c 144 /dev/zero > "$place/$name/call" # read() with empty texts
                ;;
        fuzz_frame) printf 'l\1\0\1\3\0\0\0\1\0\0\0\5\0\0\0%011dB\1\0\1%020d' 0 0 | tr 0 '\0' > "$place/$name/messages" ;;
        fuzz_size) printf '1.5GiB' > "$place/$name/a"; printf '1min 30s' > "$place/$name/b" ;;
        fuzz_image | fuzz_layer) PYTHONPATH=tests/jail PYTHONDONTWRITEBYTECODE=1 python3 tests/fuzz/image_seeds.py "$place/$name" "$name" ;;
        fuzz_trace) printf 'time,count\n0,1\n60,2\n120,0\n300,9\n' > "$place/$name/trace" ;;
        fuzz_message)
                # HELLO, WELCOME, ATTEMPTS, STARTED and REPORT: who sends it and when, the kind, its fields
                printf '\1\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0001\0' > "$place/$name/hello"
                printf '\2\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0' > "$place/$name/welcome"
                printf '\25\11\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\0%024d' 0 | tr 0 '\0' > "$place/$name/attempts"
                printf '\27\7\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\0\1\0\0\0\0\0\0\0' > "$place/$name/started"
                printf '\27\10\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0a\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0{}\0' > "$place/$name/report"
                ;;
        fuzz_archive) tar -C tests -cf "$place/$name/tar" demo ;;
        esac
        if "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -artifact_prefix=build/ "$place/$name" > "$place/log" 2>&1; then
                echo "ok $name: $(grep -oE 'Done [0-9]+ runs' "$place/log")"
                passed=$((passed + 1))
        else
                echo "not ok $name"
                tail -30 "$place/log" | sed 's/^/#   /'
                failed=$((failed + 1))
        fi
done

# And the engine as a whole, by calls on its private socket.
build/skepd --embedded --state "$place/state" --socket "$place/engine.sock" --drain 0s --allow-missing=memory,cpu,io > "$place/ready" 2> "$place/log" &
skepd=$!
for _ in $(seq 100); do
        grep -q ready "$place/ready" && break
        sleep 0.1
done
if python3 -B tests/fuzz/bus.py "unix:path=$place/engine.sock" "$skepd" "$seconds" > "$place/said" 2>&1; then
        echo "ok bus: $(head -1 "$place/said")"
        passed=$((passed + 1))
else
        echo "not ok bus"
        tail -30 "$place/said" | sed 's/^/#   /'
        failed=$((failed + 1))
fi
kill "$skepd"
wait "$skepd"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

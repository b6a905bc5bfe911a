# SPDX-License-Identifier: LGPL-2.1-or-later
# For all bats files: where the build is, and what this host cannot enforce.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
payload=$build/payload

# The limits of the default policy that this host cannot hold, as an operator would allow them to be missing.
find_missing() {
        local layer why missing=
        for layer in memory cpu io; do
                case $layer in
                memory) why=$("$build/skep-jail" --policy "$(bare_policy)" --memory 64M -- /bin/true 2>&1) ;;
                cpu) why=$("$build/skep-jail" --policy "$(bare_policy)" --cpu 1 -- /bin/true 2>&1) ;;
                io) why=$("$build/skep-jail" --policy "$(io_policy)" -- /bin/true 2>&1) ;;
                esac
                case $why in *"cannot enforce \"$layer\""*) missing=${missing:+$missing,}$layer ;; esac
        done
        echo "$missing"
}

# Policies without limits, so that one can be asked for alone.
bare_policy() {
        write_policy bare '{"filesystem": {"execute": ["/usr", "/input"]}, "syscalls": {"allow": ["@default", "@basic-io", "@file-system", "@process", "@signal"]}}'
}
io_policy() {
        write_policy io '{"filesystem": {"execute": ["/usr"]}, "syscalls": {"allow": ["@default", "@basic-io", "@file-system", "@process", "@signal"]}, "limits": {"io": {"read": "50M"}}}'
}
write_policy() {
        local file=$BATS_FILE_TMPDIR/$1.json
        [ -e "$file" ] || printf '%s\n' "$2" > "$file"
        echo "$file"
}

# Reads a key of a JSON file or of standard input: json_get KEY[.KEY]... [FILE]
json_get() {
        python3 -c '
import json, sys
value = json.load(open(sys.argv[2]) if len(sys.argv) > 2 else sys.stdin)
for key in sys.argv[1].split("."):
    value = value[key]
print(value if isinstance(value, str) else json.dumps(value))
' "$@"
}

# What must be the same before and after: processes of ours, cgroups, mounts, files of /run but the one that ids are locked by.
# Those of other builds, or of an installed Skep, are not ours.
leftovers() {
        local pid exe group others=
        for pid in $(pgrep 'skep-|skepd'); do
                exe=$(readlink "/proc/$pid/exe") || continue
                case $exe in
                "$build"/*) ps -o pid=,args= -p "$pid" ;;
                ?*) others=yes ;;
                esac
        done
        for group in $(find /sys/fs/cgroup -maxdepth 4 -type d -name 'skep-[0-9]*' 2>/dev/null); do
                pid=${group##*/skep-}
                pid=${pid%%-*}
                # Somebody else's, where it cannot be read.
                exe=$(readlink "/proc/$pid/exe") || { [ -d "/proc/$pid" ] && continue; exe=$build/gone; }
                case $exe in "$build"/*) echo "$group" ;; esac
        done
        # At the places of a jail, or over the root: what else is mounted meanwhile is none of ours.
        awk '$5 ~ "^/(work|tmp|output|input|usr|etc|dev|proc|dev/shm)?$" { n++ } END { print n }' /proc/self/mountinfo
        [ -n "$others" ] || [ "$(id -u)" -ne 0 ] || ls /run/skep 2>/dev/null | grep -vx jail-ids || true
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# For all bats files: where the build is, and what this host cannot enforce.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
payload=$build/payload

# What this host cannot hold, as an operator would allow it to be missing: it is said, all of it, when everything is asked
# for.
find_missing() {
        local why
        why=$("$build/skep-jail" --policy "$(io_policy)" --memory 64M --cpu 1 --cpu-time 10s -- /bin/true 2>&1)
        case $why in *--allow-missing=*) echo "${why##*--allow-missing=}" ;; esac
}

# Whose memory is not that of the program alone.
sanitized() {
        grep -q __asan_init "$build/skepd"
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

# Reads a key of a JSON file or of standard input: json_get KEY[.KEY]... [FILE]. A string is printed as it is, anything
# else as JSON. It is asked for all the time, and sqlite3 starts in a tenth of the time that Python takes.
json_get() {
        local text part path=\$ value
        if [ $# -gt 1 ]; then text=$(< "$2"); else text=$(cat); fi
        for part in ${1//./ }; do path+=".\"$part\""; done
        value=$(sqlite3 :memory: <<< "select json_type(j, p) || ':' || case json_type(j, p) when 'text' then j ->> p else j -> p end
                from (select '${text//\'/\'\'}' as j, '$path' as p)")
        case $value in
        '') echo "there is no $1 in $text" >&2 && return 1 ;;
        array:\[?*\] | object:{?*}) python3 -c 'import json, sys; print(json.dumps(json.loads(sys.argv[1])))' "${value#*:}" ;;
        *) echo "${value#*:}" ;;
        esac
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

# What ends by itself has some time for it. BEFORE is what leftovers() said before; what was there then may have gone.
nothing_is_left() {
        local i new
        for i in $(seq 100); do
                new=$(comm -13 <(sort <<< "$BEFORE") <(leftovers | sort))
                [ -n "$new" ] || return 0
                sleep 0.1
        done
        echo "left: $new"
        return 1
}

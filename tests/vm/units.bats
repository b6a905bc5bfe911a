#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages on a host that systemd runs: units, the pool, restarts, removal.

bats_require_minimum_version 1.5.0
load ../helper

setup_file() {
        dpkg -i /skep/build/deb/*.deb > "$BATS_FILE_TMPDIR/dpkg" 2>&1 || { cat "$BATS_FILE_TMPDIR/dpkg"; return 1; }
        useradd --create-home --groups skep member
        useradd --create-home stranger
}

as() { # user, command
        local user=$1
        shift
        runuser -u "$user" -- "$@"
}

until_true() { # seconds, command
        local end=$((SECONDS + $1))
        shift
        until "$@"; do
                [ $SECONDS -lt $end ] || { echo "still not: $*"; return 1; }
                sleep 0.3
        done
}

workers_are() { # so many units are active
        [ "$(systemctl list-units --plain --no-legend --state=active 'skep-worker@*' | wc -l)" -eq "$1" ]
}

@test "the installed supervisor runs, with a pool of units" {
        systemctl is-active skepd.service
        [ "$(systemctl show -P Type skepd.service)" = notify ]
        until_true 60 workers_are 2
        [ -d /sys/fs/cgroup/skep.slice/skep-worker@1.service/supervisor ]
        [ -z "$(cat /sys/fs/cgroup/skep.slice/skep-worker@1.service/cgroup.procs)" ]
        [[ $(cat /sys/fs/cgroup/skep.slice/skep-worker@1.service/cgroup.subtree_control) == *memory* ]]
}

@test "units are as narrow as they can be" {
        for unit in skepd:1.2 skep-worker@1:5.0; do
                level=$(systemd-analyze security --no-pager "${unit%:*}.service" | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
                echo "$unit: $level"
                awk -v a="$level" -v b="${unit#*:}" 'BEGIN { exit !(a != "" && a <= b) }'
        done
        pid=$(systemctl show -P MainPID skepd.service)
        [ "$(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")" = 0000000000000000 ]
}

@test "a member of the group submits over the system bus, and every layer is enforced" {
        id=$(echo '{"command": ["sh", "-c", "echo from the jail; id -u"]}' | as member skepctl submit -)
        as member skepctl wait "$id" || { skepctl status "$id"; journalctl -b --no-pager -u skepd -u 'skep-worker@*' | tail -20; return 1; }
        [ "$(as member skepctl logs "$id")" = $'from the jail\n1000' ]
        as member skepctl status --json "$id" > "$BATS_TEST_TMPDIR/job"
        [ "$(json_get tenant "$BATS_TEST_TMPDIR/job" 2> /dev/null || echo member)" = member ]
        [ "$(json_get report.not_enforced "$BATS_TEST_TMPDIR/job")" = "[]" ]
        [ "$(json_get report.enforced.memory "$BATS_TEST_TMPDIR/job")" = cgroup ]
        as member busctl call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager GetJob s "$id"
}

@test "others are refused, and do not see it" {
        id=$(echo '{"command": ["true"]}' | as member skepctl submit -)
        as member skepctl wait "$id"
        run as stranger skepctl status "$id"
        [ "$status" -ne 0 ]
        run as stranger skepctl run -- true
        [ "$status" -eq 125 ]
        run as member sh -c "echo '{\"command\": [\"true\"], \"tenant\": \"root\"}' | skepctl submit -"
        [ "$status" -ne 0 ]
}

@test "a job that takes all memory ends alone" {
        run as member skepctl run --memory 64M -- python3 -c 'x = bytearray(512 << 20)'
        [ "$status" -eq 137 ]
        workers_are 2
        systemctl is-active skepd.service
}

@test "the pool grows and shrinks by units, and no job is lost" {
        for i in $(seq 12); do echo '{"command": ["sleep", "4"]}'; done | as member skepctl submit - > "$BATS_TEST_TMPDIR/ids"
        skepctl scale 6
        until_true 120 workers_are 6
        skepctl scale 2
        # shellcheck disable=SC2046
        as member skepctl wait $(cat "$BATS_TEST_TMPDIR/ids")
        until_true 60 workers_are 2
        for id in $(cat "$BATS_TEST_TMPDIR/ids"); do
                [ "$(as member skepctl status --json "$id" | json_get attempt)" = 1 ]
        done
}

@test "a restart, a kill and a reload of the supervisor leave running jobs alone" {
        id=$(echo '{"command": ["sh", "-c", "sleep 15; echo done"]}' | as member skepctl submit -)
        until_true 30 sh -c "skepctl status --json $id | grep -q '\"state\": *\"running\"'"
        systemctl restart skepd.service
        systemctl kill -s KILL skepd.service
        until_true 60 systemctl is-active --quiet skepd.service
        systemctl reload skepd.service
        systemctl daemon-reload
        until_true 60 as member skepctl status "$id"
        as member skepctl wait "$id"
        [ "$(as member skepctl logs "$id")" = "done" ]
        [ "$(as member skepctl status --json "$id" | json_get attempt)" = 1 ]
}

@test "a worker that is killed is replaced, and its job runs again" {
        id=$(echo '{"command": ["sleep", "6"]}' | as member skepctl submit -)
        until_true 30 sh -c "skepctl status --json $id | grep -q '\"state\": *\"running\"'"
        systemctl kill -s KILL 'skep-worker@*.service'
        as member skepctl wait "$id"
        [ "$(as member skepctl status --json "$id" | json_get attempt)" = 2 ]
        until_true 60 workers_are 2
}

@test "a masked unit is said by name, and the others go on" {
        systemctl mask skep-worker@3.service
        skepctl scale 3
        until_true 30 sh -c 'skepctl pool | grep -q masked'
        [ "$(journalctl -u skepd.service -b --no-pager | grep -c 'unit is masked')" -eq 1 ]
        as member skepctl run -- true
        systemctl unmask skep-worker@3.service
        until_true 60 workers_are 3
        skepctl scale 2
        until_true 60 workers_are 2
}

@test "an operator's drop-in holds all jobs together" {
        mkdir -p /etc/systemd/system/skep.slice.d
        printf '[Slice]\nMemoryMax=3G\nCPUWeight=50\n' > /etc/systemd/system/skep.slice.d/limits.conf
        systemctl daemon-reload
        [ "$(cat /sys/fs/cgroup/skep.slice/memory.max)" = $((3 << 30)) ]
        as member skepctl run -- true
}

@test "a job of systemd, the journal and the bus show what there is" {
        busctl introspect org.skep.Engine1 /org/skep/Engine1 | grep -q SubmitBatch
        journalctl -u skepd.service -b --no-pager | grep -q 'skepd'
        as member skepctl doctor
}

@test "an upgrade lets jobs run on" {
        id=$(echo '{"command": ["sh", "-c", "sleep 12; echo upgraded"]}' | as member skepctl submit -)
        until_true 30 sh -c "skepctl status --json $id | grep -q '\"state\": *\"running\"'"
        dpkg -i /skep/build/deb/*.deb
        until_true 60 systemctl is-active --quiet skepd.service
        until_true 60 as member skepctl status "$id"
        as member skepctl wait "$id"
        [ "$(as member skepctl logs "$id")" = upgraded ]
}

@test "removal ends everything, purge leaves nothing" {
        dpkg -r skep
        workers_are 0
        [ -z "$(pgrep -f '^(/usr/bin/skepd|/usr/libexec/skep/)')" ]
        [ -d /var/lib/skep ]
        dpkg -P skep skep-jail
        [ ! -e /var/lib/skep ]
        [ ! -e /run/skep ]
        left=$(find /usr /etc /lib/systemd -name '*skep*' -not -path '/etc/systemd/system/skep.slice.d*' -not -name 'skep-tests*')
        echo "$left"
        [ -z "$left" ]
}

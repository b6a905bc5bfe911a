#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages on a host that systemd runs: the way to a first job, who may do what, units, restarts, an upgrade.

bats_require_minimum_version 1.5.0
load ../helper
load installed

setup_file() {
        install_packages
}

@test "four lines after the packages a job of an ordinary user has run" {
        [ "$(dpkg-query -W -f '${db:Status-Status} ' skep skep-jail)" = "installed installed " ]
        useradd --create-home somebody
        usermod -a -G skep somebody
        systemctl start skepd
        [ "$(runuser -u somebody -- skepctl run -- python3 -c 'print(6 * 7)')" = 42 ]
}

@test "the test that the package brings along (autopkgtest) passes" {
        sh /skep/first-job 2> "$BATS_TEST_TMPDIR/err"
        [ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "the installed supervisor runs, with a pool of units" {
        systemctl is-active skepd.service
        systemctl is-enabled skepd.service skepd.socket
        [ "$(systemctl show -P Type skepd.service)" = notify ]
        [[ $(systemctl show -P StatusText skepd.service) == *workers* ]]
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
        [ "$(json_get tenant "$BATS_TEST_TMPDIR/job")" = member ]
        [ "$(json_get report.not_enforced "$BATS_TEST_TMPDIR/job")" = "[]" ]
        [ "$(json_get report.enforced.memory "$BATS_TEST_TMPDIR/job")" = cgroup ]
}

@test "files go in and come out, and a policy may have a root of its own" {
        cd ~member
        echo in > given
        as member skepctl run --input given=given --output ~member/results -- sh -c 'cp /input/given /output/taken; echo more > /output/more'
        [ "$(cat results/taken results/more)" = $'in\nmore' ]
        mkdir -p /srv/root/{bin,usr} /etc/skep/policies
        cp "$payload" /srv/root/bin/payload
        echo '{"extends": "python", "filesystem": {"root": "/srv/root"}}' > /etc/skep/policies/rooted.json
        skepctl reload
        as member skepctl run --policy rooted -- /bin/payload true
        rm -r /srv/root /etc/skep
        skepctl reload
}

@test "busctl does for a member what skepctl does" {
        manager=(org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager)
        said=$(as member busctl call "${manager[@]}" Submit 'sa(sh)' '{"command": ["echo", "by busctl"]}' 0)
        id=$(sed -n 's/^so "\([^"]*\)" "\/org.*/\1/p' <<< "$said")
        as member skepctl wait "$id"
        [ "$(as member skepctl logs "$id")" = "by busctl" ]
        as member busctl call "${manager[@]}" GetJob s "$id"
}

@test "nobody acts for another's tenant, or sees his jobs" {
        id=$(echo '{"command": ["true"]}' | as member skepctl submit -)
        as member skepctl wait "$id"
        for user in other stranger; do
                run as $user skepctl status "$id"
                [ "$status" -ne 0 ]
                run as $user skepctl logs "$id"
                [ "$status" -ne 0 ]
        done
        run as stranger skepctl run -- true
        [ "$status" -eq 125 ]
        run as other sh -c "echo '{\"command\": [\"true\"], \"tenant\": \"member\"}' | skepctl submit -"
        echo "$output"
        [ "$status" -ne 0 ]
        run as other busctl call org.skep.Engine1 /org/skep/Engine1 org.skep.Engine1.Manager \
                Submit 'sa(sh)' '{"command": ["true"], "tenant": "member"}' 0
        echo "$output"
        [ "$status" -ne 0 ]
        run as member skepctl scale 3
        [ "$status" -ne 0 ]
}

@test "a restart, a kill and a reload of the supervisor leave running jobs alone" {
        id=$(echo '{"command": ["sh", "-c", "sleep 12; echo done"]}' | as member skepctl submit -)
        until_true 30 job_is "$id" running
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
        id=$(echo '{"command": ["sleep", "3"]}' | as member skepctl submit -)
        until_true 30 job_is "$id" running
        systemctl kill -s KILL 'skep-worker@*.service'
        as member skepctl wait "$id"
        [ "$(as member skepctl status --json "$id" | json_get attempt)" = 2 ]
        until_true 60 workers_are 2
}

@test "an operator's drop-in holds all jobs together" {
        mkdir -p /etc/systemd/system/skep.slice.d
        printf '[Slice]\nMemoryMax=3G\nCPUWeight=50\n' > /etc/systemd/system/skep.slice.d/limits.conf
        systemctl daemon-reload
        [ "$(cat /sys/fs/cgroup/skep.slice/memory.max)" = $((3 << 30)) ]
        as member skepctl run -- true
        rm -r /etc/systemd/system/skep.slice.d
        systemctl daemon-reload
}

@test "the journal, the bus and doctor show what there is" {
        busctl introspect org.skep.Engine1 /org/skep/Engine1 | grep -q SubmitBatch
        journalctl -u skepd.service -b --no-pager | grep -q 'skepd'
        as member skepctl doctor
}

@test "an upgrade lets jobs run on" {
        id=$(echo '{"command": ["sh", "-c", "sleep 12; echo upgraded"]}' | as member skepctl submit -)
        until_true 30 job_is "$id" running
        before=$(systemctl show -P MainPID skepd.service)
        dpkg -i /skep/build/deb/*.deb
        until_true 60 systemctl is-active --quiet skepd.service
        [ "$(systemctl show -P MainPID skepd.service)" != "$before" ]
        until_true 60 as member skepctl status "$id"
        as member skepctl wait "$id"
        [ "$(as member skepctl logs "$id")" = upgraded ]
        [ "$(as member skepctl status --json "$id" | json_get attempt)" = 1 ]
}

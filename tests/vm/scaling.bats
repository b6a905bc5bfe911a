#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The scaler and units: the pool grows before the load comes.

bats_require_minimum_version 1.5.0
load ../helper
load installed

setup_file() {
        install_packages
        mkdir -p /etc/skep/skepd.json.d
        echo '{"pool": {"memory": "100G", "cpu_overcommit": 100}, "workers": {"maximum": 20}}' > /etc/skep/skepd.json.d/scaling.json
}

teardown_file() {
        rm -r /etc/skep/skepd.json.d
        rmdir --ignore-fail-on-non-empty /etc/skep
        systemctl restart skepd.service
        skepctl scale 2
}

# Eight hours in which a job came now and then, and for ten minutes of each forty, which come again within a minute, four a second.
remember_hours() {
        local now=$(($(date +%s) / 60 * 60))
        sqlite3 "$1" "DELETE FROM learnt; DELETE FROM load;
                WITH RECURSIVE minutes (at) AS (VALUES ($now - 8 * 3600) UNION ALL SELECT at + 60 FROM minutes WHERE at + 60 < $now),
                counted AS (SELECT at, CASE WHEN (at - $now - 60 + 96000) % 2400 < 600 THEN 240 ELSE 2 END AS n FROM minutes)
                INSERT INTO load SELECT 60, at, 1, 0, n, n, n * 20000000, 0, 0, 0 FROM counted"
}

has_learnt() {
        [ "$(sqlite3 -readonly /var/lib/skep/jobs.db 'SELECT count(*) FROM learnt')" -eq 1 ]
}

workers_are_more_than() {
        [ "$(systemctl list-units --plain --no-legend --state=active 'skep-worker@*' | wc -l)" -gt "$1" ]
}

@test "a load that is replayed has units started before its burst, and the forecast says why" {
        start=$(date +%s)
        systemctl stop skepd.service skepd.socket
        remember_hours /var/lib/skep/jobs.db
        systemctl start skepd.socket skepd.service
        until_true 60 workers_are 2
        until_true 120 has_learnt
        skepctl scale predictive # decides at once; else it is done within a minute
        until_true 150 workers_are_more_than 2 || { skepctl forecast; skepctl pool; journalctl -u skepd.service -n 30 --no-pager; return 1; }
        skepctl forecast > "$BATS_TEST_TMPDIR/text"
        cat "$BATS_TEST_TMPDIR/text"
        # With no load at all it grows by what is foreseen alone.
        grep -qE '^The last decision: The load is 0.0 workers; in .* are wanted: ([3-9]|[1-9][0-9])' "$BATS_TEST_TMPDIR/text"
        journalctl --since "@$start" -u skepd.service --no-pager | grep -q 'The load is 0.0 workers; .* are wanted: 3'
}

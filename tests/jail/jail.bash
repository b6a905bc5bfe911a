# SPDX-License-Identifier: LGPL-2.1-or-later
# skep-jail in a directory for each test, and its report.

setup_file() {
        export MISSING=$(find_missing)
        export BEFORE=$(leftovers)
}

setup() {
        cd "$BATS_TEST_TMPDIR"
        report=$BATS_TEST_TMPDIR/report.json
}

# An ordinary user runs these, too, who may have no cgroup.
needs_root() {
        [ "$(id -u)" -eq 0 ] || skip "for root"
}
needs_cgroup() {
        [[ ,$MISSING, != *,cgroup,* ]] || skip "there is no cgroup for jails here"
}

# Runs in a jail, with the payload at /input/payload.
jail() {
        "$build/skep-jail" --allow-missing="$MISSING" --report "$report" --input payload="$payload" "$@"
}

reason() {
        json_get reason "$report"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever dies, and whatever clients do meanwhile, each job ends once, as it must. CHAOS_JOBS=2000 takes some minutes; CHAOS_SEED=N
# draws the same jobs again.

bats_require_minimum_version 1.5.0
load ../helper

@test "each job is accounted for when supervisors and workers die at random" {
        BEFORE=$(leftovers)
        timeout 1500 python3 "$BATS_TEST_DIRNAME/chaos.py" "$build" "$BATS_TEST_TMPDIR/state" "$BATS_TEST_TMPDIR/s" \
                "$(find_missing)" "${CHAOS_JOBS:-100}" ${CHAOS_SEED:-} 3>&-
        for i in $(seq 50); do
                [ "$(leftovers)" = "$BEFORE" ] && break
                sleep 0.1
        done
        nothing_is_left
}

#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The benchmark of the jail, a few runs of each part: that it measures, not what.

bats_require_minimum_version 1.5.0
load ../helper

@test "the benchmark runs to its end, and prints the tables and targets" {
        [ -x "$build/bench-jail" ] || skip "the benchmark is not built here"
        cd "$top"
        run "$build/bench-jail" 2 3 "$build/bench-nothing" "$BATS_TEST_TMPDIR"
        echo "$output"
        [ "$status" -eq 0 ]
        # Peers may not be here, or not work here.
        for line in 'skep-jail --policy strict .* 2 ' 'the library, one jail after another .* 2 ' 'the floor .* 2 ' \
                'in a jail that was there before .* 2 ' 'the policy as it was kept .* 2 ' 'root: the launcher.s part: tmpfs and skeleton ' \
                'two at a time, runs per second: the library [1-9]' \
                'skep-jail --policy strict +[1-9][0-9]* +[1-9]' 'under load, 3 runs' 'median, the library / the floor .* at most +1.30'; do
                [[ $output =~ $line ]]
        done
}

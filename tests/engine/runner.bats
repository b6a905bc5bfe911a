#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The runner of the machines for tests (tests/vm/bats.bash): its verdicts are those of bats itself.

bats_require_minimum_version 1.5.0

# Without what the bats around it has in the environment.
runner() {
        env -i PATH=/usr/bin:/bin "$BATS_TEST_DIRNAME/../vm/bats.bash" "$@"
}

@test "a test passes, fails and is skipped as with bats" {
        env -i PATH=/usr/bin:/bin bats --version || skip "there is no bats to compare with"
        cd "$BATS_TEST_TMPDIR"
        sed 's/^TEST/@test/' > sample.bats <<'END'
setup_file() { export UP=yes; }
teardown() { echo down; }
broken() {
  false
  true
}
TEST "passes" { [ "$UP" = yes ]; run sh -c 'echo a; echo; echo b; exit 3'; [ "$status" -eq 3 ]; [ "${lines[1]}" = b ]; }
TEST "a function fails" {
  broken
}
TEST "a substitution fails" {
  x=$(false)
}
TEST "what fails in a substitution and is not its end does no harm" { [ "$(false; echo said)" = said ]; }
TEST "a double bracket fails" { [[ a == b ]]; echo on; }
TEST "the condition of an if does no harm" { if false; then :; fi; false || true; ! false; }
TEST "there is no such command" { nosuchcommand; }
TEST "is skipped" { skip "for a reason"; }
TEST "exits" { exit 1; }
TEST "the last command fails" { true; false; }
END
        env -i PATH=/usr/bin:/bin bats --formatter tap sample.bats | grep -oE '^(not )?ok [0-9]+' > expected || true
        runner . sample.bats > said || true
        grep -oE '^(not )?ok [0-9]+' said > verdicts
        cat said
        diff expected verdicts
        [ "$(grep -c '^not ok' verdicts)" -eq 6 ]
        grep -q '^ok 8 is skipped # skip for a reason' said
        grep -q 'sample.bats line 4: false' said
        [ "$(runner '^exits$' sample.bats | head -2 | tr '\n' ' ' | cut -c1-20)" = "1..1 not ok 1 exits " ]
}

@test "where nothing can be set up, nothing passes" {
        cd "$BATS_TEST_TMPDIR"
        printf 'setup_file() { false; }\n%s "one" { true; }\n' @test > sample.bats
        run runner . sample.bats
        [[ $output == *"not ok 1 setup_file"* ]]
        [[ $output != *$'\nok '* ]]
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# An engine that all tests of a file share.

load engine

setup_file() {
        place_engine "$BATS_FILE_TMPDIR"
        start_engine
}

teardown_file() {
        stop_engine
}

setup() {
        cd "$BATS_TEST_TMPDIR"
}

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# CPython's own tests, from Debian's packages, in jails under the policies that are meant for Python: one jail for each
# of its test modules. About ten minutes. PYTHON_TESTS="test_json …" and PYTHON_POLICIES="python" run fewer.
set -eu
cd "$(dirname "$0")/.."
place=build/python
mkdir -p $place
export DEBIAN_FRONTEND=noninteractive

tests=${PYTHON_TESTS:-test_json test_sqlite3 test_hashlib test_threading test_threading_local test_subprocess
        test_multiprocessing_fork test_multiprocessing_forkserver test_multiprocessing_spawn
        test_multiprocessing_main_handling}
policies=${PYTHON_POLICIES:-python agent}

if ! [ -d /usr/lib/python3.11/test/test_json ]; then
        echo "Installing with apt-get: libpython3.11-testsuite"
        apt-get update -q > /dev/null
        apt-get install -y -q --no-install-recommends libpython3.11-testsuite > /dev/null
fi

# The package lacks the tests of sqlite3: they are in the source that it was made of.
if ! [ -d $place/suite/test_sqlite3 ]; then
        echo "Fetching the tests of sqlite3 from the source of python3.11 (26 MB, once)."
        fetch=$(mktemp -d)
        mkdir "$fetch/lists"
        echo "deb-src http://deb.debian.org/debian bookworm main" > "$fetch/sources.list"
        options=(-q -o Dir::Etc::SourceList="$fetch/sources.list" -o Dir::Etc::SourceParts=/dev/null
                -o Dir::State::Lists="$fetch/lists" -o APT::Sandbox::User=root)
        apt-get "${options[@]}" update > /dev/null
        (cd "$fetch" && apt-get "${options[@]}" source --download-only --tar-only python3.11 > /dev/null)
        mkdir -p $place/suite
        tar -xzf "$fetch"/python3.11_*.orig.tar.gz -C $place/suite --strip-components=3 --wildcards '*/Lib/test/test_sqlite3'
        rm -rf "$fetch"
fi

export BATS_FILE_TMPDIR
BATS_FILE_TMPDIR=$(mktemp -d)
trap 'rm -rf "$BATS_FILE_TMPDIR"' EXIT
. tests/helper.bash
MISSING=$(find_missing)
export MISSING

# policy, module: prints one line of TAP, without a number
run_one() {
        local log=build/python/$1-$2.log command=(python3.11 -m test -W "$2")
        if [ "$2" = test_sqlite3 ]; then
                command=(python3.11 -c 'import os, sys, test, unittest
test.__path__.append("/input/suite")
names = ["test.test_sqlite3." + f[:-3] for f in os.listdir("/input/suite/test_sqlite3") if f.startswith("test_")]
sys.exit(not unittest.main(None, argv=["sqlite3", *sorted(names)], exit=False).result.wasSuccessful())')
        fi
        if build/skep-jail --policy "$1" --allow-missing="$MISSING" --wall 30min --input suite/=build/python/suite \
                -- "${command[@]}" < /dev/null > "$log" 2>&1; then
                echo "ok $2 under $1"
        else
                echo "not ok $2 under $1"
                grep -E '^(ERROR|FAIL|[A-Za-z]*Error|skep-jail):' "$log" | sort | uniq -c | sort -rn | head -20 | sed 's/^/#  /'
        fi
}
export -f run_one

for policy in $policies; do
        for test in $tests; do
                echo "$policy $test"
        done
done | xargs -P "$(nproc)" -L 1 bash -c 'run_one "$@"' run_one | tee $place/results

passed=$(grep -c '^ok ' $place/results || true)
failed=$(grep -c '^not ok ' $place/results || true)
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

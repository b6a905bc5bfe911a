#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds all packages twice, from other directories and at other times, and looks at them: as TAP, and the last line says
# "N passed, N failed, N skipped". What "make deb" or "make rpm" has left from this very tree is the first of the two.
set -u
cd "$(dirname "$0")/.." || exit
version=$1
again=build/packages-again
passed=0 failed=0 skipped=0

verdict() { # name, what was found: nothing, if all is well
        if [ -z "$2" ]; then
                passed=$((passed + 1))
                echo "ok $((passed + failed + skipped)) $1"
        else
                failed=$((failed + 1))
                echo "not ok $((passed + failed + skipped)) $1"
                printf '%s\n' "$2" | sed 's/^/#   /'
        fi
}

skip() { # name, why
        skipped=$((skipped + 1))
        echo "ok $((passed + failed + skipped)) $1 # skip $2"
}

build() { # deb or rpm: once in its own place, if it is not there from this tree, and once more elsewhere
        packaging/once.sh "$1" "$version" > build/$1.out || cat build/$1.out
        "packaging/$1/build.sh" "$version" "$again/at-another-place/$1" > /dev/null
}

differ() { # deb or rpm
        ls build/$1/*.$1 > /dev/null || echo "there is no package"
        for package in build/$1/*.$1; do
                cmp "$package" "$again/at-another-place/$1/$(basename "$package")" 2>&1
        done
}

# Without what each format has for itself: documentation, licence, change log, links by build id.
files_of() { grep -vE '/(doc|licenses|lintian|\.build-id)(/|$)' | sed 's/\.gz$//; s,^\./,/,; s,^/lib/,/usr/lib/,' | sort; }
deb_files() { dpkg-deb -c "build/deb/$1_$version-1_"*.deb | awk '!/^d/ { print $6 }' | files_of; }
rpm_files() { rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "build/rpm/$1-$version-1."[!s]*.rpm 2> /dev/null | awk '!/^d/ { print $2 }' | files_of; }

CC=${CC:-cc} packaging/deps.sh
packaging/install.sh lintian rpm rpmlint file apparmor dpkg-dev
mkdir -p build

for format in deb rpm; do
        build $format
        verdict "what make $format builds twice is the same" "$(differ $format)"
done

verdict "lintian has nothing to say" "$(lintian --allow-root --fail-on error,warning --tag-display-limit 0 build/deb/*.changes 2>&1)"
verdict "rpmlint has nothing to say" \
        "$(rpmlint --config packaging/rpm/rpmlint.toml packaging/rpm/skep.spec build/rpm/*.rpm 2>&1 | grep -E ': [EW]: |Traceback')"
for package in skep skep-jail; do
        deb_files $package > build/deb/files
        verdict "$package has the same files as .deb and as .rpm" "$(rpm_files $package | diff build/deb/files - 2>&1)"
done
verdict "the scripts of the packages are scripts" \
        "$(for package in build/deb/skep_*.deb build/deb/skep-jail_*.deb; do
                for script in preinst postinst prerm postrm; do
                        dpkg-deb -I "$package" $script 2> /dev/null | sh -n 2>&1
                done
        done
        rpm -qp --scripts build/rpm/*.rpm 2> /dev/null | sed '/scriptlet (using/d' | sh -n 2>&1)"
# Each test that is named is there, and may be run.
verdict "the tests of the installed package are well-formed" \
        "$(sed -n 's/^Tests: *//p' packaging/deb/tests/control | tr ', ' '\n' | while read -r test; do
                [ -z "$test" ] || sh -n "packaging/deb/tests/$test" 2>&1
                [ -z "$test" ] || [ -x "packaging/deb/tests/$test" ] || echo "$test cannot be executed"
        done
        grep -qx 'Restrictions: isolation-machine, needs-root' packaging/deb/tests/control || echo 'its restrictions are gone')"

# An older AppArmor does not know "userns", nor the interface that has it: then the rest is looked at.
profile=packaging/apparmor/skep-jail
if ! command -v apparmor_parser > /dev/null; then
        skip "the AppArmor profile can be read" "no apparmor_parser here"
elif [ -e /etc/apparmor.d/abi/4.0 ]; then
        verdict "the AppArmor profile can be read" "$(apparmor_parser --skip-kernel-load --skip-cache $profile 2>&1)"
else
        sed '/^abi /d; /^  userns,$/d' $profile > build/apparmor-profile
        verdict "the AppArmor profile can be read, but for its userns, which this AppArmor does not know" \
                "$(apparmor_parser --skip-kernel-load --skip-cache build/apparmor-profile 2>&1 | grep -v '^Cache read/write disabled';
                [ "$(diff $profile build/apparmor-profile | grep -c '^<')" -eq 3 ] || echo 'it has not one abi and two userns')"
fi

rm -rf $again
echo "1..$((passed + failed + skipped))"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the Debian packages from what git knows of the tree, into build/deb: build.sh VERSION
set -eu
cd "$(dirname "$0")/../.."
version=$1
place=$PWD/build/deb

missing=
for package in debhelper dpkg-dev fakeroot; do
        dpkg-query -W -f '${db:Status-Status}\n' $package 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -n "$missing" ]; then
        echo "Installing with apt-get:$missing"
        apt-get update -q > /dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing > /dev/null
fi

rm -rf "$place"
mkdir -p "$place/skep-$version"
git ls-files -z | xargs -0 tar -cf - | tar -C "$place/skep-$version" -xf -
cd "$place/skep-$version"
cp -r packaging/deb debian
rm debian/build.sh
# The same bytes each time: times are the changelog's, and paths of the build stay out.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -S Timestamp)
export SOURCE_DATE_EPOCH
dpkg-buildpackage -b -us -uc > ../log 2>&1 || {
        tail -40 ../log
        exit 1
}
cd ..
rm -rf "skep-$version"
ls -- *.deb

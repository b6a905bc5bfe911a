#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the Debian packages from what git knows of the tree: build.sh VERSION [PLACE], which is build/deb. The same tree
# gives the same bytes.
set -eu
cd "$(dirname "$0")/../.."
version=$1
mkdir -p "${2:-build/deb}"
place=$(cd "${2:-build/deb}" && pwd)

packaging/install.sh debhelper dh-apparmor dpkg-dev fakeroot
rm -rf "${place:?}"/*
tree=$(packaging/tree.sh tree 0 | sha256sum)
# Times are the changelog's, and paths of the build stay out.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l packaging/deb/changelog -S Timestamp)
export SOURCE_DATE_EPOCH
packaging/tree.sh "skep-$version" "$SOURCE_DATE_EPOCH" | tar -C "$place" -xf -
cd "$place/skep-$version"
cp -r packaging/deb debian
rm debian/build.sh
dpkg-buildpackage -b -us -uc > ../log 2>&1 || {
        tail -40 ../log
        exit 1
}
cd ..
rm -rf "skep-$version"
echo "$tree" > tree
ls -- *.deb

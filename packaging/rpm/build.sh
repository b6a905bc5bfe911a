#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the source package and the binary ones from what git knows of the tree: build.sh VERSION [PLACE], which is
# build/rpm. The same tree gives the same bytes.
set -eu
cd "$(dirname "$0")/../.."
version=$1
mkdir -p "${2:-build/rpm}"
place=$(cd "${2:-build/rpm}" && pwd)

# On Debian there are neither systemd's macros nor packages that rpm would know of as installed.
if command -v apt-get > /dev/null; then
        packaging/install.sh rpm
        deps=--nodeps
        set -- --load "$PWD/packaging/rpm/macros.debian"
else
        deps=
        set --
fi

rm -rf "${place:?}"/*
tree=$(packaging/tree.sh tree 0 | sha256sum)
mkdir -p "$place/SOURCES"
# Times are the changelog's, as in the spec.
epoch=$(date -u +%s -d "$(sed -n '/^%changelog/,$s/^\* \([A-Z][a-z]* [A-Z][a-z]* [0-9]* [0-9]*\) .*/\1/p' packaging/rpm/skep.spec | head -1) 12:00")
export SOURCE_DATE_EPOCH="$epoch"
packaging/tree.sh "skep-$version" "$epoch" | gzip -n > "$place/SOURCES/skep-$version.tar.gz"
cp units/skep.sysusers "$place/SOURCES/"
touch -d "@$epoch" "$place/SOURCES"/*
# Where it is built is written down in the source package: so that is always the same place.
topdir=/usr/src
set -- "$@" --define "_topdir $topdir" --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
        --define "clamp_mtime_to_source_date_epoch 1"

# A macro that is not defined stands in the package as it is, and what it was to do is not done.
unknown=$(rpmspec "$@" -P packaging/rpm/skep.spec | sed 's/%%//g' | grep -oE '%[{?]*[a-zA-Z_]+' | sort -u |
        grep -vxE '%(package|description|prep|build|install|pre|post|preun|postun|files|changelog|license|doc|dir|ghost|attr)' || :)
if [ -n "$unknown" ]; then
        echo "Macros that are not defined:" $unknown
        exit 1
fi
[ "$(id -u)" -eq 0 ] && as_root= || as_root=--map-root-user
unshare --mount $as_root sh -ec 'mount --bind "$1" "$2"; shift 2; exec "$@"' sh "$place" $topdir \
        rpmbuild $deps "$@" -ba packaging/rpm/skep.spec > "$place/log" 2>&1 || {
        tail -40 "$place/log"
        exit 1
}
mv "$place"/RPMS/*/*.rpm "$place"/SRPMS/*.rpm "$place/"
rm -rf "$place/BUILD" "$place/BUILDROOT" "$place/RPMS" "$place/SRPMS" "$place/SOURCES" "$place/SPECS"
cd "$place"
echo "$tree" > tree
ls -- *.rpm

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what building and testing need and this machine lacks, saying so.
set -eu

debian="gcc make pkg-config libc6-dev libseccomp-dev libcap-dev libjson-c-dev libsystemd-dev libsqlite3-dev libarchive-dev libzstd-dev zlib1g-dev nettle-dev check scdoc bats python3 sqlite3 dbus-daemon squashfs-tools erofs-utils"
fedora="gcc make pkgconf-pkg-config glibc-static libseccomp-devel libcap-devel json-c-devel systemd-devel sqlite-devel libarchive-devel libarchive-static libzstd-static zlib-static nettle-devel check-devel scdoc bats python3 sqlite dbus-daemon squashfs-tools erofs-utils"

missing=
if command -v apt-get >/dev/null; then
        [ "${CC:-cc}" = clang ] && debian="$debian clang libclang-rt-14-dev"
        for package in $debian; do
                dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
                        missing="$missing $package"
        done
        [ -z "$missing" ] && exit 0
        echo "Installing with apt-get:$missing"
        apt-get update -q >/dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
elif command -v dnf >/dev/null; then
        [ "${CC:-cc}" = clang ] && fedora="$fedora clang compiler-rt"
        for package in $fedora; do
                rpm -q --quiet "$package" || missing="$missing $package"
        done
        [ -z "$missing" ] && exit 0
        echo "Installing with dnf:$missing"
        # shellcheck disable=SC2086
        dnf install -y -q $missing
else
        echo "Neither apt-get nor dnf is here. Please install what these packages hold: $debian" >&2
        exit 1
fi
echo "Installed."

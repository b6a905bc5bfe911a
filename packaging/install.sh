#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs those of these Debian packages that this machine lacks, saying so: install.sh PACKAGE...
set -eu

missing=
for package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2> /dev/null | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "Installing with apt-get:$missing"
apt-get update -q > /dev/null
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing > /dev/null

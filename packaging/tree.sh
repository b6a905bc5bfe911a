#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes what git knows of the tree to standard output, as a tar archive that is the same each time: tree.sh PREFIX EPOCH
set -eu
cd "$(dirname "$0")/.."
git ls-files -z | tar --format=ustar --sort=name --mtime="@$2" --owner=0 --group=0 --numeric-owner --mode=go-w,a+rX \
        --transform="s,^,$1/," --no-recursion --null --files-from=- -cf -

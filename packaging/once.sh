#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds packages, unless they are there from this very tree: once.sh deb|rpm VERSION.
set -eu
cd "$(dirname "$0")/.."
tree=$(packaging/tree.sh tree 0 | sha256sum)
[ "$(cat "build/$1/tree" 2> /dev/null)" = "$tree" ] || "packaging/$1/build.sh" "$2"

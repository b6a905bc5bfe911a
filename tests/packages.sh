#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests use of Debian packages that they do not install: nginx, which would start a server on this machine, and
# the profiles of Docker and Podman, which hang on half of Go. Single files of theirs, kept in build/debian. Where they
# cannot be had, the tests skip.
set -eu
cd "$(dirname "$0")/.."
place=build/debian
mkdir -p $place

want() { # package, path in it, name here
        [ -e "$place/$3" ] && return
        command -v apt-get dpkg-deb > /dev/null || return 0
        fetch=$(mktemp -d)
        if (cd "$fetch" && apt-get -q -o APT::Sandbox::User=root download "$1" && dpkg-deb -x ./*.deb .) > /dev/null 2>&1 &&
                cp "$fetch/$2" "$place/$3.part"; then
                mv "$place/$3.part" "$place/$3"
        else
                echo "No $3: the package $1 cannot be fetched."
        fi
        rm -rf "$fetch"
}

want nginx usr/sbin/nginx nginx
want golang-github-containers-common usr/share/containers/seccomp.json podman.json
want golang-github-docker-docker-dev usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json docker.json

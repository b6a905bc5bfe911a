#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host whose system bus has gone. After all others: a user's systemd, which needs it to give scopes, does not come back to it.

bats_require_minimum_version 1.5.0
load ../helper
load installed

setup_file() {
        install_packages
        systemctl start skepd
        skepctl scale 2
}

pool_says() {
        skepctl pool | grep -q -- "$1"
}

worker_is_ready() {
        [ "$(skepctl pool --json | python3 -c 'import json, sys
print({w["name"]: w["state"] for w in json.load(sys.stdin)["workers"]}.get(sys.argv[1]))' "$1")" = ready ]
}

@test "without a system bus workers are started, and the private socket serves" {
        systemctl stop dbus.socket dbus.service
        systemctl restart skepd || true
        until_true 60 systemctl is-active skepd
        export SKEP_ADDRESS=unix:path=/run/skep/engine.sock
        until_true 60 pool_says "the message bus cannot be reached"
        skepctl scale 4
        until_true 60 worker_is_ready 4
        [ "$(skepctl run -- echo without a bus < /dev/null)" = "without a bus" ]
        systemctl start dbus.socket dbus.service
        until_true 60 eval '[ "$(skepctl pool --json | json_get troubles)" = "[]" ]'
        SKEP_ADDRESS= skepctl scale 2
}

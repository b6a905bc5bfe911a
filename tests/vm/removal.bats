#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# After a reboot, in which jobs were submitted and ran: all of them are there, and end. Then the packages go.

bats_require_minimum_version 1.5.0
load ../helper
load installed

# Before the reboot the list of ids was written as submissions were answered.
@test "what was acknowledged before the reboot is there, and ends" {
        [ "$(wc -l < /var/tmp/acknowledged)" -gt 3 ]
        until_true 60 skepctl status "$(head -1 /var/tmp/acknowledged)"
        skepctl wait - < /var/tmp/acknowledged
        [ "$(skepctl list --json --state succeeded | grep -cFf /var/tmp/acknowledged)" -eq "$(wc -l < /var/tmp/acknowledged)" ]
}

@test "removal ends everything, purge leaves nothing" {
        dpkg -r skep
        workers_are 0
        [ -z "$(pgrep -f '^(/usr/bin/skepd|/usr/libexec/skep/)')" ]
        [ -d /var/lib/skep ]
        dpkg -P skep skep-jail
        [ ! -e /var/lib/skep ]
        [ ! -e /run/skep ]
        left=$(find /usr /etc /lib/systemd -name '*skep*' -not -name 'skep-tests*')
        echo "$left"
        [ -z "$left" ]
}

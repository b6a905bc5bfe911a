# SPDX-License-Identifier: LGPL-2.1-or-later
# What skepctl says where something is wrong, and on a terminal.

# Ends with 125 and one sentence that has this in it.
refuse() {
        local part=$1
        shift
        run ctl "$@" </dev/null
        [ "$status" -eq 125 ] || { echo "$*: status $status: $output"; return 1; }
        [[ $output == *"$part"* ]] || { echo "$*: $output"; return 1; }
        [ "${#lines[@]}" -eq 1 ]
}

# On a terminal of its own: what would be on it, in $output.
on_terminal() { # command, as a line for sh
        run timeout 60 script -qec "$1" /dev/null </dev/null
}

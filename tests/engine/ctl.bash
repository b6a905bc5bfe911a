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

# In the place of an engine, at $PWD/stand-in: answers what the file "answers" says; see answers.py.
begin_stand_in() {
        rm -f stand-in
        python3 "$top/tests/engine/answers.py" stand-in answers 2> stand-in.log 3>&- &
        stand_in=$!
        for i in $(seq 100); do
                [ ! -S stand-in ] || break
                sleep 0.1
        done
}

end_stand_in() {
        [ -z "${stand_in:-}" ] || kill "$stand_in"
}

# On a terminal of its own, that obeys sequences: what would be on it, in $output.
on_terminal() { # command, as a line for sh
        run timeout 60 env TERM=xterm script -qec "$1" /dev/null </dev/null
}

# The same, with what is on it in the file "shown", as it comes.
on_terminal_shown() { # command
        : > shown
        run timeout 60 env TERM=xterm script -qefc "$1" shown </dev/null
}
until_shown() { # pattern
        for i in $(seq 300); do
                ! grep -aqs -- "$1" shown || return 0
                sleep 0.1
        done
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# For suites on the installed packages: users, waiting, workers.

# Without the session that runuser opens, and for which systemd starts half a dozen processes.
as() { # user, command
        local user=$1
        shift
        setpriv --reuid "$user" --regid "$user" --init-groups "$@"
}

# To ask takes an emulated machine as long as what is waited for: so ever less often.
until_true() { # seconds, command
        local end=$((SECONDS + $1)) pause
        shift
        for pause in 0.3 0.5 1 1.5 $(seq 100 | sed s/.*/2/); do
                ! "$@" || return 0
                [ $SECONDS -lt $end ] || break
                sleep "$pause"
        done
        echo "still not: $*"
        return 1
}

workers_are() { # so many units are active
        [ "$(systemctl list-units --plain --no-legend --state=active 'skep-worker@*' | wc -l)" -eq "$1" ]
}

# Until the jobs on standard input have succeeded; or says what there is.
all_succeed() {
        as member timeout 180 skepctl wait - || { skepctl pool; skepctl list; return 1; }
}

job_is() { # id, state
        [ "$(skepctl status --json "$1" | json_get state)" = "$2" ]
}

# Those that the suites before may have installed already.
install_packages() {
        dpkg -s skep > /dev/null 2>&1 || dpkg -i /skep/build/deb/*.deb > "$BATS_FILE_TMPDIR/dpkg" 2>&1 || { cat "$BATS_FILE_TMPDIR/dpkg"; return 1; }
        for user in member other; do
                id $user > /dev/null 2>&1 || useradd --create-home --groups skep $user
        done
        id stranger > /dev/null 2>&1 || useradd --create-home stranger
}

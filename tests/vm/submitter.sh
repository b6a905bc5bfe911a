#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The only program of a machine that is about to lose its power (power.sh): an engine, and who submits jobs to it without end.
# On the console it says what the store has after the last cut, and from then on each job whose submission was answered,
# and each that was seen to have ended: what was said must be there after the next cut. With ROUND=last it lets
# all jobs end, and says what they left.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SKEP_ADDRESS=unix:path=/run/skep/engine.sock
mount -a -T /skep/tests/vm/submitter.fstab
mkdir -p /dev/shm /run/skep
ln -s /proc/self/fd /dev/fd
stty -onlcr < /dev/console
echo # what the firmware said had no end of line
ctl=/skep/build/skepctl
say() { # of each line of standard input: what, and more
        sed -u "s/.*/$1 & ${2:-} ./"
}
states() {
        $ctl list --json | sed -u 's/.*"id": *"\([^"]*\)".*"state": *"\([^"]*\)".*/\1 \2/'
}

exec 3< <(exec /skep/build/skepd --embedded --state /mnt/state --socket /run/skep/engine.sock --workers 1)
read -r _ <&3
states | say has
echo "ready ."

if [ "$ROUND" = last ]; then
        $ctl list --ids > /tmp/ids
        $ctl wait - < /tmp/ids
        states | say has
        cd /mnt/state/jobs && sha256sum ./*/*/stdout | sed 's,\(.*\)  \./\(.*\)/\(.*\)/stdout,left \2 \3 \1 .,'
        echo "end ."
        sleep 600
fi

# Two at once, so that a cut meets one of them between its commit and its answer. What each will have written is said, too.
submit() { # input, number of jobs
        local sum
        sum=$(sha256sum < "$1" | cut -d' ' -f1)
        for ((i = 0; i < $2; i++)); do echo '{"command": ["cat", "/input/file"], "retry": {"attempts": 100, "on": ["lost"]}}'; done | $ctl submit --input "file=$1" - | say took "$sum"
}
while :; do submit /etc/passwd 3; done &
while :; do
        head -c 3000 /dev/urandom | base64 > /tmp/input
        submit /tmp/input 1
        states | grep succeeded | say has
done

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Twenty times the power fails in the middle of submissions: what was acknowledged is there. Prints TAP: power.sh COMMAND-LINE OPTION...,
# with the kernel's command line, and what QEMU is to run the machine by.
#
# The machine is a small one, without systemd: the kernel, an engine, and who submits to it (submitter.sh); its QEMU is killed.
# What its kernel had not written is lost with its memory. What it had written, and not flushed, would stay in our own page
# cache, which no power cut leaves; so its disk is, each time, a new layer of qcow2, of which QEMU writes down at a flush alone
# where the data lies.
set -eu
cd "$(dirname "$0")/../.."
place=$PWD/build/vm
cuts=${VM_CUTS:-20}
seed=${VM_SEED:-$RANDOM}
RANDOM=$seed
tap=0 failed=0

ok() { # what, status
        tap=$((tap + 1))
        if [ "$2" -eq 0 ]; then echo "ok $tap $1"; else
                echo "not ok $tap $1"
                failed=1
        fi
}

machine=(qemu-system-x86_64 -machine q35 -m 768M -nographic -no-reboot -nodefaults -serial stdio -kernel "$place/vmlinux" -initrd "$place/initrd"
        -drive "file=$place/disk.img,if=virtio,format=raw,snapshot=on" -drive "file=$place/project.img,if=virtio,format=raw,snapshot=on")

boot() { # what to append
        : > "$place/power/console"
        "${machine[@]}" "${emulated[@]}" -drive "file=$place/power/disk.qcow2,if=virtio,format=qcow2,cache=writeback" \
                -append "$command_line START=/skep/tests/vm/submitter.sh $*" \
                < /dev/null > "$place/power/console" 2>&1 &
        qemu=$!
}

until_said() { # line
        for _ in $(seq 3000); do
                ! grep -aqE "$1" "$place/power/console" || return 0
                kill -0 $qemu 2> /dev/null || return 1
                sleep 0.1
        done
        return 1
}

# Lines that are whole: their last word is a dot.
said() { # first word
        grep -aoE "^$1 .* \.$" "$place/power/console" | sed 's/ \.$//'
}

command_line=$1
shift
emulated=("$@")
rm -rf "$place/power"
mkdir -p "$place/power"
cd "$place/power"
: > took
: > ended
truncate -s 512M layer0
mkfs.ext4 -q layer0
format=raw
trap 'kill -KILL $qemu 2> /dev/null' EXIT
trap 'exit 130' INT TERM
echo "1..$((cuts + 2))"
echo "# seed $seed"

for ((n = 1; n <= cuts; n++)); do
        qemu-img create -q -f qcow2 -b "layer$((n - 1))" -F $format -o cluster_size=4k "layer$n"
        format=qcow2
        ln -sf "layer$n" disk.qcow2
        boot
        r=0
        until_said '^took .* \.' || r=1
        sleep "0.$((RANDOM % 900 + 100))"
        kill -KILL $qemu
        wait $qemu 2> /dev/null || true
        # Those of before, and as they were when they had ended.
        said has | cut -d' ' -f2 | sort -u > there
        cut -d' ' -f1 took | sort | comm -23 - there > missing
        [ ! -s missing ] || r=1
        sed -n '/^ready/q; p' console | grep -aE '^has .* succeeded' | cut -d' ' -f2 | sort -u > still
        sort -u ended | comm -23 - still > changed
        [ ! -s changed ] || r=1
        said took | cut -d' ' -f2,3 >> took
        said has | awk '$3 == "succeeded" {print $2}' >> ended
        ok "cut $n: what was acknowledged is there ($(wc -l < took) jobs, $(sort -u ended | wc -l) ended)" $r
        if [ $r -ne 0 ]; then
                echo "# missing: $(wc -l < missing), changed: $(wc -l < changed); the console:"
                tail -20 console | sed 's/^/# /'
        fi
done

boot ROUND=last
r=0
until_said '^end \.' || r=1
kill -KILL $qemu 2> /dev/null || true
wait $qemu 2> /dev/null || true
said has | awk '{print $2}' | sort > there
cut -d' ' -f1 took | sort | comm -23 - there > missing
[ ! -s missing ] || r=1
ok "after the last, all jobs are there, and end" $r
# Of each the last attempt.
said left | sort -k2,2 -k3,3n | awk '{sum[$2] = $4} END {for (id in sum) print id, sum[id]}' | sort > left
sort took | comm -23 - left > wrong
r=0
[ -s left ] && [ ! -s wrong ] || r=1
ok "each has written what it was given" $r
[ $failed -eq 0 ] || { head -5 missing wrong | sed 's/^/# /'; tail -20 console | sed 's/^/# /'; }
exit $failed

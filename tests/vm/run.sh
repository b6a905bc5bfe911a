#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh VERSION [shell]: builds the packages, boots the machines for tests with them, the build and the tests in them (inside.sh), and
# counts what came of them; beside them a small machine loses its power again and again (power.sh). "shell" gives a shell in a
# machine instead (leave it by poweroff). For fewer tests: VM_SUITES="cgroup units power", by the names of inside.sh, VM_TESTS=REGEX.
#
# An emulated machine is twenty times slower than the one that it runs on. So what runs there is what cannot be shown without: all
# controllers at work, units and the pool of them, the system bus and several users, the packages, a reboot, power cuts; the escape
# suite; of the jail's suite what asks the kernel something, as root and as an ordinary user, whose policies are enforced in full there;
# and of the engine's what hangs on cgroups and on processes that outlive each other. The others (options, messages, formats, the
# queue, the store, the bus's interface) have passed in make check, and would ask nothing of this host that they did not ask there: all
# of the engine's suite runs where a hypervisor can be used, or by VM_SUITES=engine.
set -eu
cd "$(dirname "$0")/../.."
place=build/vm
version=$1
silence=300 # seconds without a word on the console, after which it hangs
limit=${VM_SECONDS:-1500}
wanted=${VM_SUITES:-}

# All is built while the disk waits for the mirror.
mkdir -p $place
tests/vm/disk.sh tools
tests/vm/disk.sh &
disk=$!
make --no-print-directory -s -j"$(nproc)" vm-programs
packaging/once.sh deb "$version" > $place/deb.log 2>&1 || {
        cat $place/deb.log
        exit 1
}
wait $disk

# The build and the tests, as a disk of their own: nothing has to be mounted here.
rm -rf $place/project $place/results
mkdir -p $place/project/build/deb $place/results
cp -r tests policies docs units packaging/deb/tests/first-job $place/project/
cp --parents engine/base/log.c engine/ctl/skepctl.bash-completion $place/project/
find build -maxdepth 1 -type f -perm -u+x -exec cp -t $place/project/build {} +
strip --strip-debug $place/project/build/* 2> /dev/null || true
cp $(ls build/deb/*.deb | grep -v dbgsym) $place/project/build/deb/
echo "${VM_TESTS:-.}" > $place/project/only
echo "$wanted" > $place/project/suites
rm -f $place/project.img
mkfs.ext4 -q -d $place/project $place/project.img 256M > /dev/null

machine=(qemu-system-x86_64 -machine q35 -m 4G -nographic -nodefaults -serial stdio
        -kernel $place/vmlinux -initrd $place/initrd
        -drive file=$place/disk.img,if=virtio,format=raw,snapshot=on
        -drive file=$place/project.img,if=virtio,format=raw,snapshot=on)
# What protects against the processor's own leaks costs an emulated one half of its time, and is none of ours to test. An
# old processor is emulated faster than a new one, whose vectors and long string moves are many steps for an emulator. And programs
# at the same addresses each time they start need not be translated again each time: that is a third of all. A busy machine may be
# late with the ticks that a kernel tries its timer by. It need not try its own ciphers and probes at each start either.
command_line="rw console=ttyS0 panic=-1 quiet mitigations=off norandmaps no_timer_check cryptomgr.notests initcall_blacklist=init_kprobe_trace"
emulated=(-accel tcg,thread=multi -cpu Nehalem)

# A hypervisor that is there may still not boot a stock kernel: asked once, and remembered.
if [ ! -e $place/accel ]; then
        if [ -w /dev/kvm ] && timeout 20 "${machine[@]}" -no-reboot -accel kvm -cpu host \
                -append "console=ttyS0 panic=-1 rdinit=/nowhere" < /dev/null 2>&1 | grep -q 'Kernel panic'; then
                echo kvm > $place/accel
        else
                echo tcg > $place/accel
        fi
fi
[ "$(cat $place/accel)" = kvm ] && emulated=(-accel kvm -cpu host)

if [ "${2:-}" = shell ]; then
        echo "Log in as root, without a password. Leave by \"poweroff\"."
        exec "${machine[@]}" "${emulated[@]}" -append "$command_line systemd.mask=skep-tests.service systemd.wants=console-getty.service"
fi

trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
trap 'exit 130' INT TERM
power=
if [[ -z $wanted || " $wanted " == *" power "* ]]; then
        nice -n 2 tests/vm/power.sh "$command_line" "${emulated[@]}" > $place/power.tap 2> $place/power.err &
        power=$!
fi

# Each leaves its console and its results in a directory of its name.
declare -A pids=() said=() quiet=() size=() after=() processors=()
booted=()
boot() { # part
        booted+=("$1")
        mkdir -p "$place/results/$1"
        truncate -s 64M "$place/results/$1.img"
        echo "Boots the machine for tests \"$1\" ($(cat $place/accel))."
        "${machine[@]}" "${emulated[@]}" -smp "${processors[$1]}" -drive "file=$place/results/$1.img,if=virtio,format=raw" \
                -append "$command_line PART=$1" < /dev/null > "$place/results/$1/console" 2>&1 &
        pids[$1]=$! said[$1]=0 quiet[$1]=0 size[$1]=0
}
# Those with a suite that is wanted.
while read -r part n before suites; do
        [ "$part" != engine ] || [ -n "$wanted" ] || [ "$(cat $place/accel)" = kvm ] || continue
        [ -z "$wanted" ] || grep -qwFf <(tr ' ' '\n' <<< "$wanted") <<< "$suites" || continue
        processors[$part]=$n
        if [ -n "${pids[$before]:-}" ]; then after[$before]=$part; else boot "$part"; fi
done < <(tests/vm/inside.sh parts)

# Says which suites have ended, until the machines have; or ends one that says nothing any more.
look_at() { # part
        local console=$place/results/$1/console now lines
        now=$(stat -c %s "$console")
        quiet[$1]=$((now == size[$1] ? quiet[$1] + 1 : 0)) size[$1]=$now
        mapfile -t lines < <(grep -aoE '# [a-z-]+: [0-9]+ s' "$console")
        for line in "${lines[@]:said[$1]}"; do echo "$line"; done
        said[$1]=${#lines[@]}
        if ! kill -0 "${pids[$1]}" 2> /dev/null; then
                unset "pids[$1]"
                [ -z "${after[$1]:-}" ] || boot "${after[$1]}"
        elif [ "${quiet[$1]}" -ge $silence ] || [ $SECONDS -ge "$limit" ]; then
                echo "The machine \"$1\" says nothing more, or takes too long."
                kill "${pids[$1]}"
        fi
}
cut=
while [ ${#pids[@]} -gt 0 ]; do
        sleep 1
        for part in "${!pids[@]}"; do look_at "$part"; done
        if [ -n "$power" ] && ! kill -0 "$power" 2> /dev/null && [ -z "$cut" ]; then echo "${cut:=# power: $SECONDS s}"; fi
done
if [ -n "$power" ]; then
        wait $power || true
        cp $place/power.tap $place/power.err $place/results/
fi
wait
times > $place/times

lost=0
for part in "${booted[@]}"; do
        results=$place/results/$part
        tar -C "$results" -xf "$results.img" 2> /dev/null || true
        rm "$results.img"
        if [ ! -e "$results/ended" ]; then
                echo "The machine \"$part\" has not come to the end of its tests. The end of its console:"
                tail -40 "$results/console"
                lost=$((lost + 1))
        elif [ "$part" = "${booted[0]}" ]; then
                cat "$results/machine"
        fi
done
shopt -s nullglob
taps=($place/results/*.tap $place/results/*/*.tap)
for tap in "${taps[@]}"; do
        echo "# $(basename "$tap" .tap)"
        grep -A12 '^not ok' "$tap" || true
        planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$tap" | tail -1)
        ran=$(grep -cE '^(not )?ok ' "$tap" || true)
        if [ "${planned:-0}" -gt "$ran" ] || { [ "$ran" -eq 0 ] && [ -z "${VM_TESTS:-}" ]; }; then
                echo "$(basename "$tap"): $ran of ${planned:-?} tests ran"
                tail -5 "${tap%.tap}.err"
                lost=$((lost + 1))
        fi
done
echo "The machines ran for $SECONDS s, and used (user, system): $(tail -1 $place/times)"
count() { cat "${taps[@]}" /dev/null | grep -cE "$1" || true; }
skipped=$(count '^ok .*# skip')
todo=$(count '^not ok .*# TODO') # known, and said why
passed=$(($(count '^ok ') - skipped))
failed=$(($(count '^not ok ') - todo + lost))
skipped=$((skipped + todo))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

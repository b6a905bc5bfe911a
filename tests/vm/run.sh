#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots the machine for tests, with the build and the tests in it, and counts what came of them. "run.sh shell" gives a
# shell in it instead (leave it by poweroff).
set -eu
cd "$(dirname "$0")/../.."
place=build/vm
limit=${VM_SECONDS:-900}

tests/vm/disk.sh
tests/packages.sh

# The build and the tests, as a disk of their own: nothing has to be mounted here.
rm -rf $place/project
mkdir -p $place/project/build
cp -r tests policies $place/project/
cp -r build/debian $place/project/build/
echo "${VM_TESTS:-.}" > $place/project/only # a regular expression of the names of tests
for program in skep-launcher skep-scope skep-jail skep-worker skepd skepctl unit-tests payload escapes submit-raw \
        skep-image-unpack hostile-unpacker; do
        cp build/$program $place/project/build/
done
rm -f $place/project.img $place/results.img
mkfs.ext4 -q -d $place/project $place/project.img 256M
truncate -s 64M $place/results.img

machine=(qemu-system-x86_64 -machine q35 -smp 2 -m 4G -nographic -no-reboot -nodefaults -serial stdio
        -kernel $place/vmlinuz -initrd $place/initrd
        -drive file=$place/disk.img,if=virtio,format=raw,snapshot=on
        -drive file=$place/project.img,if=virtio,format=raw
        -drive file=$place/results.img,if=virtio,format=raw)
command_line="root=/dev/vda rw console=ttyS0 panic=-1 quiet"
emulated=(-accel tcg,thread=multi -cpu max)

# A hypervisor that is there may still not boot a stock kernel: asked once, and remembered.
if [ ! -e $place/accel ]; then
        if [ -w /dev/kvm ] && timeout 20 "${machine[@]}" -accel kvm -cpu host \
                -append "console=ttyS0 panic=-1 rdinit=/nowhere" < /dev/null 2>&1 | grep -q 'Kernel panic'; then
                echo kvm > $place/accel
        else
                echo tcg > $place/accel
        fi
fi
[ "$(cat $place/accel)" = kvm ] && emulated=(-accel kvm -cpu host)

if [ "${1:-}" = shell ]; then
        echo "Log in as root, without a password. Leave by \"poweroff\"."
        exec "${machine[@]}" "${emulated[@]}" -append "$command_line systemd.mask=skep-tests.service"
fi

echo "Booting the machine for tests ($(cat $place/accel))."
timeout "$limit" "${machine[@]}" "${emulated[@]}" -append "$command_line" < /dev/null > $place/console 2>&1 || true

rm -rf $place/results
mkdir -p $place/results
if ! tar -C $place/results -xf $place/results.img 2> /dev/null; then
        echo "The machine brought nothing back. The end of its console:"
        tail -40 $place/console
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
fi
cat $place/results/machine
shopt -s nullglob
taps=($place/results/*.tap)
for tap in "${taps[@]}"; do
        echo "# $(basename "$tap")"
        grep -A6 '^not ok' "$tap" || true
done
lost=0
for tap in "${taps[@]}"; do
        planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$tap" | tail -1)
        ran=$(grep -cE '^(not )?ok ' "$tap" || true)
        if [ "${planned:-0}" -gt "$ran" ] || { [ "$ran" -eq 0 ] && [ -z "${VM_TESTS:-}" ]; }; then
                echo "$(basename "$tap"): $ran of ${planned:-?} tests ran"
                lost=$((lost + 1))
        fi
done
skipped=$(cat "${taps[@]}" | grep -cE '^ok .*# skip' || true)
todo=$(cat "${taps[@]}" | grep -cE '^not ok .*# TODO' || true) # known, and said why
passed=$(($(cat "${taps[@]}" | grep -c '^ok ' || true) - skipped))
failed=$(($(cat "${taps[@]}" | grep -c '^not ok ' || true) - todo + lost))
skipped=$((skipped + todo))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

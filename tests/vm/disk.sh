#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the disk of the machine for tests: Debian 12 with systemd, dbus and polkit, and what the tests call. It is kept in
# build/vm as long as this file does not change.
set -eu
cd "$(dirname "$0")/../.."
place=build/vm
mkdir -p $place

recipe=$(sha256sum tests/vm/disk.sh | cut -c1-16)
if [ -e $place/disk.img ] && [ "$(cat $place/recipe 2>/dev/null)" = "$recipe" ]; then
        exit 0
fi

missing=
for package in mmdebstrap qemu-system-x86 e2fsprogs; do
        dpkg-query -W -f '${db:Status-Status}\n' $package 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -n "$missing" ]; then
        echo "Installing with apt-get:$missing"
        apt-get update -q >/dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
fi

packages="systemd systemd-sysv libpam-systemd dbus dbus-user-session uidmap polkitd linux-image-cloud-amd64 udev bats python3 procps iproute2 kmod
libseccomp2 libcap2 libjson-c5 libsystemd0 libarchive13 libnettle8 libsubunit0 libasan8 libubsan1 gawk sqlite3"

echo "Making the machine for tests (about a minute, once)."
rm -rf $place/root $place/disk.img $place/recipe
root=$PWD/$place/root
mmdebstrap --quiet --variant=minbase --include="$(echo $packages | tr ' ' ,)" bookworm "$root" > $place/mmdebstrap.log 2>&1 || {
        tail -20 $place/mmdebstrap.log
        exit 1
}
cp "$root"/boot/vmlinuz-* $place/vmlinuz
cp "$root"/boot/initrd.img-* $place/initrd

echo skep-vm > "$root/etc/hostname"
mkdir -p "$root/skep"
printf '/dev/vda / ext4 rw 0 1\n/dev/vdb /skep ext4 rw 0 2\n' > "$root/etc/fstab"
useradd --root "$root" --create-home alone
# An ordinary user as the distribution makes them, with subordinate ids; with a systemd of its own also without a login.
useradd --root "$root" --create-home --shell /bin/bash plain
grep -q '^plain:' "$root/etc/subuid" || echo plain:100000:65536 >> "$root/etc/subuid"
grep -q '^plain:' "$root/etc/subgid" || echo plain:100000:65536 >> "$root/etc/subgid"
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/plain"
usermod --root "$root" --password "" root
cat > "$root/etc/systemd/system/skep-tests.service" <<'U'
[Unit]
Description=The tests of Skep
After=multi-user.target dbus.service
RequiresMountsFor=/skep

[Service]
Type=oneshot
ExecStart=/skep/tests/vm/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=journal+console
StandardError=journal+console
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
U
ln -s ../skep-tests.service "$root/etc/systemd/system/multi-user.target.wants/skep-tests.service"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

mkfs.ext4 -q -d "$root" -L root $place/disk.img 3G
rm -rf "$root"
echo "$recipe" > $place/recipe

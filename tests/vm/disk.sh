#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# disk.sh [tools]: makes the disk of the machine for tests: Debian 12 with systemd, dbus and polkit, and what the tests call; its kernel; and
# an initrd that only finds the disk. They are kept in build/vm as long as this file and init.c do not change. With "tools" it
# only installs what that needs, and QEMU.
#
# An emulated machine takes a second for what takes a processor a twentieth. So what no test needs is not there: apt, udev
# (the kernel makes the device nodes), and a distribution's initrd with the services for hardware.
set -eu
cd "$(dirname "$0")/../.."
place=$PWD/build/vm
mkdir -p "$place"

missing=
for package in mmdebstrap qemu-system-x86 qemu-utils e2fsprogs cpio lz4; do
        dpkg-query -W -f '${db:Status-Status}\n' $package 2> /dev/null | grep -qx installed || missing="$missing $package"
done
if [ -n "$missing" ]; then
        echo "Installing with apt-get:$missing"
        apt-get update -q > /dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing > /dev/null
fi

[ "${1:-}" != tools ] || exit 0

recipe=$(cat tests/vm/disk.sh tests/vm/init.c | sha256sum | cut -c1-16)
if [ -e "$place/disk.img" ] && [ "$(cat "$place/recipe" 2> /dev/null)" = "$recipe" ]; then
        exit 0
fi

packages="systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,uidmap,polkitd,python3,procps,iproute2,kmod,gawk,sqlite3,\
libseccomp2,libcap2,libjson-c5,libsystemd0,libarchive13,libnettle8,libsubunit0,libasan8,libubsan1"

echo "Making the machine for tests (about a minute, once)."
root=$place/root
rm -rf "$root" "$place/kernel" "$place/disk.img" "$place/recipe"
mkdir "$place/kernel"
# The kernel's package is only unpacked, since installing it would make an initrd.
cat > "$place/fetch-kernel" <<'H'
#!/bin/sh
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
cd "$(dirname "$0")/kernel"
apt-get -q -o APT::Sandbox::User=root download "$name"
# Beside it and copied, since /lib is a link there.
dpkg-deb -x ./*.deb .
cp -a boot/vmlinuz-* vmlinuz
cp -a lib/modules "$1/usr/lib/"
chroot "$1" depmod "$(ls lib/modules)"
H
chmod +x "$place/fetch-kernel"
mmdebstrap --quiet --variant=essential --include="$packages" --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt=force-unsafe-io \
        --customize-hook="$place/fetch-kernel" bookworm "$root" > "$place/mmdebstrap.log" 2>&1 || {
        tail -20 "$place/mmdebstrap.log"
        exit 1
}

# Unpacked here, since that takes an emulated machine a second; where it is on the boot protocol's header (Documentation/arch/x86/boot.rst).
field() { # offset, size
        od -An "-tu$2" -j "$1" -N "$2" "$place/kernel/vmlinuz" | tr -d ' '
}
start=$((($(field 497 1) + 1) * 512 + $(field 584 4)))
tail -c +$((start + 1)) "$place/kernel/vmlinuz" | head -c "$(field 588 4)" | lz4 -qdc > "$place/vmlinux" 2> /dev/null || true
[ "$(head -c 4 "$place/vmlinux" | tail -c 3)" = ELF ] || cp "$place/kernel/vmlinuz" "$place/vmlinux"

rm -rf "$place/initrd.d"
mkdir -p "$place/initrd.d/modules" "$place/initrd.d/dev" "$place/initrd.d/new"
modules=$(echo "$root"/lib/modules/*)
n=10
for module in virtio_pci virtio_blk; do
        # After its name, what it needs, the nearest first.
        for file in $(sed -n "s/^\([^:]*\/$module.ko\): *\(.*\)/\1 \2/p" "$modules/modules.dep" | tr ' ' '\n' | tac); do
                ls "$place/initrd.d/modules" | grep -qx "..-$(basename "$file")" && continue
                cp "$modules/$file" "$place/initrd.d/modules/$n-$(basename "$file")"
                n=$((n + 1))
        done
done
gcc -std=gnu17 -Wall -Wextra -Werror -D_GNU_SOURCE -O2 -static -s -o "$place/initrd.d/init" tests/vm/init.c
(cd "$place/initrd.d" && find . | cpio --quiet -o -H newc) > "$place/initrd"

echo skep-vm > "$root/etc/hostname"
mkdir -p "$root/skep"
printf '/dev/vda / ext4 rw 0 0\n' > "$root/etc/fstab"
useradd --root "$root" --create-home alone
# An ordinary user as the distribution makes them, with subordinate ids; with a systemd of its own also without a login.
useradd --root "$root" --create-home --shell /bin/bash plain
grep -q '^plain:' "$root/etc/subuid" || echo plain:100000:65536 >> "$root/etc/subuid"
grep -q '^plain:' "$root/etc/subgid" || echo plain:100000:65536 >> "$root/etc/subgid"
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/plain"
usermod --root "$root" --password "" root
# The tests bring their unit along, on the second disk.
ln -s /skep/tests/vm/skep-tests.service "$root/etc/systemd/system/"
ln -s /skep/tests/vm/skep-tests.service "$root/etc/systemd/system/multi-user.target.wants/"
for unit in dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@ttyS0.service \
        modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

mkfs.ext4 -q -d "$root" -L root "$place/disk.img" 3G
rm -rf "$root" "$place/initrd.d" "$place/kernel" "$place/fetch-kernel"
echo "$recipe" > "$place/recipe"

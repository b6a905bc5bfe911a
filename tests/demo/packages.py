# SPDX-License-Identifier: LGPL-2.1-or-later
# Which sections of the package database take the most room? Reads dpkg's status file, or rpm's list of names and sizes.
import collections
import sys

path = "/input/packages"
packages = collections.Counter()
kib = collections.Counter()
section = size = None

with open(path, encoding="utf-8", errors="replace") as database:
    for line in database:
        if line.startswith("Section: "):
            section = line.split(": ", 1)[1].strip().split("/")[-1]
        elif line.startswith("Installed-Size: "):
            size = int(line.split(": ", 1)[1])
        elif line == "\n" or "\t" in line:
            if "\t" in line:
                section, size = line.split("\t")[0], int(line.split("\t")[1]) // 1024
            if section and size is not None:
                packages[section] += 1
                kib[section] += size
            section = size = None

print(f"{'SECTION':<16} {'PACKAGES':>8} {'MIB':>8}")
for name, total in kib.most_common(8):
    print(f"{name:<16} {packages[name]:>8} {total / 1024:>8.1f}")
print(f"{'all':<16} {sum(packages.values()):>8} {sum(kib.values()) / 1024:>8.1f}")
if not packages:
    sys.exit("no packages found")

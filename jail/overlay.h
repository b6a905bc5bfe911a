/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* An ephemeral overlay: a tree that is only read, below a layer of the jail's own tmpfs that takes every change and goes
 * with the jail. Also where nothing shall be changed, since places to mount on may have to be made in there.
 *
 * `tmpfs` gets directories "NAME-lower", "-upper", "-changes" and "-merged"; `lower` is a detached mount, attached there.
 * `in_user_namespace`: the mount belongs to one. Returns an O_PATH descriptor of the merged tree, mounted at
 * "NAME-merged", or a negative errno. */
int overlay_mount(int tmpfs, const char *name, int lower, bool in_user_namespace);

/* The same for what is only shown: a detached read-only mount of `lower`, a path without ':' and ','. Its files are those
 * of `lower`, in memory too; their inodes are the jail's own: locks, leases, watches and flushes end there. `empty`: an
 * empty directory; both paths are to be seen in the jail's /proc/mounts. Negative errno. */
int overlay_mount_shown(const char *lower, const char *empty, bool in_user_namespace);

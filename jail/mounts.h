/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/mount.h>

/* Mounts by descriptors: nothing is named by a path that could be swapped meanwhile. */

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define READ_ONLY (SAFE | MOUNT_ATTR_RDONLY)

/* Opens a path inside a root as a process in there would see it: links cannot lead out of it. */
int mount_open_inside(int root, const char *path);

/* A detached mount of a new file system. `options` are pairs of name and value (NULL: a flag), ended by NULL. `*ret_context`, when
 * not NULL, keeps the file system's context, by which it can be reconfigured. */
int mount_new(const char *type, const char *const *options, uint64_t attributes, int *ret_context);
int mount_reconfigure(int context, const char *const *options);

/* A detached clone of what stands at a path; with everything below it when `recursive`. Without further attributes it is
 * as the mount that it is a clone of. */
int mount_clone(int dir, const char *path, int recursive, uint64_t attributes);

/* Binds what stands at a path at another one, without what is mounted below it. As mount_clone() and mount_attach(), in
 * one call where those take three and a mount namespace in passing: for paths that are ours, all of them. */
int mount_bind(const char *from, const char *to, uint64_t attributes);

/* Attaches a detached mount at a path below `dir`, or at `dir` itself when the path is "". */
int mount_attach(int mount, int dir, const char *path);

/* Maps, for a detached mount, the owner `uid`, `gid` of files to `to_uid`, `to_gid` of the host, and nobody else.
 * Errors: -EINVAL the file system cannot do it. */
int mount_map_owner(int mount, uint32_t uid, uint32_t gid, uint32_t to_uid, uint32_t to_gid);

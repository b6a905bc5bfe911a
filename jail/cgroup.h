/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/host.h"
#include "jail/plan.h"

/* The launcher's part of the cgroup v2 tree: one group of its own, in which each jail gets one.
 *
 *   base/skep-<pid>/<number>
 *
 * The launcher holds a lock (flock) on its group: one that can be locked belongs to nobody any more. */
typedef struct CgroupTree {
        int fd;           /* -1: there is none */
        char *path;       /* of the base; owned */
        char *name;       /* "skep-<pid>"; owned */
        unsigned controllers; /* of CgroupController: what the groups of jails have */
        unsigned given;       /* likewise: what the base hands on since this was made */
        bool holds_launcher;  /* the launcher had to move into it, out of the base */
} CgroupTree;

#define CGROUP_TREE_NULL ((CgroupTree){.fd = -1})

/* Where cgroup v2 is mounted; owned by the caller, NULL where it is not. */
char *cgroup_mount_point(void);

/* The group below which jails shall get theirs: `chosen`, else this process's own if it is delegated, else that of a
 * scope that systemd is asked for and this process is moved to, else, where no systemd runs it, the root of the
 * hierarchy. Owned by the caller. Errors: -ENOENT no cgroup v2; -EACCES systemd gives none; each with the way out. */
int cgroup_choose(const char *chosen, char **ret, Error *e);

/* Makes the launcher's group, with every controller that can be had, and removes those that dead launchers left. Errors:
 * -EINVAL the base is no directory of cgroup v2; -EBUSY it is frozen; -EOPNOTSUPP it is threaded; others of the system calls. */
int cgroup_tree_make(const char *base, CgroupTree *ret, Error *e);

/* When no jail is left in it. A launcher that had to move into it moves back; what it has begun lives there until it ends. */
void cgroup_tree_remove(CgroupTree *tree);

/* Kills and removes what launchers that are gone have left below a base. Returns how many groups still have processes
 * that are on their way out. */
size_t cgroup_sweep(const char *base);

/* Makes a jail's group. Returns a descriptor of it, or a negative errno. */
int cgroup_make(const CgroupTree *tree, const char *name, Error *e);

/* Writes the limits that its controllers hold. */
int cgroup_limit(int fd, const Plan *plan, Error *e);

/* Kills every process in it. Returns 0 or a negative errno. */
int cgroup_kill(int fd);

/* Removes it. -EBUSY while a process of it has not left the kernel. */
int cgroup_remove(const CgroupTree *tree, const char *name);

/* What it has counted, into the outcome; `*ret_oom_killed` whether its memory limit has killed. `peak_fd`: of
 * cgroup_forget_peak(), or -1. */
void cgroup_account(int fd, int peak_fd, Outcome *outcome, bool *ret_oom_killed);

/* Takes what it has counted so far, which is somebody else's, out of the outcome. */
void cgroup_account_without(Outcome *outcome, const Outcome *before);

/* A descriptor whose memory.peak counts from here; -1: before Linux 6.12 it cannot. */
int cgroup_forget_peak(int fd);

/* CPU time that it has used; 0 when that cannot be read. */
uint64_t cgroup_cpu_usec(int fd);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Which paths of the host a policy may be taught: what a command looked for in its jail in vain, when the host has it
 * and lets anybody read it. A job names these paths, and may name them to be given what it should not have. */

typedef enum HostVerdict {
        HOST_ABSENT,  /* the host does not have it either; or nothing is to be given: a directory that was only passed
                       * through, or what a jail has in any case */
        HOST_OFFERED, /* may be in a policy */
        /* The host has it, and it is left out: */
        HOST_PRIVATE, /* not everybody may read it */
        HOST_HOME,    /* a hidden file of somebody's home directory */
        HOST_SYSTEM,  /* of the kernel, of running services, or of the jail's own places */
        HOST_SPECIAL, /* no plain file and no directory */
        HOST_BROAD,   /* a whole top directory */
        HOST_STRANGE, /* a name that no policy file should have */
        HOST_VERDICT_MAX,
} HostVerdict;

/* Why it is left out, as the end of a sentence; NULL for the first two. */
const char *host_verdict_text(HostVerdict verdict);

/* The path without ".", ".." and doubled slashes, taken as text. Owned by the caller; NULL when it is not absolute, or
 * when out of memory. */
char *host_path_plain(const char *path);

/* Where a plain path leads by the links that a jail shows, those of the host's /usr: many there point into /etc or
 * /opt, and what is missing is at their other end. Owned by the caller; NULL when out of memory. */
char *host_path_follow_shown(const char *path);

/* Judges a plain path. `opened`: its content was asked for; `executed`: it was to be executed. */
HostVerdict host_path_judge(const char *path, bool opened, bool executed);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/draft.h"
#include "jail/cli/host_path.h"

/* What recordings of a command have shown: everything in it is of the command's choice. */

typedef struct LeftOut {
        char *path;
        HostVerdict verdict;
} LeftOut;

typedef struct Findings {
        bool made[JAIL_SYSCALL_MAX]; /* by number */
        char **executed;             /* paths, as the kernel names them */
        char **offered;              /* paths of the host that were missed, and may be given */
        char **offered_programs;     /* those of them that were to be executed */
        bool proc;                   /* something in /proc beside processes was missed */
        LeftOut *left_out;
        size_t n_left_out;
        bool overflow;   /* more than is kept */
        bool other_root; /* the caller's: than the host's, so that what is missed in there is not the host's to give */
} Findings;

void findings_done(Findings *findings);

/* Takes one event of a recording. */
void findings_add(Findings *findings, const JailCall *call);

/* A path that is needed though no call was seen for it. Returns the verdict. */
HostVerdict findings_add_missed(Findings *findings, const char *path, bool opened, bool executed);

/* Puts it all into the draft. `*ret_new`: a path was not in there, so that another recording may show more. */
int findings_use(const Findings *findings, Draft *draft, bool *ret_new);

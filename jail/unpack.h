/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* Unpacks one archive in a process of its own inside the jail, which has nothing but the archive and the directory,
 * and waits for it: whoever wrote the archive gets no further than the job. Called in the jail's first process.
 * Error: the sentence names the input and what was wrong with it. */
int unpack_input(const Plan *plan, const char *name, int archive_fd, int dir_fd, Error *e);

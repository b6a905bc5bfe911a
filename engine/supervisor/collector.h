/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#include <stdint.h>

/* How many files and directories the archive of an array may have, with one for each member: -E2BIG. As many as that of a
 * job without a limit. */
#define COLLECTED_ENTRIES_MAX (UINT64_C(1) << 20)

/* skep-collector puts together what the members of an array have left (array_output.c): it reads archives that were made of
 * jobs' files, and takes as long as it takes. Its arguments are SKEP_VERSION, and the supervisor's pid, with which it ends; its
 * exit status is 0, or an errno.
 *
 * It has the directory in which the array's archive comes to be, the one of all jobs' output, and a list, packed (pack.h):
 * how many members, and of each, in their order, its number, its id, its attempt, and how many bytes the archive of that had when it
 * was made. */
enum { COLLECTOR_FOLDER_FD = 3, COLLECTOR_OUTPUTS_FD, COLLECTOR_LIST_FD, COLLECTOR_FDS_END };

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/ids.h"

/* Makes what a job has left in /output readable for this process, which is no root: a mode that the job has set would keep
 * from its caller what it leaves him. For when nothing of the jail runs any more. Of the modes, archives keep only whether a
 * file can be executed. What cannot be changed stays as it is, and whoever reads it says so. */
void output_tree_open(int output, const Ids *ids);

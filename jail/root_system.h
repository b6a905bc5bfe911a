/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/root_tree.h"

/* What of a jail's root is the system's: the host's /usr, and /dev and /proc of its own. */

int root_bind_system(Tree *t);
int root_mount_devices(Tree *t);
/* After the devices and what covers directories: both cover what is hidden in there. */
int root_mount_proc(Tree *t);

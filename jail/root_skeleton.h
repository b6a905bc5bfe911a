/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/root_tree.h"

/* What of a jail's root is made and not mounted: directories, links, files of /etc, device nodes. */

typedef struct Device {
        const char *path;
        unsigned major, minor; /* Documentation/admin-guide/devices.txt */
} Device;

#define ROOT_DEVICES 5
extern const Device root_devices[ROOT_DEVICES];

int root_make_skeleton(Tree *t);

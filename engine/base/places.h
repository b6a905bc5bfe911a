/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* Where the programs find each other and their data: in a build tree those of the tree, so that what was built is what
 * runs; installed, those under the prefix. The tree is known by the running program's own path. */

/* The path of a sibling program ("skep-launcher"). Owned by the caller; NULL with an error. */
char *place_program(const char *name, Error *e);

/* The directory for what can be made again at any time: of the tree, of the host, or of the user. Owned by the caller;
 * NULL with an error. It need not exist. */
char *place_cache(Error *e);

/* The directories that hold policies, the operator's first. A strv, owned by the caller; NULL with an error. */
char **place_policies(Error *e);

/* What the configuration is read from, in this order: files, and directories (those end in ".d") of such. A strv, owned
 * by the caller; NULL with an error. They need not exist. */
char **place_configuration(Error *e);

/* The directory that holds the imported images: $SKEP_IMAGES, else /var/lib/skep/images for root, else the user's own
 * below $XDG_DATA_HOME. Owned by the caller; NULL with an error. */
char *place_images(Error *e);

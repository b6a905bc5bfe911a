/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/root_tree.h"

/* What of a jail's root its policy and its job bring along. */

int root_add_inputs(Tree *t, Root *root);
/* The working directory of an image, where it lies in /work and the like: the import could not make it. */
int root_add_directory(Tree *t);
/* Of the policy: what of the host it shows, and more of the tmpfs. */
int root_add_places(Tree *t);
/* Of the job's caller. */
int root_add_binds(Tree *t);
/* Last of all, so that nothing that was bound shows what is to be hidden. */
int root_hide(Tree *t);

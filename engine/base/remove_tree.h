/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Removes what stands below a directory, and the directory, without following links; whoever made it may have nested it
 * as deep as he liked, and taken its modes away. Best effort: returns the first error, and goes on. */
int remove_tree_at(int dir_fd, const char *name);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* The files that a policy was loaded from: its own, what that extends, and so on. A strv, owned by the caller. The policy
 * must have been loaded by that name: what is wrong with the files has been found then. */
int policy_origin(const char *name, char *const *directories, char ***ret, Error *e);

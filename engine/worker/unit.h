/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* As a unit of systemd with a delegated cgroup: leaves it for a group `supervisor` in it, so that jails can have theirs beside it
 * (a group with processes cannot hand controllers on). `*ret_cgroup` is the path of the unit's group, and the caller's; NULL
 * where this process is no such unit. */
int unit_enter_cgroup(char **ret_cgroup, Error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* Brings up the loopback device of this process's network namespace, the only one that it has. */
int loopback_up(Error *e);

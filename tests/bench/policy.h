/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "tests/bench/samples.h"

/* What it takes to have the policy "strict" ready to be run: read from its JSON and compiled, and taken from where it
 * is kept compiled, here below `folder`. */
int policy_measure(const char *folder, size_t runs, Samples *compiled, Samples *kept, Error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/cli/replay.h"

/* The plainest forecast, to be beaten: at each time the load will be what it was a day before, over a utilisation; on
 * the first day, what it is. With the start delay, the limits and the down-stabilisation of reacting. -ENOMEM. */
int naive_run(const Trace *trace, const ScalerSettings *settings, double capacity, double utilisation, Replay *ret,
              Error *e);

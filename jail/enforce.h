/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/host.h"
#include "jail/jail.h"

/* `capabilities`: the job's. Decides by what each layer and limit is held on this host, and writes it into the report. A limit that nothing here
 * can hold is refused, unless it is in `allow_missing` and not in `require`; then it goes into `not_enforced`, and out
 * of `limits`. Error: -EOPNOTSUPP, naming every layer that is refused, why, and the way out. */
int enforce_decide(const JailHost *host, JailLimits *limits, JailNetwork network, uint64_t capabilities,
                   JailLayers allow_missing, JailLayers require, JailReport *report, Error *e);

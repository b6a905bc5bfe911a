/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/scaler.h"

/* -EINVAL, and the sentence names the setting and its range. */
int settings_check(const ScalerSettings *settings, Error *e);

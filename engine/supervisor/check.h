/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/config.h"

/* skepd --check: looks at everything that a start would read, and more, without starting. Each problem is a sentence
 * in `problems`; those of the configuration's values are there already. -ENOMEM. */
int check_all(const Config *config, char ***problems, Error *e);

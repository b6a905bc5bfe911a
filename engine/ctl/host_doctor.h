/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>

/* What `skep-jail doctor --json` says of this host. The object is the caller's. */
int host_doctor_ask(json_object **ret, Error *e);

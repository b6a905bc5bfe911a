/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/config.h"
#include "engine/supervisor/trouble.h"

/* Looks at what this host has no control groups for, and what the configuration does not allow it to be without. */
void host_check_limits(const Config *config, Troubles *troubles);

/* What the processes of a control group use together. */
typedef struct HostGroup {
        uint64_t memory_bytes; /* UINT64_MAX: the host does not count it */
        bool has_pressure;
        double memory, cpu, io; /* in how much of the last ten seconds something of it waited for that, in percent */
} HostGroup;

/* `path` as systemd has it, from the root of the one hierarchy; NULL where there is none. */
void host_read_group(const char *path, HostGroup *ret);

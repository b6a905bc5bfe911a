/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* Ranges of host ids: each jail that runs on this host has one of its own, so that no two jails share an owner, a
 * process count or a right to send signals. They lie clear of /etc/subuid (from 100000) and of systemd-nspawn
 * (0x00080000 to 0x6fffffff; https://systemd.io/UIDS-GIDS). */
#define IDS_FIRST UINT32_C(0x70000000)
#define IDS_PER_JAIL UINT32_C(0x10000)
#define IDS_RANGES UINT32_C(0x1000) /* up to 0x7fffffff: the upper half is not for ids (-1 among them) */

/* Takes a range that no other jail of this host has, starting the search at `hint`. The range is held as long as any
 * process holds the descriptor `*ret_fd`, and given back by the kernel then, whatever happened to its holders.
 * Errors: -EAGAIN all are taken; others of the file that keeps them. */
int ids_take(uint32_t hint, uint32_t *ret_base, int *ret_fd, Error *e);

/* Removes the file that keeps the ranges when nobody holds one. */
void ids_tidy(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Being refused without end: who refuses must not pay for it. */

#include "attack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DENIALS 2000000

/* What it costs outside the sandbox's own account is measured there. */
static Verdict flood(Attempt *a)
{
        long n = 0, permitted = 0;

        for (; n < DENIALS; n++)
                permitted += syscall(SYS_swapoff, NULL) >= 0;
        return permitted ? escaped(a, "%ld calls were permitted", permitted)
                         : held(a, "%ld calls, the last: %s", n, strerrorname_np(errno));
}

const Attack attacks_by_denials[] = {
        {"denied-flood", "be refused two million calls", flood, NULL, FIRST_PROCESS | ENDLESS | ACCOUNTED, NULL},
        {0},
};

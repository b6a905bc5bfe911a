/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/waiting.h"

#include <math.h>

/* The chance that a job waits longer than `wait_sec`; 1 when the load is not below the slots. From Erlang's first
 * formula (all slots taken, jobs lost) for one slot more each time; then the second (jobs wait). */
static double chance(double blocked, double load, int slots, double job_sec, double wait_sec)
{
        double use = load / slots;

        if (!(use < 1))
                return 1;
        double waits = blocked / (1 - use * (1 - blocked));
        return waits * exp(-(slots - load) * wait_sec / job_sec);
}

int waiting_slots(double load, double job_sec, double wait_sec, double share, int most)
{
        double blocked = 1;

        if (!(load > 0) || !(job_sec > 0))
                return 0;
        for (int slots = 1; slots < most; slots++) {
                blocked = load * blocked / (slots + load * blocked);
                if (chance(blocked, load, slots, job_sec, wait_sec) <= 1 - share)
                        return slots;
        }
        return most;
}

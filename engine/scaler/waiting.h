/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How many slots keep the wait of jobs short: the queue M/M/m, by Erlang's second formula. */

/* The least number of slots with which a job waits at most `wait_sec` with the chance `share`, when `load` jobs are at
 * work on average and each takes `job_sec`. At most `most`, which is returned when no number below it will do. */
int waiting_slots(double load, double job_sec, double wait_sec, double share, int most);

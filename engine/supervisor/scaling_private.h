/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What scaling.c (a cycle of the scaler) and scaling_memory.c (what was learnt, through restarts) share. */

#include "engine/supervisor/scaling.h"
#include "engine/supervisor/supervisor_private.h"

#define KEPT_DECISIONS 1440
#define SCALING_JOB_SEC_OF_LAST 256 /* jobs, about so many of which count for how long one takes */
#define SCALING_JOB_MAX_SEC 86400.0
#define SCALING_START_MAX_SEC 3600.0

/* A minute that is to be learnt again. */
typedef struct Lesson {
        int64_t time_sec;
        uint64_t arrivals;
} Lesson;

struct Scaling {
        Supervisor *supervisor;
        Scaler *scaler;
        Load load;
        Bursts bursts;
        ScalerSettings settings;
        sd_event_source *tick, *training;
        ScalingDecision decisions[KEPT_DECISIONS]; /* a ring */
        size_t n_decisions;                        /* that were ever made */
        double job_sec;                            /* 0: none has ended yet */
        uint64_t fixed;                            /* workers, SCALER_FIXED */
        bool overridden;                           /* the mode is not the configuration's */
        uint64_t steps;                            /* since what was learnt was kept */
        Scaler *pupil; /* learns all again that is kept of the load, and then takes the place of the other; NULL: none */
        Lesson *lessons; /* owned */
        size_t n_lessons, lessons_room, lesson; /* the next one */
};

/* ---- scaling.c ---- */

/* Sets the scaler to what is configured and measured. */
void scaling_measure(Scaling *scaling);

/* ---- scaling_memory.c ---- */

/* What earlier supervisors have learnt; or else there is a pupil, for scaling_learn(). */
void scaling_remember(Scaling *scaling);

/* Writes down what was learnt. */
void scaling_save(Scaling *scaling);

/* One more lesson for the pupil that is there. */
void scaling_note(Scaling *scaling, int64_t time_sec, uint64_t arrivals);

/* A little of what can be learnt while there is nothing else to do. Returns whether there is more. */
bool scaling_learn(Scaling *scaling);

void scaling_forget_pupil(Scaling *scaling);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/accuracy.h"

#include <math.h>

const double accuracy_misses[ACCURACY_BANDS] = {0.5, 0.1, 0.01};

void accuracy_add(Accuracy *accuracy, int64_t time_sec, const double *bands, double came, double was)
{
        int64_t number = time_sec / 3600;
        AccuracyHour *hour = &accuracy->hours[number % ACCURACY_HOURS];

        if (hour->hour != number)
                *hour = (AccuracyHour){.hour = number};
        hour->n++;
        hour->load += came;
        hour->error += fabs(came - bands[0]);
        hour->error_persistence += fabs(came - was);
        for (int i = 0; i < ACCURACY_BANDS; i++)
                hour->below[i] += came <= bands[i];
}

AccuracyHour accuracy_sum(const Accuracy *accuracy, int64_t time_sec, int hours)
{
        AccuracyHour sum = {.hour = time_sec / 3600};

        for (int i = 0; i < ACCURACY_HOURS; i++) {
                const AccuracyHour *hour = &accuracy->hours[i];
                if (hour->hour <= sum.hour - hours || hour->hour > sum.hour)
                        continue;
                sum.n += hour->n;
                sum.load += hour->load;
                sum.error += hour->error;
                sum.error_persistence += hour->error_persistence;
                for (int band = 0; band < ACCURACY_BANDS; band++)
                        sum.below[band] += hour->below[band];
        }
        return sum;
}

void accuracy_state(Accuracy *accuracy, State *state)
{
        for (int i = 0; !state->failed && i < ACCURACY_HOURS; i++) {
                AccuracyHour *hour = &accuracy->hours[i];
                state_integers(state, &hour->hour, 1, 0, INT64_MAX / 4);
                state_numbers(state, &hour->n, 1, 0, STATE_MAX);
                state_numbers(state, &hour->load, 1, 0, STATE_MAX);
                state_numbers(state, &hour->error, 1, 0, STATE_MAX);
                state_numbers(state, &hour->error_persistence, 1, 0, STATE_MAX);
                state_numbers(state, hour->below, ACCURACY_BANDS, 0, STATE_MAX);
        }
}

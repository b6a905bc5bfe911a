/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/scaler/cli/replay.h"

#include <math.h>

#define ROWS_MAX 300 /* so that a run stays short */

/* Any trace that is taken can be replayed: the pool stays within its bounds, the forecasts are numbers. And what a scaler has
 * saved is read back as from a stranger's file. */
static void replay(const Trace *trace)
{
        ScalerSettings settings = scaler_defaults();
        _cleanup_replay_ Replay replay = {0};
        _cleanup_error_ Error e = ERROR_NULL;

        settings.job_sec = 180;
        settings.start_delay_sec = (double)trace->step_sec;
        double capacity = replay_capacity(trace, settings.job_sec);
        replay_fit(&settings, trace, capacity);
        if (replay_run(trace, &settings, 1, capacity, &replay, &e) < 0)
                return;
        for (size_t i = 0; i < replay.n; i++)
                if (replay.rows[i].target < settings.minimum || replay.rows[i].target > settings.maximum ||
                    !isfinite(replay.rows[i].band.p99))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_trace_ Trace trace = {0};
        _cleanup_scaler_ Scaler *scaler = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        ScalerSettings settings = scaler_defaults();

        if (trace_parse((const char *)data, size, &trace, &e) >= 0 && trace.n <= ROWS_MAX)
                replay(&trace);
        if (scaler_new(&scaler, &settings, &e) >= 0)
                scaler_restore(scaler, data, size);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/settings.h"
#include "engine/scaler/paper_pool.h"

#include <math.h>
#include <string.h>

static const char *const mode_names[SCALER_MODES] = {
        [SCALER_OFF] = "off",
        [SCALER_FIXED] = "fixed",
        [SCALER_REACTIVE] = "reactive",
        [SCALER_PREDICTIVE] = "predictive",
};

const char *scaler_mode_name(ScalerMode mode)
{
        return mode_names[mode];
}

int scaler_mode_parse(const char *name, ScalerMode *ret, Error *e)
{
        for (ScalerMode mode = 0; mode < SCALER_MODES; mode++)
                if (strcmp(mode_names[mode], name) == 0) {
                        *ret = mode;
                        return 0;
                }
        return error_set(e, -EINVAL, "must be off, fixed, reactive or predictive");
}

ScalerSettings scaler_defaults(void)
{
        return (ScalerSettings){
                .mode = SCALER_PREDICTIVE,
                .step_sec = 60,
                .cycle_sec = 60,
                .minimum = 2,
                .maximum = 50,
                .fixed = 2,
                .slots = 1,
                .job_sec = 60,
                .start_delay_sec = 5,
                .budget = 1,
                .utilisation = 0.7,
                .up = 0.5,
                .down = 0.25,
                .target_wait_sec = 1,
        };
}

static int check_range(const char *name, double value, double min, double max, Error *e)
{
        if (value >= min && value <= max)
                return 0;
        return error_set(e, -EINVAL, "%s: must be from %g to %g", name, min, max);
}

int settings_check(const ScalerSettings *s, Error *e)
{
        int r;

        if ((unsigned)s->mode >= SCALER_MODES)
                return error_set(e, -EINVAL, "mode: must be off, fixed, reactive or predictive");
        if ((r = check_range("step", (double)s->step_sec, 10, 86400, e)) < 0 ||
            (r = check_range("cycle", (double)s->cycle_sec, (double)s->step_sec, 100 * (double)s->step_sec, e)) < 0 ||
            (r = check_range("minimum", s->minimum, 0, 100000, e)) < 0 ||
            (r = check_range("maximum", s->maximum, fmax(1, s->minimum), 100000, e)) < 0 ||
            (r = check_range("workers", s->fixed, 0, 100000, e)) < 0 ||
            (r = check_range("slots", s->slots, 1e-9, 1e12, e)) < 0 ||
            (r = check_range("job time", s->job_sec, 0, 86400, e)) < 0 ||
            (r = check_range("start delay", s->start_delay_sec, 0, (double)s->step_sec * POOL_DELAY_MAX, e)) < 0 ||
            (s->quantile != 0 && (r = check_range("quantile", s->quantile, 0.3, 0.999999, e)) < 0) ||
            (r = check_range("budget", s->budget, 0.1, 10, e)) < 0 ||
            (r = check_range("utilisation", s->utilisation, 0.1, 1, e)) < 0 ||
            (r = check_range("up", s->up, 0, 100, e)) < 0 || (r = check_range("down", s->down, 0, 1, e)) < 0 ||
            (r = check_range("target wait", s->target_wait_sec, 0, 86400, e)) < 0)
                return r;
        if (s->cycle_sec % s->step_sec != 0)
                return error_set(e, -EINVAL, "cycle: must be a whole number of steps of %lld s",
                                 (long long)s->step_sec);
        return 0;
}

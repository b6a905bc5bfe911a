/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/features.h"
#include "engine/scaler/calendar.h"

#include <math.h>

#define LEVEL_STEPS 60
#define BASE_STEPS 30 /* "how it stood" is the mean of so many steps */
#define DAYS 5
#define HOURS 4
#define CYCLES 4
#define OUTLIER 10 /* in units: one absurd count shall not outweigh all others */

typedef struct View {
        const Series *series;
        const double *load, *raw, *sums;
        Scale scale;
        int64_t step;
        int ahead, offset_sec;
        double *row;
        size_t n;
} View;

Scale features_scale_log(const Series *series, int64_t step)
{
        return (Scale){series_mean(series, series->raw_log_sum, step - LEVEL_STEPS + 1, step), 1};
}

Scale features_scale_linear(const Series *series, int64_t step)
{
        double level = series_mean(series, series->raw_sum, step - LEVEL_STEPS + 1, step);

        return (Scale){level, level + 1};
}

static void add(View *v, double value)
{
        v->row[v->n++] = fmin(fmax(value, -OUTLIER), OUTLIER);
}

static double at(const View *v, const double *values, int64_t step)
{
        return series_at(v->series, values, step);
}

static double base(const View *v, int64_t step)
{
        return series_mean(v->series, v->sums, step - BASE_STEPS + 1, step);
}

static void add_recent(View *v)
{
        static const int spans[] = {3, 5, 10, 15, 30, 60, 120, 240};

        for (int i = 0; i < 8; i++)
                add(v, (at(v, v->raw, v->step - (i < 7 ? i : 8)) - v->scale.now) / v->scale.unit);
        for (size_t i = 0; i < ELEMENTS(spans); i++)
                add(v,
                    (series_mean(v->series, v->sums, v->step - spans[i] + 1, v->step) - v->scale.now) / v->scale.unit);
        add(v, (at(v, v->load, v->step) - at(v, v->load, v->step - v->ahead)) / v->scale.unit);
}

/* How it went on from `then`, as far as that is kept. */
static bool seen(const View *v, int64_t then)
{
        return then > v->series->first && then + v->ahead <= v->step;
}

static void add_yesterday(View *v)
{
        int64_t then = series_days_before(v->series, v->step, v->offset_sec, 1);

        if (v->series->day_steps == 0 || !seen(v, then)) {
                for (int i = 0; i < 4; i++)
                        add(v, 0);
                return;
        }
        double stood = base(v, then), unit = v->scale.unit;
        int64_t aim = then + v->ahead, last = aim + 5 < v->step ? aim + 5 : v->step;
        add(v, (at(v, v->load, aim) - stood) / unit);
        add(v, (series_mean(v->series, v->sums, aim - (int64_t)v->series->window_steps - 4, last) - stood) / unit);
        add(v, (at(v, v->load, then) - stood) / unit);
        add(v, (base(v, v->step) - stood) / unit);
}

/* Earlier times that were like now: how far above its base the load was, and how it went on. */
typedef struct Times {
        double went, was;
        int n;
} Times;

static void times_take(Times *t, const View *v, int64_t then)
{
        if (!seen(v, then))
                return;
        double stood = base(v, then);
        t->went += at(v, v->load, then + v->ahead) - stood;
        t->was += at(v, v->load, then) - stood;
        t->n++;
}

static void add_times(View *v, const Times *t)
{
        add(v, t->n ? t->went / t->n / v->scale.unit : 0);
        add(v, t->n ? t->was / t->n / v->scale.unit : 0);
}

static void add_days(View *v)
{
        Times t = {0};

        for (int days = 1; v->series->day_steps > 0 && days <= DAYS; days++)
                times_take(&t, v, series_days_before(v->series, v->step, v->offset_sec, days));
        add_times(v, &t);
}

static void add_week(View *v)
{
        int64_t then = series_days_before(v->series, v->step, v->offset_sec, 7);

        if (v->series->day_steps == 0 || !seen(v, then)) {
                for (int i = 0; i < 3; i++)
                        add(v, 0);
                return;
        }
        double stood = base(v, then);
        add(v, (at(v, v->load, then + v->ahead) - stood) / v->scale.unit);
        add(v, (series_mean(v->series, v->sums, then + v->ahead - 14, then + v->ahead + 15) - stood) / v->scale.unit);
        add(v, (base(v, v->step) - stood) / v->scale.unit);
}

static void add_hours(View *v)
{
        double went = 0;
        int n = 0;

        for (int hours = 1; v->series->hour_steps > 0 && hours <= HOURS; hours++) {
                int64_t then = v->step - hours * v->series->hour_steps;
                if (!seen(v, then))
                        continue;
                went += at(v, v->load, then + v->ahead) - base(v, then);
                n++;
        }
        add(v, n ? went / n / v->scale.unit : 0);
}

static void add_cycle(View *v)
{
        Times t = {0};

        for (int i = 1; v->series->cycle_steps > 0 && t.n < CYCLES && i <= 2 * CYCLES; i++)
                times_take(&t, v, v->step - i * v->series->cycle_steps);
        add_times(v, &t);
}

static void add_waves(View *v, double turn, int n)
{
        for (int i = 1; i <= n; i++) {
                add(v, sin(2 * M_PI * turn * i));
                add(v, cos(2 * M_PI * turn * i));
        }
}

static void add_calendar(View *v)
{
        int64_t local = (v->step + v->ahead) * v->series->step_sec + v->offset_sec;
        int second = calendar_second_of_day(local), day = calendar_day_of_week(local);

        add_waves(v, second / (double)CALENDAR_DAY_SEC, 3);
        add_waves(v, second % CALENDAR_HOUR_SEC / (double)CALENDAR_HOUR_SEC, 2);
        add(v, day == 0 || day == 6);
}

static void add_restlessness(View *v)
{
        double moved = 0, most = at(v, v->load, v->step), least = most;

        for (int i = 0; i < 10; i++)
                moved += fabs(at(v, v->raw, v->step - i) - at(v, v->raw, v->step - i - 1));
        for (int i = 1; i < 20; i++) {
                double value = at(v, v->load, v->step - i);
                most = fmax(most, value);
                least = fmin(least, value);
        }
        add(v, moved / 10 / v->scale.unit);
        add(v, (most - v->scale.now) / v->scale.unit);
        add(v, (least - v->scale.now) / v->scale.unit);
}

static size_t fill(View *v)
{
        v->row[v->n++] = 1;
        add_recent(v);
        add_yesterday(v);
        add_days(v);
        add_week(v);
        add_hours(v);
        add_cycle(v);
        add_calendar(v);
        add_restlessness(v);
        return v->n;
}

size_t features_log(const Series *series, int64_t step, int ahead, int offset_sec, Scale scale, double *row)
{
        View v = {series, series->load_log, series->raw_log, series->raw_log_sum, scale, step, ahead, offset_sec, row,
                  0};

        return fill(&v);
}

size_t features_linear(const Series *series, int64_t step, int ahead, int offset_sec, Scale scale, double *row)
{
        View v = {series, series->load, series->raw, series->raw_sum, scale, step, ahead, offset_sec, row, 0};

        return fill(&v);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/series.h"
#include "engine/scaler/calendar.h"

#include <errno.h>
#include <math.h>

#define DAYS_KEPT 8
#define ROOM_MIN 2048
#define ROOM_MAX 70000
#define COUNT_MAX 1e12

static void set_window(Series *series, double job_sec)
{
        series->window_steps = fmax(1, job_sec / (double)series->step_sec);
        if (series->window_steps > (double)series->room / 4)
                series->window_steps = (double)series->room / 4;
}

int series_init(Series *series, int64_t step_sec, double job_sec)
{
        int64_t room = DAYS_KEPT * CALENDAR_DAY_SEC / step_sec + 600;

        room = room < ROOM_MIN ? ROOM_MIN : room > ROOM_MAX ? ROOM_MAX : room;
        *series = (Series){.step_sec = step_sec, .room = (size_t)room};
        series->day_steps = (CALENDAR_DAY_SEC + step_sec / 2) / step_sec;
        if (series->day_steps < 4 || CALENDAR_DAY_SEC % step_sec != 0)
                series->day_steps = 0;
        series->hour_steps = CALENDAR_HOUR_SEC % step_sec == 0 ? CALENDAR_HOUR_SEC / step_sec : 0;
        set_window(series, job_sec);
        series->known = calloc(series->room, sizeof *series->known);
        series->count = calloc(series->room, sizeof *series->count);
        series->offset_sec = calloc(series->room, sizeof *series->offset_sec);
        double **rings[] = {&series->load,         &series->load_log, &series->raw,         &series->raw_log,
                            &series->load_log_sum, &series->raw_sum,  &series->raw_log_sum, &series->count_sum};
        bool whole = series->known && series->count && series->offset_sec;
        series->peaks = calloc(series->room / SERIES_PEAK_STEPS + 2, sizeof *series->peaks);
        whole = whole && series->peaks;
        for (size_t i = 0; i < ELEMENTS(rings); i++) {
                *rings[i] = calloc(series->room, sizeof(double));
                whole = whole && *rings[i];
        }
        return whole ? 0 : -ENOMEM;
}

void series_done(Series *series)
{
        free(series->known);
        free(series->count);
        free(series->offset_sec);
        free(series->load);
        free(series->load_log);
        free(series->raw);
        free(series->raw_log);
        free(series->load_log_sum);
        free(series->raw_sum);
        free(series->raw_log_sum);
        free(series->count_sum);
        free(series->peaks);
        *series = (Series){0};
}

double series_mean(const Series *series, const double *sums, int64_t from, int64_t to)
{
        /* The sum before the oldest step is gone, so that one is left out. */
        if (from <= series->first)
                from = series->first + 1;
        if (to < from)
                to = from;
        if (to >= series->next)
                return series->next > series->first + 1 ? sums[series_slot(series, series->next - 1)] -
                                                                  sums[series_slot(series, series->next - 2)]
                                                        : sums[series_slot(series, series->next - 1)];
        return (sums[series_slot(series, to)] - sums[series_slot(series, from - 1)]) / (double)(to - from + 1);
}

static double *peak_at(const Series *series, int64_t step)
{
        return &series->peaks[(size_t)(step / SERIES_PEAK_STEPS) % (series->room / SERIES_PEAK_STEPS + 2)];
}

double series_most(const Series *series, int64_t from)
{
        double most = 0;

        if (from < series->first)
                from = series->first;
        for (int64_t step = from - from % SERIES_PEAK_STEPS; step < series->next; step += SERIES_PEAK_STEPS)
                most = fmax(most, *peak_at(series, step));
        return most;
}

bool series_whole(const Series *series, int64_t step, int n)
{
        for (int i = 0; i < n; i++) {
                if (step - i < series->first)
                        break;
                if (!series->known[series_slot(series, step - i)])
                        return false;
        }
        return true;
}

int64_t series_days_before(const Series *series, int64_t step, int offset_sec, int days)
{
        int64_t before = step - days * series->day_steps;
        int then = before >= series->first && before < series->next ? series->offset_sec[series_slot(series, before)]
                                                                    : offset_sec;

        return before + (offset_sec - then) / series->step_sec;
}

/* The count of a gap: of a day before, else of the last step that was known. */
static double plausible(const Series *series, int64_t step)
{
        if (series->day_steps > 0 && step - series->day_steps >= series->first)
                return series->count[series_slot(series, step - series->day_steps)];
        return step > series->first ? series->count[series_slot(series, step - 1)] : 0;
}

/* All that follows from the counts up to this step. */
static void derive(Series *series, int64_t step)
{
        size_t slot = (size_t)step % series->room, before = series_slot(series, step - 1);
        bool follows = step > series->first;
        double window = series->window_steps;
        int64_t whole = (int64_t)window;

        series->count_sum[slot] = (follows ? series->count_sum[before] : 0) + series->count[slot];
        double sum = series->count_sum[slot], steps = (double)(step - series->first + 1);
        if (step - whole >= series->first) {
                size_t oldest = series_slot(series, step - whole);
                sum += (window - (double)whole) * series->count[oldest] - series->count_sum[oldest];
                steps = window;
        }
        /* Sums of large counts leave traces of rounding where there is nothing. */
        series->load[slot] = sum < 1e-6 ? 0 : sum / steps * window;
        series->load_log[slot] = log1p(series->load[slot]);
        double *peak = peak_at(series, step);
        *peak = follows && step % SERIES_PEAK_STEPS != 0 ? fmax(*peak, series->load[slot]) : series->load[slot];
        series->raw[slot] = series->count[slot] * window;
        series->raw_log[slot] = log1p(series->raw[slot]);
        series->load_log_sum[slot] = (follows ? series->load_log_sum[before] : 0) + series->load_log[slot];
        series->raw_sum[slot] = (follows ? series->raw_sum[before] : 0) + series->raw[slot];
        series->raw_log_sum[slot] = (follows ? series->raw_log_sum[before] : 0) + series->raw_log[slot];
}

/* Zones change their offset on a quarter of an hour, and it costs a microsecond to ask. */
static int offset_of(const Series *series, int64_t step)
{
        int64_t time_sec = step * series->step_sec;

        if (step > series->first && time_sec % 900 >= series->step_sec)
                return series->offset_sec[series_slot(series, step - 1)];
        return calendar_offset_sec(time_sec);
}

void series_add(Series *series, double count)
{
        int64_t step = series->next;
        size_t slot = (size_t)step % series->room;

        if (step - series->first >= (int64_t)series->room)
                series->first = step - (int64_t)series->room + 1;
        series->known[slot] = !isnan(count);
        series->count[slot] = (float)(isnan(count) ? plausible(series, step) : fmin(fmax(count, 0), COUNT_MAX));
        series->offset_sec[slot] = offset_of(series, step);
        series->next = step + 1;
        derive(series, step);
}

void series_set_job_sec(Series *series, double job_sec)
{
        double before = series->window_steps;

        set_window(series, job_sec);
        if (series->window_steps == before)
                return;
        for (int64_t step = series->first; step < series->next; step++)
                derive(series, step);
}

void series_restart(Series *series, int64_t step)
{
        series->first = series->next = step;
}

void series_state(Series *series, State *state)
{
        int64_t span[] = {series->first, series->next};

        state_numbers(state, &series->window_steps, 1, 1, (double)series->room / 4);
        state_integers(state, span, 2, 0, INT64_MAX / 4);
        state_integers(state, &series->cycle_steps, 1, 0, (int64_t)series->room);
        if (span[1] < span[0] || span[1] - span[0] > (int64_t)series->room)
                state->failed = true;
        state_bytes(state, series->known, series->room);
        state_floats(state, series->count, series->room, 0, COUNT_MAX * 1.001);
        if (state->failed || state->out)
                return;
        series->first = span[0];
        series->next = span[1];
        for (size_t i = 0; i < series->room; i++) {
                series->known[i] = !!series->known[i];
                if (isnan(series->count[i]))
                        series->count[i] = 0;
        }
        for (int64_t step = series->first; step < series->next; step++) {
                series->offset_sec[(size_t)step % series->room] = offset_of(series, step);
                derive(series, step);
        }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/scaler/cli/commands.h"
#include "engine/scaler/plot.h"

#include <string.h>

#define PLOT_ROWS 2880

static int csv_write(const char *file, const Replay *replay, Error *e)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return error_oom(e);
        fputs("time,demand,ready,target,p50,p90,p99\n", out);
        for (size_t i = 0; i < replay->n; i++) {
                const ReplayRow *row = &replay->rows[i];
                fprintf(out, "%lld,%.4f,%d,%d,%.4f,%.4f,%.4f\n", (long long)row->time_sec, row->demand, row->ready,
                        row->target, row->band.p50, row->band.p90, row->band.p99);
        }
        if (fclose(out) != 0)
                return error_oom(e);
        return text_write(file, text, e);
}

static void add_score(json_object *to, const ReplayScore *s, double capacity)
{
        json_object *forecast = json_object_new_object();

        json_add_number(to, "cycles", (uint64_t)s->cycles);
        json_add_real(to, "time_under_provisioned", s->under);
        json_add_real(to, "mean_over_provisioning", s->over);
        json_add_real(to, "mean_ready", s->mean_ready);
        json_add_real(to, "lost_work", s->lost);
        json_add_real(to, "lost_jobs", s->lost * capacity);
        json_add_number(to, "changes_of_direction", (uint64_t)s->turns);
        json_add_real(forecast, "minutes_on", 10);
        json_add_real(forecast, "at_or_below_p50", s->below50);
        json_add_real(forecast, "at_or_below_p90", s->below90);
        json_add_real(forecast, "at_or_below_p99", s->below99);
        json_object_object_add(to, "forecast", forecast);
}

static void print_json(const ReplayOptions *o, const Replay *replay, double cpu_sec)
{
        _cleanup_json_ json_object *top = json_object_new_object();
        json_object *held_out = json_object_new_object();
        ReplayScore all = replay_score(replay, &o->settings, 0), late = replay_score(replay, &o->settings, HELD_OUT);

        json_add_string(top, "policy", scaler_mode_name(o->settings.mode));
        if (o->settings.quantile > 0)
                json_add_real(top, "quantile", o->settings.quantile);
        json_add_number(top, "step_seconds", (uint64_t)o->settings.step_sec);
        json_add_number(top, "cycle_seconds", (uint64_t)o->settings.cycle_sec);
        json_add_real(top, "start_delay_seconds", o->settings.start_delay_sec);
        json_add_real(top, "job_seconds", o->settings.job_sec);
        json_add_real(top, "capacity", o->capacity);
        add_score(top, &all, o->capacity);
        add_score(held_out, &late, o->capacity);
        json_object_object_add(top, "last_40_percent", held_out);
        json_add_real(top, "cpu_seconds", cpu_sec);
        puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_score(const char *name, const ReplayScore *s)
{
        printf("%-12s %8.0f  %11.3f %%  %8.2f  %6.2f  %10.0f  %6.0f  %13.1f %%  %5.1f %%\n", name, s->cycles,
               s->under * 100, s->mean_ready, s->over, s->lost, s->turns, s->below90 * 100, s->below99 * 100);
}

static void print_table(const ReplayOptions *o, const Replay *replay, double cpu_sec)
{
        ReplayScore all = replay_score(replay, &o->settings, 0), late = replay_score(replay, &o->settings, HELD_OUT);

        printf("%s, a step of %lld s, a cycle of %lld s, ready after %.0f s, %.4g jobs a minute and worker\n\n",
               scaler_mode_name(o->settings.mode), (long long)o->settings.step_sec, (long long)o->settings.cycle_sec,
               o->settings.start_delay_sec, o->capacity);
        printf("%-12s %8s  %13s  %8s  %6s  %10s  %6s  %15s  %7s\n", "", "cycles", "too few ready", "ready", "idle",
               "lost", "turns", "at or below p90", "p99");
        print_score("all", &all);
        print_score("last 40 %", &late);
        printf("\n\"ready\" and \"idle\" are mean workers, \"lost\" worker minutes; p90 and p99 are forecasts for ten "
               "minutes on.\n"
               "%.2f s of processor time.\n",
               cpu_sec);
        if (replay->sentence)
                printf("The last decision: %s\n", replay->sentence);
}

/* The last two days, at a step of a minute. */
static int svg_write(const char *file, const char *trace, const Replay *replay, Error *e)
{
        size_t first = replay->n > PLOT_ROWS ? replay->n - PLOT_ROWS : 0, n = replay->n - first;
        _cleanup_free_ double *values = calloc(7 * (n + 1), sizeof *values);
        _cleanup_free_ char *text = NULL, *title = NULL;

        if (!values || asprintf(&title, "%s: demand, forecast and pool", trace) < 0)
                return error_oom(e);
        double *time = values, *demand = time + n, *ready = demand + n, *later = ready + n, *p50 = later + n,
               *p90 = p50 + n, *p99 = p90 + n;
        for (size_t i = 0; i < n; i++) {
                const ReplayRow *row = &replay->rows[first + i];
                time[i] = (double)row->time_sec;
                demand[i] = row->demand;
                ready[i] = row->ready;
                later[i] = (double)row->time_sec + row->band.later_sec;
                p50[i] = row->band.p50;
                p90[i] = row->band.p90;
                p99[i] = row->band.p99;
        }
        const PlotItem items[] = {
                {PLOT_BAND, "50 to 99 %, ten minutes ahead", "#3b82f6", n, later, p50, p99},
                {PLOT_BAND, "50 to 90 %", "#3b82f6", n, later, p50, p90},
                {PLOT_LINE, "demand", "#e07020", n, time, demand, NULL},
                {PLOT_STEPS, "workers ready", "#2f9e44", n, time, ready, NULL},
        };
        const Plot plot = {title, "local time", "workers", true, true, items, ELEMENTS(items)};
        if (plot_write(&plot, &text) < 0)
                return error_oom(e);
        return text_write(file, text, e);
}

int command_replay(int argc, char **argv, Error *e)
{
        _cleanup_trace_ Trace trace = {0};
        _cleanup_replay_ Replay replay = {0};
        ReplayOptions o;
        const char *file;
        int r = replay_options_read(&o, true, argc, argv, &trace, &file, e);

        if (r != 0)
                return r < 0 ? r : 0;
        uint64_t begin = clock_usec(CLOCK_PROCESS_CPUTIME_ID);
        r = replay_run(&trace, &o.settings, 1, o.capacity, &replay, e);
        if (r < 0)
                return r;
        double cpu_sec = (double)(clock_usec(CLOCK_PROCESS_CPUTIME_ID) - begin) / USEC_PER_SECOND;
        if (o.csv && (r = csv_write(o.csv, &replay, e)) < 0)
                return r;
        if (o.svg && (r = svg_write(o.svg, file, &replay, e)) < 0)
                return r;
        if (o.json)
                print_json(&o, &replay, cpu_sec);
        else if (!o.csv || strcmp(o.csv, "-") != 0)
                print_table(&o, &replay, cpu_sec);
        return 0;
}

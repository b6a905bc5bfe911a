/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl forecast: the load that is foreseen, the pool that was there for it, and why it is as large as it is. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/since.h"
#include "engine/ctl/table.h"
#include "engine/scaler/plot.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define MINUTES_DEFAULT 180
#define MINUTES_MAX (7 * 24 * 60)
#define COLUMNS 72
#define ROWS 12

typedef struct Forecast {
        const Context *context;
        json_object *report, *bands, *policies, *decisions; /* those in it */
        const char *svg;
        uint64_t minutes;
} Forecast;

static double number(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        return value ? json_object_get_double(value) : NAN;
}

/* ---- for people ---- */

static void print_time(const Forecast *f, char *text, size_t size, double usec)
{
        time_t seconds = (time_t)(usec / USEC_PER_SECOND);
        struct tm tm;

        if (!(f->context->utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)) ||
            strftime(text, size, "%H:%M", &tm) == 0)
                snprintf(text, size, "?");
}

static int print_bands(const Forecast *f, Error *e)
{
        static const TableColumn columns[] = {{"AT", false}, {"LIKELY", true}, {"90 %", true}, {"99 %", true}};
        static const char *const keys[] = {"p50", "p90", "p99"};
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), f->context->colour);

        if (!table)
                return error_oom(e);
        for (size_t i = 0; i < json_object_array_length(f->bands); i++) {
                json_object *band = json_object_array_get_idx(f->bands, i);
                char text[16];
                print_time(f, text, sizeof text, number(band, "time_usec"));
                table_add(table, text, NULL);
                for (size_t k = 0; k < ELEMENTS(keys); k++) {
                        snprintf(text, sizeof text, "%.1f", number(band, keys[k]));
                        table_add(table, text, NULL);
                }
        }
        return table_flush(table) < 0 ? error_oom(e) : 0;
}

/* The last hours, from left to right: the load as columns of "#", the pool as "-" over them, where the forecast ended
 * at 90 % as
 * "." */
static void print_plot(const Forecast *f)
{
        size_t n = json_object_array_length(f->decisions), columns = n < COLUMNS ? n : COLUMNS;
        double load[COLUMNS] = {0}, pool[COLUMNS] = {0}, band[COLUMNS] = {0}, most = 1;

        for (size_t i = 0; i < n; i++) {
                /* The latest comes first. */
                json_object *d = json_object_array_get_idx(f->decisions, n - 1 - i);
                size_t at = i * columns / n;
                load[at] = fmax(load[at], number(d, "load"));
                pool[at] = number(d, "target");
                band[at] = fmax(band[at], number(d, "p90"));
                most = fmax(most, fmax(load[at], fmax(pool[at], band[at])));
        }
        for (int row = ROWS; columns > 0 && row > 0; row--) {
                double from = most * (row - 1) / ROWS, to = most * row / ROWS;
                printf("%7.1f |", to);
                for (size_t i = 0; i < columns; i++)
                        putchar(pool[i] > from && pool[i] <= to   ? '-'
                                : load[i] > from                  ? '#'
                                : band[i] > from && band[i] <= to ? '.'
                                                                  : ' ');
                putchar('\n');
        }
        if (columns > 0) {
                char first[16], last[16];
                print_time(f, first, sizeof first, number(json_object_array_get_idx(f->decisions, n - 1), "time_usec"));
                print_time(f, last, sizeof last, number(json_object_array_get_idx(f->decisions, 0), "time_usec"));
                printf("        +%s %s, # load, - workers, . forecast (90 %%), %s\n\n", first, "on the left", last);
        }
}

static void print_accuracy(json_object *accuracy, const char *span)
{
        json_object *a = json_member(accuracy, span);

        if (!a) {
                printf("Of the last %s there is no forecast to be compared yet.\n", span);
                return;
        }
        printf("In the last %s, the load ten minutes on was at or below its 90 %% forecast in %.0f %%, and off by %.2f "
               "workers of %.2f "
               "(%.2f if it had stayed).\n",
               span, number(a, "at_or_below_p90") * 100, number(a, "mean_error"), number(a, "mean_load"),
               number(a, "mean_error_if_it_stayed"));
}

/* Jobs that are going to come at once, and so jails that are to be ready. */
static int print_policies(const Forecast *f, Error *e)
{
        static const TableColumn columns[] = {{"POLICY", false},    {"LAST HOUR", true},     {"WARM NOW", true}, {"IN 5 MIN", true},
                                              {"IN 10 MIN", true}, {"IN 15 MIN", true}, {"COME AGAIN", false}};
        static const char *const keys[] = {"jobs_in_hour", "warm", "within_5_minutes", "within_10_minutes", "within_15_minutes"};
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), f->context->colour);

        if (!table)
                return error_oom(e);
        for (size_t i = 0; i < json_object_array_length(f->policies); i++) {
                json_object *p = json_object_array_get_idx(f->policies, i);
                table_add(table, json_text(p, "policy"), NULL);
                for (size_t k = 0; k < ELEMENTS(keys); k++)
                        table_add_number(table, json_number(p, keys[k]));
                table_add(table, json_text(p, "recurs"), NULL);
        }
        return table_flush(table) < 0 ? error_oom(e) : 0;
}

static int print_all(const Forecast *f, Error *e)
{
        json_object *accuracy = json_member(f->report, "accuracy");

        const char *mode = json_text(f->report, "mode");
        _cleanup_free_ char *escaped = name_escape(mode ? mode : "?");

        printf("The scaler is %s.\n\n", escaped ? escaped : "");
        if (json_object_array_length(f->bands) == 0)
                printf("There is nothing yet to foresee by: the first step has not ended.\n\n");
        else if (print_bands(f, e) < 0)
                return e->code;
        putchar('\n');
        if (json_object_array_length(f->policies) > 0) {
                if (print_policies(f, e) < 0)
                        return e->code;
                putchar('\n');
        }
        print_plot(f);
        print_accuracy(accuracy, "day");
        print_accuracy(accuracy, "week");
        if (json_object_array_length(f->decisions) > 0) {
                fputs("\nThe last decision: ", stdout);
                print_text(json_text(json_object_array_get_idx(f->decisions, 0), "sentence"));
        }
        return 0;
}

/* ---- for a report ---- */

static int write_svg(const Forecast *f, Error *e)
{
        size_t n = json_object_array_length(f->decisions), n_bands = json_object_array_length(f->bands),
               total = n + n_bands;
        _cleanup_free_ double *values = calloc(6 * (total + 1), sizeof *values);
        _cleanup_free_ char *text = NULL;

        if (!values)
                return error_oom(e);
        double *time = values, *load = time + total, *pool = load + total, *later = pool + total, *p50 = later + total,
               *p90 = p50 + total;
        for (size_t i = 0; i < n; i++) {
                json_object *d = json_object_array_get_idx(f->decisions, n - 1 - i);
                time[i] = number(d, "time_usec") / USEC_PER_SECOND;
                load[i] = number(d, "load");
                pool[i] = number(d, "target");
                later[i] = time[i] + number(d, "later_sec");
                p50[i] = number(d, "p50");
                p90[i] = number(d, "p90");
        }
        for (size_t i = 0; i < n_bands; i++) {
                json_object *band = json_object_array_get_idx(f->bands, i);
                later[n + i] = number(band, "time_usec") / USEC_PER_SECOND;
                p50[n + i] = number(band, "p50");
                p90[n + i] = number(band, "p90");
        }
        const PlotItem items[] = {
                {PLOT_BAND, "forecast, 50 to 90 %", "#3b82f6", total, later, p50, p90},
                {PLOT_LINE, "load", "#e07020", n, time, load, NULL},
                {PLOT_STEPS, "workers", "#2f9e44", n, time, pool, NULL},
        };
        const Plot plot = {"Load, forecast and pool", "local time", "workers", true, true, items, ELEMENTS(items)};
        if (plot_write(&plot, &text) < 0)
                return error_oom(e);
        _cleanup_close_ int fd = strcmp(f->svg, "-") == 0
                                         ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                         : open(f->svg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        int r = fd < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? error_errno(e, r, "%s", f->svg) : 0;
}

/* ---- */

static int take_minutes(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return count_parse(value, 1, MINUTES_MAX, &((Forecast *)target)->minutes, e);
}

static const Option options_table[] = {
        {"minutes", "N", NULL, take_minutes, 0},
        {"svg", "FILE", NULL, option_set_string, offsetof(Forecast, svg)},
};

int command_forecast(const Context *context, int argc, char **argv, Error *e)
{
        Forecast f = {.context = context, .minutes = MINUTES_DEFAULT};
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_object *report = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        const char *text;
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &f, e);

        if (r >= 0 && r < argc)
                r = error_set(e, -EINVAL, "%s: skepctl forecast takes no words", argv[r]);
        if (r < 0 || (r = client_connect(context->address, &bus, e)) < 0 ||
            (r = client_call(bus, &reply, e, "GetScalingReport", "u", (uint32_t)f.minutes)) < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "s", &text)) < 0)
                return error_errno(e, r, "the answer of the supervisor");
        if ((r = json_parse_text(text, strlen(text), &report, e)) < 0)
                return r;
        f.report = report;
        f.bands = json_member(report, "forecast");
        f.policies = json_member(report, "policies");
        f.decisions = json_member(report, "decisions");
        if (!json_object_is_type(f.bands, json_type_array) || !json_object_is_type(f.policies, json_type_array) ||
            !json_object_is_type(f.decisions, json_type_array))
                return error_set(e, -EBADMSG, "the report of the supervisor cannot be read");
        if (f.svg)
                return write_svg(&f, e);
        if (!context->json)
                return print_all(&f, e);
        print_json(stdout, report);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/report_text.h"

#include "engine/base/strv.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"

#include <inttypes.h>
#include <string.h>

/* A line in the making: parts joined by ", ". */
typedef struct Line {
        char **parts;
} Line;

static void end_line(Line *line, const char *label, char ***lines)
{
        _cleanup_free_ char *text = line->parts ? strv_join(line->parts, ", ") : NULL;

        /* A label without its text would shift all that follow. */
        if (text && strv_add(lines, label) >= 0 && strv_add(lines, text) < 0)
                strv_remove(*lines, label);
        line->parts = strv_free(line->parts);
}

static void add_duration(Line *line, json_object *from, const char *key, const char *form)
{
        if (json_member(from, key))
                strv_addf(&line->parts, form, amount_duration(json_number(from, key)).text);
}

static void add_size(Line *line, json_object *from, const char *key, const char *form)
{
        if (json_member(from, key))
                strv_addf(&line->parts, form, amount_size(json_number(from, key)).text);
}

static void add_start(Line *line, json_object *report)
{
        const char *start = json_text(report, "start"), *worker = json_text(report, "worker");

        if (json_object_get_boolean(json_member(report, "cached")))
                strv_add(&line->parts, "the result of an equal job was reused");
        if (worker)
                strv_addf(&line->parts, "worker %s", worker);
        if (start)
                strv_addf(&line->parts, "%s start", start);
        add_duration(line, report, "setup_usec", "jail made in %s");
}

/* Pressure that was none is not worth a line. */
static void add_pressure(Line *line, json_object *report)
{
        static const char *const kinds[][2] = {
                {"cpu_usec", "CPU %s"}, {"memory_usec", "memory %s"}, {"io_usec", "I/O %s"}};
        json_object *pressure = json_member(report, "pressure");

        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (json_number(pressure, kinds[i][0]) >= 1000)
                        add_duration(line, pressure, kinds[i][0], kinds[i][1]);
}

static void add_denied(Line *line, json_object *report)
{
        json_object *denied = json_member(report, "denied_syscalls");

        if (!json_object_is_type(denied, json_type_object))
                return;
        json_object_object_foreach(denied, name, count)
                strv_addf(&line->parts, "%s %" PRIu64 "×", name, json_object_get_uint64(count));
        json_object *complete = json_member(report, "denied_complete");
        if (line->parts && complete && !json_object_get_boolean(complete))
                strv_add(&line->parts, "and more");
}

static void add_names(Line *line, json_object *names)
{
        for (size_t i = 0; names && i < json_object_array_length(names); i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));
                strv_add(&line->parts, name ? name : "?");
        }
}

static void add_enforced(Line *line, json_object *report)
{
        json_object *enforced = json_member(report, "enforced");

        if (!json_object_is_type(enforced, json_type_object))
                return;
        json_object_object_foreach(enforced, layer, by)
                strv_addf(&line->parts, "%s (%s)", layer, json_object_get_string(by));
}

char **report_lines(json_object *report)
{
        char **lines = NULL;
        Line line = {0};

        add_start(&line, report);
        end_line(&line, "ran", &lines);
        add_duration(&line, report, "wall_usec", "%s in all");
        add_duration(&line, report, "cpu_user_usec", "CPU %s user");
        add_duration(&line, report, "cpu_system_usec", "%s system");
        end_line(&line, "time", &lines);
        add_size(&line, report, "memory_peak_bytes", "%s at most");
        if (json_member(report, "pids_peak"))
                strv_addf(&line.parts, "%" PRIu64 " processes at most", json_number(report, "pids_peak"));
        end_line(&line, "memory", &lines);
        add_size(&line, report, "io_read_bytes", "%s read");
        add_size(&line, report, "io_write_bytes", "%s written");
        end_line(&line, "disk", &lines);
        add_pressure(&line, report);
        end_line(&line, "stalled by", &lines);
        add_size(&line, report, "stdout_bytes", "stdout %s");
        add_size(&line, report, "stderr_bytes", "stderr %s");
        if (json_object_get_boolean(json_member(report, "truncated")))
                strv_add(&line.parts, "cut off at its limit");
        end_line(&line, "output", &lines);
        add_denied(&line, report);
        end_line(&line, "refused", &lines);
        add_enforced(&line, report);
        end_line(&line, "held by", &lines);
        add_names(&line, json_list(report, "not_enforced"));
        end_line(&line, "not held", &lines);
        return lines;
}

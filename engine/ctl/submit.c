/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl submit: one job, an array of them, or one a line. */

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/job_options.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MAX ((size_t)256 << 20)
#define CHUNK_JOBS ((size_t)1000)

static int read_all(const char *file, char **ret, size_t *ret_size, Error *e)
{
        size_t room = 1 << 16, size = 0;
        _cleanup_free_ char *text = NULL;
        int r;

        if (strcmp(file, "-") != 0) {
                r = read_file_at(AT_FDCWD, file, FILE_MAX, ret, ret_size);
                return r < 0 ? error_errno(e, r, "%s", file) : 0;
        }
        for (;;) {
                char *larger = realloc(text, room + 1);
                if (!larger)
                        return error_oom(e);
                text = larger;
                ssize_t n = read_full(0, text + size, room - size);
                if (n < 0)
                        return error_errno(e, (int)n, "standard input");
                size += (size_t)n;
                if (size < room)
                        break;
                if (size > FILE_MAX)
                        return error_set(e, -EFBIG, "standard input: more than %zu bytes", FILE_MAX);
                room *= 2;
        }
        text[size] = '\0';
        *ret_size = size;
        *ret = take(text);
        return 0;
}

/* Nothing but space, or a comment. */
static bool is_blank(const char *line)
{
        line += strspn(line, " \t\r");
        return *line == '\0' || *line == '\n' || (line[0] == '/' && line[1] == '/');
}

/* Each line is a job, but for empty ones and comments. */
static int parse_lines(char *text, json_object **ret, Error *e)
{
        _cleanup_json_ json_object *array = json_object_new_array();
        size_t number = 1;

        for (char *line = text, *end; line; line = end, number++) {
                json_object *job = NULL;
                end = strchr(line, '\n');
                if (end)
                        *end++ = '\0';
                if (is_blank(line))
                        continue;
                int r = json_parse_text(line, strlen(line), &job, e);
                if (r < 0)
                        return error_prefix(e, "line %zu", number), r;
                json_object_array_add(array, job);
        }
        *ret = take(array);
        return 0;
}

/* An array of jobs, whatever form they came in. */
static int parse_jobs(char *text, size_t size, json_object **ret, Error *e)
{
        _cleanup_error_ Error whole_error = ERROR_NULL;
        json_object *whole = NULL;
        _cleanup_json_ json_object *first = NULL;
        const char *start = text;

        if (json_parse_text(text, size, &whole, &whole_error) >= 0) {
                if (json_object_is_type(whole, json_type_array)) {
                        *ret = whole;
                        return 0;
                }
                *ret = json_object_new_array();
                json_object_array_add(*ret, whole);
                return 0;
        }
        /* Lines, if the first of them is whole by itself. */
        while (*start && is_blank(start) && strchr(start, '\n'))
                start = strchr(start, '\n') + 1;
        size_t line = strcspn(start, "\n");
        if (start[line] && json_parse_text(start, line, &first, NULL) >= 0)
                return parse_lines(text, ret, e);
        return error_set(e, whole_error.code, "%s", error_text(&whole_error));
}

static const char *spec_at(json_object *jobs, size_t i)
{
        return json_object_to_json_string_ext(json_object_array_get_idx(jobs, i), JSON_C_TO_STRING_PLAIN);
}

/* Each chunk is taken as a whole, or not at all. */
static int submit_chunk(sd_bus *bus, json_object *jobs, size_t first, const ClientInput *inputs, size_t n_inputs,
                        char ***ids, Error *e)
{
        size_t left = json_object_array_length(jobs) - first, n = left < CHUNK_JOBS ? left : CHUNK_JOBS;
        _cleanup_free_ const char **specs = calloc(n, sizeof *specs);

        if (!specs)
                return error_oom(e);
        for (size_t i = 0; i < n; i++)
                specs[i] = spec_at(jobs, first + i);
        int r = client_submit_batch(bus, specs, n, inputs, n_inputs, ids, e);
        if (r < 0 && first > 0)
                error_prefix(e, "of the jobs from %zu on (those before are submitted)", first);
        return r;
}

static int submit_all(sd_bus *bus, json_object *jobs, const ClientInput *inputs, size_t n_inputs, char ***ids, Error *e)
{
        size_t n = json_object_array_length(jobs);
        _cleanup_free_ char *path = NULL;
        int r = 0;

        if (n == 1) {
                r = client_submit(bus, spec_at(jobs, 0), inputs, n_inputs, &path, e);
                return r >= 0 && strv_add(ids, client_id_of(path)) < 0 ? error_oom(e) : r;
        }
        for (size_t first = 0; r >= 0 && first < n; first += CHUNK_JOBS)
                r = submit_chunk(bus, jobs, first, inputs, n_inputs, ids, e);
        return r;
}

int command_submit(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_json_ json_object *jobs = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **ids = NULL;
        ClientInput inputs[CTL_INPUTS_MAX];
        JobOptions o;
        size_t size;
        int r = job_options_parse(argc, argv, false, &o, e);

        if (r >= 0 && r != argc - 1)
                r = error_set(e, -EINVAL, "one file: skepctl submit FILE|- [--input NAME=PATH]...");
        if (r >= 0 && json_object_object_length(o.spec) > 0)
                r = error_set(e, -EINVAL, "what the jobs are stands in the file; only --input is possible beside it");
        const char *file = argv[argc - 1];
        for (size_t i = 0; r >= 0 && i < o.n_inputs; i++)
                inputs[i] = (ClientInput){o.inputs[i].name, o.inputs[i].fd};
        if (r >= 0)
                r = read_all(file, &text, &size, e);
        if (r >= 0 && (r = parse_jobs(text, size, &jobs, e)) < 0)
                error_prefix(e, "%s", file);
        if (r >= 0)
                r = client_connect(context->address, &bus, e);
        if (r >= 0)
                r = submit_all(bus, jobs, inputs, o.n_inputs, &ids, e);
        for (size_t i = 0; ids && ids[i]; i++)
                printf("%s\n", ids[i]);
        job_options_done(&o);
        return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl submit: one job, an array of them, or one a line. */

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/ids.h"
#include "engine/ctl/job_options.h"
#include "engine/ctl/job_texts.h"
#include "engine/ctl/print.h"
#include "engine/ctl/progress.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MAX ((size_t)256 << 20)
#define BATCH_JOBS ((size_t)1000)
#define BATCH_BYTES ((size_t)8 << 20) /* of a message, which has a limit (clients.message of skepd.json(5)) */

/* All of a file or of standard input, with a NUL behind it. */
static int read_all(const char *file, char **ret, size_t *ret_size, Error *e)
{
        bool is_stdin = strcmp(file, "-") == 0;
        _cleanup_close_ int opened = is_stdin ? -1 : open(file, O_RDONLY | O_CLOEXEC);
        size_t room = 1 << 16, size = 0;
        _cleanup_free_ char *text = NULL;

        if (!is_stdin && opened < 0)
                return error_errno(e, -errno, "%s", file);
        for (;;) {
                char *larger = realloc(text, room + 1);
                if (!larger)
                        return error_oom(e);
                text = larger;
                ssize_t n = read_full(is_stdin ? 0 : opened, text + size, room - size);
                if (n < 0)
                        return error_errno(e, (int)n, "%s", file);
                size += (size_t)n;
                if (size < room)
                        break;
                if (size > FILE_MAX)
                        return error_set(e, -EFBIG, "%s: more than %zu bytes", file, FILE_MAX);
                room *= 2;
        }
        text[size] = '\0';
        *ret_size = size;
        *ret = take(text);
        return 0;
}

/* One by itself is submitted by another call than many are, which gives it the inputs directly. */
static int submit_one(sd_bus *bus, const JobText *job, const ClientInput *inputs, size_t n_inputs, Error *e)
{
        _cleanup_free_ char *spec = strndup(job->start, job->size), *path = NULL;
        int r = spec ? client_submit(bus, spec, inputs, n_inputs, &path, e) : error_oom(e);

        if (r >= 0)
                puts(client_id_of(path));
        return r;
}

static size_t batch_size(const JobTexts *jobs, size_t first)
{
        size_t n = 0, bytes = 0;

        while (n < BATCH_JOBS && first + n < jobs->n && (bytes += jobs->jobs[first + n].size) <= BATCH_BYTES)
                n++;
        return n > 0 ? n : 1;
}

/* The supervisor counts from the first job of its batch, the file from its own. */
static void count_in_file(size_t first, Error *e)
{
        _cleanup_free_ char *why = NULL;
        size_t place;
        int length = 0;

        if (sscanf(error_text(e), "job %zu: %n", &place, &length) == 1 && length > 0 && (why = strdup(error_text(e) + length)))
                error_set(e, e->code, "job %zu: %s", first + place, why);
}

/* Each batch is taken as a whole, or not at all. */
static int submit_batch(sd_bus *bus, const JobTexts *jobs, size_t first, size_t n, const ClientInput *inputs,
                        size_t n_inputs, IdList *ids, Error *e)
{
        _cleanup_strv_ char **specs = calloc(n + 1, sizeof *specs), **answer = NULL;
        int r = specs ? 0 : error_oom(e);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if ((r = job_text_for_batch(&jobs->jobs[first + i], first, n, jobs->n, ids->ids, &specs[i], e)) < 0)
                        error_prefix(e, "job %zu", first + i);
        if (r >= 0 && (r = client_submit_batch(bus, (const char *const *)specs, n, inputs, n_inputs, &answer, e)) < 0)
                count_in_file(first, e);
        if (r < 0 && first > 0)
                return error_prefix(e, "of the jobs from %zu on (those before are submitted)", first), r;
        for (size_t i = 0; r >= 0 && answer && answer[i]; i++) {
                print_text(answer[i]);
                r = id_list_add(ids, answer[i], e);
        }
        return r;
}

static int submit_all(sd_bus *bus, const JobTexts *jobs, const ClientInput *inputs, size_t n_inputs, Error *e)
{
        Progress progress = progress_begin("submit");
        IdList ids = {0};
        int r = 0;

        if (jobs->n == 1)
                return submit_one(bus, &jobs->jobs[0], inputs, n_inputs, e);
        for (size_t first = 0, n; r >= 0 && first < jobs->n; first += n) {
                n = batch_size(jobs, first);
                progress_show(&progress, first, jobs->n);
                r = submit_batch(bus, jobs, first, n, inputs, n_inputs, &ids, e);
                /* Who reads them may act on them while the rest is submitted; and what is printed is submitted. */
                if (isatty(1))
                        progress_clear(&progress);
                int written = flush_stdout();
                bool more = first + n < jobs->n;
                if (r >= 0 && written < 0 && (more || written != -EPIPE)) {
                        r = error_errno(e, written, "standard output");
                        if (more)
                                error_prefix(e, "the jobs from %zu on are not submitted", first + n);
                }
        }
        progress_clear(&progress);
        strv_free(ids.ids);
        return r;
}

int command_submit(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_(job_texts_done) JobTexts jobs = {0};
        _cleanup_free_ char *text = NULL;
        ClientInput inputs[CTL_INPUTS_MAX];
        JobOptions o;
        size_t size = 0;
        int r = job_options_parse(argc, argv, false, &o, e);

        if (r >= 0 && r != argc - 1)
                r = error_set(e, -EINVAL, "one file: skepctl submit FILE|- [--input NAME=PATH]...");
        if (r >= 0 && (json_object_object_length(o.spec) > 0 || o.output))
                r = error_set(e, -EINVAL, "what the jobs are stands in the file; only --input is possible beside it");
        const char *file = argv[argc - 1];
        for (size_t i = 0; r >= 0 && i < o.n_inputs; i++)
                inputs[i] = (ClientInput){o.inputs[i].name, o.inputs[i].fd};
        if (r >= 0)
                r = read_all(file, &text, &size, e);
        if (r >= 0 && (r = job_texts_split(text, size, &jobs, e)) < 0)
                error_prefix(e, "%s", file);
        if (r >= 0)
                r = client_connect(context->address, &bus, e);
        if (r >= 0)
                r = submit_all(bus, &jobs, inputs, o.n_inputs, e);
        job_options_done(&o);
        return r < 0 ? r : 0;
}

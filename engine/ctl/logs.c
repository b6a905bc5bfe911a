/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl logs and output: what a job has written, and the files that it has left. */

#include "engine/base/input.h"
#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/follow.h"

#include <string.h>

typedef struct LogOptions {
        bool follow, stamps, raw, only_stdout, only_stderr;
        uint64_t attempt;
} LogOptions;

static int take_attempt(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return count_parse(value, 1, UINT32_MAX, &((LogOptions *)target)->attempt, e);
}

static const Option options_table[] = {
        {"follow", NULL, NULL, option_set_flag, offsetof(LogOptions, follow)},
        {"f", NULL, NULL, option_set_flag, offsetof(LogOptions, follow)},
        {"timestamps", NULL, NULL, option_set_flag, offsetof(LogOptions, stamps)},
        {"raw", NULL, NULL, option_set_flag, offsetof(LogOptions, raw)},
        {"stdout", NULL, NULL, option_set_flag, offsetof(LogOptions, only_stdout)},
        {"stderr", NULL, NULL, option_set_flag, offsetof(LogOptions, only_stderr)},
        {"attempt", "N", NULL, take_attempt, 0},
};

/* An array writes nothing itself. */
static int refuse_array(sd_bus *bus, const char *path, Error *e)
{
        _cleanup_json_ json_object *job = NULL;
        int r = client_show_job(bus, path, &job, e);

        if (r >= 0 && json_member(job, "array"))
                return error_set(e, -EINVAL, "job %s is an array: what its members write shows skepctl logs %s_0 and on",
                                 client_id_of(path), client_id_of(path));
        return r;
}

static int show(const Context *context, const LogOptions *o, const char *id, Error *e)
{
        const FollowOptions options = {
                .address = context->address,
                .stream = {.raw = o->raw, .stamps = o->stamps, .utc = context->utc},
                .only = {o->only_stdout, o->only_stderr},
        };
        _cleanup_free_ char *path = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if ((r = client_connect(context->address, &bus, e)) < 0 || (r = client_find_job(bus, id, &path, e)) < 0 ||
            (r = refuse_array(bus, path, e)) < 0)
                return r;
        return o->follow ? follow_job(&bus, path, &options, NULL, e)
                         : show_output(&bus, path, (uint32_t)o->attempt, &options, e);
}

int command_logs(const Context *context, int argc, char **argv, Error *e)
{
        LogOptions o = {0};
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &o, e);

        if (r < 0)
                return r;
        if (r != argc - 1)
                return error_set(e, -EINVAL, "of which job? skepctl logs [-f] ID, one at a time");
        if (o.follow && o.attempt)
                return error_set(e, -EINVAL, "--attempt shows one attempt, and -f follows from the last one on");
        return show(context, &o, argv[r], e);
}

/* Before its attempt has ended there is an archive of nothing, which looks like that of a job that has left nothing. */
static int refuse_unended(sd_bus *bus, const char *path, Error *e)
{
        _cleanup_json_ json_object *job = NULL;
        int r = client_properties(bus, path, ENGINE_JOB, &job, e);

        if (r < 0)
                return r;
        const char *state = json_text(job, "state");
        bool runs = state && (strcmp(state, "starting") == 0 || strcmp(state, "running") == 0),
             begun = json_number(job, "attempt") > 0 || json_number(job, "finished_usec") > 0;
        if (runs || !begun)
                return error_set(e, -EBUSY, "job %s has not ended: what it leaves is there when it has; skepctl wait %s",
                                 client_id_of(path), client_id_of(path));
        return 0;
}

int command_output(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (argc != 3)
                return error_set(e, -EINVAL, "of which job, and where to? skepctl output ID DIR");
        if ((r = output_check_place(argv[2], e)) < 0 || (r = client_connect(context->address, &bus, e)) < 0 ||
            (r = client_find_job(bus, argv[1], &path, e)) < 0 || (r = refuse_unended(bus, path, e)) < 0)
                return r;
        _cleanup_close_ int files = client_open_output(bus, path, "files", 0, e);
        return files < 0 ? files : output_unpack(files, argv[2], e);
}

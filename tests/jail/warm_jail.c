/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs jobs as skep-jail does, with the same options, but each in a jail that was there before the job:
 *
 *   warm-jail [--jobs N] [--keep POLICY] [the options of skep-jail] -- COMMAND…
 *
 * One jail is kept, of the job's policy or another; a job is started when it is there. --jobs runs the job N times, one
 * after the other. The exit status and the report are the last one's. */

#include "engine/base/archive.h"
#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/places.h"
#include "engine/base/sink.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "jail/cli/job_options.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#define PATIENCE_USEC (20 * USEC_PER_SECOND)
#define READER_PATIENCE_USEC (2 * USEC_PER_SECOND)

typedef struct WarmOptions {
        JobOptions job;
        uint64_t jobs;
        const char *keep;
} WarmOptions;

typedef struct Job {
        const JobOptions *options;
        Jail *jail; /* NULL once it has ended */
        Sink sinks[2];
        bool ended;
        int status;
} Job;

static int take_jobs(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return count_parse(value, 1, 1000, &((WarmOptions *)target)->jobs, e);
}

static void keep_output(const Jail *jail, const char *path)
{
        const ArchiveRules rules = {.max_bytes = jail_output_bytes_max(jail),
                                    .max_entries = jail_output_files_max(jail)};
        _cleanup_close_ int archive = memfd_create("output", MFD_CLOEXEC);
        _cleanup_error_ Error e = ERROR_NULL;

        if (archive_pack(jail_output_directory(jail), archive, &rules, NULL, &e) < 0 ||
            lseek(archive, 0, SEEK_SET) < 0 || output_unpack(archive, path, &e) < 0)
                fprintf(stderr, "warm-jail: %s\n", error_text(&e));
}

static void on_ended(Jail *jail, const JailReport *report, void *userdata)
{
        Job *job = userdata;
        _cleanup_json_ json_object *object = jail_report_to_json(report);

        job->ended = true;
        job->jail = NULL;
        job->status = jail_report_exit_status(report);
        if (report->message)
                fprintf(stderr, "warm-jail: %s\n", report->message);
        if (job->options->output && jail_output_directory(jail) >= 0)
                keep_output(jail, job->options->output);
        if (job->options->report)
                json_object_to_file_ext(job->options->report, object, JSON_C_TO_STRING_PRETTY);
}

static void on_output(Jail *jail, int stream, const void *data, size_t size, void *userdata)
{
        Job *job = userdata;
        Sink *sink = &job->sinks[stream - 1];

        if (sink_add(sink, data, size) < 0)
                jail_cancel(jail);
        if (sink->broken)
                jail_close_output(jail, stream);
        else if (sink_waiting(sink) > SINK_HIGH)
                jail_hold_output(jail, stream, true);
}

static void flush(Job *job)
{
        for (int i = 0; i < 2; i++) {
                sink_flush(&job->sinks[i]);
                if (job->jail && !job->sinks[i].broken && sink_waiting(&job->sinks[i]) <= SINK_HIGH)
                        jail_hold_output(job->jail, i + 1, false);
        }
}

static const JailEvents events = {.output = on_output, .ended = on_ended};

static int serve(JailLauncher *launcher, Error *e)
{
        struct pollfd p = {.fd = jail_launcher_fd(launcher), .events = POLLIN};

        if (poll(&p, 1, 20) < 0 && errno != EINTR)
                return error_errno(e, -errno, "poll");
        return jail_launcher_dispatch(launcher, e);
}

static int wait_for_jail(JailLauncher *launcher, const JailPolicy *policy, Error *e)
{
        uint64_t until = monotonic_usec() + PATIENCE_USEC;
        int r = 0;

        while (r >= 0 && jail_launcher_warm(launcher, policy) == 0)
                r = monotonic_usec() < until ? serve(launcher, e) : error_set(e, -ETIMEDOUT, "no jail became warm");
        return r;
}

static int run_job(JailLauncher *launcher, JailPolicy *policy, Job *job, Error *e)
{
        const JobOptions *o = job->options;
        JailInput inputs[JAIL_INPUTS_MAX];
        JailSpec spec = {
                .policy = policy,
                .root = o->root,
                .limits = o->limits,
                .command = o->command,
                .environment = o->environment,
                .working_directory = o->chdir,
                .stdin_fd = 0,
                .inputs = inputs,
                .binds = o->binds,
                .n_binds = o->n_binds,
                .allow_missing = o->allow_missing,
        };
        for (size_t i = 0; i < o->n_inputs; i++) {
                if (strcmp(o->inputs[i].name, "stdin") == 0)
                        spec.stdin_fd = o->inputs[i].fd;
                else
                        inputs[spec.n_inputs++] = (JailInput){o->inputs[i].name, o->inputs[i].fd};
        }
        job->ended = false;
        int r = jail_start(launcher, &spec, &events, job, &job->jail, e);
        while (r >= 0 && !job->ended) {
                r = serve(launcher, e);
                flush(job);
        }
        for (uint64_t until = monotonic_usec() + READER_PATIENCE_USEC;
             r >= 0 && (sink_waiting(&job->sinks[0]) || sink_waiting(&job->sinks[1])) && monotonic_usec() < until;
             flush(job))
                r = serve(launcher, e);
        return r;
}

static int run(const WarmOptions *o, Job *job, Error *e)
{
        _cleanup_policy_ JailPolicy *policy = NULL, *kept = NULL;
        _cleanup_launcher_ JailLauncher *launcher = NULL;
        _cleanup_strv_ char **directories = place_policies(e);
        int r = directories ? jail_policy_load(o->job.policy, directories, &policy, e) : -ENOMEM;

        if (r >= 0)
                r = jail_policy_load(o->keep ? o->keep : o->job.policy, directories, &kept, e);
        if (r >= 0)
                r = jail_launcher_new(&(JailLauncherOptions){.cgroup = o->job.cgroup}, &launcher, e);
        if (r >= 0)
                r = jail_launcher_keep_warm(launcher, kept, 1, e);
        for (uint64_t i = 0; r >= 0 && i < o->jobs; i++)
                if ((r = wait_for_jail(launcher, kept, e)) >= 0)
                        r = run_job(launcher, policy, job, e);
        return r;
}

int main(int argc, char **argv)
{
        static const Option more[] = {
                {"jobs", "N", NULL, take_jobs, 0},
                {"keep", "POLICY", NULL, option_set_string, offsetof(WarmOptions, keep)},
        };
        WarmOptions options = {.job = {.policy = "python"}, .jobs = 1};
        _cleanup_error_ Error e = ERROR_NULL;
        Job job = {.options = &options.job, .status = 2};

        sink_init(&job.sinks[0], 1);
        sink_init(&job.sinks[1], 2);
        int r = job_options_parse(argc, argv, more, ELEMENTS(more), &options.job, &e);

        if (r >= 0)
                r = run(&options, &job, &e);
        if (r < 0)
                fprintf(stderr, "warm-jail: %s\n", error_text(&e));
        sink_done(&job.sinks[0]);
        sink_done(&job.sinks[1]);
        job_options_done(&options.job);
        return r < 0 ? 125 : job.status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail: one job in one jail, from the command line. */

#include "engine/base/archive.h"
#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/places.h"
#include "engine/base/sink.h"
#include "engine/base/strv.h"
#include "jail/cli/commands.h"
#include "jail/cli/host_path.h"
#include "jail/cli/job_options.h"
#include "jail/cli/relay.h"
#include "jail/launcher.h"
#include "jail/resident.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define READER_GRACE_USEC (2 * USEC_PER_SECOND)
#define REFUSED_LISTED_MAX 8

typedef struct Run {
        const JobOptions *options;
        const JailPolicy *policy;
        Jail *jail; /* NULL once it has ended */
        Sink sinks[2];
        Source source; /* `to` is -1 where nothing is relayed */
        bool ended, interrupted;
        uint64_t give_up_usec; /* when a reader that is stuck is not waited for any more; 0: never */
        int status;
        Error error; /* of what comes after the job: its output, its report */
} Run;

/* ---- what comes of the job ---- */

/* `note`: what the report says where it has no message; or NULL. Owned by the caller; NULL when out of memory. */
static char *format_report(const JailReport *report, const char *note)
{
        _cleanup_json_ json_object *object = jail_report_to_json(report);
        char *text;

        if (!object)
                return NULL;
        /* The same keys as in an engine's report. */
        json_add_number(object, "attempt", 1);
        json_add_bool(object, "cached", false);
        json_add_string(object, "worker", NULL);
        if (note && !report->message)
                json_add_string(object, "message", note);
        int r = asprintf(&text, "%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                                       JSON_C_TO_STRING_NOSLASHESCAPE));
        return r < 0 ? NULL : text;
}

/* Whether it is standard output (0) or standard error (1) under another name, such as /dev/stdout; -1: neither. */
static int find_stream(const char *path)
{
        struct stat place, own;

        if (stat(path, &place) < 0)
                return -1;
        for (int i = 0; i < 2; i++)
                if (fstat(i + 1, &own) == 0 && own.st_dev == place.st_dev && own.st_ino == place.st_ino)
                        return i;
        return -1;
}

static int write_report(const char *path, const char *text, Error *e)
{
        /* Where it is a FIFO that nobody reads, opening it would wait for somebody, and no signal ends us now. */
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
        int r = fd < 0 || fcntl(fd, F_SETFL, 0) < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? error_errno(e, r, "writing the report to %s", path) : 0;
}

static int collect_output(const Jail *jail, const char *path, char **ret_skipped, Error *e)
{
        const ArchiveRules rules = {.max_bytes = jail_output_bytes_max(jail), .max_entries = jail_output_files_max(jail)};
        _cleanup_close_ int archive = memfd_create("output", MFD_CLOEXEC);

        if (archive < 0)
                return error_errno(e, -errno, "collecting /output");
        int r = archive_pack(jail_output_directory(jail), archive, &rules, ret_skipped, e);
        if (r < 0)
                return error_prefix(e, "collecting /output"), r;
        return lseek(archive, 0, SEEK_SET) < 0 ? -errno : output_unpack(archive, path, e);
}

/* "ptrace 2, mount 1": the most frequent first. Owned by the caller; NULL where there is none. */
static char *list_refused(const JailReport *report)
{
        bool listed[JAIL_SYSCALL_MAX] = {false};
        _cleanup_strv_ char **parts = NULL;

        for (size_t n = 0; n < REFUSED_LISTED_MAX; n++) {
                int most = -1;
                for (int i = 0; i < JAIL_SYSCALL_MAX; i++)
                        if (!listed[i] && report->denied[i] > (most < 0 ? 0 : report->denied[most]))
                                most = i;
                if (most < 0)
                        break;
                _cleanup_free_ char *name = jail_syscall_name(most);
                if (!name || strv_addf(&parts, "%s %" PRIu32, name, report->denied[most]) < 0)
                        return NULL;
                listed[most] = true;
        }
        return parts ? strv_join(parts, ", ") : NULL;
}

/* Behind what the job has said itself: whoever does not read that does not hold us up either. -ENOMEM. */
static int say(Run *run, const char *kind, const char *text)
{
        _cleanup_free_ char *line = NULL;

        if (asprintf(&line, "skep-jail: %s%s\n", kind, text) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return sink_add(&run->sinks[1], line, strlen(line));
}

static void say_sentence(Run *run, const char *sentence)
{
        _cleanup_free_ char *escaped = text_escape(sentence, strlen(sentence));

        say(run, "", escaped ? escaped : "out of memory");
}

/* A program that does not get a call often says something else, or nothing. One that has done its work had no need. */
static void say_refused(Run *run, const JailReport *report)
{
        _cleanup_free_ char *list = run->options->trace_denied || run->status == 0 ? NULL : list_refused(report);
        _cleanup_free_ char *text = NULL;

        if (list && asprintf(&text, "%s; --trace-denied says whose", list) >= 0)
                say(run, "refused system calls: ", text);
        if (report->reason == JAIL_SIGNALLED && report->signal == SIGSYS && jail_policy_may_kill(run->policy))
                say(run, "", "the job was killed for a system call that its policy refuses");
}

static void say_why(Run *run, const JailReport *report)
{
        if (report->message)
                say_sentence(run, report->message);
        else if (report->reason == JAIL_OOM)
                say(run, "", "the job ran out of its memory limit");
        else if (report->reason == JAIL_WALL_LIMIT)
                say(run, "", "the job was ended by its wall limit");
        else if (report->reason == JAIL_CPU_LIMIT)
                say(run, "", "the job was ended by its limit of CPU time");
}

static int pass_report(Run *run, const JailReport *report, const char *note, Error *e)
{
        const char *path = run->options->report;
        _cleanup_free_ char *text = format_report(report, note);
        int stream = find_stream(path);

        if (!text)
                return error_oom(e);
        if (stream < 0)
                return write_report(path, text, e);
        /* Behind the output, of which it must take nothing away; and whoever does not read does not hold us up. */
        return sink_add(&run->sinks[stream], text, strlen(text)) < 0 ? error_oom(e) : 0;
}

static void on_ended(Jail *jail, const JailReport *report, void *userdata)
{
        Run *run = userdata;
        const JobOptions *o = run->options;
        _cleanup_free_ char *skipped = NULL, *note = NULL;
        const char *lost = NULL; /* why what it has left cannot be kept */

        run->ended = true;
        run->jail = NULL;
        run->status = jail_report_exit_status(report);
        /* A job that a limit has ended is over, also where nobody reads what it wrote. */
        if (report->reason != JAIL_EXITED && report->reason != JAIL_SIGNALLED)
                run->give_up_usec = monotonic_usec() + READER_GRACE_USEC;
        say_why(run, report);
        say_refused(run, report);
        if (o->output && jail_output_directory(jail) >= 0 && collect_output(jail, o->output, &skipped, &run->error) < 0)
                lost = error_text(&run->error);
        if (skipped && asprintf(&note, "of /output, %s", skipped) < 0)
                note = NULL;
        if (note)
                say_sentence(run, note);
        if (o->report)
                pass_report(run, report, lost ? lost : note, run->error.code < 0 ? NULL : &run->error);
}

static void on_output(Jail *jail, int stream, const void *data, size_t size, void *userdata)
{
        Run *run = userdata;
        Sink *sink = &run->sinks[stream - 1];

        if (sink_add(sink, data, size) < 0)
                jail_cancel(jail);
        if (sink->broken)
                jail_close_output(jail, stream);
        else if (sink_waiting(sink) > SINK_HIGH)
                jail_hold_output(jail, stream, true);
}

static void on_call(Jail *jail, const JailCall *call, void *userdata)
{
        _cleanup_free_ char *text = jail_call_text(call);

        if (text && say(userdata, "denied: ", text) < 0)
                jail_cancel(jail);
}

/* What of the job's results cannot be kept or passed on. */
static bool say_error(Run *run)
{
        for (int i = 0; i < 2; i++)
                if (run->sinks[i].error < 0 && run->error.code == 0)
                        error_errno(&run->error, run->sinks[i].error, "writing the output");
        if (run->error.code == 0)
                return false;
        say_sentence(run, error_text(&run->error));
        run->status = STATUS_NO_JAIL;
        return true;
}

static const JailEvents events = {.output = on_output, .ended = on_ended, .call = on_call};

/* ---- the run ---- */

static bool wants_to_go_on(const Run *run)
{
        if (!run->ended)
                return true;
        if (run->give_up_usec && monotonic_usec() >= run->give_up_usec)
                return false;
        return !run->interrupted && (sink_waiting(&run->sinks[0]) > 0 || sink_waiting(&run->sinks[1]) > 0);
}

static void take_signal(Run *run, int signal_fd)
{
        struct signalfd_siginfo info;

        if (read(signal_fd, &info, sizeof info) <= 0)
                return;
        run->interrupted = true;
        if (run->jail)
                jail_cancel(run->jail);
}

static void serve_sinks(Run *run)
{
        for (int i = 0; i < 2; i++) {
                sink_flush(&run->sinks[i]);
                if (run->jail && run->sinks[i].broken)
                        jail_close_output(run->jail, i + 1);
                else if (run->jail && sink_waiting(&run->sinks[i]) <= SINK_HIGH)
                        jail_hold_output(run->jail, i + 1, false);
        }
}

static void stop_source(Source *source)
{
        source->to = close_fd(source->to);
}

static int loop(Run *run, JailLauncher *launcher, int signal_fd, Error *e)
{
        bool shrunk = false;

        while (wants_to_go_on(run)) {
                Source *source = &run->source;
                bool full = source->start < source->size;
                struct pollfd fds[] = {
                        {.fd = run->ended ? -1 : jail_launcher_fd(launcher), .events = POLLIN},
                        {.fd = signal_fd, .events = POLLIN},
                        {.fd = sink_waiting(&run->sinks[0]) ? 1 : -1, .events = POLLOUT},
                        {.fd = sink_waiting(&run->sinks[1]) ? 2 : -1, .events = POLLOUT},
                        {.fd = source->to < 0 || full ? -1 : source->from, .events = POLLIN},
                        /* Without events: whether the job still reads. */
                        {.fd = source->to, .events = full ? POLLOUT : 0},
                };
                int n = run->give_up_usec ? poll(fds, ELEMENTS(fds), (int)(READER_GRACE_USEC / USEC_PER_MSEC))
                                          : resident_poll(fds, ELEMENTS(fds), &shrunk);
                if (n < 0 && errno != EINTR)
                        return error_errno(e, -errno, "poll");
                if (fds[1].revents)
                        take_signal(run, signal_fd);
                if (fds[0].revents) {
                        int r = jail_launcher_dispatch(launcher, e);
                        /* When the launcher has died, the jail's end comes as soon as its pipes are empty. */
                        if (r < 0 && r != -ECONNRESET)
                                return r;
                        error_clear(e);
                }
                serve_sinks(run);
                if (source->to >= 0 && ((fds[5].revents & POLLERR) ||
                                        ((fds[4].revents || fds[5].revents) && !source_pump(source))))
                        stop_source(source);
        }
        return 0;
}

/* The descriptor that becomes the job's standard input, -1 for /dev/null; owned by the caller unless it is 0. */
static int open_stdin(Run *run, Error *e)
{
        int fds[2];

        run->source = (Source){.from = 0, .to = -1};
        switch (stdin_kind(0)) {
        case STDIN_PASS:
                return 0;
        case STDIN_NULL:
                return -1;
        case STDIN_RELAY:
                break;
        }
        if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0)
                return error_errno(e, -errno, "making a pipe");
        run->source.to = fds[1];
        return fds[0];
}

/* "stdin" is the job's standard input, and no file. */
static void split_stdin(const JobOptions *o, JailInput *inputs, size_t *n, int *stdin_fd)
{
        for (size_t i = 0; i < o->n_inputs; i++) {
                if (strcmp(o->inputs[i].name, "stdin") == 0)
                        *stdin_fd = o->inputs[i].fd;
                else
                        inputs[(*n)++] = (JailInput){o->inputs[i].name, o->inputs[i].fd};
        }
}

static int start(Run *run, JailLauncher *launcher, JailPolicy *policy, Error *e)
{
        const JobOptions *o = run->options;
        JailInput inputs[JAIL_INPUTS_MAX];
        size_t n_inputs = 0;
        int given = -2;

        split_stdin(o, inputs, &n_inputs, &given);
        int stdin_fd = given >= 0 ? given : open_stdin(run, e);
        if (stdin_fd < -1)
                return stdin_fd;
        const JailSpec spec = {
                .policy = policy,
                .root = o->root,
                .limits = o->limits,
                .command = o->command,
                .environment = o->environment,
                .working_directory = o->chdir,
                .stdin_fd = stdin_fd,
                .inputs = inputs,
                .n_inputs = n_inputs,
                .binds = o->binds,
                .n_binds = o->n_binds,
                .allow_missing = o->allow_missing,
                .watch = o->trace_denied ? JAIL_WATCH_TRACE : JAIL_WATCH_COUNT,
        };
        int r = jail_start(launcher, &spec, &events, run, &run->jail, e);
        if (given < 0 && stdin_fd > 0)
                close(stdin_fd);
        return r;
}

/* The results are what is in the directory of the jail's own, under whatever is bound there. */
static int check_binds(const JobOptions *o, Error *e)
{
        for (size_t i = 0; o->output && i < o->n_binds; i++) {
                _cleanup_free_ char *inside = host_path_plain(o->binds[i].inside);
                if (inside && strcmp(inside, "/output") == 0)
                        return error_set(e, -EINVAL, "--output: what is left in /output is not kept where something is "
                                                     "bound there");
        }
        return 0;
}

/* Whether what comes of the job can be kept. The report may be meant for the directory of the output, which then has to be
 * there before. */
static int settle_places(const JobOptions *o, Error *e)
{
        int r = o->output ? output_check_place(o->output, e) : 0;

        if (r < 0 || !o->report)
                return r;
        r = output_check_file(o->report, e);
        if (r != -ENOENT || !o->output || mkdir(o->output, 0777) < 0)
                return r;
        r = output_check_file(o->report, e);
        if (r < 0)
                rmdir(o->output);
        return r;
}

/* What is refused has a report, too, and no old one in its place. */
static void report_refusal(const Run *run, const Error *e)
{
        const char *path = run->options->report;
        JailReport refused;

        if (!path || (output_check_file(path, NULL) < 0 && settle_places(run->options, NULL) < 0))
                return;
        jail_report_init(&refused);
        refused.reason = run->jail ? JAIL_LOST : JAIL_SETUP_FAILED;
        refused.message = (char *)error_text(e);
        if (run->policy)
                snprintf(refused.policy_digest, sizeof refused.policy_digest, "%s", jail_policy_digest(run->policy));
        _cleanup_free_ char *text = format_report(&refused, NULL);
        int stream = find_stream(path);
        if (text && stream >= 0)
                write_full(stream + 1, text, strlen(text));
        else if (text)
                write_report(path, text, NULL);
}

/* A policy that is found is the caller's, also when the job is refused. */
static int run_job(Run *run, JailPolicy **ret_policy, Error *e)
{
        const JobOptions *o = run->options;
        _cleanup_strv_ char **directories = place_policies(e);
        _cleanup_free_ char *cache = directories ? place_cache(e) : NULL;
        _cleanup_launcher_ JailLauncher *launcher = NULL;
        int r = cache ? jail_policy_load_compiled(o->policy, directories, cache, ret_policy, e) : -ENOMEM;
        JailPolicy *policy = r >= 0 ? *ret_policy : NULL;

        for (char *const *note = policy ? jail_policy_notes(policy) : NULL; note && *note; note++)
                fprintf(stderr, "skep-jail: policy %s: %s\n", o->policy, *note);
        run->policy = policy;
        if (r >= 0)
                r = job_options_check_command(o, policy, e);
        if (r >= 0)
                r = check_binds(o, e);
        if (r >= 0)
                r = settle_places(o, e);
        if (r < 0)
                return r;
        if ((r = jail_launcher_new(&(JailLauncherOptions){.here = &launcher_here, .cgroup = o->cgroup}, &launcher, e)) < 0)
                return r;
        _cleanup_close_ int signal_fd = open_end_signals();
        signal(SIGPIPE, SIG_IGN);
        signal(SIGTTIN, SIG_IGN); /* in the background there is no input; read() says so */
        sink_init(&run->sinks[0], 1);
        sink_init(&run->sinks[1], 2);
        r = start(run, launcher, policy, e);
        if (r >= 0)
                r = loop(run, launcher, signal_fd, e);
        stop_source(&run->source);
        if (r >= 0 && say_error(run))
                r = loop(run, launcher, signal_fd, e);
        sink_done(&run->sinks[0]);
        sink_done(&run->sinks[1]);
        error_clear(&run->error);
        return r;
}

int command_run(int argc, char **argv, Error *e)
{
        JobOptions options = {.policy = "python"};
        _cleanup_policy_ JailPolicy *policy = NULL;
        Run run = {.options = &options, .source = {.to = -1}};
        int r = job_options_parse(argc, argv, NULL, 0, &options, e);

        if (r >= 0 && options.help)
                job_options_help();
        else if (r >= 0)
                r = run_job(&run, &policy, e);
        if (r < 0 && !run.ended)
                report_refusal(&run, e);
        job_options_done(&options);
        return r < 0 ? r : run.status;
}

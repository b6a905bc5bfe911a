/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl run: submit a job, show its output as it comes, end as it ends. */

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/follow.h"
#include "engine/ctl/job_options.h"
#include "engine/ctl/print.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define STATUS_CANCELLED 130
#define MESSAGE_MAX 2000
#define STDIN_MAX (UINT64_C(4) << 30) /* as much as the supervisor takes */

/* Somewhere for what is read of a pipe: a file without a name, else memory. */
static int open_spool(void)
{
        const char *place = getenv("TMPDIR");
        int fd = open(place && *place ? place : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return fd >= 0 ? fd : memfd_create("stdin", MFD_CLOEXEC);
}

/* The job's standard input, as an input of the submission: a regular file as it is, a pipe or a socket read to its end
 * first. -1: nothing; a terminal is nothing too, since the whole of it would have to be typed before the job starts. */
static int open_stdin(Error *e)
{
        char buffer[1 << 16];
        uint64_t total = 0;
        struct stat st;

        if (fstat(0, &st) < 0 || S_ISCHR(st.st_mode))
                return -1;
        if (S_ISREG(st.st_mode)) {
                /* From where it stands, as a program that was started here would read it. */
                off_t at = lseek(0, 0, SEEK_CUR);
                if (at == 0)
                        return fcntl(0, F_DUPFD_CLOEXEC, 3);
        }
        _cleanup_close_ int fd = open_spool();
        if (fd < 0)
                return error_errno(e, -errno, "standard input");
        for (;;) {
                ssize_t n = read_full(0, buffer, sizeof buffer);
                int r = n < 0 ? (int)n : write_full(fd, buffer, (size_t)n);
                if (r < 0)
                        return error_errno(e, r, "standard input");
                total += (size_t)n;
                if (total > STDIN_MAX)
                        return error_set(e, -EFBIG,
                                         "standard input has no end within 4 GiB: it is read before the job "
                                         "starts");
                if ((size_t)n < sizeof buffer)
                        break;
        }
        return take_fd(fd);
}

/* The exit status that a report stands for. */
static int status_of(json_object *report)
{
        static const struct {
                const char *reason;
                int status;
        } fixed[] = {{"oom", 137},
                     {"wall-limit", 124},
                     {"cpu-limit", 124},
                     {"deadline", 124},
                     {"cancelled", STATUS_CANCELLED}};
        const char *reason = json_text(report, "reason");

        if (!reason)
                return STATUS_NO_JOB;
        for (size_t i = 0; i < ELEMENTS(fixed); i++)
                if (strcmp(fixed[i].reason, reason) == 0)
                        return fixed[i].status;
        if (strcmp(reason, "signalled") == 0)
                return 128 + (int)json_number(report, "signal");
        if (strcmp(reason, "exited") == 0 || strcmp(reason, "exec-failed") == 0)
                return (int)json_number(report, "exit_code");
        return STATUS_NO_JOB;
}

static void say_why(json_object *report)
{
        const char *message = json_text(report, "message"), *reason = json_text(report, "reason");
        bool by_limit = reason && (strcmp(reason, "oom") == 0 || strstr(reason, "-limit"));
        const char *why = message ? message : by_limit ? reason : NULL;
        _cleanup_free_ char *escaped = why ? text_escape(why, MESSAGE_MAX) : NULL;

        if (escaped)
                fprintf(stderr, "skepctl: %s%s\n", message ? "" : "the job was ended: ", escaped);
}

static int submit(sd_bus *bus, JobOptions *o, char **ret_path, Error *e)
{
        ClientInput inputs[CTL_INPUTS_MAX + 1];
        _cleanup_close_ int stdin_fd = -1;
        bool given = false;
        size_t n = 0;

        for (size_t i = 0; i < o->n_inputs; i++) {
                inputs[n++] = (ClientInput){o->inputs[i].name, o->inputs[i].fd};
                given |= strcmp(o->inputs[i].name, "stdin") == 0;
        }
        if (!given) {
                stdin_fd = open_stdin(e);
                if (stdin_fd < -1)
                        return stdin_fd;
                if (stdin_fd >= 0)
                        inputs[n++] = (ClientInput){"stdin", stdin_fd};
        }
        return client_submit(bus, json_object_to_json_string_ext(o->spec, JSON_C_TO_STRING_PLAIN), inputs, n, ret_path,
                             e);
}

static int run(const Context *context, JobOptions *o, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        const char *address = o->address ? o->address : context->address;
        const FollowOptions follow = {.address = address, .cancel_on_signal = true};
        _cleanup_json_ json_object *report = NULL;
        _cleanup_free_ char *path = NULL;
        bool interrupted = false;
        int r;

        if (o->output && (r = output_check_place(o->output, e)) < 0)
                return r;
        if ((r = client_connect(address, &bus, e)) < 0 || (r = submit(bus, o, &path, e)) < 0 ||
            (r = follow_job(&bus, path, &follow, &interrupted, e)) < 0)
                return r;
        if (!bus)
                return error_set(e, -ENOTCONN, "the supervisor has gone, and the job goes on: skepctl cancel %s",
                                 client_id_of(path));
        if ((r = client_report(bus, path, &report, e)) < 0)
                return r;
        if (!report)
                return STATUS_CANCELLED; /* interrupted twice: it is still being cancelled */
        if (context->json || o->json)
                print_json(stdout, report);
        if (o->output) {
                _cleanup_close_ int files = client_open_output(bus, path, "files", 0, e);
                if (files < 0)
                        return files;
                if ((r = output_unpack(files, o->output, e)) < 0)
                        return r;
        }
        if (interrupted)
                return STATUS_CANCELLED; /* whatever the job made of its last moment */
        say_why(report);
        return status_of(report);
}

int command_run(const Context *context, int argc, char **argv, Error *e)
{
        JobOptions o;
        json_object *command;
        int r = job_options_parse(argc, argv, true, &o, e);

        if (r >= 0 && r == argc)
                r = error_set(e, -EINVAL, "which command? skepctl run [OPTION]... -- COMMAND [ARGUMENT]...");
        if (r >= 0) {
                command = json_object_new_array();
                for (int i = r; i < argc; i++)
                        json_object_array_add(command, json_object_new_string(argv[i]));
                json_object_object_add(o.spec, "command", command);
                r = run(context, &o, e);
        }
        job_options_done(&o);
        return r;
}

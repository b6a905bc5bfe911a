/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail learn: a policy for a command, from watching it, and as narrow as trying makes it. */

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "jail/cli/commands.h"
#include "jail/cli/learning.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define AT_ONCE_MAX 4
#define LISTED_MAX 10

typedef struct LearnOptions {
        JobOptions job; /* first: its options' offsets are from here */
        const char *write;
        uint64_t expected_status;
        bool force;
} LearnOptions;

/* ---- what is said of it ---- */

static void say_list(const char *what, char *const *list)
{
        _cleanup_free_ char *text = list ? strv_join(list, ", ") : NULL;

        if (text)
                fprintf(stderr, "skep-jail learn: %s: %s\n", what, text);
}

static void say_refused(const Learning *l)
{
        _cleanup_strv_ char **spared = NULL, **never = NULL;

        for (int i = 0; i < JAIL_SYSCALL_MAX; i++) {
                _cleanup_free_ char *name = l->refused[i] ? jail_syscall_name(i) : NULL;
                if (name)
                        strv_add(draft_find(&l->draft, DRAFT_CALL, name) ? &spared : &never, name);
        }
        say_list("called, refused, and not needed", spared);
        say_list("called, and never allowed by the policy that this started from", never);
}

static void say_left_out(const Findings *f)
{
        for (size_t i = 0; i < f->n_left_out && i < LISTED_MAX; i++) {
                _cleanup_free_ char *path = name_escape(f->left_out[i].path);
                fprintf(stderr, "skep-jail learn: left out: %s: %s\n", path ? path : "",
                        host_verdict_text(f->left_out[i].verdict));
        }
        if (f->n_left_out > LISTED_MAX)
                fprintf(stderr, "skep-jail learn: left out: %zu more paths\n", f->n_left_out - LISTED_MAX);
        if (f->overflow)
                fprintf(stderr, "skep-jail learn: the command names more paths than are kept\n");
}

static const char *const likenesses[] = {
        [LIKE_EXACTLY] = NULL,
        [LIKE_IN_ANY_ORDER] = "comes in another order from run to run, and was compared without it",
        [LIKE_IN_LINES] = "differs from run to run, and was not compared, but for its number of lines",
        [LIKE_IN_BEING_THERE] = "differs from run to run, and was not compared, but for whether there is any",
        [LIKE_NOTHING] = "differs from run to run, and was not compared",
};

static void say(const Learning *l)
{
        size_t paths = 0;

        for (DraftKind kind = DRAFT_READ_ONLY; kind < DRAFT_KIND_MAX; kind++)
                paths += draft_count(&l->draft, kind);
        fprintf(stderr,
                "skep-jail learn: system calls %zu, programs %zu, other paths %zu; runs %" PRIu64
                ", the last %zu as proof\n",
                draft_count(&l->draft, DRAFT_CALL), draft_count(&l->draft, DRAFT_EXECUTE), paths, l->trials.runs,
                l->proofs);
        say_refused(l);
        if (likenesses[l->comparison.output])
                fprintf(stderr, "skep-jail learn: its output %s\n", likenesses[l->comparison.output]);
        if (!l->comparison.files)
                fprintf(stderr, "skep-jail learn: what it leaves in /output differs from run to run, and was not "
                                "compared\n");
        if (l->sometimes)
                fprintf(stderr, "skep-jail learn: it does not behave the same in each run: some lines are needed only "
                                "sometimes\n");
}

/* ---- the command ---- */

/* A file can be read again in each run. A pipe cannot; nor is it waited for, since it may be one that never ends. */
static int find_stdin(const JobOptions *o)
{
        struct pollfd p = {.fd = 0, .events = POLLIN};
        struct stat st;

        for (size_t i = 0; i < o->n_inputs; i++)
                if (strcmp(o->inputs[i].name, "stdin") == 0)
                        return o->inputs[i].fd;
        if (fstat(0, &st) < 0)
                return -1;
        if (S_ISREG(st.st_mode))
                return 0;
        if (!S_ISCHR(st.st_mode) && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
                fprintf(stderr,
                        "skep-jail learn: standard input can be read only once, and is empty in these runs; give "
                        "it by --input stdin=FILE\n");
        return -1;
}

static size_t count_at_once(void)
{
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        return processors < 1 ? 1 : processors > AT_ONCE_MAX ? AT_ONCE_MAX : (size_t)processors;
}

static int write_policy(const LearnOptions *o, const char *text, Error *e)
{
        int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (o->force ? O_TRUNC : O_EXCL);
        _cleanup_close_ int fd = o->write ? open(o->write, flags, 0666) : dup(1);
        int r = fd < 0 ? -errno : write_full(fd, text, strlen(text));

        return r < 0 ? error_errno(e, r, "writing the policy to %s", o->write ? o->write : "standard output") : 0;
}

static int learn(const LearnOptions *o, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        _cleanup_launcher_ JailLauncher *launcher = NULL;
        _cleanup_(learning_done) Learning l = {
                .options = &o->job,
                .expected_status = (int)o->expected_status,
                .progress = isatty(2),
        };
        const JailLauncherOptions launcher_options = {.cgroup = o->job.cgroup};
        int r = directories ? jail_launcher_new(&launcher_options, &launcher, e) : -ENOMEM;

        if (r < 0)
                return r;
        l.trials = (Trials){
                .launcher = launcher,
                .options = &o->job,
                .stdin_fd = find_stdin(&o->job),
                .wall_usec = JAIL_UNLIMITED,
                .at_once = count_at_once(),
        };
        r = learning_run(&l, directories, e);
        if (r >= 0)
                r = write_policy(o, l.text, e);
        if (r >= 0)
                say(&l);
        say_left_out(&l.findings);
        return r;
}

static int take_status(const Option *option, const char *value, void *target, Error *e)
{
        return count_parse(value, 0, 255, (uint64_t *)(void *)((char *)target + option->offset), e);
}

static const Option more_options[] = {
        {"write", "FILE", "where the policy goes (default: standard output)", option_set_string,
         offsetof(LearnOptions, write)},
        {"force", NULL, "also over a file that is there", option_set_flag, offsetof(LearnOptions, force)},
        {"expect", "STATUS", "what the command shall end with (default: 0)", take_status,
         offsetof(LearnOptions, expected_status)},
};

static void help(void)
{
        puts("Usage: skep-jail learn [OPTION]... -- COMMAND [ARGUMENT]...\n"
             "Run a command until it is known what it needs, and write a policy that permits that and nothing more.\n");
        options_help(more_options, ELEMENTS(more_options));
        puts("\nThe options of a run are taken, too (see skep-jail --help); --policy is what it starts from (default:\n"
             "learn), and --root goes into the policy. The command runs about once for each system call that it needs,\n"
             "and some twenty times more, and must do the same each time: it is held to its exit status, to its output,\n"
             "and to what it leaves in /output.\n"
             "\nExit status: 0 the policy is proven and written; 125 it is not.");
}

static int check_options(const LearnOptions *o, Error *e)
{
        if (o->job.output || o->job.report || o->job.trace_denied)
                return error_set(e, -EINVAL, "--output, --report, --trace-denied: of one run, and learning makes many");
        if (!o->write)
                return 0;
        if (!*o->write)
                return error_set(e, -EINVAL, "--write: \"\" is no path");
        if (!o->force && access(o->write, F_OK) == 0)
                return error_set(e, -EEXIST, "%s is there already; --force writes over it", o->write);
        return output_check_file(o->write, e);
}

int command_learn(int argc, char **argv, Error *e)
{
        LearnOptions options = {.job = {.policy = "learn"}};
        int r = job_options_parse(argc, argv, more_options, ELEMENTS(more_options), &options.job, e);

        if (r >= 0 && options.job.help)
                help();
        else if (r >= 0 && (r = check_options(&options, e)) >= 0)
                r = learn(&options, e);
        job_options_done(&options.job);
        return r < 0 ? r : 0;
}

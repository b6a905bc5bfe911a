/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/trial.h"

#include "engine/base/archive.h"
#include "engine/base/digest.h"
#include "engine/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

void trial_done(Trial *t)
{
        t->policy = jail_policy_unref(t->policy);
        jail_report_done(&t->report);
}

void trial_add_refused(const Trial *t, bool refused[static JAIL_SYSCALL_MAX])
{
        for (int i = 0; i < JAIL_SYSCALL_MAX; i++)
                refused[i] |= t->report.denied[i] > 0;
}

/* ---- what comes of a run ---- */

static void keep_tail(Trial *t, const char *data, size_t size)
{
        if (size > sizeof t->tail) {
                data += size - sizeof t->tail;
                size = sizeof t->tail;
        }
        size_t kept = t->tail_size + size > sizeof t->tail ? sizeof t->tail - size : t->tail_size;
        memmove(t->tail, t->tail + t->tail_size - kept, kept);
        memcpy(t->tail + kept, data, size);
        t->tail_size = kept + size;
}

static void on_output(Jail *jail _unused_, int stream, const void *data, size_t size, void *userdata)
{
        Trial *t = userdata;

        sha256_update(&t->digests[stream - 1], size, data);
        for (size_t i = 0; i < size; i++)
                t->counts[stream - 1][((const uint8_t *)data)[i]]++;
        if (stream == 2)
                keep_tail(t, data, size);
}

static void on_call(Jail *jail _unused_, const JailCall *call, void *userdata)
{
        Trial *t = userdata;

        if (t->findings)
                findings_add(t->findings, call);
}

static void finish_digest(struct sha256_ctx *context, char *ret)
{
        uint8_t bytes[SHA256_DIGEST_SIZE];

        sha256_digest(context, sizeof bytes, bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static void finish_written(Trial *t, int stream, Written *ret)
{
        struct sha256_ctx counted;

        sha256_init(&counted);
        sha256_update(&counted, sizeof t->counts[stream], (const uint8_t *)t->counts[stream]);
        finish_digest(&counted, ret->in_any_order);
        finish_digest(&t->digests[stream], ret->exactly);
        ret->lines = t->counts[stream]['\n'];
        for (size_t i = 0; i <= UINT8_MAX; i++)
                ret->any |= t->counts[stream][i] > 0;
}

/* "" where the files cannot be compared: nothing equals it but another such. */
static void digest_files(const Jail *jail, char *ret)
{
        const ArchiveRules rules = {
                .no_times = true,
                .max_bytes = jail_output_bytes_max(jail),
                .max_entries = jail_output_files_max(jail),
        };
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int archive = memfd_create("output", MFD_CLOEXEC);

        if (archive < 0 || archive_pack(jail_output_directory(jail), archive, &rules, NULL, &e) < 0 ||
            lseek(archive, 0, SEEK_SET) < 0 || digest_fd_hex(archive, ret) < 0)
                ret[0] = '\0';
}

static void on_ended(Jail *jail, const JailReport *report, void *userdata)
{
        Trial *t = userdata;
        Behaviour *b = &t->behaviour;

        t->report = *report;
        t->report.message = report->message ? strdup(report->message) : NULL;
        b->ended = report->reason == JAIL_EXITED || report->reason == JAIL_SIGNALLED;
        b->status = jail_report_exit_status(report);
        finish_written(t, 0, &b->output);
        finish_written(t, 1, &b->errors);
        if (b->ended && jail_output_directory(jail) >= 0)
                digest_files(jail, b->files);
        t->trials->waiting--;
}

static const JailEvents events = {.output = on_output, .ended = on_ended, .call = on_call};

/* ---- the runs ---- */

/* A description of its own, since the offset belongs to it. -1 for -1. */
static int open_anew(int file)
{
        char link[32];

        if (file < 0)
                return -1;
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        int fd = open(link, O_RDONLY | O_CLOEXEC);
        off_t offset = lseek(file, 0, SEEK_CUR);
        if (fd >= 0 && offset > 0)
                lseek(fd, offset, SEEK_SET);
        return fd < 0 ? -errno : fd;
}

static int start(Trials *all, Trial *t, Error *e)
{
        const JobOptions *o = all->options;
        JailInput inputs[JAIL_INPUTS_MAX];
        JailLimits limits = o->limits;
        size_t n = 0;
        _cleanup_close_ int stdin_fd = open_anew(all->stdin_fd);
        int opened[JAIL_INPUTS_MAX];
        Jail *jail;

        t->trials = all;
        jail_report_init(&t->report);
        sha256_init(&t->digests[0]);
        sha256_init(&t->digests[1]);
        if (!t->policy)
                return 0;
        if (stdin_fd < -1)
                return error_errno(e, stdin_fd, "standard input");
        for (size_t i = 0; i < o->n_inputs; i++) {
                if (strcmp(o->inputs[i].name, "stdin") == 0)
                        continue;
                if ((opened[n] = open_anew(o->inputs[i].fd)) < 0) {
                        int r = error_errno(e, opened[n], "input \"%s\"", o->inputs[i].name);
                        close_many(opened, n);
                        return r;
                }
                inputs[n] = (JailInput){o->inputs[i].name, opened[n]};
                n++;
        }
        if (limits.wall_usec > all->wall_usec)
                limits.wall_usec = all->wall_usec;
        const JailSpec spec = {
                .policy = t->policy,
                .limits = limits,
                .command = o->command,
                .environment = o->environment,
                .working_directory = o->chdir,
                .stdin_fd = stdin_fd,
                .inputs = inputs,
                .n_inputs = n,
                .binds = o->binds,
                .n_binds = o->n_binds,
                .allow_missing = o->allow_missing,
                .watch = t->watch,
                .linger_usec = all->linger_usec,
        };
        int r = jail_start(all->launcher, &spec, &events, t, &jail, e);
        close_many(opened, n);
        if (r < 0)
                return r;
        all->waiting++;
        all->runs++;
        return 0;
}

int trials_run(Trials *all, Trial *list, size_t n, Error *e)
{
        size_t next = 0;

        while (next < n || all->waiting > 0) {
                while (next < n && all->waiting < all->at_once) {
                        int r = start(all, &list[next++], e);
                        if (r < 0)
                                return r;
                }
                struct pollfd p = {.fd = jail_launcher_fd(all->launcher), .events = POLLIN};
                if (all->waiting == 0)
                        continue;
                if (poll(&p, 1, -1) < 0 && errno != EINTR)
                        return error_errno(e, -errno, "poll");
                int r = jail_launcher_dispatch(all->launcher, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

Likeness written_likeness(const Written *a, const Written *b)
{
        if (strcmp(a->exactly, b->exactly) == 0)
                return LIKE_EXACTLY;
        if (strcmp(a->in_any_order, b->in_any_order) == 0)
                return LIKE_IN_ANY_ORDER;
        if (a->any != b->any)
                return LIKE_NOTHING;
        return a->lines == b->lines ? LIKE_IN_LINES : LIKE_IN_BEING_THERE;
}

/* The order alone is no reason: what two processes write may have come in the same one in all the runs before. */
static bool is_alike(const Written *a, const Written *b, Likeness wanted)
{
        Likeness likeness = written_likeness(a, b);

        return likeness <= wanted || likeness <= LIKE_IN_ANY_ORDER;
}

bool behaviour_equals(const Behaviour *a, const Behaviour *b, const Comparison *c)
{
        return a->ended && b->ended && a->status == b->status && is_alike(&a->output, &b->output, c->output) &&
               is_alike(&a->errors, &b->errors, c->errors) && (!c->files || strcmp(a->files, b->files) == 0);
}

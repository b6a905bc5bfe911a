/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/protocol.h"

#include <sys/stat.h>
#include <inttypes.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>

#define SMALL ((size_t)4 << 10)

/* What a message may carry, in this order. */
typedef enum Field {
        OLDEST = 1 << 0,
        VERSION = 1 << 1,
        NAME = 1 << 2,
        JOB = 1 << 3,
        ATTEMPT = 1 << 4,
        TEXT = 1 << 5,
        ATTEMPTS = 1 << 6,
        WARM = 1 << 7,
        LEVELS = 1 << 8,
        UNKEPT = 1 << 9,
} Field;

typedef struct MessageRule {
        const char *name;
        WorkerSide sender;
        WorkerPhase phase;
        unsigned since; /* version */
        size_t size_max;
        unsigned fields;
        size_t fds_min, fds_max;
} MessageRule;

static const MessageRule rules[WORKER_MESSAGE_KIND_MAX] = {
        [WORKER_HELLO] = {"HELLO", SIDE_WORKER, PHASE_CONNECTED, 0, SMALL, OLDEST | VERSION | NAME, 0, 0},
        [WORKER_WELCOME] = {"WELCOME", SIDE_SUPERVISOR, PHASE_GREETED, 0, SMALL, VERSION, 0, 0},
        [WORKER_ATTEMPTS] = {"ATTEMPTS", SIDE_WORKER, PHASE_WELCOME, 2, WORKER_MESSAGE_MAX, ATTEMPTS, 0, 0},
        [WORKER_POLICY] = {"POLICY", SIDE_SUPERVISOR, PHASE_WORK, 2, SMALL, NAME, 1, 1},
        [WORKER_RUN] = {"RUN", SIDE_SUPERVISOR, PHASE_WORK, 2, SMALL, 0, RUN_INPUTS, RUN_FDS_MAX},
        [WORKER_CANCEL] = {"CANCEL", SIDE_SUPERVISOR, PHASE_WORK, 2, SMALL, JOB | ATTEMPT, 0, 0},
        [WORKER_STOP] = {"STOP", SIDE_SUPERVISOR, PHASE_WORK, 2, SMALL, 0, 0, 0},
        [WORKER_STARTED] = {"STARTED", SIDE_WORKER, PHASE_WORK, 2, SMALL, JOB | ATTEMPT, 0, 0},
        [WORKER_REPORT] = {"REPORT", SIDE_WORKER, PHASE_WORK, 2, WORKER_MESSAGE_MAX, JOB | ATTEMPT | TEXT, 0, 0},
        [WORKER_CONDITION] = {"CONDITION", SIDE_WORKER, PHASE_WORK, 3, SMALL, WARM, 0, 0},
        [WORKER_UNKEPT] = {"UNKEPT", SIDE_WORKER, PHASE_WORK, 4, SMALL, UNKEPT, 0, 0},
        [WORKER_KEEP_WARM] = {"KEEP_WARM", SIDE_SUPERVISOR, PHASE_WORK, 3, SMALL, LEVELS, 0, 0},
        [WORKER_ACKNOWLEDGE] = {"ACKNOWLEDGE", SIDE_SUPERVISOR, PHASE_WORK, 2, WORKER_MESSAGE_MAX, ATTEMPTS, 0, 0},
};

static const char *read_text(Unpacker *u)
{
        const char *text = unpack_string(u);

        if (!text)
                u->failed = true;
        return text;
}

static void read_attempts(Unpacker *u, WorkerMessage *m)
{
        uint64_t n = unpack_number(u);

        if (u->failed || n > WORKER_ATTEMPTS_MAX || !(m->attempts = calloc(n + 1, sizeof *m->attempts))) {
                u->failed = true;
                return;
        }
        for (; m->n_attempts < n; m->n_attempts++) {
                WorkerAttempt *a = &m->attempts[m->n_attempts];
                *a = (WorkerAttempt){.job = read_text(u)};
                a->attempt = unpack_number(u);
                a->started_usec = unpack_number(u);
                a->ended = unpack_number(u);
        }
}

static void read_levels(Unpacker *u, WorkerMessage *m)
{
        uint64_t n = unpack_number(u);

        if (n > WORKER_LEVELS_MAX)
                u->failed = true;
        for (; !u->failed && m->n_levels < n; m->n_levels++) {
                m->levels[m->n_levels] = (WarmLevel){.policy = read_text(u)};
                m->levels[m->n_levels].jails = unpack_number(u);
        }
}

int worker_message_read(const void *data, size_t size, size_t n_fds, WorkerSide sender, WorkerPhase phase,
                        uint64_t version, WorkerMessage *ret, Error *e)
{
        Unpacker u = {.next = data, .left = size};
        uint64_t kind = unpack_number(&u);

        *ret = (WorkerMessage){0};
        if (u.failed || kind == 0 || kind >= WORKER_MESSAGE_KIND_MAX)
                return error_set(e, -EPROTO, "a message of no known kind");
        const MessageRule *rule = &rules[kind];
        if (rule->sender != sender || rule->phase != phase || rule->since > version)
                return error_set(e, -EPROTO, "%s is out of turn", rule->name);
        if (size > rule->size_max || n_fds < rule->fds_min || n_fds > rule->fds_max)
                return error_set(e, -EPROTO, "%s is too long, or has %zu descriptors", rule->name, n_fds);
        unsigned fields = rule->fields;
        ret->kind = (WorkerMessageKind)kind;
        if (fields & OLDEST)
                ret->oldest = unpack_number(&u);
        if (fields & VERSION)
                ret->version = unpack_number(&u);
        if (fields & NAME)
                ret->name = read_text(&u);
        if (fields & JOB)
                ret->job = read_text(&u);
        if (fields & ATTEMPT)
                ret->attempt = unpack_number(&u);
        if (fields & TEXT)
                ret->report = read_text(&u);
        if (fields & WARM)
                ret->warm = unpack_number(&u);
        if (fields & UNKEPT)
                ret->unkept = unpack_number(&u);
        if (fields & LEVELS)
                read_levels(&u, ret);
        if (fields & ATTEMPTS)
                read_attempts(&u, ret);
        if (unpack_end(&u) >= 0)
                return 0;
        free(ret->attempts);
        *ret = (WorkerMessage){0};
        return error_set(e, -EPROTO, "%s cannot be read", rule->name);
}

void worker_message_pack(Packer *p, const WorkerMessage *m)
{
        unsigned fields = rules[m->kind].fields;

        pack_number(p, m->kind);
        if (fields & OLDEST)
                pack_number(p, m->oldest);
        if (fields & VERSION)
                pack_number(p, m->version);
        if (fields & NAME)
                pack_string(p, m->name);
        if (fields & JOB)
                pack_string(p, m->job);
        if (fields & ATTEMPT)
                pack_number(p, m->attempt);
        if (fields & TEXT)
                pack_string(p, m->report);
        if (fields & WARM)
                pack_number(p, m->warm);
        if (fields & UNKEPT)
                pack_number(p, m->unkept);
        if (fields & LEVELS)
                pack_number(p, m->n_levels);
        for (size_t i = 0; i < m->n_levels; i++) {
                pack_string(p, m->levels[i].policy);
                pack_number(p, m->levels[i].jails);
        }
        if (fields & ATTEMPTS)
                pack_number(p, m->n_attempts);
        for (size_t i = 0; i < m->n_attempts; i++) {
                pack_string(p, m->attempts[i].job);
                pack_number(p, m->attempts[i].attempt);
                pack_number(p, m->attempts[i].started_usec);
                pack_number(p, m->attempts[i].ended);
        }
}

void run_order_pack(Packer *p, const RunOrder *o)
{
        pack_string(p, o->job);
        pack_number(p, o->attempt);
        pack_string(p, o->policy_digest);
        pack_strings(p, o->command);
        pack_strings(p, o->environment);
        pack_string(p, o->working_directory);
        pack_bytes(p, &o->limits, sizeof o->limits);
        pack_number(p, o->allow_missing);
        pack_strings(p, o->inputs);
}

int run_order_unpack(const void *data, size_t size, RunOrder *o)
{
        Unpacker u = {.next = data, .left = size};
        size_t limits_size;

        *o = (RunOrder){0};
        o->job = unpack_string(&u);
        o->attempt = unpack_number(&u);
        o->policy_digest = unpack_string(&u);
        o->command = unpack_strings(&u);
        o->environment = unpack_strings(&u);
        o->working_directory = unpack_string(&u);
        const void *limits = unpack_bytes(&u, &limits_size);
        o->allow_missing = (JailLayers)unpack_number(&u);
        o->inputs = unpack_strings(&u);
        if (unpack_end(&u) < 0 || !o->job || !o->policy_digest || limits_size != sizeof o->limits) {
                run_order_done(o);
                return -EBADMSG;
        }
        memcpy(&o->limits, limits, sizeof o->limits);
        return 0;
}

void run_order_done(RunOrder *o)
{
        free(o->command);
        free(o->environment);
        free(o->inputs);
        *o = (RunOrder){0};
}

int run_output_open(int directory, const char *job, uint64_t attempt, const char *stream, bool writing, bool create)
{
        const int flags = O_CLOEXEC | O_NOFOLLOW | (writing ? O_WRONLY : O_RDONLY);
        _cleanup_free_ char *path = NULL;
        int folder = asprintf(&path, "%s/%" PRIu64 "/%s", job, attempt, stream) - (int)strlen(stream) - 1;

        if (folder < 0) {
                path = NULL;
                return -ENOMEM;
        }
        int fd = openat(directory, path, flags);
        if (fd >= 0 || errno != ENOENT || !create)
                return fd < 0 ? -errno : fd;
        path[folder] = '\0';
        if ((mkdirat(directory, job, 0700) < 0 && errno != EEXIST) || (mkdirat(directory, path, 0700) < 0 && errno != EEXIST))
                return -errno;
        path[folder] = '/';
        fd = openat(directory, path, flags | O_CREAT, 0644);
        return fd < 0 ? -errno : fd;
}

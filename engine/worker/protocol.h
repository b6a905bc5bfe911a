/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What supervisor and worker say to each other, one datagram each, over a SOCK_SEQPACKET socket that the worker
 * connects. Numbers and strings as in engine/base/pack.h. The table in protocol.c says who sends what, when, how large
 * and with which fields; this is what for:
 *
 *   HELLO        the worker connects: the oldest and newest version that it speaks, its name. The same in all versions
 *   WELCOME      the answer: the version to speak
 *   ATTEMPTS     what the worker has from an earlier supervisor: jobs that run, and reports that nobody has acknowledged
 *   POLICY       before the first RUN or KEEP_WARM that names it; the text is in a sealed memfd
 *   RUN          a resolved run order in a sealed memfd, with the job's descriptors
 *   CANCEL       ends an attempt that runs there
 *   STOP         take nothing more, and end when nothing runs and everything is acknowledged
 *   STARTED      a RUN has been taken up
 *   KEEP_WARM    at least so many jails of these policies, and of no others, are going to be needed at once
 *   CONDITION    what the worker can be seen to be like: after WELCOME, and when it has changed
 *   UNKEPT       so many attempts have ended whose /output waits for room on the disk: where that are any, and when it has
 *                changed
 *   REPORT       a RUN has ended. The worker keeps it, and sends it again over each new connection, until the
 *   ACKNOWLEDGE  of the supervisor says that it is on the disk, or of no use
 *
 * A supervisor understands the version before its own, since workers outlive an upgrade: in version 3, there is no
 * UNKEPT; in version 2, no CONDITION and no KEEP_WARM either. */

#include "engine/base/pack.h"
#include "jail/jail.h"

#define WORKER_VERSION 4
#define WORKER_VERSION_MIN 2 /* that a supervisor understands */
#define WORKER_NUMBER_MAX 999 /* workers are called by a number from 1 */
/* To the socket's path. Worker N holds a lock of its process (fcntl(2)) on the byte N of this file; and on the byte
 * WORKER_JAILS_LOCK + N one of the open file, for reading, which its launcher shares: as long as that is there, something
 * of its jobs may run. */
#define WORKER_LOCK_SUFFIX ".lock"
#define WORKER_JAILS_LOCK 0x10000
#define WORKER_MESSAGE_MAX ((size_t)64 << 10)
#define WORKER_DOCUMENT_MAX ((size_t)8 << 20) /* of a memfd */
#define WORKER_ATTEMPTS_MAX 512               /* that a worker has at once: what ATTEMPTS has room for */
#define WORKER_LEVELS_MAX 24                  /* policies in KEEP_WARM */

typedef enum WorkerMessageKind {
        WORKER_HELLO = 1,
        WORKER_WELCOME,
        WORKER_POLICY,
        WORKER_RUN,
        WORKER_CANCEL,
        WORKER_STOP,
        WORKER_STARTED,
        WORKER_REPORT,
        WORKER_ATTEMPTS,
        WORKER_ACKNOWLEDGE,
        WORKER_CONDITION,
        WORKER_KEEP_WARM,
        WORKER_UNKEPT,
        WORKER_MESSAGE_KIND_MAX,
} WorkerMessageKind;

typedef enum WorkerSide { SIDE_SUPERVISOR, SIDE_WORKER } WorkerSide;

/* How far a connection is. */
typedef enum WorkerPhase {
        PHASE_CONNECTED, /* HELLO is next */
        PHASE_GREETED,   /* WELCOME is next */
        PHASE_WELCOME,   /* ATTEMPTS is next */
        PHASE_WORK,
} WorkerPhase;

typedef struct WorkerAttempt {
        const char *job;
        uint64_t attempt;
        uint64_t started_usec; /* CLOCK_REALTIME; of ATTEMPTS */
        uint64_t ended;        /* not 0: its REPORT follows; of ATTEMPTS */
} WorkerAttempt;

typedef struct WarmLevel {
        const char *policy; /* digest */
        uint64_t jails;
} WarmLevel;

typedef struct WorkerMessage {
        WorkerMessageKind kind;
        uint64_t oldest, version; /* HELLO; WELCOME has `version` alone */
        const char *name;         /* HELLO, POLICY */
        const char *job;          /* CANCEL, STARTED, REPORT */
        uint64_t attempt;
        const char *report;      /* JSON */
        uint64_t warm;           /* CONDITION: jails that wait for a job */
        uint64_t unkept;         /* UNKEPT: attempts */
        WorkerAttempt *attempts; /* ATTEMPTS, ACKNOWLEDGE */
        size_t n_attempts;
        WarmLevel levels[WORKER_LEVELS_MAX]; /* KEEP_WARM */
        size_t n_levels;
} WorkerMessage;

/* Reads a message that came from `sender` with so many descriptors, over a connection that is in `phase` and speaks
 * `version` (0: not yet known). The strings stay in `data`; the caller frees `ret->attempts`. Errors: -EPROTO it is out of turn, or
 * not as the table has it. What cannot be read ends the connection. */
int worker_message_read(const void *data, size_t size, size_t n_fds, WorkerSide sender, WorkerPhase phase,
                        uint64_t version, WorkerMessage *ret, Error *e);

void worker_message_pack(Packer *p, const WorkerMessage *message);

/* Descriptors of RUN, in this order; inputs follow. */
enum { RUN_ORDER, RUN_OUTPUT, RUN_STDIN, RUN_INPUTS };
#define RUN_FDS_MAX (RUN_INPUTS + JAIL_INPUTS_MAX)

/* Opens <job>/<attempt>/<stream> below the directory RUN_OUTPUT, for writing or reading; `create`: it is made, with the
 * directories above it, where it is not there. Whoever needs one first makes it: many jobs leave nothing, and to make files is
 * a good part of what a short job costs. Returns a descriptor or a negative errno. */
int run_output_open(int directory, const char *job, uint64_t attempt, const char *stream, bool writing, bool create);

/* Everything about one attempt at a job, resolved: no name in here is looked up by the worker. */
typedef struct RunOrder {
        const char *job;
        uint64_t attempt;
        const char *policy_digest; /* of a POLICY sent before */
        char **command;
        char **environment;
        const char *working_directory; /* NULL: the jail's own */
        JailLimits limits;
        JailLayers allow_missing;
        char **inputs; /* names; their descriptors follow RUN_STDIN */
} RunOrder;

void run_order_pack(Packer *p, const RunOrder *order);
/* The strings stay in the message, the arrays are freed by run_order_done(). Error: -EBADMSG. */
int run_order_unpack(const void *data, size_t size, RunOrder *order);
void run_order_done(RunOrder *order);

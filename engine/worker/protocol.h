/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What supervisor and worker say to each other, one datagram each, over a SOCK_SEQPACKET socket that the worker
 * connects. Numbers and strings as in engine/base/pack.h.
 *
 *   message  sender      size at most  when
 *   HELLO    worker      4 KiB         first: oldest and newest version that it speaks, its name, jobs at a time
 *   WELCOME  supervisor  4 KiB         the answer: the version to speak
 *   POLICY   supervisor  1 MiB (fd)    before the first RUN that names it; the text is in a sealed memfd
 *   RUN      supervisor  1 MiB (fd)    a resolved run order in a sealed memfd, with the job's descriptors
 *   CANCEL   supervisor  4 KiB         for a job that runs there
 *   STOP     supervisor  4 KiB         take nothing more, and end when nothing runs
 *   STARTED  worker      4 KiB         a RUN has been taken up
 *   REPORT   worker      64 KiB        a RUN has ended; once for each
 *
 * What is out of turn, too long, or of the other side ends the connection. */

#include "engine/base/pack.h"
#include "jail/jail.h"

#define WORKER_VERSION_MIN 1
#define WORKER_VERSION 1
#define WORKER_MESSAGE_MAX ((size_t)64 << 10)
#define WORKER_DOCUMENT_MAX ((size_t)8 << 20) /* of a memfd */

typedef enum WorkerMessage {
        WORKER_HELLO = 1,
        WORKER_WELCOME,
        WORKER_POLICY,
        WORKER_RUN,
        WORKER_CANCEL,
        WORKER_STOP,
        WORKER_STARTED,
        WORKER_REPORT,
        WORKER_MESSAGE_MAX_KIND,
} WorkerMessage;

typedef enum WorkerSide { SIDE_SUPERVISOR, SIDE_WORKER } WorkerSide;

/* Whether the table above lets this side send such a message of this size. */
bool worker_message_allowed(WorkerMessage kind, WorkerSide sender, size_t size);

/* Descriptors of RUN, in this order; inputs follow. */
enum { RUN_ORDER, RUN_STDOUT, RUN_STDERR, RUN_FILES, RUN_STDIN, RUN_INPUTS };
#define RUN_FDS_MAX (RUN_INPUTS + JAIL_INPUTS_MAX)

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

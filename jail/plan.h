/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What passes between the library and the launcher, which are two programs of one version.
 *
 *   library → launcher                            launcher → library
 *   INIT    version, cgroup or NULL               READY   controllers, ids, its cgroup, or why none | REFUSED
 *   START   id, number of a kind of warm jails    ENDED   id, outcome, sentence; descriptor: /output, if any
 *           that fits, or 0; descriptors: plan,
 *           stdin, stdout, stderr, inputs…,
 *           binds…, the root if it is not the
 *           host's, a socket for calls if
 *           plan_tells()
 *   CANCEL  id
 *   KEEP    number of a kind, how many;           WARM    number of a kind, how many there are, whenever one has
 *           descriptor: its plan, which `waits`           come, or gone without a job
 *
 * A plan holds everything that can be computed before a jail is made, so that the launcher computes nothing. It comes
 * in a sealed memfd, since the arguments and the environment of a command may be larger than a datagram. */

#include "engine/base/pack.h"
#include "jail/ids.h"
#include "jail/jail.h"
#include "jail/root_file.h"
#include "jail/steps.h"

#define LAUNCHER_VERSION 4
#define LAUNCHER_SOCKET_FD 3
#define LAUNCHER_HELD_FD 4 /* JailLauncherOptions.held_fd */
#define LAUNCHER_MESSAGE_MAX ((size_t)8 << 10)
#define PLAN_SIZE_MAX ((size_t)16 << 20)

typedef enum LauncherMessage {
        LAUNCHER_INIT = 1,
        LAUNCHER_START,
        LAUNCHER_CANCEL,
        LAUNCHER_KEEP,
        LAUNCHER_READY,
        LAUNCHER_REFUSED,
        LAUNCHER_ENDED,
        LAUNCHER_WARM,
} LauncherMessage;

/* Descriptors of START, in this order; inputs and then binds follow, and last the socket for calls, if any. */
enum { START_PLAN, START_STDIN, START_STDOUT, START_STDERR, START_INPUTS };
#define START_FDS_MAX (START_INPUTS + JAIL_INPUTS_MAX + JAIL_BINDS_MAX + 2)

typedef struct Plan {
        bool waits; /* of a jail that is made before its job is known: what follows from the policy is all there is */
        bool waits_filtered; /* the job's process can wait under its filter, which allows the calls that are left to do */
        JailLimits limits;
        unsigned controllers; /* of CgroupController: those that shall hold the limits */
        char **command;
        char **environment;
        const char *working_directory;
        bool makes_directory; /* it is an image's: below what is the job's own, and empty, it has to be made */

        const void *filter, *unpack_filter;
        size_t filter_size, unpack_filter_size;
        bool listen; /* calls go to a listener in the reaper: those that are refused, or as `watch` says */
        JailWatch watch;
        uint64_t linger_usec; /* as in JailSpec */
        const void *refusals; /* and answered by these (refusal.h) */
        size_t refusals_size;
        IdsKind ids;
        int landlock_abi;
        uint64_t capabilities;

        char **read_only, **writable, **tmpfs, **hidden, **execute, **devices; /* as in JailPolicy */
        bool message_queues; /* POSIX ones: /dev/mqueue is there */
        bool sockets;        /* the filter lets some be made: there is a loopback to use */
        bool ipc_objects;    /* the filter lets some be made, System V's or POSIX queues */
        bool proc_pid;       /* /proc has processes and nothing else */
        bool writable_root;  /* changes to the root go to a layer of the jail's own */
        RootKind root;       /* with a descriptor behind those of the binds, unless it is the host's */
        char **inputs;       /* names; their descriptors are START_INPUTS and following */
        char **binds;        /* places inside; their descriptors follow the inputs' */
        uint64_t binds_writable; /* a set: 1 << index */
} Plan;

void plan_pack(Packer *p, const Plan *plan);

/* Reads a plan; the strings stay in the message, the arrays are freed by plan_done(). Error: -EBADMSG. */
int plan_unpack(const void *data, size_t size, Plan *plan);
void plan_done(Plan *plan);

/* A plan with the message that holds its strings. */
typedef struct PlanFile {
        Plan plan;
        const void *data;
        size_t size;
} PlanFile;

/* Maps and reads it. Errors: -EBADMSG, others of mmap(2). */
int plan_file_open(int fd, PlanFile *ret);
void plan_file_done(PlanFile *file);

/* Whether the reaper tells of calls, over a socket of their own: see listener.h. */
static inline bool plan_tells(const Plan *plan)
{
        return plan->listen && plan->watch != JAIL_WATCH_COUNT;
}

/* How a jail ended, as the launcher saw it. */
typedef struct Outcome {
        JailReason reason;
        int exit_code, signal;
        uint64_t setup_usec, wall_usec, cpu_user_usec, cpu_system_usec;
        uint64_t memory_peak_bytes, pids_peak, io_read_bytes, io_write_bytes;
        uint64_t memory_pressure_usec, cpu_pressure_usec, io_pressure_usec;
        uint32_t denied[JAIL_SYSCALL_MAX];
        bool denied_complete;
        bool left_running;
        bool warm;
        LaunchSteps steps;
} Outcome;

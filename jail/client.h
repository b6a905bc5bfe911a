/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/host.h"
#include "jail/plan.h"
#include "jail/root_source.h"
#include "jail/steps.h"

/* The caller's side of the launcher, shared by client.c (the launcher, its messages, the jails' output) and start.c (from
 * a specification to a jail). */

typedef struct Stream {
        Jail *jail;
        int fd; /* the pipe's reading end; -1 at its end */
        uint64_t bytes;
        bool held;
} Stream;

struct Jail {
        Jail *next;
        JailLauncher *launcher;
        uint64_t id, output_limit, disk_limit, files_limit;
        const JailEvents *events;
        void *userdata;
        Stream streams[2];
        bool ended, cancel_waits; /* `cancel_waits`: to be sent when there is room */
        int output;
        RootSource root; /* an image stays in use as long as its jail */
        int calls; /* where the reaper tells of calls; -1: it does not, or not any more */
        JailReport report;
        LaunchSteps steps; /* of its life; for measurements */
};

/* A kind of warm jails that the launcher keeps. */
typedef struct WarmPolicy {
        struct WarmPolicy *next;
        JailPolicy *policy;
        uint64_t number;
        size_t wanted, ready;
} WarmPolicy;

struct JailLauncher {
        int socket, epoll;
        pid_t pid;                       /* of the launcher's process; 0: none */
        const JailLauncherHere *methods; /* of the launcher in this process, `here` */
        struct Launcher *here;
        JailHost host;
        char *cgroup, *no_cgroup; /* the base, or why there is none */
        Jail *jails;
        uint64_t next_id;
        WarmPolicy *warm;
        uint64_t next_kind;
        void *unpack_filter;
        size_t unpack_filter_size;
        char *buffer;
        bool dead;
        bool sweep; /* the launcher lives in its own cgroup, which it may be unable to remove */
};

/* The key of a stream's events: they carry the jail's id and the stream, not a pointer, since a callback may have freed
 * it meanwhile. Jails count from 1. */
enum { KEY_SOCKET, KEY_HERE };
enum { STREAM_CALLS = 2, STREAMS_PER_JAIL }; /* behind the index in `streams` */

static inline uint64_t stream_key(const Jail *j, int index)
{
        return j->id * STREAMS_PER_JAIL + (uint64_t)index;
}

Jail *jail_free(Jail *jail); /* returns NULL */
DEFINE_CLEANUP(Jail, jail_free)

/* What of a plan follows from the policy alone; its members are borrowed from there. Error: as of policy_compile(). */
int plan_of_policy(const JailLauncher *l, JailPolicy *policy, Plan *ret, Error *e);

/* Packs it into a sealed file. Returns its descriptor or a negative errno. */
int plan_seal(const Plan *plan, Error *e);

/* The number of the kind of warm jails that will do; 0: none. It is one less, then. */
uint64_t warm_kind_for(JailLauncher *l, const JailSpec *spec);
/* The launcher has so many. */
void warm_policies_ready(JailLauncher *l, uint64_t number, size_t ready);
void warm_policies_done(JailLauncher *l);

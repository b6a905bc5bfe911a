/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cgroup.h"
#include "jail/launch.h"
#include "jail/launcher.h"
#include "jail/watchdog.h"

/* A jail as the launcher sees it, from the clone to the removal of its cgroup. Shared by launcher.c (the caller's
 * messages), running_jail.c (a jail's messages, end and accounts) and clocks.c (its limits of time). */

typedef enum Phase {
        PHASE_SETUP,   /* the jail is being built */
        PHASE_RUNNING, /* the program runs */
        PHASE_GONE,    /* every process has ended; its cgroup is being removed */
} Phase;

typedef struct RunningJail {
        struct RunningJail *next;
        uint64_t id;
        Phase phase;
        Plan plan; /* its strings live in `plan_map` */
        void *plan_map;
        size_t plan_size;
        Launched process;
        int cgroup, output;
        Ids ids;
        char cgroup_name[32];
        ReaperLedger *ledger;
        uint64_t received_usec, started_usec, ended_usec, cpu_check_usec, retry_usec;
        bool killed, ended, exec_failed, setup_failed; /* what is known of its end, beside `verdict` */
        JailReason verdict;                            /* why it was killed */
        ReaperMessage last;
        Error error;
        int exit_status, exit_code; /* of the first process: siginfo_t's */
        Outcome outcome;            /* once it is gone */
} RunningJail;

struct Launcher {
        int socket, epoll, timer;
        uint64_t timer_usec; /* when it is set to strike; USEC_INFINITY: not at all */
        bool here;           /* in the caller's own process */
        Watchdog watchdog;
        CgroupTree cgroups;
        RunningJail *jails;
        uint32_t next_ids;
        uint64_t next_number;
        bool closing; /* the caller has gone */
};

/* Has the loop look at a descriptor. `whose` comes back with its events. Returns 0 or a negative errno. */
int launcher_watch(Launcher *l, int fd, void *whose);
/* To the caller; who does not read any more has gone. */
void launcher_send(Launcher *l, Packer *p, const int *fds, size_t n_fds);

/* Makes the jail of a plan (its descriptors as in START). What goes wrong is told to the caller. */
void running_jail_start(Launcher *l, uint64_t id, const int *fds, size_t n_fds);
void running_jail_kill(RunningJail *j, JailReason verdict);
/* What its descriptors say: its first process's messages, and its end. It may be freed by that. */
void running_jail_event(Launcher *l, RunningJail *j);
#define REMOVE_RETRY_USEC USEC_PER_MSEC
/* Every process has gone: the report goes out when the cgroup has, too. Then the jail is freed. */
void running_jail_gone(Launcher *l, RunningJail *j);

/* Holds every jail against its clocks, and sets the timer for the next time that one may strike. */
void clocks_check(Launcher *l);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cgroup.h"
#include "jail/handover.h"
#include "jail/kept_ids.h"
#include "jail/launch.h"
#include "jail/launcher.h"
#include "jail/watchdog.h"

/* A jail as the launcher sees it, from the clone to the removal of its cgroup. Shared by launcher.c (the caller's
 * messages), running_jail.c (a jail's messages, end and accounts), warm.c (those that wait) and clocks.c (its limits of
 * time). */

typedef enum Phase {
        PHASE_BUILDING, /* it is built before there is a job for it */
        PHASE_WAITING,  /* for a job */
        PHASE_SETUP,    /* it is built for its job, or the job has been handed over */
        PHASE_RUNNING,  /* the program runs */
        PHASE_GONE,     /* every process has ended; its cgroup is being removed */
} Phase;

typedef struct RunningJail {
        struct RunningJail *next;
        uint64_t id; /* 0: it waits for a job, or has waited for it to its end */
        Phase phase;
        PlanFile file; /* of the job */
        Launched process;
        int cgroup, peak; /* `peak`: of cgroup_forget_peak() */
        int doors[DOORS]; /* that the jail has opened; where it was not made to wait, only that of the output */
        uint64_t kind;    /* of warm jails; 0: it is none */
        uint64_t stamp;   /* of what it was made of: warm.c */
        Outcome before;   /* what its group had counted when the job came */
        int *fds;         /* of the job, as in START, until it runs in a jail that has waited for it */
        size_t n_fds;
        Ids ids;
        char cgroup_name[32];
        ReaperLedger *ledger;
        uint64_t received_usec, started_usec, ended_usec, cpu_check_usec, retry_usec;
        uint64_t pause_usec; /* before its cgroup is removed again */
        bool killed, ended, exec_failed, setup_failed; /* what is known of its end, beside `verdict` */
        bool counted, oom_killed;                      /* its accounts are in `outcome` */
        JailReason verdict;                            /* why it was killed */
        ReaperMessage last;
        Error error;
        int exit_status, exit_code; /* of the first process: siginfo_t's */
        Outcome outcome;            /* complete once it is gone */
} RunningJail;

/* Jails that are kept for jobs of one policy. */
typedef struct WarmKind {
        struct WarmKind *next;
        uint64_t number; /* the library's */
        PlanFile file;
        size_t wanted;
        uint64_t retry_usec; /* not before: one could not be built */
} WarmKind;

struct Launcher {
        int socket, epoll, timer;
        int loadavg; /* -1: there is none to be read */
        uint64_t timer_usec; /* when it is set to strike; USEC_INFINITY: not at all */
        bool here;           /* in the caller's own process */
        Watchdog watchdog;
        CgroupTree cgroups;
        Networks networks;
        KeptIds ids;
        bool own_ipc; /* we are in an IPC namespace of our own */
        RunningJail *jails;
        WarmKind *kinds;
        uint64_t busy_usec;     /* when a job was last started, or ended */
        uint64_t refilled_usec; /* when the last jail was begun that is to wait */
        uint32_t next_ids;
        uint64_t next_number;
        bool closing; /* the caller has gone */
};

/* Has the loop look at a descriptor. `whose` comes back with its events. Returns 0 or a negative errno. */
int launcher_watch(Launcher *l, int fd, void *whose);
/* To the caller; who does not read any more has gone. */
void launcher_send(Launcher *l, Packer *p, const int *fds, size_t n_fds);

/* Runs the job of a plan (its descriptors as in START): in a warm jail of the kind, where there is one and it is fit
 * for that, or in one that is made for it. What goes wrong is told to the caller. Of the descriptors it takes what it
 * needs longer. */
void running_jail_start(Launcher *l, uint64_t id, uint64_t kind, int *fds, size_t n_fds);
/* Begins to make one that waits for its job. Returns 0 or a negative errno. */
int running_jail_make_warm(Launcher *l, const WarmKind *kind, uint64_t stamp);
bool running_jail_is_alive(const RunningJail *j);
void running_jail_kill(RunningJail *j, JailReason verdict);
/* Which of the things that are known of its end is the reason. Sets that of the outcome, with exit code and signal. */
void running_jail_decide(const RunningJail *j, Outcome *o);
/* What its descriptors say: its first process's messages, and its end. It may be freed by that. */
void running_jail_event(Launcher *l, RunningJail *j);
#define REMOVE_RETRY_USEC USEC_PER_MSEC
#define REMOVE_RETRY_MAX_USEC (100 * USEC_PER_MSEC)
/* Every process has gone: the report goes out when the cgroup has, too. Then the jail is freed. */
void running_jail_gone(Launcher *l, RunningJail *j);

/* The caller's wish to have so many of a kind. `plan_fd`: its plan, -1 for a kind that is known. */
void warm_keep(Launcher *l, uint64_t number, uint64_t wanted, int plan_fd);
/* The one of the kind that has waited longest; NULL: there is none. */
RunningJail *warm_find(Launcher *l, uint64_t kind);
/* Tells the caller how many there are. */
void warm_tell(Launcher *l, uint64_t kind);
/* One could not be built, or has died while it waited. */
void warm_failed(Launcher *l, uint64_t kind);
/* Has another one built if it is wanted, and nobody waits for the time that it takes. Returns when to look again. */
uint64_t warm_refill(Launcher *l, uint64_t now);
void warm_done(Launcher *l);

/* Holds every jail against its clocks, and sets the timer for the next time that one may strike. */
void clocks_check(Launcher *l);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/host.h"

/* The parts of jail_probe_host(). Each looks at one thing, adds what it finds, and says of what is missing why, and what
 * mends it. */

/* What the advice depends on. */
typedef struct Surroundings {
        bool root;           /* uid 0 of the host itself, and not of a user namespace */
        bool user_namespace; /* we live in one, as in a rootless container */
        const char *container; /* "docker", "podman", "lxc"; NULL: none that is known */
        bool wsl, systemd;
        bool chroot;         /* our root is not that of our mount namespace */
        bool no_proc;        /* no /proc is mounted */
        bool nobody;         /* our ids have no place in our user namespace */
        bool filtered;       /* a system call filter is on us */
        char *apparmor;      /* the profile that confines us; or NULL; owned */
        char *user;          /* the name, or the number where there is none; owned */
        uint64_t capabilities; /* effective: 1 << CAP_… */
} Surroundings;

typedef struct Probe {
        JailProbe *result;
        const JailLauncherOptions *launcher;
        Surroundings around;
        JailLauncher *maker; /* which makes the jails; NULL: `no_maker` says why */
        Error no_maker;
        JailHost host; /* as it has found it out */
        char *said;    /* what programs said that it asked for something; owned; or NULL */
        bool failed;   /* memory has run out; jail_probe_host() says so in the end */
} Probe;

/* ---- findings.c ---- */

/* The layers are there from the start, as not held; the rest is added. */
JailFinding *finding_of_layer(Probe *probe, JailLayer layer);
void finding_held(Probe *probe, JailFinding *f, const char *by);

/* The pointer holds until the next one is added; it is NULL when out of memory, which all of these take. */
JailFinding *finding_add(Probe *probe, JailFindingKind kind, const char *name, JailHeld held);
void finding_by(Probe *probe, JailFinding *f, const char *format, ...) _printf_(3, 4);
/* For the same reason as another, with the same way out. */
void finding_like(Probe *probe, JailFinding *f, const JailFinding *other);
void finding_why(Probe *probe, JailFinding *f, const char *format, ...) _printf_(3, 4);
void finding_remedy(Probe *probe, JailFinding *f, const char *format, ...) _printf_(3, 4);

/* ---- surroundings.c ---- */

void surroundings_read(Surroundings *ret);
void surroundings_done(Surroundings *around);

/* Why the kernel says EPERM or EACCES to what jails need, and the way out: a chroot, ids that are nobody's, a privilege that we
 * lack, a filter, an AppArmor profile, a container; or why nothing can be asked of it: no /proc. False where nothing of that
 * is to be seen. */
bool surroundings_explain(Probe *probe, JailFinding *f);

/* Advice to start the container with an option, or, outside of one, nothing. */
void surroundings_container_option(Probe *probe, JailFinding *f, const char *options);

/* The number in a file of /proc/sys; `missing` where there is none. */
long surroundings_sysctl(const char *file, long missing);

/* ---- attempt.c ---- */

/* Runs `what` in a process that has gone when this returns: 0 or a negative errno of it; -ECANCELED when it was killed.
 * Who is not root of the host runs it as root of a user namespace of his own, with his own id alone; so does root with
 * `always`. */
int attempt(const Surroundings *around, bool always, int (*what)(void *argument), void *argument);

/* ---- cgroups.c ---- */

/* Why the group for jails lacks a controller, or why there is no group at all, and the way out. */
void cgroups_explain(Probe *probe, JailFinding *f, const char *controller);

/* ---- each thing ---- */

void probe_kernel(Probe *probe);     /* kernel.c: version, Landlock, filter and listener */
void probe_programs(Probe *probe, char *const *policies); /* programs.c: the launcher, the policies */
void probe_namespaces(Probe *probe); /* namespaces.c: user, mount, pid, net, ipc, uts; capabilities */
void probe_ids(Probe *probe);        /* ids.c */
void probe_cgroups(Probe *probe);    /* cgroups.c: what the group of jails gives beside limits */
void probe_mounts(Probe *probe);     /* mounts.c: proc, overlay, images */
JailLayers probe_may_miss(void);     /* every layer that a jail may be without */
void probe_jails(Probe *probe);      /* jails.c: jails are made; their reports have the last word */

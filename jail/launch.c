/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launch of a jail, top to bottom: inside() is the list.
 *
 * As root, the jail's first process starts with the launcher's privileges in namespaces of its own, all of which belong
 * to the host's user namespace. It uses them to build the tree, and only then enters a user namespace of its own: from
 * there on it, and everything that comes of it, has no right over its own mounts, its network or its host name, not even
 * as root of the jail; and no mount had to be made from inside, where the kernel would forbid it once anything covers the
 * host's /proc. Meanwhile the launcher makes the file system for the tree, then the user and network namespaces: that
 * takes as long as the mounts.
 *
 * As an ordinary user, who has no privileges but in a user namespace of his own, it starts in one, to which the others
 * belong, and gives the privileges up with the capabilities. */

#include "jail/launch.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/caller.h"
#include "jail/confine.h"
#include "jail/handover.h"
#include "jail/host_mounts.h"
#include "jail/ids.h"
#include "jail/loopback.h"
#include "jail/namespaces.h"
#include "jail/prefault.h"
#include "jail/root.h"
#include "jail/root_clones.h"
#include "jail/unpack.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* On a host that runs out of memory, a jail goes before anything else of that size. */
#define OOM_SCORE "500"
#define HOST_NAME "skep"

/* Clones of mounts of the host. As root only the launcher can make them, whose namespace has those mounts; as a user
 * only the jail's first process, whose copy of that namespace is its own. */
typedef struct Sources {
        int inputs[JAIL_INPUTS_MAX], binds[JAIL_BINDS_MAX], writable[JAIL_BINDS_MAX];
        size_t n_inputs, n_binds, n_writable;
        int root;  /* -1: the host's */
        int stdin; /* -1: as it was handed in */
        int system[ROOT_SYSTEM_PARTS];
} Sources;

#define SOURCES_NULL ((Sources){.root = -1, .stdin = -1, .system = {-1, -1, -1, -1, -1, -1, -1}})

static void sources_done(Sources *s)
{
        close_many(s->inputs, s->n_inputs);
        close_many(s->binds, s->n_binds);
        close_many(s->writable, s->n_writable);
        close_fd(s->root);
        close_fd(s->stdin);
        close_many(s->system, ROOT_SYSTEM_PARTS);
}

/* The plan has but its descriptor. */
static int blame_root(int source, int r, Error *e)
{
        char link[64], path[PATH_MAX];

        snprintf(link, sizeof link, "/proc/self/fd/%d", source);
        ssize_t n = readlink(link, path, sizeof path - 1);
        path[n > 0 ? n : 0] = '\0';
        error_prefix(e, "root %s", path);
        return r;
}

static int open_sources(const Launch *l, int stdin_fd, Sources *s, Error *e)
{
        const Plan *plan = l->plan;

        s->stdin = root_reopen_stdin(l->ids, stdin_fd);
        for (char **name = plan->inputs; name && *name; name++, s->n_inputs++) {
                bool archive = (*name)[0] && (*name)[strlen(*name) - 1] == '/';
                s->inputs[s->n_inputs] = archive ? -1 : root_clone_input(l->ids, l->fds[START_INPUTS + s->n_inputs]);
        }
        for (char **place = plan->binds; place && *place; place++) {
                bool writable = plan->binds_writable & (UINT64_C(1) << s->n_binds);
                int fd = root_clone_bind(l->fds[START_INPUTS + s->n_inputs + s->n_binds], writable, l->ids, e);
                if (fd < 0)
                        return error_prefix(e, "binding at %s", *place), fd;
                s->binds[s->n_binds++] = fd;
        }
        for (char **path = plan->writable; path && *path; path++) {
                if (s->n_writable == JAIL_BINDS_MAX)
                        return error_set(e, -E2BIG, "more than %d writable paths", JAIL_BINDS_MAX);
                _cleanup_close_ int source = open(*path, O_PATH | O_CLOEXEC);
                int fd = source < 0 ? error_errno(e, -errno, "opening it") : root_clone_bind(source, true, l->ids, e);
                if (fd < 0)
                        return error_prefix(e, "writable %s", *path), fd;
                s->writable[s->n_writable++] = fd;
        }
        if (plan->root != ROOT_HOST) {
                int source = l->fds[START_INPUTS + s->n_inputs + s->n_binds];
                s->root = plan->root == ROOT_FILE ? root_file_mount(source, e)
                                                  : root_clone_root(source, plan->writable_root, l->ids, e);
                int r = s->root < 0 || plan->root != ROOT_FILE || !plan->writable_root
                                ? s->root
                                : root_give_to_job(s->root, l->ids, e);
                if (r < 0)
                        return blame_root(source, r, e);
        }
        return plan->root == ROOT_HOST && plan->writable_root ? root_clone_system(l->ids, s->system, e) : 0;
}

/* ---- in the jail ---- */

/* Only what the jail needs stays open: the launcher holds the doors to all its other jails. */
static void keep_only(const Launch *l, const Sources *s, int control)
{
        int keep[3 + ROOT_SYSTEM_PARTS + START_FDS_MAX + 3 * JAIL_BINDS_MAX];
        size_t n = 0;

        keep[n++] = control;
        keep[n++] = l->ids->fd;
        keep[n++] = s->root;
        for (size_t i = 0; i < ROOT_SYSTEM_PARTS; i++)
                keep[n++] = s->system[i];
        for (size_t i = START_INPUTS; i < l->n_fds; i++)
                keep[n++] = l->fds[i];
        for (size_t i = 0; i < s->n_inputs; i++)
                keep[n++] = s->inputs[i];
        for (size_t i = 0; i < s->n_binds; i++)
                keep[n++] = s->binds[i];
        for (size_t i = 0; i < s->n_writable; i++)
                keep[n++] = s->writable[i];
        close_others(keep, n);
}

static int take_stdio(const int *fds, Error *e)
{
        for (int i = 0; i < 3; i++)
                if (dup2(fds[START_STDIN + i], i) < 0)
                        return error_errno(e, -errno, "standard streams");
        return 0;
}

/* A file that is standard input is read through a read-only clone of its mount. By the caller's own descriptor a job could
 * change its mode, times and attributes, where it has the owner's id; and what is in it, where everybody may write. */
static int take_stdin(const Sources *s, Error *e)
{
        return s->stdin >= 0 && dup2(s->stdin, 0) < 0 ? error_errno(e, -errno, "standard input") : 0;
}

/* Not with clone3(): that would take the launcher's cgroup for the root of the namespace. */
static int enter_cgroup_namespace(const Launch *l, Error *e)
{
        if (l->cgroup >= 0 && unshare(CLONE_NEWCGROUP) < 0)
                return error_errno(e, -errno, "making a cgroup namespace");
        return 0;
}

/* Waits for a part that is the launcher's: descriptors, or as a user that the ids are mapped. */
static int receive_part(int control, int fds[static 2], size_t n, Error *e)
{
        char go;
        size_t got = n;
        ssize_t r = receive_message(control, &go, 1, fds, &got);

        if (r == 1 && got == n)
                return 0;
        close_many(fds, got);
        return error_set(e, r < 0 ? (int)r : -ECONNRESET, "the launcher has not done its part");
}

/* Root's is made by the launcher meanwhile; a user's has to belong to the user's namespace. */
static int take_tmpfs(const Launch *l, int control, RootTmpfs *ret, Error *e)
{
        int fds[2];

        if (l->ids->kind != IDS_RANGE)
                return root_make_tmpfs(l->plan, l->ids, ret, e);
        int r = receive_part(control, fds, 2, e);
        if (r >= 0)
                *ret = (RootTmpfs){fds[0], fds[1]};
        return r;
}

static int become_root_of_jail(const Launch *l, Error *e)
{
        uint32_t id = ids_inside(l->ids->kind, JAIL_ROOT_ID);

        /* A user who has no other group in there may not drop his. */
        if ((l->ids->kind != IDS_CALLER && syscall(SYS_setgroups, 0, NULL) < 0) || setresgid(id, id, id) < 0 ||
            setresuid(id, id, id) < 0)
                return error_errno(e, -errno, "becoming root of the jail");
        int r = confine_bound(~UINT64_C(0), l->plan->capabilities);
        return r < 0 ? error_errno(e, r, "bounding capabilities") : 0;
}

static int set_host_name(Error *e)
{
        return sethostname(HOST_NAME, strlen(HOST_NAME)) < 0 ? error_errno(e, -errno, "setting the host name") : 0;
}

/* As a user: the first thing to do, since every right depends on it. */
static int begin_as_user(const Launch *l, Sources *s, int control, Error *e)
{
        int none[2];
        int r = receive_part(control, none, 0, e);

        /* While we have the caller's id: root of the jail may have another, which finds nothing in a home that is private. */
        if (r >= 0)
                r = open_sources(l, 0, s, e);
        if (r >= 0)
                r = take_stdin(s, e);
        if (r >= 0)
                r = become_root_of_jail(l, e);
        return r < 0 || !l->plan->sockets ? r : loopback_up(e);
}

/* As root: what comes last, since it gives away every right over what has been built. */
static int finish_as_root(const Launch *l, int control, Error *e)
{
        int fds[2];
        int r = receive_part(control, fds, 2, e);

        if (r < 0)
                return r;
        if (setns(fds[1], CLONE_NEWNET) < 0 || setns(fds[0], CLONE_NEWUSER) < 0)
                r = error_errno(e, -errno, "entering the jail's namespaces");
        close_many(fds, 2);
        return r < 0 ? r : become_root_of_jail(l, e);
}

/* The launcher keeps the door to the results; and where the job is still to come, those by which it comes in. */
static int tell_built(const Launch *l, int control, const Root *root, Error *e)
{
        ReaperMessage message = {.kind = REAPER_BUILT};
        _cleanup_close_ int mounts = l->plan->waits ? open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC) : -1;
        const int doors[DOORS] = {root->output, root->input, root->context, mounts};

        if (l->plan->waits && mounts < 0)
                return error_errno(e, -errno, "/proc/self/ns/mnt");
        int r = send_message(control, &message, sizeof message, doors, l->plan->waits ? DOORS : 1);
        return r < 0 ? error_errno(e, r, "telling the launcher") : 0;
}

static int unpack_archives(const Plan *plan, const int *archives, const int *directories, Error *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && plan->inputs && plan->inputs[i]; i++)
                if (directories[i] >= 0)
                        r = unpack_input(plan, plan->inputs[i], archives[i], directories[i], e);
        return r;
}

static void step(const Launch *l, int control, LaunchStep which, int r, const Error *e)
{
        if (r < 0)
                reaper_fail(control, e);
        step_done(&l->ledger->steps, which);
}

/* All is made that a jail of this policy has: what is left depends on the job. */
static _Noreturn void wait_for_job(const Launch *l, int control)
{
        int keep[] = {control, l->ids->fd};
        Error e = ERROR_NULL;
        Handover job;
        Reaper reaper;

        close_others(keep, ELEMENTS(keep));
        reaper_prepare(&reaper, l->plan, control, l->ledger);
        reaper_wait(&reaper);
        int r = handover_receive(control, &job, &e);
        step(l, control, STEP_DESCRIPTORS, r < 0 ? r : take_stdio(job.fds, &e), &e);
        step(l, control, STEP_ARCHIVES, unpack_archives(&job.file.plan, job.archives, job.directories, &e), &e);
        int still[] = {control, l->ids->fd, reaper.signals, reaper.job.listener};
        close_others(still, ELEMENTS(still));
        reaper_run(&reaper, &job.file.plan, -1);
}

static _Noreturn void inside(const Launch *l, Sources *s, const Caller *caller, int control)
{
        RootSources sources = {&l->fds[START_INPUTS], s->inputs, s->binds, s->writable, s->system, &s->root,
                               ROOT_TMPFS_NULL, &l->ledger->steps};
        bool root_user = l->ids->kind == IDS_RANGE;
        Error e = ERROR_NULL;
        Reaper reaper;
        Root root;

        prefault_writable();
        step_done(&l->ledger->steps, STEP_NAMESPACES);
        caller_leave(caller);
        if ((!l->plan->waits && take_stdio(l->fds, &e) < 0) || take_stdin(s, &e) < 0)
                reaper_fail(control, &e);
        keep_only(l, s, control);
        write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE);
        step_done(&l->ledger->steps, STEP_DESCRIPTORS);
        if (!root_user)
                step(l, control, STEP_DESCRIPTORS, begin_as_user(l, s, control, &e), &e);

        /* With the host's privileges, or those that a user has in a namespace of his own. */
        step(l, control, STEP_CGROUP_NAMESPACE, enter_cgroup_namespace(l, &e), &e);
        step(l, control, STEP_SKELETON, take_tmpfs(l, control, &sources.tmpfs, &e), &e);
        step(l, control, STEP_PLACES, root_build(l->plan, &sources, l->ids, &root, &e), &e);
        step(l, control, STEP_PIVOT, root_enter(&root, &e), &e);
        step(l, control, STEP_HOST_NAME, set_host_name(&e), &e);
        step(l, control, STEP_BUILT, tell_built(l, control, &root, &e), &e);

        /* With the jail's. */
        step(l, control, STEP_USER_NAMESPACE, root_user ? finish_as_root(l, control, &e) : 0, &e);
        if (l->plan->waits)
                wait_for_job(l, control);
        step(l, control, STEP_ARCHIVES, unpack_archives(l->plan, &l->fds[START_INPUTS], root.archives, &e), &e);

        /* The writable side of the tmpfs, and the inputs: for us, and not for the job. The ids stay taken until this
         * process, the last of the jail, has gone. */
        int calls = plan_tells(l->plan) ? l->fds[l->n_fds - 1] : -1;
        int keep[] = {control, l->ids->fd, calls};
        close_others(keep, ELEMENTS(keep));
        reaper_prepare(&reaper, l->plan, control, l->ledger);
        reaper_run(&reaper, l->plan, calls);
}

/* ---- in the launcher ---- */

static int give_part(int control, const int *fds, size_t n, Error *e)
{
        int r = send_message(control, "", 1, fds, n);

        return r < 0 ? error_errno(e, r, "handing over to the jail's first process") : 0;
}

/* While the jail's first process leaves its caller. */
static int give_tmpfs(const Launch *l, int control, Error *e)
{
        RootTmpfs tmpfs;
        int r = root_make_tmpfs(l->plan, l->ids, &tmpfs, e);
        int fds[2] = {tmpfs.mount, tmpfs.context}; /* also where it could not be filled */

        if (r >= 0)
                r = give_part(control, fds, 2, e);
        close_many(fds, 2);
        return r;
}

/* While it makes its mounts. */
static int give_namespaces(const Launch *l, int control, int *ret_network, Error *e)
{
        _cleanup_close_ int network = -1;

        if (l->ids->user < 0 && (l->ids->user = namespace_of_user(l->ids, e)) < 0)
                return l->ids->user;
        network = networks_take(l->networks, l->plan->sockets, e);
        if (network < 0)
                return network;
        int r = give_part(control, (int[]){l->ids->user, network}, 2, e);
        if (!l->plan->sockets)
                *ret_network = take_fd(network);
        return r;
}

/* An IPC namespace takes a mount of its own, and a grace period of the kernel to go. Where the filter lets nothing be made
 * that it could hold, the launcher's does, which is empty and stays so. */
static bool shares_ipc(const Launch *l)
{
        return l->own_ipc && l->ids->kind == IDS_RANGE && !l->plan->ipc_objects;
}

int launch_start(const Launch *l, Launched *ret, Error *e)
{
        _cleanup_(sources_done) Sources sources = SOURCES_NULL;
        bool root_user = l->ids->kind == IDS_RANGE;
        int sockets[2], pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
                         (root_user ? 0 : CLONE_NEWUSER | CLONE_NEWNET) | (shares_ipc(l) ? 0 : CLONE_NEWIPC) | (l->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uint64_t)(uintptr_t)&pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = l->cgroup >= 0 ? (uint64_t)l->cgroup : 0,
        };
        const Caller *caller = caller_find(e);

        if (!caller)
                return e->code;
        host_mounts_look();
        int r = root_user ? open_sources(l, l->plan->waits ? -1 : l->fds[START_STDIN], &sources, e) : 0;
        if (r < 0)
                return r;
        step_done(&l->ledger->steps, STEP_SOURCES);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_errno(e, -errno, "making a socket");
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
        if (pid < 0) {
                r = -errno;
                close_many(sockets, 2);
                return error_errno(e, r, "making the namespaces%s",
                                   root_user ? "" : " (skep-jail doctor says what keeps users from it)");
        }
        if (pid == 0)
                inside(l, &sources, caller, sockets[1]);
        close(sockets[1]);
        *ret = (Launched){.pid = pid, .pidfd = pidfd, .control = sockets[0], .network = -1};
        if (!root_user) {
                r = ids_map(l->ids, pid, e);
                return r < 0 ? r : give_part(sockets[0], NULL, 0, e);
        }
        r = give_tmpfs(l, sockets[0], e);
        return r < 0 ? r : give_namespaces(l, sockets[0], &ret->network, e);
}

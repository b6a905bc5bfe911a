/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launch of a jail, top to bottom.
 *
 * The jail's first process starts with the launcher's privileges in namespaces of its own, all of which belong to the
 * host's user namespace. It uses them to build the tree, and only then enters a user namespace of its own: from there
 * on it, and everything that comes of it, has no right over its own mounts, its network or its host name, not even as
 * root of the jail; and no mount had to be made from inside, where the kernel would forbid it once anything covers the
 * host's /proc. */

#include "jail/launch.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/ids.h"
#include "jail/loopback.h"
#include "jail/prefault.h"
#include "jail/root.h"
#include "jail/unpack.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
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
#define STAT_MAX ((size_t)4096)

/* What only the launcher can make for the jail: clones of mounts of its own namespace. */
typedef struct Sources {
        int inputs[JAIL_INPUTS_MAX], binds[JAIL_BINDS_MAX], writable[JAIL_BINDS_MAX];
        size_t n_inputs, n_binds, n_writable;
} Sources;

static void sources_done(Sources *s)
{
        close_many(s->inputs, s->n_inputs);
        close_many(s->binds, s->n_binds);
        close_many(s->writable, s->n_writable);
}

static int open_sources(const Launch *l, Sources *s, Error *e)
{
        const Plan *plan = l->plan;

        for (char **name = plan->inputs; name && *name; name++, s->n_inputs++) {
                bool archive = (*name)[0] && (*name)[strlen(*name) - 1] == '/';
                s->inputs[s->n_inputs] = archive ? -1 : root_clone_input(l->fds[START_INPUTS + s->n_inputs]);
        }
        for (char **place = plan->binds; place && *place; place++) {
                bool writable = plan->binds_writable & (UINT64_C(1) << s->n_binds);
                int fd = root_clone_bind(l->fds[START_INPUTS + s->n_inputs + s->n_binds], writable, l->base, e);
                if (fd < 0)
                        return error_prefix(e, "binding at %s", *place), fd;
                s->binds[s->n_binds++] = fd;
        }
        for (char **path = plan->writable; path && *path; path++) {
                _cleanup_close_ int source = open(*path, O_PATH | O_CLOEXEC);
                int fd = source < 0 ? error_errno(e, -errno, "opening it") : root_clone_bind(source, true, l->base, e);
                if (fd < 0)
                        return error_prefix(e, "writable %s", *path), fd;
                if (s->n_writable == JAIL_BINDS_MAX)
                        return error_set(e, -E2BIG, "more than %d writable paths", JAIL_BINDS_MAX);
                s->writable[s->n_writable++] = fd;
        }
        return 0;
}

/* ---- in the jail ---- */

/* Zeroes the command line and the environment that this process has from its caller: both are to be seen in /proc, and
 * may hold secrets. Where they lie: fields 48 to 51 of proc(5), /proc/pid/stat. */
static int wipe_arguments(void)
{
        uintptr_t arguments, arguments_end, variables, variables_end;
        _cleanup_free_ char *text = NULL;
        int r = read_file_at(AT_FDCWD, "/proc/self/stat", STAT_MAX, &text, NULL);
        const char *at = r < 0 ? NULL : strrchr(text, ')');

        for (int field = 2; at && field < 48; field++)
                at = strchr(at + 1, ' ');
        if (!at || sscanf(at, "%" SCNuPTR " %" SCNuPTR " %" SCNuPTR " %" SCNuPTR, &arguments, &arguments_end, &variables,
                          &variables_end) != 4)
                return r < 0 ? r : -EBADMSG;
        environ = NULL;
        explicit_bzero((void *)arguments, arguments_end - arguments);
        explicit_bzero((void *)variables, variables_end - variables);
        return 0;
}

/* Nothing of what the process was that made us: its session and terminal, what it does with signals and with new files,
 * its command line and environment. */
static int leave_caller(Error *e)
{
        setsid();
        umask(022);
        prctl(PR_SET_NAME, "skep-reaper");
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        int r = wipe_arguments();
        return r < 0 ? error_errno(e, r, "/proc/self/stat") : 0;
}

/* Only what the jail needs stays open: the launcher holds the doors to all its other jails. */
static void keep_only(const Launch *l, const Sources *s, int control)
{
        int keep[2 + START_FDS_MAX + 3 * JAIL_BINDS_MAX];
        size_t n = 0;

        keep[n++] = control;
        keep[n++] = l->ids_fd;
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

static int take_stdio(const Launch *l, Error *e)
{
        const uint32_t agent = l->base + JAIL_AGENT_ID;
        struct stat st;

        for (int i = 0; i < 3; i++)
                if (dup2(l->fds[START_STDIN + i], i) < 0)
                        return error_errno(e, -errno, "standard streams");
        /* The pipes for output are the library's own. Who opens /dev/stdout opens the pipe anew, which is its owner's
         * right. */
        for (int i = 1; i < 3; i++)
                if (fstat(i, &st) < 0 || (S_ISFIFO(st.st_mode) && fchown(i, agent, agent) < 0))
                        return error_errno(e, -errno, "standard streams");
        return 0;
}

/* Not with clone3(): that would take the launcher's cgroup for the root of the namespace. */
static int enter_cgroup_namespace(const Launch *l, Error *e)
{
        if (l->cgroup >= 0 && unshare(CLONE_NEWCGROUP) < 0)
                return error_errno(e, -errno, "making a cgroup namespace");
        return 0;
}

static int set_host_name(Error *e)
{
        return sethostname(HOST_NAME, strlen(HOST_NAME)) < 0 ? error_errno(e, -errno, "setting the host name") : 0;
}

/* What a process holds of things that each user has so many of (watchers, timers, queued signals, bytes of queues), the
 * kernel charges to its user namespace's owner as well: to whoever has made it (kernel/ucount.c). One jail could use up
 * all that root has on the host. So it is made by the jail's own root, who is nobody else out there. Its privileges come
 * back, since some hosts let nobody make a user namespace without them. */
static int become_owner(uint32_t id)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (setresgid((gid_t)-1, id, (gid_t)-1) < 0 || setresuid((uid_t)-1, id, (uid_t)-1) < 0 ||
            syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTS(data); i++)
                data[i].effective = data[i].permitted;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int enter_user_namespace(const Launch *l, int control, int output, Error *e)
{
        ReaperMessage message = {.kind = REAPER_NEEDS_IDS};
        char go;
        int r = become_owner(l->base + JAIL_ROOT_ID);

        if (r >= 0 && unshare(CLONE_NEWUSER) < 0)
                r = -errno;
        if (r < 0)
                return error_errno(e, r, "making a user namespace");
        r = send_message(control, &message, sizeof message, &output, 1);
        if (r >= 0 && receive_message(control, &go, 1, NULL, NULL) != 1)
                r = -ECONNRESET;
        if (r < 0)
                return error_errno(e, r, "mapping the jail's ids");
        if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(JAIL_ROOT_ID, JAIL_ROOT_ID, JAIL_ROOT_ID) < 0 ||
            setresuid(JAIL_ROOT_ID, JAIL_ROOT_ID, JAIL_ROOT_ID) < 0)
                return error_errno(e, -errno, "becoming root of the jail");
        return 0;
}

static int unpack_archives(const Launch *l, const Root *root, Error *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && l->plan->inputs && l->plan->inputs[i]; i++)
                if (root->archives[i] >= 0)
                        r = unpack_input(l->plan, l->plan->inputs[i], l->fds[START_INPUTS + i], root->archives[i], e);
        return r;
}

static void step(const Launch *l, int control, LaunchStep which, int r, const Error *e)
{
        if (r < 0)
                reaper_fail(control, e);
        step_done(&l->ledger->steps, which);
}

static _Noreturn void inside(const Launch *l, const Sources *s, int control)
{
        const RootSources sources = {&l->fds[START_INPUTS], s->inputs, s->binds, s->writable, &l->ledger->steps};
        Error e = ERROR_NULL;
        Root root;

        prefault_writable();
        step_done(&l->ledger->steps, STEP_NAMESPACES);
        if (leave_caller(&e) < 0 || take_stdio(l, &e) < 0)
                reaper_fail(control, &e);
        keep_only(l, s, control);
        write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE);
        step_done(&l->ledger->steps, STEP_DESCRIPTORS);

        /* With the host's privileges. */
        step(l, control, STEP_CGROUP_NAMESPACE, enter_cgroup_namespace(l, &e), &e);
        step(l, control, STEP_PLACES, root_build(l->plan, &sources, l->base, &root, &e), &e);
        step(l, control, STEP_PIVOT, root_enter(&root, &e), &e);
        step(l, control, STEP_LOOPBACK, loopback_up(&e), &e);
        step(l, control, STEP_HOST_NAME, set_host_name(&e), &e);

        /* With the jail's. */
        step(l, control, STEP_USER_NAMESPACE, enter_user_namespace(l, control, root.output, &e), &e);
        step(l, control, STEP_ARCHIVES, unpack_archives(l, &root, &e), &e);

        /* The writable side of the tmpfs, and the inputs: for us, and not for the job. The range of ids stays taken
         * until this process, the last of the jail, has gone. */
        int calls = plan_tells(l->plan) ? l->fds[l->n_fds - 1] : -1;
        int keep[] = {control, l->ids_fd, calls};
        close_others(keep, ELEMENTS(keep));
        reaper_run(l->plan, control, calls, l->ledger);
}

/* ---- in the launcher ---- */

int launch_start(const Launch *l, Launched *ret, Error *e)
{
        _cleanup_(sources_done) Sources sources = {.n_inputs = 0};
        int sockets[2], pidfd = -1;
        struct clone_args args = {
                .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD |
                         CLONE_CLEAR_SIGHAND | (l->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uint64_t)(uintptr_t)&pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = l->cgroup >= 0 ? (uint64_t)l->cgroup : 0,
        };
        int r = open_sources(l, &sources, e);

        if (r < 0)
                return r;
        step_done(&l->ledger->steps, STEP_SOURCES);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_errno(e, -errno, "making a socket");
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
        if (pid < 0) {
                r = -errno;
                close_many(sockets, 2);
                return error_errno(e, r, "making the namespaces");
        }
        if (pid == 0)
                inside(l, &sources, sockets[1]);
        close(sockets[1]);
        *ret = (Launched){.pid = pid, .pidfd = pidfd, .control = sockets[0]};
        return 0;
}

int launch_map_ids(const Launched *launched, uint32_t base)
{
        char path[64], map[64];

        snprintf(map, sizeof map, "0 %u %u", base, IDS_PER_JAIL);
        snprintf(path, sizeof path, "/proc/%d/uid_map", launched->pid);
        int r = write_file_at(AT_FDCWD, path, map);
        snprintf(path, sizeof path, "/proc/%d/gid_map", launched->pid);
        if (r >= 0)
                r = write_file_at(AT_FDCWD, path, map);
        return r < 0 ? r : send_message(launched->control, "", 1, NULL, 0);
}

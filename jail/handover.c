/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/handover.h"

#include "engine/base/fd.h"
#include "jail/mounts.h"
#include "jail/root.h"
#include "jail/root_clones.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>

static bool is_archive(const char *name)
{
        size_t n = strlen(name);

        return n > 0 && name[n - 1] == '/';
}

/* ---- in the launcher ---- */

bool handover_begin(const Plan *plan, const int *fds, size_t n_fds, int mounts[static JAIL_INPUTS_MAX])
{
        size_t n = 0;
        bool all = true;

        for (size_t i = 0; i < JAIL_INPUTS_MAX; i++)
                mounts[i] = -1;
        for (; all && plan->inputs && plan->inputs[n]; n++) {
                if (n == JAIL_INPUTS_MAX || START_INPUTS + n == n_fds)
                        return false;
                if (!is_archive(plan->inputs[n]))
                        all = (mounts[n] = root_clone_input(&(Ids){.kind = IDS_RANGE}, fds[START_INPUTS + n])) >= 0;
        }
        return all && START_INPUTS + n == n_fds;
}

/* Something in /input to mount on, or to unpack into: then its descriptor is returned. */
static int make_place(int dir, const char *name, const Ids *ids)
{
        if (is_archive(name)) {
                _cleanup_free_ char *plain = strndup(name, strlen(name) - 1);
                return plain ? root_make_archive(dir, plain, ids) : -ENOMEM;
        }
        _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
        return fd < 0 ? -errno : 0;
}

static int attach_inputs(const Plan *plan, const int *mounts, Error *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && plan->inputs[i]; i++) {
                char path[sizeof "/input/" + NAME_MAX];
                if (mounts[i] < 0)
                        continue;
                snprintf(path, sizeof path, "/input/%s", plan->inputs[i]);
                if ((r = mount_attach(mounts[i], AT_FDCWD, path)) < 0)
                        error_errno(e, r, "input \"%s\"", plan->inputs[i]);
        }
        return r;
}

/* A mount is attached only by who is in its namespace. The launcher has one thread, and nothing else to do meanwhile:
 * it goes there itself. The jail's paths are those that we have made: nobody else has been in there yet. */
static int mount_inputs(const Plan *plan, int mounts_ns, const int *mounts, Error *e)
{
        _cleanup_close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (own < 0 || root < 0)
                return error_errno(e, -errno, "/proc/self/ns/mnt");
        if (setns(mounts_ns, CLONE_NEWNS) < 0)
                return error_errno(e, -errno, "entering the jail's mount namespace");
        int r = attach_inputs(plan, mounts, e);
        /* Nobody goes on in a tree that is not his. */
        if (setns(own, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0)
                abort();
        return r;
}

int handover_send(int control, const Plan *plan, const int *fds, const int doors[static DOORS], const int *mounts,
                  const Ids *ids, Error *e)
{
        _cleanup_close_ int stdin_fd = root_reopen_stdin(ids, fds[START_STDIN]);
        int directories[JAIL_INPUTS_MAX], message[HANDOVER_FDS_MAX], r = 0;
        size_t n = 0, n_directories = 0;
        bool any = false;

        memcpy(message, fds, START_INPUTS * sizeof *fds);
        n = START_INPUTS;
        if (stdin_fd >= 0)
                message[START_STDIN] = stdin_fd;
        for (size_t i = 0; r >= 0 && plan->inputs && plan->inputs[i]; i++) {
                if ((r = make_place(doors[DOOR_INPUT], plan->inputs[i], ids)) < 0) {
                        error_errno(e, r, "input \"%s\"", plan->inputs[i]);
                } else if (is_archive(plan->inputs[i])) {
                        message[n++] = fds[START_INPUTS + i];
                        message[n++] = directories[n_directories++] = r;
                } else {
                        any = true;
                }
        }
        if (r >= 0 && any)
                r = mount_inputs(plan, doors[DOOR_MOUNTS], mounts, e);
        if (r >= 0)
                r = root_limit(doors[DOOR_TMPFS], doors[DOOR_INPUT], &plan->limits, e);
        if (r >= 0 && (r = send_message(control, "", 1, message, n)) < 0)
                error_errno(e, r, "handing the job to its jail");
        close_many(directories, n_directories);
        return r < 0 ? r : 0;
}

/* ---- in the jail ---- */

int handover_receive(int control, Handover *ret, Error *e)
{
        const Plan *plan = &ret->file.plan;
        size_t n = HANDOVER_FDS_MAX, next = START_INPUTS;
        char byte;
        ssize_t got = receive_message(control, &byte, 1, ret->fds, &n);

        if (got <= 0)
                return error_set(e, got < 0 ? (int)got : -ECONNRESET, "the launcher handed over no job");
        int r = n < START_INPUTS ? -EBADMSG : plan_file_open(ret->fds[START_PLAN], &ret->file);
        for (size_t i = 0; i < JAIL_INPUTS_MAX; i++)
                ret->archives[i] = ret->directories[i] = -1;
        for (size_t i = 0; r >= 0 && plan->inputs && plan->inputs[i]; i++) {
                if (!is_archive(plan->inputs[i]))
                        continue;
                if (i >= JAIL_INPUTS_MAX || next + 2 > n) {
                        r = -EBADMSG;
                        break;
                }
                ret->archives[i] = ret->fds[next++];
                ret->directories[i] = ret->fds[next++];
        }
        return r < 0 ? error_errno(e, r, "reading the plan") : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One tmpfs carries everything that is the jail's own:
 *
 *   root/      the skeleton: directories to mount on, links, a few files of /etc; read-only as "/"
 *   dev/       device nodes; read-only at /dev
 *   work/ tmp/ output/ shm/ and what the policy adds: writable, each bound to its place in the skeleton
 *   input/     read-only at /input; input files are bound on files in there, archives are unpacked through a
 *              descriptor of it
 *   empty/     covers directories that are hidden
 *   null       covers files that are hidden
 *   host/      where the overlay over the host's root is mounted, of which /usr is bound
 *
 * Its limits are set last, over what the skeleton has used, so that the job has exactly what it was promised. The
 * jail's first process makes all this before it enters the user namespace: the mounts, the device nodes and the
 * namespaces belong to the host, and nothing inside the jail ever has a right over them. */

#include "jail/root.h"

#include "engine/base/fd.h"
#include "jail/mounts.h"
#include "jail/overlay.h"
#include "jail/root_job.h"
#include "jail/root_skeleton.h"
#include "jail/root_system.h"
#include "jail/root_tree.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

int root_limit(int context, int dir, const JailLimits *limits, Error *e)
{
        struct statfs used;
        char size[32], inodes[32];
        const char *options[5] = {NULL};
        size_t n = 0;

        if (fstatfs(dir, &used) < 0)
                return error_errno(e, -errno, "the jail's tmpfs");
        if (limits->disk_bytes != JAIL_UNLIMITED) {
                uint64_t bytes = (used.f_blocks - used.f_bfree) * (uint64_t)used.f_bsize;
                snprintf(size, sizeof size, "%" PRIu64, bytes + limits->disk_bytes);
                options[n++] = "size";
                options[n++] = size;
        }
        if (limits->files != JAIL_UNLIMITED) {
                snprintf(inodes, sizeof inodes, "%" PRIu64, (uint64_t)(used.f_files - used.f_ffree) + limits->files);
                options[n++] = "nr_inodes";
                options[n++] = inodes;
        }
        int r = n > 0 ? mount_reconfigure(context, options) : 0;
        return r < 0 ? error_errno(e, r, "limiting the jail's tmpfs") : 0;
}

static Tree tree_null(const Plan *plan, const Ids *ids, Error *e)
{
        return (Tree){
                .plan = plan,
                .ids = ids,
                .context = -1,
                .tmpfs = -1,
                .skeleton = -1,
                .tree = -1,
                .error = e,
        };
}

int root_make_tmpfs(const Plan *plan, const Ids *ids, RootTmpfs *ret, Error *e)
{
        static const char *const options[] = {"mode", "0755", NULL};
        Tree t = tree_null(plan, ids, e);

        t.tmpfs = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID, &t.context);
        int r = t.tmpfs < 0 ? error_errno(e, t.tmpfs, "making a tmpfs") : root_make_skeleton(&t);
        *ret = (RootTmpfs){t.tmpfs, t.context};
        return r;
}

/* From here on paths are looked up in it. */
static int attach_tmpfs(Tree *t)
{
        int r = mount_attach(t->tmpfs, AT_FDCWD, TREE_PLACE);

        if (r >= 0 && fchdir(t->tmpfs) < 0)
                r = -errno;
        return r < 0 ? tree_failed(t, r, "mounting a tmpfs") : 0;
}

/* Over another root than the host's: places to mount on, which it may have as something else. */
static int make_places(Tree *t)
{
        static const char *const places[] = {"dev", "proc", "work", "tmp", "output", "input"};

        for (size_t i = 0; i < ELEMENTS(places); i++) {
                struct stat st;
                if (fstatat(t->skeleton, places[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
                        continue;
                if (unlinkat(t->skeleton, places[i], 0) < 0 && errno != ENOENT)
                        return -errno;
                if (mkdirat(t->skeleton, places[i], 0755) < 0)
                        return -errno;
        }
        return 0;
}

static int open_overlay_of_root(Tree *t)
{
        t->skeleton = overlay_mount(t->tmpfs, "image", *t->sources->root, t->ids->kind != IDS_RANGE);
        if (t->skeleton < 0)
                return tree_failed(t, t->skeleton, "an overlay over the root");
        int r = make_places(t);
        if (r < 0)
                return tree_failed(t, r, "places in the root");
        t->tree = mount_clone(t->tmpfs, "image-merged", false, t->plan->writable_root ? SAFE : READ_ONLY);
        return t->tree < 0 ? tree_failed(t, t->tree, "cloning the overlay") : 0;
}

static int open_tree_of_root(Tree *t)
{
        int r;

        if (t->plan->root != ROOT_HOST) {
                if ((r = open_overlay_of_root(t)) < 0)
                        return r;
        } else {
                t->skeleton = openat(t->tmpfs, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
                t->tree = mount_clone(t->tmpfs, "root", false, t->plan->writable_root ? SAFE : READ_ONLY);
                if (t->skeleton < 0 || t->tree < 0)
                        return tree_failed(t, t->tree < 0 ? t->tree : -errno, "cloning the skeleton");
        }
        r = mount_attach(t->tree, t->tmpfs, "root");
        return r < 0 ? tree_failed(t, r, "mounting the root") : 0;
}

static int build(Tree *t, Root *root)
{
        int r;

        /* What is mounted from here on must not appear on the host. */
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return tree_failed(t, -errno, "making mounts private");
        if ((r = attach_tmpfs(t)) < 0 || (r = open_tree_of_root(t)) < 0)
                return r;
        if (t->plan->root == ROOT_HOST && (r = root_bind_system(t)) < 0)
                return r;
        step_done(t->sources->steps, STEP_SYSTEM);
        if ((r = root_mount_devices(t)) < 0 || (r = tree_make_cover(t)) < 0)
                return r;
        step_done(t->sources->steps, STEP_DEVICES);
        if ((r = root_mount_proc(t)) < 0)
                return r;
        step_done(t->sources->steps, STEP_PROC);
        if ((r = tree_bind_own(t, "work", "/work", tree_writable(t, "/work"))) < 0 ||
            (r = tree_bind_own(t, "tmp", "/tmp", tree_writable(t, "/tmp"))) < 0 ||
            (r = tree_bind_own(t, "output", "/output", tree_writable(t, "/output"))) < 0 ||
            (r = tree_bind_own(t, "input", "/input", READ_ONLY)) < 0 || (r = root_add_inputs(t, root)) < 0 ||
            (r = root_add_directory(t)) < 0 || (r = root_add_places(t)) < 0 || (r = root_add_binds(t)) < 0 ||
            (r = root_hide(t)) < 0)
                return r;
        if (t->plan->waits) {
                root->context = take_fd(t->context);
                if ((root->input = openat(t->tmpfs, "input", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                        return tree_failed(t, -errno, "/input");
        } else if ((r = root_limit(t->context, t->tmpfs, &t->plan->limits, t->error)) < 0) {
                return r;
        }
        root->output = openat(t->tmpfs, "output", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return root->output < 0 ? tree_failed(t, -errno, "/output") : 0;
}

int root_build(const Plan *plan, const RootSources *sources, const Ids *ids, Root *ret, Error *e)
{
        Tree t = tree_null(plan, ids, e);
        Root root = {-1, -1, -1, -1, {0}};

        t.sources = sources;
        t.tmpfs = sources->tmpfs.mount;
        t.context = sources->tmpfs.context;
        for (size_t i = 0; i < JAIL_INPUTS_MAX; i++)
                root.archives[i] = -1;
        int r = build(&t, &root);
        root.tree = take_fd(t.tree);
        close_fd(t.context);
        close_fd(t.skeleton);
        close_fd(t.tmpfs);
        *ret = root;
        return r;
}

int root_enter(const Root *root, Error *e)
{
        if (fchdir(root->tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
                return error_errno(e, -errno, "pivoting into the new root");
        /* The old root now lies over the new one. Without it, what is in there is out of reach for ever; and the kernel
         * lets nobody whose root is covered make a user namespace. */
        if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return error_errno(e, -errno, "detaching the old root");
        return 0;
}

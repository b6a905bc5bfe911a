/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_job.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/mounts.h"
#include "jail/root_tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int copy_input(Tree *t, int source, const char *path)
{
        struct stat st;

        if (fstat(source, &st) < 0)
                return -errno;
        _cleanup_close_ int fd = openat(t->tmpfs, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        for (off_t offset = 0; offset < st.st_size;) {
                ssize_t n = sendfile(fd, source, &offset, (size_t)(st.st_size - offset));
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
        }
        return fchmod(fd, st.st_mode & 0111 ? 0555 : 0444) < 0 ? -errno : 0;
}

int root_add_inputs(Tree *t, Root *root)
{
        for (size_t i = 0; t->plan->inputs && t->plan->inputs[i]; i++) {
                const char *name = t->plan->inputs[i];
                size_t length = strlen(name);
                bool archive = length > 0 && name[length - 1] == '/';
                _cleanup_free_ char *path = NULL;
                int r = 0;

                if (asprintf(&path, "input/%.*s", (int)(archive ? length - 1 : length), name) < 0)
                        return tree_failed(t, -ENOMEM, name);
                if (archive) {
                        r = root->archives[i] = root_make_archive(t->tmpfs, path, t->ids);
                } else if (t->sources->input_mounts[i] < 0) {
                        r = copy_input(t, t->sources->inputs[i], path);
                } else {
                        r = tree_write_file(t->tmpfs, path, "", 0444);
                        if (r >= 0)
                                r = mount_attach(t->sources->input_mounts[i], t->tree, path);
                }
                if (r < 0)
                        return error_errno(t->error, r, "input \"%s\"", name);
        }
        return 0;
}

int root_add_directory(Tree *t)
{
        static const char *const own[] = {"/work/", "/tmp/", "/output/"};
        const char *path = t->plan->working_directory;
        bool is_own = false;

        for (size_t i = 0; i < ELEMENTS(own); i++)
                is_own |= t->plan->makes_directory && strncmp(path, own[i], strlen(own[i])) == 0;
        /* What leads out of there again has to be there by itself. */
        if (!is_own || strstr(path, "/../") || strcmp(strrchr(path, '/'), "/..") == 0)
                return 0;
        for (const char *slash = strchrnul(strchr(path + 1, '/') + 1, '/');; slash = strchrnul(slash + 1, '/')) {
                _cleanup_free_ char *part = strndup(path + 1, (size_t)(slash - path) - 1);
                int r = part ? tree_make_directory(t, part, 0755, JAIL_AGENT_ID) : -ENOMEM;
                if (r < 0 && r != -EEXIST)
                        return tree_failed(t, r, path), error_prefix(t->error, "working directory");
                if (!*slash)
                        return 0;
        }
}

static int add_read_only(Tree *t, size_t i)
{
        return tree_bind_host(t, t->plan->read_only[i], READ_ONLY);
}

static int add_writable(Tree *t, size_t i)
{
        const char *path = t->plan->writable[i];
        struct mount_attr attr = {.attr_set = tree_writable(t, path)};

        if (mount_setattr(t->sources->writable[i], "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
                return -errno;
        return tree_attach(t, t->sources->writable[i], path);
}

static int add_tmpfs(Tree *t, size_t i)
{
        char name[32];

        snprintf(name, sizeof name, "extra-%zu", i);
        int r = tree_make_directory(t, name, 0755, JAIL_AGENT_ID);
        if (r < 0)
                return r;
        _cleanup_close_ int mount = mount_clone(t->tmpfs, name, false, tree_writable(t, t->plan->tmpfs[i]));
        return mount < 0 ? mount : tree_attach(t, mount, t->plan->tmpfs[i]);
}

/* A path that the policy names, and which list it is on. */
typedef struct Place {
        const char *path;
        size_t kind, index;
} Place;

/* What lies in another comes after it. */
static int compare_places(const void *a, const void *b)
{
        const Place *x = a, *y = b;
        int r = strcmp(x->path, y->path);

        return r != 0 ? r : (x->kind > y->kind) - (x->kind < y->kind);
}

int root_add_places(Tree *t)
{
        static int (*const add[])(Tree *t, size_t i) = {add_tmpfs, add_read_only, add_writable};
        char *const *lists[] = {t->plan->tmpfs, t->plan->read_only, t->plan->writable};
        static const char *const names[] = {"tmpfs", "read_only", "writable"};
        bool some = t->plan->read_only && t->plan->read_only[0];
        size_t n = 0, room = 0;

        for (size_t kind = 0; kind < ELEMENTS(lists); kind++)
                room += strv_length(lists[kind]);
        _cleanup_free_ Place *places = room > 0 ? malloc(room * sizeof *places) : NULL;
        if (room > 0 && !places)
                return tree_failed(t, -ENOMEM, "places");
        for (size_t kind = 0; kind < ELEMENTS(lists); kind++)
                for (size_t i = 0; lists[kind] && lists[kind][i]; i++)
                        places[n++] = (Place){lists[kind][i], kind, i};
        if (n > 0)
                qsort(places, n, sizeof *places, compare_places);
        /* These are cloned here, where the host's root as the jail's own is still mounted, below /proc. */
        if (some && t->is_host_shown && umount2("host", MNT_DETACH) < 0)
                return tree_failed(t, -errno, "detaching the host's root");
        for (size_t i = 0; i < n; i++) {
                int r = add[places[i].kind](t, places[i].index);
                if (r < 0)
                        return tree_failed(t, r, places[i].path), error_prefix(t->error, "filesystem.%s", names[places[i].kind]);
        }
        return 0;
}

int root_add_binds(Tree *t)
{
        for (size_t i = 0; t->plan->binds && t->plan->binds[i]; i++) {
                int r = tree_attach(t, t->sources->binds[i], t->plan->binds[i]);
                if (r < 0)
                        return error_errno(t->error, r, "binding at %s", t->plan->binds[i]);
        }
        return 0;
}

/* Not there is as good as hidden. */
static int hide(Tree *t, const char *path)
{
        _cleanup_close_ int target = mount_open_inside(t->tree, path);
        struct stat st;

        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        if (target < 0 || fstatat(target, "", &st, AT_EMPTY_PATH) < 0)
                return target < 0 ? target : -errno;
        return tree_cover(t, target, "", st.st_mode);
}

int root_hide(Tree *t)
{
        int r;

        for (size_t i = 0; t->plan->hidden && t->plan->hidden[i]; i++)
                if ((r = hide(t, t->plan->hidden[i])) < 0)
                        return tree_failed(t, r, t->plan->hidden[i]);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_skeleton.h"

#include "jail/root_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct Directory {
        const char *path;
        mode_t mode;
        int owner; /* id inside the jail; -1: the host's root, which is nobody in there */
} Directory;

static const Directory directories[] = {
        {"root", 0755, -1},           {"root/usr", 0755, -1},     {"root/etc", 0755, -1},
        {"root/proc", 0555, -1},      {"root/dev", 0755, -1},
        {"root/work", 0755, -1},      {"root/tmp", 01777, -1},    {"root/output", 0755, -1},
        {"root/input", 0755, -1},     {"root/run", 0755, -1},     {"root/var", 0755, -1},
        {"root/etc/alternatives", 0755, -1},
        {"dev", 0755, -1},            {"dev/shm", 01777, -1},
        {"work", 0755, JAIL_AGENT_ID}, {"output", 0755, JAIL_AGENT_ID},
        {"tmp", 01777, -1},           {"shm", 01777, -1},         {"input", 0755, -1},
        {"empty", 0555, -1},          {"host", 0555, -1},
};

typedef struct Link {
        const char *path, *target;
} Link;

static const Link links[] = {
        {"dev/fd", "/proc/self/fd"},
        {"dev/stdin", "/proc/self/fd/0"},
        {"dev/stdout", "/proc/self/fd/1"},
        {"dev/stderr", "/proc/self/fd/2"},
        {"root/etc/mtab", "/proc/self/mounts"},
        {"root/var/tmp", "/tmp"},
        {"root/var/run", "/run"},
};

typedef struct File {
        const char *path, *text;
} File;

static const File files[] = {
        {"root/etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\n"
                            "agent:x:1000:1000:agent:/work:/bin/sh\n"
                            "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
        {"root/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"},
        {"root/etc/hosts", "127.0.0.1 localhost skep\n::1 localhost\n"},
        {"root/etc/hostname", "skep\n"},
        {"root/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"},
};

const Device root_devices[ROOT_DEVICES] = {
        {"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
        {"dev/random", 1, 8}, {"dev/urandom", 1, 9},
};

/* The host's time zone, where it is the usual link. */
static int copy_localtime(Tree *t)
{
        char target[256];
        ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);

        if (n <= 0)
                return 0;
        target[n] = '\0';
        return symlinkat(target, t->tmpfs, "root/etc/localtime") < 0 ? -errno : 0;
}

/* Only the host's root may make nodes; a user's jail gets the host's, on files. */
static int make_device(Tree *t, const Device *d)
{
        if (t->ids->kind != IDS_RANGE)
                return tree_write_file(t->tmpfs, d->path, "", 0666);
        return mknodat(t->tmpfs, d->path, S_IFCHR | 0666, makedev(d->major, d->minor)) < 0 ? -errno : 0;
}

static int make_all(Tree *t)
{
        int r;

        for (size_t i = 0; i < ELEMENTS(directories); i++)
                if ((r = tree_make_directory(t, directories[i].path, directories[i].mode, directories[i].owner)) < 0)
                        return tree_failed(t, r, directories[i].path);
        for (size_t i = 0; i < ELEMENTS(links); i++)
                if (symlinkat(links[i].target, t->tmpfs, links[i].path) < 0)
                        return tree_failed(t, -errno, links[i].path);
        for (size_t i = 0; i < ELEMENTS(files); i++)
                if ((r = tree_write_file(t->tmpfs, files[i].path, files[i].text, 0644)) < 0)
                        return tree_failed(t, r, files[i].path);
        for (size_t i = 0; i < ROOT_DEVICES; i++)
                if ((r = make_device(t, &root_devices[i])) < 0)
                        return tree_failed(t, r, root_devices[i].path);
        r = copy_localtime(t);
        return r < 0 ? tree_failed(t, r, "/etc/localtime") : 0;
}

int root_make_skeleton(Tree *t)
{
        /* Modes are what the tables say, at once. */
        mode_t before = umask(0);
        int r = make_all(t);

        umask(before);
        return r;
}

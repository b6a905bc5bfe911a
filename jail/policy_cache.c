/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading a policy's JSON and compiling its filter takes longer than making a jail. So the result is kept in a file of
 * its own: what it depends on (each with inode, size and times, or that it was not there), then the policy. It is believed
 * only if it and its directory are ours and nobody else can write them: who can rename could give one policy for another. */

#include "jail/policy_cache.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define FORMAT "skep policy 4 " SKEP_VERSION
#define CACHE_FILE_MAX ((size_t)1 << 20)
#define NAME_SIZE_MAX 200
#define SETTLED_NSEC UINT64_C(100000000) /* the kernel's clock for files has steps of up to 10 ms */

/* The program is a source, too: another build may compile otherwise. */
#define PROGRAM "/proc/self/exe"

typedef struct Stamp {
        uint64_t there, device, inode, size, modified_nsec, changed_nsec;
} Stamp;

static uint64_t nsec_of(struct timespec t)
{
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static Stamp stamp_of(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return (Stamp){0};
        return (Stamp){1, st.st_dev, st.st_ino, (uint64_t)st.st_size, nsec_of(st.st_mtim), nsec_of(st.st_ctim)};
}

/* "strict", or the path of a file, encoded so that no two are the same. NULL: not a name to keep something under. */
static char *file_of(const char *name)
{
        _cleanup_free_ char *absolute = strchr(name, '/') ? realpath(name, NULL) : strdup(name);
        static const char hex[] = "0123456789abcdef";
        char encoded[3 * NAME_SIZE_MAX + 1], *to = encoded;

        if (!absolute || strlen(absolute) > NAME_SIZE_MAX)
                return NULL;
        for (const char *at = absolute; *at; at++)
                if (*at == '/' || *at == '%') {
                        *to++ = '%';
                        *to++ = hex[*at >> 4];
                        *to++ = hex[*at & 15];
                } else {
                        *to++ = *at;
                }
        *to = '\0';
        return strdup(encoded);
}

/* ---- the policy, as bytes ---- */

static void pack_policy(Packer *p, const JailPolicy *policy)
{
        pack_string(p, policy->name);
        pack_string(p, policy->description);
        pack_string(p, policy->digest);
        pack_string(p, policy->root);
        pack_strings(p, policy->read_only);
        pack_strings(p, policy->writable);
        pack_strings(p, policy->tmpfs);
        pack_strings(p, policy->hidden);
        pack_strings(p, policy->execute);
        pack_strings(p, policy->devices);
        pack_strings(p, policy->notes);
        pack_number(p, policy->proc_pid);
        pack_number(p, policy->network);
        pack_number(p, policy->capabilities);
        pack_number(p, policy->require);
        pack_number(p, policy->action);
        pack_number(p, policy->listen);
        pack_number(p, policy->kills);
        pack_bytes(p, &policy->limits, sizeof policy->limits);
        pack_bytes(p, &policy->ceilings, sizeof policy->ceilings);
        pack_bytes(p, policy->filter, policy->filter_size);
        pack_bytes(p, policy->refusals, policy->n_refusals * sizeof *policy->refusals);
}

static char *own_string(Unpacker *u)
{
        const char *text = unpack_string(u);
        char *copy = text ? strdup(text) : NULL;

        u->failed |= text && !copy;
        return copy;
}

static char **own_strings(Unpacker *u)
{
        _cleanup_free_ char **list = unpack_strings(u);
        char **copy = NULL;

        u->failed |= list && strv_copy(list, &copy) < 0;
        return copy;
}

static void *own_bytes(Unpacker *u, size_t *ret_size)
{
        const void *data = unpack_bytes(u, ret_size);
        void *copy = data && *ret_size > 0 ? malloc(*ret_size) : NULL;

        if (copy)
                memcpy(copy, data, *ret_size);
        u->failed |= data && *ret_size > 0 && !copy;
        return copy;
}

static void read_limits(Unpacker *u, JailLimits *limits)
{
        size_t size;
        const void *data = unpack_bytes(u, &size);

        if (data && size == sizeof *limits)
                memcpy(limits, data, size);
        else
                u->failed = true;
}

static JailPolicy *unpack_policy(Unpacker *u)
{
        JailPolicy *policy = calloc(1, sizeof *policy);
        size_t refusals_size = 0;

        if (!policy)
                return NULL;
        policy->references = 1;
        policy->name = own_string(u);
        policy->description = own_string(u);
        policy->digest = own_string(u);
        policy->root = own_string(u);
        policy->read_only = own_strings(u);
        policy->writable = own_strings(u);
        policy->tmpfs = own_strings(u);
        policy->hidden = own_strings(u);
        policy->execute = own_strings(u);
        policy->devices = own_strings(u);
        policy->notes = own_strings(u);
        policy->proc_pid = unpack_number(u) != 0;
        policy->network = (JailNetwork)unpack_number(u);
        policy->capabilities = unpack_number(u);
        policy->require = (JailLayers)unpack_number(u);
        policy->action = (PolicyAction)unpack_number(u);
        policy->listen = unpack_number(u) != 0;
        policy->kills = unpack_number(u) != 0;
        read_limits(u, &policy->limits);
        read_limits(u, &policy->ceilings);
        policy->filter = own_bytes(u, &policy->filter_size);
        policy->refusals = own_bytes(u, &refusals_size);
        policy->n_refusals = refusals_size / sizeof *policy->refusals;
        return unpack_end(u) < 0 || !policy->filter ? jail_policy_unref(policy) : policy;
}

/* ---- what it depends on ---- */

/* False where one has changed so lately that the next change could have the same time. */
static bool pack_sources(Packer *p, char *const *sources)
{
        struct utsname kernel;
        struct timespec now;
        bool settled = true;

        clock_gettime(CLOCK_REALTIME, &now);
        pack_string(p, FORMAT);
        pack_string(p, uname(&kernel) < 0 ? "" : kernel.release);
        pack_strings(p, sources);
        for (size_t i = 0; sources[i]; i++) {
                Stamp stamp = stamp_of(sources[i]);
                settled = settled && stamp.changed_nsec + SETTLED_NSEC < nsec_of(now);
                pack_bytes(p, &stamp, sizeof stamp);
        }
        return settled;
}

static bool sources_unchanged(Unpacker *u)
{
        struct utsname kernel;
        const char *format = unpack_string(u), *release = unpack_string(u);
        _cleanup_free_ char **sources = unpack_strings(u);
        bool same = format && strcmp(format, FORMAT) == 0 && release && uname(&kernel) == 0 &&
                    strcmp(release, kernel.release) == 0;

        for (size_t i = 0; same && sources && sources[i]; i++) {
                Stamp now = stamp_of(sources[i]);
                size_t size;
                const void *then = unpack_bytes(u, &size);
                same = then && size == sizeof now && memcmp(then, &now, size) == 0;
        }
        return same && sources && !u->failed;
}

/* ---- the file ---- */

static bool is_ours(int fd, mode_t type)
{
        struct stat st;

        return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_cache(const char *cache)
{
        _cleanup_close_ int dir = open(cache, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return dir >= 0 && is_ours(dir, S_IFDIR) ? take_fd(dir) : -1;
}

int policy_cache_read(const char *cache, const char *name, JailPolicy **ret)
{
        _cleanup_free_ char *file = file_of(name);
        _cleanup_close_ int dir = open_cache(cache),
                            fd = file && dir >= 0 ? openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        const void *data;
        size_t size;

        if (fd < 0 || !is_ours(fd, S_IFREG) || map_file(fd, CACHE_FILE_MAX, &data, &size) < 0)
                return -ENOENT;
        Unpacker u = {.next = data, .left = size};
        *ret = sources_unchanged(&u) ? unpack_policy(&u) : NULL;
        munmap((void *)data, size);
        return *ret ? 0 : -ENOENT;
}

bool policy_cache_look(const JailPolicy *policy, Packer *ret)
{
        _cleanup_strv_ char **sources = NULL;

        if (strv_add(&sources, PROGRAM) < 0 || strv_add_new(&sources, policy->sources) < 0)
                return false;
        return pack_sources(ret, sources) && !ret->failed;
}

void policy_cache_write(const char *cache, const char *name, const JailPolicy *policy, const Packer *before)
{
        _cleanup_packer_ Packer p = {0};
        _cleanup_free_ char *file = file_of(name), *draft = NULL;

        if (!file || asprintf(&draft, "%s.%d", file, getpid()) < 0) {
                draft = NULL;
                return;
        }
        if (!policy_cache_look(policy, &p) || p.size != before->size || memcmp(p.data, before->data, p.size) != 0)
                return;
        pack_policy(&p, policy);
        if (p.failed || (mkdir(cache, 0755) < 0 && errno != EEXIST))
                return;
        _cleanup_close_ int dir = open_cache(cache),
                            fd = dir < 0 ? -1 : openat(dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return;
        if (write_full(fd, p.data, p.size) < 0 || renameat(dir, draft, dir, file) < 0)
                unlinkat(dir, draft, 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/source.h"

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)64 << 10)
#define MEMBERS_MAX 16384
#define LINKS_MAX 8

/* ---- the archive's index ---- */

static struct archive *open_tar(int fd)
{
        struct archive *a = archive_read_new();

        if (!a)
                return NULL;
        archive_read_support_format_tar(a);
        if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(a, fd, CHUNK) != ARCHIVE_OK) {
                archive_read_free(a);
                return NULL;
        }
        return a;
}

/* A name as the index has it; owned by the caller. */
static int plain_name(const char *path, char **ret, Error *e)
{
        _cleanup_strv_ char **parts = NULL;
        int r = member_split_path(path, &parts, e);

        if (r < 0)
                return r;
        *ret = strv_join(parts, "/");
        return *ret ? 0 : error_oom(e);
}

/* The name that a symbolic link means: "a/b" with "../c" is "c". Old archives of Docker have such links between layers
 * that are equal. A link that leads out of the archive means nothing in there. */
static int link_name(const char *name, const char *target, char **ret)
{
        _cleanup_strv_ char **parts = NULL, **more = NULL;

        if (strv_split(target[0] == '/' ? "" : name, '/', &parts) < 0 || strv_split(target, '/', &more) < 0)
                return -ENOMEM;
        size_t n = strv_length(parts);
        if (n > 0)
                free(take(parts[--n]));
        for (size_t i = 0; more && more[i]; i++) {
                if (strcmp(more[i], ".") == 0)
                        continue;
                if (strcmp(more[i], "..") != 0) {
                        if (strv_add(&parts, more[i]) < 0)
                                return -ENOMEM;
                        n++;
                } else if (n > 0) {
                        free(take(parts[--n]));
                }
        }
        *ret = strv_join(parts, "/");
        return *ret ? 0 : -ENOMEM;
}

static int index_entry(Source *s, struct archive_entry *entry, uint64_t number, Error *e)
{
        const char *path = archive_entry_pathname(entry), *hardlink = archive_entry_hardlink(entry),
                   *symlink = archive_entry_symlink(entry);
        Member m = {.number = number};
        int r = 0;

        /* Directories carry nothing; names that need a character set are no names of an image's parts. */
        if (!path || (archive_entry_filetype(entry) != AE_IFREG && !symlink && !hardlink))
                return 0;
        if ((r = plain_name(path, &m.name, e)) < 0)
                return r;
        if (hardlink)
                r = plain_name(hardlink, &m.link, e);
        else if (symlink && link_name(m.name, symlink, &m.link) < 0)
                r = error_oom(e);
        if (r >= 0) {
                Member *more = reallocarray(s->members, s->n_members + 1, sizeof *more);
                if (more) {
                        s->members = more;
                        s->members[s->n_members++] = m;
                        return 0;
                }
                r = error_oom(e);
        }
        free(m.name);
        free(m.link);
        return r;
}

static int index_archive(Source *s, Error *e)
{
        _cleanup_(read_freep) struct archive *a = open_tar(s->fd);
        struct archive_entry *entry;

        if (!a)
                return error_set(e, -EINVAL, "not an image's archive: not tar");
        for (uint64_t number = 0;; number++) {
                int r = archive_read_next_header(a, &entry);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return error_set(e, -EINVAL, "not an image's archive: %s", archive_error_string(a));
                if (number == MEMBERS_MAX)
                        return error_set(e, -E2BIG, "not an image's archive: more than %d members", MEMBERS_MAX);
                if ((r = index_entry(s, entry, number, e)) < 0)
                        return r;
        }
}

/* ---- compressed as a whole ---- */

static bool is_compressed(int fd)
{
        static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
        unsigned char start[4] = {0};

        if (pread(fd, start, sizeof start, 0) < 0)
                return false;
        return memcmp(start, gzip, sizeof gzip) == 0 || memcmp(start, zstd, sizeof zstd) == 0;
}

static int decompress(int fd, int scratch_fd, uint64_t max_bytes, Error *e)
{
        _cleanup_(read_freep) struct archive *a = archive_read_new();
        struct archive_entry *entry;
        const void *data;
        size_t size;
        la_int64_t offset;
        uint64_t bytes = 0;
        int r;

        if (!a)
                return error_oom(e);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_raw(a);
        if (lseek(fd, 0, SEEK_SET) < 0 || archive_read_open_fd(a, fd, CHUNK) != ARCHIVE_OK ||
            archive_read_next_header(a, &entry) < ARCHIVE_WARN)
                return error_set(e, -EINVAL, "the archive cannot be decompressed: %s", archive_error_string(a));
        while ((r = archive_read_data_block(a, &data, &size, &offset)) != ARCHIVE_EOF) {
                if (r < ARCHIVE_WARN)
                        return error_set(e, -EINVAL, "the archive cannot be decompressed: %s", archive_error_string(a));
                if ((bytes += size) > max_bytes)
                        return error_set(e, -E2BIG, "the archive is too large when decompressed: see --disk");
                if ((r = write_full(scratch_fd, data, size)) < 0)
                        return error_errno(e, r, "decompressing the archive");
        }
        return 0;
}

/* ---- the source ---- */

int source_open(int fd, int scratch_fd, uint64_t max_bytes, Source *ret, Error *e)
{
        struct stat st;
        int r;

        *ret = (Source){.fd = fd};
        if (fstat(fd, &st) < 0)
                return error_errno(e, -errno, "the archive");
        if (S_ISDIR(st.st_mode)) {
                ret->directory = true;
                return 0;
        }
        if (is_compressed(fd)) {
                if ((r = decompress(fd, scratch_fd, max_bytes, e)) < 0)
                        return r;
                if (dup2(scratch_fd, fd) < 0)
                        return error_errno(e, -errno, "the archive");
        }
        return index_archive(ret, e);
}

void source_done(Source *s)
{
        s->fd = close_fd(s->fd);
        for (size_t i = 0; i < s->n_members; i++) {
                free(s->members[i].name);
                free(s->members[i].link);
        }
        free(s->members);
        *s = (Source){.fd = -1};
}

/* The one member of a name; NULL where there is none. `*ret_twice`: there are two. */
static const Member *find(const Source *s, const char *name, bool *ret_twice)
{
        const Member *found = NULL;

        for (size_t i = 0; i < s->n_members; i++)
                if (strcmp(s->members[i].name, name) == 0) {
                        *ret_twice = found;
                        if (found)
                                return found;
                        found = &s->members[i];
                }
        return found;
}

/* Directories are walked part by part: through no link, and not out. */
static int open_below(int dir, const char *name, Error *e)
{
        _cleanup_strv_ char **parts = NULL;
        int r = member_split_path(name, &parts, e);

        if (r < 0)
                return r;
        _cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; fd >= 0 && parts && parts[i]; i++) {
                int kind = parts[i + 1] ? O_DIRECTORY : O_NONBLOCK | O_NOCTTY;
                int next = openat(fd, parts[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | kind);
                r = -errno;
                close(fd);
                fd = next;
        }
        return fd < 0 ? name_error(r ? r : -ENOENT, name, r == -ENOENT ? "not there" : strerror(-r), e) : take_fd(fd);
}

bool source_has(const Source *s, const char *name)
{
        bool twice = false;

        if (!s->directory)
                return find(s, name, &twice);
        _cleanup_close_ int fd = open_below(s->fd, name, NULL);
        return fd >= 0 || fd == -EACCES; /* who reads it, says so */
}

static int open_member(const Source *s, const char *name, Stream *stream, Error *e)
{
        const Member *m = NULL;
        const char *at = name;
        struct archive_entry *entry;
        bool twice = false;

        for (int links = 0;; links++) {
                m = find(s, at, &twice);
                if (!m || links > LINKS_MAX)
                        return name_error(-ENOENT, name, "is missing in the archive", e);
                /* What others see in the archive must be what we see. */
                if (twice)
                        return name_error(-EINVAL, at, "is in the archive twice", e);
                if (!m->link)
                        break;
                at = m->link;
        }
        if (!(stream->archive = open_tar(s->fd)))
                return error_set(e, -EINVAL, "the archive has changed meanwhile");
        for (uint64_t i = 0; i <= m->number; i++)
                if (archive_read_next_header(stream->archive, &entry) < ARCHIVE_WARN)
                        return error_set(e, -EINVAL, "the archive has changed meanwhile");
        return 0;
}

int stream_open(const Source *s, const char *name, Stream *ret, Error *e)
{
        struct stat st;
        int r;

        *ret = (Stream){.fd = -1};
        digest_begin(&ret->digest);
        if (!(ret->buffer = malloc(CHUNK)))
                return error_oom(e);
        if (!s->directory) {
                r = open_member(s, name, ret, e);
        } else {
                r = ret->fd = open_below(s->fd, name, e);
                if (r >= 0 && (fstat(r, &st) < 0 || !S_ISREG(st.st_mode)))
                        r = name_error(-EINVAL, name, "is no plain file", e);
        }
        if (r < 0)
                stream_done(ret);
        return r < 0 ? r : 0;
}

void stream_done(Stream *stream)
{
        archive_read_free(stream->archive);
        close_fd(stream->fd);
        free(stream->buffer);
        *stream = (Stream){.fd = -1};
}

ssize_t stream_read(Stream *stream, const void **ret)
{
        ssize_t n = stream->archive ? archive_read_data(stream->archive, stream->buffer, CHUNK)
                                    : read_full(stream->fd, stream->buffer, CHUNK);

        if (n < 0)
                return stream->archive ? -EINVAL : n;
        digest_add(&stream->digest, stream->buffer, (size_t)n);
        stream->bytes += (size_t)n;
        *ret = stream->buffer;
        return n;
}

int source_read(const Source *s, const char *name, size_t limit, char **ret, size_t *ret_size, char *digest, Error *e)
{
        _cleanup_stream_ Stream stream = {.fd = -1};
        _cleanup_free_ char *text = malloc(limit + 1);
        const void *data;
        size_t size = 0;
        ssize_t n;
        int r = stream_open(s, name, &stream, e);

        if (r < 0)
                return r;
        if (!text)
                return error_oom(e);
        while ((n = stream_read(&stream, &data)) > 0) {
                if ((size_t)n > limit - size)
                        return name_error(-EFBIG, name, "is too long", e);
                memcpy(text + size, data, (size_t)n);
                size += (size_t)n;
        }
        if (n < 0)
                return name_error((int)n, name, "cannot be read", e);
        text[size] = '\0';
        if (digest)
                digest_end(&stream.digest, digest);
        *ret = take(text);
        *ret_size = size;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apart from unpacking, so that a program that only unpacks does not link what only writing needs. */

#include "engine/base/archive.h"

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)64 << 10)

static inline void entry_freep(struct archive_entry **entry)
{
        archive_entry_free(*entry);
}

typedef struct Pack {
        struct archive *archive;
        struct archive_entry *entry; /* used again for each member */
        const ArchiveRules *rules;
        uint64_t bytes, entries, skipped;
        char *first; /* that was skipped */
        char *buffer;
        Error *error;
} Pack;

/* `path` is NULL at the end of the archive. */
static int pack_failed(Pack *p, const char *path)
{
        int code = archive_errno(p->archive);
        _cleanup_free_ char *why = NULL;

        /* Where it was a system call, the library does not say why that failed. */
        if (code <= 0 || asprintf(&why, "%s: %s", archive_error_string(p->archive), strerror(code)) < 0)
                why = NULL;
        const char *text = why ? why : archive_error_string(p->archive);
        code = code > 0 ? -code : -EIO;
        return path ? name_error(code, path, text, p->error) : error_set(p->error, code, "%s", text);
}

/* Neither a file nor a directory. */
static int skip(Pack *p, const char *path)
{
        if (p->skipped++ == 0 && !(p->first = strdup(path)))
                return error_oom(p->error);
        return 0;
}

static int pack_header(Pack *p, const char *path, const struct stat *st, const char *link)
{
        if (++p->entries > p->rules->max_entries)
                return name_error(-E2BIG, path, "too many files", p->error);
        archive_entry_clear(p->entry);
        archive_entry_copy_pathname(p->entry, path);
        archive_entry_set_mtime(p->entry, p->rules->no_times ? 0 : st->st_mtim.tv_sec, 0);
        archive_entry_set_filetype(p->entry, st->st_mode & S_IFMT);
        archive_entry_set_perm(p->entry, S_ISDIR(st->st_mode) || st->st_mode & 0111 ? 0755 : 0644);
        archive_entry_set_size(p->entry, S_ISREG(st->st_mode) ? st->st_size : 0);
        if (link)
                archive_entry_copy_symlink(p->entry, link);
        return archive_write_header(p->archive, p->entry) < ARCHIVE_WARN ? pack_failed(p, path) : 0;
}

/* What has gone since it was listed is as good as never there: others may be at work in the directory. */
static bool has_gone(int r, const char *path)
{
        return r == -ENOENT && *path;
}

static int cannot_open(const Pack *p, int r, const char *path)
{
        return r == -EXDEV ? name_error(r, path, "something is mounted there, which would not be packed", p->error)
                           : name_errno(r, path, p->error);
}

static int pack_file(Pack *p, int dir_fd, const char *name, const char *path)
{
        struct stat st;
        /* O_NONBLOCK, and the kind looked at behind the open: nothing can be swapped in between. */
        _cleanup_close_ int fd = open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

        if (fd < 0)
                return has_gone(fd, path) ? 0 : cannot_open(p, fd, path);
        if (fstat(fd, &st) < 0)
                return name_errno(-errno, path, p->error);
        if (!S_ISREG(st.st_mode))
                return skip(p, path);
        p->bytes += (uint64_t)st.st_size;
        if (p->bytes > p->rules->max_bytes)
                return name_error(-E2BIG, path, "the files together are too large", p->error);
        int r = pack_header(p, path, &st, NULL);
        if (r < 0)
                return r;
        for (off_t done = 0; done < st.st_size;) {
                size_t want = (size_t)(st.st_size - done) < CHUNK ? (size_t)(st.st_size - done) : CHUNK;
                ssize_t n = read_full(fd, p->buffer, want);
                if (n < 0)
                        return name_errno((int)n, path, p->error);
                if (n == 0)
                        break; /* it shrank: libarchive fills up with zeros */
                if (archive_write_data(p->archive, p->buffer, (size_t)n) < 0)
                        return pack_failed(p, path);
                done += n;
        }
        return 0;
}

static int pack_link(Pack *p, int dir_fd, const char *name, const char *path, const struct stat *st)
{
        char target[4096];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof target);

        if (!p->rules->symlinks || n <= 0 || (size_t)n == sizeof target)
                return skip(p, path);
        target[n] = '\0';
        return pack_header(p, path, st, target);
}

static int pack_directory(Pack *p, int dir_fd, const char *name, const char *path, unsigned depth)
{
        if (depth > ARCHIVE_DEPTH_MAX)
                return name_error(-ELOOP, path, "nested too deep", p->error);
        int fd = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
        if (has_gone(fd, path))
                return 0;
        if (fd < 0)
                return *path ? cannot_open(p, fd, path) : error_errno(p->error, fd, "the directory");
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return error_oom(p->error);
        }
        for (;;) {
                errno = 0;
                struct dirent *d = readdir(dir);
                if (!d)
                        return errno ? name_errno(-errno, path, p->error) : 0;
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                _cleanup_free_ char *here = NULL;
                if (asprintf(&here, "%s%s%s", path, *path ? "/" : "", d->d_name) < 0) {
                        here = NULL;
                        return error_oom(p->error);
                }
                struct stat st;
                int r = fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
                if (has_gone(r, here))
                        continue;
                if (r < 0)
                        return name_errno(r, here, p->error);
                if (S_ISDIR(st.st_mode)) {
                        r = pack_header(p, here, &st, NULL);
                        if (r >= 0)
                                r = pack_directory(p, fd, d->d_name, here, depth + 1);
                } else if (S_ISREG(st.st_mode)) {
                        r = pack_file(p, fd, d->d_name, here);
                } else if (S_ISLNK(st.st_mode)) {
                        r = pack_link(p, fd, d->d_name, here, &st);
                } else {
                        r = skip(p, here);
                }
                if (r < 0)
                        return r;
        }
}

static int pack_tree(Pack *p, int dir_fd, int out_fd)
{
        /* GNU tar keeps names as bytes, in whatever encoding they are. */
        archive_write_set_format_gnutar(p->archive);
        archive_write_set_bytes_in_last_block(p->archive, 1);
        if (archive_write_open_fd(p->archive, out_fd) != ARCHIVE_OK)
                return error_set(p->error, -EIO, "%s", archive_error_string(p->archive));
        int r = pack_directory(p, dir_fd, ".", "", 0);
        if (r < 0)
                return r;
        return archive_write_close(p->archive) != ARCHIVE_OK ? pack_failed(p, NULL) : 0;
}

/* NULL: nothing was, or there is no memory to say so. */
static char *describe_skipped(const Pack *p)
{
        _cleanup_free_ char *name = p->first ? name_quote(p->first) : NULL;
        char *text = NULL;

        if (!name || asprintf(&text, p->skipped == 1 ? "%" PRIu64 " entry is left out that is no file and no directory: %s"
                                                                 : "%" PRIu64 " entries are left out that are no files and no directories, such as %s",
                              p->skipped, name) < 0)
                return NULL;
        return text;
}

int archive_pack(int dir_fd, int out_fd, const ArchiveRules *rules, char **ret_skipped, Error *e)
{
        _cleanup_(write_freep) struct archive *a = archive_write_new();
        _cleanup_(entry_freep) struct archive_entry *entry = archive_entry_new();
        _cleanup_free_ char *buffer = malloc(CHUNK);
        Pack p = {.archive = a, .entry = entry, .rules = rules, .buffer = buffer, .error = e};

        if (!a || !entry)
                return error_set(e, -EIO, "libarchive makes no archive");
        if (!buffer)
                return error_oom(e);
        int r = pack_tree(&p, dir_fd, out_fd);
        if (r >= 0 && ret_skipped)
                *ret_skipped = describe_skipped(&p);
        free(p.first);
        return r;
}

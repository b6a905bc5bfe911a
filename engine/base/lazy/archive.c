/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libarchive, loaded when an archive is first made or read. It brings twelve libraries along, those for XML and Unicode
 * among them: a program that is linked with it takes twice as long to start, and most runs have no archive.
 *
 * The functions have its names (archive_write(3), archive_read(3), archive_entry(3)), so that who calls them need not
 * know. Programs that are linked statically are linked with libarchive, and without this. */

#include "engine/base/log.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

#define LIBRARY "libarchive.so.13"

static void *load(void)
{
        static void *library;
        static bool said;
        void *l = __atomic_load_n(&library, __ATOMIC_RELAXED);

        if (l)
                return l;
        if ((l = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)))
                __atomic_store_n(&library, l, __ATOMIC_RELAXED);
        else if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
                log_error("archives cannot be made or read: %s", dlerror());
        return l;
}

/* Only those that make something are called without it. */
static void *find(const char *name)
{
        void *library = load(), *function = library ? dlsym(library, name) : NULL;

        if (library && !function) {
                log_error("%s has no %s", LIBRARY, name);
                abort();
        }
        return function;
}

/* To look one up takes less than it does, as a rule: so nothing is remembered. */
#define FORWARD(type, name, parameters, arguments, otherwise)                     \
        type name parameters                                                      \
        {                                                                         \
                __typeof__(name) *function = (__typeof__(name) *)find(#name);     \
                                                                                  \
                return function ? function arguments : (otherwise);               \
        }

FORWARD(struct archive *, archive_write_new, (void), (), NULL)
FORWARD(struct archive *, archive_read_new, (void), (), NULL)
FORWARD(struct archive_entry *, archive_entry_new, (void), (), NULL)
/* Of nothing, too. */
FORWARD(int, archive_write_free, (struct archive *a), (a), ARCHIVE_OK)
FORWARD(int, archive_read_free, (struct archive *a), (a), ARCHIVE_OK)

/* Never without an object that one of those has made. */
FORWARD(int, archive_errno, (struct archive *a), (a), 0)
FORWARD(const char *, archive_error_string, (struct archive *a), (a), NULL)

FORWARD(int, archive_write_set_format_gnutar, (struct archive *a), (a), ARCHIVE_FATAL)
FORWARD(int, archive_write_set_bytes_in_last_block, (struct archive *a, int bytes), (a, bytes), ARCHIVE_FATAL)
FORWARD(int, archive_write_open_fd, (struct archive *a, int fd), (a, fd), ARCHIVE_FATAL)
FORWARD(int, archive_write_header, (struct archive *a, struct archive_entry *entry), (a, entry), ARCHIVE_FATAL)
FORWARD(la_ssize_t, archive_write_data, (struct archive *a, const void *data, size_t size), (a, data, size), ARCHIVE_FATAL)
FORWARD(int, archive_write_close, (struct archive *a), (a), ARCHIVE_FATAL)

FORWARD(int, archive_read_support_format_tar, (struct archive *a), (a), ARCHIVE_FATAL)
FORWARD(int, archive_read_support_format_empty, (struct archive *a), (a), ARCHIVE_FATAL)
FORWARD(int, archive_read_open_fd, (struct archive *a, int fd, size_t block), (a, fd, block), ARCHIVE_FATAL)
FORWARD(int, archive_read_next_header, (struct archive *a, struct archive_entry **entry), (a, entry), ARCHIVE_FATAL)
FORWARD(int, archive_read_data_block, (struct archive *a, const void **data, size_t *size, la_int64_t *offset),
        (a, data, size, offset), ARCHIVE_FATAL)

FORWARD(struct archive_entry *, archive_entry_clear, (struct archive_entry *e), (e), NULL)
FORWARD(__LA_MODE_T, archive_entry_filetype, (struct archive_entry *e), (e), 0)
FORWARD(__LA_MODE_T, archive_entry_perm, (struct archive_entry *e), (e), 0)
FORWARD(la_int64_t, archive_entry_size, (struct archive_entry *e), (e), 0)
FORWARD(int, archive_entry_size_is_set, (struct archive_entry *e), (e), 0)
FORWARD(const char *, archive_entry_pathname, (struct archive_entry *e), (e), NULL)
FORWARD(const char *, archive_entry_pathname_utf8, (struct archive_entry *e), (e), NULL)
FORWARD(const char *, archive_entry_hardlink, (struct archive_entry *e), (e), NULL)
FORWARD(const char *, archive_entry_symlink, (struct archive_entry *e), (e), NULL)

/* What returns nothing. */
#define FORWARD_VOID(name, parameters, arguments)                                 \
        void name parameters                                                      \
        {                                                                         \
                __typeof__(name) *function = (__typeof__(name) *)find(#name);     \
                                                                                  \
                if (function)                                                     \
                        function arguments;                                       \
        }

FORWARD_VOID(archive_entry_free, (struct archive_entry *e), (e))
FORWARD_VOID(archive_entry_copy_pathname, (struct archive_entry *e, const char *path), (e, path))
FORWARD_VOID(archive_entry_copy_symlink, (struct archive_entry *e, const char *target), (e, target))
FORWARD_VOID(archive_entry_set_filetype, (struct archive_entry *e, unsigned type), (e, type))
FORWARD_VOID(archive_entry_set_perm, (struct archive_entry *e, __LA_MODE_T mode), (e, mode))
FORWARD_VOID(archive_entry_set_size, (struct archive_entry *e, la_int64_t size), (e, size))
FORWARD_VOID(archive_entry_set_mtime, (struct archive_entry *e, time_t seconds, long nanoseconds), (e, seconds, nanoseconds))

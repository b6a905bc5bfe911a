/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* That there has to be a log says a mark, an empty file: it is made after the first commit, when the log is on the
 * disk, and goes at an end in order. So it costs nothing while jobs run. A log that has lost its end looks like one
 * that never was longer: that is not found. What its header is: https://sqlite.org/fileformat2.html#walformat */

#include "engine/supervisor/store_log.h"

#include "engine/base/fd.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MAGIC 0x377f0682U /* one more, where the sums are of big-endian words */
#define WORDS 6           /* that are summed up, before the two sums */

static char *path_of(const char *store, const char *suffix)
{
        char *path;

        return asprintf(&path, "%s%s", store, suffix) < 0 ? NULL : path;
}

static bool is_header(const uint32_t *words)
{
        uint32_t magic = be32toh(words[0]), sums[2] = {0, 0};

        if (magic != MAGIC && magic != MAGIC + 1)
                return false;
        for (size_t i = 0; i < WORDS; i += 2) {
                sums[0] += (magic == MAGIC ? le32toh(words[i]) : be32toh(words[i])) + sums[1];
                sums[1] += (magic == MAGIC ? le32toh(words[i + 1]) : be32toh(words[i + 1])) + sums[0];
        }
        return be32toh(words[WORDS]) == sums[0] && be32toh(words[WORDS + 1]) == sums[1];
}

int store_log_check(const char *store, Error *e)
{
        _cleanup_free_ char *log = path_of(store, "-wal"), *mark = path_of(store, "-open");
        uint32_t words[WORDS + 2];
        struct stat st;

        if (!log || !mark)
                return error_oom(e);
        _cleanup_close_ int fd = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno != ENOENT)
                return error_errno(e, -errno, "%s", log);
        if (fd >= 0 && fstat(fd, &st) < 0)
                return error_errno(e, -errno, "%s", log);
        /* What follows the header comes when that is on the disk: one alone may have been cut off by a loss of power.
         */
        if (fd < 0 || (size_t)st.st_size <= sizeof words)
                return access(mark, F_OK) == 0;
        if (read_full(fd, words, sizeof words) == (ssize_t)sizeof words && is_header(words))
                return 0;
        return error_set(e, -EUCLEAN,
                         "%s is damaged, and with it what was written last; moved away, it leaves the store as it was "
                         "before that",
                         log);
}

void store_log_begun(const char *store)
{
        _cleanup_free_ char *mark = path_of(store, "-open");

        if (mark)
                close_fd(open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

void store_log_ended(const char *store)
{
        _cleanup_free_ char *mark = path_of(store, "-open");

        if (mark)
                unlink(mark);
}

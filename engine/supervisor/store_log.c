/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* That there has to be a log says a mark, an empty file: it is made after the first commit, when the log is on the
 * disk, and goes at an end in order. So it costs nothing while jobs run. What its header is:
 * https://sqlite.org/fileformat2.html#walformat
 *
 * A log that has lost its end looks like one that never was longer. But beside it stands SQLite's index of it, which a process
 * that is killed leaves as it was: https://sqlite.org/walformat.html#walidxfmt. It counts what has been committed, that is, what
 * is on the disk by then. So a loss of power may leave an older index, a broken one or none, which say nothing; but none that is
 * ahead of its log. */

#include "engine/supervisor/store_log.h"

#include "engine/base/fd.h"

#include <endian.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC 0x377f0682U /* one more, where the sums are of big-endian words */
#define WORDS 6           /* that are summed up, before the two sums */
#define SALT 4            /* of them, the two that each log has others of */
#define HEADER_BYTES 32
#define FRAME_HEADER_BYTES 24 /* before each page */
#define INDEX_VERSION 3007000

static char *path_of(const char *store, const char *suffix)
{
        char *path;

        return asprintf(&path, "%s%s", store, suffix) < 0 ? NULL : path;
}

static void sum_up(const uint32_t *words, size_t n, uint32_t sums[static 2])
{
        sums[0] = sums[1] = 0;
        for (size_t i = 0; i < n; i += 2) {
                sums[0] += words[i] + sums[1];
                sums[1] += words[i + 1] + sums[0];
        }
}

static bool is_header(const uint32_t *words)
{
        uint32_t magic = be32toh(words[0]), values[WORDS], sums[2];

        if (magic != MAGIC && magic != MAGIC + 1)
                return false;
        for (size_t i = 0; i < WORDS; i++)
                values[i] = magic == MAGIC ? le32toh(words[i]) : be32toh(words[i]);
        sum_up(values, WORDS, sums);
        return be32toh(words[WORDS]) == sums[0] && be32toh(words[WORDS + 1]) == sums[1];
}

/* The index, in the byte order of the host. */
typedef struct LogIndex {
        uint32_t version, unused, changes;
        uint8_t is_made, sums_are_big_endian;
        uint16_t page_size; /* 1: 65536 */
        uint32_t frames;    /* pages in the log */
        uint32_t pages, frame_sums[2];
        uint32_t salt[2]; /* as it stands in the header of its log */
        uint32_t sums[2]; /* of all before */
} LogIndex;

/* How long the log of this header has been; 0: nobody says. */
static uint64_t size_before(const char *path, const uint32_t *header)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        uint32_t words[sizeof(LogIndex) / sizeof(uint32_t)], sums[2];
        LogIndex index;

        if (fd < 0 || read_full(fd, words, sizeof words) != (ssize_t)sizeof words)
                return 0;
        memcpy(&index, words, sizeof index);
        sum_up(words, offsetof(LogIndex, sums) / sizeof *words, sums);
        if (index.version != INDEX_VERSION || !index.is_made || memcmp(sums, index.sums, sizeof sums) != 0 ||
            memcmp(index.salt, &header[SALT], sizeof index.salt) != 0)
                return 0;
        return HEADER_BYTES + (uint64_t)index.frames * (FRAME_HEADER_BYTES + (index.page_size == 1 ? 65536 : index.page_size));
}

int store_log_check(const char *store, Error *e)
{
        _cleanup_free_ char *log = path_of(store, "-wal"), *index = path_of(store, "-shm"), *mark = path_of(store, "-open");
        uint32_t words[WORDS + 2];
        struct stat st;

        if (!log || !index || !mark)
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
        if (read_full(fd, words, sizeof words) != (ssize_t)sizeof words || !is_header(words))
                return error_set(e, -EUCLEAN,
                                 "%s is damaged, and with it what was written last; moved away, it leaves the store as it was "
                                 "before that",
                                 log);
        /* Whoever looks into the store just now makes its log longer first, and then the index. */
        uint64_t before = size_before(index, words);
        if (fstat(fd, &st) < 0)
                return error_errno(e, -errno, "%s", log);
        if ((uint64_t)st.st_size < before)
                return error_set(e, -EUCLEAN,
                                 "%s has lost its end, and with it what was written last; \"rm %s\" makes skepd take what is "
                                 "left of it",
                                 log, index);
        return 0;
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

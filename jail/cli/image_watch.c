/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/image_watch.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "jail/cli/tree_use.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BLOCK 512           /* stat(2) */
#define BLOCK_OF_NAME 4096  /* what a file takes beside what it holds, and an archive for each member */
#define OVERHEAD (UINT64_C(1) << 20)
#define NAMES_OVERHEAD 16
#define UNEXPLAINED (UINT64_C(64) << 20) /* blocks that nobody has written: directories, or other programs */
#define DESCRIPTORS_MAX 4096
#define UNSEEN_USEC (30 * USEC_PER_SECOND) /* of which a jail's making and its end take most */
#define REST 4 /* times as long as the looking has taken */

/* ---- the process ---- */

static bool is_same_file(const struct stat *a, int fd)
{
        struct stat b;

        return fstat(fd, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* The one that executes our program and has our tree: there may be another import. */
static void find_process(ImageWatch *w)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");

        for (struct dirent *d; proc && w->process < 0 && (d = readdir(proc));) {
                struct stat exe, tree;
                if (!isdigit((unsigned char)d->d_name[0]))
                        continue;
                _cleanup_close_ int fd = openat(dirfd(proc), d->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && fstatat(fd, "exe", &exe, 0) == 0 && is_same_file(&exe, w->program) &&
                    fstatat(fd, "root/image", &tree, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&tree, w->root))
                        w->process = take_fd(fd);
        }
}

static int read_written(const ImageWatch *w, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = read_file_at(w->process, "io", 4096, &text, NULL);
        const char *line = r < 0 ? NULL : strstr(text, "wchar: ");

        if (r < 0)
                return r;
        return line && sscanf(line, "wchar: %" SCNu64, ret) == 1 ? 0 : -EIO;
}

/* ---- what it has ---- */

/* Files that have lost their name, and are open still. */
static uint64_t nameless_bytes(const ImageWatch *w)
{
        int fd = openat(w->process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        _cleanup_free_ struct stat *seen = calloc(DESCRIPTORS_MAX, sizeof *seen);
        uint64_t bytes = 0;
        size_t n = 0;

        if (!dir)
                close_fd(fd);
        for (struct dirent *d; dir && seen && n < DESCRIPTORS_MAX && (d = readdir(dir));) {
                struct stat *st = &seen[n];
                if (!isdigit((unsigned char)d->d_name[0]) || fstatat(dirfd(dir), d->d_name, st, 0) < 0 ||
                    !S_ISREG(st->st_mode) || st->st_nlink > 0 || is_same_file(st, w->archive))
                        continue;
                size_t i = 0;
                while (seen[i].st_dev != st->st_dev || seen[i].st_ino != st->st_ino)
                        i++;
                if (i < n)
                        continue; /* a second descriptor of it */
                bytes += (uint64_t)st->st_blocks * BLOCK;
                n++;
        }
        return bytes;
}

static int take_stock(ImageWatch *w, ImageUse *use, Error *e)
{
        TreeUse tree;
        int r = tree_use(w->root, w->max_names, &tree, e);

        if (r < 0)
                return error_prefix(e, "unpacking it hides what it takes of the disk"), r;
        use->names = tree.names;
        use->bytes = tree.bytes + nameless_bytes(w);
        if (use->names > w->max_names)
                return error_set(e, -EDQUOT, "unpacking it makes more files than it may: see --files");
        if (use->bytes > w->max_bytes)
                return error_set(e, -EDQUOT, "unpacking it takes more of the disk than it may: see --disk");
        return 0;
}

/* ---- whether to look ---- */

static uint64_t grown(uint64_t now, uint64_t before)
{
        return now > before ? now - before : 0;
}

/* Others write to the file system, too: so what goes on there is a reason to look, and no more. */
static bool is_suspicious(const ImageWatch *w, const ImageUse *now, bool counts_inodes)
{
        uint64_t written = grown(now->written, w->last.written),
                 used = grown(now->disk_bytes, w->last.disk_bytes);

        return !counts_inodes || written > grown(w->max_bytes, w->last.bytes) || grown(used, written) > UNEXPLAINED ||
               grown(now->disk_inodes, w->last.disk_inodes) > grown(w->max_names, w->last.names);
}

static void read_disk(const ImageWatch *w, ImageUse *use, bool *ret_counts_inodes)
{
        struct statvfs fs = {0};

        *ret_counts_inodes = fstatvfs(w->root, &fs) == 0 && fs.f_files > 0;
        use->disk_bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
        use->disk_inodes = (uint64_t)(fs.f_files - fs.f_ffree);
}

void image_watch_begin(int program, int root, int archive, uint64_t max_bytes, uint64_t max_files, ImageWatch *ret)
{
        bool counts_inodes;

        *ret = (ImageWatch){
                .program = program,
                .root = root,
                .archive = archive,
                /* The tree, and an archive that was compressed as a whole. */
                .max_bytes = 2 * (max_bytes + max_files * BLOCK_OF_NAME + OVERHEAD),
                .max_names = max_files + NAMES_OVERHEAD,
                .process = -1,
                .seen_usec = monotonic_usec(),
        };
        read_disk(ret, &ret->last, &counts_inodes);
}

void image_watch_done(ImageWatch *w)
{
        w->process = close_fd(w->process);
}

int image_watch_look(ImageWatch *w, Error *e)
{
        ImageUse now = w->last;
        uint64_t begin_usec = monotonic_usec();
        bool counts_inodes;

        if (w->process < 0)
                find_process(w);
        /* Before it is there, and when it ends, nobody can look. */
        int r = w->process < 0 ? -ESRCH : read_written(w, &now.written);
        if (r < 0)
                return begin_usec - w->seen_usec < UNSEEN_USEC
                               ? 0
                               : error_set(e, -EACCES, "what unpacking it writes cannot be watched in /proc");
        w->seen_usec = begin_usec;
        read_disk(w, &now, &counts_inodes);
        if (begin_usec < w->next_usec || !is_suspicious(w, &now, counts_inodes))
                return 0;
        if ((r = take_stock(w, &now, e)) < 0)
                return r;
        w->last = now;
        w->next_usec = monotonic_usec() + REST * (monotonic_usec() - begin_usec);
        return 0;
}

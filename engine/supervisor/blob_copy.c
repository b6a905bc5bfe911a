/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/blob_copy.h"

#include "engine/base/digest.h"
#include "engine/base/fd.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define BYTES_PER_JOB (UINT64_C(4) << 30)
#define CHUNK ((size_t)64 << 10)

/* What a client's file answers is the client's to choose, so its errno never becomes the code of an error, which has a
 * name on the bus: that file cannot be read. */
static int read_error(const char *name, int r, Error *e)
{
        return error_set(e, -EINVAL, "input \"%s\": cannot be read: %s", name, strerror(-r));
}

int blob_store_error(const char *what, int r, Error *e)
{
        if (r == -ENOMEM)
                return error_oom(e);
        if (r == -ENOSPC || r == -EDQUOT)
                return error_set(e, -EIO, "%s: cannot be stored: the state directory has no room", what);
        return error_set(e, -EIO, "%s: cannot be stored: %s", what, strerror(-r));
}

static int input_store_error(const char *name, int r, Error *e)
{
        _cleanup_free_ char *what = NULL;

        if (asprintf(&what, "input \"%s\"", name) < 0)
                return what = NULL, error_oom(e);
        return blob_store_error(what, r, e);
}

/* What is known of the work. */
typedef struct Copying {
        const Copy *copies;
        Copy *own;
        uint64_t before; /* bytes of the inputs before this one */
} Copying;

/* How much an input may have, of which so much is copied. */
static uint64_t limit_of_input(uint64_t done, void *userdata)
{
        const Copying *c = userdata;

        copy_count(c->own, c->before + done);
        uint64_t room = copy_room(c->copies, c->own), most = room < BYTES_PER_JOB ? room : BYTES_PER_JOB;
        return most > c->before ? most - c->before : 0;
}

/* The rest of what could not be copied at one go. Each byte is read and written by calls of their own, so that it is known which of the two fails. */
static int copy_rest(const JailInput *input, int to, off_t offset, Copying *c, Error *e)
{
        _cleanup_free_ char *chunk = malloc(CHUNK);

        if (!chunk)
                return error_oom(e);
        for (;;) {
                ssize_t n = pread(input->fd, chunk, CHUNK, offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return read_error(input->name, -errno, e);
                if (n == 0)
                        return 0;
                int r = write_full(to, chunk, (size_t)n);
                if (r < 0)
                        return input_store_error(input->name, r, e);
                offset += n;
                if ((uint64_t)offset > limit_of_input((uint64_t)offset, c))
                        return -EFBIG;
        }
}

/* Without a sentence: -EFBIG. */
static int copy_bytes(const JailInput *input, int to, Copying *c, Error *e)
{
        int r = copy_file_within(input->fd, to, limit_of_input, c);

        if (r >= 0 || r == -E2BIG)
                return r < 0 ? -EFBIG : 0;
        off_t done = lseek(to, 0, SEEK_CUR);
        return done < 0 ? input_store_error(input->name, -errno, e) : copy_rest(input, to, done, c, e);
}

char *blob_temporary_name(uint64_t serial, size_t index)
{
        char *name = NULL;

        return asprintf(&name, "new-%" PRIu64 "-%zu", serial, index) < 0 ? NULL : name;
}

static int copy_one(int directory, const JailInput *input, const char *temporary, Copying *c, char **ret, Error *e)
{
        char hex[DIGEST_HEX_SIZE];
        struct stat st;

        if (fstat(input->fd, &st) < 0)
                return read_error(input->name, -errno, e);
        if (!S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "input \"%s\" is not a regular file", input->name);
        int flags = fcntl(input->fd, F_GETFL);
        if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
                return error_set(e, -EINVAL, "input \"%s\" is not open for reading", input->name);
        bool executable = st.st_mode & 0111;
        _cleanup_close_ int fd = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return input_store_error(input->name, -errno, e);
        int r = copy_bytes(input, fd, c, e);
        uint64_t room = copy_room(c->copies, c->own);
        if (r == -EFBIG && room < BYTES_PER_JOB)
                return error_set(e, -EDQUOT, "input \"%s\": the tenant's inputs may have %" PRIu64
                                 " bytes more; try again when some of its jobs have ended", input->name, room);
        if (r == -EFBIG)
                return error_set(e, r, "input \"%s\": the inputs of a job may have %" PRIu64 " bytes together",
                                 input->name, BYTES_PER_JOB);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return input_store_error(input->name, -errno, e);
        c->before += (uint64_t)st.st_size;
        copy_count(c->own, c->before);
        if ((r = digest_fd_hex(fd, hex)) < 0)
                return input_store_error(input->name, r, e);
        /* The mode is the file's, and a mount shows it: what may be executed is another blob. */
        if (asprintf(ret, "%s%s", hex, executable ? "x" : "") < 0)
                return error_oom(e);
        /* Its name reaches the disk with the job (store.c). */
        if (fchmod(fd, executable ? 0555 : 0444) < 0 || fsync(fd) < 0)
                return input_store_error(input->name, -errno, e);
        return 0;
}

void blob_copy_all(int directory, const JailInput *inputs, size_t n, const Copy *copies, Copy *own, uint64_t serial, Packer *ret)
{
        _cleanup_strv_ char **names = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Copying copying = {.copies = copies, .own = own};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                _cleanup_free_ char *name = NULL, *temporary = blob_temporary_name(serial, i);
                r = temporary ? copy_one(directory, &inputs[i], temporary, &copying, &name, &e) : -ENOMEM;
                if (r >= 0)
                        r = strv_add(&names, name);
        }
        pack_number(ret, (uint64_t)-r);
        pack_string(ret, r < 0 ? error_text(&e) : NULL);
        pack_strings(ret, r < 0 ? NULL : names);
}

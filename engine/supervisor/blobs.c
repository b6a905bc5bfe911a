/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/blobs.h"

#include "engine/base/clock.h"
#include "engine/base/digest.h"
#include "engine/base/fd.h"
#include "engine/base/pack.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define COPY_DEADLINE_USEC (60 * USEC_PER_SECOND)
#define BYTES_PER_JOB (UINT64_C(4) << 30)
#define REQUESTS_MAX 512
#define REQUESTS_PER_TENANT 64
#define CHUNK ((size_t)64 << 10)
#define RESULT_MAX ((size_t)32 << 10) /* less than a pipe holds, so that the child never waits for us */

typedef struct Blob {
        char *name;
        size_t users;
} Blob;

struct BlobRequest {
        BlobRequest *next;
        Blobs *blobs;
        Tenant *tenant;
        pid_t pid;
        int result;
        sd_event_source *child, *deadline;
        BlobsAdded added;
        void *userdata;
        uint64_t serial;
        size_t n;
};

struct Blobs {
        sd_event *event;
        int directory;
        void *known; /* tsearch(3) of Blob */
        bool held;
        BlobRequest *requests;
        size_t n_requests;
        uint64_t serial;
};

/* ---- in the copying process ---- */

/* What a client's file answers is the client's to choose, so its errno never becomes the code of an error, which has a
 * name on the bus: that file cannot be read. */
static int read_error(const char *name, int r, Error *e)
{
        return error_set(e, -EINVAL, "input \"%s\": cannot be read: %s", name, strerror(-r));
}

/* All else that fails is the state directory's fault. */
static int store_error(const char *what, int r, Error *e)
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
        return store_error(what, r, e);
}

/* The rest of what could not be copied at one go. Each byte is read and written by calls of their own, so that it is known which of the two fails. */
static int copy_rest(const JailInput *input, int to, off_t offset, uint64_t limit, Error *e)
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
                if ((uint64_t)offset > limit)
                        return -EFBIG;
        }
}

/* Without a sentence: -EFBIG. */
static int copy_bytes(const JailInput *input, int to, uint64_t limit, Error *e)
{
        int r = copy_file(input->fd, to, limit);

        if (r >= 0 || r == -E2BIG)
                return r < 0 ? -EFBIG : 0;
        off_t done = lseek(to, 0, SEEK_CUR);
        return done < 0 ? input_store_error(input->name, -errno, e) : copy_rest(input, to, done, limit, e);
}

/* Inputs are copied under a name of their own. The supervisor gives them their lasting one, since it alone knows which
 * of those are in use at that moment. */
static char *temporary_name(uint64_t serial, size_t index)
{
        char *name = NULL;

        return asprintf(&name, "new-%" PRIu64 "-%zu", serial, index) < 0 ? NULL : name;
}

static int copy_one(int directory, const JailInput *input, const char *temporary, uint64_t room, uint64_t *left,
                    char **ret, Error *e)
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
        int r = copy_bytes(input, fd, *left, e);
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
        *left -= (uint64_t)st.st_size < *left ? (uint64_t)st.st_size : *left;
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

static _Noreturn void copy_all(int directory, const JailInput *inputs, size_t n, uint64_t room, uint64_t serial, int result)
{
        _cleanup_packer_ Packer p = {0};
        _cleanup_strv_ char **names = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t left = room < BYTES_PER_JOB ? room : BYTES_PER_JOB;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                _cleanup_free_ char *name = NULL, *temporary = temporary_name(serial, i);
                r = temporary ? copy_one(directory, &inputs[i], temporary, room, &left, &name, &e) : -ENOMEM;
                if (r >= 0)
                        r = strv_add(&names, name);
        }
        pack_number(&p, (uint64_t)-r);
        pack_string(&p, r < 0 ? error_text(&e) : NULL);
        pack_strings(&p, r < 0 ? NULL : names);
        if (!p.failed && p.size <= RESULT_MAX)
                write_full(result, p.data, p.size);
        _exit(0);
}

/* ---- in the supervisor ---- */

static int compare_blobs(const void *a, const void *b)
{
        return strcmp(((const Blob *)a)->name, ((const Blob *)b)->name);
}

static int blob_ref(Blobs *blobs, const char *name)
{
        Blob *blob = calloc(1, sizeof *blob);

        if (!blob || !(blob->name = strdup(name))) {
                free(blob);
                return -ENOMEM;
        }
        Blob **known = tsearch(blob, &blobs->known, compare_blobs);
        if (!known || *known != blob) {
                free(blob->name);
                free(blob);
        }
        if (!known)
                return -ENOMEM;
        (*known)->users++;
        return 0;
}

static void remove_blob(Blobs *blobs, Blob *blob)
{
        tdelete(blob, &blobs->known, compare_blobs);
        unlinkat(blobs->directory, blob->name, 0);
        free(blob->name);
        free(blob);
}

void blobs_unref(Blobs *blobs, const char *name)
{
        const Blob key = {.name = (char *)name};
        Blob **known = tfind(&key, &blobs->known, compare_blobs);

        if (known && --(*known)->users == 0 && !blobs->held)
                remove_blob(blobs, *known);
}

static void find_unused(const void *node, VISIT which, void *ret)
{
        Blob *blob = *(Blob *const *)node;

        if ((which == postorder || which == leaf) && blob->users == 0)
                *(Blob **)ret = blob;
}

void blobs_hold(Blobs *blobs, bool held)
{
        blobs->held = held;
        /* The tree cannot be changed while it is walked through; there are few of them. */
        for (Blob *unused = NULL; !held; unused = NULL) {
                twalk_r(blobs->known, find_unused, &unused);
                if (!unused)
                        return;
                remove_blob(blobs, unused);
        }
}

int blobs_adopt(Blobs *blobs, const char *name)
{
        if (strchr(name, '/') || faccessat(blobs->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -ENOENT;
        return blob_ref(blobs, name);
}

void blobs_sweep(Blobs *blobs)
{
        int fd = openat(blobs->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        for (struct dirent *d; dir && (d = readdir(dir));) {
                const Blob key = {.name = d->d_name};
                if (d->d_name[0] != '.' && !tfind(&key, &blobs->known, compare_blobs))
                        unlinkat(blobs->directory, d->d_name, 0);
        }
}

int blobs_size(const Blobs *blobs, const char *name, uint64_t *ret_bytes)
{
        struct stat st;

        if (fstatat(blobs->directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        *ret_bytes = (uint64_t)st.st_size;
        return 0;
}

int blobs_open(const Blobs *blobs, const char *name)
{
        int fd = openat(blobs->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

void blobs_drop(BlobRequest *request)
{
        request->added = NULL;
        kill(request->pid, SIGKILL);
}

static void request_free(BlobRequest *request)
{
        for (BlobRequest **at = &request->blobs->requests; *at; at = &(*at)->next)
                if (*at == request) {
                        *at = request->next;
                        request->blobs->n_requests--;
                        break;
                }
        /* What a copy that failed or was stopped has left. */
        for (size_t i = 0; i < request->n; i++) {
                _cleanup_free_ char *temporary = temporary_name(request->serial, i);
                if (temporary)
                        unlinkat(request->blobs->directory, temporary, 0);
        }
        sd_event_source_disable_unref(request->child);
        sd_event_source_disable_unref(request->deadline);
        close_fd(request->result);
        tenant_unref(request->tenant);
        free(request);
}

/* Reads what the child has written, and counts the blobs. */
static int take_result(BlobRequest *request, char ***ret, Error *e)
{
        _cleanup_free_ char *data = malloc(RESULT_MAX);
        _cleanup_free_ char **names = NULL;
        ssize_t n = data ? read_full(request->result, data, RESULT_MAX) : -ENOMEM;

        if (n <= 0)
                return error_set(e, n < 0 ? (int)n : -EIO, "copying the inputs failed");
        Unpacker u = {.next = data, .left = (size_t)n};
        int r = -(int)unpack_number(&u);
        const char *why = unpack_string(&u);
        names = unpack_strings(&u);
        if (unpack_end(&u) < 0)
                return error_set(e, -EIO, "copying the inputs failed");
        if (r < 0)
                return error_set(e, r, "%s", why ? why : strerror(-r));
        size_t kept = 0;
        for (; r >= 0 && names[kept]; kept += r >= 0) {
                const size_t i = kept;
                _cleanup_free_ char *temporary = temporary_name(request->serial, i);
                int directory = request->blobs->directory;
                const Blob key = {.name = names[i]};
                if (!temporary)
                        r = -ENOMEM;
                else if (tfind(&key, &request->blobs->known, compare_blobs))
                        /* What is there stays: a file that another takes the place of cannot be mounted any more. */
                        r = blob_ref(request->blobs, names[i]);
                else if (renameat(directory, temporary, directory, names[i]) < 0)
                        r = -errno;
                else
                        r = blob_ref(request->blobs, names[i]);
        }
        if (r >= 0)
                r = strv_copy(names, ret);
        if (r >= 0)
                return 0;
        for (size_t i = 0; i < kept; i++)
                blobs_unref(request->blobs, names[i]);
        return store_error("the inputs", r, e);
}

static int on_child(sd_event_source *source _unused_, const siginfo_t *info _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **names = NULL;
        BlobRequest *request = userdata;
        int r = take_result(request, &names, &e);

        if (request->added)
                request->added(r < 0 ? NULL : names, &e, request->userdata);
        else
                for (size_t i = 0; names && names[i]; i++)
                        blobs_unref(request->blobs, names[i]);
        request_free(request);
        return 0;
}

/* The answer does not wait for the process: one that reads a file of FUSE cannot be killed until that answers. */
static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BlobRequest *request = userdata;
        BlobsAdded added = request->added;

        blobs_drop(request);
        error_set(&e, -ETIMEDOUT, "the inputs could not be read within 60 s");
        if (added)
                added(NULL, &e, request->userdata);
        return 0;
}

static int check_requests(const Blobs *blobs, const Tenant *tenant, Error *e)
{
        size_t own = 0;

        for (const BlobRequest *request = blobs->requests; request; request = request->next)
                own += request->tenant == tenant;
        if (own >= REQUESTS_PER_TENANT || blobs->n_requests >= REQUESTS_MAX)
                return error_set(e, -EBUSY, "the inputs of %zu submissions are being copied at this moment; try again",
                                 own >= REQUESTS_PER_TENANT ? own : blobs->n_requests);
        return 0;
}

/* No process, no descriptor: there are too many at this moment. */
static int copy_error(int r, Error *e)
{
        return error_set(e, r == -ENOMEM ? r : -EBUSY, "the inputs cannot be copied at this moment: %s; try again", strerror(-r));
}

int blobs_add(Blobs *blobs, Tenant *tenant, const JailInput *inputs, size_t n, BlobsAdded added, void *userdata,
              BlobRequest **ret, Error *e)
{
        const uint64_t serial = blobs->serial++, room = tenant_input_room(tenant);
        int pipe_fds[2];

        if (check_requests(blobs, tenant, e) < 0)
                return -EBUSY;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return copy_error(-errno, e);
        pid_t pid = fork();
        if (pid == 0) {
                int keep[JAIL_INPUTS_MAX + 2] = {blobs->directory, pipe_fds[1]};
                for (size_t i = 0; i < n; i++)
                        keep[i + 2] = inputs[i].fd;
                close_others(keep, n + 2);
                copy_all(blobs->directory, inputs, n, room, serial, pipe_fds[1]);
        }
        close(pipe_fds[1]);
        BlobRequest *request = pid > 0 ? calloc(1, sizeof *request) : NULL;
        if (!request) {
                int r = pid < 0 ? -errno : -ENOMEM;
                close(pipe_fds[0]);
                if (pid > 0) {
                        kill(pid, SIGKILL);
                        waitpid(pid, NULL, 0);
                }
                return copy_error(r, e);
        }
        *request = (BlobRequest){
                .next = blobs->requests,
                .blobs = blobs,
                .tenant = tenant_ref(tenant),
                .pid = pid,
                .result = pipe_fds[0],
                .added = added,
                .userdata = userdata,
                .serial = serial,
                .n = n,
        };
        blobs->requests = request;
        blobs->n_requests++;
        int r = sd_event_add_child(blobs->event, &request->child, pid, WEXITED, on_child, request);
        if (r >= 0)
                r = sd_event_add_time_relative(blobs->event, &request->deadline, CLOCK_MONOTONIC, COPY_DEADLINE_USEC, 0,
                                               on_deadline, request);
        if (r < 0) {
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                request_free(request);
                return copy_error(r, e);
        }
        *ret = request;
        return 0;
}

int blobs_new(sd_event *event, const char *state_directory, Blobs **ret, Error *e)
{
        _cleanup_close_ int state = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (state < 0)
                return error_errno(e, -errno, "%s", state_directory);
        if (mkdirat(state, "blobs", 0700) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "%s/blobs", state_directory);
        Blobs *blobs = calloc(1, sizeof *blobs);
        if (!blobs)
                return error_oom(e);
        blobs->event = event;
        blobs->directory = openat(state, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        *ret = blobs;
        return blobs->directory < 0 ? error_errno(e, -errno, "%s/blobs", state_directory) : 0;
}

static void free_blob(void *p)
{
        Blob *blob = p;

        free(blob->name);
        free(blob);
}

Blobs *blobs_free(Blobs *blobs)
{
        const struct timespec moment = {.tv_nsec = 10 * 1000000};
        uint64_t until = monotonic_usec() + USEC_PER_SECOND;

        for (BlobRequest *request = blobs->requests; request; request = request->next)
                kill(request->pid, SIGKILL);
        while (blobs->requests) {
                /* One that cannot be killed yet ends when its file answers, and leaves what the next start removes. */
                while (waitpid(blobs->requests->pid, NULL, WNOHANG) == 0 && monotonic_usec() < until)
                        nanosleep(&moment, NULL);
                request_free(blobs->requests);
        }
        tdestroy(blobs->known, free_blob);
        close_fd(blobs->directory);
        free(blobs);
        return NULL;
}

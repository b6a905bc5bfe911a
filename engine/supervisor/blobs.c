/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/blobs.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "engine/supervisor/blob_copy.h"
#include "engine/supervisor/copies.h"

#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_DEADLINE_USEC (60 * USEC_PER_SECOND)
#define REQUESTS_MAX COPIES_MAX
#define REQUESTS_PER_TENANT 64

typedef struct Blob {
        char *name;
        size_t users;
} Blob;

struct BlobRequest {
        BlobRequest *next;
        Blobs *blobs;
        Tenant *tenant;
        Porter *porter;
        sd_event_source *deadline;
        BlobsAdded added;
        void *userdata;
        uint64_t serial;
        size_t n;
        Copy *copy;
};

struct Blobs {
        sd_event *event;
        int directory;
        Porters *porters;
        void *known; /* tsearch(3) of Blob */
        bool held;
        BlobRequest *requests;
        size_t n_requests;
        uint64_t serial;
        Copy *copies; /* shared with porters, by a file */
        int copies_fd;
};

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
        porter_stop(request->porter);
}

static void request_free(BlobRequest *request)
{
        for (BlobRequest **at = &request->blobs->requests; *at; at = &(*at)->next)
                if (*at == request) {
                        *at = request->next;
                        request->blobs->n_requests--;
                        break;
                }
        if (request->porter)
                porter_free(request->porter);
        /* What a copy that failed or was stopped has left. */
        for (size_t i = 0; i < request->n; i++) {
                _cleanup_free_ char *temporary = blob_temporary_name(request->serial, i);
                if (temporary)
                        unlinkat(request->blobs->directory, temporary, 0);
        }
        copy_end(request->blobs->copies, request->copy, tenant_input_room(request->tenant));
        sd_event_source_disable_unref(request->deadline);
        tenant_unref(request->tenant);
        free(request);
}

/* Reads what the porter has packed, and counts the blobs. */
static int take_result(BlobRequest *request, const char *data, size_t size, char ***ret, Error *e)
{
        _cleanup_free_ char **names = NULL;
        Unpacker u = {.next = data, .left = size};
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
                _cleanup_free_ char *temporary = blob_temporary_name(request->serial, i);
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
        return blob_store_error("the inputs", r, e);
}

/* The porter has done what it can; it ends by itself, or when its files let it. */
static void on_copied(const char *result, size_t size, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **names = NULL;
        BlobRequest *request = userdata;
        int r = take_result(request, result, size, &names, &e);

        request->porter = porter_free(request->porter);

        if (request->added)
                request->added(r < 0 ? NULL : names, &e, request->userdata);
        else
                for (size_t i = 0; names && names[i]; i++)
                        blobs_unref(request->blobs, names[i]);
        request_free(request);
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

static int begin(BlobRequest *request, const PorterInput *inputs, Error *e)
{
        int r = sd_event_add_time_relative(request->blobs->event, &request->deadline, CLOCK_MONOTONIC, COPY_DEADLINE_USEC, 0,
                                           on_deadline, request);

        if (r >= 0)
                r = porter_copy(request->porter, inputs, request->n, request->copy, request->serial, on_copied, request);
        return r < 0 ? error_set(e, r == -ENOMEM ? r : -EBUSY, "the inputs cannot be copied at this moment: %s; try again",
                                 strerror(-r))
                     : 0;
}

int blobs_add(Blobs *blobs, Tenant *tenant, Porter *porter, const PorterInput *inputs, size_t n, BlobsAdded added, void *userdata,
              BlobRequest **ret, Error *e)
{
        BlobRequest *request = NULL;
        int r = check_requests(blobs, tenant, e);

        if (r >= 0 && !(request = calloc(1, sizeof *request)))
                r = error_oom(e);
        if (r < 0) {
                porter_free(porter);
                return r;
        }
        *request = (BlobRequest){
                .next = blobs->requests,
                .blobs = blobs,
                .tenant = tenant_ref(tenant),
                .porter = porter,
                .added = added,
                .userdata = userdata,
                .serial = blobs->serial++,
                .n = n,
                .copy = copy_begin(blobs->copies, tenant, tenant_input_room(tenant)),
        };
        blobs->requests = request;
        blobs->n_requests++;
        r = begin(request, inputs, e);
        if (r < 0) {
                request_free(request);
                return r;
        }
        *ret = request;
        return 0;
}

Porters *blobs_porters(const Blobs *blobs)
{
        return blobs->porters;
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
        *blobs = (Blobs){.event = event, .copies_fd = -1};
        blobs->directory = openat(state, "blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        *ret = blobs;
        if (blobs->directory < 0)
                return error_errno(e, -errno, "%s/blobs", state_directory);
        if (!(blobs->copies = copies_new(&blobs->copies_fd)))
                return error_errno(e, -errno, "memory for copies");
        return porters_new(event, blobs->directory, blobs->copies, blobs->copies_fd, &blobs->porters, e);
}

static void free_blob(void *p)
{
        Blob *blob = p;

        free(blob->name);
        free(blob);
}

Blobs *blobs_free(Blobs *blobs)
{
        if (blobs->porters)
                porters_free(blobs->porters);
        while (blobs->requests) {
                blobs->requests->porter = NULL;
                request_free(blobs->requests);
        }
        tdestroy(blobs->known, free_blob);
        close_fd(blobs->directory);
        copies_free(blobs->copies);
        close_fd(blobs->copies_fd);
        free(blobs);
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/porter.h"
#include "engine/supervisor/tenant.h"

#include <systemd/sd-event.h>

/* The inputs of jobs: files named by the SHA-256 of what is in them, one copy of equal ones. They come as descriptors
 * of strangers, which a process of its own has (porter.h): a file system that does not answer, or a file without end, holds up
 * nobody else, and has a deadline. */
typedef struct Blobs Blobs;

/* Opens the directory "blobs" in the state directory, or makes it. */
int blobs_new(sd_event *event, const char *state_directory, Blobs **ret, Error *e);
Blobs *blobs_free(Blobs *blobs); /* returns NULL; copies under way are dropped without a callback */

/* Called once for each blobs_add(). `names` are those of the blobs, in the order of the inputs, each counted once more
 * for the caller; NULL when it failed, and `error` says why: -EINVAL a file is none or cannot be read, whatever it
 * answers; -EFBIG, -EDQUOT they are too large; -ETIMEDOUT; -EIO they cannot be stored. */
typedef void (*BlobsAdded)(char *const *names, const Error *error, void *userdata);

typedef struct BlobRequest BlobRequest;

/* Who takes in descriptors for them. */
Porters *blobs_porters(const Blobs *blobs);

/* Starts copying, at most as many bytes as the tenant has room for. Takes the porter over, who has the descriptors, in any case.
 * -EBUSY: the tenant, or all together, have too many such requests under way. */
int blobs_add(Blobs *blobs, Tenant *tenant, Porter *porter, const PorterInput *inputs, size_t n, BlobsAdded added, void *userdata,
              BlobRequest **ret, Error *e);
/* Forgets a request: its callback does not come any more. */
void blobs_drop(BlobRequest *request);

/* At the start: counts one that is there for a job that needs it. -ENOENT. */
int blobs_adopt(Blobs *blobs, const char *name);
/* Then removes all that nobody has counted. */
void blobs_sweep(Blobs *blobs);

/* Its size. Returns 0 or a negative errno. */
int blobs_size(const Blobs *blobs, const char *name, uint64_t *ret_bytes);

/* While they are held, those that nobody needs any more stay: somebody copies them. */
void blobs_hold(Blobs *blobs, bool held);

/* Opens a blob for reading. Returns a descriptor or a negative errno. */
int blobs_open(const Blobs *blobs, const char *name);

/* Counts a blob down; one that nobody needs is removed. */
void blobs_unref(Blobs *blobs, const char *name);

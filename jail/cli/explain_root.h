/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/policy.h"
#include "jail/root_source.h"

/* The root of a policy's jails, as it is found on this host. One that is not there, or that the caller may not read, is
 * explained as far as its name goes, and `error` says what is in the way of a job. */
typedef struct ExplainedRoot {
        const char *name; /* an absolute path or an image's name; NULL: the host's. Whose it was given by */
        const char *kind; /* "host", "directory", "image-file", "image"; NULL: a path of which nothing is known */
        bool writable;
        RootSource source; /* the host's, where it could not be opened */
        Error error;
} ExplainedRoot;

/* `name` is instead of the policy's root; NULL: that. Both have to live as long as the result. */
void explained_root_find(const JailPolicy *policy, const char *name, ExplainedRoot *ret);
void explained_root_done(ExplainedRoot *root);

/* What it is, in one line, and what stands in an image's configuration and becomes a job's where that does not say
 * otherwise. Owned by the caller; NULL when out of memory, or where there is nothing to say. */
char *explained_root_words(const ExplainedRoot *root);
char *explained_root_job_words(const ExplainedRoot *root);
/* The caller owns it. */
json_object *explained_root_json(const ExplainedRoot *root);

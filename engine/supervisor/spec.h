/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"

/* A job as its submitter wrote it: JSON becomes this struct at the border, and nothing behind it looks at JSON. */
typedef struct JobSpec {
        char *name;   /* or NULL */
        char **command;
        char *policy; /* NULL: the operator's default */
        char **environment; /* NAME=value */
        char *working_directory; /* or NULL */
        char *stdin_text;        /* or NULL */
        JailLimits limits;
        uint64_t priority; /* 0 to 100, higher first */
        char *tenant;      /* NULL: the caller's */
        char **labels;
        char *idempotency_key; /* or NULL */
        struct {
                char *name, *id; /* what the job `id` left in /output is /input/<name>/ */
        } *after;                /* NULL: none; most jobs have none, and there may be a million of them */
        size_t n_after;
        struct {
                uint64_t count;    /* members; 0: it is no array */
                uint64_t parallel; /* so many of them run at a time; 0: all */
        } array;
        uint64_t cache_usec;    /* a result of the same run order may be so old; 0: it is run in any case */
        uint64_t deadline_usec; /* after the submission; 0: none */
        struct {
                uint64_t attempts;     /* at most so many end without success */
                uint64_t backoff_usec; /* before the second; twice as long before each that follows */
                unsigned on;           /* a set of JailReason: what is worth another attempt */
        } retry;
        char *text;        /* the whole of it as JSON, to show */
} JobSpec;

#define ARRAY_MAX 10000
#define PRIORITY_MAX 100
#define PRIORITY_DEFAULT 50

/* Reads one job. The caller frees `*ret` with spec_done(). Errors: -EINVAL with the path of the key; -ENOSYS for what
 * is not built yet. */
int spec_parse(const char *text, JobSpec *ret, Error *e);
/* Parses its text alone, which may be a stranger's. */
int spec_parse_text(const char *text, json_object **ret, Error *e);
void spec_done(JobSpec *spec);

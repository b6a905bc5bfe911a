/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"

/* A policy in the making: what its base permits and what was learnt, item by item, so that each can be left out. What a
 * base forbids or demands (hidden paths, required layers, limits) is not an item, and stays as it is. */

typedef enum DraftKind {
        DRAFT_CALL,
        DRAFT_EXECUTE,
        DRAFT_READ_ONLY,
        DRAFT_WRITABLE,
        DRAFT_TMPFS,
        DRAFT_DEVICE,
        DRAFT_CAPABILITY,
        DRAFT_PROC, /* DRAFT_ALL_OF_PROC, the one of its kind: without it, /proc has processes alone */
        DRAFT_KIND_MAX,
} DraftKind;

#define DRAFT_ALL_OF_PROC "/proc"

typedef struct DraftItem {
        DraftKind kind;
        char *name;
        bool used; /* a recording has seen it used; otherwise it is only the base's */
        bool in;   /* it is in the policy as it stands */
        bool guessed; /* it was put back with others of which one is needed */
} DraftItem;

typedef struct Draft {
        json_object *base; /* resolved */
        DraftItem *items;
        size_t n_items;
} Draft;

/* All of the base is in. Error: -EINVAL where the base does not list its system calls by name. */
int draft_from_policy(const JailPolicy *base, Draft *ret, Error *e);
void draft_done(Draft *draft);

/* Another root than the base's: "host", an absolute path or the name of an image. Error: -ENOMEM. */
int draft_set_root(Draft *draft, const char *root);

/* Marks an item as used, and puts it in if it is not there; `*ret_new` (may be NULL): whether it was. */
int draft_use(Draft *draft, DraftKind kind, const char *name, bool *ret_new);

/* As it was before anything was taken out. */
void draft_put_all_in(Draft *draft);

/* NULL where there is none of the name. */
DraftItem *draft_find(const Draft *draft, DraftKind kind, const char *name);

size_t draft_count(const Draft *draft, DraftKind kind);

/* The policy of the items that are in, but for `without` (indices; may be NULL). Errors: of jail_policy_from_text(). */
int draft_policy(const Draft *draft, const size_t *without, size_t n_without, JailPolicy **ret, Error *e);

/* What a policy gives by default, and the most that a job may ask for. */
typedef struct DraftLimits {
        const JailLimits *defaults, *ceilings; /* not owned */
} DraftLimits;

/* The same as a file that people read: system calls in `groups` (as of syscall_groups_load()), comments, these limits.
 * Owned by the caller; NULL when out of memory. */
char *draft_text(const Draft *draft, json_object *groups, const DraftLimits *limits, const char *description);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* The host's ids behind those of a jail. Each jail that runs on this host has ids of its own, so that no two jails share
 * an owner, a process count or a right to send signals; where that cannot be had, they share their caller's. */

typedef enum IdsKind {
        IDS_RANGE,       /* as root of the host: 65,536 ids that no user has */
        IDS_SUBORDINATE, /* as a user with a line in /etc/subuid and /etc/subgid: three of those, by newuidmap(1) */
        IDS_CALLER,      /* as any user, or root of a user namespace: the job is the caller, and the jail has no other id */
} IdsKind;

/* For root. They lie clear of /etc/subuid (from 100000) and of systemd-nspawn (0x00080000 to 0x6fffffff;
 * https://systemd.io/UIDS-GIDS). */
#define IDS_FIRST UINT32_C(0x70000000)
#define IDS_PER_JAIL UINT32_C(0x10000)
#define IDS_RANGES UINT32_C(0x1000) /* up to 0x7fffffff: the upper half is not for ids (-1 among them) */

typedef struct Ids {
        IdsKind kind;
        uint32_t uid, gid; /* the first ones of the host */
        int fd;            /* which holds them; -1: nothing does */
        int user;          /* a user namespace with these ids, of root's jails; -1: there is none yet */
        unsigned jails;    /* so many have had both, and have ended */
} Ids;

/* The ids inside of a jail. Where there is but one, it is the job's, and those that serve it have it, too. */
enum {
        JAIL_ROOT_ID = 0,      /* the reaper */
        JAIL_AGENT_ID = 1000,  /* the job */
        JAIL_UNPACK_ID = 1001, /* unpacks archives: what it leaves, the job can only read */
};

static inline uint32_t ids_inside(IdsKind kind, uint32_t id)
{
        return kind == IDS_CALLER ? JAIL_AGENT_ID : id;
}

/* What an id inside is to the process that builds the jail: as root it still has the host's ids; as a user, the jail's. */
static inline uint32_t ids_here(const Ids *ids, uint32_t id)
{
        return ids->kind == IDS_RANGE ? ids->uid + id : ids_inside(ids->kind, id);
}

#define IDS_NULL ((Ids){.fd = -1, .user = -1})

/* What this process can give to jails. */
IdsKind ids_kind(void);

/* Takes ids that no other jail of this host has, starting the search at the number `*hint`, which becomes the next one.
 * They are held as long as any process holds the descriptor, and given back by the kernel then, whatever happened to its
 * holders. Errors: -EAGAIN all are taken; -EPERM the caller's one id is that of root outside of our user namespace; others
 * of the file that keeps them. */
int ids_take(IdsKind kind, uint32_t *hint, Ids *ret, Error *e);

/* Gives them back. */
void ids_done(Ids *ids);

/* Writes the maps of a process that is in a new user namespace. */
int ids_map(const Ids *ids, pid_t pid, Error *e);

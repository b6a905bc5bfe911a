/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"
#include "engine/base/error.h"
#include "engine/supervisor/copies.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* Porters take what clients hand in. A descriptor may be of anything: its file system may not answer when it is read, and neither
 * when it is closed (each close of a file of FUSE waits for FUSE_FLUSH, whatever signals come, and so does the end of a process that
 * has it, and of each that was forked meanwhile). So the supervisor never has one. Where a client's message brings some, which
 * shows before it is read, a process is forked (nursery.h) that takes them from the socket, copies those that are inputs, and ends; when
 * it cannot, it is that process alone that stays, on its user's account. */
typedef struct Porters Porters;
typedef struct Porter Porter;

#define PORTERS_PER_USER 128 /* twice as many with those to refuse, or to close */
#define PORTERS_OF_BUS 512   /* of a connection with many users; the same holds */
#define PORTERS_OF_NOBODY 256 /* of those, such as took a message before it was known whose it is: others are left for users that are known */
#define PORTER_NOBODY ((uid_t)-1)

/* Copies go to the directory, and are counted; all are borrowed (copies.h). -ENOENT and others: no process can be had for them. */
int porters_new(sd_event *event, int directory, Copy *copies, int copies_fd, Porters **ret, Error *e);
/* Ends them all, without their answers; one that copies has a second for it. Returns NULL. */
Porters *porters_free(Porters *porters);

/* How many descriptors porters of this user have that are still wanted. */
size_t porters_fds(const Porters *porters, uid_t uid);

/* Asks for one; PORTER_NOBODY: whose message it is, is not known yet, since it comes over a message bus. -EDQUOT too many of this user
 * have not ended, or of messages of which that was not known; -EBUSY too many over the bus; -EAGAIN and others: no process can be had
 * at this moment. */
int porter_new(Porters *porters, uid_t uid, bool of_bus, Porter **ret, Error *e);
/* The same for a message that is refused: there may be twice as many. */
int porter_to_refuse(Porters *porters, uid_t uid, bool of_bus, Porter **ret, Error *e);
/* For a socket with descriptors that nobody takes any more: closed by a process, as soon as one can be had. Takes it over. Who has
 * another descriptor of it closes that before the event loop goes on. */
void porters_close(Porters *porters, uid_t uid, bool of_bus, int socket);
/* Nobody needs it: it is ended, and nothing is heard of it any more. Returns NULL. */
Porter *porter_free(Porter *porter);
DEFINE_CLEANUP(Porter, porter_free)
void porter_belongs_to(Porter *porter, uid_t uid);
size_t porter_n_fds(const Porter *porter);

/* It takes so many bytes from the socket, which are known already, and the descriptors that come with them; it has the socket no
 * longer when the answer comes: 0, or a negative errno. -ECHILD: it could not be started, and has taken nothing. The socket stays
 * the caller's, and open until then, or until the porter is freed. */
typedef void (*PorterTook)(int error, void *userdata);
int porter_take(Porter *porter, int socket, size_t size, PorterTook took, void *userdata);

/* An input: a name, and which of the descriptors it is. */
typedef struct PorterInput {
        const char *name;
        size_t index;
} PorterInput;

/* It copies inputs (blob_copy.h), counts their bytes in one of the porters' counts, and ends. The answer is what was packed there, or nothing, and comes once. */
typedef void (*PorterCopied)(const char *result, size_t size, void *userdata);
int porter_copy(Porter *porter, const PorterInput *inputs, size_t n, const Copy *count, uint64_t serial, PorterCopied copied, void *userdata);
/* Whatever it does, it is not wanted. The answer comes all the same, when the process is gone. */
void porter_stop(Porter *porter);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"
#include "engine/base/error.h"

#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* The nursery is a small process, the program skep-nursery, from which porters are forked (porter.h). To fork the supervisor takes the
 * longer the more jobs it knows; and a porter that cannot end would keep all its memory as it was at that moment. What the nursery forks are
 * children of the supervisor all the same: they end with him, he hears when they have ended, and nothing happens to them when
 * the nursery ends. When that does, another one is started as soon as somebody asks for a porter; who waits for one has to ask again. */
typedef struct Nursery Nursery;

/* Starts it. Its porters copy into the directory, and count in the memory of `copies` (copies.h); both stay the caller's. */
int nursery_new(sd_event *event, int directory, int copies, Nursery **ret, Error *e);
/* What it was asked for is waited for, not long. Who still waits then is told that there is none. Returns NULL. */
Nursery *nursery_free(Nursery *nursery);

/* Who asks for a porter; the caller's, and there until it is answered. */
typedef struct NurseryRequest {
        STAILQ_ENTRY(NurseryRequest) entry;
        void (*born)(pid_t pid, void *userdata); /* once: a child of ours; or a negative errno, when there is none */
        void *userdata;
} NurseryRequest;

/* A porter at the other end of this wire, which may be closed then. -EAGAIN and others: not now. */
int nursery_ask(Nursery *nursery, NurseryRequest *request, int wire, Error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/protocol.h"

#include <errno.h>
#include <string.h>

#define SMALL ((size_t)4 << 10)

typedef struct MessageRule {
        WorkerSide sender;
        size_t size_max;
} MessageRule;

static const MessageRule rules[WORKER_MESSAGE_MAX_KIND] = {
        [WORKER_HELLO] = {SIDE_WORKER, SMALL},       [WORKER_WELCOME] = {SIDE_SUPERVISOR, SMALL},
        [WORKER_POLICY] = {SIDE_SUPERVISOR, SMALL},  [WORKER_RUN] = {SIDE_SUPERVISOR, SMALL},
        [WORKER_CANCEL] = {SIDE_SUPERVISOR, SMALL},  [WORKER_STOP] = {SIDE_SUPERVISOR, SMALL},
        [WORKER_STARTED] = {SIDE_WORKER, SMALL},     [WORKER_REPORT] = {SIDE_WORKER, WORKER_MESSAGE_MAX},
};

bool worker_message_allowed(WorkerMessage kind, WorkerSide sender, size_t size)
{
        return kind > 0 && kind < WORKER_MESSAGE_MAX_KIND && rules[kind].sender == sender &&
               size <= rules[kind].size_max;
}

void run_order_pack(Packer *p, const RunOrder *o)
{
        pack_string(p, o->job);
        pack_number(p, o->attempt);
        pack_string(p, o->policy_digest);
        pack_strings(p, o->command);
        pack_strings(p, o->environment);
        pack_string(p, o->working_directory);
        pack_bytes(p, &o->limits, sizeof o->limits);
        pack_number(p, o->allow_missing);
        pack_strings(p, o->inputs);
}

int run_order_unpack(const void *data, size_t size, RunOrder *o)
{
        Unpacker u = {.next = data, .left = size};
        size_t limits_size;

        *o = (RunOrder){0};
        o->job = unpack_string(&u);
        o->attempt = unpack_number(&u);
        o->policy_digest = unpack_string(&u);
        o->command = unpack_strings(&u);
        o->environment = unpack_strings(&u);
        o->working_directory = unpack_string(&u);
        const void *limits = unpack_bytes(&u, &limits_size);
        o->allow_missing = (JailLayers)unpack_number(&u);
        o->inputs = unpack_strings(&u);
        if (unpack_end(&u) < 0 || !o->job || !o->policy_digest || limits_size != sizeof o->limits) {
                run_order_done(o);
                return -EBADMSG;
        }
        memcpy(&o->limits, limits, sizeof o->limits);
        return 0;
}

void run_order_done(RunOrder *o)
{
        free(o->command);
        free(o->environment);
        free(o->inputs);
        *o = (RunOrder){0};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/plan.h"

#include "engine/base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Both directions walk the same list of members, so that they cannot differ. */
typedef struct Walk {
        Packer *packer; /* or, when reading: */
        Unpacker *unpacker;
} Walk;

static void walk_number(Walk *w, uint64_t *value)
{
        if (w->packer)
                pack_number(w->packer, *value);
        else
                *value = unpack_number(w->unpacker);
}

static void walk_string(Walk *w, const char **value)
{
        if (w->packer)
                pack_string(w->packer, *value);
        else
                *value = unpack_string(w->unpacker);
}

static void walk_strings(Walk *w, char ***value)
{
        if (w->packer)
                pack_strings(w->packer, *value);
        else
                *value = unpack_strings(w->unpacker);
}

static void walk_bytes(Walk *w, const void **data, size_t *size)
{
        if (w->packer)
                pack_bytes(w->packer, *data, *size);
        else
                *data = unpack_bytes(w->unpacker, size);
}

static void walk_plan(Walk *w, Plan *plan)
{
        uint64_t waits = plan->waits, waits_filtered = plan->waits_filtered, controllers = plan->controllers, listen = plan->listen, ids = plan->ids, root = plan->root,
                 proc_pid = plan->proc_pid, writable_root = plan->writable_root, watch = plan->watch, message_queues = plan->message_queues, sockets = plan->sockets,
                 ipc_objects = plan->ipc_objects, makes_directory = plan->makes_directory, abi = (uint64_t)plan->landlock_abi;
        const void *limits = &plan->limits;
        size_t limits_size = sizeof plan->limits;

        walk_bytes(w, &limits, &limits_size);
        if (w->unpacker && limits && limits_size == sizeof plan->limits)
                memcpy(&plan->limits, limits, sizeof plan->limits);
        else if (w->unpacker)
                w->unpacker->failed = true;
        walk_number(w, &waits);
        walk_number(w, &waits_filtered);
        walk_number(w, &controllers);
        walk_number(w, &listen);
        walk_number(w, &watch);
        walk_number(w, &abi);
        walk_number(w, &ids);
        walk_number(w, &root);
        walk_number(w, &proc_pid);
        walk_number(w, &writable_root);
        walk_number(w, &message_queues);
        walk_number(w, &sockets);
        walk_number(w, &ipc_objects);
        walk_number(w, &makes_directory);
        plan->waits = waits != 0;
        plan->waits_filtered = waits_filtered != 0;
        plan->root = (RootKind)root;
        plan->proc_pid = proc_pid != 0;
        plan->writable_root = writable_root != 0;
        plan->message_queues = message_queues != 0;
        plan->sockets = sockets != 0;
        plan->ipc_objects = ipc_objects != 0;
        plan->makes_directory = makes_directory != 0;
        plan->ids = (IdsKind)ids;
        plan->controllers = (unsigned)controllers;
        plan->listen = listen != 0;
        plan->watch = (JailWatch)watch;
        plan->landlock_abi = (int)abi;
        walk_number(w, &plan->linger_usec);
        walk_number(w, &plan->capabilities);
        walk_number(w, &plan->binds_writable);
        walk_strings(w, &plan->command);
        walk_strings(w, &plan->environment);
        walk_string(w, &plan->working_directory);
        walk_bytes(w, &plan->filter, &plan->filter_size);
        walk_bytes(w, &plan->unpack_filter, &plan->unpack_filter_size);
        walk_bytes(w, &plan->refusals, &plan->refusals_size);
        walk_strings(w, &plan->read_only);
        walk_strings(w, &plan->writable);
        walk_strings(w, &plan->tmpfs);
        walk_strings(w, &plan->hidden);
        walk_strings(w, &plan->execute);
        walk_strings(w, &plan->devices);
        walk_strings(w, &plan->inputs);
        walk_strings(w, &plan->binds);
}

void plan_pack(Packer *p, const Plan *plan)
{
        Plan copy = *plan;

        walk_plan(&(Walk){.packer = p}, &copy);
}

int plan_unpack(const void *data, size_t size, Plan *plan)
{
        Unpacker u = {.next = data, .left = size};

        *plan = (Plan){0};
        walk_plan(&(Walk){.unpacker = &u}, plan);
        int r = unpack_end(&u);
        if (r >= 0 && !plan->waits && (!plan->command || !plan->command[0] || !plan->working_directory))
                r = -EBADMSG;
        if (r < 0)
                plan_done(plan);
        return r;
}

void plan_done(Plan *plan)
{
        free(plan->command);
        free(plan->environment);
        free(plan->read_only);
        free(plan->writable);
        free(plan->tmpfs);
        free(plan->hidden);
        free(plan->execute);
        free(plan->devices);
        free(plan->inputs);
        free(plan->binds);
        *plan = (Plan){0};
}

int plan_file_open(int fd, PlanFile *ret)
{
        PlanFile file = {0};
        int r = map_file(fd, PLAN_SIZE_MAX, &file.data, &file.size);

        if (r >= 0 && (r = plan_unpack(file.data, file.size, &file.plan)) < 0)
                plan_file_done(&file);
        *ret = file;
        return r;
}

void plan_file_done(PlanFile *file)
{
        plan_done(&file->plan);
        if (file->data)
                munmap((void *)file->data, file->size);
        *file = (PlanFile){0};
}

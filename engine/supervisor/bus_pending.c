/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls that are answered later. A Wait hangs on each of its jobs, so that the end of a job costs nothing for those who
 * wait for others; when one has ended, it is answered and goes, so that nobody waits for a job that has ended. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>

#define STORE_SLOW_USEC (500 * USEC_PER_MSEC)

struct BusWaiter {
        BusPending *pending;
        Job *job;
        struct BusWaiter *next, **at; /* in the list of the job */
};

BusPending *bus_pending_new(BusClient *client, sd_bus_message *message)
{
        const Config *config = supervisor_config(client->link->owner->supervisor);
        const uint64_t bytes = client->link->load->bytes, fds = client->link->load->n_fds;
        BusPending *p = client->n_pending < config->clients.calls ? calloc(1, sizeof *p) : NULL;

        if (!p || client->user->awaited_bytes + bytes > config->clients.memory_bytes ||
            client->user->awaited_fds + fds > BUS_FDS_PER_USER) {
                sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                           "at most %" PRIu64 " calls of one client may wait for their answer, and %" PRIu64
                                           " bytes and %d descriptors of one user's",
                                           config->clients.calls, config->clients.memory_bytes, BUS_FDS_PER_USER);
                free(p);
                return NULL;
        }
        *p = (BusPending){.next = client->pending,
                          .client = client,
                          .message = sd_bus_message_ref(message),
                          .bytes = bytes,
                          .fds = fds};
        client->pending = p;
        client->n_pending++;
        client->user->awaited_bytes += bytes;
        client->user->awaited_fds += fds;
        return p;
}

static void free_waiters(BusPending *p)
{
        for (size_t i = 0; i < p->n_waiters; i++) {
                struct BusWaiter *w = &p->waiters[i];
                *w->at = w->next;
                if (w->next)
                        w->next->at = w->at;
        }
        p->client->user->n_awaited -= p->n_waiters;
        free(p->waiters);
}

BusPending *bus_pending_free(BusPending *p)
{
        for (BusPending **at = &p->client->pending; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        p->client->n_pending--;
                        p->client->user->awaited_bytes -= p->bytes;
                        p->client->user->awaited_fds -= p->fds;
                        break;
                }
        if (p->is_stored)
                supervisor_forget_stored(p->client->link->owner->supervisor, p);
        if (p->is_backup)
                supervisor_drop_backup(p->client->link->owner->supervisor);
        free_waiters(p);
        sd_event_source_disable_unref(p->timeout);
        sd_bus_slot_unref(p->slot);
        sd_bus_message_unref(p->message);
        free(p);
        return NULL;
}

/* ---- what changes something ---- */

static void on_stored(Supervisor *supervisor _unused_, void *userdata)
{
        BusPending *p = userdata;

        p->is_stored = false; /* it is over */
        sd_bus_reply_method_return(p->message, NULL);
        bus_pending_free(p);
}

/* Answers with that where the store cannot be written. */
static bool answer_trouble(BusPending *p)
{
        const char *trouble = supervisor_store_trouble(p->client->link->owner->supervisor);

        if (!trouble)
                return false;
        sd_bus_reply_method_errorf(p->message, BUS_ERROR("StoreFailed"),
                                   "it is done, and would be undone if the engine had to start again now: %s", trouble);
        bus_pending_free(p);
        return true;
}

/* That shows only when it is tried. */
static int on_store_slow(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        if (answer_trouble(userdata))
                return 0;
        int r = sd_event_source_set_time_relative(source, STORE_SLOW_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int bus_pending_store(BusPending *p)
{
        const Bus *bus = p->client->link->owner;

        if (answer_trouble(p))
                return 1;
        int r = supervisor_when_stored(bus->supervisor, on_stored, p);
        p->is_stored = r >= 0;
        if (r >= 0)
                r = sd_event_add_time_relative(bus->event, &p->timeout, CLOCK_MONOTONIC, STORE_SLOW_USEC, 0, on_store_slow, p);
        if (r < 0)
                bus_pending_free(p);
        return r < 0 ? r : 1;
}

/* ---- Wait ---- */

/* Those of the jobs that have ended, with their states. */
static int reply_ended(sd_bus_message *message, Job *const *jobs, size_t n)
{
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(message, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (job_state_is_final(jobs[i]->state))
                        r = sd_bus_message_append(reply, "(ss)", jobs[i]->id.text, job_state_name(jobs[i]->state));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

static int on_wait_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        BusPending *p = userdata;

        reply_ended(p->message, NULL, 0);
        bus_pending_free(p);
        return 0;
}

static void hang_on(BusPending *p, Job *const *jobs, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct BusWaiter *w = &p->waiters[i];
                *w = (struct BusWaiter){
                        .pending = p, .job = jobs[i], .next = jobs[i]->waiters, .at = &jobs[i]->waiters};
                if (w->next)
                        w->next->at = &w->next;
                jobs[i]->waiters = w;
        }
        p->n_waiters = n;
        p->client->user->n_awaited += n;
}

int bus_pending_wait(BusClient *client, sd_bus_message *message, Job *const *jobs, size_t n, uint64_t timeout_usec)
{
        bool any = timeout_usec == 0;

        for (size_t i = 0; i < n && !any; i++)
                any = job_state_is_final(jobs[i]->state);
        if (any)
                return reply_ended(message, jobs, n);
        BusPending *p = bus_pending_new(client, message);
        if (!p)
                return 1;
        p->waiters = calloc(n ? n : 1, sizeof *p->waiters);
        /* What lies beyond the clock's range waits for ever. */
        int r = !p->waiters ? -ENOMEM
                : timeout_usec > UINT64_MAX / 4
                        ? 0
                        : sd_event_add_time_relative(client->link->owner->event, &p->timeout, CLOCK_MONOTONIC,
                                                     timeout_usec, 0, on_wait_timeout, p);
        if (r < 0) {
                bus_pending_free(p);
                return r;
        }
        hang_on(p, jobs, n);
        return 1;
}

static void answer_wait(BusPending *p)
{
        Job **jobs = calloc(p->n_waiters, sizeof *jobs);

        for (size_t i = 0; jobs && i < p->n_waiters; i++)
                jobs[i] = p->waiters[i].job;
        if (!jobs || reply_ended(p->message, jobs, p->n_waiters) < 0)
                sd_bus_reply_method_errno(p->message, -ENOMEM, NULL);
        free(jobs);
        bus_pending_free(p);
}

void bus_pending_finished(Job *job)
{
        while (job->waiters)
                answer_wait(job->waiters->pending);
}

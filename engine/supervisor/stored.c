/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What has to wait until something is on the disk: the acknowledgement of a report, the answer to a client, the removal of
 * what a job has left. Commits come in the order in which they were asked for, and so do these. */

#include "engine/supervisor/supervisor_private.h"

#include <stdlib.h>

struct Awaited {
        STAILQ_ENTRY(Awaited) next;
        SupervisorStored done; /* NULL: nobody waits for it any more */
        void *userdata;
        bool owned; /* it is ours to free */
};

static void awaited_free(struct Awaited *a)
{
        if (a->owned)
                free(a->userdata);
        free(a);
}

static struct Awaited *take_first(Supervisor *s)
{
        struct Awaited *a = STAILQ_FIRST(&s->awaited);

        STAILQ_REMOVE_HEAD(&s->awaited, next);
        return a;
}

static void on_stored(const Error *error _unused_, void *userdata)
{
        Supervisor *s = userdata;
        struct Awaited *a = take_first(s);

        if (a->done)
                a->done(s, a->userdata);
        awaited_free(a);
}

static int add(Supervisor *s, SupervisorStored done, void *userdata, bool owned)
{
        struct Awaited *a = malloc(sizeof *a);

        if (!a)
                return -ENOMEM;
        *a = (struct Awaited){.done = done, .userdata = userdata, .owned = owned};
        STAILQ_INSERT_TAIL(&s->awaited, a, next);
        store_sync(s->store, on_stored, s);
        return 0;
}

int supervisor_when_stored(Supervisor *s, SupervisorStored done, void *userdata)
{
        return add(s, done, userdata, false);
}

void stored_then(Supervisor *s, SupervisorStored done, void *userdata)
{
        if (add(s, done, userdata, true) < 0)
                free(userdata);
}

void supervisor_forget_stored(Supervisor *s, const void *userdata)
{
        struct Awaited *a;

        STAILQ_FOREACH(a, &s->awaited, next)
                if (a->userdata == userdata)
                        a->done = NULL;
}

void stored_end(Supervisor *s)
{
        while (!STAILQ_EMPTY(&s->awaited))
                awaited_free(take_first(s));
}

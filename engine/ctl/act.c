/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands that change something and have nothing to show: a method each. */

#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"

#include <string.h>

typedef struct Action {
        const char *command, *method;
        bool of_jobs; /* takes ids, one call each */
} Action;

static const Action actions[] = {
        {"cancel", "Cancel", true}, {"hold", "Hold", true},   {"release", "Release", true}, {"requeue", "Requeue", true},
        {"rm", "Forget", true},     {"pause", "Pause", false}, {"resume", "Resume", false},  {"drain", "Drain", false},
};

int command_act(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        const Action *action = actions;
        int r;

        while (strcmp(action->command, argv[0]) != 0)
                action++;
        if (action->of_jobs && argc < 2)
                return error_set(e, -EINVAL, "which job? skepctl %s ID...", argv[0]);
        if (!action->of_jobs && argc > 1)
                return error_set(e, -EINVAL, "%s: skepctl %s takes no words", argv[1], argv[0]);
        if ((r = client_connect(context->address, &bus, e)) < 0)
                return r;
        if (!action->of_jobs)
                return client_call(bus, NULL, e, action->method, "");
        for (int i = 1; i < argc; i++)
                if ((r = client_call(bus, NULL, e, action->method, "s", argv[i])) < 0)
                        return error_prefix(e, "%s", argv[i]), r;
        return 0;
}

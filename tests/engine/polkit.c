/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* polkit ADDRESS ANSWERS LOG: stands in for polkit on a private bus. ANSWERS is a file with "yes", "no" or "wait" (never
 * answers), read at each question; each question is a line in LOG: the action, the kind of subject, its name, the flags. */

#include "tests/engine/stand_in.h"

#include <stdio.h>
#include <string.h>

static const char *answers, *log_file;

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *kind, *key, *name, *action, *cancellation;
        char answer[16] = "";
        uint32_t flags;
        FILE *f = fopen(answers, "r");
        int r;

        (void)userdata;
        (void)error;
        if (f) {
                if (!fgets(answer, sizeof answer, f))
                        answer[0] = '\0';
                fclose(f);
        }
        if ((r = sd_bus_message_enter_container(m, 'r', "sa{sv}")) < 0 || (r = sd_bus_message_read(m, "s", &kind)) < 0 ||
            (r = sd_bus_message_read(m, "a{sv}", 1, &key, "s", &name)) < 0 || (r = sd_bus_message_exit_container(m)) < 0 ||
            (r = sd_bus_message_read(m, "s", &action)) < 0 || (r = sd_bus_message_skip(m, "a{ss}")) < 0 ||
            (r = sd_bus_message_read(m, "us", &flags, &cancellation)) < 0)
                return r;
        f = fopen(log_file, "a");
        if (f) {
                fprintf(f, "%s %s %s=%s %u\n", action, kind, key, name, flags);
                fclose(f);
        }
        if (strncmp(answer, "wait", 4) == 0)
                return 1;
        return sd_bus_reply_method_return(m, "(bba{ss})", strncmp(answer, "yes", 3) == 0, 0, 0);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(int argc, char **argv)
{
        if (argc < 4)
                return 2;
        answers = argv[2];
        log_file = argv[3];
        return stand_in(argv[1], "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                        "org.freedesktop.PolicyKit1.Authority", vtable, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-launcher: the launcher as a program of its own, for callers with threads, with much memory or with secrets. */

#include "jail/launcher.h"
#include "jail/plan.h"

#include <stdio.h>
#include <sys/stat.h>

int main(int argc, char **argv _unused_)
{
        Launcher *launcher;
        struct stat st;

        if (argc != 1 || fstat(LAUNCHER_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
                fprintf(stderr, "skep-launcher is started by the programs that make jails, not by hand.\n");
                return 125;
        }
        umask(022); /* the modes of what it makes are meant as they stand */
        if (launcher_new(LAUNCHER_SOCKET_FD, false, &launcher) < 0)
                return 1;
        while (launcher_dispatch(launcher, -1))
                ;
        launcher_free(launcher);
        return 0;
}

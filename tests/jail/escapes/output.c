/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trees left in /output, hostile to whoever collects them. What comes out of it is judged outside: plain files and
 * directories within the limits, and nothing of the host's in them. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

static bool enter_output(void)
{
        return chdir("/output") == 0 && access(".", W_OK) == 0;
}

static Verdict none(Attempt *a)
{
        return not_applicable(a, "there is no /output to be collected");
}

static void put(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
                close(fd);
}

static Verdict left_links(Attempt *a)
{
        char path[PATH_ROOM];

        if (!enter_output())
                return none(a);
        int n = symlink(host_path(a, "secret", path), "secret") == 0;
        n += symlink("/etc/shadow", "shadow") == 0;
        n += symlink("/", "root") == 0;
        n += symlink(given(a, "place"), "place") == 0;
        n += symlink("../../../../../../../../../etc/passwd", "passwd") == 0;
        n += symlink("loop", "loop") == 0;
        put("plain", "plain");
        return held(a, "%d links were left", n);
}

static Verdict left_nodes(Attempt *a)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/output/socket"};

        if (!enter_output())
                return none(a);
        int n = mkfifo("fifo", 0666) == 0;
        n += mknod("disk", S_IFBLK | 0666, makedev(254, 0)) == 0;
        n += mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        n += fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        put("plain", "plain");
        return held(a, "%d nodes were left", n);
}

static Verdict left_names(Attempt *a)
{
        static const char *const names[] = {"-rf", "new\nline", "\033]0;title\007", "\xff\xfe\xfd", "...", " ", "~",
                                            "a\\b", "$(id)", "con", ("\xe2\x80\xae" "gnp"), "*"};
        char name[256];
        size_t n = 0;

        if (!enter_output())
                return none(a);
        memset(name, 'n', 255);
        name[255] = '\0';
        put(name, "plain");
        for (; n < ELEMENTS(names); n++)
                put(names[n], "plain");
        return held(a, "%zu names were left", n + 1);
}

static Verdict left_holes(Attempt *a)
{
        if (!enter_output())
                return none(a);
        int fd = open("hole", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        int r = ftruncate(fd, (off_t)1 << 40);
        return held(a, "a file of 1 TiB: %s", r < 0 ? strerrorname_np(errno) : "left");
}

static Verdict left_second_names(Attempt *a)
{
        char name[16];
        int n = 0;

        if (!enter_output())
                return none(a);
        int fd = open("big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        static char block[1 << 20];
        for (int i = 0; i < 16; i++)
                if (write(fd, block, sizeof block) < 0)
                        break;
        for (; n < 500; n++) {
                snprintf(name, sizeof name, "big-%d", n);
                if (link("big", name) < 0)
                        break;
        }
        return held(a, "%d names of a file of 16 MiB were left", n);
}

static Verdict left_many(Attempt *a)
{
        char name[16];
        int n = 0;

        if (!enter_output())
                return none(a);
        for (; n < 20000; n++) {
                snprintf(name, sizeof name, "f%d", n);
                int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                if (fd < 0)
                        break;
                close(fd);
        }
        return n < 20000 ? held(a, "%d files: %s", n, strerrorname_np(errno)) : escaped(a, "%d files", n);
}

static Verdict left_deep(Attempt *a)
{
        int n = 0;

        if (!enter_output())
                return none(a);
        for (; n < 3000; n++)
                if (mkdir("directory", 0755) < 0 || chdir("directory") < 0)
                        break;
        put("plain", "plain");
        return held(a, "%d directories, one in the other, were left", n);
}

static Verdict left_modes(Attempt *a)
{
        if (!enter_output())
                return none(a);
        put("closed", "plain");
        mkdir("closed-directory", 0755);
        put("closed-directory/file", "plain");
        put("program", "#!/bin/sh\n");
        chmod("closed", 0);
        chmod("closed-directory", 0);
        chmod("program", 0755);
        chmod("program", 06755);
        mkdir("sticky", 0755);
        chmod("sticky", 07777);
        return held(a, "files without rights, and with too many, were left");
}

/* A directory of which a second process makes a link, again and again, until it is killed. */
static Verdict left_moving(Attempt *a)
{
        char path[PATH_ROOM];

        if (!enter_output())
                return none(a);
        host_path(a, ".", path);
        mkdir("moving", 0755);
        put("moving/secret", "plain");
        if (fork() == 0)
                for (;;) {
                        rename("moving", "aside");
                        symlink(path, "moving");
                        unlink("moving");
                        rename("aside", "moving");
                }
        sleep_msec(50);
        return held(a, "a directory was left that becomes a link");
}

const Attack attacks_by_output[] = {
        {"output-links", "leave links to files of the host", left_links, NULL, COLLECTED, NULL},
        {"output-nodes", "leave a FIFO, a socket and devices", left_nodes, NULL, COLLECTED, NULL},
        {"output-names", "leave names with control characters", left_names, NULL, COLLECTED, NULL},
        {"output-hole", "leave a file of 1 TiB without content", left_holes, NULL, COLLECTED, NULL},
        {"output-second-names", "leave a big file under 500 names", left_second_names, NULL, COLLECTED, NULL},
        {"output-many", "leave more files than are permitted", left_many, NULL, COLLECTED, NULL},
        {"output-deep", "leave a path longer than a path can be", left_deep, NULL, COLLECTED, NULL},
        {"output-modes", "leave set user id, and files nobody may read", left_modes, NULL, COLLECTED, NULL},
        {"output-moving", "leave a directory that becomes a link", left_moving, NULL, COLLECTED, NULL},
        {0},
};

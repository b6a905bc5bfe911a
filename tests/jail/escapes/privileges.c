/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Becoming somebody else, and having rights again. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static Verdict become_another(Attempt *a)
{
        static const uid_t ids[] = {0, 1, 1001, 65534};
        uid_t own = getuid();

        for (size_t i = 0; i < ELEMENTS(ids); i++)
                if (ids[i] != own && (setuid(ids[i]) == 0 || setresuid(ids[i], ids[i], ids[i]) == 0 ||
                                      setreuid(ids[i], ids[i]) == 0 || setgid(ids[i]) == 0 ||
                                      setresgid(ids[i], ids[i], ids[i]) == 0))
                        return escaped(a, "user or group %u was had", ids[i]);
        return by_result(a, -1, "setuid, setgid");
}

static Verdict groups(Attempt *a)
{
        gid_t root = 0;

        return by_result(a, setgroups(1, &root), "setgroups");
}

static Verdict file_user(Attempt *a)
{
        uid_t own = getuid(), other = own ? 0 : 1;

        setfsuid(other);
        return (uid_t)setfsuid((uid_t)-1) == other ? escaped(a, "files are opened as user %u", other)
                                                    : held(a, "without effect");
}

static Verdict capabilities(Attempt *a)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {{~0U, ~0U, ~0U}, {0x1ff, 0x1ff, 0x1ff}}, one[2] = {{0}, {0}};

        if (syscall(SYS_capset, &header, data) == 0)
                return escaped(a, "all were had");
        int error = errno;
        for (unsigned c = 0; c < 41; c++) {
                one[c / 32].effective = one[c / 32].permitted = 1U << (c % 32);
                if (syscall(SYS_capset, &header, one) == 0)
                        return escaped(a, "capability %u was had", c);
                one[c / 32].effective = one[c / 32].permitted = 0;
        }
        errno = error;
        return by_result(a, -1, "capset");
}

static Verdict ambient(Attempt *a)
{
        for (unsigned long c = 0; c < 41; c++)
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) == 0)
                        return escaped(a, "capability %lu was raised", c);
        return by_result(a, -1, "prctl");
}

static Verdict secure_bits(Attempt *a)
{
        return by_result(a, prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0), "prctl");
}

static Verdict new_privileges(Attempt *a)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
                return escaped(a, "it was switched off");
        int error = errno, now = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
        if (now == 0)
                return escaped(a, "it is off");
        return held(a, "%s", strerrorname_np(error));
}

/* ---- programs of the host that are set user id ---- */

/* The ids of a process that has ended are there until it is waited for. */
static Verdict set_id_program(Attempt *a)
{
        static const char *const programs[] = {"/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/sudo",
                                               "/usr/bin/newgrp", "/usr/bin/chsh", "/usr/bin/pkexec"};
        int ran = 0;

        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                char path[64], text[4096] = "", uids[64] = "";
                if (access(programs[i], X_OK) < 0)
                        continue;
                pid_t pid = fork();
                if (pid == 0) {
                        int null = open("/dev/null", O_RDWR);
                        dup2(null, 0);
                        dup2(null, 1);
                        dup2(null, 2);
                        execl(programs[i], programs[i], "--version", NULL);
                        _exit(127);
                }
                if (pid < 0)
                        return held(a, "no process can be made");
                snprintf(path, sizeof path, "/proc/%d/status", pid);
                for (int tries = 0; tries < 100 && !strstr(text, "State:\tZ"); tries++) {
                        sleep_msec(10);
                        int fd = open(path, O_RDONLY | O_CLOEXEC);
                        ssize_t n = read(fd, text, sizeof text - 1);
                        text[n > 0 ? n : 0] = '\0';
                        close(fd);
                }
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                unsigned real, effective;
                char *line = strstr(text, "\nUid:");
                if (line)
                        snprintf(uids, sizeof uids, "%s", line + 5);
                ran++;
                if (sscanf(uids, "%u %u", &real, &effective) == 2 && (effective != geteuid() || real != getuid()))
                        return escaped(a, "%s ran as user %u", programs[i], effective);
        }
        return ran ? held(a, "%d programs stayed ours", ran) : not_applicable(a, "there is no such program");
}

const Attack attacks_on_privileges[] = {
        {"another-user", "become root, or anybody else", become_another, NULL, 0, NULL},
        {"groups", "join the group of root", groups, NULL, 0, NULL},
        {"file-user", "open files as root (setfsuid)", file_user, NULL, 0, NULL},
        {"capabilities", "have a capability again", capabilities, NULL, 0, NULL},
        {"ambient", "raise one for what is executed", ambient, NULL, 0, NULL},
        {"secure-bits", "change what ids mean", secure_bits, NULL, 0, NULL},
        {"new-privileges", "permit new privileges again", new_privileges, NULL, 0, NULL},
        {"set-id-program", "execute what is set user id", set_id_program, NULL, 0, NULL},
        {0},
};

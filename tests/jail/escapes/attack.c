/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the attacks share: verdicts, what they know of the host, small steps. */

#include "attack.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- verdicts ---- */

static void note(Attempt *a, const char *format, va_list arguments)
{
        vsnprintf(a->text, sizeof a->text, format, arguments);
}

Verdict held(Attempt *a, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        note(a, format, arguments);
        va_end(arguments);
        return HELD;
}

Verdict escaped(Attempt *a, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        note(a, format, arguments);
        va_end(arguments);
        return ESCAPED;
}

Verdict not_applicable(Attempt *a, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        note(a, format, arguments);
        va_end(arguments);
        return NOT_APPLICABLE;
}

Verdict by_result(Attempt *a, long result, const char *what)
{
        int error = errno;

        if (result >= 0)
                return escaped(a, "%s: permitted", what);
        if (error == ENOSYS && !is_filtered())
                return not_applicable(a, "%s: not in this kernel", what);
        return held(a, "%s: %s", what, strerrorname_np(error));
}

/* ---- about the host and the sandbox ---- */

const char *given(const Attempt *a, const char *key)
{
        size_t n = strlen(key);

        for (char **word = a->given; *word; word++)
                if (strncmp(*word, key, n) == 0 && (*word)[n] == '=')
                        return *word + n + 1;
        return "";
}

long given_number(const Attempt *a, const char *key)
{
        return strtol(given(a, key), NULL, 0);
}

const char *host_path(const Attempt *a, const char *name, char path[static PATH_ROOM])
{
        snprintf(path, PATH_ROOM, "%s/%s", given(a, "place"), name);
        return path;
}

const char *own_directory(void)
{
        static const char *const places[] = {"/work", "/tmp", "/dev/shm", "/var/tmp"};

        for (size_t i = 0; i < ELEMENTS(places); i++)
                if (access(places[i], W_OK) == 0)
                        return places[i];
        return ".";
}

bool is_filtered(void)
{
        char text[4096];
        int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

        if (fd >= 0)
                close(fd);
        text[n > 0 ? n : 0] = '\0';
        return strstr(text, "\nSeccomp:\t2") != NULL;
}

/* ---- small steps ---- */

bool file_says(int dir, const char *path, const char *text)
{
        char start[64] = "";
        int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof start - 1);
        int error = errno;

        if (fd >= 0)
                close(fd);
        errno = n < 0 ? error : EACCES;
        return n > 0 && strncmp(start, text, strlen(text)) == 0;
}

bool secret_is_shown(const Attempt *a)
{
        char path[PATH_ROOM];

        return file_says(AT_FDCWD, host_path(a, "secret", path), SECRET);
}

Verdict secret_shown(Attempt *a)
{
        return not_applicable(a, "the sandbox shows that file by its path");
}

void keep_mounts_private(void)
{
        if (unshare(CLONE_NEWNS) == 0)
                mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

int in_child(int (*run)(void *), void *userdata)
{
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(run(userdata));
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void sleep_msec(int msec)
{
        struct timespec time = {msec / 1000, msec % 1000 * 1000000L};

        nanosleep(&time, NULL);
}

int write_to(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
        int error = errno;

        if (fd >= 0)
                close(fd);
        errno = error;
        return n < 0 ? -1 : 0;
}

bool host_is_seen(const Attempt *a)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%s/cmdline", given(a, "bystander"));
        return file_says(AT_FDCWD, path, HOST_BYSTANDER);
}

_Noreturn void outlive_everything(void)
{
        setsid();
        prctl(PR_SET_PDEATHSIG, 0);
        for (int s = 1; s < 65; s++)
                signal(s, SIG_IGN);
        /* Not for ever: a sandbox that does not end it has been caught by then. */
        sleep_msec(60000);
        _exit(0);
}

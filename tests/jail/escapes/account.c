/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sandbox costs beside what runs in it: its processor time, all told, and how the memory grows of the processes
 * that wait. */

#include "host.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_MSEC 50
#define SAMPLES_MAX 4000

static long field(const char *pid, const char *key)
{
        char path[300], line[256];
        long value = 0;

        snprintf(path, sizeof path, "/proc/%s/status", pid);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                if (strncmp(line, key, strlen(key)) == 0)
                        value = strtol(line + strlen(key), NULL, 10);
        if (f)
                fclose(f);
        return value;
}

/* Of the command and its children; those further down are the sandbox's inside. The pages of its files come and go. */
static long held_kib(pid_t pid)
{
        DIR *dir = opendir("/proc");
        long sum = 0;

        for (struct dirent *d; dir && (d = readdir(dir));)
                if (atoi(d->d_name) == pid || (atoi(d->d_name) > 0 && field(d->d_name, "PPid:") == pid))
                        sum += field(d->d_name, "RssAnon:") + field(d->d_name, "RssShmem:");
        if (dir)
                closedir(dir);
        return sum;
}

int host_account(char **command)
{
        static long samples[SAMPLES_MAX];
        struct rusage used;
        long most = 0;
        int status = 0, n = 0;
        pid_t pid = fork();

        if (pid < 0)
                return 125;
        if (pid == 0) {
                execvp(command[0], command);
                _exit(127);
        }
        while (wait4(pid, &status, WNOHANG, &used) == 0) {
                if (n < SAMPLES_MAX)
                        samples[n++] = held_kib(pid);
                nanosleep(&(struct timespec){.tv_nsec = SAMPLE_MSEC * 1000000L}, NULL);
        }
        /* From when a third of the time has passed: by then it has started for sure. */
        for (int i = n / 3; i < n; i++)
                most = samples[i] > most ? samples[i] : most;
        fprintf(stderr, "account: %ld ms, grown by %ld KiB\n",
                (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000L +
                        (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000L,
                n ? most - samples[n / 3] : 0);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/waiting.h"

#include "engine/base/fd.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define PROCESSES_MAX 16

typedef struct Family {
        pid_t pids[PROCESSES_MAX];
        size_t n;
} Family;

/* The text of a file of /proc/PID; NULL when the process has gone. Owned by the caller. */
static char *read_proc(pid_t pid, const char *file)
{
        char path[64], *text;

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        return read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0 ? NULL : text;
}

static pid_t parent_of(pid_t pid)
{
        _cleanup_free_ char *stat = read_proc(pid, "stat");
        const char *behind_name = stat ? strrchr(stat, ')') : NULL;
        int parent = 0;

        return behind_name && sscanf(behind_name + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool is_job(pid_t pid, const char *job)
{
        _cleanup_free_ char *name = read_proc(pid, "comm");

        return name && strncmp(name, job, strlen(job)) == 0 && name[strlen(job)] == '\n';
}

/* The process and all that come of it; the list grows while it is walked along. */
static void find_family(pid_t first, const char *job, Family *ret)
{
        *ret = (Family){.pids = {first}, .n = 1};
        for (size_t i = 0; i < ret->n; i++) {
                _cleanup_closedir_ DIR *proc = opendir("/proc");
                for (struct dirent *d; proc && (d = readdir(proc));) {
                        pid_t pid = isdigit((unsigned char)d->d_name[0]) ? (pid_t)atoi(d->d_name) : 0;
                        if (pid > 0 && parent_of(pid) == ret->pids[i] && !is_job(pid, job) && ret->n < PROCESSES_MAX)
                                ret->pids[ret->n++] = pid;
                }
        }
}

static uint64_t read_kib(const char *text, const char *key)
{
        const char *at = text ? strstr(text, key) : NULL;

        return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool shares_memory(const Family *f, size_t which)
{
        for (size_t i = 0; i < which; i++)
                if (syscall(SYS_kcmp, f->pids[which], f->pids[i], KCMP_VM, 0, 0) == 0)
                        return true;
        return false;
}

static void add_memory(const Family *f, Waiting *w)
{
        for (size_t i = 0; i < f->n; i++) {
                _cleanup_free_ char *memory = shares_memory(f, i) ? NULL : read_proc(f->pids[i], "smaps_rollup");
                w->rss_bytes += read_kib(memory, "\nRss:") << 10;
                w->pss_bytes += read_kib(memory, "\nPss:") << 10;
        }
}

/* The first number of schedstat, in ns; Documentation/scheduler/sched-stats.rst. */
static uint64_t cpu_nsec(const Family *f)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < f->n; i++) {
                _cleanup_free_ char *text = read_proc(f->pids[i], "schedstat");
                sum += text ? strtoull(text, NULL, 10) : 0;
        }
        return sum;
}

static void pause_for(time_t seconds)
{
        struct timespec left = {.tv_sec = seconds};

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

int waiting_measure(Command *c, const char *job, Waiting *ret, Error *e)
{
        uint64_t unused;
        Family family;
        pid_t pid;
        int r = command_start(c, &pid);

        if (r < 0)
                return error_errno(e, r, "%s", c->argv[0]);
        pause_for(1);
        find_family(pid, job, &family);
        *ret = (Waiting){.processes = family.n};
        add_memory(&family, ret);
        uint64_t before = cpu_nsec(&family);
        pause_for(WAITING_SECONDS - 2);
        ret->cpu_nsec = cpu_nsec(&family) - before;
        return command_wait(pid, NULL, &unused, e);
}

void waiting_print_head(void)
{
        printf("\n%-44s %9s %8s %8s %12s\n", "waiting for a job that sleeps", "processes", "RSS KiB", "PSS KiB",
               "CPU time us");
}

void waiting_print(const char *name, const Waiting *w)
{
        printf("%-44s %9zu %8ju %8ju %12.1f\n", name, w->processes, (uintmax_t)w->rss_bytes >> 10,
               (uintmax_t)w->pss_bytes >> 10, (double)w->cpu_nsec / 1000);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Using up what the host has: processes, memory, files, time, the reader's patience. Each stops at a cap; to reach it is
 * the escape. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 50000
#define FLOOD_BYTES ((size_t)64 << 20)
#define BLOCK ((size_t)1 << 20)

/* Where nothing holds it, the host's kernel is to choose this process. */
static void go_first(void)
{
        write_to("/proc/self/oom_score_adj", "1000");
}

/* ---- processes ---- */

static Verdict processes(Attempt *a)
{
        int n = 0, error = 0;

        while (n < PROCESSES_MAX) {
                pid_t pid = fork();
                if (pid == 0) {
                        sleep_msec(20000);
                        _exit(0);
                }
                if (pid < 0) {
                        error = errno;
                        break;
                }
                n++;
        }
        return n < PROCESSES_MAX ? held(a, "%d, then %s", n, strerrorname_np(error))
                                 : escaped(a, "%d processes", n);
}

static void *sleep_long(void *unused)
{
        sleep_msec(20000);
        return unused;
}

static Verdict threads(Attempt *a)
{
        pthread_attr_t small;
        pthread_t thread;
        int n = 0, error = 0;

        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 65536);
        while (n < PROCESSES_MAX && (error = pthread_create(&thread, &small, sleep_long, NULL)) == 0)
                n++;
        return n < PROCESSES_MAX ? held(a, "%d, then %s", n, strerrorname_np(error)) : escaped(a, "%d threads", n);
}

/* Two in each generation, none waited for. */
static Verdict doubling(Attempt *a)
{
        int *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t self = getpid();

        if (count == MAP_FAILED)
                return held(a, "no memory can be shared");
        *count = 1;
        for (time_t start = time(NULL); time(NULL) - start < 2;) {
                if (__atomic_load_n(count, __ATOMIC_RELAXED) >= PROCESSES_MAX)
                        break;
                pid_t pid = fork();
                if (pid >= 0 && pid != 0)
                        __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
                if (pid < 0 && getpid() == self)
                        return held(a, "%d, then %s", *count, strerrorname_np(errno));
        }
        if (getpid() != self) {
                sleep_msec(10000);
                _exit(0);
        }
        return *count < PROCESSES_MAX ? held(a, "%d within 2 s", *count) : escaped(a, "%d processes", *count);
}

/* ---- memory ---- */

static Verdict memory(Attempt *a)
{
        go_first();
        char *p = mmap(NULL, BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
                return held(a, "mmap: %s", strerrorname_np(errno));
        for (size_t i = 0; i < BYTES_MAX; i += 4096)
                p[i] = 1;
        return escaped(a, "%zu MiB were used", BYTES_MAX >> 20);
}

/* By many, so that no limit of a process holds it. */
static Verdict memory_of_many(Attempt *a)
{
        enum { MANY = 12 };
        int status, held_back = 0;

        go_first();
        for (int i = 0; i < MANY; i++) {
                pid_t pid = fork();
                if (pid != 0)
                        continue;
                char *p = mmap(NULL, BYTES_MAX / MANY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (p == MAP_FAILED)
                        _exit(1);
                memset(p, 1, BYTES_MAX / MANY);
                sleep_msec(300);
                _exit(0);
        }
        for (int i = 0; i < MANY; i++)
                held_back += wait(&status) < 0 || status != 0;
        return held_back ? held(a, "%d of %d were ended", held_back, MANY)
                         : escaped(a, "%zu MiB were used", BYTES_MAX >> 20);
}

static Verdict memory_file(Attempt *a)
{
        static char block[BLOCK];
        int fd = memfd_create("bomb", MFD_CLOEXEC);
        size_t bytes = 0;

        if (fd < 0)
                return by_result(a, -1, "memfd_create");
        go_first();
        while (bytes < BYTES_MAX && write(fd, block, sizeof block) > 0)
                bytes += sizeof block;
        return bytes < BYTES_MAX ? held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno))
                                 : escaped(a, "%zu MiB were used", bytes >> 20);
}

/* Locked in memory, for which a user has a limit of its own. */
static Verdict locked(Attempt *a)
{
        struct rlimit limit;

        go_first();
        getrlimit(RLIMIT_MEMLOCK, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
        char *p = mmap(NULL, BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
                return held(a, "mmap: %s", strerrorname_np(errno));
        return by_result(a, mlock(p, BYTES_MAX), "mlock");
}

/* ---- files ---- */

static const char *const places[] = {"/work", "/tmp", "/output", "/dev/shm", "/var/tmp", "/run", "/dev", "/"};

static size_t fill(const char *dir, size_t bytes)
{
        static char block[BLOCK];
        char path[PATH_ROOM];

        memset(block, 1, sizeof block);
        snprintf(path, sizeof path, "%s/skep-escape-bomb", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        while (fd >= 0 && bytes < BYTES_MAX) {
                ssize_t n = write(fd, block, sizeof block);
                if (n <= 0)
                        break;
                bytes += (size_t)n;
        }
        int error = errno;
        unlink(path); /* it stays until we end, as the descriptor does */
        errno = error;
        return bytes;
}

static Verdict file_bytes(Attempt *a)
{
        size_t bytes = 0;

        go_first();
        for (size_t i = 0; i < ELEMENTS(places); i++)
                bytes = fill(places[i], bytes);
        return bytes < BYTES_MAX ? held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno))
                                 : escaped(a, "%zu MiB were written", bytes >> 20);
}

static Verdict file_count(Attempt *a)
{
        char path[PATH_ROOM];
        int n = 0, error = 0;

        for (size_t i = 0; i < ELEMENTS(places); i++)
                for (; n < FILES_MAX; n++) {
                        snprintf(path, sizeof path, "%s/skep-escape-bomb-%d", places[i], n);
                        if (mkdir(path, 0755) < 0) {
                                error = errno;
                                break;
                        }
                }
        return n < FILES_MAX ? held(a, "%d, then %s", n, strerrorname_np(error))
                             : escaped(a, "%d directories were made", n);
}

/* Space that is promised and not written. */
static Verdict file_reserved(Attempt *a)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape-reserved", own_directory());
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        unlink(path);
        return by_result(a, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)BYTES_MAX), "fallocate");
}

/* What a file says of itself is memory, too. */
static Verdict file_attributes(Attempt *a)
{
        static char value[60000];
        char path[PATH_ROOM], name[32];
        size_t bytes = 0;

        go_first();
        memset(value, 'x', sizeof value);
        snprintf(path, sizeof path, "%s/skep-escape-attributes", own_directory());
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        unlink(path);
        for (; bytes < BYTES_MAX; bytes += sizeof value) {
                snprintf(name, sizeof name, "user.%zu", bytes);
                if (fsetxattr(fd, name, value, sizeof value, 0) < 0)
                        return held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno));
        }
        return escaped(a, "%zu MiB of attributes", bytes >> 20);
}

/* Pages that the host has set aside for programs of its own: no limit of memory counts them. */
static Verdict large_pages(Attempt *a)
{
        if (mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) != MAP_FAILED)
                return escaped(a, "mmap: permitted");
        if (errno != EPERM)
                return escaped(a, "mmap: %s, since there are none just now", strerrorname_np(errno));
        if (memfd_create("large", MFD_HUGETLB) >= 0)
                return escaped(a, "memfd_create: permitted");
        return by_result(a, shmget(IPC_PRIVATE, 2 << 20, IPC_CREAT | SHM_HUGETLB | 0600), "shmget");
}

/* ---- time ---- */

static Verdict spin(Attempt *a)
{
        time_t start = time(NULL);
        volatile uint64_t n = 0;

        if (fork() < 0)
                return held(a, "no process can be made");
        while (time(NULL) - start < SPIN_SECONDS)
                for (int i = 0; i < 100000; i++)
                        n++;
        return escaped(a, "two processors for %d s", SPIN_SECONDS);
}

/* ---- output ---- */

static Verdict flood(Attempt *a)
{
        static char block[65536];
        size_t bytes = 0;

        memset(block, 'x', sizeof block);
        signal(SIGPIPE, SIG_IGN);
        while (bytes < FLOOD_BYTES) {
                ssize_t n = write(1, block, sizeof block);
                if (n <= 0)
                        break;
                bytes += (size_t)n;
        }
        return held(a, "%zu MiB were written", bytes >> 20);
}

static Verdict flood_stuck(Attempt *a)
{
        flood(a);
        return escaped(a, "somebody read all of it");
}

/* ---- cores ---- */

/* With the limit as it is, with the most that is permitted, and with 0, where some kernels start a program all the same. */
static void set_core_limit(int way)
{
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

        if (way == 1 && setrlimit(RLIMIT_CORE, &limit) < 0 && getrlimit(RLIMIT_CORE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_CORE, &limit);
        }
        limit = (struct rlimit){0, 0};
        if (way == 2)
                setrlimit(RLIMIT_CORE, &limit);
}

static Verdict cores(Attempt *a)
{
        int status = 0;

        for (int i = 0; i < 9; i++) {
                pid_t pid = fork();
                if (pid == 0) {
                        set_core_limit(i % 3);
                        if (chdir(own_directory()) == 0)
                                kill(getpid(), SIGSEGV);
                        _exit(1);
                }
                if (pid < 0 || waitpid(pid, &status, 0) < 0)
                        return held(a, "%s", strerrorname_np(errno));
                if (WIFSIGNALED(status) && WCOREDUMP(status))
                        return escaped(a, "a core was written, or handed to a program of the host");
        }
        return held(a, "9 crashes, no core");
}

const Attack attacks_by_bombs[] = {
        {"fork-bomb", "start processes without end", processes, NULL, ENDLESS, NULL},
        {"fork-doubling", "start two in each generation", doubling, NULL, ENDLESS, NULL},
        {"thread-bomb", "start threads without end", threads, NULL, ENDLESS, NULL},
        {"memory-bomb", "use 1.5 GiB of memory", memory, NULL, ENDLESS, "memory"},
        {"memory-of-many", "use it by twelve processes", memory_of_many, NULL, ENDLESS, "memory"},
        {"memory-file", "use it by a memfd", memory_file, NULL, ENDLESS, "memory"},
        {"memory-locked", "lock it", locked, NULL, ENDLESS, NULL},
        {"file-bytes", "write 1.5 GiB wherever it is permitted", file_bytes, NULL, ENDLESS, NULL},
        {"file-count", "make 50,000 directories wherever it is permitted", file_count, NULL, ENDLESS, NULL},
        {"file-reserved", "reserve 1.5 GiB without writing it", file_reserved, NULL, 0, NULL},
        {"file-attributes", "write 1.5 GiB as attributes of a file", file_attributes, NULL, ENDLESS, NULL},
        {"large-pages", "take large pages of the host (hugetlb)", large_pages, NULL, 0, NULL},
        {"spin", "use two processors without end", spin, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {"flood", "write 64 MiB to standard output", flood, NULL, FLOODS | ON_STDERR, NULL},
        {"flood-stuck", "write it where nobody reads", flood_stuck, NULL, OUTLASTS | STUCK_READER | ON_STDERR, NULL},
        {"cores", "crash, and have a core of it", cores, NULL, 0, NULL},
        {0},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the suite puts on the host to be found: files, services, IPC objects, a process. While it runs, it does
 * everyday things twenty times a second and writes down when one of them fails, and who has come to its services. */

#include "host.h"

#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT_MSEC 50
#define LISTENERS 6

typedef struct Canaries {
        const char *place;
        char name[48]; /* of queues and abstract sockets: "/skep-escapes-PID-NUMBER" */
        key_t key;
        int shm, sem, msg, log, listeners[LISTENERS], port;
        mqd_t queue;
        pid_t bystander;
        unsigned failing; /* a bit for each everyday thing: said once */
} Canaries;

static void note(const Canaries *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const Canaries *c, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vdprintf(c->log, format, arguments);
        va_end(arguments);
}

/* ---- files ---- */

static int put(const Canaries *c, const char *name, const char *text, mode_t mode)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/%s", c->place, name);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, mode);
        if (fd < 0 || fchmod(fd, mode) < 0 || write(fd, text, strlen(text)) < 0)
                return -1;
        return fd;
}

static int put_files(Canaries *c)
{
        char path[PATH_ROOM], text[64];
        struct timespec real, boot;

        clock_gettime(CLOCK_REALTIME, &real);
        clock_gettime(CLOCK_BOOTTIME, &boot);
        snprintf(text, sizeof text, "%lld\n", (real.tv_sec - boot.tv_sec) * 1000LL + (real.tv_nsec - boot.tv_nsec) / 1000000);
        snprintf(path, sizeof path, "%s/readonly", c->place);
        if (mkdir(path, 0755) < 0 || put(c, "readonly/file", KEPT "\n", 0644) < 0)
                return -1;
        snprintf(path, sizeof path, "%s/writable", c->place);
        if (mkdir(path, 0755) < 0 || put(c, "secret", SECRET "\n", 0644) < 0 || put(c, "keep", KEPT "\n", 0666) < 0 ||
            put(c, "clock", text, 0644) < 0)
                return -1;
        snprintf(path, sizeof path, "%s/pipe", c->place);
        if (mkfifo(path, 0666) < 0 || chmod(path, 0666) < 0 || open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) < 0)
                return -1;
        snprintf(path, sizeof path, "/dev/shm%s", c->name);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 || fchmod(fd, 0666) < 0 || write(fd, SECRET, strlen(SECRET)) < 0)
                return -1;
        c->log = put(c, "log", "", 0644);
        return c->log < 0 ? -1 : 0;
}

static void print_handle(const Canaries *c)
{
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } u = {.handle.handle_bytes = MAX_HANDLE_SZ};
        char path[PATH_ROOM];
        int mount;

        snprintf(path, sizeof path, "%s/secret", c->place);
        if (name_to_handle_at(AT_FDCWD, path, &u.handle, &mount, 0) < 0)
                return;
        printf("handle=%d:", u.handle.handle_type);
        for (unsigned i = 0; i < u.handle.handle_bytes; i++)
                printf("%02x", u.handle.f_handle[i]);
        printf(" ");
}

/* ---- services ---- */

static int listen_unix(const char *path, bool abstract, int type)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t n = strlen(path);
        int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        memcpy(address.sun_path + abstract, path, n);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + abstract + n)) < 0 ||
            (type == SOCK_STREAM && listen(fd, 16) < 0))
                return -1;
        return fd;
}

static int listen_inet(int family, int type, int *port)
{
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } address = {.any.sa_family = (sa_family_t)family};
        socklen_t size = family == AF_INET ? sizeof address.v4 : sizeof address.v6;
        int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (family == AF_INET)
                address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        else
                address.v6.sin6_addr = in6addr_loopback;
        address.v4.sin_port = htons((uint16_t)*port); /* at the same place in both */
        if (fd < 0 || bind(fd, &address.any, size) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0) ||
            getsockname(fd, &address.any, &size) < 0)
                return -1;
        *port = ntohs(address.v4.sin_port);
        return fd;
}

/* Without one of them, such as IPv6, its cases are held by that. */
static void open_services(Canaries *c)
{
        char path[PATH_ROOM];
        size_t n = 0;

        c->listeners[n++] = listen_inet(AF_INET, SOCK_STREAM, &c->port);
        c->listeners[n++] = listen_inet(AF_INET, SOCK_DGRAM, &c->port);
        c->listeners[n++] = listen_inet(AF_INET6, SOCK_STREAM, &c->port);
        snprintf(path, sizeof path, "%s-stream", c->name + 1);
        c->listeners[n++] = listen_unix(path, true, SOCK_STREAM);
        snprintf(path, sizeof path, "%s-datagram", c->name + 1);
        c->listeners[n++] = listen_unix(path, true, SOCK_DGRAM);
        snprintf(path, sizeof path, "%s/socket", c->place);
        c->listeners[n++] = listen_unix(path, false, SOCK_STREAM);
        chmod(path, 0666);
}

static void serve(const Canaries *c, size_t i)
{
        static const char *const names[LISTENERS] = {"127.0.0.1", "127.0.0.1 (UDP)", "::1", "the abstract socket",
                                                     "the abstract socket (datagrams)", "the socket in the directory"};
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        char data[CANARY_MAX];
        int type = 0;
        socklen_t length = sizeof type;

        getsockopt(c->listeners[i], SOL_SOCKET, SO_TYPE, &type, &length);
        note(c, "somebody has come to %s\n", names[i]);
        if (type == SOCK_DGRAM) {
                if (recvfrom(c->listeners[i], data, sizeof data, 0, (struct sockaddr *)&from, &size) > 0)
                        sendto(c->listeners[i], SECRET, strlen(SECRET), 0, (struct sockaddr *)&from, size);
                return;
        }
        int fd = accept4(c->listeners[i], NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                return;
        send(fd, SECRET, strlen(SECRET), MSG_NOSIGNAL);
        close(fd);
}

/* ---- IPC ---- */

static int make_ipc(Canaries *c)
{
        struct {
                long type;
                char text[sizeof SECRET];
        } message = {1, SECRET};
        struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = CANARY_MAX};

        c->key = 0x534b0000 + (getpid() & 0xffff);
        c->shm = shmget(c->key, 4096, IPC_CREAT | IPC_EXCL | 0666);
        c->sem = semget(c->key, 1, IPC_CREAT | IPC_EXCL | 0666);
        c->msg = msgget(c->key, IPC_CREAT | IPC_EXCL | 0666);
        char *p = c->shm < 0 ? MAP_FAILED : shmat(c->shm, NULL, 0);
        if (p == MAP_FAILED || c->sem < 0 || c->msg < 0)
                return -1;
        memcpy(p, SECRET, sizeof SECRET);
        shmdt(p);
        semctl(c->sem, 0, SETVAL, 1);
        mode_t mask = umask(0);
        c->queue = mq_open(c->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666, &attr);
        umask(mask);
        if (msgsnd(c->msg, &message, sizeof message.text, IPC_NOWAIT) < 0)
                return -1;
        return c->queue < 0 ? -1 : mq_send(c->queue, SECRET, strlen(SECRET), 1);
}

static void remove_all(const Canaries *c)
{
        char path[PATH_ROOM];

        shmctl(c->shm, IPC_RMID, NULL);
        semctl(c->sem, 0, IPC_RMID);
        msgctl(c->msg, IPC_RMID, NULL);
        mq_unlink(c->name);
        snprintf(path, sizeof path, "/dev/shm%s", c->name);
        unlink(path);
        kill(c->bystander, SIGKILL);
}

/* ---- everyday things ---- */

static void expect(Canaries *c, unsigned what, bool done, const char *name)
{
        int error = errno;

        if (!done && !(c->failing & (1U << what)))
                note(c, "the host could not %s: %s\n", name, strerrorname_np(error));
        c->failing = done ? c->failing & ~(1U << what) : c->failing | (1U << what);
}

/* What is not there cannot be locked by anybody. */
static bool can_lock(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool locked = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

        close(fd);
        return locked;
}

static void beat(Canaries *c)
{
        char first;
        int fds[2];
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        expect(c, 0, pid > 0, "start a process");
        if (pid > 0)
                waitpid(pid, NULL, 0);
        /* The quotas of a user: whoever shares its id, or belongs to it, can use them up. */
        timer_t timer;
        bool timed = timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0;
        expect(c, 6, timed, "have a timer");
        if (timed)
                timer_delete(timer);
        mqd_t queue = mq_open(HOST_BEAT_QUEUE, O_CREAT | O_RDWR | O_CLOEXEC, 0600, NULL);
        expect(c, 7, queue >= 0, "have a POSIX message queue");
        mq_unlink(HOST_BEAT_QUEUE);
        mq_close(queue);
        int watcher = inotify_init1(IN_CLOEXEC);
        expect(c, 1, watcher >= 0, "have a watcher (inotify)");
        bool piped = pipe2(fds, O_CLOEXEC) == 0;
        expect(c, 2, piped, "make a pipe");
        int file = open(COMMON_FILE, O_RDONLY | O_CLOEXEC);
        expect(c, 3, read(file, &first, 1) == 1, "read " COMMON_FILE);
        expect(c, 4, flock(file, LOCK_EX | LOCK_NB) == 0, "lock " COMMON_FILE);
        /* Where it may be opened to write at all: not on a host whose /usr is read-only. */
        int writable = open(COMMON_FILE, O_RDWR | O_CLOEXEC);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        expect(c, 5, writable < 0 || fcntl(writable, F_SETLK, &lock) == 0, "lock " COMMON_FILE " in part");
        expect(c, 8, can_lock(COMMON_LINKS), "lock " COMMON_LINKS);
        expect(c, 9, can_lock(COMMON_CACHE), "lock " COMMON_CACHE);
        close(writable);
        close(file);
        close(watcher);
        if (piped) {
                close(fds[0]);
                close(fds[1]);
        }
}

/* ---- all together ---- */

static void print_words(const Canaries *c)
{
        char path[PATH_ROOM];
        struct stat st;

        snprintf(path, sizeof path, "%s/secret", c->place);
        stat(path, &st);
        printf("place=%s port=%d abstract=%s shm_key=%d shm=%d mq=%s device=%u:%u bystander=%d ", c->place, c->port,
               c->name + 1, c->key, c->shm, c->name, major(st.st_dev), minor(st.st_dev), c->bystander);
        print_handle(c);
        struct if_nameindex *names = if_nameindex();
        for (struct if_nameindex *i = names; i && i->if_name; i++)
                if (strcmp(i->if_name, "lo") != 0) {
                        printf("interface=%s", i->if_name);
                        break;
                }
        printf("\n");
        fflush(stdout);
}

int host_bystander(void)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
                pause();
}

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
        (void)signal_number;
        ended = 1;
}

int host_canaries(const char *place, const char *program)
{
        Canaries c = {.place = place, .shm = -1, .sem = -1, .msg = -1, .log = -1};
        struct sigaction action = {.sa_handler = end};
        struct timespec now;

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        /* Another suite's may have the same process id, in a namespace of its own. */
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(c.name, sizeof c.name, "/skep-escapes-%d-%lx", getpid(), now.tv_nsec);
        if (put_files(&c) < 0 || make_ipc(&c) < 0) {
                fprintf(stderr, "escapes: the host's side cannot be made: %s\n", strerror(errno));
                remove_all(&c);
                return 2;
        }
        open_services(&c);
        c.bystander = fork();
        if (c.bystander == 0) {
                execl(program, HOST_BYSTANDER, NULL);
                _exit(127);
        }
        print_words(&c);
        while (!ended) {
                struct pollfd fds[LISTENERS];
                for (size_t i = 0; i < LISTENERS; i++)
                        fds[i] = (struct pollfd){.fd = c.listeners[i], .events = POLLIN};
                poll(fds, LISTENERS, BEAT_MSEC);
                for (size_t i = 0; i < LISTENERS; i++)
                        if (fds[i].revents & POLLIN)
                                serve(&c, i);
                beat(&c);
        }
        remove_all(&c);
        return 0;
}

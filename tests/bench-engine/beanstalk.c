/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/beanstalk.h"

#include "engine/base/cleanup.h"
#include "engine/base/fd.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define CONNECTIONS_MAX 64
#define START_TRIES 200

static int connect_to(const Beanstalk *b)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof address.sun_path, "%s", b->socket);
        return fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : take_fd(fd);
}

int beanstalk_start(Beanstalk *b, const char *folder, Error *e)
{
        const struct timespec moment = {.tv_nsec = 10000000};
        _cleanup_free_ char *journal = NULL, *listen = NULL;

        if (asprintf(&journal, "%s/beanstalkd", folder) < 0 || asprintf(&b->socket, "%s/beanstalkd.sock", folder) < 0 ||
            asprintf(&listen, "unix:%s", b->socket) < 0)
                return error_oom(e);
        char *argv[] = {(char *)"beanstalkd", (char *)"-b", journal, (char *)"-f", (char *)"0", (char *)"-l", listen, NULL};
        if (mkdir(journal, 0700) < 0)
                return error_errno(e, -errno, "%s", journal);
        int r = -posix_spawnp(&b->pid, argv[0], NULL, NULL, argv, environ);
        if (r < 0) {
                b->pid = 0;
                return error_errno(e, r, "beanstalkd");
        }
        for (int i = 0; i < START_TRIES; i++) {
                _cleanup_close_ int fd = connect_to(b);
                if (fd >= 0)
                        return 0;
                nanosleep(&moment, NULL);
        }
        return error_set(e, -ENOENT, "beanstalkd does not listen");
}

void beanstalk_stop(Beanstalk *b)
{
        if (b->pid > 0) {
                kill(b->pid, SIGTERM);
                waitpid(b->pid, NULL, 0);
        }
        free(b->socket);
        *b = (Beanstalk){0};
}

/* ---- puts ---- */

typedef struct Connection {
        int fd;
        size_t in_flight;
} Connection;

static int send_put(Connection *c, const char *text)
{
        _cleanup_free_ char *put = NULL;
        int n = asprintf(&put, "put 50 0 60 %zu\r\n%s\r\n", strlen(text), text);

        c->in_flight++;
        return n < 0 ? -ENOMEM : write_full(c->fd, put, (size_t)n);
}

/* "INSERTED id\r\n" each. Returns how many answers were read, or a negative errno. */
static int read_answers(Connection *c)
{
        char text[4096];
        ssize_t n = read(c->fd, text, sizeof text);
        int answers = 0;

        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        for (ssize_t i = 0; i < n; i++) {
                if (text[i] != '\n')
                        continue;
                answers++;
                c->in_flight--;
        }
        return answers;
}

int beanstalk_put(const Beanstalk *b, const char *text, size_t total, size_t connections, size_t in_flight, Error *e)
{
        struct pollfd polled[CONNECTIONS_MAX];
        Connection all[CONNECTIONS_MAX];
        size_t sent = 0, answered = 0;
        int r = 0;

        for (size_t i = 0; i < connections; i++) {
                all[i] = (Connection){.fd = connect_to(b)};
                polled[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
                if (all[i].fd < 0)
                        r = all[i].fd;
        }
        while (r >= 0 && answered < total) {
                for (size_t i = 0; r >= 0 && i < connections; i++)
                        for (; r >= 0 && all[i].in_flight < in_flight && sent < total; sent++)
                                r = send_put(&all[i], text);
                if (r >= 0 && poll(polled, connections, -1) < 0)
                        r = -errno;
                for (size_t i = 0; r >= 0 && i < connections; i++)
                        if (polled[i].revents && (r = read_answers(&all[i])) > 0)
                                answered += (size_t)r;
        }
        for (size_t i = 0; i < connections; i++)
                close_fd(all[i].fd);
        return r < 0 ? error_errno(e, r, "beanstalkd") : 0;
}

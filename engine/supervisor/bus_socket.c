/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The private socket: each client has a connection of its own, and is known by what the kernel says of it. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define GROUP "skep"

/* ---- a client ---- */

/* The supplementary groups of the other end, as the kernel has them. */
static int read_groups(int fd, gid_t **ret, size_t *n, Error *e)
{
        socklen_t size = 0;

        *ret = NULL;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
                return error_errno(e, -errno, "reading the groups of a client");
        *ret = malloc(size + 1);
        if (!*ret)
                return error_oom(e);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, *ret, &size) < 0)
                return error_errno(e, -errno, "reading the groups of a client");
        *n = size / sizeof **ret;
        return 0;
}

static int take_in(Bus *bus, int fd, const struct ucred *peer, Error *e)
{
        _cleanup_free_ gid_t *groups = NULL;
        BusClient *client;
        size_t n = 0;
        int r = read_groups(fd, &groups, &n, e);

        if (r < 0 || (r = bus_client_new(bus, peer->uid, peer->gid, take(groups), n, &client, e)) < 0)
                return r;
        if ((r = bus_peer_new(client, fd)) < 0) {
                error_errno(e, r, "starting the connection");
                bus_client_free(client);
        }
        return r;
}

/* At most one a second: what anybody may cause does not fill the log. */
void bus_say_refused(Bus *bus, const Error *e)
{
        uint64_t now = monotonic_usec();

        if (now - bus->said_usec < USEC_PER_SECOND)
                return;
        bus->said_usec = now;
        log_message(LOG_LEVEL_WARNING, &(LogFields){.event = LOG_EVENT_CLIENT_REFUSED}, "a client is not served: %s",
                    error_text(e));
}

/* Where we have no descriptor left for it, the one that is in reserve is given up for a moment: so that who waits there
 * is told by the end of the connection, and does not keep us awake. */
static void turn_away(Bus *bus, int listener)
{
        _cleanup_error_ Error e = ERROR_NULL;

        bus->reserve = close_fd(bus->reserve);
        close_fd(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        bus->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        error_set(&e, -EMFILE, "this process has no descriptor left for it (LimitNOFILE=)");
        bus_say_refused(bus, &e);
}

static int on_connect(sd_event_source *source _unused_, int listener, uint32_t events _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bus *bus = userdata;
        struct ucred peer = {.uid = PORTER_NOBODY};
        socklen_t size = sizeof peer;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
                turn_away(bus, listener);
        if (fd < 0)
                return 0;
        int r = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0
                        ? error_errno(&e, -errno, "reading the credentials of a client")
                        : take_in(bus, fd, &peer, &e);
        if (r < 0) {
                bus_say_refused(bus, &e);
                /* It may have spoken already. */
                bus_close_unread(bus, peer.uid, false, fd);
        }
        return 0;
}

/* ---- the socket ---- */

/* For its own user, or for the group of those who may use the engine, where there is that group. */
static int set_access(const char *path, bool is_private)
{
        const struct group *group = is_private ? NULL : getgrnam(GROUP);

        if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
                return -errno;
        return chmod(path, group ? 0660 : 0600) < 0 ? -errno : 0;
}

static int bind_socket(const char *path, bool is_private, Error *e)
{
        static const char own[] = "/run/skep/";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        if (strlen(path) >= sizeof address.sun_path)
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof address.sun_path - 1);
        memcpy(address.sun_path, path, strlen(path));
        if (strncmp(path, own, strlen(own)) == 0 && mkdir("/run/skep", 0755) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "/run/skep");
        /* One that is left from before is replaced; one that somebody answers on, or another kind of file, is not. */
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                return error_set(e, -EADDRINUSE, "%s: another skepd answers there", path);
        close_fd(fd);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                unlink(path);
        /* Nobody connects before listen(), when it has the mode that it is to have. */
        int r = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno
                                                                                    : set_access(path, is_private);
        if (r >= 0 && listen(fd, 128) < 0)
                r = -errno;
        return r < 0 ? error_errno(e, r, "%s", path) : take_fd(fd);
}

/* One that systemd has bound, with the mode that its unit says. -1 where there is none. */
static int take_passed_socket(void)
{
        int n = sd_listen_fds(1);

        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++)
                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0)
                        return fd;
        return -1;
}

int bus_socket_open(Bus *bus, bool is_private, Error *e)
{
        const char *path = supervisor_config(bus->supervisor)->socket;
        struct stat st;

        bus->listener = take_passed_socket();
        if (bus->listener < 0) {
                bus->listener = bind_socket(path, is_private, e);
                if (bus->listener < 0)
                        return bus->listener;
                bus->path = strdup(path);
                if (!bus->path)
                        return error_oom(e);
                if (stat(path, &st) < 0)
                        return error_errno(e, -errno, "%s", path);
                bus->bound = (struct BusBound){st.st_dev, st.st_ino};
        }
        bus->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        int r = sd_event_add_io(bus->event, &bus->accepting, bus->listener, EPOLLIN, on_connect, bus);
        return r < 0 ? error_errno(e, r, "%s", path) : 0;
}

void bus_socket_close(Bus *bus)
{
        struct stat now;

        sd_event_source_disable_unref(bus->accepting);
        close_fd(bus->listener);
        close_fd(bus->reserve);
        if (bus->path && stat(bus->path, &now) == 0 && now.st_ino == bus->bound.inode &&
            now.st_dev == bus->bound.device)
                unlink(bus->path);
        free(bus->path);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Services of the host, and of the network it is in. */

#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects within half a second. Returns 0 or a negative errno. */
static int connect_soon(int fd, const void *address, socklen_t size)
{
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t length = sizeof(int);
        int error = 0;

        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (connect(fd, address, size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        if (poll(&p, 1, 500) <= 0)
                return -EINPROGRESS;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
        return -error;
}

static bool hears_secret(int fd)
{
        char text[64] = "";
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 500) > 0 && recv(fd, text, sizeof text - 1, 0) > 0 &&
               strncmp(text, SECRET, strlen(SECRET)) == 0;
}

/* ---- by the network ---- */

static Verdict loopback(Attempt *a)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given_number(a, "port")),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return by_result(a, -1, "socket");
        int r = connect_soon(fd, &address, sizeof address);
        if (r < 0)
                return held(a, "%s", strerrorname_np(-r));
        return hears_secret(fd) ? escaped(a, "the host's service answered") : held(a, "another service answered");
}

static Verdict loopback_6(Attempt *a)
{
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)given_number(a, "port")),
                                       .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return by_result(a, -1, "socket");
        int r = connect_soon(fd, &address, sizeof address);
        if (r < 0)
                return held(a, "%s", strerrorname_np(-r));
        return hears_secret(fd) ? escaped(a, "the host's service answered") : held(a, "another service answered");
}

static Verdict loopback_datagram(Attempt *a)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given_number(a, "port")),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return by_result(a, -1, "socket");
        if (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address) < 0)
                return held(a, "%s", strerrorname_np(errno));
        return hears_secret(fd) ? escaped(a, "the host's service answered") : held(a, "sent, and nobody is there");
}

/* That the kernel finds a way there is enough. */
static Verdict address(Attempt *a)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        inet_pton(AF_INET, a->argument, &to.sin_addr);
        if (fd < 0)
                return by_result(a, -1, "socket");
        int r = connect_soon(fd, &to, sizeof to);
        if (r == 0 || r == -EINPROGRESS || r == -ECONNREFUSED || r == -EHOSTUNREACH)
                return escaped(a, "there is a way to it (%s)", r ? strerrorname_np(-r) : "it answered");
        return held(a, "%s", strerrorname_np(-r));
}

static Verdict interfaces(Attempt *a)
{
        char path[64], name[IF_NAMESIZE];
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        for (unsigned i = 1; fd >= 0 && i < 64; i++)
                if (if_indextoname(i, name) && strcmp(name, "lo") != 0 && strcmp(name, "sit0") != 0 &&
                    strcmp(name, "tunl0") != 0)
                        return escaped(a, "%s is there", name);
        snprintf(path, sizeof path, "/sys/class/net/%s", given(a, "interface"));
        if (*given(a, "interface") && access(path, F_OK) == 0)
                return escaped(a, "%s tells of the host's", path);
        return held(a, "%s", fd < 0 ? strerrorname_np(errno) : "only a loopback");
}

/* ---- by sockets of the same host ---- */

static socklen_t abstract_address(const Attempt *a, const char *kind, struct sockaddr_un *address)
{
        *address = (struct sockaddr_un){.sun_family = AF_UNIX};
        int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "%s-%s", given(a, "abstract"), kind);
        return (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);
}

static Verdict abstract(Attempt *a)
{
        struct sockaddr_un to;
        socklen_t size = abstract_address(a, "stream", &to);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return by_result(a, -1, "socket");
        int r = connect_soon(fd, &to, size);
        if (r < 0)
                return held(a, "%s", strerrorname_np(-r));
        return escaped(a, "connected%s", hears_secret(fd) ? ", and it told its secret" : "");
}

/* Two jobs that would pass descriptors to each other, or to somebody outside (CVE-2024-27297). */
static Verdict pass_descriptor(Attempt *a)
{
        union {
                char data[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control;
        struct sockaddr_un to;
        socklen_t size = abstract_address(a, "datagram", &to);
        struct iovec one = {(char *)"x", 1};
        struct msghdr message = {.msg_name = &to, .msg_namelen = size, .msg_iov = &one, .msg_iovlen = 1,
                                 .msg_control = control.data, .msg_controllen = sizeof control.data};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), given_away = 0;

        if (fd < 0)
                return by_result(a, -1, "socket");
        *CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                                                    .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &given_away, sizeof given_away);
        ssize_t n = sendmsg(fd, &message, 0);
        return by_result(a, n, "sendmsg");
}

static Verdict by_path(Attempt *a, const char *path)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
        int error = 0;

        snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
        for (size_t i = 0; i < ELEMENTS(types); i++) {
                int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);
                int r = fd < 0 ? -errno : connect_soon(fd, &to, sizeof to);
                if (r == 0)
                        return escaped(a, "connected to %s", path);
                error = r == -EPROTOTYPE && error ? error : -r;
                if (fd >= 0)
                        close(fd);
        }
        return held(a, "%s", strerrorname_np(error));
}

static Verdict socket_by_path(Attempt *a)
{
        char path[PATH_ROOM];

        return by_path(a, host_path(a, "socket", path));
}

static Verdict daemons(Attempt *a)
{
        static const char *const sockets[] = {
                "/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket", "/run/systemd/private",
                "/run/systemd/notify", "/run/systemd/journal/socket", "/run/systemd/journal/stdout",
                "/run/systemd/userdb/io.systemd.DynamicUser", "/run/udev/control", "/dev/log", "/run/docker.sock",
                "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
                "/run/crio/crio.sock", "/run/snapd.socket", "/var/lib/lxd/unix.socket", "/run/libvirt/libvirt-sock",
                "/run/skep/engine.sock", "/run/user/0/bus", "/run/user/1000/bus", "/tmp/.X11-unix/X0",
                "/run/nscd/socket", "/run/acpid.socket", "/run/avahi-daemon/socket",
        };
        Verdict verdict = held(a, "none of %zu is there", ELEMENTS(sockets));

        for (size_t i = 0; i < ELEMENTS(sockets) && verdict == HELD; i++)
                if (access(sockets[i], F_OK) == 0)
                        verdict = by_path(a, sockets[i]);
        return verdict;
}

/* A pipe of the host that can be seen can be written. */
static Verdict pipe_by_path(Attempt *a)
{
        char path[PATH_ROOM];

        return by_result(a, open(host_path(a, "pipe", path), O_WRONLY | O_NONBLOCK | O_CLOEXEC), "open");
}

const Attack attacks_on_services[] = {
        {"loopback", "reach a service on the host's 127.0.0.1", loopback, NULL, 0, NULL},
        {"loopback-6", "reach it on ::1", loopback_6, NULL, 0, NULL},
        {"loopback-datagram", "reach it by UDP", loopback_datagram, NULL, 0, NULL},
        {"metadata", "reach the cloud's metadata (169.254.169.254)", address, "169.254.169.254", 0, NULL},
        {"internet", "find a way out (192.0.2.1)", address, "192.0.2.1", 0, NULL},
        {"private-network", "find a way to the network around (10.0.0.1)", address, "10.0.0.1", 0, NULL},
        {"interfaces", "see the host's network devices", interfaces, NULL, 0, NULL},
        {"abstract", "connect to an abstract socket of the host", abstract, NULL, 0, NULL},
        {"pass-descriptor", "pass a descriptor to somebody outside (CVE-2024-27297)", pass_descriptor, NULL, 0, NULL},
        {"socket-by-path", "connect to a socket of the host by its path", socket_by_path, NULL, 0, NULL},
        {"pipe-by-path", "open a pipe of the host", pipe_by_path, NULL, 0, NULL},
        {"daemons", "connect to D-Bus, systemd, Docker and others", daemons, NULL, 0, NULL},
        {0},
};

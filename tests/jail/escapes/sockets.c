/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kinds of sockets that lead past a network namespace, or into rarely used parts of the kernel. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* "FAMILY TYPE PROTOCOL" */
static Verdict open_one(Attempt *a)
{
        int family = 0, type = 0, protocol = 0;

        sscanf(a->argument, "%d %d %d", &family, &type, &protocol);
        int fd = socket(family, type, protocol);
        if (fd < 0 && (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT || errno == EPROTONOSUPPORT) && !is_filtered())
                return not_applicable(a, "not in this kernel");
        return by_result(a, fd, "socket");
}

/* Every family that there is a number for, but those by which programs talk on one host. */
static Verdict rare_families(Attempt *a)
{
        static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM};
        int error = 0;

        for (int family = 0; family < 64; family++) {
                if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
                        continue;
                for (size_t i = 0; i < ELEMENTS(types); i++)
                        if (socket(family, types[i], 0) >= 0)
                                return escaped(a, "family %d was had", family);
                        else if (errno != EAFNOSUPPORT || error == 0)
                                error = errno;
        }
        return held(a, "%s", strerrorname_np(error));
}

/* A protocol that is not there is looked for among the host's modules, and loaded. */
static Verdict rare_protocols(Attempt *a)
{
        static const int protocols[] = {132 /* SCTP */, 33 /* DCCP */, 136 /* UDP-Lite */, 115 /* L2TP */,
                                        47 /* GRE */};
        static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_DCCP};
        int error = EPERM;

        for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET)
                for (size_t i = 0; i < ELEMENTS(protocols); i++)
                        for (size_t k = 0; k < ELEMENTS(types); k++) {
                                if (socket(family, types[k], protocols[i]) >= 0)
                                        return escaped(a, "protocol %d was had", protocols[i]);
                                if (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)
                                        error = errno;
                        }
        if (error == EPERM)
                return held(a, "EPERM");
        return access("/proc/sys/kernel/modprobe", F_OK) == 0
                       ? escaped(a, "%s: the kernel looked for a module of the host", strerrorname_np(error))
                       : held(a, "%s, and this kernel has no modules", strerrorname_np(error));
}

/* ---- netlink ---- */

/* Sends one request, and returns the kernel's answer as a negative errno, or what stood in the way. */
static int ask(int protocol, struct nlmsghdr *request, const char **step)
{
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
                char rest[4096];
        } answer;
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

        *step = "socket";
        if (fd < 0)
                return -errno;
        request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        *step = "sending";
        if (sendto(fd, request, request->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
                return -errno;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        *step = "the answer";
        if (poll(&p, 1, 500) <= 0 || recv(fd, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.header)
                return -ETIMEDOUT;
        close(fd);
        return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : 0;
}

static Verdict asked(Attempt *a, int protocol, struct nlmsghdr *request, const char *done)
{
        const char *step;
        int r = ask(protocol, request, &step);

        if (r < 0 && (-r == EPROTONOSUPPORT) && !is_filtered())
                return not_applicable(a, "not in this kernel");
        return r < 0 ? held(a, "%s: %s", step, strerrorname_np(-r)) : escaped(a, "%s", done);
}

static Verdict change_route(Attempt *a)
{
        struct {
                struct nlmsghdr header;
                struct rtmsg route;
                struct rtattr gateway_attribute;
                uint32_t out;
        } request = {
                .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_NEWROUTE,
                           .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL},
                .route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                          .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST},
                .gateway_attribute = {.rta_len = 8, .rta_type = RTA_OIF},
                .out = 1,
        };

        return asked(a, NETLINK_ROUTE, &request.header, "a default route over lo was made");
}

static Verdict change_link(Attempt *a)
{
        struct {
                struct nlmsghdr header;
                struct ifinfomsg link;
        } request = {
                .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_NEWLINK},
                .link = {.ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_flags = IFF_UP | IFF_PROMISC,
                         .ifi_change = IFF_PROMISC},
        };

        return asked(a, NETLINK_ROUTE, &request.header, "lo hears everything now");
}

static Verdict audit(Attempt *a)
{
        struct {
                struct nlmsghdr header;
                char text[32];
        } request = {.header = {.nlmsg_len = sizeof request, .nlmsg_type = AUDIT_USER}, .text = "skep-escape"};

        return asked(a, NETLINK_AUDIT, &request.header, "a record is in the host's audit log");
}

/* What devices come and go, and on some hosts a way to speak to its device manager. */
static Verdict device_events(Attempt *a)
{
        struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
        int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

        return by_result(a, fd < 0 ? fd : bind(fd, (struct sockaddr *)&address, sizeof address), "socket, bind");
}

static Verdict rare_netlink(Attempt *a)
{
        int error = 0;

        for (int protocol = 1; protocol < 32; protocol++) {
                if (protocol == NETLINK_KOBJECT_UEVENT || protocol == NETLINK_AUDIT)
                        continue; /* cases of their own */
                if (socket(AF_NETLINK, SOCK_RAW, protocol) >= 0)
                        return escaped(a, "protocol %d was had", protocol);
                if (errno != EPROTONOSUPPORT || error == 0)
                        error = errno;
        }
        return held(a, "%s", strerrorname_np(error));
}

/* ---- past the namespace ---- */

/* The hypervisor, or the host of a virtual machine, knows no network namespaces. */
static Verdict vsock(Attempt *a)
{
        static const unsigned peers[] = {VMADDR_CID_HOST, VMADDR_CID_HYPERVISOR, 1 /* VMADDR_CID_LOCAL */};
        int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 && errno == EAFNOSUPPORT && !is_filtered())
                return not_applicable(a, "not in this kernel");
        if (fd < 0)
                return by_result(a, -1, "socket");
        for (size_t i = 0; i < ELEMENTS(peers); i++) {
                struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = peers[i], .svm_port = 1};
                fcntl(fd, F_SETFL, O_NONBLOCK);
                connect(fd, (struct sockaddr *)&address, sizeof address);
        }
        return escaped(a, "a socket that knows no network namespace was had");
}

static Verdict packets(Attempt *a)
{
        int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

        return by_result(a, fd < 0 ? socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)) : fd, "socket");
}

static Verdict crypto(Attempt *a)
{
        struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256"};
        int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0 && errno == EAFNOSUPPORT && !is_filtered())
                return not_applicable(a, "not in this kernel");
        return by_result(a, fd < 0 ? fd : bind(fd, (struct sockaddr *)&address, sizeof address), "socket, bind");
}

/* Rules of the packet filter, whose parsing was a way to root more than once (CVE-2021-22555). */
static Verdict firewall(Attempt *a)
{
        char replace[256] = "filter";
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = 84; /* of struct ipt_getinfo */

        if (fd < 0)
                return by_result(a, -1, "socket");
        int r = getsockopt(fd, IPPROTO_IP, 64 /* IPT_SO_GET_INFO */, replace, &size);
        if (r < 0 && errno == ENOPROTOOPT)
                return not_applicable(a, "the packet filter is not loaded");
        return by_result(a, r, "getsockopt");
}

static Verdict tunnel(Attempt *a)
{
        struct ifreq request = {.ifr_flags = 1 /* IFF_TUN */};
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return held(a, "/dev/net/tun: %s", strerrorname_np(errno));
        return by_result(a, ioctl(fd, 0x400454ca /* TUNSETIFF */, &request), "ioctl");
}

static Verdict interface_flags(Attempt *a)
{
        struct ifreq request = {.ifr_name = "lo"};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return by_result(a, -1, "socket");
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return held(a, "%s", strerrorname_np(errno));
        return by_result(a, ioctl(fd, SIOCSIFFLAGS, &request), "ioctl");
}

const Attack attacks_by_sockets[] = {
        {"raw", "send raw packets (IPv4)", open_one, "2 3 255", 0, NULL},
        {"raw-6", "send raw packets (IPv6)", open_one, "10 3 58", 0, NULL},
        {"packet", "see all packets", packets, NULL, 0, NULL},
        {"vsock", "talk to the hypervisor (vsock)", vsock, NULL, 0, NULL},
        {"bluetooth", "open a bluetooth socket", open_one, "31 3 1", 0, NULL},
        {"crypto", "use the kernel's ciphers (AF_ALG)", crypto, NULL, 0, NULL},
        {"xdp", "open a socket of XDP", open_one, "44 3 0", 0, NULL},
        {"rare-families", "open a socket of any other family", rare_families, NULL, 0, NULL},
        {"rare-protocols", "make the host load SCTP, DCCP or another protocol", rare_protocols, NULL, 0, NULL},
        {"route", "change a route", change_route, NULL, 0, NULL},
        {"link", "change a network device", change_link, NULL, 0, NULL},
        {"link-flags", "change its flags by ioctl", interface_flags, NULL, 0, NULL},
        {"audit", "write to the host's audit log", audit, NULL, 0, NULL},
        {"device-events", "listen to the kernel's device events", device_events, NULL, 0, NULL},
        {"rare-netlink", "open any other protocol of netlink", rare_netlink, NULL, 0, NULL},
        {"firewall", "ask for the rules of the packet filter", firewall, NULL, 0, NULL},
        {"tunnel", "make a network device (tun)", tunnel, NULL, 0, NULL},
        {0},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/loopback.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#define LOOPBACK_INDEX 1 /* LOOPBACK_IFINDEX, include/net/flow.h */

static inline void nl_socket_freep(struct nl_sock **s)
{
        if (*s)
                nl_socket_free(*s);
}

int loopback_up(Error *e)
{
        struct ifinfomsg up = {.ifi_index = LOOPBACK_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
        _cleanup_(nl_socket_freep) struct nl_sock *socket = nl_socket_alloc();

        if (!socket)
                return error_oom(e);
        int r = nl_connect(socket, NETLINK_ROUTE);
        if (r >= 0)
                r = nl_send_simple(socket, RTM_NEWLINK, 0, &up, sizeof up);
        if (r >= 0)
                r = nl_wait_for_ack(socket);
        return r < 0 ? error_set(e, -EIO, "bringing up the loopback device: %s", nl_geterror(r)) : 0;
}

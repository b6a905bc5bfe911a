/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/loopback.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* netdevice(7). With its first interface up a network namespace has its addresses, 127.0.0.1 and ::1, by itself. */
int loopback_up(Error *e)
{
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                return error_errno(e, -errno, "bringing up the loopback device");
        return 0;
}

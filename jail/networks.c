/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/networks.h"

#include "engine/base/fd.h"
#include "jail/namespaces.h"

int networks_take(Networks *n, bool sockets, Error *e)
{
        if (!sockets && n->n > 0)
                return n->free[--n->n];
        return namespace_of_network(sockets, e);
}

void networks_give_back(Networks *n, int fd)
{
        if (fd < 0)
                return;
        if (n->n < NETWORKS_KEPT)
                n->free[n->n++] = fd;
        else
                close_fd(fd);
}

void networks_done(Networks *n)
{
        close_many(n->free, n->n);
        n->n = 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/reserve.h"

#include "engine/base/cleanup.h"

#include <fcntl.h>

#define RESERVE_BYTES (256 << 10)

static char *reserve_path(const char *path)
{
        char *reserve;

        return asprintf(&reserve, "%s-reserve", path) < 0 ? NULL : reserve;
}

void reserve_keep(const char *path)
{
        _cleanup_free_ char *reserve = reserve_path(path);
        _cleanup_close_ int fd = reserve ? open(reserve, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

        if (fd >= 0 && posix_fallocate(fd, 0, RESERVE_BYTES) != 0)
                unlink(reserve);
}

bool reserve_give_up(const char *path)
{
        _cleanup_free_ char *reserve = reserve_path(path);

        return reserve && unlink(reserve) == 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/unit.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <systemd/sd-login.h>

#define CGROUPS "/sys/fs/cgroup" /* where systemd has them: file-hierarchy(7) */
#define OWN_GROUP "supervisor"
#define OWN_UNIT "skep-worker@"

int unit_enter_cgroup(char **ret_cgroup, Error *e)
{
        _cleanup_free_ char *unit = NULL, *group = NULL, *path = NULL;
        char mark[8];

        *ret_cgroup = NULL;
        /* systemd sets the variable for its units alone, and the mark on what it has delegated: systemd.exec(5),
         * org.freedesktop.systemd1(5). */
        if (!getenv("INVOCATION_ID") || sd_pid_get_unit(0, &unit) < 0 || sd_pid_get_cgroup(0, &group) < 0)
                return 0;
        if (asprintf(&path, CGROUPS "%s", group) < 0) {
                path = NULL;
                return error_oom(e);
        }
        if (getxattr(path, "trusted.delegate", mark, sizeof mark) != 1) {
                /* Jails elsewhere would be out of the reach of the slice and its limits. */
                if (errno == ENODATA && strncmp(unit, OWN_UNIT, strlen(OWN_UNIT)) == 0)
                        return error_set(e, -EPERM,
                                         "%s has no control group to itself: a drop-in has taken its Delegate= away "
                                         "(systemctl cat %s)",
                                         unit, unit);
                return 0;
        }
        _cleanup_close_ int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (base < 0 || (mkdirat(base, OWN_GROUP, 0755) < 0 && errno != EEXIST))
                return error_errno(e, -errno, "making a cgroup in %s", path);
        int r = write_file_at(base, OWN_GROUP "/cgroup.procs", "0");
        if (r < 0)
                return error_errno(e, r, "moving into a cgroup of %s", path);
        *ret_cgroup = take(path);
        return 0;
}

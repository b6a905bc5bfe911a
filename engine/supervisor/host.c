/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the control groups of this host can do, and what they say of a worker's. On a host that systemd runs they are
 * where it mounts them: file-hierarchy(7). */

#include "engine/supervisor/host.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#define GROUPS "/sys/fs/cgroup"
#define FILE_MAX ((size_t)4096)

/* ---- what limits there can be ---- */

static const struct {
        const char *name;
        JailLayer layer;
} controllers[] = {{"memory", JAIL_MEMORY}, {"cpu", JAIL_CPU}, {"io", JAIL_IO}}; /* pids can be held otherwise */

static bool has_word(const char *text, const char *word)
{
        _cleanup_strv_ char **words = NULL;

        if (strv_split(text, ' ', &words) < 0)
                return false;
        for (size_t i = 0; words && words[i]; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

void host_check_limits(const Config *config, Troubles *troubles)
{
        _cleanup_free_ char *text = NULL, *list = NULL;
        _cleanup_strv_ char **missing = NULL;
        struct statfs fs;
        bool unified = statfs(GROUPS, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;

        if (unified && read_file_at(AT_FDCWD, GROUPS "/cgroup.controllers", FILE_MAX, &text, NULL) >= 0)
                text[strcspn(text, "\n")] = '\0';
        for (size_t i = 0; i < ELEMENTS(controllers); i++)
                if (!(config->allow_missing & (1U << controllers[i].layer)) && !(text && has_word(text, controllers[i].name)) &&
                    strv_add(&missing, controllers[i].name) < 0)
                        return;
        if (!missing || !(list = strv_join(missing, ", "))) {
                trouble_end(troubles, TROUBLE_LIMITS);
                return;
        }
        trouble_begin(troubles, TROUBLE_LIMITS,
                      "this host cannot limit %s, and jobs that have such a limit are refused: %s, or allow it by name "
                      "(allow_missing)",
                      list,
                      unified ? "its cgroup v2 tree has no controllers for that; enable them on the kernel's command line"
                              : "its control groups are not those of version 2; boot it with "
                                "systemd.unified_cgroup_hierarchy=1");
}

/* ---- what a group uses ---- */

static char *read_value(const char *path, const char *file)
{
        _cleanup_free_ char *whole = NULL;
        char *text = NULL;

        if (asprintf(&whole, GROUPS "%s/%s", path, file) < 0) {
                whole = NULL;
                return NULL;
        }
        return read_file_at(AT_FDCWD, whole, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

/* "some avg10=0.12 avg60=…": the kernel's Documentation/accounting/psi.rst. */
static bool read_pressure(const char *path, const char *file, double *ret)
{
        _cleanup_free_ char *text = read_value(path, file);

        return text && sscanf(text, "some avg10=%lf", ret) == 1;
}

void host_read_group(const char *path, HostGroup *ret)
{
        _cleanup_free_ char *memory = path ? read_value(path, "memory.current") : NULL;

        *ret = (HostGroup){.memory_bytes = UINT64_MAX};
        if (memory && sscanf(memory, "%" SCNu64, &ret->memory_bytes) != 1)
                ret->memory_bytes = UINT64_MAX;
        ret->has_pressure = path && read_pressure(path, "memory.pressure", &ret->memory) &&
                            read_pressure(path, "cpu.pressure", &ret->cpu) &&
                            read_pressure(path, "io.pressure", &ret->io);
}

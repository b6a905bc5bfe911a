/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/enforce.h"

#include "engine/base/strv.h"

#include <string.h>
#include <sys/syscall.h>

#define LANDLOCK_CREATE_RULESET_VERSION (1U << 0) /* include/uapi/linux/landlock.h */

typedef struct LayerInfo {
        const char *name;
        bool may_miss; /* an operator may do without */
} LayerInfo;

static const LayerInfo layers[JAIL_LAYER_MAX] = {
        [JAIL_USER] = {"user", false},
        [JAIL_MOUNT] = {"mount", false},
        [JAIL_PID] = {"pid", false},
        [JAIL_NET] = {"net", false},
        [JAIL_IPC] = {"ipc", false},
        [JAIL_UTS] = {"uts", false},
        [JAIL_CGROUP] = {"cgroup", true},
        [JAIL_CAPABILITIES] = {"capabilities", false},
        [JAIL_SECCOMP] = {"seccomp", false},
        [JAIL_LANDLOCK] = {"landlock", true},
        [JAIL_MEMORY] = {"memory", true},
        [JAIL_CPU] = {"cpu", true},
        [JAIL_PIDS] = {"pids", true},
        [JAIL_IO] = {"io", true},
        [JAIL_CPU_TIME] = {"cpu_time", true},
        [JAIL_WALL] = {"wall", false},
        [JAIL_DISK] = {"disk", false},
        [JAIL_FILES] = {"files", false},
        [JAIL_OUTPUT] = {"output", false},
        [JAIL_BROKER] = {"broker", true},
};

const char *jail_layer_name(JailLayer layer)
{
        return layers[layer].name;
}

int jail_layers_parse_missing(const char *list, JailLayers *ret, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        JailLayers set = 0;

        if (strv_split(list, ',', &names) < 0)
                return error_oom(e);
        for (size_t i = 0; names && names[i]; i++) {
                JailLayer layer = 0;
                while (layer < JAIL_LAYER_MAX && strcmp(layers[layer].name, names[i]) != 0)
                        layer++;
                if (layer == JAIL_LAYER_MAX)
                        return error_set(e, -EINVAL,
                                         "\"%s\" is not a layer; those that may be missing: cgroup, landlock, memory, "
                                         "cpu, pids, io, cpu_time, broker",
                                         names[i]);
                if (!layers[layer].may_miss)
                        return error_set(e, -EINVAL, "a jail is never made without \"%s\"", names[i]);
                set |= 1U << layer;
        }
        *ret = set;
        return 0;
}

int host_landlock_abi(void)
{
        long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

        return abi < 0 ? 0 : (int)abi;
}

typedef struct Decision {
        JailLayers allow_missing, require;
        JailReport *report;
        Error *error;
} Decision;

static void held(Decision *d, JailLayer layer, const char *by)
{
        snprintf(d->report->enforced[layer], sizeof d->report->enforced[layer], "%s", by);
}

static int missing(Decision *d, JailLayer layer, const char *why)
{
        const char *name = jail_layer_name(layer);

        if (d->require & (1U << layer))
                return error_set(d->error, -EOPNOTSUPP, "cannot enforce \"%s\", which the policy requires: %s", name,
                                 why);
        if (!(d->allow_missing & (1U << layer)))
                return error_set(d->error, -EOPNOTSUPP,
                                 "cannot enforce \"%s\": %s; the operator may go without by --allow-missing=%s", name,
                                 why, name);
        d->report->not_enforced |= 1U << layer;
        return 0;
}

static const char *why_no_cgroup(const JailHost *host)
{
        return host->no_cgroup ? host->no_cgroup : "there is no cgroup v2 tree that jails may use";
}

/* A limit that a cgroup controller holds, or nothing does. */
static int by_controller(Decision *d, const JailHost *host, JailLayer layer, unsigned controller, uint64_t *limit)
{
        if (*limit == JAIL_UNLIMITED)
                return 0;
        if (host->controllers & controller) {
                held(d, layer, "cgroup");
                return 0;
        }
        *limit = JAIL_UNLIMITED;
        return missing(d, layer,
                       host->cgroup ? "the cgroup v2 tree of this host lacks the controller" : why_no_cgroup(host));
}

/* What nobody has asked for is not enforced either. */
static int check_required(const Decision *d)
{
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if ((d->require & (1U << layer)) && !*d->report->enforced[layer])
                        return error_set(d->error, -EOPNOTSUPP,
                                         "cannot enforce \"%s\", which the policy requires: neither it nor the job "
                                         "sets one",
                                         jail_layer_name(layer));
        return 0;
}

int enforce_decide(const JailHost *host, JailLimits *limits, JailNetwork network, JailLayers allow_missing,
                   JailLayers require, JailReport *report, Error *e)
{
        Decision d = {allow_missing, require, report, e};
        uint64_t io = limits->io_read_bytes_per_sec != JAIL_UNLIMITED ? limits->io_read_bytes_per_sec
                                                                      : limits->io_write_bytes_per_sec;
        int r;

        held(&d, JAIL_USER, host->ids == IDS_CALLER ? "namespace, caller's id" : "namespace");
        for (JailLayer layer = JAIL_MOUNT; layer <= JAIL_UTS; layer++)
                held(&d, layer, "namespace");
        held(&d, JAIL_CAPABILITIES, "bounding set");
        held(&d, JAIL_SECCOMP, "filter");

        if (host->cgroup)
                held(&d, JAIL_CGROUP, "namespace");
        else if ((r = missing(&d, JAIL_CGROUP, why_no_cgroup(host))) < 0)
                return r;
        if (host->landlock_abi > 0)
                snprintf(report->enforced[JAIL_LANDLOCK], sizeof report->enforced[JAIL_LANDLOCK], "abi %d",
                         host->landlock_abi);
        else if ((r = missing(&d, JAIL_LANDLOCK, "the kernel has no Landlock, or it is switched off (lsm=)")) < 0)
                return r;
        /* Without a broker the jail has no network, which is less than what was asked for, and safe. */
        if (network == JAIL_NETWORK_BROKER) {
                d.allow_missing |= 1U << JAIL_BROKER;
                if ((r = missing(&d, JAIL_BROKER, "no broker is set up")) < 0)
                        return r;
        }

        if ((r = by_controller(&d, host, JAIL_MEMORY, CONTROLLER_MEMORY, &limits->memory_bytes)) < 0 ||
            (r = by_controller(&d, host, JAIL_CPU, CONTROLLER_CPU, &limits->cpu_milli)) < 0 ||
            (r = by_controller(&d, host, JAIL_IO, CONTROLLER_IO, &io)) < 0)
                return r;
        if (report->not_enforced & (1U << JAIL_IO))
                limits->io_read_bytes_per_sec = limits->io_write_bytes_per_sec = JAIL_UNLIMITED;

        /* The jail's own user namespace and id: the count is the jail's alone. */
        if (limits->pids != JAIL_UNLIMITED)
                held(&d, JAIL_PIDS, host->controllers & CONTROLLER_PIDS ? "cgroup" : "rlimit");
        if (limits->cpu_time_usec != JAIL_UNLIMITED) {
                if (host->cgroup)
                        held(&d, JAIL_CPU_TIME, "cpu.stat");
                else if ((r = missing(&d, JAIL_CPU_TIME, why_no_cgroup(host))) < 0)
                        return r;
        }
        if (limits->wall_usec != JAIL_UNLIMITED)
                held(&d, JAIL_WALL, "timer");
        if (limits->disk_bytes != JAIL_UNLIMITED)
                held(&d, JAIL_DISK, "tmpfs");
        if (limits->files != JAIL_UNLIMITED)
                held(&d, JAIL_FILES, "tmpfs");
        if (limits->output_bytes != JAIL_UNLIMITED)
                held(&d, JAIL_OUTPUT, "relay");
        return check_required(&d);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/enforce.h"

#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <linux/capability.h>
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
                if (layer == JAIL_LAYER_MAX) {
                        _cleanup_free_ char *shown = name_escape(names[i]);
                        return error_set(e, -EINVAL,
                                         "\"%s\" is not a layer; those that may be missing: cgroup, landlock, memory, "
                                         "cpu, pids, io, cpu_time, broker",
                                         shown ? shown : "");
                }
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

/* Everything is decided before anything is refused: so whoever reads it has all of it to mend, or to allow, at once. */
typedef struct Decision {
        JailLayers allow_missing, require;
        JailReport *report;
        const char *why[JAIL_LAYER_MAX]; /* what is refused; NULL: not */
} Decision;

static void held(Decision *d, JailLayer layer, const char *by)
{
        snprintf(d->report->enforced[layer], sizeof d->report->enforced[layer], "%s", by);
}

static void missing(Decision *d, JailLayer layer, const char *why)
{
        if ((d->require | ~d->allow_missing) & (1U << layer))
                d->why[layer] = why;
        else
                d->report->not_enforced |= 1U << layer;
}

static const char *why_no_cgroup(const JailHost *host)
{
        return host->no_cgroup ? host->no_cgroup : "there is no cgroup v2 tree that jails may use";
}

/* A limit that a cgroup controller holds, or nothing does. */
static void by_controller(Decision *d, const JailHost *host, JailLayer layer, unsigned controller, uint64_t *limit)
{
        if (*limit == JAIL_UNLIMITED)
                return;
        if (host->controllers & controller) {
                held(d, layer, "cgroup");
                return;
        }
        *limit = JAIL_UNLIMITED;
        missing(d, layer,
                host->cgroup ? "the cgroup v2 tree of this host has no controller for that" : why_no_cgroup(host));
}

/* What nobody has asked for is not enforced either. */
static void check_required(Decision *d)
{
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if ((d->require & (1U << layer)) && !*d->report->enforced[layer] && !d->why[layer])
                        d->why[layer] = "neither it nor the job sets one";
}

/* Adds `"memory", "cpu", which the policy requires: why`: the first of those that are refused, and all for the same
 * reason. Takes them out of `*left`. */
static int add_group(const Decision *d, JailLayers *left, char ***groups)
{
        JailLayer first = (JailLayer)__builtin_ctz(*left);
        bool required = d->require & (1U << first);
        _cleanup_strv_ char **names = NULL;
        int r = 0;

        for (JailLayer layer = first; r >= 0 && layer < JAIL_LAYER_MAX; layer++)
                if ((*left & (1U << layer)) && strcmp(d->why[layer], d->why[first]) == 0 &&
                    !(d->require & (1U << layer)) == !required) {
                        r = strv_addf(&names, "\"%s\"", jail_layer_name(layer));
                        *left &= ~(1U << layer);
                }
        _cleanup_free_ char *list = r < 0 ? NULL : strv_join(names, ", ");
        return list ? strv_addf(groups, "%s%s: %s", list, required ? ", which the policy requires" : "", d->why[first])
                    : -ENOMEM;
}

/* What the operator would have to say: with what is missing and he has allowed already, which a later option of that
 * name would take back. NULL when out of memory. */
static char *missing_list(const Decision *d)
{
        JailLayers auto_allowed = 1U << JAIL_BROKER;
        _cleanup_strv_ char **names = NULL;

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if ((d->why[layer] && !(d->require & (1U << layer))) ||
                    (d->report->not_enforced & ~auto_allowed & (1U << layer)))
                        if (strv_add(&names, jail_layer_name(layer)) < 0)
                                return NULL;
        return strv_join(names, ",");
}

static int refuse(const Decision *d, Error *e)
{
        _cleanup_strv_ char **groups = NULL;
        JailLayers left = 0, refused;
        int r = 0;

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                left |= d->why[layer] ? 1U << layer : 0;
        if (left == 0)
                return 0;
        for (refused = left; r >= 0 && left;)
                r = add_group(d, &left, &groups);
        _cleanup_free_ char *text = r < 0 ? NULL : strv_join(groups, "; "), *list = missing_list(d);
        if (!text || !list)
                return error_oom(e);
        if (refused & ~d->require)
                return error_set(e, -EOPNOTSUPP, "cannot enforce %s; the operator may go without %sby --allow-missing=%s",
                                 text, refused & d->require ? "what is not required " : "", list);
        return error_set(e, -EOPNOTSUPP, "cannot enforce %s", text);
}

/* The jail's own user namespace and id: the count is the jail's alone. */
static void limit_processes(Decision *d, const JailHost *host, uint64_t capabilities, uint64_t *limit)
{
        if (*limit == JAIL_UNLIMITED)
                return;
        if (host->controllers & CONTROLLER_PIDS) {
                held(d, JAIL_PIDS, "cgroup");
        } else if (!(capabilities & UINT64_C(1) << CAP_SETUID)) {
                held(d, JAIL_PIDS, "rlimit");
        } else {
                *limit = JAIL_UNLIMITED;
                missing(d, JAIL_PIDS, "without the controller the kernel counts by user, and a job with CAP_SETUID may be several");
        }
}

int enforce_decide(const JailHost *host, JailLimits *limits, JailNetwork network, uint64_t capabilities,
                   JailLayers allow_missing, JailLayers require, JailReport *report, Error *e)
{
        Decision d = {.allow_missing = allow_missing, .require = require, .report = report};
        uint64_t io = limits->io_read_bytes_per_sec != JAIL_UNLIMITED ? limits->io_read_bytes_per_sec
                                                                      : limits->io_write_bytes_per_sec;

        held(&d, JAIL_USER, host->ids == IDS_CALLER ? "namespace, caller's id" : "namespace");
        for (JailLayer layer = JAIL_MOUNT; layer <= JAIL_UTS; layer++)
                held(&d, layer, "namespace");
        held(&d, JAIL_CAPABILITIES, "bounding set");
        held(&d, JAIL_SECCOMP, "filter");

        if (host->cgroup)
                held(&d, JAIL_CGROUP, "namespace");
        else
                missing(&d, JAIL_CGROUP, why_no_cgroup(host));
        if (host->landlock_abi > 0)
                snprintf(report->enforced[JAIL_LANDLOCK], sizeof report->enforced[JAIL_LANDLOCK], "abi %d",
                         host->landlock_abi);
        else
                missing(&d, JAIL_LANDLOCK, "the kernel has no Landlock, or it is switched off (lsm=)");
        /* Without a broker the jail has no network, which is less than what was asked for, and safe. */
        if (network == JAIL_NETWORK_BROKER) {
                d.allow_missing |= 1U << JAIL_BROKER;
                missing(&d, JAIL_BROKER, "no broker is set up");
        }

        by_controller(&d, host, JAIL_MEMORY, CONTROLLER_MEMORY, &limits->memory_bytes);
        by_controller(&d, host, JAIL_CPU, CONTROLLER_CPU, &limits->cpu_milli);
        by_controller(&d, host, JAIL_IO, CONTROLLER_IO, &io);
        if (report->not_enforced & (1U << JAIL_IO))
                limits->io_read_bytes_per_sec = limits->io_write_bytes_per_sec = JAIL_UNLIMITED;

        limit_processes(&d, host, capabilities, &limits->pids);
        if (limits->cpu_time_usec != JAIL_UNLIMITED) {
                if (host->cgroup)
                        held(&d, JAIL_CPU_TIME, "cpu.stat");
                else
                        missing(&d, JAIL_CPU_TIME, why_no_cgroup(host));
        }
        if (limits->wall_usec != JAIL_UNLIMITED)
                held(&d, JAIL_WALL, "timer");
        if (limits->disk_bytes != JAIL_UNLIMITED)
                held(&d, JAIL_DISK, "tmpfs");
        if (limits->files != JAIL_UNLIMITED)
                held(&d, JAIL_FILES, "tmpfs");
        if (limits->output_bytes != JAIL_UNLIMITED)
                held(&d, JAIL_OUTPUT, "relay");
        check_required(&d);
        return refuse(&d, e);
}

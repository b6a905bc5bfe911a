/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What this host can enforce: first each thing by itself, so that what is missing has a name and a reason; then real
 * jails, whose reports have the last word. */

#include "jail/probe/probe.h"

#include "jail/client.h"
#include "jail/enforce.h"
#include "jail/policy.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* What an operator would have to allow for a job with every limit. A broker is not missed: without one, a jail has less
 * than what was asked for. */
static JailLayers missing_layers(Probe *probe)
{
        JailLayers set = 0;

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++) {
                const JailFinding *f = finding_of_layer(probe, layer);
                if (f && f->held == JAIL_HELD_NOT && layer != JAIL_BROKER &&
                    (probe_may_miss() & (1U << layer)))
                        set |= 1U << layer;
        }
        return set;
}

/* ---- the launcher ---- */

/* Programs that are asked for something (a scope, ids) say on standard error what is wrong. It is kept for the reasons
 * that are given, and has no place among them. Returns our own standard error. */
static int hear_programs(int said)
{
        int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

        if (own >= 0 && said >= 0)
                dup2(said, STDERR_FILENO);
        return own;
}

static void stop_hearing(int own)
{
        if (own >= 0) {
                dup2(own, STDERR_FILENO);
                close(own);
        }
}

static char *first_line(int fd)
{
        char text[512];
        ssize_t n = pread(fd, text, sizeof text - 1, 0);

        if (n <= 0)
                return NULL;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return strdup(text);
}

static void start_launcher(Probe *probe, int said)
{
        if (jail_launcher_new(probe->launcher, &probe->maker, &probe->no_maker) >= 0)
                probe->host = probe->maker->host;
        else
                probe->host = (JailHost){.landlock_abi = host_landlock_abi(), .ids = ids_kind()};
        probe->said = first_line(said);
        /* It says more than that there is none. */
        if (!probe->host.cgroup && probe->said)
                probe->host.no_cgroup = probe->said;
        if (!probe->maker)
                probe->host.no_cgroup = error_text(&probe->no_maker);
}

static void probe_done(Probe *probe)
{
        if (probe->maker)
                jail_launcher_free(probe->maker);
        error_clear(&probe->no_maker);
        free(probe->said);
        surroundings_done(&probe->around);
}

int jail_probe_host(char *const *policies, const JailLauncherOptions *launcher, JailProbe *ret, Error *e)
{
        Probe probe = {.result = ret, .launcher = launcher};
        _cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
        int own = hear_programs(said);

        *ret = (JailProbe){.n_findings = 0};
        surroundings_read(&probe.around);
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                finding_add(&probe, JAIL_FINDING_LAYER, jail_layer_name(layer), JAIL_HELD_NOT);
        probe_kernel(&probe);
        probe_programs(&probe, policies);
        probe_namespaces(&probe);
        probe_ids(&probe);
        probe_mounts(&probe);
        start_launcher(&probe, said);
        probe_cgroups(&probe);
        probe_jails(&probe);
        ret->missing = missing_layers(&probe);
        bool failed = probe.failed;
        probe_done(&probe);
        stop_hearing(own);
        return failed ? error_oom(e) : 0;
}

int jail_policy_on_host(const JailPolicy *policy, const JailLauncherOptions *launcher, JailReport *ret, Error *e)
{
        JailProbe nothing = {.n_findings = 0};
        Probe probe = {.result = &nothing, .launcher = launcher};
        _cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
        JailLimits limits = policy->limits;
        int own = hear_programs(said);

        jail_report_init(ret);
        start_launcher(&probe, said);
        int r = enforce_decide(&probe.host, &limits, policy->network, policy->capabilities, probe_may_miss(), policy->require,
                               ret, e);
        probe_done(&probe);
        stop_hearing(own);
        return r;
}

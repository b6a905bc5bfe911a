/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What this host can enforce: first each thing by itself, so that what is missing has a name and a reason; then real
 * jails, whose reports have the last word. */

#include "jail/probe/probe.h"

#include "jail/enforce.h"
#include "jail/policy.h"

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

int jail_probe_host(char *const *policies, const JailLauncherOptions *launcher, JailProbe *ret, Error *e)
{
        Probe probe = {.result = ret, .launcher = launcher};

        *ret = (JailProbe){.n_findings = 0};
        surroundings_read(&probe.around);
        probe.host.landlock_abi = host_landlock_abi();
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                finding_add(&probe, JAIL_FINDING_LAYER, jail_layer_name(layer), JAIL_HELD_NOT);
        probe_kernel(&probe);
        probe_programs(&probe, policies);
        probe_namespaces(&probe);
        probe_ids(&probe);
        probe_cgroups(&probe);
        probe_mounts(&probe);
        probe_jails(&probe);
        ret->missing = missing_layers(&probe);
        cgroups_done(&probe);
        surroundings_done(&probe.around);
        return probe.failed ? error_oom(e) : 0;
}

int jail_policy_on_host(const JailPolicy *policy, JailReport *ret, Error *e)
{
        _cleanup_probe_ JailProbe ignored = {.n_findings = 0};
        Probe probe = {.result = &ignored};
        JailLimits limits = policy->limits;

        jail_report_init(ret);
        surroundings_read(&probe.around);
        probe.host.landlock_abi = host_landlock_abi();
        probe_cgroups(&probe);
        int r = probe.failed ? error_oom(e)
                             : enforce_decide(&probe.host, &limits, policy->network, probe_may_miss(), policy->require,
                                              ret, e);
        cgroups_done(&probe);
        surroundings_done(&probe.around);
        return r;
}

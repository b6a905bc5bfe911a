/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The caller's side of warm jails: which policies the launcher keeps them for. They are known to it by numbers; the
 * first time, a plan goes along which has only what follows from the policy. */

#include "engine/base/fd.h"
#include "jail/client.h"
#include "jail/filter_reading.h"
#include "jail/policy.h"

#include <string.h>
#include <sys/syscall.h>

static WarmPolicy *find(const JailLauncher *l, const JailPolicy *policy)
{
        WarmPolicy *w = l->warm;

        while (w && strcmp(w->policy->digest, policy->digest) != 0)
                w = w->next;
        return w;
}

static WarmPolicy *find_number(const JailLauncher *l, uint64_t number)
{
        WarmPolicy *w = l->warm;

        while (w && w->number != number)
                w = w->next;
        return w;
}

static bool is_over_host(const JailPolicy *policy)
{
        return !policy->root || strcmp(policy->root, "host") == 0;
}

static int send_keep(JailLauncher *l, uint64_t number, size_t n, int plan)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, LAUNCHER_KEEP);
        pack_number(&p, number);
        pack_number(&p, n);
        return p.failed ? -ENOMEM : send_message(l->socket, p.data, p.size, &plan, plan >= 0 ? 1 : 0);
}

static void forget(JailLauncher *l, WarmPolicy *w)
{
        for (WarmPolicy **at = &l->warm; *at; at = &(*at)->next)
                if (*at == w) {
                        *at = w->next;
                        break;
                }
        jail_policy_unref(w->policy);
        free(w);
}

static int begin(JailLauncher *l, JailPolicy *policy, size_t n, Error *e)
{
        _cleanup_free_ WarmPolicy *w = calloc(1, sizeof *w);
        Plan plan;
        int r = w ? plan_of_policy(l, policy, &plan, e) : error_oom(e);

        if (r < 0)
                return r;
        plan.waits = true;
        plan.waits_filtered = filter_allows_number(policy, SYS_futex) && filter_allows_number(policy, SYS_chdir) &&
                              filter_allows_number(policy, SYS_execve);
        _cleanup_close_ int fd = plan_seal(&plan, e);
        if (fd < 0)
                return fd;
        if ((r = send_keep(l, ++l->next_kind, n, fd)) < 0)
                return error_errno(e, r, "keeping jails warm");
        *w = (WarmPolicy){.next = l->warm, .policy = jail_policy_ref(policy), .number = l->next_kind, .wanted = n};
        l->warm = take(w);
        return 0;
}

int jail_launcher_keep_warm(JailLauncher *l, JailPolicy *policy, size_t n, Error *e)
{
        WarmPolicy *w = find(l, policy);

        if (l->here || l->host.ids != IDS_RANGE || !is_over_host(policy))
                return error_set(e, -EOPNOTSUPP,
                                 "only root's launcher keeps jails warm, and only over the host's root");
        if (!w)
                return n > 0 ? begin(l, policy, n, e) : 0;
        if (w->wanted == n)
                return 0;
        int r = send_keep(l, w->number, n, -1);
        if (r < 0)
                return error_errno(e, r, "keeping jails warm");
        w->wanted = n;
        if (n == 0)
                forget(l, w);
        return 0;
}

size_t jail_launcher_warm(const JailLauncher *l, const JailPolicy *policy)
{
        size_t n = 0;

        for (const WarmPolicy *w = l->warm; w; w = w->next)
                if (!policy || strcmp(w->policy->digest, policy->digest) == 0)
                        n += w->ready;
        return n;
}

uint64_t warm_kind_for(JailLauncher *l, const JailSpec *spec)
{
        WarmPolicy *w =
                spec->n_binds > 0 || spec->root || spec->watch != JAIL_WATCH_COUNT ? NULL : find(l, spec->policy);

        if (!w)
                return 0;
        w->ready -= w->ready > 0;
        return w->number;
}

void warm_policies_ready(JailLauncher *l, uint64_t number, size_t ready)
{
        WarmPolicy *w = find_number(l, number);

        if (w)
                w->ready = ready;
}

void warm_policies_done(JailLauncher *l)
{
        while (l->warm)
                forget(l, l->warm);
}

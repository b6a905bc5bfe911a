/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/tenant.h"

#include "engine/base/clock.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <inttypes.h>

#define MINUTE_USEC (60 * USEC_PER_SECOND)

static int over_size(const Tenant *t, const char *what, uint64_t ceiling, const char *remedy, Error *e)
{
        _cleanup_free_ char *text = size_format(ceiling);

        return error_set(e, -EDQUOT, "tenant %s: %s may take %s: %s", t->name, what, text ? text : "?", remedy);
}

/* Each submission moves `next_due_usec` by what it costs at the rate that is allowed; as long as that is less than a
 * minute ahead, more may come. So there is no window at whose edge twice as many pass. */
static uint64_t interval_usec(const Tenant *t)
{
        return MINUTE_USEC / t->rules.limits.submissions_per_minute;
}

static bool is_rated(const Tenant *t)
{
        return t->rules.limits.submissions_per_minute != TENANT_UNLIMITED;
}

int tenant_check_rate(const Tenant *t, uint64_t now_usec, Error *e)
{
        if (!is_rated(t) || t->next_due_usec + interval_usec(t) <= now_usec + MINUTE_USEC)
                return 0;
        uint64_t early_usec = t->next_due_usec + interval_usec(t) - now_usec - MINUTE_USEC,
                 seconds = (early_usec + USEC_PER_SECOND - 1) / USEC_PER_SECOND;
        return error_set(e, -EDQUOT, "tenant %s: it may submit or requeue %" PRIu64 " jobs a minute: try again in %" PRIu64 " s",
                         t->name, t->rules.limits.submissions_per_minute, seconds);
}

int tenant_admit(const Tenant *t, const char *policy, uint64_t jobs, uint64_t spec_bytes, uint64_t now_usec, Error *e)
{
        const TenantLimits *limits = &t->rules.limits;

        if (t->rules.restricted && !strv_contains(t->rules.policies, policy)) {
                _cleanup_free_ char *permitted = strv_join(t->rules.policies, ", ");
                return error_set(e, -EPERM, "policy: tenant %s may use %s, and not %s", t->name,
                                 permitted && *permitted ? permitted : "none", policy);
        }
        if (jobs > limits->queued || t->queued > limits->queued - jobs)
                return error_set(e, -EDQUOT,
                                 "tenant %s: it may have %" PRIu64 " jobs that wait, and has %" PRIu64
                                 ": try again when some have "
                                 "been started",
                                 t->name, limits->queued, t->queued);
        if (spec_bytes > limits->spec_bytes || t->spec_bytes > limits->spec_bytes - spec_bytes)
                return over_size(t, "the specifications of its jobs", limits->spec_bytes,
                                 "hand over long texts as inputs, or remove jobs that have ended", e);
        if (!tenant_has_output_room(t))
                return over_size(t, "what its jobs have left", limits->output_bytes, "remove jobs that have ended", e);
        return tenant_check_rate(t, now_usec, e);
}

void tenant_count_submission(Tenant *t, uint64_t now_usec)
{
        if (!is_rated(t))
                return;
        if (t->next_due_usec < now_usec)
                t->next_due_usec = now_usec;
        t->next_due_usec += interval_usec(t);
}

void tenant_uncount_submission(Tenant *t)
{
        if (is_rated(t) && t->next_due_usec > interval_usec(t))
                t->next_due_usec -= interval_usec(t);
}

uint64_t tenant_input_room(const Tenant *t)
{
        return t->input_bytes < t->rules.limits.input_bytes ? t->rules.limits.input_bytes - t->input_bytes : 0;
}

int tenant_check_input(const Tenant *t, uint64_t bytes, Error *e)
{
        if (bytes <= tenant_input_room(t))
                return 0;
        return over_size(t, "the inputs of jobs that have not ended", t->rules.limits.input_bytes,
                         "try again when some have ended", e);
}

bool tenant_has_output_room(const Tenant *t)
{
        return t->output_bytes < t->rules.limits.output_bytes;
}

Tenant *tenant_ref(Tenant *t)
{
        t->users++;
        return t;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/refusal.h"

#include <errno.h>
#include <string.h>

static bool check(const ArgumentCheck *c, const struct seccomp_data *call)
{
        if (c->argument >= ARGUMENTS_MAX)
                return false;
        uint64_t given = call->args[c->argument];
        switch (c->op) {
        case SCMP_CMP_NE:
                return given != c->value;
        case SCMP_CMP_LT:
                return given < c->value;
        case SCMP_CMP_LE:
                return given <= c->value;
        case SCMP_CMP_EQ:
                return given == c->value;
        case SCMP_CMP_GE:
                return given >= c->value;
        case SCMP_CMP_GT:
                return given > c->value;
        case SCMP_CMP_MASKED_EQ:
                return (given & c->value) == (c->value_two & c->value);
        default:
                return false;
        }
}

static bool fits(const Refusal *r, const struct seccomp_data *call)
{
        if (r->number != REFUSAL_ANY_CALL && r->number != call->nr)
                return false;
        for (size_t i = 0; i < r->n_checks && i < ARGUMENTS_MAX; i++)
                if (!check(&r->checks[i], call))
                        return false;
        return true;
}

int refusal_errno(const void *list, size_t size, const struct seccomp_data *call)
{
        for (const char *next = list; size >= sizeof(Refusal); next += sizeof(Refusal), size -= sizeof(Refusal)) {
                Refusal r;
                memcpy(&r, next, sizeof r);
                if (fits(&r, call))
                        return r.error;
        }
        return EPERM;
}

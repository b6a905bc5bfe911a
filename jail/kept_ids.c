/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/kept_ids.h"

int kept_ids_take(KeptIds *k, IdsKind kind, uint32_t *hint, Ids *ret, Error *e)
{
        if (kind != IDS_RANGE || k->n == 0)
                return ids_take(kind, hint, ret, e);
        *ret = k->free[--k->n];
        return 0;
}

void kept_ids_give_back(KeptIds *k, Ids *ids)
{
        if (ids->user < 0 || k->n == KEPT_IDS_MAX || ++ids->jails == KEPT_IDS_JAILS) {
                ids_done(ids);
                return;
        }
        k->free[k->n++] = *ids;
        *ids = IDS_NULL;
}

void kept_ids_done(KeptIds *k)
{
        while (k->n > 0)
                ids_done(&k->free[--k->n]);
}

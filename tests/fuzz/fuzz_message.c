/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/worker/protocol.h"
#include "jail/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        RunOrder order;
        Plan plan;

        if (run_order_unpack(data, size, &order) >= 0)
                run_order_done(&order);
        if (plan_unpack(data, size, &plan) >= 0)
                plan_done(&plan);
        return 0;
}

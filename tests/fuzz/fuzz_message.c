/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/worker/protocol.h"
#include "jail/plan.h"

#include <string.h>

/* Who sends it, over a connection in which state: the first byte says so. What can be read comes back as it was when it
 * is written and read again. */
static void read_worker_message(const uint8_t *data, size_t size)
{
        if (size == 0)
                return;
        const WorkerSide sender = data[0] & 1 ? SIDE_WORKER : SIDE_SUPERVISOR;
        const WorkerPhase phase = (data[0] >> 1) & 3;
        const uint64_t version = ((data[0] >> 3) & 3) + 1;
        const size_t n_fds = data[0] >> 5;
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_packer_ Packer p = {0};
        WorkerMessage m, back;

        if (worker_message_read(data + 1, size - 1, n_fds, sender, phase, version, &m, &e) < 0)
                return;
        worker_message_pack(&p, &m);
        if (p.failed || p.size != size - 1 || memcmp(p.data, data + 1, p.size) != 0 ||
            worker_message_read(p.data, p.size, n_fds, sender, phase, version, &back, &e) < 0)
                abort();
        free(m.attempts);
        free(back.attempts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        RunOrder order;
        Plan plan;

        read_worker_message(data, size);
        if (run_order_unpack(data, size, &order) >= 0)
                run_order_done(&order);
        if (plan_unpack(data, size, &plan) >= 0)
                plan_done(&plan);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/supervisor/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);
        _cleanup_error_ Error e = ERROR_NULL;
        JobSpec spec, again;

        if (spec_parse(text, &spec, &e) >= 0) {
                /* What is shown is a job as well. */
                if (spec_parse(spec.text, &again, &e) < 0)
                        abort();
                spec_done(&again);
                spec_done(&spec);
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/name.h"
#include "engine/base/size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t amount, again;

        if (size_parse(text, &amount, &e) >= 0) {
                _cleanup_free_ char *written = size_format(amount);
                if (size_parse(written, &again, &e) < 0 || again != amount)
                        abort();
        }
        if (duration_parse(text, &amount, &e) >= 0) {
                _cleanup_free_ char *written = duration_format(amount);
                if (duration_parse(written, &again, &e) < 0 || again != amount)
                        abort();
        }
        cpus_parse(text, &amount, &e);
        count_parse(text, 1, UINT64_MAX, &amount, &e);
        name_check_input(text, &e);
        name_check("name", text, &e);
        return 0;
}

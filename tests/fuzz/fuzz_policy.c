/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "jail/jail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL, *again = NULL;

        if (jail_policy_from_text("fuzz", text, &policy, &e) >= 0 &&
            (jail_policy_from_text("fuzz", jail_policy_text(policy), &again, &e) < 0 ||
             strcmp(jail_policy_digest(policy), jail_policy_digest(again)) != 0))
                abort();
        return 0;
}

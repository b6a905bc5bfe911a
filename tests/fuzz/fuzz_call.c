/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/cleanup.h"
#include "jail/call.h"
#include "jail/cli/host_path.h"
#include "jail/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *line = fuzz_text(data, size), *plain = host_path_plain(line);
        JailCall call;

        /* What is told of a call. */
        if (call_unpack(data, size, &call) >= 0) {
                _cleanup_free_ char *text = jail_call_text(&call);
                if (strpbrk(text, "\n\033"))
                        abort();
        }
        /* What it names: plain is plain. */
        if (plain) {
                _cleanup_free_ char *again = host_path_plain(plain);
                if (strcmp(again, plain) != 0 || strstr(plain, "//") || strstr(plain, "/../"))
                        abort();
        }
        process_map_path(line, 0x400000);
        return 0;
}

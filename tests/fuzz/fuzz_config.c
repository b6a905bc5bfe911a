/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/strv.h"
#include "engine/supervisor/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);
        _cleanup_(config_freep) Config *config = NULL, *other = NULL;
        _cleanup_strv_ char **problems = NULL, **later = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (config_new(&config, &e) < 0 || config_new(&other, &e) < 0 ||
            config_take_text(config, text, size, "fuzz", &problems, &e) < 0 || config_replace(other, config, &later) < 0)
                abort();
        /* Whatever the text was, the values are such as are allowed. */
        if (config->workers.minimum < 1 || config->clients.calls < 1 || !config->socket || !*config->socket)
                abort();
        _cleanup_free_ char *shown = config_show(other);
        if (!shown)
                abort();
        return 0;
}

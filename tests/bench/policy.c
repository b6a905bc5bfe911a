/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/policy.h"

#include "engine/base/clock.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/policy.h"

#include <sys/stat.h>

static int read_and_compile(char *const *directories, Error *e)
{
        _cleanup_policy_ JailPolicy *policy = NULL;
        int r = jail_policy_load("strict", directories, &policy, e);

        return r < 0 ? r : policy_compile(policy, e);
}

static int take_kept(char *const *directories, const char *cache, Error *e)
{
        _cleanup_policy_ JailPolicy *policy = NULL;

        return jail_policy_load_compiled("strict", directories, cache, &policy, e);
}

int policy_measure(const char *folder, size_t runs, Samples *compiled, Samples *kept, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        _cleanup_free_ char *cache = NULL;
        int r = directories ? 0 : -ENOMEM;

        if (r >= 0 && asprintf(&cache, "%s/policies", folder) < 0)
                r = error_oom(e);
        if (r >= 0 && mkdir(cache, 0700) < 0)
                r = error_errno(e, -errno, "%s", cache);
        if (r >= 0)
                r = take_kept(directories, cache, e); /* nothing is kept yet */
        for (size_t i = 0; i < runs && r >= 0; i++) {
                uint64_t start = monotonic_usec();
                if ((r = read_and_compile(directories, e)) < 0)
                        return r;
                samples_add(compiled, monotonic_usec() - start, 0);
                start = monotonic_usec();
                r = take_kept(directories, cache, e);
                samples_add(kept, monotonic_usec() - start, 0);
        }
        return r;
}

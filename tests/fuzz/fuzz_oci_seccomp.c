/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "jail/oci_seccomp.h"

#define COMPILED_RULES_MAX 30 /* libseccomp is slow */

/* The profile of a text, settled, as text again; NULL where it is none. */
static char *settle(const char *text, OciSeccomp **ret)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_json_ json_object *object = NULL, *settled = NULL;
        _cleanup_oci_seccomp_ OciSeccomp *s = NULL;
        _cleanup_strv_ char **notes = NULL;

        if (json_parse_text(text, strlen(text), &object, &e) < 0 || oci_seccomp_read(object, "x", &s, &e) < 0 ||
            oci_seccomp_settle(s, 1, &notes, &e) < 0)
                return NULL;
        settled = oci_seccomp_to_json(s);
        *ret = take(s);
        return strdup(json_object_to_json_string(settled));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_oci_seccomp_ OciSeccomp *s = NULL, *back = NULL;
        _cleanup_free_ char *text = fuzz_text(data, size), *once = settle(text, &s), *twice = NULL;

        if (!once)
                return 0;
        twice = settle(once, &back);
        if (!twice || strcmp(once, twice) != 0)
                abort();
        if (s->n_rules <= COMPILED_RULES_MAX) {
                BpfProgram program = {0};
                Refusal *refusals = NULL;
                size_t n_refusals;
                int r = oci_seccomp_compile(s, &program, &refusals, &n_refusals);
                if (r < 0 && r != -E2BIG)
                        abort();
                bpf_program_done(&program);
                free(refusals);
        }
        return 0;
}

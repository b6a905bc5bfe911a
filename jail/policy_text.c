/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A resolved policy as canonical JSON: system calls sorted, no groups, no `extends`. That is what the digest is of, and
 * what one program hands another. */

#include "jail/policy.h"

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "jail/limits.h"

#include <string.h>
#include <sys/capability.h>

static json_object *strings_to_json(char *const *list)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; list && list[i]; i++)
                json_object_array_add(array, json_object_new_string(list[i]));
        return array;
}

static json_object *capabilities_to_json(uint64_t set)
{
        json_object *array = json_object_new_array();

        for (cap_value_t c = 0; c < 64; c++)
                if (set & (UINT64_C(1) << c)) {
                        char *name = cap_to_name(c);
                        json_object_array_add(array, json_object_new_string(name ? name : ""));
                        cap_free(name);
                }
        return array;
}

static json_object *layers_to_json(JailLayers set)
{
        json_object *array = json_object_new_array();

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if (set & (1U << layer))
                        json_object_array_add(array, json_object_new_string(jail_layer_name(layer)));
        return array;
}

static json_object *syscalls_to_json(const JailPolicy *p)
{
        json_object *o = json_object_new_object();

        json_object_object_add(o, "allow", strings_to_json(p->syscalls));
        json_add_string(o, "action", p->action == POLICY_ACTION_KILL ? "kill" : "errno");
        return o;
}

static json_object *policy_to_json(const JailPolicy *p)
{
        json_object *o = json_object_new_object(), *filesystem = json_object_new_object();

        json_add_string(o, "description", p->description ? p->description : "");
        json_add_string(filesystem, "root", p->root ? p->root : "host");
        json_object_object_add(filesystem, "read_only", strings_to_json(p->read_only));
        json_object_object_add(filesystem, "writable", strings_to_json(p->writable));
        json_object_object_add(filesystem, "tmpfs", strings_to_json(p->tmpfs));
        json_object_object_add(filesystem, "hidden", strings_to_json(p->hidden));
        json_object_object_add(filesystem, "execute", strings_to_json(p->execute));
        json_add_string(filesystem, "proc_subset", p->proc_pid ? "pid" : "all");
        json_object_object_add(o, "filesystem", filesystem);
        json_add_string(o, "network", p->network == JAIL_NETWORK_NONE ? "none" : "broker");
        if (p->seccomp)
                json_object_object_add(o, "seccomp", oci_seccomp_to_json(p->seccomp));
        else
                json_object_object_add(o, "syscalls", syscalls_to_json(p));
        json_object_object_add(o, "limits", limits_to_json(&p->limits, &p->ceilings));
        json_object_object_add(o, "devices", strings_to_json(p->devices));
        json_object_object_add(o, "capabilities", capabilities_to_json(p->capabilities));
        json_object_object_add(o, "require", layers_to_json(p->require));
        return o;
}

int policy_write_text(JailPolicy *p, Error *e)
{
        _cleanup_json_ json_object *object = policy_to_json(p);
        const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
        char hex[DIGEST_HEX_SIZE];

        if (!text || !(p->text = strdup(text)))
                return error_oom(e);
        digest_hex(text, strlen(text), hex);
        if (asprintf(&p->digest, "sha256:%s", hex) < 0) {
                p->digest = NULL;
                return error_oom(e);
        }
        return 0;
}

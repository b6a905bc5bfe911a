/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "jail/jail.h"

#include <string.h>

static const char *const reason_names[JAIL_REASON_MAX] = {
        [JAIL_EXITED] = "exited",
        [JAIL_SIGNALLED] = "signalled",
        [JAIL_OOM] = "oom",
        [JAIL_WALL_LIMIT] = "wall-limit",
        [JAIL_CPU_LIMIT] = "cpu-limit",
        [JAIL_CANCELLED] = "cancelled",
        [JAIL_SETUP_FAILED] = "setup-failed",
        [JAIL_EXEC_FAILED] = "exec-failed",
        [JAIL_LOST] = "lost",
        [JAIL_DEPENDENCY] = "dependency",
        [JAIL_DEADLINE] = "deadline",
        [JAIL_OUTPUT_FAILED] = "output-failed",
};

const char *jail_reason_name(JailReason reason)
{
        return reason_names[reason];
}

bool jail_reason_parse(const char *name, JailReason *ret)
{
        for (JailReason reason = 0; reason < JAIL_REASON_MAX; reason++)
                if (strcmp(reason_names[reason], name) == 0) {
                        *ret = reason;
                        return true;
                }
        return false;
}

void jail_report_init(JailReport *report)
{
        *report = (JailReport){
                .exit_code = -1,
                .setup_usec = JAIL_UNKNOWN,
                .wall_usec = JAIL_UNKNOWN,
                .cpu_user_usec = JAIL_UNKNOWN,
                .cpu_system_usec = JAIL_UNKNOWN,
                .memory_peak_bytes = JAIL_UNKNOWN,
                .pids_peak = JAIL_UNKNOWN,
                .io_read_bytes = JAIL_UNKNOWN,
                .io_write_bytes = JAIL_UNKNOWN,
                .memory_pressure_usec = JAIL_UNKNOWN,
                .cpu_pressure_usec = JAIL_UNKNOWN,
                .io_pressure_usec = JAIL_UNKNOWN,
                .denied_complete = true,
        };
}

void jail_report_done(JailReport *report)
{
        free(report->message);
        report->message = NULL;
}

static json_object *denied_to_json(const JailReport *report)
{
        json_object *object = json_object_new_object();

        for (int i = 0; object && i < JAIL_SYSCALL_MAX; i++) {
                if (report->denied[i] == 0)
                        continue;
                _cleanup_free_ char *name = jail_syscall_name(i);
                if (name)
                        json_object_object_add(object, name, json_object_new_uint64(report->denied[i]));
        }
        return object;
}

json_object *jail_report_to_json(const JailReport *r)
{
        json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        json_add_string(o, "reason", jail_reason_name(r->reason));
        json_add_number(o, "exit_code", r->exit_code < 0 ? UINT64_MAX : (uint64_t)r->exit_code);
        json_add_number(o, "signal", (uint64_t)r->signal);
        /* Whatever has come into the sentence: of a report that is not JSON nothing can be read, nor that it has failed. */
        _cleanup_free_ char *message = r->message ? text_escape(r->message, strlen(r->message)) : NULL;
        json_add_string(o, "message", message);
        json_add_string(o, "start", r->warm ? "warm" : "cold");
        json_add_string(o, "policy_digest", *r->policy_digest ? r->policy_digest : NULL);
        json_add_number(o, "setup_usec", r->setup_usec);
        json_add_number(o, "wall_usec", r->wall_usec);
        json_add_number(o, "cpu_user_usec", r->cpu_user_usec);
        json_add_number(o, "cpu_system_usec", r->cpu_system_usec);
        json_add_number(o, "memory_peak_bytes", r->memory_peak_bytes);
        json_add_number(o, "pids_peak", r->pids_peak);
        json_add_number(o, "io_read_bytes", r->io_read_bytes);
        json_add_number(o, "io_write_bytes", r->io_write_bytes);

        json_object *pressure = json_object_new_object();
        json_add_number(pressure, "memory_usec", r->memory_pressure_usec);
        json_add_number(pressure, "cpu_usec", r->cpu_pressure_usec);
        json_add_number(pressure, "io_usec", r->io_pressure_usec);
        json_object_object_add(o, "pressure", pressure);

        json_add_number(o, "stdout_bytes", r->stdout_bytes);
        json_add_number(o, "stderr_bytes", r->stderr_bytes);
        json_add_bool(o, "truncated", r->truncated);
        json_object_object_add(o, "denied_syscalls", denied_to_json(r));
        json_add_bool(o, "denied_complete", r->denied_complete);

        json_object *enforced = json_object_new_object(), *missing = json_object_new_array();
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++) {
                if (*r->enforced[layer])
                        json_add_string(enforced, jail_layer_name(layer), r->enforced[layer]);
                if (r->not_enforced & (1U << layer))
                        json_object_array_add(missing, json_object_new_string(jail_layer_name(layer)));
        }
        json_object_object_add(o, "enforced", enforced);
        json_object_object_add(o, "not_enforced", missing);
        return o;
}

int jail_report_exit_status(const JailReport *report)
{
        switch (report->reason) {
        case JAIL_EXITED:
        case JAIL_EXEC_FAILED:
                return report->exit_code;
        case JAIL_SIGNALLED:
                return 128 + report->signal;
        case JAIL_OOM:
                return 137;
        case JAIL_WALL_LIMIT:
        case JAIL_CPU_LIMIT:
        case JAIL_DEADLINE:
                return 124;
        case JAIL_CANCELLED:
                return 130;
        default:
                return 125;
        }
}

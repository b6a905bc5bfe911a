/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/call_groups.h"

#include "engine/base/strv.h"
#include "jail/syscall_groups.h"

static int split_group(const CallGroups *groups, const Calls *calls, char *const *set, CallGroup *group, char ***grouped,
                       Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int r = syscall_groups_expand(groups->json, group->name, group->name, &names, e);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                if (!calls_find(calls, names[i]))
                        continue;
                bool in = strv_contains(set, names[i]);
                if (strv_add(in ? &group->in : &group->out, names[i]) < 0 || (in && strv_add(grouped, names[i]) < 0))
                        return error_oom(e);
        }
        return r;
}

int call_groups_make(char *const *directories, const Calls *calls, char *const *set, CallGroups *ret, Error *e)
{
        _cleanup_strv_ char **grouped = NULL;

        *ret = (CallGroups){.n = 0};
        int r = syscall_groups_load(directories, &ret->json, e);
        if (r < 0)
                return r;
        ret->list = calloc((size_t)json_object_object_length(ret->json) + 1, sizeof *ret->list);
        if (!ret->list)
                return error_oom(e);
        json_object_object_foreach(ret->json, name, members)
        {
                (void)members;
                CallGroup *group = &ret->list[ret->n++];
                group->name = name;
                if ((r = split_group(ret, calls, set, group, &grouped, e)) < 0)
                        return r;
        }
        for (size_t i = 0; set && set[i]; i++)
                if (!strv_contains(grouped, set[i]) && strv_add(&ret->ungrouped, set[i]) < 0)
                        return error_oom(e);
        return 0;
}

void call_groups_done(CallGroups *groups)
{
        for (size_t i = 0; i < groups->n; i++) {
                strv_free(groups->list[i].in);
                strv_free(groups->list[i].out);
        }
        free(groups->list);
        strv_free(groups->ungrouped);
        json_object_put(groups->json);
        *groups = (CallGroups){.n = 0};
}

/* ---- doors ---- */

typedef struct Door {
        const char *what, *calls[18];
} Door;

static const Door doors[] = {
        {"mounts", {"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
                    "fspick", "mount_setattr"}},
        {"namespaces", {"unshare", "setns"}},
        {"other processes' memory", {"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"}},
        {"the kernel's programs", {"bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load",
                                   "kexec_file_load"}},
        {"the kernel's keys", {"add_key", "request_key", "keyctl"}},
        {"io_uring", {"io_uring_setup", "io_uring_enter", "io_uring_register"}},
        {"userfaultfd", {"userfaultfd"}},
        {"files by handle", {"open_by_handle_at", "name_to_handle_at"}},
        {"fanotify", {"fanotify_init", "fanotify_mark"}},
        {"ids", {"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid"}},
        {"clocks", {"clock_settime", "settimeofday", "adjtimex", "clock_adjtime"}},
        {"the machine", {"reboot", "swapon", "swapoff", "acct", "quotactl", "sethostname", "setdomainname", "syslog",
                         "iopl", "ioperm", "modify_ldt", "vhangup"}},
};

int call_doors(const Calls *calls, char ***closed, char ***open)
{
        for (size_t i = 0; i < ELEMENTS(doors); i++) {
                _cleanup_strv_ char **allowed = NULL;
                for (const char *const *name = doors[i].calls; *name; name++) {
                        const Call *call = calls_find(calls, *name);
                        if (call && call->fate != FILTER_REFUSES && strv_add(&allowed, *name) < 0)
                                return -ENOMEM;
                }
                _cleanup_free_ char *names = strv_join(allowed, " ");
                int r = allowed ? strv_addf(open, "%s (%s)", doors[i].what, names ? names : "")
                                : strv_add(closed, doors[i].what);
                if (r < 0)
                        return r;
        }
        return 0;
}

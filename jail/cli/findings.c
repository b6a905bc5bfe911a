/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/findings.h"

#include "engine/base/name.h"
#include "engine/base/path.h"
#include "engine/base/strv.h"
#include "jail/call.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PATHS_MAX 512    /* of each list */
#define FILES_EACH_MAX 8 /* of one directory; if there are more, the directory itself */

/* Where a job may make programs itself: there a policy cannot name the file. */
static const char *const own_places[] = {"/work", "/tmp", "/output", "/dev/shm"};

void findings_done(Findings *f)
{
        strv_free(f->executed);
        strv_free(f->offered);
        strv_free(f->offered_programs);
        for (size_t i = 0; i < f->n_left_out; i++)
                free(f->left_out[i].path);
        free(f->left_out);
        *f = (Findings){.n_left_out = 0};
}

static void keep(Findings *f, char ***list, const char *path)
{
        if (strv_contains(*list, path))
                return;
        if (strv_length(*list) >= PATHS_MAX || strv_add(list, path) < 0)
                f->overflow = true;
}

static void leave_out(Findings *f, const char *path, HostVerdict verdict)
{
        for (size_t i = 0; i < f->n_left_out; i++)
                if (strcmp(f->left_out[i].path, path) == 0)
                        return;
        LeftOut *larger = NULL;
        if (f->n_left_out < PATHS_MAX)
                larger = reallocarray(f->left_out, f->n_left_out + 1, sizeof *larger);
        char *copy = larger ? strdup(path) : NULL;
        if (larger)
                f->left_out = larger;
        if (copy)
                f->left_out[f->n_left_out++] = (LeftOut){copy, verdict};
        else
                f->overflow = true;
}

/* Not a process: those of the host are not the jail's. */
static bool is_in_proc_itself(const char *path)
{
        return strncmp(path, "/proc/", strlen("/proc/")) == 0 && !isdigit((unsigned char)path[strlen("/proc/")]) &&
               access(path, F_OK) == 0;
}

HostVerdict findings_add_missed(Findings *f, const char *path, bool opened, bool executed)
{
        _cleanup_free_ char *named = host_path_plain(path), *plain = named ? host_path_follow_shown(named) : NULL;
        HostVerdict verdict = plain && !f->other_root ? host_path_judge(plain, opened, executed) : HOST_ABSENT;

        if (named && is_in_proc_itself(named)) {
                f->proc = true;
        } else if (verdict == HOST_OFFERED) {
                keep(f, &f->offered, plain);
                if (executed)
                        keep(f, &f->offered_programs, plain);
        } else if (verdict != HOST_ABSENT) {
                leave_out(f, plain, verdict);
        }
        return verdict;
}

static const char *place_to_execute(const char *path)
{
        for (size_t i = 0; i < ELEMENTS(own_places); i++)
                if (path_is_below(path, own_places[i]))
                        return own_places[i];
        return path;
}

void findings_add(Findings *f, const JailCall *call)
{
        const CallLookup *lookup = call_lookup(call->number);

        if (call->kind == JAIL_CALL_MADE)
                f->made[call->number] = true;
        else if (call->kind == JAIL_CALL_EXECUTED && !name_is_printable(place_to_execute(call->path)))
                leave_out(f, call->path, HOST_STRANGE);
        else if (call->kind == JAIL_CALL_EXECUTED)
                keep(f, &f->executed, call->path);
        else if (call->kind == JAIL_CALL_MISSED)
                findings_add_missed(f, call->path, lookup && lookup->opens, lookup && lookup->executes);
}

/* ---- into the draft ---- */

static int use_calls(const Findings *f, Draft *draft)
{
        for (int i = 0; i < JAIL_SYSCALL_MAX; i++) {
                _cleanup_free_ char *name = f->made[i] ? jail_syscall_name(i) : NULL;
                DraftItem *item = name ? draft_find(draft, DRAFT_CALL, name) : NULL;
                if (f->made[i] && !name)
                        return -ENOMEM;
                /* It was not refused, so that the base has it; unless that gives it another name. */
                if (item)
                        item->used = true;
        }
        /* These two pass a recording unseen, and no policy is without them. */
        int r = draft_use(draft, DRAFT_CALL, "execve", NULL);
        return r < 0 ? r : draft_use(draft, DRAFT_CALL, "exit_group", NULL);
}

/* Whether it lies in a directory of the draft's. */
static bool is_in_one(const Draft *draft, DraftKind kind, const char *path)
{
        for (size_t i = 0; i < draft->n_items; i++)
                if (draft->items[i].kind == kind && path_is_below(path, draft->items[i].name))
                        return true;
        return false;
}

/* `*ret_new`: where one is, nothing could be executed. What was seen of it is then only that it was tried. */
static int use_programs(char *const *paths, Draft *draft, bool *ret_new)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && paths && paths[i]; i++) {
                _cleanup_free_ char *plain = host_path_plain(paths[i]);
                bool is_new = false;
                if (!plain || strcmp(plain, paths[i]) != 0)
                        continue;
                bool could = is_in_one(draft, DRAFT_EXECUTE, plain);
                r = draft_use(draft, DRAFT_EXECUTE, place_to_execute(plain), &is_new);
                *ret_new |= is_new && !could;
        }
        return r;
}

static size_t count_beside(char *const *paths, const char *path)
{
        size_t folder = (size_t)(strrchr(path, '/') - path) + 1, n = 0;

        for (size_t i = 0; paths && paths[i]; i++)
                n += strncmp(paths[i], path, folder) == 0 && !strchr(paths[i] + folder, '/');
        return n;
}

/* What stands in the policy for a path: the path, or its directory. Owned by the caller. */
static char *place_to_read(char *const *paths, const char *path)
{
        _cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

        if (folder && count_beside(paths, path) > FILES_EACH_MAX &&
            host_path_judge(folder, true, false) == HOST_OFFERED)
                return take(folder);
        return strdup(path);
}

int findings_use(const Findings *f, Draft *draft, bool *ret_new)
{
        int r = use_calls(f, draft);

        *ret_new = false;
        if (r >= 0 && f->proc)
                r = draft_use(draft, DRAFT_PROC, DRAFT_ALL_OF_PROC, ret_new);
        for (size_t i = 0; r >= 0 && f->offered && f->offered[i]; i++) {
                _cleanup_free_ char *place = place_to_read(f->offered, f->offered[i]);
                bool is_new = false;
                /* Where it is writable, the command itself may have made the file since it looked for it. */
                if (place && (is_in_one(draft, DRAFT_READ_ONLY, place) || is_in_one(draft, DRAFT_WRITABLE, place)))
                        continue;
                r = place ? draft_use(draft, DRAFT_READ_ONLY, place, &is_new) : -ENOMEM;
                *ret_new |= is_new;
        }
        if (r >= 0)
                r = use_programs(f->executed, draft, ret_new);
        return r < 0 ? r : use_programs(f->offered_programs, draft, ret_new);
}

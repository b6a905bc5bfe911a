/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/host_path.h"

#include "engine/base/cleanup.h"
#include "engine/base/name.h"
#include "engine/base/path.h"
#include "engine/base/strv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char *const verdicts[HOST_VERDICT_MAX] = {
        [HOST_PRIVATE] = "not everybody may read it",
        [HOST_HOME] = "a hidden file of a home directory",
        [HOST_SYSTEM] = "of the kernel, of running services, or of a place that the jail has for itself",
        [HOST_SPECIAL] = "neither a file nor a directory",
        [HOST_BROAD] = "a whole top directory",
        [HOST_STRANGE] = "a strange name",
};

/* What is in there is not made of files that stay; or is another's in a jail. */
static const char *const system_places[] = {"/proc", "/sys",  "/dev",   "/run",    "/boot",   "/var/run",
                                            "/tmp",  "/work", "/input", "/output", "/var/tmp"};

static const char *const homes[] = {"/root", "/home"};

/* What a jail shows of the host in any case. */
static const char *const shown[] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                    "/lib32", "/lib64", "/libx32", "/etc/alternatives"};

#define LINKS_MAX 40

const char *host_verdict_text(HostVerdict verdict)
{
        return verdicts[verdict];
}

char *host_path_plain(const char *path)
{
        _cleanup_strv_ char **parts = NULL, **kept = NULL;
        char *plain = NULL;
        size_t n = 0;

        if (path[0] != '/' || strv_split(path, '/', &parts) < 0)
                return NULL;
        kept = calloc(strv_length(parts) + 1, sizeof *kept);
        for (size_t i = 0; kept && parts && parts[i]; i++) {
                if (strcmp(parts[i], ".") == 0)
                        continue;
                if (strcmp(parts[i], "..") != 0) {
                        kept[n++] = strdup(parts[i]);
                } else if (n > 0) {
                        free(kept[--n]);
                        kept[n] = NULL;
                }
        }
        _cleanup_free_ char *joined = kept && n > 0 ? strv_join(kept, "/") : NULL;
        if (kept && n == 0)
                return strdup("/");
        return joined && asprintf(&plain, "/%s", joined) >= 0 ? plain : NULL;
}

static bool is_in_any(const char *path, const char *const *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (path_is_at_or_below(path, list[i]))
                        return true;
        return false;
}

/* The path with its first link replaced, of those in what is shown; NULL where there is none. */
static char *follow_first(const char *path)
{
        for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
                size_t n = slash ? (size_t)(slash - path) : strlen(path);
                _cleanup_free_ char *part = strndup(path, n), *joined = NULL;
                char target[4096];
                ssize_t size = part && is_in_any(part, shown, ELEMENTS(shown))
                                       ? readlink(part, target, sizeof target - 1)
                                       : -1;
                if (size > 0) {
                        size_t folder = (size_t)(strrchr(part, '/') - part);
                        target[size] = '\0';
                        if (asprintf(&joined, "%.*s/%s%s", target[0] == '/' ? 0 : (int)folder, path, target, path + n) <
                            0)
                                joined = NULL;
                        return joined ? host_path_plain(joined) : NULL;
                }
                if (!slash)
                        return NULL;
        }
}

char *host_path_follow_shown(const char *path)
{
        char *followed = strdup(path);

        for (int i = 0; followed && i < LINKS_MAX; i++) {
                char *next = follow_first(followed);
                if (!next)
                        break;
                free(followed);
                followed = next;
        }
        return followed;
}

static bool is_hidden_in_home(const char *path)
{
        const char *own = getenv("HOME");

        return strstr(path, "/.") &&
               (is_in_any(path, homes, ELEMENTS(homes)) || (own && own[0] == '/' && own[1] && path_is_at_or_below(path, own)));
}

/* Whether a stranger may come to it: each directory on the way lets everybody through. */
static bool lets_everybody_through(const char *path)
{
        for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
                _cleanup_free_ char *part = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
                struct stat st;
                if (!part || stat(part, &st) < 0 || !(st.st_mode & S_IXOTH))
                        return false;
        }
        return true;
}

static HostVerdict judge_place(const char *path)
{
        if (is_in_any(path, system_places, ELEMENTS(system_places)))
                return HOST_SYSTEM;
        return is_hidden_in_home(path) ? HOST_HOME : HOST_OFFERED;
}

HostVerdict host_path_judge(const char *path, bool opened, bool executed)
{
        _cleanup_free_ char *real = realpath(path, NULL);
        struct stat st;

        if (!real || stat(real, &st) < 0)
                return HOST_ABSENT;
        if ((S_ISDIR(st.st_mode) && (!opened || executed)) || is_in_any(path, shown, ELEMENTS(shown)))
                return HOST_ABSENT;
        if (!name_is_printable(path))
                return HOST_STRANGE;
        /* What a policy names is followed through links: both ends count. */
        HostVerdict verdict = judge_place(path);
        if (verdict == HOST_OFFERED)
                verdict = judge_place(real);
        if (verdict != HOST_OFFERED)
                return verdict;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return HOST_SPECIAL;
        mode_t needed = S_IROTH | (S_ISDIR(st.st_mode) || executed ? S_IXOTH : 0);
        if ((st.st_mode & needed) != needed || !lets_everybody_through(real))
                return HOST_PRIVATE;
        return S_ISDIR(st.st_mode) && (strrchr(path, '/') == path || strrchr(real, '/') == real) ? HOST_BROAD
                                                                                                 : HOST_OFFERED;
}

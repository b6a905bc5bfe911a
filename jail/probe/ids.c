/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ids of jails: root gives each a range of the host's; a user has those that /etc/subuid and /etc/subgid say, by the
 * set-user-id programs newuidmap and newgidmap, or else the one id that he is. */

#include "jail/probe/probe.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FILE_MAX ((size_t)1 << 20)
#define FIRST_SUBID UINT64_C(100000) /* login.defs(5), SUB_UID_MIN */

typedef struct IdRange {
        uint64_t first, count;
} IdRange;

typedef struct IdKind {
        const char *file, *program, *paths[2];
} IdKind;

static const IdKind kinds[] = {
        {"/etc/subuid", "newuidmap", {"/usr/bin/newuidmap", "/bin/newuidmap"}},
        {"/etc/subgid", "newgidmap", {"/usr/bin/newgidmap", "/bin/newgidmap"}},
};

/* The largest range of the user in a file of lines "name:first:count", and the first id that nobody's range has;
 * subuid(5). */
static IdRange read_ranges(const char *file, const char *user, uint64_t *free_from)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        IdRange largest = {0, 0};
        char number[16];

        snprintf(number, sizeof number, "%u", (unsigned)geteuid());
        if (read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL) < 0 || strv_split(text, '\n', &lines) < 0)
                return largest;
        for (size_t i = 0; lines && lines[i]; i++) {
                char *colon = strchr(lines[i], ':');
                IdRange range;
                if (!colon || sscanf(colon, ":%" SCNu64 ":%" SCNu64, &range.first, &range.count) != 2)
                        continue;
                *colon = '\0';
                if (range.first + range.count > *free_from)
                        *free_from = range.first + range.count;
                if ((strcmp(lines[i], user) == 0 || strcmp(lines[i], number) == 0) && range.count > largest.count)
                        largest = range;
        }
        return largest;
}

static const char *find_program(const IdKind *kind)
{
        for (size_t i = 0; i < ELEMENTS(kind->paths); i++)
                if (access(kind->paths[i], X_OK) == 0)
                        return kind->paths[i];
        return NULL;
}

/* A process in a user namespace of its own that waits to be given ids. Its end of the pipe closes when it is there. */
static pid_t start_namespace(void)
{
        int ready[2];

        if (pipe2(ready, O_CLOEXEC) < 0)
                return -errno;
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (unshare(CLONE_NEWUSER) < 0)
                        _exit(1);
                close_many(ready, 2);
                for (;;)
                        pause();
        }
        int r = pid < 0 ? -errno : 0;
        close(ready[1]);
        if (r >= 0)
                (void)!read(ready[0], &(char){0}, 1);
        close(ready[0]);
        return r < 0 ? r : pid;
}

/* Runs the program as a jail's launch would. Returns what it says against it, owned by the caller; NULL: it works. */
static char *try_program(const char *program, pid_t namespace, IdRange range)
{
        char pid[16], first[24], count[24], said[256] = "";
        char *argv[] = {(char *)program, pid, (char *)"0", first, count, NULL}, *envp[] = {NULL};
        _cleanup_close_ int output = memfd_create("said", MFD_CLOEXEC);
        posix_spawn_file_actions_t actions;
        pid_t child;
        int status = -1;

        snprintf(pid, sizeof pid, "%d", namespace);
        snprintf(first, sizeof first, "%" PRIu64, range.first);
        snprintf(count, sizeof count, "%" PRIu64, range.count);
        if (output < 0 || posix_spawn_file_actions_init(&actions) != 0)
                return strdup("out of memory");
        posix_spawn_file_actions_adddup2(&actions, output, 1);
        posix_spawn_file_actions_adddup2(&actions, output, 2);
        int r = posix_spawn(&child, program, &actions, NULL, argv, envp);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return strdup(strerror(r));
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return NULL;
        ssize_t n = pread(output, said, sizeof said - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        said[strcspn(said, "\n")] = '\0';
        return strdup(*said ? said : "it failed");
}

static void try_ranges(Probe *probe, JailFinding *f, const char *const programs[static 2],
                       const IdRange ranges[static 2])
{
        pid_t namespace = start_namespace();
        _cleanup_free_ char *said = NULL;

        for (size_t i = 0; i < ELEMENTS(kinds) && namespace > 0 && !said; i++) {
                struct stat st;
                if (!(said = try_program(programs[i], namespace, ranges[i])))
                        continue;
                finding_why(probe, f, "%s gives no ids: %s", kinds[i].program, said);
                if (stat(programs[i], &st) == 0 && !(st.st_mode & S_ISUID))
                        finding_remedy(probe, f, "chmod u+s %s", programs[i]);
                else
                        finding_remedy(probe, f, "# it needs its set-user-id bit, a mount without \"nosuid\", and a "
                                                 "caller without no_new_privs");
        }
        if (namespace > 0) {
                kill(namespace, SIGKILL);
                while (waitpid(namespace, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        if (said || namespace < 0)
                return;
        if (f)
                f->held = JAIL_HELD_FULLY;
        finding_by(probe, f, "newuidmap: %" PRIu64 " from %" PRIu64 " on", ranges[0].count, ranges[0].first);
}

static void remedy_ranges(Probe *probe, JailFinding *f, uint64_t first, const char *user)
{
        uint64_t last = first + IDS_PER_JAIL - 1;

        if (user[0] >= '0' && user[0] <= '9') /* a number without a name, which usermod does not take */
                finding_remedy(probe, f, "echo %s:%" PRIu64 ":%u | tee -a /etc/subuid /etc/subgid", user, first,
                               IDS_PER_JAIL);
        else
                finding_remedy(probe, f,
                               "usermod --add-subuids %" PRIu64 "-%" PRIu64 " --add-subgids %" PRIu64 "-%" PRIu64 " %s",
                               first, last, first, last, user);
}

static void probe_users_ids(Probe *probe, JailFinding *f)
{
        uint64_t free_from = FIRST_SUBID;
        const char *programs[ELEMENTS(kinds)];
        IdRange ranges[ELEMENTS(kinds)];
        const char *user = probe->around.user ? probe->around.user : "";

        finding_by(probe, f, "the caller's one id");
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                programs[i] = find_program(&kinds[i]);
                ranges[i] = read_ranges(kinds[i].file, user, &free_from);
        }
        if (!programs[0] || !programs[1]) {
                finding_why(probe, f, "newuidmap and newgidmap are missing, by which a user gets a range of ids");
                finding_remedy(probe, f, access("/usr/bin/dnf", X_OK) == 0 ? "dnf install shadow-utils"
                                                                          : "apt-get install uidmap");
        }
        if (ranges[0].count < IDS_PER_JAIL || ranges[1].count < IDS_PER_JAIL) {
                finding_why(probe, f, "%s has no %u ids in /etc/subuid and /etc/subgid%s", user, IDS_PER_JAIL,
                            programs[0] && programs[1] ? "" : ", nor are there newuidmap and newgidmap to give them");
                remedy_ranges(probe, f, free_from, user);
        } else if (programs[0] && programs[1]) {
                try_ranges(probe, f, programs, ranges);
        }
}

void probe_ids(Probe *probe)
{
        bool root = probe->around.root;
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "ids", root ? JAIL_HELD_FULLY : JAIL_HELD_PARTLY);

        if (root) {
                finding_by(probe, f, "%u of the host's for each jail", IDS_PER_JAIL);
                return;
        }
        const JailFinding *user = finding_of_layer(probe, JAIL_USER);
        if (user && user->held == JAIL_HELD_NOT) {
                if (f)
                        f->held = JAIL_HELD_NOT;
                finding_like(probe, f, user);
                return;
        }
        probe_users_ids(probe, f);
}

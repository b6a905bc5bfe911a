/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FILE_MAX ((size_t)1 << 20)
#define SUBIDS_FIRST UINT64_C(100000) /* login.defs(5), SUB_UID_MIN and SUB_UID_COUNT */
#define SUBIDS_COUNT 65536

static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
static const char *const programs[] = {"/usr/bin/newuidmap", "/usr/bin/newgidmap"};

/* ---- as a jail's launch does it ---- */

/* A process in a user namespace of its own that waits to be given ids. */
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
        int error = errno;
        close(ready[1]);
        /* Its end closes when it is there. */
        if (pid > 0)
                (void)!read(ready[0], &(char){0}, 1);
        close(ready[0]);
        return pid < 0 ? -error : pid;
}

/* The descriptor takes what the programs say. */
static int take_ids(void *argument)
{
        const int *said = argument;
        _cleanup_error_ Error e = ERROR_NULL;
        Ids ids = IDS_NULL;
        uint32_t hint = 0;

        dup2(*said, STDERR_FILENO);
        pid_t pid = start_namespace();
        int r = pid < 0 ? pid : ids_take(IDS_SUBORDINATE, &hint, &ids, &e);
        if (r >= 0)
                r = ids_map(&ids, pid, &e);
        if (r < 0)
                dprintf(STDERR_FILENO, "%s\n", error_text(&e));
        close_fd(ids.fd);
        if (pid > 0) {
                kill(pid, SIGKILL);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        return r;
}

static void try_subordinate(Probe *probe, JailFinding *f)
{
        _cleanup_close_ int said = memfd_create("said", MFD_CLOEXEC);
        Surroundings as_we_are = probe->around;
        char text[256] = "";
        struct stat st;

        as_we_are.root = true; /* it makes its own user namespace */
        if (attempt(&as_we_are, false, take_ids, &said) >= 0) {
                finding_held(probe, f, "three of /etc/subuid for each jail, by newuidmap");
                return;
        }
        ssize_t n = pread(said, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        finding_why(probe, f, "ids cannot be taken from /etc/subuid: %s", text);
        for (size_t i = 0; i < ELEMENTS(programs); i++)
                if (stat(programs[i], &st) == 0 && !(st.st_mode & S_ISUID))
                        finding_remedy(probe, f, "chmod u+s %s", programs[i]);
        if (!f->remedy)
                finding_remedy(probe, f, "# newuidmap needs a mount without \"nosuid\", and a caller without no_new_privs");
}

/* ---- what is missing ---- */

/* Whether lines "name:first:count" name the user; and the first id that is nobody's. */
static bool has_line(const char *file, const char *user, uint64_t *free_from)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        bool found = false;
        char number[16];

        snprintf(number, sizeof number, "%u", (unsigned)geteuid());
        if (read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL) < 0 || strv_split(text, '\n', &lines) < 0)
                return false;
        for (size_t i = 0; lines && lines[i]; i++) {
                char *colon = strchr(lines[i], ':');
                uint64_t first, count;
                if (!colon || sscanf(colon, ":%" SCNu64 ":%" SCNu64, &first, &count) != 2)
                        continue;
                *colon = '\0';
                found |= strcmp(lines[i], user) == 0 || strcmp(lines[i], number) == 0;
                if (first + count > *free_from)
                        *free_from = first + count;
        }
        return found;
}

static void remedy_lines(Probe *probe, JailFinding *f, uint64_t first, const char *user)
{
        uint64_t last = first + SUBIDS_COUNT - 1;

        if (user[0] >= '0' && user[0] <= '9') /* a number without a name, which usermod does not take */
                finding_remedy(probe, f, "echo %s:%" PRIu64 ":%d | tee -a /etc/subuid /etc/subgid", user, first,
                               SUBIDS_COUNT);
        else
                finding_remedy(probe, f,
                               "usermod --add-subuids %" PRIu64 "-%" PRIu64 " --add-subgids %" PRIu64 "-%" PRIu64 " %s",
                               first, last, first, last, user);
}

static void explain_one_id(Probe *probe, JailFinding *f)
{
        const char *user = probe->around.user ? probe->around.user : "";
        _cleanup_strv_ char **missing = NULL;
        uint64_t free_from = SUBIDS_FIRST;
        char folder[64];
        int r = 0;

        if (geteuid() == 0) {
                finding_why(probe, f, "all jails share that id: this root is one of a user namespace that has no ids for jails");
                finding_remedy(probe, f, "# run outside of it, as root of the host");
                return;
        }
        bool lines = has_line(files[0], user, &free_from);
        lines &= has_line(files[1], user, &free_from);
        if (!lines) {
                r = strv_addf(&missing, "a line for %s in /etc/subuid and /etc/subgid", user);
                remedy_lines(probe, f, free_from, user);
        }
        if (r >= 0 && (access(programs[0], X_OK) < 0 || access(programs[1], X_OK) < 0)) {
                r = strv_add(&missing, "newuidmap and newgidmap");
                finding_remedy(probe, f, access("/usr/bin/dnf", X_OK) == 0 ? "dnf install shadow-utils"
                                                                          : "apt-get install uidmap");
        }
        snprintf(folder, sizeof folder, "/run/user/%u", (unsigned)geteuid());
        if (r >= 0 && access(folder, W_OK) < 0) {
                r = strv_addf(&missing, "the directory %s of a session", folder);
                if (probe->around.systemd)
                        finding_remedy(probe, f, "loginctl enable-linger %s # as root", user);
                else
                        finding_remedy(probe, f, "install -d -m 700 -o %s %s # as root", user, folder);
        }
        _cleanup_free_ char *list = strv_join(missing, ", ");
        if (r < 0 || !list)
                probe->failed = true;
        else
                finding_why(probe, f, "all jails of a user share that id; to have others they lack %s", list);
}

void probe_ids(Probe *probe)
{
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "ids", JAIL_HELD_PARTLY);

        if (!f)
                return;
        probe->host.ids = ids_kind();
        const JailFinding *user = finding_of_layer(probe, JAIL_USER);
        if (probe->host.ids == IDS_RANGE) {
                char by[64];
                snprintf(by, sizeof by, "%u of the host's for each jail", IDS_PER_JAIL);
                finding_held(probe, f, by);
        } else if (user && user->held == JAIL_HELD_NOT) {
                f->held = JAIL_HELD_NOT;
                finding_like(probe, f, user);
        } else {
                finding_by(probe, f, "the caller's one id");
                if (probe->host.ids == IDS_SUBORDINATE)
                        try_subordinate(probe, f);
                else
                        explain_one_id(probe, f);
        }
}

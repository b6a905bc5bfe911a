/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where this process lives, as far as it decides what it may do: a container, a filter, an AppArmor profile, what is left
 * of root's capabilities. */

#include "jail/probe/probe.h"

#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"

#include <ctype.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)64 << 10)

/* Of what root has, this is what it takes: namespaces and mounts, the loopback, the device nodes, the owners of the
 * jail's directories, the maps of ids, the cgroup tree. */
static const cap_value_t needed[] = {CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_MKNOD,       CAP_CHOWN,
                                     CAP_SETUID,    CAP_SETGID,    CAP_DAC_OVERRIDE};

static char *read_line(const char *file)
{
        char *text = NULL;

        if (read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL) < 0)
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return text;
}

long surroundings_sysctl(const char *file, long missing)
{
        _cleanup_free_ char *text = read_line(file);

        return text ? strtol(text, NULL, 10) : missing;
}

/* The first namespaces of a kernel have numbers of their own; PROC_…_INIT_INO in include/linux/proc_ns.h. */
static bool is_first(const char *namespace, ino_t number)
{
        struct stat st;

        return stat(namespace, &st) < 0 || st.st_ino == number;
}

/* The files that engines leave may also be in a machine that was made of a container's image. */
static const char *find_container(void)
{
        if (is_first("/proc/self/ns/pid", 0xeffffffc) && is_first("/proc/self/ns/cgroup", 0xeffffffb))
                return NULL;

        _cleanup_free_ char *named = read_line("/run/systemd/container");
        static const char *const known[] = {"docker", "podman", "lxc"};
        const char *said = named ? named : getenv("container");

        for (size_t i = 0; said && i < ELEMENTS(known); i++)
                if (strcmp(said, known[i]) == 0)
                        return known[i];
        if (access("/run/.containerenv", F_OK) == 0)
                return "podman";
        return access("/.dockerenv", F_OK) == 0 ? "docker" : NULL;
}

static bool is_filtered(void)
{
        _cleanup_free_ char *text = NULL;

        return read_file_at(AT_FDCWD, "/proc/self/status", FILE_MAX, &text, NULL) >= 0 &&
               strstr(text, "\nSeccomp:\t2\n");
}

static char *find_apparmor(void)
{
        char *profile = read_line("/proc/self/attr/apparmor/current");

        /* "docker-default (enforce)" */
        if (profile && (strncmp(profile, "unconfined", 10) == 0 || strstr(profile, "(unconfined)") || !*profile)) {
                free(profile);
                return NULL;
        }
        if (profile)
                profile[strcspn(profile, " ")] = '\0';
        return profile;
}

static uint64_t own_capabilities(void)
{
        cap_t own = cap_get_proc();
        uint64_t set = 0;

        for (cap_value_t c = 0; own && c < 64; c++) {
                cap_flag_value_t value;
                if (cap_get_flag(own, c, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET)
                        set |= UINT64_C(1) << c;
        }
        cap_free(own);
        return set;
}

static char *user_name(void)
{
        _cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
        char *name = NULL;

        /* Not by getpwuid(), which a static program cannot have. */
        for (const struct passwd *entry; f && (entry = fgetpwent(f));)
                if (entry->pw_uid == geteuid())
                        return strdup(entry->pw_name);
        return asprintf(&name, "%u", (unsigned)geteuid()) < 0 ? NULL : name;
}

static int leave_chroot(void *argument _unused_)
{
        _cleanup_close_ int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        struct stat before, after;

        /* Who enters a mount namespace, be it his own, is at its root. */
        if (own < 0 || stat("/", &before) < 0 || setns(own, CLONE_NEWNS) < 0 || stat("/", &after) < 0)
                return 0;
        return before.st_ino == after.st_ino && before.st_dev == after.st_dev ? 0 : -EXDEV;
}

/* Only root can see it of a tree that something is mounted on. */
static bool is_chroot(const Surroundings *around)
{
        struct statx st;

        if (statx(AT_FDCWD, "/", 0, 0, &st) == 0 && (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
            !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return true;
        return around->root && attempt(around, false, leave_chroot, NULL) == -EXDEV;
}

/* Of lines such as "0 1000 1": ids inside from the first on, those outside, how many. */
static bool is_mapped(const char *file, unsigned id)
{
        _cleanup_free_ char *text = NULL;
        unsigned first, count;

        if (read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL) < 0)
                return true;
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
                if (sscanf(line, "%u %*u %u", &first, &count) == 2 && id >= first && id - first < count)
                        return true;
        return false;
}

void surroundings_read(Surroundings *ret)
{
        _cleanup_free_ char *release = read_line("/proc/sys/kernel/osrelease");

        *ret = (Surroundings){
                .user_namespace = !is_first("/proc/self/ns/user", 0xeffffffd),
                .container = find_container(),
                .wsl = release && strcasestr(release, "microsoft"),
                .systemd = access("/run/systemd/system", F_OK) == 0,
                .filtered = is_filtered(),
                .apparmor = find_apparmor(),
                .user = user_name(),
                .capabilities = own_capabilities(),
                .no_proc = access("/proc/self/stat", F_OK) < 0,
                .nobody = !is_mapped("/proc/self/uid_map", geteuid()) || !is_mapped("/proc/self/gid_map", getegid()),
        };
        ret->root = geteuid() == 0 && !ret->user_namespace;
        ret->chroot = is_chroot(ret);
}

void surroundings_done(Surroundings *around)
{
        free(around->apparmor);
        free(around->user);
}

void surroundings_container_option(Probe *probe, JailFinding *f, const char *options)
{
        if (probe->around.container)
                finding_remedy(probe, f, "%s run %s …",
                               strcmp(probe->around.container, "podman") == 0 ? "podman" : "docker", options);
}

/* ---- what root lacks ---- */

static bool explain_capabilities(Probe *probe, JailFinding *f)
{
        _cleanup_strv_ char **lacking = NULL, **options = NULL;

        for (size_t i = 0; i < ELEMENTS(needed); i++) {
                char *name = cap_to_name(needed[i]);
                if (!name)
                        continue;
                for (char *c = name; *c; c++)
                        *c = (char)toupper((unsigned char)*c);
                if (!(probe->around.capabilities & (UINT64_C(1) << needed[i])) &&
                    (strv_add(&lacking, name) < 0 || strv_addf(&options, "--cap-add=%s", name + strlen("CAP_")) < 0))
                        probe->failed = true;
                cap_free(name);
        }
        if (!lacking)
                return false;
        _cleanup_free_ char *list = strv_join(lacking, " "), *text = strv_join(options, " "), *all = NULL;
        finding_why(probe, f, "this root lacks %s", list ? list : "");
        /* The usual profile of containers refuses pivot_root, keyctl and mounts even to those who have them. */
        if (text && asprintf(&all, "%s --security-opt seccomp=unconfined --security-opt apparmor=unconfined", text) < 0)
                all = NULL;
        if (probe->around.container && all)
                surroundings_container_option(probe, f, all);
        else
                finding_remedy(probe, f, "# start it with them; in a systemd unit: CapabilityBoundingSet=%s",
                               list ? list : "");
        return true;
}

static bool explain_confinement(Probe *probe, JailFinding *f)
{
        const Surroundings *around = &probe->around;

        if (around->filtered) {
                finding_why(probe, f, "a system call filter is on this process, and refuses it");
                if (around->container)
                        surroundings_container_option(probe, f, "--security-opt seccomp=unconfined");
                else
                        finding_remedy(probe, f, "# start it without that filter; in a systemd unit, without "
                                                 "SystemCallFilter= and RestrictNamespaces=");
        }
        if (around->apparmor) {
                finding_why(probe, f, "%sthe AppArmor profile %s is on this process, and may refuse it",
                            around->filtered ? "a system call filter and " : "", around->apparmor);
                if (around->container)
                        surroundings_container_option(probe, f, "--security-opt apparmor=unconfined");
                else
                        finding_remedy(probe, f, "aa-complain %s", around->apparmor);
        }
        return around->filtered || around->apparmor;
}

/* ---- what a host forbids its users ---- */

static void remedy_sysctl(Probe *probe, JailFinding *f, const char *setting)
{
        finding_remedy(probe, f, "echo '%s' > /etc/sysctl.d/60-skep.conf && sysctl -p /etc/sysctl.d/60-skep.conf", setting);
}

/* Ubuntu's rule: a user namespace gives no capability, but to programs with a profile that says "userns". */
static void remedy_apparmor(Probe *probe, JailFinding *f)
{
        _cleanup_free_ char *jail = place_program("skep-jail", NULL), *launcher = place_program("skep-launcher", NULL);

        finding_why(probe, f, "AppArmor gives user namespaces no privileges on this host, but for programs with a profile");
        finding_remedy(probe, f,
                       "printf 'abi <abi/4.0>,\\nprofile %%s %%s flags=(unconfined) { userns, }\\n"
                       "profile %%s %%s flags=(unconfined) { userns, }\\n' skep-jail %s skep-launcher %s > "
                       "/etc/apparmor.d/skep && apparmor_parser -r /etc/apparmor.d/skep",
                       jail ? jail : "", launcher ? launcher : "");
        finding_remedy(probe, f, "# or, for all programs: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

static bool explain_settings(Probe *probe, JailFinding *f)
{
        if (surroundings_sysctl("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
                finding_why(probe, f, "this host lets only root make user namespaces");
                remedy_sysctl(probe, f, "kernel.unprivileged_userns_clone=1");
                return true;
        }
        if (surroundings_sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1) {
                remedy_apparmor(probe, f);
                return true;
        }
        return false;
}

bool surroundings_explain(Probe *probe, JailFinding *f)
{
        if (probe->around.no_proc) {
                finding_why(probe, f, "no /proc is mounted here, by which everything else is found out");
                finding_remedy(probe, f, "mount -t proc proc /proc");
                return true;
        }
        if (probe->around.chroot) {
                finding_why(probe, f, "this process is in a chroot, where the kernel makes no user namespaces");
                finding_remedy(probe, f, "# run outside of it, or where the tree is entered by pivot_root, as "
                                         "systemd-nspawn --directory=TREE does");
                return true;
        }
        if (probe->around.nobody) {
                finding_why(probe, f, "this process has no id in its user namespace, and the kernel lets nobody make another there");
                finding_remedy(probe, f, "# give that namespace a map of ids, as unshare --map-current-user does");
                return true;
        }
        if (probe->around.root)
                return explain_capabilities(probe, f) || explain_confinement(probe, f);
        return explain_settings(probe, f) || explain_confinement(probe, f);
}

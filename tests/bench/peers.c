/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/peers.h"

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/host.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int add_all(char ***list, const char *const *words)
{
        int r = 0;

        for (; *words && r >= 0; words++)
                r = strv_add(list, *words);
        return r;
}

#define ADD(list, ...) add_all(list, (const char *const[]){__VA_ARGS__, NULL})

static int done(int r, char ***argv, int fd, Command *ret, Error *e)
{
        if (r < 0)
                return error_oom(e);
        *ret = (Command){.argv = take(*argv), .fd = fd};
        return 0;
}

int peer_skep_jail(const char *payload, const char *missing, char *const *arguments, Command *ret, Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *program = place_program("skep-jail", e);

        if (!program)
                return -ENOMEM;
        int r = ADD(&argv, program, "--policy", "strict");
        if (r >= 0 && *missing)
                r = strv_addf(&argv, "--allow-missing=%s", missing);
        if (r >= 0)
                r = ADD(&argv, "--input");
        if (r >= 0)
                r = strv_addf(&argv, "payload=%s", payload);
        if (r >= 0)
                r = ADD(&argv, "--", "/input/payload");
        if (r >= 0)
                r = add_all(&argv, (const char *const *)arguments);
        return done(r, &argv, -1, ret, e);
}

int peer_skep_jail_version(Command *ret, Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        _cleanup_free_ char *program = place_program("skep-jail", e);

        if (!program)
                return -ENOMEM;
        return done(ADD(&argv, program, "--version"), &argv, -1, ret, e);
}

int peer_nothing(const char *payload, char *const *arguments, Command *ret, Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        int r = ADD(&argv, payload);

        if (r >= 0)
                r = add_all(&argv, (const char *const *)arguments);
        return done(r, &argv, -1, ret, e);
}

/* ---- bubblewrap ---- */

static int add_tree(char ***argv, const char *payload)
{
        static const char *const parts[] = {"bin", "lib", "lib64", "sbin"};
        int r = ADD(argv, "--ro-bind", "/usr", "/usr", "--ro-bind", payload, "/payload", "--proc", "/proc", "--dev",
                    "/dev");

        for (size_t i = 0; i < ELEMENTS(parts) && r >= 0; i++)
                if ((r = ADD(argv, "--symlink")) >= 0 && (r = strv_addf(argv, "usr/%s", parts[i])) >= 0)
                        r = strv_addf(argv, "/%s", parts[i]);
        return r;
}

int peer_bubblewrap(const char *payload, char *const *arguments, Command *ret, Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        int r = ADD(&argv, "bwrap", "--unshare-all");

        if (r >= 0)
                r = add_tree(&argv, payload);
        if (r >= 0)
                r = ADD(&argv, "--tmpfs", "/tmp", "--", "/payload");
        if (r >= 0)
                r = add_all(&argv, (const char *const *)arguments);
        return done(r, &argv, -1, ret, e);
}

int peer_bubblewrap_near(const char *payload, int filter_fd, Command *ret, Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        int r = ADD(&argv, "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid",
                    "1000", "--gid", "1000", "--hostname", "bwrap", "--clearenv", "--ro-bind", "/etc/alternatives",
                    "/etc/alternatives", "--ro-bind", "/etc/ld.so.cache", "/etc/ld.so.cache");

        if (r >= 0)
                r = add_tree(&argv, payload);
        if (r >= 0)
                r = ADD(&argv, "--size", "67108864", "--tmpfs", "/tmp", "--size", "67108864", "--tmpfs", "/work",
                        "--size", "67108864", "--tmpfs", "/output", "--size", "67108864", "--tmpfs", "/dev/shm",
                        "--remount-ro", "/", "--chdir", "/work", "--seccomp");
        if (r >= 0)
                r = strv_addf(&argv, "%d", filter_fd);
        if (r >= 0)
                r = ADD(&argv, "--", "/payload", "true");
        return done(r, &argv, filter_fd, ret, e);
}

/* ---- crun ---- */

static void add_limits(json_object *linux_part, const JailPolicy *policy, unsigned controllers)
{
        const JailLimits *limits = &policy->limits;
        json_object *resources = json_object_new_object(), *one;

        if (controllers & CONTROLLER_MEMORY) {
                json_object_object_add(resources, "memory", one = json_object_new_object());
                json_add_number(one, "limit", limits->memory_bytes);
        }
        if (controllers & CONTROLLER_CPU) {
                json_object_object_add(resources, "cpu", one = json_object_new_object());
                json_add_number(one, "quota", limits->cpu_milli * 100);
                json_add_number(one, "period", 100000);
        }
        if (controllers & CONTROLLER_PIDS) {
                json_object_object_add(resources, "pids", one = json_object_new_object());
                json_add_number(one, "limit", limits->pids);
        }
        json_object_object_add(linux_part, "resources", resources);
}

static void add_filter(json_object *linux_part, const JailPolicy *policy)
{
        json_object *seccomp = json_object_new_object(), *rules = json_object_new_array(),
                    *rule = json_object_new_object(), *names = json_object_new_array();

        for (size_t i = 0; policy->syscalls[i]; i++)
                json_object_array_add(names, json_object_new_string(policy->syscalls[i]));
        json_object_object_add(rule, "names", names);
        json_add_string(rule, "action", "SCMP_ACT_ALLOW");
        json_object_array_add(rules, rule);
        json_add_string(seccomp, "defaultAction", "SCMP_ACT_ERRNO");
        json_object_object_add(seccomp, "syscalls", rules);
        json_object_object_add(linux_part, "seccomp", seccomp);
}

static int copy_program(const char *from, int dir, const char *to)
{
        _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int out = openat(dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        struct stat st;

        if (in < 0 || out < 0 || fstat(in, &st) < 0)
                return -errno;
        return sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size ? 0 : -EIO;
}

/* crun makes what it mounts on where it is not there, which in a user namespace it may not. */
static int make_root(int folder, const char *payload)
{
        static const char *const directories[] = {"rootfs",     "rootfs/proc", "rootfs/dev",
                                                  "rootfs/tmp", "rootfs/work", "rootfs/usr"};

        for (size_t i = 0; i < ELEMENTS(directories); i++)
                if (mkdirat(folder, directories[i], 0755) < 0)
                        return -errno;
        return copy_program(payload, folder, "rootfs/payload");
}

static int write_config(int folder, const JailPolicy *policy, unsigned controllers, Error *e)
{
        _cleanup_json_ json_object *config = NULL;
        _cleanup_close_ int fd = openat(folder, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        json_object *linux_part = NULL;
        int r = json_parse_file("tests/bench/crun.json", &config, e);

        if (r < 0)
                return r;
        json_object_object_get_ex(config, "linux", &linux_part);
        add_limits(linux_part, policy, controllers);
        add_filter(linux_part, policy);
        const char *text = json_object_to_json_string(config);
        r = fd < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? error_errno(e, r, "writing crun's bundle") : 0;
}

int peer_crun(const char *payload, const char *folder, const JailPolicy *policy, unsigned controllers, Command *ret,
              Error *e)
{
        _cleanup_strv_ char **argv = NULL;
        _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : make_root(fd, payload);

        if (r < 0)
                return error_errno(e, r, "making crun's bundle in %s", folder);
        if ((r = write_config(fd, policy, controllers, e)) < 0)
                return r;
        r = ADD(&argv, "crun", "--cgroup-manager=cgroupfs");
        if (r >= 0)
                r = strv_addf(&argv, "--root=%s/state", folder);
        if (r >= 0)
                r = ADD(&argv, "run", "--bundle", folder);
        if (r >= 0)
                r = ADD(&argv, "");
        if ((r = done(r, &argv, -1, ret, e)) >= 0)
                ret->numbered = "bench-crun"; /* the cgroup of the run before may still be on its way out */
        return r;
}

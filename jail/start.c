/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a specification to a jail: it is checked, what this host can enforce is decided, and all that can be computed
 * goes into a plan for the launcher. */

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/bpf.h"
#include "jail/client.h"
#include "jail/enforce.h"
#include "jail/filter_reading.h"
#include "jail/plan.h"
#include "jail/policy.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *const base_environment[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "HOME=/work",
        "USER=agent",
        "LANG=C.UTF-8",
        "TMPDIR=/tmp",
};

static bool is_plain_absolute(const char *path)
{
        _cleanup_strv_ char **parts = NULL;

        return path[0] == '/' && path[1] && strv_split(path, '/', &parts) >= 0 && !strv_contains(parts, ".") &&
               !strv_contains(parts, "..");
}

static int check_inputs(const JailSpec *spec, Error *e)
{
        if (spec->n_inputs > JAIL_INPUTS_MAX)
                return error_set(e, -E2BIG, "%zu inputs: at most %d are possible", spec->n_inputs, JAIL_INPUTS_MAX);
        for (size_t i = 0; i < spec->n_inputs; i++) {
                struct stat st;
                int r = name_check_input(spec->inputs[i].name, e);
                if (r < 0)
                        return r;
                if (fstat(spec->inputs[i].fd, &st) < 0)
                        return error_errno(e, -errno, "input \"%s\"", spec->inputs[i].name);
                if (!S_ISREG(st.st_mode))
                        return error_set(e, -EINVAL, "input \"%s\" is not a regular file", spec->inputs[i].name);
                for (size_t k = 0; k < i; k++) {
                        const char *a = spec->inputs[i].name, *b = spec->inputs[k].name;
                        size_t na = strcspn(a, "/"), nb = strcspn(b, "/");
                        if (na == nb && memcmp(a, b, na) == 0)
                                return error_set(e, -EINVAL, "two inputs are named \"%s\"", a);
                }
        }
        return 0;
}

/* Where a user's own files shall be written, the job has to be that user: only root can map owners. */
static IdsKind ids_for(const JailLauncher *l, const JailSpec *spec)
{
        bool writes = strv_length(spec->policy->writable) > 0; /* the root among it: what is in there is the user's */

        for (size_t i = 0; i < spec->n_binds; i++)
                writes |= spec->binds[i].writable;
        return l->host.ids == IDS_SUBORDINATE && writes ? IDS_CALLER : l->host.ids;
}

static bool has_archive(const JailSpec *spec)
{
        for (size_t i = 0; i < spec->n_inputs; i++)
                if (strchr(spec->inputs[i].name, '/'))
                        return true;
        return false;
}

static int check_spec(const JailSpec *spec, Error *e)
{
        int r = check_inputs(spec, e);

        if (r < 0)
                return r;
        if (spec->working_directory && spec->working_directory[0] != '/')
                return error_set(e, -EINVAL, "working_directory: must be an absolute path");
        if (spec->n_binds > JAIL_BINDS_MAX)
                return error_set(e, -E2BIG, "%zu binds: at most %d are possible", spec->n_binds, JAIL_BINDS_MAX);
        for (size_t i = 0; i < spec->n_binds; i++)
                if (!is_plain_absolute(spec->binds[i].inside))
                        return error_set(e, -EINVAL, "bind at \"%s\": must be an absolute path below /, without \"..\"",
                                         spec->binds[i].inside);
        return jail_policy_admit(spec->policy, &spec->limits, e);
}

static int add_variables(char ***list, char *const *wanted)
{
        for (size_t i = 0; wanted && wanted[i]; i++) {
                _cleanup_free_ char *name = strndup(wanted[i], strcspn(wanted[i], "="));
                const char *value = strchr(wanted[i], '=');
                if (!name || environment_set(list, name, value ? value + 1 : "") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Ours, over them the image's, over them the job's. */
static int make_environment(char *const *of_image, char *const *wanted, char ***ret)
{
        _cleanup_strv_ char **list = NULL;

        for (size_t i = 0; i < ELEMENTS(base_environment); i++)
                if (strv_add(&list, base_environment[i]) < 0)
                        return -ENOMEM;
        if (add_variables(&list, of_image) < 0 || add_variables(&list, wanted) < 0)
                return -ENOMEM;
        *ret = take(list);
        return 0;
}

/* As podman and docker do: the image's entry point, then the job's command, or the image's own where there is none. */
static int make_command(const JailSpec *spec, const ImageConfig *image, char ***ret)
{
        char *const *words = spec->command && spec->command[0] ? spec->command : image->command;
        size_t n = strv_length(image->entrypoint) + strv_length(words);
        _cleanup_strv_ char **list = n ? calloc(n + 1, sizeof *list) : NULL;

        if (n && !list)
                return -ENOMEM;
        n = 0;
        for (size_t i = 0; image->entrypoint && image->entrypoint[i]; i++)
                if (!(list[n++] = strdup(image->entrypoint[i])))
                        return -ENOMEM;
        for (size_t i = 0; words && words[i]; i++)
                if (!(list[n++] = strdup(words[i])))
                        return -ENOMEM;
        *ret = take(list);
        return 0;
}

static bool listens(const JailSpec *spec)
{
        return spec->policy->listen || spec->watch == JAIL_WATCH_RECORD;
}

/* Whatever the arguments. */
static bool allows_one_of(const JailPolicy *policy, const unsigned *calls, size_t n)
{
        FilterFate fate;
        uint32_t refusal;

        for (size_t i = 0; i < n; i++)
                if (filter_fate(policy, calls[i], &fate, &refusal) < 0 || fate != FILTER_REFUSES)
                        return true;
        return false;
}

/* What a job cannot make, it cannot leave behind in a namespace, which others may be in therefore. */
static void ask_filter(JailPolicy *policy)
{
        static const unsigned sockets[] = {SYS_socket, SYS_socketpair, SYS_io_uring_setup},
                              ipc_objects[] = {SYS_shmget, SYS_semget, SYS_msgget, SYS_mq_open};

        if (policy->is_asked)
                return;
        policy->sockets = allows_one_of(policy, sockets, ELEMENTS(sockets));
        policy->ipc_objects = allows_one_of(policy, ipc_objects, ELEMENTS(ipc_objects));
        policy->is_asked = true;
}

int plan_of_policy(const JailLauncher *l, JailPolicy *policy, Plan *ret, Error *e)
{
        int r = policy_compile(policy, e);

        if (r < 0)
                return r;
        ask_filter(policy);
        *ret = (Plan){
                .ids = l->host.ids,
                .controllers = l->host.controllers,
                .landlock_abi = l->host.landlock_abi,
                .limits = jail_limits_none,
                .filter = policy->filter,
                .filter_size = policy->filter_size,
                .listen = policy->listen,
                .refusals = policy->refusals,
                .refusals_size = policy->n_refusals * sizeof *policy->refusals,
                .capabilities = policy->capabilities,
                .read_only = policy->read_only,
                .writable = policy->writable,
                .message_queues = filter_allows_number(policy, SYS_mq_open),
                .sockets = policy->sockets,
                .ipc_objects = policy->ipc_objects,
                .proc_pid = policy->proc_pid,
                .writable_root = strv_contains(policy->writable, "/"),
                .tmpfs = policy->tmpfs,
                .hidden = policy->hidden,
                .execute = policy->execute,
                .devices = policy->devices,
        };
        return 0;
}

int plan_seal(const Plan *plan, Error *e)
{
        _cleanup_strv_ char **writable = NULL;
        _cleanup_packer_ Packer p = {0};
        Plan sealed = *plan;

        /* The root is not bound, but has a layer. */
        if (strv_add_new(&writable, plan->writable) < 0)
                return error_oom(e);
        strv_remove(writable, "/");
        sealed.writable = writable;
        plan_pack(&p, &sealed);
        if (p.failed)
                return error_oom(e);
        if (p.size > PLAN_SIZE_MAX)
                return error_set(e, -E2BIG, "the command and its environment are too long");
        int fd = sealed_file("plan", p.data, p.size);
        return fd < 0 ? error_errno(e, fd, "writing the plan") : fd;
}

/* The policy's filter, behind one for what the kernel permits to a job that has its reaper's id. */
static int guard_reaper(Plan *plan, BpfProgram *ret, Error *e)
{
        _cleanup_bpf_ BpfProgram guard = {0};
        int r = bpf_reaper_calls(plan->listen ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO | EPERM, &guard);

        if (r >= 0)
                r = bpf_chain((BpfProgram[]){guard, {(void *)plan->filter, plan->filter_size / sizeof *guard.code}}, 2, ret);
        if (r < 0)
                return error_errno(e, r, "the system call filter");
        plan->filter = ret->code;
        plan->filter_size = ret->length * sizeof *ret->code;
        return 0;
}

static int pack_plan(JailLauncher *l, const JailSpec *spec, const RootSource *root, const JailLimits *limits, Error *e)
{
        const ImageConfig *image = &root->image.config;
        _cleanup_strv_ char **environment = NULL, **inputs = NULL, **binds = NULL, **command = NULL;
        const char *directory = spec->working_directory ? spec->working_directory : image->working_directory;
        _cleanup_bpf_ BpfProgram guarded = {0};
        Plan plan;
        int r = plan_of_policy(l, spec->policy, &plan, e);

        if (r < 0)
                return r;
        r = make_command(spec, image, &command);
        if (r >= 0)
                r = make_environment(image->environment, spec->environment, &environment);
        if (r < 0)
                return error_oom(e);
        if (!command)
                return error_set(e, -EINVAL, "command: there is none, and the root names none");
        /* Behind an entry point, the job's first word may be empty like any other. */
        if (!*command[0])
                return error_set(e, -EINVAL, "command: its name is empty");
        for (size_t i = 0; i < spec->n_inputs; i++)
                if (strv_add(&inputs, spec->inputs[i].name) < 0)
                        return error_oom(e);
        for (size_t i = 0; i < spec->n_binds; i++) {
                if (strv_add(&binds, spec->binds[i].inside) < 0)
                        return error_oom(e);
                if (spec->binds[i].writable)
                        plan.binds_writable |= UINT64_C(1) << i;
        }
        plan.limits = *limits;
        plan.ids = ids_for(l, spec);
        plan.command = command;
        plan.environment = environment;
        plan.working_directory = directory ? directory : "/work";
        plan.makes_directory = !spec->working_directory && image->working_directory;
        plan.unpack_filter = l->unpack_filter;
        plan.unpack_filter_size = l->unpack_filter_size;
        plan.listen = listens(spec);
        if (plan.ids == IDS_CALLER && (r = guard_reaper(&plan, &guarded, e)) < 0)
                return r;
        plan.watch = spec->watch;
        plan.linger_usec = spec->linger_usec;
        plan.root = root->kind;
        plan.inputs = inputs;
        plan.binds = binds;
        return plan_seal(&plan, e);
}

static Jail *jail_new(JailLauncher *l, const JailEvents *events, void *userdata)
{
        Jail *j = calloc(1, sizeof *j);

        if (!j)
                return NULL;
        *j = (Jail){.launcher = l, .events = events, .userdata = userdata, .id = ++l->next_id, .output = -1, .root = ROOT_SOURCE_NULL};
        j->calls = -1;
        jail_report_init(&j->report);
        for (int i = 0; i < 2; i++)
                j->streams[i] = (Stream){.jail = j, .fd = -1};
        return j;
}

/* Returns the reaper's end of a socket by which it tells of calls. */
static int open_calls(Jail *j, JailWatch watch)
{
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = stream_key(j, STREAM_CALLS)};
        int sockets[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        j->calls = sockets[0];
        _cleanup_close_ int theirs = sockets[1];
        /* The reaper of a job waits for nobody; that of a recording leaves nothing out. */
        if (fcntl(j->calls, F_SETFL, O_NONBLOCK) < 0 ||
            (watch == JAIL_WATCH_TRACE && fcntl(theirs, F_SETFL, O_NONBLOCK) < 0) ||
            epoll_ctl(j->launcher->epoll, EPOLL_CTL_ADD, j->calls, &event) < 0)
                return -errno;
        return take_fd(theirs);
}

/* The job's ends of its pipes into `ends`. */
static int open_pipes(Jail *j, int ends[static 2])
{
        for (int i = 0; i < 2; i++) {
                int fds[2];
                struct epoll_event event = {.events = EPOLLIN, .data.u64 = stream_key(j, i)};
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                j->streams[i].fd = fds[0];
                ends[i] = fds[1];
                /* Only our end: the job's must block. */
                if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ||
                    epoll_ctl(j->launcher->epoll, EPOLL_CTL_ADD, fds[0], &event) < 0)
                        return -errno;
        }
        return 0;
}

static int send_start(Jail *j, const JailSpec *spec, int plan, int stdin_fd, const int ends[static 2], int calls)
{
        _cleanup_packer_ Packer p = {0};
        int fds[START_FDS_MAX];
        size_t n = 0;

        fds[n++] = plan;
        fds[n++] = stdin_fd;
        fds[n++] = ends[0];
        fds[n++] = ends[1];
        for (size_t i = 0; i < spec->n_inputs; i++)
                fds[n++] = spec->inputs[i].fd;
        for (size_t i = 0; i < spec->n_binds; i++)
                fds[n++] = spec->binds[i].fd;
        if (j->root.fd >= 0)
                fds[n++] = j->root.fd;
        if (calls >= 0)
                fds[n++] = calls;
        pack_number(&p, LAUNCHER_START);
        pack_number(&p, j->id);
        pack_number(&p, warm_kind_for(j->launcher, spec));
        return p.failed ? -ENOMEM : send_message(j->launcher->socket, p.data, p.size, fds, n);
}

int jail_start(JailLauncher *l, const JailSpec *spec, const JailEvents *events, void *userdata, Jail **ret, Error *e)
{
        JailLimits limits = spec->limits;
        int r = check_spec(spec, e);

        if (r < 0)
                return r;
        if (l->dead)
                return error_set(e, -ECONNRESET, "the launcher of the jails has died");
        jail_limits_default(&limits, &spec->policy->limits);
        if (!l->unpack_filter && has_archive(spec) && (r = filter_for_unpacking(&l->unpack_filter, &l->unpack_filter_size, e)) < 0)
                return r;

        _cleanup_(jail_freep) Jail *j = jail_new(l, events, userdata);
        if (!j)
                return error_oom(e);
        snprintf(j->report.policy_digest, sizeof j->report.policy_digest, "%s", spec->policy->digest);
        if ((r = root_source_open(spec->root ? spec->root : spec->policy->root, &j->root, e)) < 0)
                return r;
        if (j->root.kind == ROOT_FILE && l->host.ids != IDS_RANGE)
                return error_set(e, -EPERM, "root: only root can mount an image file; unpack it into a directory");
        if (l->host.ids != IDS_RANGE && spec->policy->capabilities)
                return error_set(e, -EPERM, "capabilities: as an ordinary user, a job would have them over its own jail; "
                                            "only root can give them");
        JailHost host = l->host;
        host.ids = ids_for(l, spec);
        r = enforce_decide(&host, &limits, spec->policy->network, spec->policy->capabilities, spec->allow_missing,
                           spec->policy->require, &j->report, e);
        if (r < 0)
                return r;
        j->output_limit = limits.output_bytes;
        j->disk_limit = limits.disk_bytes;
        j->files_limit = limits.files;

        _cleanup_close_ int plan = pack_plan(l, spec, &j->root, &limits, e);
        if (plan < 0)
                return plan;
        _cleanup_close_ int null = spec->stdin_fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
        if (spec->stdin_fd < 0 && null < 0)
                return error_errno(e, -errno, "/dev/null");
        bool tells = listens(spec) && spec->watch != JAIL_WATCH_COUNT;
        _cleanup_close_ int calls = tells ? open_calls(j, spec->watch) : -1;
        int ends[2] = {-1, -1};
        r = tells && calls < 0 ? calls : open_pipes(j, ends);
        if (r >= 0)
                r = send_start(j, spec, plan, spec->stdin_fd < 0 ? null : spec->stdin_fd, ends, calls);
        close_many(ends, 2);
        if (r < 0)
                return error_errno(e, r, "starting a jail");
        *ret = j;
        j->next = l->jails;
        l->jails = take(j);
        return 0;
}

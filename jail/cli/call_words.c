/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words for calls that a filter narrows. Nothing here says what a policy does: each word is a question to the
 * filter, and is printed when that answers so. */

#include "jail/cli/calls.h"

#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>

typedef struct Word {
        uint64_t value;
        const char *text;
} Word;

#define NAMED(name) {name, #name}

static const Word ioctls[] = {
        NAMED(TCGETS), NAMED(TCSETS), NAMED(TCSETSW), NAMED(TCSETSF), NAMED(TIOCGPGRP), NAMED(TIOCSPGRP),
        NAMED(TIOCGWINSZ), NAMED(TIOCSWINSZ), NAMED(TIOCSCTTY), NAMED(TIOCNOTTY), NAMED(TIOCSTI), NAMED(TIOCSETD),
        NAMED(TIOCLINUX), NAMED(TIOCCONS), NAMED(TIOCGPTN), NAMED(TIOCSPTLCK), NAMED(FIONREAD), NAMED(FIONBIO),
        NAMED(FIOASYNC), NAMED(FIOCLEX), NAMED(FIONCLEX), NAMED(FICLONE), NAMED(FICLONERANGE),
        NAMED(FS_IOC_GETFLAGS), NAMED(FS_IOC_SETFLAGS), NAMED(FIDEDUPERANGE),
        /* include/uapi/linux/sockios.h, whose names libc's headers have under others */
        {0x802c542a, "TCGETS2"}, {0x8910, "SIOCGIFNAME"}, {0x8912, "SIOCGIFCONF"}, {0x8913, "SIOCGIFFLAGS"}, {0x8915, "SIOCGIFADDR"},
        {0x8933, "SIOCGIFINDEX"},
};
static const Word families[] = {
        {AF_UNIX, "unix"}, {AF_INET, "inet"}, {AF_INET6, "inet6"}, {AF_NETLINK, "netlink"}, {AF_PACKET, "packet"},
        {AF_VSOCK, "vsock"}, {AF_ALG, "alg"}, {AF_BLUETOOTH, "bluetooth"}, {AF_CAN, "can"}, {AF_KEY, "key"},
        {AF_RDS, "rds"}, {AF_TIPC, "tipc"}, {AF_XDP, "xdp"},
};
static const Word personalities[] = {
        {PER_LINUX, "linux"}, {PER_LINUX32, "linux32"}, {UNAME26, "uname26"}, {PER_LINUX32 | UNAME26, "linux32+uname26"},
        {ADDR_NO_RANDOMIZE, "no-randomize"}, {UINT32_MAX, "ask"},
};
/* Of those that a jail can do without. */
static const Word fcntls[] = {
        NAMED(F_SETLEASE), NAMED(F_GETLEASE), NAMED(F_NOTIFY), NAMED(F_SETOWN), NAMED(F_SETSIG), NAMED(F_SETPIPE_SZ),
        NAMED(F_ADD_SEALS), NAMED(F_OFD_SETLK),
};
static const Word resources[] = {
        NAMED(RLIMIT_CPU), NAMED(RLIMIT_FSIZE), NAMED(RLIMIT_DATA), NAMED(RLIMIT_STACK), NAMED(RLIMIT_CORE),
        NAMED(RLIMIT_RSS), NAMED(RLIMIT_NPROC), NAMED(RLIMIT_NOFILE), NAMED(RLIMIT_MEMLOCK), NAMED(RLIMIT_AS),
        NAMED(RLIMIT_SIGPENDING), NAMED(RLIMIT_MSGQUEUE), NAMED(RLIMIT_NICE), NAMED(RLIMIT_RTPRIO),
};
static const Word namespaces[] = {
        {CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mount"}, {CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "net"},
        {CLONE_NEWIPC, "ipc"}, {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"},
};
static const Word mappings[] = {NAMED(MAP_HUGETLB)}, memory_files[] = {NAMED(MFD_HUGETLB)}, segments[] = {NAMED(SHM_HUGETLB)};
static const Word advice_on_memory[] = {NAMED(MADV_MERGEABLE), NAMED(MADV_PAGEOUT), NAMED(MADV_HUGEPAGE)};
static const Word advice_on_files[] = {NAMED(POSIX_FADV_DONTNEED), NAMED(POSIX_FADV_WILLNEED)};
static const Word process_settings[] = {
        {62, "PR_SCHED_CORE"}, /* include/uapi/linux/prctl.h */
        NAMED(PR_SET_SECCOMP), NAMED(PR_SET_DUMPABLE), NAMED(PR_SET_CHILD_SUBREAPER),
};
static const Word set_ids[] = {{S_ISUID, "set-user-id"}, {S_ISGID, "set-group-id"}};

typedef struct Question {
        const char *call;
        unsigned argument;
        bool flags; /* which of these are refused; else which values differ from all others */
        const Word *words;
        size_t n;
        const char *all_refused; /* instead of naming all of the flags */
        uint64_t usual[FILTER_ARGUMENTS];
} Question;

#define MODE(call, argument, ...) {call, argument, true, set_ids, ELEMENTS(set_ids), NULL, {__VA_ARGS__}}

static const Question questions[] = {
        {"ioctl", 1, false, ioctls, ELEMENTS(ioctls), NULL, {0}},
        {"socket", 0, false, families, ELEMENTS(families), NULL, {0, SOCK_STREAM}},
        {"socketpair", 0, false, families, ELEMENTS(families), NULL, {0}},
        {"personality", 0, false, personalities, ELEMENTS(personalities), NULL, {0}},
        {"clone", 0, true, namespaces, ELEMENTS(namespaces), "no new namespaces", {SIGCHLD}},
        {"fcntl", 1, true, fcntls, ELEMENTS(fcntls), NULL, {0, F_DUPFD}},
        {"setrlimit", 0, true, resources, ELEMENTS(resources), NULL, {RLIMIT_CPU}},
        {"prlimit64", 1, true, resources, ELEMENTS(resources), NULL, {0, RLIMIT_CPU, 1}},
        {"mmap", 3, true, mappings, ELEMENTS(mappings), NULL, {0, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS}},
        {"memfd_create", 1, true, memory_files, ELEMENTS(memory_files), NULL, {0}},
        {"shmget", 2, true, segments, ELEMENTS(segments), NULL, {0, 1, 0600}},
        {"madvise", 2, true, advice_on_memory, ELEMENTS(advice_on_memory), NULL, {0, 1, MADV_NORMAL}},
        {"fadvise64", 3, true, advice_on_files, ELEMENTS(advice_on_files), NULL, {0, 0, 0, POSIX_FADV_NORMAL}},
        {"prctl", 0, true, process_settings, ELEMENTS(process_settings), NULL, {0}},
        MODE("chmod", 1, 0, 0644), MODE("fchmod", 1, 0, 0644), MODE("fchmodat", 2, 0, 0, 0644),
        MODE("fchmodat2", 2, 0, 0, 0644), MODE("creat", 1, 0, 0644), MODE("mkdir", 1, 0, 0755),
        MODE("mkdirat", 2, 0, 0, 0755), MODE("mknod", 1, 0, S_IFIFO | 0644), MODE("mknodat", 2, 0, 0, S_IFIFO | 0644),
        MODE("open", 2, 0, O_CREAT | O_WRONLY, 0644), MODE("openat", 3, 0, 0, O_CREAT | O_WRONLY, 0644),
};

#define NOT_SPECIAL UINT64_C(0x5eed5eed) /* a value that no filter singles out */

typedef struct Asking {
        const JailPolicy *policy;
        const Question *question;
        struct seccomp_data call;
        FilterValues values; /* that the filter looks at */
} Asking;

static bool allows(Asking *a, uint64_t value)
{
        a->call.args[a->question->argument] = value;
        return filter_allows(a->policy, &a->call);
}

/* Whether what it allows of a value depends on another argument. */
static bool is_partly(Asking *a, uint64_t value)
{
        struct seccomp_data call = a->call;
        bool partly = false;

        call.args[a->question->argument] = value;
        for (unsigned i = 0; i < FILTER_ARGUMENTS; i++)
                for (size_t k = 0; i != a->question->argument && k < a->values.n[i]; k++) {
                        call.args[i] = a->values.values[i][k];
                        partly |= !filter_allows(a->policy, &call);
                }
        return partly;
}

static const Word transports[] = {{SOCK_STREAM, "tcp"}, {SOCK_DGRAM, "udp"}, {SOCK_RAW, "raw"}};

/* "inet(tcp udp)" */
static int add_transports(Asking *a, char ***list, uint64_t family)
{
        _cleanup_strv_ char **names = NULL;
        struct seccomp_data call = a->call;

        call.args[0] = family;
        for (size_t i = 0; i < ELEMENTS(transports); i++) {
                call.args[1] = transports[i].value;
                if (filter_allows(a->policy, &call) && strv_add(&names, transports[i].text) < 0)
                        return -ENOMEM;
        }
        _cleanup_free_ char *text = strv_join(names, " ");
        return text ? strv_addf(list, "%s(%s)", family == AF_INET ? "inet" : "inet6", text) : -ENOMEM;
}

static int add_word(Asking *a, char ***list, uint64_t value)
{
        bool partly = allows(a, value) && is_partly(a, value);

        if (partly && a->question->words == families && (value == AF_INET || value == AF_INET6))
                return add_transports(a, list, value);
        /* The one protocol of it that asks for addresses; it is 0, as the argument is here. */
        if (partly && a->question->words == families && value == AF_NETLINK)
                return strv_add(list, "netlink(route)");
        for (size_t i = 0; i < a->question->n; i++)
                if (a->question->words[i].value == value)
                        return strv_addf(list, "%s%s", a->question->words[i].text, partly ? "(partly)" : "");
        return strv_addf(list, "%#" PRIx64 "%s", value, partly ? "(partly)" : "");
}

/* "only a b", or "all but a b": what differs from a value that nothing is said about. */
static char *words_of_values(Asking *a)
{
        const Question *q = a->question;
        _cleanup_strv_ char **list = NULL;
        bool usual = allows(a, NOT_SPECIAL);
        int r = strv_add(&list, usual ? "all but" : "only");

        for (size_t i = 0; r >= 0 && i < q->n; i++)
                if (allows(a, q->words[i].value) != usual)
                        r = add_word(a, &list, q->words[i].value);
        for (size_t i = 0; r >= 0 && i < a->values.n[q->argument]; i++) {
                uint64_t value = a->values.values[q->argument][i];
                bool named = value > UINT32_MAX;
                for (size_t k = 0; k < q->n; k++)
                        named |= q->words[k].value == value;
                if (!named && allows(a, value) != usual)
                        r = add_word(a, &list, value);
        }
        return r < 0 ? NULL : strv_join(list, " ");
}

/* "no a, no b"; NULL without an error where the flags are not what decides. */
static char *words_of_flags(Asking *a)
{
        const Question *q = a->question;
        _cleanup_strv_ char **refused = NULL;
        uint64_t usual = q->usual[q->argument];

        if (!allows(a, usual))
                return NULL;
        for (size_t i = 0; i < q->n; i++)
                if (!allows(a, usual | q->words[i].value) && strv_addf(&refused, "no %s", q->words[i].text) < 0)
                        return NULL;
        if (q->all_refused && strv_length(refused) == q->n)
                return strdup(q->all_refused);
        return refused ? strv_join(refused, ", ") : NULL;
}

static char *words_of_arguments(const FilterValues *values)
{
        _cleanup_strv_ char **list = NULL;

        for (unsigned i = 0; i < FILTER_ARGUMENTS; i++)
                if (values->n[i] > 0 && strv_addf(&list, "%u", i + 1) < 0)
                        return NULL;
        _cleanup_free_ char *numbers = strv_join(list, ", ");
        char *text = NULL;
        if (!numbers || asprintf(&text, "only some values of argument %s", numbers) < 0)
                return NULL;
        return text;
}

char *call_words(const JailPolicy *policy, const Call *call)
{
        Asking a = {.policy = policy, .call = {.nr = (int)call->number, .arch = seccomp_arch_native()}};
        char *words = NULL;

        if (filter_find_values(policy, call->number, &a.values) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(questions) && !words; i++) {
                if (strcmp(questions[i].call, call->name) != 0)
                        continue;
                a.question = &questions[i];
                memcpy(a.call.args, a.question->usual, sizeof a.question->usual);
                words = a.question->flags ? words_of_flags(&a) : words_of_values(&a);
        }
        if (!words)
                words = words_of_arguments(&a.values);
        filter_values_done(&a.values);
        return words;
}

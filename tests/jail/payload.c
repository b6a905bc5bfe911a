/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tests run inside jails: each subcommand does one thing that a hostile or a clumsy program would do, prints
 * what came of it, and exits with 0 when it was done, 1 when it was refused. Static, so that it needs nothing. */

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(const char *what, long result)
{
        if (result < 0)
                printf("%s: refused: %s\n", what, strerror(errno));
        else
                printf("%s: done\n", what);
        return result < 0 ? 1 : 0;
}

/* Forks until it may not, then says how many it has. */
static int do_forks(char **argv)
{
        int limit = argv[0] ? atoi(argv[0]) : 100000, n = 0;

        while (n < limit) {
                pid_t pid = fork();
                if (pid == 0) {
                        pause();
                        _exit(0);
                }
                if (pid < 0)
                        break;
                n++;
        }
        printf("%d children\n", n);
        return n < limit ? 1 : 0;
}

static int do_forkbomb(char **argv)
{
        (void)argv;
        for (;;)
                if (fork() < 0)
                        sched_yield();
        return 0;
}

static int do_memory(char **argv)
{
        size_t size = (size_t)atol(argv[0]) << 20;
        char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                return say("memory", -1);
        for (size_t i = 0; i < size; i += 4096)
                p[i] = 1;
        return say("memory", 0);
}

static int do_spin(char **argv)
{
        (void)argv;
        for (;;)
                ;
        return 0;
}

static int do_descriptors(char **argv)
{
        (void)argv;
        for (int fd = 0; fd < 65536; fd++) {
                char link[64], target[4096];
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                if (fcntl(fd, F_GETFD) < 0)
                        continue;
                ssize_t n = readlink(link, target, sizeof target - 1);
                target[n > 0 ? n : 0] = '\0';
                printf("%d %s\n", fd, target);
        }
        return 0;
}

static int do_int80(char **argv)
{
        long result = -1;

        (void)argv;
#ifdef __x86_64__
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid of i386 */
        errno = (int)-result;
#endif
        return say("int 0x80", result < 0 ? -1 : 0);
}

static int do_x32(char **argv)
{
        (void)argv;
        return say("x32", syscall(0x40000000 | 39));
}

static int do_clone3(char **argv)
{
        uint64_t args[11] = {0};

        (void)argv;
        args[4] = SIGCHLD;
        long pid = syscall(SYS_clone3, args, sizeof args);
        if (pid == 0)
                _exit(0);
        return say("clone3", pid);
}

/* What the C libraries of newer distributions call, and coreutils, with the numbers that all architectures have; "all" is
 * what strict need not have, too. Whether one is refused is for the report to say: they fail for other reasons. */
static int do_newer(char **argv)
{
        enum { MSEAL = 462, GETXATTRAT = 464, FCHMODAT2 = 452, MAP_SHADOW_STACK = 453, FUTEX_WAKE2 = 454 };
        uint64_t how[3] = {O_PATH | O_CLOEXEC}, timeout[2] = {0};
        char buffer[512];

        close(open("newer", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        syscall(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, buffer);
        syscall(SYS_faccessat2, AT_FDCWD, "/", R_OK, AT_EACCESS);
        syscall(SYS_openat2, AT_FDCWD, "/", how, sizeof how);
        syscall(SYS_renameat2, AT_FDCWD, "newer", AT_FDCWD, "newest", 1);
        syscall(SYS_llistxattr, "/", NULL, 0);
        syscall(SYS_ioctl, 0, 0x802c542a, buffer); /* TCGETS2 */
        syscall(SYS_clone3, NULL, 0);
        long r = syscall(FCHMODAT2, AT_FDCWD, "newest", 0640, AT_SYMLINK_NOFOLLOW);
        int done = say("fchmodat2", r < 0 && errno == ENOSYS ? 0 : r); /* before Linux 6.6 */
        syscall(MSEAL, 0, 0, 0);
        syscall(GETXATTRAT, -1, "", 0, "user.x", NULL, 0);
        syscall(MAP_SHADOW_STACK, 0, 0, 0);
        syscall(FUTEX_WAKE2, NULL, 0, 0, 0);
        syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0);
        if (!argv[0] || strcmp(argv[0], "all") != 0)
                return done;
        syscall(SYS_close_range, 1000, 1000, 0);
        syscall(SYS_epoll_pwait2, -1, buffer, 1, timeout, NULL, 8);
        syscall(SYS_pidfd_open, -1, 0);
        syscall(SYS_process_madvise, -1, NULL, 0, 0, 0);
        syscall(SYS_preadv2, -1, NULL, 0, 0, 0, 0);
        return done;
}

/* Sends itself something; or, with "left", only looks for what another has left. */
static int do_queue(char **argv)
{
        char text[8192] = "";
        bool left = argv[0] && strcmp(argv[0], "left") == 0;
        mqd_t queue = mq_open("/skep", left ? O_RDONLY : O_RDWR | O_CREAT, 0600, NULL);

        if (queue < 0)
                return say("queue", -1);
        mqd_t again = mq_open("/skep", O_RDONLY);
        if (again < 0 || mq_send(queue, "hello", 6, 0) < 0 || mq_receive(again, text, sizeof text, NULL) < 0)
                return say("queue", -1);
        puts(text);
        if (open("/dev/mqueue/other", O_CREAT | O_WRONLY, 0600) < 0)
                puts("read-only");
        return say("queue", access("/dev/mqueue/skep", F_OK));
}

static int do_unshare(char **argv)
{
        (void)argv;
        return say("unshare", unshare(CLONE_NEWUSER));
}

static int do_clone_namespace(char **argv)
{
        (void)argv;
        long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid == 0)
                _exit(0);
        return say("clone", pid);
}

static int do_mount(char **argv)
{
        (void)argv;
        return say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int do_ptrace(char **argv)
{
        int n = argv[0] ? atoi(argv[0]) : 1;
        long r = -1;

        for (int i = 0; i < n; i++)
                r = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        return say("ptrace", r);
}

static int do_keyring(char **argv)
{
        (void)argv;
        return say("keyctl", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
}

static int do_socket(char **argv)
{
        return say("socket", socket(atoi(argv[0]), argv[1] ? atoi(argv[1]) : SOCK_STREAM, 0));
}

static int do_abstract(char **argv)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        memcpy(address.sun_path + 1, argv[0], strlen(argv[0]));
        return say("connect", connect(fd, (struct sockaddr *)&address,
                                      (socklen_t)(sizeof(sa_family_t) + 1 + strlen(argv[0]))));
}

static int do_setuid(char **argv)
{
        return say("setuid", setuid((uid_t)atoi(argv[0])));
}

static int do_mknod(char **argv)
{
        (void)argv;
        return say("mknod", mknod("/work/null", S_IFCHR | 0666, 0x103));
}

static int do_tiocsti(char **argv)
{
        (void)argv;
        /* with junk above the 32 bits that the kernel looks at */
        return say("ioctl", syscall(SYS_ioctl, 0, (unsigned long)TIOCSTI | 0x100000000UL, "x"));
}

static int do_personality(char **argv)
{
        (void)argv;
        return say("personality", syscall(SYS_personality, 0x0040000UL /* ADDR_NO_RANDOMIZE */));
}

static int do_kill_all(char **argv)
{
        (void)argv;
        signal(SIGTERM, SIG_IGN);
        say("kill 1", kill(1, SIGKILL));
        return say("kill -1", kill(-1, SIGTERM));
}

/* Leaves children behind that have nothing more to do with us: twice forked, deaf, with our output open. */
static int do_orphans(char **argv)
{
        (void)argv;
        for (int i = 0; i < 5; i++)
                if (fork() == 0) {
                        if (fork() == 0) {
                                setsid();
                                for (int s = 1; s < 65; s++)
                                        signal(s, SIG_IGN);
                                for (;;)
                                        pause();
                        }
                        _exit(0);
                }
        while (wait(NULL) > 0)
                ;
        puts("left");
        return 0;
}

static int do_write(char **argv)
{
        int fd = open(argv[0], O_WRONLY | O_CREAT, 0644);

        return say(argv[0], fd < 0 ? -1 : write(fd, "x", 1));
}

static int do_read(char **argv)
{
        char c;
        int fd = open(argv[0], O_RDONLY);

        return say(argv[0], fd < 0 ? -1 : read(fd, &c, 1) == 1 ? 0 : -1);
}

static int do_true(char **argv)
{
        (void)argv;
        return 0;
}

static int do_sleep(char **argv)
{
        return (int)sleep((unsigned)atoi(argv[0]));
}

static int do_limits(char **argv)
{
        struct rlimit core, files;

        (void)argv;
        getrlimit(RLIMIT_CORE, &core);
        getrlimit(RLIMIT_NOFILE, &files);
        printf("core %lu files %lu\n", (unsigned long)core.rlim_max, (unsigned long)files.rlim_max);
        return 0;
}

static const struct {
        const char *name;
        int (*run)(char **argv);
} commands[] = {
        {"forks", do_forks},       {"forkbomb", do_forkbomb}, {"memory", do_memory},
        {"spin", do_spin},         {"descriptors", do_descriptors}, {"int80", do_int80},
        {"x32", do_x32},           {"clone3", do_clone3},     {"unshare", do_unshare},
        {"newer", do_newer},       {"queue", do_queue},
        {"clone-namespace", do_clone_namespace},              {"mount", do_mount},
        {"ptrace", do_ptrace},     {"keyring", do_keyring},   {"socket", do_socket},
        {"abstract", do_abstract}, {"setuid", do_setuid},     {"mknod", do_mknod},
        {"tiocsti", do_tiocsti},   {"personality", do_personality}, {"kill-all", do_kill_all},
        {"orphans", do_orphans},   {"write", do_write},       {"read", do_read},
        {"limits", do_limits},     {"true", do_true},         {"sleep", do_sleep},
};

int main(int argc, char **argv)
{
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
                if (strcmp(commands[i].name, argv[1]) == 0)
                        return commands[i].run(argv + 2);
        fprintf(stderr, "payload: which subcommand?\n");
        return 2;
}

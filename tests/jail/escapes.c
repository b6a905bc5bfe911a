/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The escape suite: attacks on a sandbox, tried from inside by a static program, and judged twice.
 *
 *   escapes list                        class, label, description and how it runs, one case a line, with tabs between
 *   escapes run LABEL [KEY=VALUE]...    tries one, and says on standard output "held: …", "escaped: …" or "n/a: …";
 *                                       the exit status is 0, 1 or 77, and 2 when it came to no verdict
 *   escapes run LABEL,LABEL,... [...]   tries some that may share a sandbox, and says the label before each
 *
 * The pairs are what an attacker could know of the host: names, numbers and handles of what is put there to be found.
 * escapes.sh, which runs the suite, has them from this same program on the host's side (escapes/host.c):
 *
 *   escapes canaries DIRECTORY PROGRAM  puts files, services and IPC objects on the host, and watches over them
 *   escapes state DIRECTORY TOKEN       what an attack could have changed out there, one fact a line
 *   escapes terminal COMMAND...         runs a sandbox on a terminal, and sees whether something was typed into it
 *   escapes account COMMAND...          runs one, and says what it has cost
 *
 * Judged from inside: "held" is an attack that was refused, or was without effect; "escaped" is one that got what it
 * was after, with the evidence. For most that is something of the host: a file, a process, a service, a setting. For
 * those on the kernel it is the kernel's rarely used side itself, such as a user namespace or a ring of io_uring, from
 * where most escapes of the last years have started. What a policy permits on purpose is judged by its effect:
 * that a socket can be had is no escape, that it reaches a service of the host is. "n/a": this kernel or this sandbox
 * has no such thing.
 *
 * Judged from outside: the state of the host before and after must be the same, no process may be left, and the sandbox
 * must have ended in time. Either judge alone can say "escaped".
 *
 * To add a case, write a function in the file of its kind below escapes/, and a line in the table at that file's end. Do
 * what the attacker would do, with true arguments: a call with nonsense is refused for the nonsense. What would harm the
 * host if it worked is chosen so that it does not: a setting is written with the value that it has, and a bomb ends at a
 * cap. The suite must be able to fail: a new case is tried once without any sandbox (in a virtual machine). */

#include "escapes/attack.h"
#include "escapes/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MSEC 15000 /* less than what escapes.sh gives the sandbox */
#define NO_VERDICT 2

static const struct {
        const char *class;
        const Attack *attacks;
} classes[] = {
        {"resources", attacks_by_bombs},       {"resources", attacks_by_descriptors},
        {"resources", attacks_on_priorities},  {"resources", attacks_by_ipc},
        {"resources", attacks_by_denials},     {"lifecycle", attacks_on_life},
        {"lifecycle", attacks_by_signals},     {"files", attacks_on_files},
        {"files", attacks_by_writing},         {"files", attacks_on_shared_files},
        {"files", attacks_on_mounts},          {"files", attacks_on_proc},
        {"files", attacks_by_output},
        {"cgroup", attacks_on_cgroups},        {"kernel", attacks_by_namespaces},
        {"kernel", attacks_on_kernel},         {"kernel", attacks_on_processes},
        {"kernel", attacks_on_privileges},     {"kernel", attacks_by_machine},
        {"network", attacks_on_services},      {"network", attacks_by_sockets},
};

static const struct {
        unsigned flag;
        const char *word;
} manners[] = {
        {OUTLASTS, "outlasts"}, {COLLECTED, "collected"}, {TERMINAL, "terminal"}, {STUCK_READER, "stuck-reader"},
        {FLOODS, "floods"},     {ENDLESS, "endless"},     {ACCOUNTED, "accounted"},
        {ALONE | FIRST_PROCESS, "alone"},
};

static int list(void)
{
        for (size_t i = 0; i < ELEMENTS(classes); i++)
                for (const Attack *attack = classes[i].attacks; attack->label; attack++) {
                        printf("%s\t%s\t%s\t", classes[i].class, attack->label, attack->description);
                        for (size_t k = 0; k < ELEMENTS(manners); k++)
                                if (attack->how & manners[k].flag)
                                        printf("%s ", manners[k].word);
                        printf("%s%s\n", attack->layer ? "layer=" : "", attack->layer ? attack->layer : "");
                }
        return 0;
}

static const Attack *find(const char *label)
{
        for (size_t i = 0; i < ELEMENTS(classes); i++)
                for (const Attack *attack = classes[i].attacks; attack->label; attack++)
                        if (strcmp(attack->label, label) == 0)
                                return attack;
        return NULL;
}

static int say(int out, Verdict verdict, const char *text)
{
        static const char *const words[] = {[HELD] = "held", [ESCAPED] = "escaped", [NOT_APPLICABLE] = "n/a"};
        static const int statuses[] = {[HELD] = 0, [ESCAPED] = 1, [NOT_APPLICABLE] = 77};

        dprintf(out, "%s: %s\n", words[verdict], text);
        return statuses[verdict];
}

typedef struct Record {
        Verdict verdict;
        char text[sizeof ((Attempt *)NULL)->text];
} Record;

/* Waits for what the child has to say; its own children may have its end of the pipe too, so that their end is not
 * waited for. */
static int listen_to(pid_t child, int pipe_fd, int out, const Attack *attack)
{
        Record record;
        int status = 0, waited = 0;
        bool ended = false;

        for (; waited < PATIENCE_MSEC; waited += 20) {
                struct pollfd p = {.fd = pipe_fd, .events = POLLIN};
                if (poll(&p, 1, ended ? 0 : 20) > 0 && read(pipe_fd, &record, sizeof record) == sizeof record)
                        return say(out, record.verdict, record.text);
                if (ended)
                        break;
                ended = waitpid(child, &status, WNOHANG) == child;
        }
        if (ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                return say(out, HELD, "SIGSYS");
        if (ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && (attack->how & ENDLESS))
                return say(out, HELD, "SIGKILL");
        if (ended)
                dprintf(out, "no verdict: it ended with the wait status 0x%x\n", status);
        else
                dprintf(out, "no verdict: it is still at it\n");
        kill(child, SIGKILL);
        return NO_VERDICT;
}

static int run(const Attack *attack, char **words)
{
        Attempt a = {.argument = attack->argument, .given = words};
        /* Attacks may close theirs. */
        int out = fcntl(attack->how & ON_STDERR ? 2 : 1, F_DUPFD_CLOEXEC, 3), fds[2];

        if (attack->how & FIRST_PROCESS) {
                Verdict verdict = attack->run(&a);
                return say(out, verdict, a.text);
        }
        pid_t child = pipe(fds) < 0 ? -1 : fork();
        if (child < 0) {
                dprintf(out, "no verdict: %s\n", strerror(errno));
                return NO_VERDICT;
        }
        if (child == 0) {
                Record record = {.verdict = attack->run(&a)};
                memcpy(record.text, a.text, sizeof record.text);
                _exit(write(fds[1], &record, sizeof record) == sizeof record ? 0 : 1);
        }
        close(fds[1]);
        return listen_to(child, fds[0], out, attack);
}

static int run_several(char *labels, char **words)
{
        int status = 0;

        for (const char *label; (label = strsep(&labels, ","));) {
                const Attack *attack = find(label);
                if (!attack || (attack->how & FIRST_PROCESS))
                        continue;
                dprintf(1, "%s ", label);
                int r = run(attack, words);
                status = r == 1 || r == NO_VERDICT ? r : status;
        }
        return status;
}

int main(int argc, char **argv)
{
        const char *verb = argc > 1 ? argv[1] : "";

        if (strcmp(verb, "list") == 0)
                return list();
        if (strcmp(argv[0], HOST_BYSTANDER) == 0)
                return host_bystander();
        if (strcmp(verb, "run") == 0 && argc > 2) {
                const Attack *attack = find(argv[2]);
                if (attack)
                        return run(attack, argv + 3);
                if (strchr(argv[2], ','))
                        return run_several(argv[2], argv + 3);
                fprintf(stderr, "escapes: there is no case \"%s\"\n", argv[2]);
                return NO_VERDICT;
        }
        if (strcmp(verb, "canaries") == 0 && argc == 4)
                return host_canaries(argv[2], argv[3]);
        if (strcmp(verb, "state") == 0 && argc == 4)
                return host_state(argv[2], argv[3]);
        if (strcmp(verb, "terminal") == 0 && argc > 2)
                return host_terminal(argv + 2);
        if (strcmp(verb, "account") == 0 && argc > 2)
                return host_account(argv + 2);
        fprintf(stderr, "escapes: list, run LABEL, canaries, state, terminal or account?\n");
        return NO_VERDICT;
}

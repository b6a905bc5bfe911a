/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One attack of the escape suite, and how it says what came of it. What a case is, and how one is added, is told at the
 * top of ../escapes.c. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the files, segments, queues and sockets that the suite puts on the host hold and say. */
#define SECRET "this is the host's secret"
#define KEPT "this is the host's own"

/* How far a bomb goes where nothing holds it: enough to tell, too little to harm. */
#define PROCESSES_MAX 2000
#define BYTES_MAX ((size_t)1536 << 20)
#define SPIN_SECONDS 5

#define ELEMENTS(array) (sizeof(array) / sizeof *(array))

typedef enum Verdict {
        HELD,           /* refused, or without effect */
        ESCAPED,        /* the attack has got what it was after */
        NOT_APPLICABLE, /* this kernel or this sandbox has no such thing */
} Verdict;

typedef struct Attempt {
        const char *argument; /* of the case */
        char **given;         /* KEY=VALUE: what the host has told of itself, NULL at the end */
        char text[400];       /* the evidence */
} Attempt;

enum {
        OUTLASTS = 1 << 0,      /* goes on until the sandbox ends it: its end is the verdict */
        FIRST_PROCESS = 1 << 1, /* in the program's own process, not in a child that it waits for */
        COLLECTED = 1 << 2,     /* leaves something in /output */
        TERMINAL = 1 << 3,      /* standard input is a terminal */
        STUCK_READER = 1 << 4,  /* nobody reads standard output */
        FLOODS = 1 << 5,        /* writes more output than anybody wants */
        ON_STDERR = 1 << 6,     /* says there what came of it, since standard output is its weapon */
        ENDLESS = 1 << 7,       /* may end by the sandbox's SIGKILL, and then is held */
        ACCOUNTED = 1 << 8,     /* what it costs outside is measured */
        ALONE = 1 << 9,         /* leaves something behind: no other case in the same sandbox */
};

typedef struct Attack {
        const char *label, *description;
        Verdict (*run)(Attempt *);
        const char *argument;
        unsigned how;
        const char *layer; /* what must be enforced for it to be held, by its name in a report; NULL: nothing special */
} Attack;

/* Each file's own, ended by one without a label. */
extern const Attack attacks_on_files[], attacks_by_writing[], attacks_on_shared_files[],
        attacks_on_mounts[], attacks_on_proc[], attacks_by_output[], attacks_on_cgroups[], attacks_on_life[],
        attacks_by_signals[], attacks_by_bombs[], attacks_by_descriptors[], attacks_on_priorities[], attacks_by_ipc[],
        attacks_by_namespaces[], attacks_on_kernel[], attacks_on_processes[], attacks_on_privileges[],
        attacks_by_machine[], attacks_by_sockets[], attacks_on_services[], attacks_by_denials[];

/* ---- what came of it: each fills in the evidence and returns the verdict ---- */

Verdict held(Attempt *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
Verdict escaped(Attempt *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
Verdict not_applicable(Attempt *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* By the result of the one call that matters, and errno. A call that does not exist is not applicable, unless a filter
 * may have said so. */
Verdict by_result(Attempt *a, long result, const char *what);

/* ---- about the host and the sandbox ---- */

/* Returns the value of a key, "" when it was not given. */
const char *given(const Attempt *a, const char *key);
long given_number(const Attempt *a, const char *key);

/* A path in the directory that the suite keeps on the host, in a buffer of `a`'s caller. */
#define PATH_ROOM 512
const char *host_path(const Attempt *a, const char *name, char path[static PATH_ROOM]);

/* Where the job may make files. */
const char *own_directory(void);

/* True when a system call filter is loaded. */
bool is_filtered(void);

/* ---- small steps that many attacks share ---- */

/* True when the file can be opened from `dir` and begins with the text. */
bool file_says(int dir, const char *path, const char *text);

/* For attacks that go around paths to the secret: not applicable where the plain path shows it. */
bool secret_is_shown(const Attempt *a);
Verdict secret_shown(Attempt *a);

/* A mount namespace of its own, if that is permitted at all: so that a mount that succeeds does no harm outside. */
void keep_mounts_private(void);

/* Runs a function in a child. Returns its exit status, 128+N when signal N has ended it, or -errno. */
int in_child(int (*run)(void *), void *userdata);

void sleep_msec(int msec);

/* Writes text to a file that must be there. Returns 0, or -1 and errno. */
int write_to(const char *path, const char *text);

/* True where the processes of the host are ours to see: then none is signalled, and that is evidence enough. */
bool host_is_seen(const Attempt *a);

/* To be left behind: no signal that can be caught ends it, no terminal, no parent. Never returns. */
_Noreturn void outlive_everything(void);

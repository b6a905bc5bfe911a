/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sandbox: a specification goes in, a running jail comes of it, a report comes out.
 *
 * A caller starts one launcher and drives any number of jails through it from one event loop: it polls
 * jail_launcher_fd() for reading, calls jail_launcher_dispatch() when it is readable, and gets its callbacks from
 * there. Nothing here blocks but jail_launcher_new(), for as long as a program needs to start.
 *
 * The library knows nothing of jobs, queues or buses. It is static and its interface private until 1.0. */

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- limits ---- */

#define JAIL_UNLIMITED UINT64_MAX

typedef struct JailLimits {
        uint64_t memory_bytes;
        uint64_t cpu_milli; /* thousandths of a processor */
        uint64_t pids;      /* processes and threads of the job */
        uint64_t wall_usec;
        uint64_t cpu_time_usec;
        uint64_t disk_bytes; /* of the tmpfs behind /work, /tmp, /output and /dev/shm; counts as memory */
        uint64_t files;      /* inodes of it */
        uint64_t output_bytes; /* stdout and stderr together */
        uint64_t io_read_bytes_per_sec;
        uint64_t io_write_bytes_per_sec;
} JailLimits;

extern const JailLimits jail_limits_none; /* everything JAIL_UNLIMITED */

/* Reads the object of limits of a job ("limits"): each value a scalar. Keys that are not there keep their value in
 * `limits`. Errors: -EINVAL, with the path of the key. */
int jail_limits_read(json_object *object, const char *path, JailLimits *limits, Error *e);

/* Fills what `limits` leaves unlimited from `defaults`. */
void jail_limits_default(JailLimits *limits, const JailLimits *defaults);

/* ---- layers: what holds a job, for reports and for what an operator allows to be missing ---- */

typedef enum JailLayer {
        JAIL_USER,
        JAIL_MOUNT,
        JAIL_PID,
        JAIL_NET,
        JAIL_IPC,
        JAIL_UTS,
        JAIL_CGROUP,
        JAIL_CAPABILITIES,
        JAIL_SECCOMP,
        JAIL_LANDLOCK,
        JAIL_MEMORY,
        JAIL_CPU,
        JAIL_PIDS,
        JAIL_IO,
        JAIL_CPU_TIME,
        JAIL_WALL,
        JAIL_DISK,
        JAIL_FILES,
        JAIL_OUTPUT,
        JAIL_BROKER,
        JAIL_LAYER_MAX,
} JailLayer;

typedef uint32_t JailLayers; /* a set: 1 << JailLayer */

const char *jail_layer_name(JailLayer layer);
/* Reads names separated by commas. Errors: -EINVAL unknown, or a layer that a jail is never without. */
int jail_layers_parse_missing(const char *list, JailLayers *ret, Error *e);

/* ---- policies ---- */

typedef enum JailNetwork {
        JAIL_NETWORK_NONE,
        JAIL_NETWORK_BROKER,
} JailNetwork;

/* Immutable once loaded, counted; its filter is compiled when it is first needed. */
typedef struct JailPolicy JailPolicy;

/* Loads a policy by name from the directories (the first that has it wins), or from a file when `name` has a "/".
 * Follows `extends`. The caller owns `*ret`. Errors: -ENOENT no such policy; -EINVAL with file and path of the key. */
int jail_policy_load(const char *name, char *const *directories, JailPolicy **ret, Error *e);

/* The same, and compiled. The result is kept in the directory `cache`, and taken from there as long as nothing that it
 * came from has changed: that saves most of the time. Such a policy can be run, and not be shown: its text is NULL. */
int jail_policy_load_compiled(const char *name, char *const *directories, const char *cache, JailPolicy **ret, Error *e);

/* Reads the text of jail_policy_text() back: resolved, so that no other file is looked at. */
int jail_policy_from_text(const char *name, const char *text, JailPolicy **ret, Error *e);

JailPolicy *jail_policy_ref(JailPolicy *policy);
JailPolicy *jail_policy_unref(JailPolicy *policy); /* returns NULL */
DEFINE_CLEANUP(JailPolicy, jail_policy_unref)
#define _cleanup_policy_ _cleanup_(jail_policy_unrefp)

const char *jail_policy_name(const JailPolicy *policy);
const char *jail_policy_description(const JailPolicy *policy);
/* "host", the absolute path of a directory or file, or the name of an image. */
const char *jail_policy_root(const JailPolicy *policy);
/* "sha256:…" of the resolved policy: equal digests mean equal jails. */
const char *jail_policy_digest(const JailPolicy *policy);
/* False: its filter only refuses, and a job that SIGSYS has ended got that from somebody else. Of a compiled one. */
bool jail_policy_may_kill(const JailPolicy *policy);
/* The resolved policy as JSON, without `extends` and with groups of system calls spelled out. */
const char *jail_policy_text(const JailPolicy *policy);
const JailLimits *jail_policy_limits(const JailPolicy *policy);
/* What the policy says and cannot be had here, a sentence each, for whoever chose it. NULL-terminated; NULL: nothing. */
char *const *jail_policy_notes(const JailPolicy *policy);

/* Checks what a job asks for against the policy's ceilings. Errors: -EPERM naming limit, wish and ceiling. */
int jail_policy_admit(const JailPolicy *policy, const JailLimits *asked, Error *e);

/* ---- the report ---- */

typedef enum JailReason {
        JAIL_EXITED,
        JAIL_SIGNALLED,
        JAIL_OOM,
        JAIL_WALL_LIMIT,
        JAIL_CPU_LIMIT,
        JAIL_CANCELLED,
        JAIL_SETUP_FAILED,
        JAIL_EXEC_FAILED,
        JAIL_LOST,
        /* Never a jail's own: an engine says them of a job that it did not start... */
        JAIL_DEPENDENCY,
        JAIL_DEADLINE,
        JAIL_OUTPUT_FAILED, /* ... and this of one whose /output is too large, or nested too deep, to be kept */
        JAIL_REASON_MAX,
} JailReason;

const char *jail_reason_name(JailReason reason);
/* Returns false where there is no such reason. */
bool jail_reason_parse(const char *name, JailReason *ret);

#define JAIL_SYSCALL_MAX 512 /* above the highest number of any system call of the architectures that we build for */
#define JAIL_UNKNOWN UINT64_MAX /* what was not measured */

typedef struct JailReport {
        JailReason reason;
        int exit_code; /* -1: none. exec-failed: 127 not found, 126 otherwise, as shells have it */
        int signal;    /* 0: none */
        char *message; /* owned; NULL where there is nothing to say */
        bool warm;
        char policy_digest[80];
        uint64_t setup_usec, wall_usec, cpu_user_usec, cpu_system_usec;
        uint64_t memory_peak_bytes, pids_peak, io_read_bytes, io_write_bytes;
        uint64_t memory_pressure_usec, cpu_pressure_usec, io_pressure_usec;
        uint64_t stdout_bytes, stderr_bytes; /* kept, not dropped */
        bool truncated;
        uint32_t denied[JAIL_SYSCALL_MAX]; /* by number of the native architecture */
        bool denied_complete;
        bool left_running; /* when the job ended, something that it had started did not; not in the JSON */
        char enforced[JAIL_LAYER_MAX][24]; /* by what; "" where nothing was asked for */
        JailLayers not_enforced;
} JailReport;

/* A report in which nothing was measured yet. */
void jail_report_init(JailReport *report);
void jail_report_done(JailReport *report);

/* The report as JSON, without the keys that only an engine knows (attempt, cached, worker). The caller owns it; NULL
 * when out of memory. */
json_object *jail_report_to_json(const JailReport *report);

/* The exit status that a command line ends with. `program` has been run: its own status, 128+N, 124, 125, 126, 127,
 * 130 or 137. */
int jail_report_exit_status(const JailReport *report);

/* ---- jails ---- */

typedef struct JailInput {
        const char *name; /* as name_check_input(): a "/" at its end makes it a tar archive to unpack */
        int fd;           /* a regular file, open for reading; borrowed until jail_start() returns */
} JailInput;

typedef struct JailBind {
        int fd;             /* O_PATH of what is bound; borrowed */
        const char *inside; /* absolute, without "." and ".." */
        bool writable;      /* id-mapped: what the owner of the source may do, the job may */
} JailBind;

#define JAIL_INPUTS_MAX 16
#define JAIL_BINDS_MAX 64

/* What is done about the job's system calls, beside holding them to the policy. */
typedef enum JailWatch {
        JAIL_WATCH_COUNT,  /* those that are refused are counted, for the report */
        JAIL_WATCH_TRACE,  /* the first refused one of each number is a `call` event, too */
        JAIL_WATCH_RECORD, /* every call that the policy allows is looked at before it is made; slow. Those that it
                            * refuses are refused with EPERM, and neither counted nor told of */
} JailWatch;

typedef struct JailSpec {
        JailPolicy *policy;
        const char *root;  /* instead of the policy's: "host", an absolute path or the name of an image; NULL: the policy's */
        JailLimits limits; /* what the policy's defaults shall fill up stays JAIL_UNLIMITED */
        char *const *command; /* behind the entry point of an image; may be empty where that has a command */
        char *const *environment; /* NAME=value, over the jail's own PATH, HOME, USER, LANG and TMPDIR */
        const char *working_directory; /* NULL: the image's, else /work */
        int stdin_fd; /* -1: /dev/null; a file is read from its present offset on, which stays; borrowed until jail_start()
                       * returns */
        const JailInput *inputs;
        size_t n_inputs;
        const JailBind *binds;
        size_t n_binds;
        JailLayers allow_missing;
        JailWatch watch;
        uint64_t linger_usec; /* how long what the job has started, and not waited for, may go on after its end; as a rule 0 */
} JailSpec;

typedef enum JailCallKind {
        JAIL_CALL_REFUSED,  /* JAIL_WATCH_TRACE: the first refused call of its number */
        JAIL_CALL_MADE,     /* JAIL_WATCH_RECORD: the first call of its number */
        JAIL_CALL_EXECUTED, /* likewise: `path` was to be executed, or is the loader of what was; links followed */
        JAIL_CALL_MISSED,   /* likewise: the call names a `path` that is not in the jail; absolute */
} JailCallKind;

#define JAIL_CALL_ARGUMENTS 6

/* A system call of the job, as it was when it was looked at: other threads of the job may have changed what its
 * arguments point to, before and since. All texts are the job's choice. */
typedef struct JailCall {
        JailCallKind kind;
        int number; /* of the native architecture */
        int pid;    /* inside the jail */
        uint64_t arguments[JAIL_CALL_ARGUMENTS];
        const char *texts[JAIL_CALL_ARGUMENTS]; /* of those that are strings; NULL: is none, or could not be read */
        const char *program;                    /* the name of the process (comm) */
        const char *path;                       /* NULL but where the kind says so */
} JailCall;

/* "ptrace(16, 1, 0x0, 0x0) by \"python3\" (pid 7)", with what the job chose escaped. Owned by the caller; NULL when
 * out of memory. */
char *jail_call_text(const JailCall *call);

/* The name of a system call, or its number as text. Owned by the caller; NULL when out of memory. */
char *jail_syscall_name(int number);

typedef struct JailLauncher JailLauncher;
typedef struct Jail Jail;

typedef struct JailEvents {
        /* Output of the job, in order within a stream (1 stdout, 2 stderr), at most 64 KiB at a time. */
        void (*output)(Jail *jail, int stream, const void *data, size_t size, void *userdata);
        /* The last call for a jail: it is gone, with everything in it. The report is the library's, valid within the
         * call, as is the jail. */
        void (*ended)(Jail *jail, const JailReport *report, void *userdata);
        /* What `watch` asks for; NULL where nothing is. The call is valid within it. Under JAIL_WATCH_TRACE the job
         * never waits for this, and what comes too fast is left out; under JAIL_WATCH_RECORD it waits. */
        void (*call)(Jail *jail, const JailCall *call, void *userdata);
} JailEvents;

struct Launcher;

/* What a launcher in the calling process is made of; see launcher.h. */
typedef struct JailLauncherHere {
        int (*new)(int socket_fd, struct Launcher **ret);
        int (*fd)(const struct Launcher *launcher);
        bool (*dispatch)(struct Launcher *launcher, int timeout_msec);
        struct Launcher *(*free)(struct Launcher *launcher);
} JailLauncherHere;

typedef struct JailLauncherOptions {
        const char *program; /* path of skep-launcher; NULL: beside the running program */
        /* &launcher_here of launcher.h: the launcher lives in the calling process, for a program that is small, has one
         * thread, and runs one jail at a time. NULL: a process of its own. */
        const JailLauncherHere *here;
        const char *cgroup; /* below which jails get theirs; NULL: see cgroup_choose() in cgroup.h */
        /* A descriptor of the caller's that the launcher keeps open, too, until its last jail is gone: by a lock on it others
         * see that something of a caller who has died may still run. 0: none. Not with `here`. */
        int held_fd;
} JailLauncherOptions;

/* Starts the launcher: as a rule one more process, with nothing of the caller's memory, environment or descriptors, which
 * ends with all its jails when the caller does, however that is. Errors: what fork and exec say; -EPERM without the
 * privileges to make jails; -EPROTO when the program is of another version. */
int jail_launcher_new(const JailLauncherOptions *options, JailLauncher **ret, Error *e);

/* Ends the launcher. Every jail is killed, and is gone when this returns; no callback comes any more. Returns NULL. */
JailLauncher *jail_launcher_free(JailLauncher *launcher);
DEFINE_CLEANUP(JailLauncher, jail_launcher_free)
#define _cleanup_launcher_ _cleanup_(jail_launcher_freep)

int jail_launcher_fd(const JailLauncher *launcher);

/* Takes what has come, and calls back. Never waits. -ECONNRESET when the launcher has died: every jail has then got
 * its `ended` with the reason "lost", and the launcher is of no more use. */
int jail_launcher_dispatch(JailLauncher *launcher, Error *e);

/* Starts a jail. Problems that only show while it is built come as a report with the reason "setup-failed".
 * Errors: -EINVAL, -EPERM as of jail_policy_admit(), -EOPNOTSUPP a limit or layer that this host cannot enforce; in
 * all cases nothing was created. `*ret` is the library's, until its `ended` callback has returned. */
int jail_start(JailLauncher *launcher, const JailSpec *spec, const JailEvents *events, void *userdata, Jail **ret,
               Error *e);

/* Has the launcher keep `n` jails ready for jobs of a policy: made up to where the job must be known. jail_start() takes
 * one by itself, where there is one that fits (no `binds`, no `root` of the spec's own, no `watch` but to count); it is as
 * any other, is used once, and is replaced when nothing else is to be done. What cannot be kept is no error: then every
 * start is cold. 0: none any more. Only for root, for a launcher that is a process of its own, and over the host's root:
 * otherwise -EOPNOTSUPP. Other errors: as of compiling the policy; -EAGAIN the launcher does not read just now. */
int jail_launcher_keep_warm(JailLauncher *launcher, JailPolicy *policy, size_t n, Error *e);

/* How many of them are there, as far as is known; without a policy: of all. */
size_t jail_launcher_warm(const JailLauncher *launcher, const JailPolicy *policy);

/* Ends a jail, with the reason "cancelled". Its `ended` callback comes later. */
void jail_cancel(Jail *jail);

/* Stops and resumes reading the job's output, for a caller whose own reader is slow: the job then waits. What a pipe
 * still holds when the job has ended comes in any case. */
void jail_hold_output(Jail *jail, int stream, bool hold);

/* How many bytes of output are passed on, of both streams together; JAIL_UNLIMITED. */
uint64_t jail_output_limit(const Jail *jail);

/* Reads a stream no more: the job gets what a program gets whose reader has gone (EPIPE, SIGPIPE). */
void jail_close_output(Jail *jail, int stream);

/* Within `ended`: a descriptor of the directory that the job saw as /output, owned by the library, -1 where there is
 * none. Nothing in there can change any more, and nothing in there can be trusted. */
int jail_output_directory(const Jail *jail);
/* Likewise: how many bytes the files in there may say that they have together. The tmpfs has counted blocks; holes and
 * second names of a file are not in that count, and would be in a copy. */
uint64_t jail_output_bytes_max(const Jail *jail);
uint64_t jail_output_files_max(const Jail *jail);

/* ---- what this host can enforce ---- */

typedef enum JailHeld {
        JAIL_HELD_NOT,
        JAIL_HELD_PARTLY,
        JAIL_HELD_FULLY,
} JailHeld;

typedef enum JailFindingKind {
        JAIL_FINDING_HOST,    /* what jails are made with: kernel, programs, policies, ids */
        JAIL_FINDING_LAYER,   /* by the names of jail_layer_name() */
        JAIL_FINDING_FEATURE, /* what a jail may be asked for, or tells, beside its layers */
} JailFindingKind;

typedef struct JailFinding {
        JailFindingKind kind;
        const char *name; /* a key that stays */
        JailHeld held;
        char *by;      /* by what, for layers in the words of a report; or NULL */
        char *why;     /* why not, or not fully: a sentence without its full stop; or NULL */
        char **remedy; /* commands and instructions that mend it, in their order; a comment begins with "#" */
} JailFinding;

typedef struct JailProbe {
        JailFinding *findings;
        size_t n_findings;
        bool possible;      /* a jail was made */
        JailLayers missing; /* what --allow-missing must name for a jail with every limit */
} JailProbe;

/* Finds out what this host can enforce for the calling user by doing it: in processes of its own, and in a few jails,
 * all of which are gone when it returns. `policies` are directories as for jail_policy_load(), all of whose policies
 * are tried; `launcher` is how the caller makes its jails. For programs with one thread. Errors: -ENOMEM.
 * jail_probe_done() in any case. */
int jail_probe_host(char *const *policies, const JailLauncherOptions *launcher, JailProbe *ret, Error *e);
void jail_probe_done(JailProbe *probe);
#define _cleanup_probe_ _cleanup_(jail_probe_done)

/* What this host enforces of a policy with its default limits, as the report of a job would have it in `enforced` and
 * `not_enforced`. Makes no jail. `launcher` as for jail_probe_host(). For programs with one thread. Errors: -EOPNOTSUPP
 * for a layer that the policy requires and the host lacks. jail_report_done() in any case. */
int jail_policy_on_host(const JailPolicy *policy, const JailLauncherOptions *launcher, JailReport *ret, Error *e);

/* An object of the three kinds, each with its findings by name, and the verdict. The caller owns it; NULL when out of
 * memory. */
json_object *jail_probe_to_json(const JailProbe *probe);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the D-Bus interface share: bus.c (start and end), bus_socket.c and bus_message_bus.c (the two ways
 * in), bus_client.c (who calls, and what is kept for him), bus_gate.c (what comes before sd-bus sees it; bus_frame.c: where a
 * message ends), bus_peer.c (a connection to the socket), bus_sender.c (a name on the message bus), bus_pending.c (calls that are answered later),
 * bus_signals.c, bus_authority.c (polkit), and a file for each interface. */

#include "engine/supervisor/bus.h"
#include "engine/supervisor/scaling.h"

#include <sys/queue.h>
#include <systemd/sd-bus.h>

#define BUS_NAME "org.skep.Engine1"
#define BUS_PATH "/org/skep/Engine1"
#define BUS_JOB_PATH BUS_PATH "/job"
#define BUS_MANAGER "org.skep.Engine1.Manager"
#define BUS_JOB "org.skep.Engine1.Job"
#define BUS_WORKER_PATH BUS_PATH "/worker"
#define BUS_WORKER "org.skep.Engine1.Worker"
#define BUS_FDS_PER_USER 1024 /* of messages on the socket that are not done with; and of calls that wait */
#define BUS_ERROR(name) "org.skep.Engine1.Error." name

typedef struct BusClient BusClient;
typedef struct BusGate BusGate;
typedef struct BusPeer BusPeer;
typedef struct BusPending BusPending;
typedef struct BusSender BusSender;
typedef struct BusUser BusUser;

/* What a message has brought. */
typedef struct BusLoad {
        uint64_t bytes;
        size_t n_fds;   /* sd-bus has placeholders of them */
        Porter *porter; /* who has them; NULL: nobody any more */
        const char *refused; /* it has brought some, which nobody has taken: a sentence that says why; or NULL */
} BusLoad;

/* A connection, and the userdata of everything that is found on it: a peer's own, or that to a message bus, with many
 * clients behind it. */
typedef struct BusLink {
        Bus *owner;
        sd_bus *bus;
        BusClient *client; /* whose message is being looked at: the filter that comes before the methods sets it */
        BusPeer *peer; /* NULL: a message bus */
        BusGate *gate; /* NULL: a message bus by another way than a Unix socket, which brings no descriptors */
        BusLoad *load; /* of the message that is being looked at */
        bool came;     /* one has been looked at */
        unsigned granted;  /* polkit has just said yes to these actions, for this message */
        Job *job;          /* found for this message */
        const PoolWorker *worker; /* likewise */
} BusLink;

/* What is kept for one client: a connection to the socket, or a name on the message bus. */
struct BusClient {
        BusClient *next;
        BusLink *link;
        BusLink own; /* of a peer */
        BusUser *user;
        Credentials credentials; /* the groups are owned */
        Caller caller;
        BusSender *sender;     /* on the message bus */
        bool subscribed;
        uint64_t operator_until_usec; /* CLOCK_MONOTONIC: polkit lets it see and act on the jobs of others */
        BusPending *pending;
        uint64_t n_pending;
        sd_event_source *gone;
};

/* What all clients of one user have together. */
struct BusUser {
        BusUser *next;
        uid_t uid;
        uint64_t n_clients, n_awaited;
        uint64_t unfinished_bytes, awaited_bytes; /* of messages that have not come whole; that wait for an answer */
        uint64_t awaited_fds;                     /* placeholders of the latter */
        uint64_t porters_due_usec; /* CLOCK_MONOTONIC: when the next porter is due (bus_gate.c) */
};

struct Bus {
        sd_event *event;
        Supervisor *supervisor;
        BusClient *clients;
        BusUser *users;
        uint64_t n_clients;

        int listener, reserve; /* a descriptor that can be given up: bus_socket.c */
        char *path;
        struct BusBound {
                dev_t device;
                ino_t inode;
        } bound; /* what we bound at that path, so that we remove no other */
        sd_event_source *accepting;
        uint64_t serial; /* of the names that Hello gives */
        uint64_t said_usec; /* when a client that was refused was last said in the log */

        BusLink message_bus;  /* .bus is NULL where there is none */
        char *address;        /* NULL: the system bus */
        void *senders;        /* tsearch(3) of BusSender */
        uint64_t n_held, held_bytes; /* calls of all of them */
        struct BusHeldCall *again;   /* is being looked at once more */
        STAILQ_HEAD(, BusHeldCall) passed; /* those that are to be */
        int connection;       /* to it: our own descriptor, for the gate */
        sd_event_source *incoming;
        BusLoad nothing;      /* of messages that come without a gate */
        sd_bus_slot *naming;  /* the name is asked for */
        bool has_name;        /* it is ours: before that, nothing is told there */
        bool was_tried;       /* the first attempt is over */
        bool closing;         /* what comes is not looked at any more */
        Error failure;        /* why the event loop is to end */
        sd_event_source *deadline, *given_up, *reconnect;
};

/* ---- the two ways in ---- */

int bus_socket_open(Bus *bus, bool is_private, Error *e);
void bus_socket_close(Bus *bus);

/* Says that a client is not served, at most once a second. */
void bus_say_refused(Bus *bus, const Error *e);

/* Begins to serve a connection. Takes the descriptor over, when it returns 0. */
int bus_peer_new(BusClient *client, int fd);
BusPeer *bus_peer_free(BusPeer *peer); /* returns NULL */

/* ---- the gate ---- */

/* Nothing more comes through. */
typedef void (*BusGateEnded)(BusLink *link, Error *e);

/* Gives the link a gate; sd-bus reads `*ret_input`. `user`: on whose account it is, or NULL. */
int bus_gate_new(BusLink *link, BusUser *user, BusGateEnded ended, int *ret_input);
/* What it reads, and the event source that says when: both stay the caller's. */
void bus_gate_open(BusGate *gate, int socket, sd_event_source *source);
/* Something has come. A negative errno: nothing more does. */
int bus_gate_read(BusGate *gate, Error *e);
/* Lets sd-bus do what there is to do. */
int bus_gate_process(BusGate *gate);
/* What the message has brought that it has passed last. */
BusLoad *bus_gate_load(BusGate *gate);
/* Before what it reads is closed. */
void bus_gate_close(BusGate *gate);
/* Closes a socket of this user, or of a message bus, from which nothing is read any more; what has come and was not read goes with it,
 * also descriptors. Takes it over. */
void bus_close_unread(Bus *bus, uid_t uid, bool of_bus, int socket);
/* sd-bus is told that nothing more comes. */
void bus_gate_shut(BusGate *gate);
BusGate *bus_gate_free(BusGate *gate); /* returns NULL */

void bus_load_done(BusLoad *load);
/* 0: a message may have brought what it has. 1, or a negative errno: it has been answered. */
int bus_load_check(const BusLink *link, sd_bus_message *message);
/* Which of the descriptors it stands for. -EIO. */
int bus_placeholder_index(int fd, size_t *ret);

/* ---- the message bus ---- */

/* Begins to connect; what comes of it is found in the event loop. */
int bus_message_bus_open(Bus *bus, const char *address, Error *e);
void bus_message_bus_close(Bus *bus, uint64_t until_usec); /* as bus_link_flush() */

/* Adds every object of ours to a connection. */
int bus_link_add_objects(BusLink *link);
/* Writes what the other end takes until then (CLOCK_MONOTONIC). */
void bus_link_flush(BusLink *link, uint64_t until_usec);

/* ---- names on the message bus ---- */

struct BusSender {
        BusLink *link;
        char *name;
        BusClient *client; /* NULL: the bus has not said yet who that is */
        STAILQ_HEAD(, BusHeldCall) calls; /* until it has, in their order */
        uint64_t n_calls, bytes;
        sd_bus_slot *watch, *asking;
};

/* Whose call this is. 1: `*ret`. 0: the bus is asked, and the message comes again when it has answered. Negative errno:
 * for bus_sender_refuse(). */
int bus_sender_find(BusLink *link, sd_bus_message *message, BusClient **ret, Error *e);
/* Which user has this name, where the bus has said so; or PORTER_NOBODY. */
uid_t bus_sender_uid(const BusLink *link, const char *name);
/* Answers with the error, if an answer is wanted. 1, or a negative errno: nobody else is to look at the message. */
int bus_sender_refuse(sd_bus_message *message, const Error *e);
/* What a message has brought that was held and comes again; NULL: it is none. */
BusLoad *bus_sender_load(BusLink *link, const sd_bus_message *message);
/* Such a one has been looked at. */
void bus_sender_done(BusLink *link);
BusSender *bus_sender_free(BusSender *sender); /* with the calls that are held; its client stays; returns NULL */
/* All; there are no clients any more. */
void bus_senders_free(Bus *bus);

/* ---- clients ---- */

/* Takes somebody in, within the limits; `groups` become the client's in any case. -EACCES no tenant; -EDQUOT too
 * many. */
int bus_client_new(Bus *bus, uid_t uid, gid_t gid, gid_t *groups, size_t n_groups, BusClient **ret, Error *e);
BusClient *bus_client_free(BusClient *client); /* with everything that is under way for it; returns NULL */
/* The same, as soon as nobody is in the middle of it any more. */
void bus_client_end(BusClient *client);
/* Whether what is written to it is read. One that does not is ended. */
bool bus_client_reads(BusClient *client);
/* Who they are, by tenants that were read again. */
void bus_clients_resolve(Bus *bus);

static inline Supervisor *bus_supervisor(const BusLink *link)
{
        return link->owner->supervisor;
}

/* Whether it may see and act on this job now: its own, or by polkit's word. */
bool bus_client_may_see(const BusClient *client, const Job *job);

/* ---- calls that are answered later ---- */

struct BusPending {
        BusPending *next;
        BusClient *client;
        sd_bus_message *message;
        uint64_t bytes, fds;        /* of it */
        Submission *submission;     /* or, for Wait: */
        struct BusWaiter *waiters;  /* one for each job */
        size_t n_waiters;
        sd_event_source *timeout;
        sd_bus_slot *slot; /* or: polkit is asked */
        unsigned action;
        sd_bus_message_handler_t again;
        bool is_backup; /* or: the state is copied */
        bool is_stored; /* or: what was asked for is done, and is being stored */
};

/* NULL when the client has as many as it may: then the message is answered with that. It is the one that is being looked at. */
BusPending *bus_pending_new(BusClient *client, sd_bus_message *message);
BusPending *bus_pending_free(BusPending *pending); /* without an answer; returns NULL */
/* Answers when one of the jobs has ended, or after the timeout. */
int bus_pending_wait(BusClient *client, sd_bus_message *message, Job *const *jobs, size_t n, uint64_t timeout_usec);
/* What was asked for is done: answers, without a value, when it is on the disk. */
int bus_pending_store(BusPending *pending);
/* Answers those who wait for a job that has ended. */
void bus_pending_finished(Job *job);

/* ---- signals ---- */

void bus_signal_job_new(Bus *bus, const Job *job);
void bus_signal_job_finished(Bus *bus, const Job *job);
/* The pool is sized anew. */
void bus_signal_scaled(Bus *bus, const ScalingDecision *decision);
/* Properties of the Manager have changed, which say so. */
void bus_signal_changed(Bus *bus, const char *const *properties);

/* ---- polkit ---- */

typedef enum BusAction {
        ACTION_MANAGE_JOBS, /* see and act on the jobs of others */
        ACTION_LIST_TENANT, /* the same, for who asks for the jobs of a tenant */
        ACTION_MANAGE_POOL, /* pause, drain, scale */
        ACTION_CONFIGURE,   /* reload, backup */
        BUS_ACTION_MAX,
} BusAction;

/* Whether the client may do this. 1: it may. 0: the message is answered, or will be: `again` is called with it when
 * polkit has said yes. Negative errno. */
int bus_authorize(BusLink *link, sd_bus_message *message, BusAction action, sd_bus_message_handler_t again);

/* ---- interfaces: the userdata is a BusLink ---- */

extern const sd_bus_vtable bus_manager_vtable[], bus_job_vtable[], bus_worker_vtable[];
extern const sd_bus_vtable bus_log_vtable[]; /* org.freedesktop.LogControl1 */
extern const sd_bus_vtable bus_driver_vtable[]; /* org.freedesktop.DBus, for peers: bus_driver.c */

/* The Job behind an object path, for those who may see it: sd_bus_object_find_t. */
int bus_job_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                 sd_bus_error *error);

/* The same for a worker; their paths, sd_bus_node_enumerator_t; and what has become of one. */
int bus_worker_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                    sd_bus_error *error);
int bus_worker_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error);
void bus_worker_changed(Bus *bus, const PoolWorker *worker, PoolChange change);

char *bus_path_of_job(const Job *job);

/* Answers with the error of the interface that belongs to a negative errno. */
int bus_reply_error(sd_bus_message *message, const Error *e);
int bus_reply_error_as(sd_bus_message *message, const char *name, const Error *e);
int bus_reply_strings(sd_bus_message *message, char *const *texts);

/* Appends a job's properties as a{sv}, without its specification. */
int bus_append_job(sd_bus_message *message, const Job *job);

/* Methods of the Manager in files of their own. */
int bus_method_submit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_add_input(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_submit_batch(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_list_tenants(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_list_policies(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* ---- bus_scaling.c ---- */

int bus_method_forecast(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_scaling_report(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_method_set_scaler(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_get_scaler(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                   void *userdata, sd_bus_error *error);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/json.h"
#include "engine/scaler/scaler.h"
#include "jail/jail.h"

/* The configuration, docs/man/skepd.json.5.scd: each value has a default (the table in config.c), which files override
 * one after the other, and the command line after them. Who uses a value reads it here each time: so Reload() reaches
 * him without a word. */

typedef enum WorkerStart {
        START_AUTO,     /* embedded where the supervisor is, units elsewhere */
        START_EMBEDDED, /* the supervisor starts them itself */
        START_UNITS,    /* systemd starts them */
} WorkerStart;

typedef struct Config {
        ScalerMode scaler;
        uint64_t target_wait_usec; /* that 95 % of the jobs do not wait longer than */
        struct {
                uint64_t up_percent, down_percent; /* by how much the pool may change in a minute */
                uint64_t budget_percent;           /* workers, of those that reacting would have */
        } scaling;
        char *default_policy, *state_directory, *socket, *tenants_directory;
        JailLayers allow_missing;
        uint64_t drain_usec;        /* at the end, embedded: so long for what runs */
        uint64_t orphan_grace_usec; /* so long do workers look for a supervisor */
        struct {
                uint64_t minimum, maximum;
                WorkerStart start;
        } workers;
        struct {
                uint64_t jobs; /* that wait, of all tenants */
        } queue;
        struct {
                uint64_t memory_bytes;         /* 0: what the host has */
                uint64_t cpu_overcommit_milli; /* thousandths: processors given away for each that is there */
                uint64_t jobs_per_worker;
        } pool;
        struct {
                uint64_t memory_bytes; /* at least so much stays available on the host */
                uint64_t maximum;      /* jails, for each worker; 0: none */
        } warm;
        struct {
                uint64_t age_usec, count; /* of jobs that have ended */
        } retention;
        struct {
                uint64_t connections, connections_per_user, calls; /* calls that wait for an answer, for each client */
                uint64_t message_bytes, memory_bytes; /* of a message; of a user's that are held */
        } clients;

        struct ConfigOrigin *origins; /* of each value: config.c */
        const struct ConfigSources *sources;
} Config;

/* A value of the command line. */
typedef struct ConfigOption {
        const char *key;    /* as in the file: "workers.minimum" */
        json_object *value; /* owned */
        const char *from;   /* "--workers" */
} ConfigOption;

#define CONFIG_OPTIONS_MAX 16

/* What is read, and read again by Reload(). */
typedef struct ConfigSources {
        const char *file; /* instead of all others; NULL: those of place_configuration() */
        ConfigOption options[CONFIG_OPTIONS_MAX];
        size_t n_options;
} ConfigSources;

void config_sources_done(ConfigSources *sources);

/* Reads all of it. `sources` must live as long as the configuration. Every problem is a sentence in `problems`, which
 * names file and key; the value stays as it was before. Error: -EINVAL there are some, the first is the sentence. */
int config_load(const ConfigSources *sources, Config **ret, char ***problems, Error *e);
Config *config_free(Config *config); /* returns NULL */
DEFINE_CLEANUP(Config, config_free)

/* Where a value is from: a file or an option; NULL: it is the default. */
const char *config_origin(const Config *config, const char *key);

/* Takes from `fresh` what may change while the supervisor runs; the keys of what else differs go to `later`. */
int config_replace(Config *config, Config *fresh, char ***later);

/* All values and where they are from, as JSON: {"workers.minimum": {"value": 2, "from": "default"}, ...}. Owned by the
 * caller; NULL when out of memory. */
char *config_show(const Config *config);

/* Takes the values of one file's text. */
int config_take_text(Config *config, const char *text, size_t size, const char *from, char ***problems, Error *e);

/* The defaults alone, for who reads texts. */
int config_new(Config **ret, Error *e);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"
#include "jail/steps.h"

/* The library in a running process: one launcher, one jail after another, or several at a time. */
typedef struct Library {
        JailLauncher *launcher;
        JailPolicy *policy;
        JailInput payload;
        JailLayers missing; /* what this host does not enforce */
} Library;

/* Starts the launcher, loads "strict" and finds out what this host cannot enforce of it. */
int library_open(Library *l, const char *payload, Error *e);
void library_close(Library *l);

/* A run that has ended. */
typedef struct LibraryRun {
        uint64_t asked_usec, sent_usec, told_usec; /* jail_start() called, and returned; `ended` called back */
        const LaunchSteps *steps;                  /* in between */
        const JailReport *report;
} LibraryRun;

/* Runs `total` jails, `at_once` at a time, calling back with each. Error: -EIO for the first that does not end as it
 * should. */
typedef void (*LibraryEnded)(const LibraryRun *run, void *userdata);
int library_run(Library *l, size_t total, size_t at_once, LibraryEnded ended, void *userdata, Error *e);

/* Runs one in a jail that was there before. None is made meanwhile, nor for the next run before that. */
int library_run_warm(Library *l, LibraryEnded ended, void *userdata, Error *e);

/* CPU time so far of this process, the launcher, and every jail that has ended. */
uint64_t library_cpu_usec(const Library *l);

/* "memory,cpu", or ""; owned by the caller. */
char *library_missing(const Library *l);

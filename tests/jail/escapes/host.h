/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's side of the escape suite: what is put there to be found, and how it is seen whether it was. */

/* A file that every sandbox has to show, and the host uses: read and locked all the time while the suite runs. */
/* No program: the host's side opens it to write, and what is open so cannot be executed by anybody. */
#define COMMON_DIRECTORY "/usr/lib"
#define COMMON_FILE COMMON_DIRECTORY "/os-release"
#define COMMON_LINKS "/etc/alternatives"
#define COMMON_CACHE "/etc/ld.so.cache"

#define CANARY_MAX 64 /* bytes of a message */
#define HOST_BYSTANDER "escapes-bystander"    /* its name */
#define HOST_BEAT_QUEUE "/skep-escapes-beat" /* made and removed all the time */

/* Puts everything there, prints what can be known of it as KEY=VALUE words on one line, and watches until SIGTERM or
 * the end of its input; then it removes what it has made. */
int host_canaries(const char *place, const char *program);

/* A process that does nothing, and that nothing must be done to. */
int host_bystander(void);

/* Prints one fact a line. `token` is in the command line of every process of the case. */
int host_state(const char *place, const char *token);

/* Runs a command with a terminal of its own as its standard input; "typed:" and what was found in that terminal's input
 * afterwards goes to standard error. Returns the command's exit status. */
int host_terminal(char **command);

/* Runs a command, and says on standard error what it has cost: "account: N ms, grown by N KiB". Returns its exit status. */
int host_account(char **command);

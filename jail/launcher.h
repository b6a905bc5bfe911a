/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"

typedef struct Launcher Launcher;

/* A launcher that serves the program at the other end of the socket, which it owns from here on. `here`: that program
 * is this process. The process is to have one thread. Returns 0 or a negative errno. The protocol: plan.h. */
int launcher_new(int socket_fd, bool here, Launcher **ret);

/* To poll for reading. */
int launcher_fd(const Launcher *l);

/* Takes what has come, waiting for it at most that long (-1: for ever). False when there is nothing more to do: the
 * caller has gone, and with it every jail. */
bool launcher_dispatch(Launcher *l, int timeout_msec);

/* Only after launcher_dispatch() has returned false. Returns NULL. */
Launcher *launcher_free(Launcher *l);

/* The launcher within the program that calls the library: for JailLauncherOptions. */
extern const JailLauncherHere launcher_here;

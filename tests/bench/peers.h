/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/policy.h"
#include "tests/bench/command.h"

/* How other sandboxes, and ours, are asked to run the payload. Paths are absolute; argv is owned by the command. */

/* `missing`: for --allow-missing, "" for none. */
int peer_skep_jail(const char *payload, const char *missing, char *const *arguments, Command *ret, Error *e);

/* Our program, with nothing to do: what its start and its end cost. */
int peer_skep_jail_version(Command *ret, Error *e);

/* bubblewrap with a new namespace of each kind, /proc, /dev and a tmpfs: what people use it with. */
int peer_bubblewrap(const char *payload, char *const *arguments, Command *ret, Error *e);

/* bubblewrap with what it has beside that and a jail of ours has too: no capability, a session of its own, limited
 * tmpfs, and the same filter. `filter_fd`: of its bytes. */
int peer_bubblewrap_near(const char *payload, int filter_fd, Command *ret, Error *e);

/* crun with a bundle that is made in `folder`. `controllers`: of CgroupController, those that hold limits here. */
int peer_crun(const char *payload, const char *folder, const JailPolicy *policy, unsigned controllers, Command *ret,
              Error *e);

/* The payload alone. */
int peer_nothing(const char *payload, char *const *arguments, Command *ret, Error *e);

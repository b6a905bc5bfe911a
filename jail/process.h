/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel tells the reaper about a process of the job, by /proc and by its memory. For all but its name, the
 * reaper needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH in the user namespace of the jail. The process goes on meanwhile,
 * and may be gone. */

/* Its name (comm), "?" where it has gone. */
void process_name(pid_t pid, char *ret, size_t size);

/* The file that it runs; owned by the caller, NULL when that cannot be told, or has been removed. */
char *process_program(pid_t pid);

/* The file by which the kernel started that one: an ELF program's dynamic loader. NULL where there is none. */
char *process_loader(pid_t pid);

/* A path as the process means it, absolute: relative ones count from its working directory, or from the descriptor
 * `directory` unless that is AT_FDCWD. Owned by the caller; NULL when it cannot be told. */
char *process_path(pid_t pid, int directory, const char *path);

/* Reads a string at an address of its memory. Returns its length, -EFAULT, -ENAMETOOLONG when it does not end within
 * `size` (what is there is terminated), or another negative errno. */
ssize_t process_string(pid_t pid, uint64_t address, char *ret, size_t size);

/* The path in a line of /proc/PID/maps, when the address lies in what it describes; in the line, whose newline is
 * removed. NULL otherwise. */
char *process_map_path(char *line, uint64_t address);

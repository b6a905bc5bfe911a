/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* After a fork, each page that is written faults once, in both processes. A fault costs more than a system call, and
 * in a virtual machine ten times that: this takes the faults for the pages that this program will write in any case
 * (its data, its heap, the top of its stack) all at once. It only saves time: where it is not possible, nothing
 * happens. */
void prefault_writable(void);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ownership made visible: a variable that owns something says so where it is declared, and gives it back on
 * every way out of its scope. `take()` and `take_fd()` hand the thing on and leave the variable empty. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(at, first) __attribute__((format(printf, at, first)))
#define _unused_ __attribute__((unused))

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Defines `name##p`, the form that the cleanup attribute calls, for a free function that returns NULL. */
#define DEFINE_CLEANUP(type, free_function)                  \
        static inline void free_function##p(type **p)        \
        {                                                    \
                if (*p)                                      \
                        *p = free_function(*p);              \
        }

static inline void freep(void *p)
{
        free(*(void **)p);
}

/* Takes a descriptor or -1. Returns -1, so that `fd = close_fd(fd)` leaves nothing to close twice. */
static inline int close_fd(int fd)
{
        if (fd >= 0)
                close(fd);
        return -1;
}

static inline void closep(int *fd)
{
        *fd = close_fd(*fd);
}

static inline void fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

static inline void closedirp(DIR **d)
{
        if (*d)
                closedir(*d);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

#define take(pointer)                                        \
        ({                                                   \
                typeof(pointer) *_p = &(pointer);            \
                typeof(pointer) _v = *_p;                    \
                *_p = NULL;                                  \
                _v;                                          \
        })

#define take_fd(fd)                                          \
        ({                                                   \
                int *_p = &(fd);                             \
                int _v = *_p;                                \
                *_p = -1;                                    \
                _v;                                          \
        })

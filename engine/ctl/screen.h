/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A terminal that shows lines which change: on its alternate screen, so that what stood there comes back. Of each
 * picture only the lines that are not as they were are written, all in one write that a terminal which can shows at
 * once; so nothing flickers. However the program ends, but by SIGKILL, the terminal is as it was before. */
typedef struct Screen Screen;

/* Standard input and output are a terminal. One at a time. Error: -ENOTTY and others. */
int screen_open(Screen **ret, Error *e);
Screen *screen_free(Screen *screen); /* returns NULL */
DEFINE_CLEANUP(Screen, screen_free)

/* Gives the terminal back, for as long as the program is stopped, and takes it again. */
void screen_leave(Screen *screen);
void screen_enter(Screen *screen);

/* Its size has changed; also the next picture is written whole. */
void screen_resize(Screen *screen);
size_t screen_rows(const Screen *screen);

/* Shows lines, a strv; those that are too long are cut off, and those too many left out. Their colours
 * (width.h) end with the line. -ENOMEM, or as write(2). */
int screen_show(Screen *screen, char *const *lines);

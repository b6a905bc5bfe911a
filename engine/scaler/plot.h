/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

/* A plot as SVG: lines, steps, bands and points over one pair of axes, with a legend; it needs nothing to be shown, and
 * reads well in dark and in light. Values that are not finite are left out, and break a line. */

typedef enum PlotKind {
        PLOT_LINE,
        PLOT_STEPS, /* a value holds until the next */
        PLOT_BAND,  /* between `y` and `y2` */
        PLOT_POINTS,
} PlotKind;

typedef struct PlotItem {
        PlotKind kind;
        const char *label;  /* NULL: not in the legend */
        const char *colour; /* as CSS has them */
        size_t n;
        const double *x, *y, *y2;
} PlotItem;

typedef struct Plot {
        const char *title, *x_label, *y_label;
        bool x_is_time; /* seconds since 1970, shown as local time */
        bool y_from_zero;
        const PlotItem *items; /* later ones over earlier ones */
        size_t n;
} Plot;

/* The caller owns `*ret`, a whole SVG file. -ENOMEM. */
int plot_write(const Plot *plot, char **ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/plot.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define WIDTH 960
#define HEIGHT 420
#define LEFT 64
#define RIGHT 16
#define TOP 56
#define BOTTOM 48
#define TICKS 6
#define POINTS_MAX 4000 /* of a line; more are not to be seen */

typedef struct Axis {
        double min, max;
        double from, to; /* on the page */
} Axis;

typedef struct Page {
        FILE *out;
        Axis x, y;
} Page;

static double place(const Axis *axis, double value)
{
        return axis->from + (value - axis->min) / (axis->max - axis->min) * (axis->to - axis->from);
}

/* Names and titles may come from a file's name. */
static void write_text(FILE *out, const char *text)
{
        for (const char *p = text; *p; p++) {
                if (*p == '<')
                        fputs("&lt;", out);
                else if (*p == '>')
                        fputs("&gt;", out);
                else if (*p == '&')
                        fputs("&amp;", out);
                else if (*p == '"')
                        fputs("&quot;", out);
                else if ((unsigned char)*p >= ' ')
                        fputc(*p, out);
        }
}

static void widen(Axis *axis, const double *values, size_t n)
{
        for (size_t i = 0; values && i < n; i++)
                if (isfinite(values[i])) {
                        axis->min = fmin(axis->min, values[i]);
                        axis->max = fmax(axis->max, values[i]);
                }
}

static void axis_settle(Axis *axis)
{
        if (!(axis->max >= axis->min)) {
                axis->min = 0;
                axis->max = 1;
        }
        if (axis->max - axis->min < 1e-9 * fmax(1, fabs(axis->max)))
                axis->max = axis->min + fmax(1, fabs(axis->min));
}

/* 1, 2 or 5 times a power of ten. */
static double round_step(double span)
{
        double raw = span / TICKS, power = pow(10, floor(log10(raw))), times = raw / power;

        return (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10) * power;
}

static double round_time(double span)
{
        static const double steps[] = {60, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800};

        for (size_t i = 0; i < ELEMENTS(steps); i++)
                if (span / steps[i] <= TICKS + 2)
                        return steps[i];
        return ceil(span / TICKS / 604800) * 604800;
}

static void write_time(FILE *out, double value, double step)
{
        time_t when = (time_t)value;
        struct tm local;
        char text[64] = "";

        if (localtime_r(&when, &local))
                strftime(text, sizeof text, step >= 86400 ? "%d %b" : "%d %b %H:%M", &local);
        fputs(text, out);
}

static void write_axes(const Page *page, const Plot *plot)
{
        double x_step = plot->x_is_time ? round_time(page->x.max - page->x.min) : round_step(page->x.max - page->x.min);
        double y_step = round_step(page->y.max - page->y.min);
        FILE *out = page->out;

        fprintf(out, "<g class=\"axis\">\n");
        for (double y = ceil(page->y.min / y_step - 1e-9) * y_step; y <= page->y.max * (1 + 1e-9) + 1e-12;
             y += y_step) {
                double at = place(&page->y, y);
                fprintf(out,
                        "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
                        "text-anchor=\"end\">%g</text>\n",
                        LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, fabs(y) < y_step * 1e-9 ? 0 : y);
        }
        for (double x = ceil(page->x.min / x_step - 1e-9) * x_step; x <= page->x.max + 1e-9 * x_step; x += x_step) {
                double at = place(&page->x, x);
                fprintf(out,
                        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text x=\"%.1f\" y=\"%d\" "
                        "text-anchor=\"middle\">",
                        at, at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 16);
                if (plot->x_is_time)
                        write_time(out, x, x_step);
                else
                        fprintf(out, "%g", fabs(x) < x_step * 1e-9 ? 0 : x);
                fprintf(out, "</text>\n");
        }
        fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
        write_text(out, plot->x_label);
        fprintf(out, "</text><text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">",
                (TOP + HEIGHT - BOTTOM) / 2);
        write_text(out, plot->y_label);
        fprintf(out, "</text>\n</g>\n");
}

static bool shown(const PlotItem *item, size_t i)
{
        return isfinite(item->x[i]) && isfinite(item->y[i]) && (!item->y2 || isfinite(item->y2[i]));
}

static void write_line(const Page *page, const PlotItem *item)
{
        size_t stride = item->n / POINTS_MAX + 1;
        bool drawn = false;
        double before = 0;

        fprintf(page->out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", item->colour);
        for (size_t i = 0; i < item->n; i += stride) {
                if (!shown(item, i)) {
                        drawn = false;
                        continue;
                }
                double x = place(&page->x, item->x[i]), y = place(&page->y, item->y[i]);
                if (drawn && item->kind == PLOT_STEPS)
                        fprintf(page->out, "L%.1f %.1f", x, before);
                fprintf(page->out, "%c%.1f %.1f", drawn ? 'L' : 'M', x, y);
                before = y;
                drawn = true;
        }
        fprintf(page->out, "\"/>\n");
}

/* There along the upper side, and back along the lower. */
static void write_band(const Page *page, const PlotItem *item)
{
        size_t stride = item->n / POINTS_MAX + 1, last = 0;
        char move = 'M';

        fprintf(page->out, "<path fill=\"%s\" fill-opacity=\"0.25\" stroke=\"none\" d=\"", item->colour);
        for (size_t i = 0; i < item->n; i += stride) {
                last = i;
                if (!shown(item, i))
                        continue;
                fprintf(page->out, "%c%.1f %.1f", move, place(&page->x, item->x[i]), place(&page->y, item->y2[i]));
                move = 'L';
        }
        for (size_t i = last + stride; move == 'L' && i >= stride; i -= stride)
                if (shown(item, i - stride))
                        fprintf(page->out, "L%.1f %.1f", place(&page->x, item->x[i - stride]),
                                place(&page->y, item->y[i - stride]));
        fprintf(page->out, "\"/>\n");
}

static void write_points(const Page *page, const PlotItem *item)
{
        for (size_t i = 0; i < item->n; i++)
                if (shown(item, i))
                        fprintf(page->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n",
                                place(&page->x, item->x[i]), place(&page->y, item->y[i]), item->colour);
}

static void write_legend(const Page *page, const Plot *plot)
{
        int x = LEFT;

        for (size_t i = 0; i < plot->n; i++) {
                const PlotItem *item = &plot->items[i];
                if (!item->label)
                        continue;
                fprintf(page->out,
                        "<rect x=\"%d\" y=\"32\" width=\"14\" height=\"10\" fill=\"%s\"%s/><text x=\"%d\" y=\"41\">", x,
                        item->colour, item->kind == PLOT_BAND ? " fill-opacity=\"0.25\"" : "", x + 18);
                write_text(page->out, item->label);
                fprintf(page->out, "</text>\n");
                x += 36 + 7 * (int)strlen(item->label);
        }
}

static void write_page(Page *page, const Plot *plot)
{
        for (size_t i = 0; i < plot->n; i++) {
                widen(&page->x, plot->items[i].x, plot->items[i].n);
                widen(&page->y, plot->items[i].y, plot->items[i].n);
                widen(&page->y, plot->items[i].y2, plot->items[i].n);
        }
        if (plot->y_from_zero)
                page->y.min = fmin(page->y.min, 0);
        axis_settle(&page->x);
        axis_settle(&page->y);
        fprintf(page->out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                "font-size=\"12\">\n"
                "<style>.axis line{stroke:#888;stroke-opacity:.3} text{fill:#222}\n"
                "@media (prefers-color-scheme:dark){svg{background:#1b1b1b} text{fill:#ddd}}</style>\n"
                "<text x=\"%d\" y=\"20\" font-size=\"15\">",
                WIDTH, HEIGHT, LEFT);
        write_text(page->out, plot->title);
        fprintf(page->out, "</text>\n");
        write_axes(page, plot);
        for (size_t i = 0; i < plot->n; i++) {
                if (plot->items[i].kind == PLOT_BAND)
                        write_band(page, &plot->items[i]);
                else if (plot->items[i].kind == PLOT_POINTS)
                        write_points(page, &plot->items[i]);
                else
                        write_line(page, &plot->items[i]);
        }
        write_legend(page, plot);
        fprintf(page->out, "</svg>\n");
}

int plot_write(const Plot *plot, char **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        Page page = {.x = {INFINITY, -INFINITY, LEFT, WIDTH - RIGHT}, .y = {INFINITY, -INFINITY, HEIGHT - BOTTOM, TOP}};

        page.out = open_memstream(&text, &size);
        if (!page.out)
                return -ENOMEM;
        write_page(&page, plot);
        bool failed = ferror(page.out);
        if (fclose(page.out) != 0 || failed)
                return -ENOMEM;
        *ret = take(text);
        return 0;
}

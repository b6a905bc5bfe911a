/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/table.h"

#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/ctl/width.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

typedef struct Cell {
        char *text;
        const char *colour;
} Cell;

struct Table {
        const TableColumn *columns;
        size_t n_columns, *widths;
        Cell *cells; /* row by row */
        size_t n_cells, room;
        bool colour, titled, failed;
};

Table *table_new(const TableColumn *columns, size_t n, bool colour)
{
        Table *t = malloc(sizeof *t);

        if (!t)
                return NULL;
        *t = (Table){.columns = columns, .n_columns = n, .colour = colour, .widths = calloc(n, sizeof *t->widths)};
        if (!t->widths)
                return table_free(t);
        for (size_t i = 0; i < n; i++)
                t->widths[i] = width_of(columns[i].title);
        return t;
}

static void forget_rows(Table *t)
{
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        t->n_cells = 0;
}

Table *table_free(Table *t)
{
        forget_rows(t);
        free(t->cells);
        free(t->widths);
        free(t);
        return NULL;
}

static bool make_room(Table *t)
{
        size_t room = t->room ? 2 * t->room : 64;

        if (t->n_cells < t->room)
                return true;
        Cell *larger = reallocarray(t->cells, room, sizeof *larger);
        if (!larger)
                return false;
        t->cells = larger;
        t->room = room;
        return true;
}

void table_add(Table *t, const char *text, const char *colour)
{
        const char *shown = text && *text ? text : "-";
        /* All of it, however long: a path that is cut leads nowhere. */
        char *escaped = make_room(t) ? text_escape(shown, strlen(shown)) : NULL;

        if (!escaped) {
                t->failed = true;
                return;
        }
        size_t column = t->n_cells % t->n_columns, width = width_of(escaped);
        if (width > t->widths[column])
                t->widths[column] = width;
        t->cells[t->n_cells++] = (Cell){escaped, t->colour ? colour : NULL};
}

void table_add_number(Table *t, uint64_t number)
{
        char text[32];

        snprintf(text, sizeof text, "%" PRIu64, number);
        table_add(t, text, NULL);
}

/* Behind the last column there is nothing to fill up. */
static void print_cell(FILE *f, const Table *t, size_t column, const char *text, const char *colour)
{
        size_t padding = t->widths[column] - width_of(text);
        bool last = column + 1 == t->n_columns;

        if (t->columns[column].right)
                fprintf(f, "%*s", (int)padding, "");
        if (colour)
                fprintf(f, "\033[%sm%s\033[0m", colour, text);
        else
                fputs(text, f);
        if (!last)
                fprintf(f, "%*s", t->columns[column].right ? 2 : (int)padding + 2, "");
}

static void print_titles(FILE *f, const Table *t)
{
        for (size_t i = 0; i < t->n_columns; i++)
                print_cell(f, t, i, t->columns[i].title, t->colour ? "1" : NULL);
        fputc('\n', f);
}

static void print_rows(FILE *f, const Table *t)
{
        for (size_t i = 0; i < t->n_cells; i++) {
                print_cell(f, t, i % t->n_columns, t->cells[i].text, t->cells[i].colour);
                if ((i + 1) % t->n_columns == 0)
                        fputc('\n', f);
        }
}

int table_flush(Table *t)
{
        if (t->failed)
                return -ENOMEM;
        if (!t->titled)
                print_titles(stdout, t);
        t->titled = true;
        print_rows(stdout, t);
        forget_rows(t);
        return 0;
}

char **table_lines(Table *t)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        char **lines = NULL;
        size_t size;

        f = open_memstream(&text, &size);
        if (!f || t->failed)
                return NULL;
        print_titles(f, t);
        print_rows(f, t);
        if (fflush(f) != 0 || strv_split(text, '\n', &lines) < 0)
                return NULL;
        return lines;
}

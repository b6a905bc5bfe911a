/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/layout.h"

#include "engine/base/strv.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#define WIDTH_MIN 60U
#define WIDTH_MAX 120U
#define WIDTH_OF_A_FILE 100U

static unsigned width_of_output(void)
{
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return WIDTH_OF_A_FILE;
        return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

/* Columns that UTF-8 text takes: its bytes but for those that continue a character. */
static unsigned columns(const char *text, size_t size)
{
        unsigned n = 0;

        for (size_t i = 0; i < size; i++)
                n += ((unsigned char)text[i] & 0xc0) != 0x80;
        return n;
}

/* A word as it stands, but for what a terminal would obey: policies may be a stranger's. */
static void print_word(const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)text[i];
                bool control = c < 0x20 || c == 0x7f || (i > 0 && (unsigned char)text[i - 1] == 0xc2 && c < 0xa0);
                putchar(control ? '?' : c);
        }
}

void layout_text(unsigned indent, unsigned column, const char *label, const char *text)
{
        unsigned width = width_of_output(), at = indent + columns(label, strlen(label));
        bool first = true;

        printf("%*s", (int)indent, "");
        print_word(label, strlen(label));
        if (at + 1 > column) {
                printf("\n");
                at = 0;
        }
        for (text = *text ? text : "–"; *text; first = false) {
                size_t size = strcspn(text, " ");
                unsigned needs = columns(text, size);
                if (!first && at + 1 + needs > width) {
                        printf("\n");
                        at = 0;
                        first = true;
                }
                unsigned gap = first ? column - at : 1;
                printf("%*s", (int)gap, "");
                print_word(text, size);
                at += gap + needs;
                text += size;
                text += strspn(text, " ");
        }
        printf("\n");
}

void layout_list(unsigned indent, unsigned column, const char *label, char *const *words)
{
        _cleanup_free_ char *text = strv_join(words, " ");

        layout_text(indent, column, label, text ? text : "");
}

void layout_size(uint64_t bytes, char *ret, size_t size)
{
        static const char units[] = "KMGT";
        double amount = (double)bytes / 1024;
        size_t i = 0;

        if (bytes < 1024) {
                snprintf(ret, size, "%" PRIu64, bytes);
                return;
        }
        for (; amount >= 1024 && units[i + 1]; i++)
                amount /= 1024;
        snprintf(ret, size, amount < 10 ? "%.1f%c" : "%.0f%c", amount, units[i]);
}

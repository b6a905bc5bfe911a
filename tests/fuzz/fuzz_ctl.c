/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/ctl/job_texts.h"
#include "engine/ctl/terminal_filter.h"

/* The jobs in a file. */
static void split(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);
        _cleanup_error_ Error e = ERROR_NULL;
        char *const ids[] = {text, text};
        JobTexts jobs;

        if (job_texts_split(text, size, &jobs, &e) < 0)
                return;
        for (size_t i = 0; i < jobs.n; i++) {
                _cleanup_free_ char *spec = NULL;
                job_text_for_batch(&jobs.jobs[i], 2, 3, jobs.n, ids, &spec, &e);
        }
        job_texts_done(&jobs);
}

/* What is shown on a terminal: the same however it comes in pieces, and nothing that it obeys but colours. */
static void filter(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *whole = malloc(2 * TERMINAL_FILTER_ROOM(size)),
                            *pieces = malloc(2 * TERMINAL_FILTER_ROOM(size));
        TerminalFilter one = {0}, many = {0};
        size_t n, at = 0;

        if (!whole || !pieces)
                abort();
        n = terminal_filter_pass(&one, (const char *)data, size, whole);
        n += terminal_filter_end(&one, whole + n);
        for (size_t i = 0; i < size; i++)
                at += terminal_filter_pass(&many, (const char *)data + i, 1, pieces + at);
        at += terminal_filter_end(&many, pieces + at);
        if (n != at || memcmp(whole, pieces, n) != 0)
                abort();
        for (size_t i = 0; i < n; i++)
                if (whole[i] == '\033' ? i + 1 == n || whole[i + 1] != '['
                                       : (unsigned char)whole[i] < 0x20 && !strchr("\n\t\r", whole[i]))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        split(data, size);
        filter(data, size);
        return 0;
}

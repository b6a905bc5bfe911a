/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/job_texts.h"

#include "engine/base/json.h"

#include <inttypes.h>
#include <string.h>

/* Where the reading stands. */
typedef struct Scan {
        const char *at;
        size_t line;
} Scan;

/* Over space and comments. */
static void skip_blank(Scan *s)
{
        for (;;) {
                if (*s->at == '\n')
                        s->line++;
                if (*s->at && strchr(" \t\r\n", *s->at)) {
                        s->at++;
                } else if (s->at[0] == '/' && s->at[1] == '/') {
                        s->at += strcspn(s->at, "\n");
                } else {
                        return;
                }
        }
}

/* Over a string; the scan stands on its first quote. */
static void skip_string(Scan *s)
{
        for (s->at++; *s->at && *s->at != '"'; s->at++) {
                if (*s->at == '\n')
                        s->line++;
                if (s->at[0] == '\\' && s->at[1])
                        s->at++;
        }
        if (*s->at)
                s->at++;
}

/* Over one value: to the bracket that closes its first one, or over a word. What is in it the parser judges. */
static void skip_value(Scan *s)
{
        size_t depth = 0;

        do {
                skip_blank(s);
                if (!*s->at)
                        return;
                if (*s->at == '"') {
                        skip_string(s);
                } else if (strchr("{[", *s->at)) {
                        depth++;
                        s->at++;
                } else if (strchr("}]", *s->at)) {
                        if (depth == 0)
                                return;
                        depth--;
                        s->at++;
                } else if (strchr(",:", *s->at)) {
                        if (depth == 0)
                                return;
                        s->at++;
                } else {
                        s->at++;
                        s->at += strcspn(s->at, " \t\r\n\"{}[],:/");
                }
        } while (depth > 0);
}

static int add(JobTexts *texts, const char *start, size_t size)
{
        if (texts->n == texts->room) {
                size_t room = texts->room ? 2 * texts->room : 16;
                JobText *larger = reallocarray(texts->jobs, room, sizeof *larger);
                if (!larger)
                        return -ENOMEM;
                texts->jobs = larger;
                texts->room = room;
        }
        texts->jobs[texts->n++] = (JobText){start, size};
        return 0;
}

static int wrong(const Scan *s, Error *e, const char *what)
{
        return error_set(e, -EINVAL, "line %zu: not JSON: %s", s->line, what);
}

/* Takes the next job, and stands on what follows it. */
static int take_job(Scan *s, JobTexts *texts, Error *e)
{
        _cleanup_json_ json_object *parsed = NULL;
        const char *start = s->at;
        size_t line = s->line;
        int r;

        skip_value(s);
        if (s->at == start)
                return wrong(s, e, "a job is missing here");
        if ((r = json_parse_text(start, (size_t)(s->at - start), &parsed, e)) < 0)
                return error_prefix(e, "job %zu, which begins in line %zu", texts->n, line), r;
        if (add(texts, start, (size_t)(s->at - start)) < 0)
                return error_oom(e);
        skip_blank(s);
        return 0;
}

static int split_array(Scan *s, JobTexts *texts, Error *e)
{
        int r;

        s->at++;
        skip_blank(s);
        while (*s->at != ']') {
                if (texts->n > 0 && *s->at != ',')
                        return wrong(s, e, *s->at ? "a comma is missing between two jobs" : "the array has no end");
                if (texts->n > 0) {
                        s->at++;
                        skip_blank(s);
                }
                if ((r = take_job(s, texts, e)) < 0)
                        return r;
        }
        s->at++;
        skip_blank(s);
        return *s->at ? wrong(s, e, "something follows the array") : 0;
}

static int split_sequence(Scan *s, JobTexts *texts, Error *e)
{
        int r;

        while (*s->at)
                if ((r = take_job(s, texts, e)) < 0)
                        return r;
        return 0;
}

int job_texts_split(const char *text, size_t size, JobTexts *ret, Error *e)
{
        Scan s = {text, 1};
        int r;

        *ret = (JobTexts){0};
        if (strlen(text) != size)
                return error_set(e, -EINVAL, "not JSON: there is a NUL in it");
        skip_blank(&s);
        r = *s.at == '[' ? split_array(&s, ret, e) : split_sequence(&s, ret, e);
        if (r >= 0 && ret->n == 0)
                r = error_set(e, -EINVAL, "there is no job in it");
        if (r < 0)
                job_texts_done(ret);
        return r;
}

void job_texts_done(JobTexts *texts)
{
        free(texts->jobs);
        *texts = (JobTexts){0};
}

/* "#3" → 3. */
static bool place_of(const char *id, size_t *ret)
{
        char *end;

        if (id[0] != '#' || id[1] < '0' || id[1] > '9')
                return false;
        errno = 0;
        unsigned long long place = strtoull(id + 1, &end, 10);
        *ret = (size_t)place;
        return errno == 0 && !*end;
}

static int rebase(json_object *after, size_t first, size_t n, size_t all, char *const *ids, Error *e)
{
        json_object_object_foreach(after, name, value)
        {
                const char *id = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
                size_t place;
                char text[32];
                if (!place_of(id, &place))
                        continue;
                if (place >= all)
                        return error_set(e, -EINVAL, "after.%s: there is no job %s: the last is #%zu", name, id, all - 1);
                if (place >= first + n)
                        return error_set(e, -EINVAL, "after.%s: %s comes in a later batch: put it before", name, id);
                snprintf(text, sizeof text, "#%zu", place - first);
                json_object_object_add(after, name, json_object_new_string(place < first ? ids[place] : text));
        }
        return 0;
}

int job_text_for_batch(const JobText *text, size_t first, size_t n, size_t all, char *const *ids, char **ret, Error *e)
{
        _cleanup_free_ char *own = strndup(text->start, text->size);
        _cleanup_json_ json_object *job = NULL;
        int r;

        if (!own)
                return error_oom(e);
        json_object *after = NULL;
        if (strstr(own, "\"#")) {
                if ((r = json_parse_text(own, text->size, &job, e)) < 0)
                        return r;
                json_object_object_get_ex(job, "after", &after);
        }
        if (!json_object_is_type(after, json_type_object)) {
                *ret = take(own);
                return 0;
        }
        if ((r = rebase(after, first, n, all, ids, e)) < 0)
                return r;
        *ret = strdup(json_object_to_json_string_ext(job, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        return *ret ? 0 : error_oom(e);
}

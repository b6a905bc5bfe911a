/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

char **strv_free(char **list)
{
        for (size_t i = 0; list && list[i]; i++)
                free(list[i]);
        free(list);
        return NULL;
}

size_t strv_length(char *const *list)
{
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

bool strv_contains(char *const *list, const char *text)
{
        for (size_t i = 0; list && list[i]; i++)
                if (strcmp(list[i], text) == 0)
                        return true;
        return false;
}

/* Takes the string over, also when it fails. */
static int add_owned(char ***list, char *text)
{
        size_t n = strv_length(*list);
        char **larger = text ? reallocarray(*list, n + 2, sizeof *larger) : NULL;

        if (!larger) {
                free(text);
                return -ENOMEM;
        }
        larger[n] = text;
        larger[n + 1] = NULL;
        *list = larger;
        return 0;
}

int strv_add(char ***list, const char *text)
{
        return add_owned(list, strdup(text));
}

int strv_addf(char ***list, const char *format, ...)
{
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        int r = vasprintf(&text, format, ap);
        va_end(ap);
        return add_owned(list, r < 0 ? NULL : text);
}

int strv_add_new(char ***list, char *const *more)
{
        for (size_t i = 0; more && more[i]; i++) {
                if (strv_contains(*list, more[i]))
                        continue;
                int r = strv_add(list, more[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void strv_remove(char **list, const char *text)
{
        size_t kept = 0;

        for (size_t i = 0; list && list[i]; i++) {
                if (strcmp(list[i], text) == 0)
                        free(list[i]);
                else
                        list[kept++] = list[i];
        }
        if (list)
                list[kept] = NULL;
}

int strv_copy(char *const *list, char ***ret)
{
        const size_t n = strv_length(list);
        _cleanup_strv_ char **copy = n ? calloc(n + 1, sizeof *copy) : NULL;

        if (n && !copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                if (!(copy[i] = strdup(list[i])))
                        return -ENOMEM;
        *ret = take(copy);
        return 0;
}

int strv_split(const char *text, char separator, char ***ret)
{
        _cleanup_strv_ char **list = NULL;

        while (*text) {
                const char *end = strchrnul(text, separator);
                if (end > text && add_owned(&list, strndup(text, (size_t)(end - text))) < 0)
                        return -ENOMEM;
                text = *end ? end + 1 : end;
        }
        *ret = take(list);
        return 0;
}

char *strv_join(char *const *list, const char *separator)
{
        size_t size = 1, gap = strlen(separator);

        for (size_t i = 0; list && list[i]; i++)
                size += strlen(list[i]) + gap;
        char *joined = malloc(size), *end = joined;
        if (!joined)
                return NULL;
        *end = '\0';
        for (size_t i = 0; list && list[i]; i++) {
                if (i > 0)
                        end = stpcpy(end, separator);
                end = stpcpy(end, list[i]);
        }
        return joined;
}

static bool has_name(const char *entry, const char *name, size_t length)
{
        return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

int environment_set(char ***list, const char *name, const char *value)
{
        size_t length = strlen(name);
        char *entry = NULL;

        if (asprintf(&entry, "%s=%s", name, value) < 0)
                return -ENOMEM;
        for (size_t i = 0; *list && (*list)[i]; i++)
                if (has_name((*list)[i], name, length)) {
                        free((*list)[i]);
                        (*list)[i] = entry;
                        return 0;
                }
        return add_owned(list, entry);
}

const char *environment_get(char *const *list, const char *name)
{
        size_t length = strlen(name);

        for (size_t i = 0; list && list[i]; i++)
                if (has_name(list[i], name, length))
                        return list[i] + length + 1;
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A system call as a person reads it. */

#include "engine/base/name.h"
#include "jail/call.h"
#include "jail/syscall_names.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

char *jail_syscall_name(int number)
{
        char *name = syscall_name(number);

        if (!name && asprintf(&name, "%d", number) < 0)
                return NULL;
        return name;
}

static void print_argument(FILE *out, char kind, uint64_t value, const char *text)
{
        _cleanup_free_ char *quoted = kind == 's' && text ? name_quote(text) : NULL;

        if (quoted)
                fputs(quoted, out);
        else if (kind == 'f' && (int)value == AT_FDCWD)
                fputs("AT_FDCWD", out);
        else if (kind == 'd' || kind == 'f')
                fprintf(out, "%d", (int)value);
        else if (kind == 'u')
                fprintf(out, "%" PRIu64, value);
        else if (kind == 'o')
                fprintf(out, "%#o", (unsigned)value);
        else
                fprintf(out, "0x%" PRIx64, value);
}

char *jail_call_text(const JailCall *call)
{
        _cleanup_free_ char *name = jail_syscall_name(call->number), *program = name_quote(call->program);
        const char *signature = call_signature(call->number);
        char *text = NULL;
        size_t size;
        FILE *out = name && program ? open_memstream(&text, &size) : NULL;

        if (!out)
                return NULL;
        fprintf(out, "%s(", name);
        for (size_t i = 0; signature[i]; i++) {
                fputs(i > 0 ? ", " : "", out);
                print_argument(out, signature[i], call->arguments[i], call->texts[i]);
        }
        fprintf(out, ") by %s (pid %d)", program, call->pid);
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

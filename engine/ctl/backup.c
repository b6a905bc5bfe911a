/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl backup: a copy of the store, taken while the supervisor runs. It holds everybody's jobs, so it is for its
 * owner alone; and under its name there is a whole one, or what was there before. */

#include "engine/base/fd.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)256 << 10)

/* From its start: the descriptor may stand anywhere, and be shared. */
static int copy(int from, int to, uint64_t *ret_size)
{
        _cleanup_free_ char *buffer = malloc(CHUNK);
        uint64_t at = 0;

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(from, buffer, CHUNK, (off_t)at);
                if (n < 0 && errno == ESPIPE)
                        n = read(from, buffer, CHUNK);
                if (n < 0 && errno == EINTR)
                        continue;
                int r = n < 0 ? -errno : write_full(to, buffer, (size_t)n);
                if (r < 0 || n == 0) {
                        *ret_size = at;
                        return r;
                }
                at += (uint64_t)n;
        }
}

/* Beside the file, under a name that nobody has, until it is whole. */
static int write_file(int from, const char *file, uint64_t *ret_size, Error *e)
{
        _cleanup_free_ char *draft = NULL, *folder = NULL;
        int r;

        if (asprintf(&draft, "%s.XXXXXX", file) < 0) {
                draft = NULL;
                return error_oom(e);
        }
        _cleanup_close_ int to = mkostemp(draft, O_CLOEXEC); /* 0600 */
        if (to < 0)
                return error_errno(e, -errno, "%s", file);
        r = copy(from, to, ret_size);
        if (r >= 0 && (fsync(to) < 0 || rename(draft, file) < 0))
                r = -errno;
        if (r < 0) {
                unlink(draft);
                return error_errno(e, r, "%s", file);
        }
        const char *slash = strrchr(file, '/');
        folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
        _cleanup_close_ int directory = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (directory < 0 || fsync(directory) < 0)
                return error_errno(e, -errno, "%s", folder ? folder : file);
        return 0;
}

int command_backup(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        uint64_t size = 0;
        struct stat st;
        int fd, r;

        if (argc != 2 || (argv[1][0] == '-' && argv[1][1]))
                return error_set(e, -EINVAL, "where to? skepctl backup FILE, or - for standard output");
        bool to_stdout = strcmp(argv[1], "-") == 0;
        if (to_stdout && isatty(1))
                return error_set(e, -EINVAL, "an archive is not for a terminal: skepctl backup FILE");
        if (!to_stdout && stat(argv[1], &st) == 0 && !S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s is there, and no file", argv[1]);
        if ((r = client_connect(context->address, &bus, e)) < 0)
                return r;
        if ((r = client_new_call(bus, "Backup", &call)) < 0)
                return error_errno(e, r, "calling Backup");
        if ((r = client_call_patiently(bus, call, &reply, e)) < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "h", &fd)) < 0)
                return error_errno(e, r, "reading the answer");
        if (to_stdout)
                return (r = copy(fd, 1, &size)) < 0 ? error_errno(e, r, "standard output") : 0;
        if ((r = write_file(fd, argv[1], &size, e)) < 0)
                return r;
        if (isatty(2))
                fprintf(stderr, "%s: %s\n", argv[1], amount_size(size).text);
        return 0;
}

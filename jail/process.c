/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/process.h"

#include "engine/base/fd.h"
#include "jail/call.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE ((size_t)4096) /* or a multiple of it: no page ends within such a piece */

static int open_of(pid_t pid, const char *file)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        return open(path, O_RDONLY | O_CLOEXEC);
}

static char *link_of(pid_t pid, const char *file)
{
        char path[64], target[CALL_PATH_MAX];

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        ssize_t n = readlink(path, target, sizeof target);
        /* What is no file ("pipe:[7]") has no path. */
        return n > 0 && (size_t)n < sizeof target && target[0] == '/' ? strndup(target, (size_t)n) : NULL;
}

void process_name(pid_t pid, char *ret, size_t size)
{
        _cleanup_close_ int fd = open_of(pid, "comm");
        ssize_t n = fd < 0 ? -1 : read_full(fd, ret, size - 1);

        ret[n > 0 ? n : 0] = '\0';
        if (n > 0 && ret[n - 1] == '\n')
                ret[n - 1] = '\0';
        if (n <= 0)
                snprintf(ret, size, "?");
}

char *process_program(pid_t pid)
{
        _cleanup_free_ char *program = link_of(pid, "exe");

        return program && access(program, F_OK) == 0 ? take(program) : NULL;
}

char *process_map_path(char *line, uint64_t address)
{
        uint64_t start, end;
        char *path = strchr(line, '/');

        if (!path || sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) != 2 || address < start || address >= end)
                return NULL;
        path[strcspn(path, "\n")] = '\0';
        return path;
}

/* Where the kernel has put the loader; 0: there is none. */
static uint64_t loader_address(pid_t pid)
{
        _cleanup_close_ int fd = open_of(pid, "auxv");
        Elf64_auxv_t entries[64];
        ssize_t n = fd < 0 ? fd : read_full(fd, entries, sizeof entries);

        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof *entries && entries[i].a_type != AT_NULL; i++)
                if (entries[i].a_type == AT_BASE)
                        return entries[i].a_un.a_val;
        return 0;
}

char *process_loader(pid_t pid)
{
        uint64_t address = loader_address(pid);
        int fd = address ? open_of(pid, "maps") : -1;
        _cleanup_fclose_ FILE *maps = fd < 0 ? NULL : fdopen(fd, "re");
        _cleanup_free_ char *line = NULL;
        size_t room = 0;

        if (!maps)
                return close_fd(fd), NULL;
        while (getline(&line, &room, maps) > 0) {
                const char *path = process_map_path(line, address);
                if (path)
                        return access(path, F_OK) == 0 ? strdup(path) : NULL;
        }
        return NULL;
}

char *process_path(pid_t pid, int directory, const char *path)
{
        static const char self[] = "/proc/self/";
        _cleanup_free_ char *from = NULL;
        char file[32], *whole = NULL;

        /* To us, that would be ourselves. */
        if (strncmp(path, self, strlen(self)) == 0)
                return asprintf(&whole, "/proc/%d/%s", pid, path + strlen(self)) < 0 ? NULL : whole;
        if (path[0] == '/')
                return strdup(path);
        if (directory == AT_FDCWD)
                snprintf(file, sizeof file, "cwd");
        else
                snprintf(file, sizeof file, "fd/%d", directory);
        from = link_of(pid, file);
        return from && asprintf(&whole, "%s/%s", from, path) < 0 ? NULL : whole;
}

ssize_t process_string(pid_t pid, uint64_t address, char *ret, size_t size)
{
        size_t have = 0;

        while (have < size - 1) {
                /* Not beyond the page: what follows it need not be there. */
                size_t want = PAGE - (address + have) % PAGE;
                if (want > size - 1 - have)
                        want = size - 1 - have;
                struct iovec to = {ret + have, want}, from = {(void *)(uintptr_t)(address + have), want};
                ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);
                if (n <= 0)
                        return n < 0 ? -errno : -EFAULT;
                const char *end = memchr(ret + have, '\0', (size_t)n);
                if (end)
                        return end - ret;
                have += (size_t)n;
        }
        ret[have] = '\0';
        return -ENAMETOOLONG;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/collector.h"

#include "engine/base/archive.h"
#include "engine/base/disk_room.h"
#include "engine/base/fd.h"
#include "engine/base/pack.h"
#include "engine/supervisor/output.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define DRAFT "draft"
#define DONE "files"
#define LIST_MAX ((size_t)1 << 30)

typedef struct Member {
        uint64_t index, attempt, bytes;
        Id id;
} Member;

typedef struct Members {
        Member *members; /* owned */
        size_t n, next;
} Members;

static int read_list(Members *ret)
{
        _cleanup_free_ char *text = NULL;
        struct stat st;

        if (fstat(COLLECTOR_LIST_FD, &st) < 0)
                return -errno;
        if (st.st_size < 0 || (size_t)st.st_size > LIST_MAX)
                return -EBADMSG;
        const size_t size = (size_t)st.st_size;
        if (!(text = malloc(size + 1)))
                return -ENOMEM;
        if (pread(COLLECTOR_LIST_FD, text, size, 0) != (ssize_t)size)
                return -EIO;
        Unpacker u = {.next = text, .left = size};
        const uint64_t n = unpack_number(&u);
        if (n > size || !(ret->members = calloc(n + 1, sizeof *ret->members)))
                return n > size ? -EBADMSG : -ENOMEM;
        for (ret->n = 0; ret->n < n && !u.failed; ret->n++) {
                Member *m = &ret->members[ret->n];
                m->index = unpack_number(&u);
                const char *id = unpack_string(&u);
                if (!id || !id_is_valid(id))
                        return -EBADMSG;
                snprintf(m->id.text, sizeof m->id.text, "%s", id);
                m->attempt = unpack_number(&u);
                m->bytes = unpack_number(&u);
        }
        return unpack_end(&u);
}

/* The next one that has left something. */
static int next_part(ArchivePart *ret, void *userdata)
{
        Members *members = userdata;

        while (members->next < members->n) {
                const Member *m = &members->members[members->next++];
                uint64_t bytes = output_file_size(COLLECTOR_OUTPUTS_FD, &m->id, m->attempt, OUTPUT_FILES);
                if (bytes < m->bytes)
                        return -ENODATA; /* somebody has removed it */
                if (bytes == 0)
                        continue;
                *ret = (ArchivePart){.fd = output_open(COLLECTOR_OUTPUTS_FD, &m->id, m->attempt, OUTPUT_FILES, true)};
                if (ret->fd < 0)
                        return ret->fd;
                snprintf(ret->directory, sizeof ret->directory, "%" PRIu64, m->index);
                return 1;
        }
        return 0;
}

static int make_archive(Members *members)
{
        const ArchiveRules rules = {.max_bytes = UINT64_MAX, .max_entries = COLLECTED_ENTRIES_MAX};
        _cleanup_close_ int draft = -1;
        uint64_t room = 0;

        for (size_t i = 0; i < members->n; i++)
                room += output_file_room(COLLECTOR_OUTPUTS_FD, &members->members[i].id, members->members[i].attempt, OUTPUT_FILES);
        /* What cannot be done does not fill the disk, to the harm of the jobs that run. */
        if (!disk_room_has(COLLECTOR_FOLDER_FD, room))
                return -ENOSPC;
        unlinkat(COLLECTOR_FOLDER_FD, DRAFT, 0); /* what an earlier try has left */
        draft = openat(COLLECTOR_FOLDER_FD, DRAFT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (draft < 0)
                return -errno;
        int r = archive_join(draft, &rules, next_part, members);
        if (r >= 0 && renameat(COLLECTOR_FOLDER_FD, DRAFT, COLLECTOR_FOLDER_FD, DONE) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(COLLECTOR_FOLDER_FD, DRAFT, 0);
        return r;
}

int main(int argc, char **argv)
{
        Members members = {0};
        struct stat st;

        if (argc != 3 || fstat(COLLECTOR_FOLDER_FD, &st) < 0 || !S_ISDIR(st.st_mode)) {
                fprintf(stderr, "skep-collector is started by skepd, not by hand.\n");
                return EINVAL;
        }
        /* When skepd is the other version, too, it is tried again. */
        if (strcmp(argv[1], SKEP_VERSION) != 0) {
                fprintf(stderr, "skep-collector is of another version than skepd, which has to be started again.\n");
                return EAGAIN;
        }
        /* The next supervisor begins anew. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != (pid_t)strtol(argv[2], NULL, 10))
                return EAGAIN;
        int r = read_list(&members);
        if (r >= 0)
                r = make_archive(&members);
        free(members.members);
        return -r & 0xff;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shared memory, semaphores and queues: those of the host by their true names, and as many as there can be. */

#include "attack.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

typedef struct Message {
        long type;
        char text[CANARY_MAX];
} Message;

static Verdict host_memory(Attempt *a)
{
        int ids[] = {shmget((key_t)given_number(a, "shm_key"), 0, 0), (int)given_number(a, "shm")};

        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                char *p = ids[i] < 0 ? MAP_FAILED : shmat(ids[i], NULL, SHM_RDONLY);
                if (p != MAP_FAILED && strncmp(p, SECRET, strlen(SECRET)) == 0)
                        return escaped(a, "the host's segment was read");
        }
        return by_result(a, -1, "shmget, shmat");
}

static Verdict host_memory_by_id(Attempt *a)
{
        return by_result(a, shmctl((int)given_number(a, "shm"), IPC_STAT, &(struct shmid_ds){0}), "shmctl");
}

static Verdict host_semaphore(Attempt *a)
{
        int id = semget((key_t)given_number(a, "shm_key"), 0, 0);

        return by_result(a, id < 0 ? id : semctl(id, 0, GETVAL), "semget, semctl");
}

static Verdict host_queue(Attempt *a)
{
        Message message;
        int id = msgget((key_t)given_number(a, "shm_key"), 0);
        /* A copy: what is taken would be missed, and seen by that too. */
        ssize_t n = id < 0 ? -1 : msgrcv(id, &message, sizeof message.text, 0, IPC_NOWAIT | 040000 /* MSG_COPY */);

        return by_result(a, id < 0 || (n < 0 && errno != ENOSYS) ? -1 : 0, "msgget, msgrcv");
}

static Verdict host_posix_queue(Attempt *a)
{
        mqd_t queue = mq_open(given(a, "mq"), O_RDONLY | O_NONBLOCK);

        return by_result(a, queue, "mq_open");
}

static Verdict host_shared_file(Attempt *a)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "/dev/shm%s", given(a, "mq"));
        return file_says(AT_FDCWD, path, SECRET) ? escaped(a, "the host's /dev/shm was read")
                                                 : held(a, "%s", strerrorname_np(errno));
}

/* ---- as many as there can be; that the host has none of them is seen outside ---- */

static Verdict many_segments(Attempt *a)
{
        int n = 0;

        while (n < 5000 && shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666) >= 0)
                n++;
        return held(a, "%d were left behind, %s", n, n < 5000 ? strerrorname_np(errno) : "in namespaces of our own");
}

static Verdict many_queues(Attempt *a)
{
        int n = 0;

        while (n < 40000 && msgget(IPC_PRIVATE, IPC_CREAT | 0666) >= 0)
                n++;
        return held(a, "%d were left behind, %s", n, n < 40000 ? strerrorname_np(errno) : "in namespaces of our own");
}

static Verdict many_semaphores(Attempt *a)
{
        int n = 0;

        while (n < 40000 && semget(IPC_PRIVATE, 1, IPC_CREAT | 0666) >= 0)
                n++;
        return held(a, "%d were left behind, %s", n, n < 40000 ? strerrorname_np(errno) : "in namespaces of our own");
}

static Verdict many_posix_queues(Attempt *a)
{
        char name[32];
        int n = 0;

        for (; n < 2000; n++) {
                snprintf(name, sizeof name, "/skep-escape-%d", n);
                if (mq_open(name, O_CREAT | O_RDWR, 0666, NULL) < 0)
                        break;
        }
        return held(a, "%d were left behind, %s", n, n < 2000 ? strerrorname_np(errno) : "in namespaces of our own");
}

/* A segment without any process attached is nobody's memory until it is removed. */
static Verdict unowned_memory(Attempt *a)
{
        size_t bytes = 0;

        while (bytes < BYTES_MAX) {
                int id = shmget(IPC_PRIVATE, 64 << 20, IPC_CREAT | 0666);
                char *p = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);
                if (p == MAP_FAILED)
                        return held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno));
                memset(p, 1, 64 << 20);
                shmdt(p);
                bytes += 64 << 20;
        }
        return escaped(a, "%zu MiB in segments", bytes >> 20);
}

const Attack attacks_by_ipc[] = {
        {"host-memory", "read a shared memory segment of the host", host_memory, NULL, 0, NULL},
        {"host-memory-by-id", "ask for it by its id", host_memory_by_id, NULL, 0, NULL},
        {"host-semaphore", "read a semaphore of the host", host_semaphore, NULL, 0, NULL},
        {"host-queue", "read from a message queue of the host", host_queue, NULL, 0, NULL},
        {"host-posix-queue", "open a POSIX message queue of the host", host_posix_queue, NULL, 0, NULL},
        {"host-shared-file", "read from the host's /dev/shm", host_shared_file, NULL, 0, NULL},
        {"many-segments", "leave 5,000 shared memory segments", many_segments, NULL, ENDLESS, NULL},
        {"many-queues", "leave 40,000 message queues", many_queues, NULL, ENDLESS, NULL},
        {"many-semaphores", "leave 40,000 semaphores", many_semaphores, NULL, ENDLESS, NULL},
        {"many-posix-queues", "leave 2,000 POSIX message queues", many_posix_queues, NULL, ENDLESS, NULL},
        {"unowned-memory", "leave 1.5 GiB in segments", unowned_memory, NULL, ENDLESS, "memory"},
        {0},
};

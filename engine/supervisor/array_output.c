/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the members of an array have left in /output, as one archive with a directory for each: that is what the array
 * itself has left. It is put together when the last member has ended, by a process of its own (collector.h), since it
 * takes as long as it takes; what it reads was made by jobs.
 *
 * All members of thousands of arrays may end at the same moment, by the result cache. So there are few collectors at a
 * time, and fewer of one tenant; each tenant has a line of arrays that wait for one, and the next is of the tenant that
 * has waited longest. Who stands in line has not ended, and stands there again after a restart; and so does who comes when there is
 * no descriptor or no memory for a collector, which is no fault of its members. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/pack.h"
#include "engine/base/places.h"
#include "engine/base/spawn.h"
#include "engine/supervisor/collector.h"
#include "engine/supervisor/job_report.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define COLLECTORS_MAX 4
#define COLLECTORS_PER_TENANT 2

/* How much a member has left. */
static uint64_t size_of(const Supervisor *s, const Job *member)
{
        return member->attempt == 0 ? 0 : output_file_size(s->outputs, &member->id, member->attempt, OUTPUT_FILES);
}

/* What the collector is told; a file without a name. */
static int write_list(const JobArray *array)
{
        _cleanup_packer_ Packer p = {0};
        uint64_t n = 0;
        int r;

        for (size_t i = 0; i < array->count; i++)
                n += array->members[i]->attempt > 0;
        pack_number(&p, n);
        for (size_t i = 0; i < array->count; i++) {
                const Job *member = array->members[i];
                if (member->attempt == 0)
                        continue;
                pack_number(&p, member->index);
                pack_string(&p, member->id.text);
                pack_number(&p, member->attempt);
                pack_number(&p, job_report_files_bytes(member));
        }
        if (p.failed)
                return -ENOMEM;
        _cleanup_close_ int fd = memfd_create("members", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        return (r = write_full(fd, p.data, p.size)) < 0 ? r : take_fd(fd);
}

static int on_look_again(sd_event_source *source, uint64_t usec, void *userdata);

static int look_again_later(Supervisor *s, JobArray *array)
{
        const uint64_t pause = disk_room_pause_usec();
        int r;

        if (array->look_again) {
                r = sd_event_source_set_time_relative(array->look_again, pause);
                return r < 0 ? r : sd_event_source_set_enabled(array->look_again, SD_EVENT_ONESHOT);
        }
        r = sd_event_add_time_relative(s->event, &array->look_again, CLOCK_MONOTONIC, pause, 0, on_look_again, array);
        if (r < 0)
                return r;
        s->n_unkept++;
        supervisor_judge_room(s);
        return 0;
}

static int on_collect_again(sd_event_source *source, uint64_t usec, void *userdata);

/* It is the next in line, when there may be what was lacking for a collector; none is started before. */
static int collect_again_later(Supervisor *s, JobArray *array)
{
        int r = s->collect_again ? 0
                                 : sd_event_add_time_relative(s->event, &s->collect_again, CLOCK_MONOTONIC, LACKING_USEC, 0,
                                                              on_collect_again, s);

        if (r < 0)
                return r;
        array->in_line = true;
        TAILQ_INSERT_HEAD(&array->whole->tenant->to_collect, array, line);
        return 0;
}

/* What came of a try. */
static void take_result(Supervisor *s, JobArray *array, int r)
{
        array->result = r;
        if (disk_room_lacks(r) && !array->cancelled) {
                disk_room_tried(&array->room, s->outputs, UINT64_MAX);
                if (look_again_later(s, array) >= 0)
                        return;
        } else if (supervisor_is_lacking(r) && !array->cancelled && collect_again_later(s, array) >= 0) {
                return;
        }
        if (array->look_again) {
                array->look_again = sd_event_source_disable_unref(array->look_again);
                s->n_unkept--;
                supervisor_judge_room(s);
        }
        array_collected(s, array, r);
}

static int on_look_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        JobArray *array = userdata;
        Supervisor *s = array->whole->supervisor;

        if (!disk_room_may_do(&array->room, s->outputs))
                return look_again_later(s, array);
        array_collect(s, array);
        return 0;
}

/* ---- who has a collector ---- */

static void leave_line(JobArray *array)
{
        if (array->in_line)
                TAILQ_REMOVE(&array->whole->tenant->to_collect, array, line);
        array->in_line = false;
}

/* Of the tenant that has had none for longest. */
static JobArray *next_in_line(const Supervisor *s)
{
        const Tenant *next = NULL;

        for (size_t i = 0; i < tenants_count(s->tenants); i++) {
                const Tenant *t = tenants_at(s->tenants, i);
                if (!TAILQ_EMPTY(&t->to_collect) && t->n_collecting < COLLECTORS_PER_TENANT &&
                    (!next || t->collected < next->collected))
                        next = t;
        }
        return next ? TAILQ_FIRST(&next->to_collect) : NULL;
}

static void count_collector(Supervisor *s, Tenant *tenant)
{
        s->n_collectors++;
        tenant->n_collecting++;
        tenant->collected = ++s->n_collected;
}

static void uncount_collector(Supervisor *s, Tenant *tenant)
{
        s->n_collectors--;
        tenant->n_collecting--;
}

static void start_collectors(Supervisor *s);

static int on_collect_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Supervisor *s = userdata;

        s->collect_again = sd_event_source_disable_unref(s->collect_again);
        start_collectors(s);
        return 0;
}

static int on_collected(sd_event_source *source _unused_, const siginfo_t *info, void *userdata)
{
        JobArray *array = userdata;
        Supervisor *s = array->whole->supervisor;

        array->collecting = sd_event_source_disable_unref(array->collecting);
        array->collector = 0;
        uncount_collector(s, array->whole->tenant);
        take_result(s, array, info->si_code == CLD_EXITED ? -info->si_status : -EIO);
        start_collectors(s);
        return 0;
}

static void end_collector(JobArray *array)
{
        array->collecting = sd_event_source_disable_unref(array->collecting);
        if (array->collector > 0) {
                kill(array->collector, SIGKILL);
                waitpid(array->collector, NULL, 0);
                uncount_collector(array->whole->supervisor, array->whole->tenant);
        }
        array->collector = 0;
}

static int spawn_collector(Supervisor *s, JobArray *array)
{
        _cleanup_close_ int folder = output_open_folder(s->outputs, &array->whole->id, array->whole->attempt), list = -1;
        _cleanup_free_ char *program = place_program("skep-collector", NULL);
        char pid[24], *argv[] = {(char *)"skep-collector", (char *)SKEP_VERSION, pid, NULL};

        if (folder < 0)
                return folder;
        if (!program)
                return -ENOMEM;
        if ((list = write_list(array)) < 0)
                return list;
        snprintf(pid, sizeof pid, "%d", getpid());
        const int fds[] = {folder, s->outputs, list};
        _Static_assert(ELEMENTS(fds) == COLLECTOR_FDS_END - COLLECTOR_FOLDER_FD, "what it has");
        return spawn_with_fds(program, argv, fds, ELEMENTS(fds), &array->collector);
}

static int start_collector(Supervisor *s, JobArray *array)
{
        int r = spawn_collector(s, array);

        if (r < 0) {
                array->collector = 0;
                return r;
        }
        count_collector(s, array->whole->tenant);
        r = sd_event_add_child(s->event, &array->collecting, array->collector, WEXITED, on_collected, array);
        if (r < 0)
                end_collector(array);
        return r;
}

static void start_collectors(Supervisor *s)
{
        JobArray *array;

        while (!s->collect_again && s->n_collectors < COLLECTORS_MAX && (array = next_in_line(s))) {
                leave_line(array);
                int r = start_collector(s, array);
                if (r < 0)
                        take_result(s, array, r);
        }
}

void array_collect(Supervisor *s, JobArray *array)
{
        bool any = false;

        for (size_t i = 0; !any && i < array->count; i++)
                any = size_of(s, array->members[i]) > 0 || job_report_files_bytes(array->members[i]) > 0;
        if (!any) {
                take_result(s, array, 0);
                return;
        }
        array->in_line = true;
        TAILQ_INSERT_TAIL(&array->whole->tenant->to_collect, array, line);
        start_collectors(s);
}

void array_give_up(Supervisor *s, JobArray *array)
{
        array->cancelled = true;
        if (array->look_again && array->collector == 0) {
                leave_line(array);
                take_result(s, array, array->result);
        }
}

void array_stop_collecting(JobArray *array)
{
        leave_line(array);
        array->look_again = sd_event_source_disable_unref(array->look_again);
        end_collector(array);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a job here:
 *
 *   supervisor_submit    the specification is read and checked against its policy       (submission.c)
 *   blobs_add            its inputs are copied, in another process
 *   store_add            it has an id, and is on the disk: this is what the submitter is told
 *   supervisor_admit     it stands in the queue
 *   supervisor_dispatch  a worker with room gets the run order
 *   on_started           running                                                          (attempts.c)
 *   on_reported          the report decides the final state; or: on_lost, and it is queued again
 *   on_ended             that is on the disk: its waiters are told
 *
 * The queue is in memory, and made again from the store by whoever comes after this process (recovery.c). */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "engine/supervisor/job_report.h"
#include "engine/supervisor/state_directory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define SETTING_INTAKE "intake" /* "open", or what it is: */
#define INTAKE_PAUSED "paused"
#define INTAKE_DRAINING "draining"
#define INTAKE_BOTH INTAKE_DRAINING "," INTAKE_PAUSED

/* ---- giving jobs to workers ---- */

static int open_stdin(const Supervisor *s, const Job *job)
{
        const Job *source = array_source(job);

        if (job->spec.stdin_text)
                return sealed_file("stdin", job->spec.stdin_text, strlen(job->spec.stdin_text));
        for (size_t i = 0; i < source->n_inputs; i++)
                if (strcmp(source->inputs[i].name, "stdin") == 0)
                        return blobs_open(s->blobs, source->inputs[i].blob);
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Opens what the run needs, in the order of RUN from RUN_OUTPUT on. */
static int open_descriptors(const Supervisor *s, const Job *job, int *fds, size_t *n, char ***ret_names, Error *e)
{
        const Job *source = array_source(job);

        output_clear(s->outputs, &job->id, job->attempt);
        fds[*n] = fcntl(s->outputs, F_DUPFD_CLOEXEC, 3);
        if (fds[*n] < 0)
                return error_errno(e, -errno, "its directory");
        ++*n;
        int fd = open_stdin(s, job);
        if (fd < 0)
                return error_errno(e, fd, "its standard input");
        fds[(*n)++] = fd;
        for (size_t i = 0; i < source->n_inputs; i++) {
                if (strcmp(source->inputs[i].name, "stdin") == 0)
                        continue;
                fd = blobs_open(s->blobs, source->inputs[i].blob);
                if (fd < 0)
                        return error_errno(e, fd, "its input \"%s\"", source->inputs[i].name);
                fds[(*n)++] = fd;
                if (strv_add(ret_names, source->inputs[i].name) < 0)
                        return error_oom(e);
        }
        return 0;
}

/* What the jobs before it have left, as archives. */
static int open_results(const Supervisor *s, const Job *job, int *fds, size_t *n, char ***ret_names, Error *e)
{
        for (size_t i = 0; i < job->spec.n_after; i++) {
                const char *name = job->spec.after[i].name, *id = job->spec.after[i].id;
                const Job *parent = job_table_get(&s->jobs, id);
                if (!parent || output_file_size(s->outputs, &parent->id, parent->attempt, OUTPUT_FILES) <
                                       job_report_files_bytes(parent))
                        return error_set(e, -ENODATA, "after.%s: what job %s has left is not there any more", name, id);
                int fd = output_open(s->outputs, &parent->id, parent->attempt, OUTPUT_FILES, true);
                if (fd < 0)
                        return error_errno(e, fd, "after.%s: what job %s has left", name, id);
                fds[(*n)++] = fd;
                if (strv_addf(ret_names, "%s/", name) < 0)
                        return error_oom(e);
        }
        return 0;
}

static int run_on(Supervisor *s, Job *job, PoolWorker *worker, Error *e)
{
        _cleanup_strv_ char **names = NULL, **environment = NULL;
        char attempt[24], index[24];
        int fds[RUN_FDS_MAX];
        size_t n = 0;

        snprintf(attempt, sizeof attempt, "%" PRIu64, job->attempt);
        if (strv_copy(job->spec.environment, &environment) < 0 ||
            environment_set(&environment, "SKEP_JOB_ID", job->id.text) < 0 ||
            environment_set(&environment, "SKEP_ATTEMPT", attempt) < 0)
                return error_oom(e);
        snprintf(index, sizeof index, "%zu", job->index);
        if (job->member && environment_set(&environment, "SKEP_ARRAY_INDEX", index) < 0)
                return error_oom(e);
        int r = open_descriptors(s, job, fds, &n, &names, e);
        if (r >= 0)
                r = open_results(s, job, fds, &n, &names, e);
        if (r >= 0) {
                const RunOrder order = {
                        .job = job->id.text,
                        .attempt = job->attempt,
                        .policy_digest = jail_policy_digest(job->policy),
                        .command = job->spec.command,
                        .environment = environment,
                        .working_directory = job->spec.working_directory,
                        .limits = job->spec.limits,
                        .allow_missing = s->config->allow_missing,
                        .inputs = names,
                };
                r = pool_run(worker, &order, job->policy, fds, n);
                if (r < 0)
                        error_errno(e, r, "its order");
        }
        close_many(fds, n);
        return r;
}

static int on_look_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Supervisor *s = userdata;

        s->look_again = sd_event_source_disable_unref(s->look_again);
        supervisor_dispatch(s);
        return 0;
}

static void look_again_later(Supervisor *s)
{
        uint64_t now = monotonic_usec(), when = s->lacking ? now + LACKING_USEC : queue_look_again_usec(&s->queue, now), set;

        if (when <= now)
                return;
        int r = s->look_again ? sd_event_source_get_time(s->look_again, &set) : 0;
        if (r >= 0 && !s->look_again)
                r = sd_event_add_time(s->event, &s->look_again, CLOCK_MONOTONIC, when, 0, on_look_again, s);
        else if (r >= 0 && when < set)
                r = sd_event_source_set_time(s->look_again, when);
        if (r < 0)
                log_error("a timer cannot be set: %s", strerror(-r));
}

bool supervisor_is_lacking(int r)
{
        static const int passing[] = {EAGAIN, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EDQUOT, ETOOMANYREFS};

        for (size_t i = 0; i < ELEMENTS(passing); i++)
                if (r == -passing[i])
                        return true;
        return false;
}

static void set_lacking(Supervisor *s, int r)
{
        s->lacking = r;
        if (r < 0)
                trouble_begin(&s->troubles, TROUBLE_STARTS, "no job can be handed to a worker: %s: it is tried again",
                              strerror(-r));
        else
                trouble_end(&s->troubles, TROUBLE_STARTS);
}

void supervisor_dispatch(Supervisor *s)
{
        PoolWorker *worker;
        Job *job;

        /* A worker that is lost meanwhile brings us here again. Before it is settled what runs, nothing may be started. */
        if (s->dispatching || !s->settled)
                return;
        s->dispatching = true;
        while (!s->closed && !s->paused && (worker = pool_find_room(s->pool))) {
                job = queue_next(&s->queue, monotonic_usec());
                if (!job) {
                        set_lacking(s, 0);
                        break;
                }
                _cleanup_error_ Error e = ERROR_NULL;
                job->attempt++;
                int r = run_on(s, job, worker, &e);
                if (r == -ENOTCONN) {
                        job->attempt--; /* it never got there */
                        continue;
                }
                if (r == -EAGAIN) {
                        job->attempt--;
                        break; /* the worker is behind; its next report brings us here again */
                }
                if (supervisor_is_lacking(r)) {
                        job->attempt--;
                        set_lacking(s, r);
                        break;
                }
                set_lacking(s, 0);
                supervisor_set_state(s, job, JOB_STARTING);
                job->worker = worker;
                if (r >= 0)
                        /* Needed only after a crash, which must not give it more attempts than others have. */
                        store_note(s->store, job, JOB_STARTING);
                if (r < 0) {
                        _cleanup_free_ char *why = NULL;
                        if (asprintf(&why, "the job could not be handed to a worker: %s", error_text(&e)) < 0)
                                why = NULL;
                        supervisor_finish(s, job, JOB_FAILED,
                                          job_report_own(job, JAIL_SETUP_FAILED, why, pool_worker_name(worker)));
                }
        }
        look_again_later(s);
        s->dispatching = false;
}

/* ---- tenants ---- */

Tenants *supervisor_tenants(const Supervisor *s)
{
        return s->tenants;
}

int supervisor_load_tenants(Supervisor *s, const Config *config, Error *e)
{
        _cleanup_strv_ char **notes = NULL;
        const char *directory = config->tenants_directory, *from = config_origin(config, "tenants_directory");

        /* One that was set and is not there would be one without ceilings. */
        if (from && access(directory, F_OK) < 0)
                return error_errno(e, -errno, "%s: tenants_directory: %s", from, directory);
        int r = tenants_load(s->tenants, directory, &notes, e);

        for (size_t i = 0; notes && notes[i]; i++)
                log_warning("%s", notes[i]);
        for (size_t i = 0; i < tenants_count(s->tenants); i++)
                queue_tenant_changed(&s->queue, tenants_at(s->tenants, i), monotonic_usec());
        return r;
}

/* ---- what clients ask ---- */

bool supervisor_may_see(const Caller *caller, const Job *job)
{
        return caller_may_act(caller, job->tenant->name);
}

int supervisor_find(const Supervisor *s, const Caller *caller, const char *id, Job **ret)
{
        size_t length = strlen(id);
        Job *found = NULL;

        if (length == 0)
                return -ENOENT;
        /* Ids sort: those that start so stand together, the id itself first. */
        size_t i = job_table_after(&s->jobs, id);
        Job *exact = job_table_get(&s->jobs, id);
        if (exact) {
                *ret = exact;
                return supervisor_may_see(caller, exact) ? 0 : -ENOENT;
        }
        for (; i < s->jobs.n && strncmp(s->jobs.jobs[i]->id.text, id, length) == 0; i++) {
                if (!supervisor_may_see(caller, s->jobs.jobs[i]))
                        continue;
                /* Who writes a part of an array's id means the array. */
                if (s->jobs.jobs[i]->member && length <= ID_LENGTH)
                        continue;
                if (found)
                        return -ENOTUNIQ;
                found = s->jobs.jobs[i];
        }
        *ret = found;
        return found ? 0 : -ENOENT;
}

const JobTable *supervisor_jobs(const Supervisor *s)
{
        return &s->jobs;
}

/* A job that runs has ended when its worker says so, and how it did. Written down is at once that it was cancelled, without
 * a time, so that its end can still be: whoever comes after this process does not run it again, and has its worker end it. */
static void note_cancelled(Supervisor *s, const Job *job)
{
        const char *worker = job->worker ? pool_worker_name(job->worker) : NULL;
        _cleanup_free_ char *report = job_report_own(job, JAIL_CANCELLED, "cancelled while it ran", worker);

        store_update(s->store, job, JOB_CANCELLED, report, NULL, NULL);
}

int supervisor_cancel(Supervisor *s, Job *job)
{
        if (job->ended || job_state_is_final(job->state))
                return -EALREADY;
        if (array_is_whole(job)) {
                array_begin_all(job->array);
                for (size_t i = 0; i < job->array->count; i++)
                        supervisor_cancel(s, job->array->members[i]);
                array_end_all(s, job->array);
                if (job->array->ending)
                        array_give_up(s, job->array);
                return 0;
        }
        if (job_state_runs(job->state)) {
                if (job->cancelling)
                        return 0;
                note_cancelled(s, job);
                job->cancelling = true;
                job->requeueing = false;
                if (job->worker)
                        pool_cancel(job->worker, job->id.text, job->attempt);
                return 0;
        }
        supervisor_finish(s, job, JOB_CANCELLED,
                          job_report_own(job, JAIL_CANCELLED,
                                         job->attempt ? "cancelled before its next attempt"
                                                      : "cancelled before it was started",
                                         NULL));
        return 0;
}

void supervisor_pause(Supervisor *s, bool paused, bool draining)
{
        s->paused = paused;
        s->draining = draining;
        store_set(s->store, SETTING_INTAKE,
                  paused && draining ? INTAKE_BOTH
                  : paused           ? INTAKE_PAUSED
                  : draining         ? INTAKE_DRAINING
                                     : "open");
        supervisor_dispatch(s);
}

int supervisor_open_output(Supervisor *s, const Job *job, OutputStream stream, uint64_t attempt)
{
        uint64_t newest = job->attempt > 0 ? job->attempt : 1;

        if (attempt > newest)
                return -ENOENT;
        bool ended = job->ended || job_state_is_final(job->state) || (attempt > 0 && attempt < newest);
        /* Many leave nothing; of one that has, nothing is there no more. */
        if (ended && (job->account.output_bytes > 0 || job->output_gone) && !output_is_there(s->outputs, &job->id))
                return -ENODATA;
        return output_open(s->outputs, &job->id, attempt ? attempt : newest, stream, ended);
}

int supervisor_report(Supervisor *s, const Job *job, uint64_t attempt, char **ret, Error *e)
{
        *ret = NULL;
        if (attempt > job->attempt)
                return 0;
        if (attempt != 0 && (attempt != job->report_attempt || !job_end_is_stored(job)))
                return store_report(s->store, &job->id, attempt, ret, e);
        if (job->report && job_end_is_stored(job) && !(*ret = strdup(job->report)))
                return error_oom(e);
        return 0;
}

const Config *supervisor_config(const Supervisor *s)
{
        return s->config;
}

struct Scaling *supervisor_scaling(Supervisor *s)
{
        return s->scaling;
}

int supervisor_scale(Supervisor *s, uint64_t workers)
{
        return scaling_set_mode(s->scaling, SCALER_FIXED, workers);
}

const char *supervisor_store_trouble(const Supervisor *s)
{
        return s->troubles.texts[TROUBLE_STORE];
}

Troubles *supervisor_troubles(Supervisor *s)
{
        return &s->troubles;
}

const char *supervisor_worker_group(const Supervisor *s, const PoolWorker *worker)
{
        return s->units ? unit_starter_group(s->units, pool_worker_name(worker)) : NULL;
}

const Pool *supervisor_pool(const Supervisor *s)
{
        return s->pool;
}

SupervisorStatus supervisor_status(const Supervisor *s)
{
        return (SupervisorStatus){.workers = pool_size(s->pool).connected,
                                  .queued = s->n_queued,
                                  .running = s->n_running,
                                  .finished = s->n_finished,
                                  .started_usec = s->started_usec,
                                  .paused = s->paused,
                                  .draining = s->draining};
}

void supervisor_close_intake(Supervisor *s)
{
        s->closed = true;
}

void supervisor_set_events(Supervisor *s, const SupervisorEvents *events, void *userdata)
{
        s->events = events;
        s->events_userdata = userdata;
}

void supervisor_judge_room(Supervisor *s)
{
        /* A worker may be lost before there is a pool. */
        if (s->n_unkept == 0 && (!s->pool || pool_unkept(s->pool) == 0))
                trouble_end(&s->troubles, TROUBLE_ROOM);
        else
                trouble_begin(&s->troubles, TROUBLE_ROOM,
                              "%s: there is no room for what jobs have left in /output: they end when there is",
                              s->config->state_directory);
}

/* ---- copies of the state ---- */

void supervisor_drop_backup(Supervisor *s)
{
        if (!s->backup)
                return;
        s->backup = backup_free(s->backup);
        blobs_hold(s->blobs, false);
        retention_hold_outputs(s, false);
}

static void on_backup(int fd, const Error *error, void *userdata)
{
        Supervisor *s = userdata;
        BackupDone done = s->backup_done;

        done(fd, error, s->backup_userdata);
        supervisor_drop_backup(s);
}

int supervisor_backup(Supervisor *s, BackupDone done, void *userdata, Error *e)
{
        if (s->backup)
                return error_set(e, -EBUSY, "a copy of the state is being made: try again later");
        int r = backup_new(s->event, s->config->state_directory, on_backup, s, &s->backup, e);
        if (r < 0)
                return r;
        blobs_hold(s->blobs, true);
        retention_hold_outputs(s, true);
        s->backup_done = done;
        s->backup_userdata = userdata;
        return 0;
}

/* ---- start and end ---- */

/* Processes of our own, or units of systemd. */
static int choose_starter(Supervisor *s, Error *e)
{
        bool units = s->config->workers.start == START_UNITS;
        int r = units ? unit_starter_new(s->event, s->config, &s->troubles, &s->units, e)
                      : embedded_starter_init(&s->starter, s->config, e);

        s->pool_starter = units ? unit_starter_interface(s->units) : &s->starter.starter;
        return r;
}

int supervisor_start(Supervisor *s, Error *e)
{
        PoolOptions pool = {
                .state_directory = s->config->state_directory,
                .starter = s->pool_starter,
                .workers = s->config->workers.minimum,
                .minimum = s->config->workers.minimum,
                .maximum = s->config->workers.maximum,
                .jobs_per_worker = s->config->pool.jobs_per_worker,
        };
        int r = pool_new(s->event, &pool, &attempts_events, s, &s->pool, e);

        if (r < 0)
                return r;
        scaling_keep_warm(s->scaling);
        if (pool_is_settled(s->pool))
                attempts_settle(s);
        return 0;
}

/* Who has paused the engine does not expect it to go on because of a restart. */
static int read_settings(Supervisor *s, Error *e)
{
        _cleanup_free_ char *intake = NULL;
        int r = store_get(s->store, SETTING_INTAKE, &intake, e);

        s->paused = intake && strstr(intake, INTAKE_PAUSED);
        s->draining = intake && strstr(intake, INTAKE_DRAINING);
        return r;
}

int supervisor_new(sd_event *event, Config *config, Supervisor **ret, Error *e)
{
        _cleanup_(supervisor_freep) Supervisor *s = calloc(1, sizeof *s);
        JailPolicy *policy;
        int r;

        if (!s)
                return error_oom(e);
        *s = (Supervisor){.event = event, .lock = -1, .outputs = -1, .config = config, .started_usec = realtime_usec()};
        STAILQ_INIT(&s->awaited);
        TAILQ_INIT(&s->ended);
        resources_set_total(&s->queue.resources, config->pool.memory_bytes, config->pool.cpu_overcommit_milli);
        host_check_limits(config, &s->troubles);
        s->policy_directories = place_policies(e);
        if (!s->policy_directories)
                return error_oom(e);
        if ((r = supervisor_find_policy(s, config->default_policy, &policy, e)) < 0)
                return error_prefix(e, "default_policy"), r;
        jail_policy_unref(policy);
        if (tenants_new(&s->tenants) < 0)
                return error_oom(e);
        if ((r = supervisor_load_tenants(s, config, e)) < 0)
                return r;
        if ((r = s->lock = state_directory_lock(config->state_directory, e)) < 0 ||
            (r = s->outputs = output_directory_new(config->state_directory, e)) < 0 ||
            (r = blobs_new(event, config->state_directory, &s->blobs, e)) < 0 ||
            (r = store_open(event, config->state_directory, &s->troubles, &s->store, e)) < 0 || (r = read_settings(s, e)) < 0 ||
            (r = recovery_run(s, e)) < 0 || (r = scaling_new(s, &s->scaling, e)) < 0 || (r = choose_starter(s, e)) < 0)
                return r;
        *ret = take(s);
        return 0;
}

void supervisor_leave_workers(Supervisor *s)
{
        s->leaving = true;
}

/* What has not ended is for the next supervisor, and was not the fault of the job. Its worker may have been packing what it
 * has left. */
static void give_back(Supervisor *s, Job *job)
{
        _cleanup_free_ char *report = job_report_own(job, JAIL_CANCELLED, "the supervisor ended before the job did", NULL);

        output_drop_files(s->outputs, &job->id, job->attempt);
        account_add_output(job, output_size(s->outputs, &job->id, job->attempt));
        store_update(s->store, job, JOB_QUEUED, report, NULL, NULL);
}

Supervisor *supervisor_free(Supervisor *s)
{
        bool ending = s->pool && !s->leaving; /* without a pool: a start that failed, and workers go on */

        s->events = NULL;
        s->scaling = scaling_free(s->scaling);
        if (s->pool)
                s->pool = pool_free(s->pool, s->leaving);
        for (size_t i = 0; ending && i < s->jobs.n; i++) {
                Job *job = s->jobs.jobs[i];
                if (!job->ended && job_state_runs(job->state) && !array_is_whole(job) && !job->cancelling)
                        give_back(s, job);
        }
        supervisor_drop_backup(s);
        if (s->store)
                store_close(s->store);
        if (s->blobs)
                blobs_free(s->blobs);
        stored_end(s);
        submissions_end(s);
        inputs_end(s);
        sd_event_source_disable_unref(s->retention);
        cache_end(s);
        submission_forget_keys(s);
        job_table_done(&s->jobs);
        queue_done(&s->queue);
        sd_event_source_disable_unref(s->look_again);
        sd_event_source_disable_unref(s->collect_again);
        if (s->tenants)
                tenants_free(s->tenants);
        known_policies_free(s->policies);
        strv_free(s->policy_directories);
        troubles_done(&s->troubles);
        embedded_starter_done(&s->starter);
        unit_starter_freep(&s->units);
        close_fd(s->outputs);
        close_fd(s->lock);
        free(s);
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.skep.Engine1.Manager */

#include "engine/supervisor/bus_private.h"

#include "engine/base/strv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define IDS_PER_WAIT 20000
#define AWAITED_PER_USER 200000

char *bus_path_of_job(const Job *job)
{
        char *path = NULL;

        return asprintf(&path, BUS_JOB_PATH "/%s", job->id.text) < 0 ? NULL : path;
}

/* By its id, or a start of it; asks polkit where it is another's. 1: it is there; 0 and negative as bus_authorize(). */
static int find_job(BusLink *link, sd_bus_message *m, const char *id, sd_bus_message_handler_t again, Job **ret)
{
        static const Caller all = {.root = true};
        int r = supervisor_find(bus_supervisor(link), &link->client->caller, id, ret);

        /* Whether there is one or not: by the time that an answer takes, nobody is to learn of a job of others. */
        if (r == -ENOENT) {
                if ((r = bus_authorize(link, m, ACTION_MANAGE_JOBS, again)) <= 0)
                        return r;
                r = supervisor_find(bus_supervisor(link), &all, id, ret);
        }
        if (r == -ENOTUNIQ)
                r = sd_bus_reply_method_errorf(m, BUS_ERROR("NoSuchJob"),
                                               "more than one job's id starts so: write more of it");
        else if (r < 0)
                r = sd_bus_reply_method_errorf(m, BUS_ERROR("NoSuchJob"), "there is no such job");
        else
                return 1;
        return r < 0 ? r : 0;
}

/* For methods whose one argument is the id of a job. */
static int read_job(BusLink *link, sd_bus_message *m, sd_bus_message_handler_t again, Job **ret)
{
        const char *id;
        int r = sd_bus_message_read(m, "s", &id);

        return r < 0 ? r : find_job(link, m, id, again, ret);
}

/* ---- jobs ---- */

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;
        Job *job;
        int r = read_job(link, m, method_cancel, &job);

        if (r <= 0)
                return r < 0 ? r : 1;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        /* Who cancels what has just ended has got what he wanted. */
        supervisor_cancel(bus_supervisor(link), job);
        return bus_pending_store(p);
}

static int method_hold(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        Supervisor *supervisor = bus_supervisor(link);
        const char *member = sd_bus_message_get_member(m);
        Job *job;
        int r = read_job(link, m, method_hold, &job);

        if (r <= 0)
                return r < 0 ? r : 1;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        r = strcmp(member, "Requeue") == 0 ? supervisor_requeue(supervisor, job, &e)
                                           : supervisor_hold(supervisor, job, strcmp(member, "Hold") == 0);
        if (r >= 0)
                return bus_pending_store(p);
        bus_pending_free(p);
        if (r != -EALREADY)
                return bus_reply_error(m, &e);
        return sd_bus_reply_method_errorf(m, BUS_ERROR("WrongState"), "job %s has ended, and stays as it is: submit it again",
                                          job->id.text);
}

static int method_forget(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;
        Job *job;
        int r = read_job(link, m, method_forget, &job);

        if (r <= 0)
                return r < 0 ? r : 1;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        r = supervisor_forget(bus_supervisor(link), job);
        if (r >= 0)
                return bus_pending_store(p);
        bus_pending_free(p);
        if (r == -EXDEV)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("WrongState"),
                                                  "job %s is a member of an array, and goes with it", job->id.text);
        if (r == -ENOTEMPTY)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("WrongState"),
                                                  "job %s stays until those that run after it "
                                                  "have ended",
                                                  job->id.text);
        return sd_bus_reply_method_errorf(m, BUS_ERROR("WrongState"), "job %s has not ended: cancel it first", job->id.text);
}

static int method_get_job(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        Job *job;
        int r = read_job(userdata, m, method_get_job, &job);

        if (r <= 0)
                return r < 0 ? r : 1;
        _cleanup_free_ char *path = bus_path_of_job(job);
        return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}

/* The ids are looked at one by one, and so are never all copied. They are whole ones: of a start of some, all jobs that start so
 * are looked at, and a call may have thousands. Returns as bus_authorize() does. */
static int read_awaited(BusLink *link, sd_bus_message *m, Job **jobs, size_t room, size_t *n);

static int method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;
        uint64_t timeout_usec, used = link->client->user->n_awaited;
        size_t room = used < AWAITED_PER_USER ? AWAITED_PER_USER - used : 0, n = 0;
        _cleanup_free_ Job **jobs = NULL;

        if (room > IDS_PER_WAIT)
                room = IDS_PER_WAIT;
        jobs = calloc(room + 1, sizeof *jobs);
        if (!jobs)
                return -ENOMEM;
        int r = read_awaited(link, m, jobs, room, &n);
        if (r > 0)
                r = sd_bus_message_read(m, "t", &timeout_usec);
        return r <= 0 ? (r < 0 ? r : 1) : bus_pending_wait(link->client, m, jobs, n, timeout_usec);
}

static int read_awaited(BusLink *link, sd_bus_message *m, Job **jobs, size_t room, size_t *n)
{
        const char *id;
        int r = sd_bus_message_enter_container(m, 'a', "s");

        while (r >= 0 && (r = sd_bus_message_read(m, "s", &id)) > 0) {
                if (*n == room) {
                        r = sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                       "at most %d ids for each call, and %d for each user",
                                                       IDS_PER_WAIT, AWAITED_PER_USER);
                        return r < 0 ? r : 0;
                }
                if (!id_is_valid(id)) {
                        r = sd_bus_reply_method_errorf(m, BUS_ERROR("NoSuchJob"),
                                                       "there is no such job: ids to wait for are whole ones");
                        return r < 0 ? r : 0;
                }
                if ((r = find_job(link, m, id, method_wait, &jobs[*n])) <= 0)
                        return r;
                (*n)++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;

        link->client->subscribed = true;
        return sd_bus_reply_method_return(m, NULL);
}

/* ---- the engine ---- */

/* Pause, Resume, Drain: for all tenants, so not for one. A pause opens no intake that was closed. */
static int method_pause(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        static const char *const changed[] = {"Paused", "Draining", NULL};
        const char *member = sd_bus_message_get_member(m);
        BusLink *link = userdata;
        int r = bus_authorize(link, m, ACTION_MANAGE_POOL, method_pause);

        if (r <= 0)
                return r < 0 ? r : 1;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        bool pause = strcmp(member, "Pause") == 0, draining = supervisor_status(bus_supervisor(link)).draining;
        supervisor_pause(bus_supervisor(link), pause, strcmp(member, "Drain") == 0 || (pause && draining));
        bus_signal_changed(link->owner, changed);
        return bus_pending_store(p);
}

static int method_scale(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        static const char *const changed[] = {"PoolTarget", NULL};
        BusLink *link = userdata;
        const PoolSize size = pool_size(supervisor_pool(bus_supervisor(link)));
        uint32_t workers;
        int r = bus_authorize(link, m, ACTION_MANAGE_POOL, method_scale);

        if (r <= 0)
                return r < 0 ? r : 1;
        if ((r = sd_bus_message_read(m, "u", &workers)) < 0)
                return r;
        if (supervisor_scale(bus_supervisor(link), workers) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS,
                                                  "the pool may have %" PRIu64 " to %" PRIu64
                                                  " workers, as workers.minimum and workers.maximum say",
                                                  size.minimum, size.maximum);
        bus_signal_changed(link->owner, changed);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **later = NULL;
        BusLink *link = userdata;
        int r = bus_authorize(link, m, ACTION_CONFIGURE, method_reload);

        if (r <= 0)
                return r < 0 ? r : 1;
        if (supervisor_reload(bus_supervisor(link), &later, &e) < 0)
                return bus_reply_error_as(m, SD_BUS_ERROR_INVALID_ARGS, &e);
        return bus_reply_strings(m, later);
}

static void on_backup(int fd, const Error *error, void *userdata)
{
        BusPending *p = userdata;

        if (fd >= 0)
                sd_bus_reply_method_return(p->message, "h", fd);
        else
                bus_reply_error(p->message, error);
        close_fd(fd);
        p->is_backup = false; /* it is over */
        bus_pending_free(p);
}

static int method_backup(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        int r = bus_authorize(link, m, ACTION_CONFIGURE, method_backup);

        if (r <= 0)
                return r < 0 ? r : 1;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        r = supervisor_backup(bus_supervisor(link), on_backup, p, &e);
        p->is_backup = r >= 0;
        if (r >= 0)
                return 1;
        bus_pending_free(p);
        return sd_bus_reply_method_errorf(m, r == -EBUSY ? SD_BUS_ERROR_LIMITS_EXCEEDED : BUS_ERROR("StoreFailed"),
                                          "%s", error_text(&e));
}

static int method_get_config(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_free_ char *text = config_show(supervisor_config(bus_supervisor(userdata)));

        return text ? sd_bus_reply_method_return(m, "s", text) : -ENOMEM;
}

static int get_version(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata _unused_,
                       sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", SKEP_VERSION);
}

static int get_count(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                     const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const SupervisorStatus status = supervisor_status(bus_supervisor(userdata));
        const PoolSize size = pool_size(supervisor_pool(bus_supervisor(userdata)));
        const struct {
                const char *name;
                uint64_t value;
        } counts[] = {
                {"Workers", status.workers},   {"Queued", status.queued},     {"Running", status.running},
                {"Finished", status.finished}, {"PoolMinimum", size.minimum}, {"PoolMaximum", size.maximum},
                {"PoolTarget", size.target},
        };

        for (size_t i = 0; i < ELEMENTS(counts); i++)
                if (strcmp(counts[i].name, property) == 0)
                        return sd_bus_message_append(reply, "u", (uint32_t)counts[i].value);
        return -ENOENT;
}

static int get_flag(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const SupervisorStatus status = supervisor_status(bus_supervisor(userdata));

        return sd_bus_message_append(reply, "b", (int)(property[0] == 'P' ? status.paused : status.draining));
}

static int get_started(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "t", supervisor_status(bus_supervisor(userdata)).started_usec);
}

static int get_troubles(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                        const char *property _unused_, sd_bus_message *reply, void *userdata,
                        sd_bus_error *error _unused_)
{
        const Troubles *troubles = supervisor_troubles(bus_supervisor(userdata));
        int r = sd_bus_message_open_container(reply, 'a', "s");

        for (TroubleKind kind = 0; r >= 0 && kind < TROUBLE_KIND_MAX; kind++)
                if (troubles->texts[kind])
                        r = sd_bus_message_append(reply, "s", troubles->texts[kind]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Who may do what is decided in the methods. */
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED
#define ID SD_BUS_ARGS("s", id)

const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Submit", SD_BUS_ARGS("s", spec, "a(sh)", inputs), SD_BUS_RESULT("s", id, "o", job),
                                bus_method_submit, OPEN),
        SD_BUS_METHOD_WITH_ARGS("AddInput", SD_BUS_ARGS("h", file), SD_BUS_RESULT("s", digest), bus_method_add_input,
                                OPEN),
        SD_BUS_METHOD_WITH_ARGS("SubmitBatch", SD_BUS_ARGS("a(sa(ss))", specs_with_named_digests),
                                SD_BUS_RESULT("as", ids), bus_method_submit_batch, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Cancel", ID, SD_BUS_NO_RESULT, method_cancel, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Hold", ID, SD_BUS_NO_RESULT, method_hold, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Release", ID, SD_BUS_NO_RESULT, method_hold, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Requeue", ID, SD_BUS_NO_RESULT, method_hold, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Forget", ID, SD_BUS_NO_RESULT, method_forget, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetJob", ID, SD_BUS_RESULT("o", job), method_get_job, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListJobs", SD_BUS_ARGS("a{sv}", filter, "s", cursor, "u", limit),
                                SD_BUS_RESULT("aa{sv}", jobs, "s", next), bus_method_list_jobs, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListTenants", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", tenants),
                                bus_method_list_tenants, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListPolicies", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", policies),
                                bus_method_list_policies, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("as", ids, "t", timeout_usec), SD_BUS_RESULT("a(ss)", ended),
                                method_wait, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_subscribe, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Scale", SD_BUS_ARGS("u", workers), SD_BUS_NO_RESULT, method_scale, OPEN),
        SD_BUS_METHOD_WITH_ARGS("SetScaler", SD_BUS_ARGS("s", mode), SD_BUS_NO_RESULT, bus_method_set_scaler, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Forecast", SD_BUS_ARGS("u", minutes), SD_BUS_RESULT("a(tddd)", bands),
                                bus_method_forecast, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetScalingReport", SD_BUS_ARGS("u", minutes), SD_BUS_RESULT("s", report),
                                bus_method_scaling_report, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("as", needs_restart), method_reload, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Backup", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", archive), method_backup, OPEN),
        SD_BUS_METHOD_WITH_ARGS("GetConfig", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", config), method_get_config, OPEN),
        SD_BUS_SIGNAL_WITH_ARGS("JobNew", SD_BUS_ARGS("s", id), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobFinished", SD_BUS_ARGS("s", id, "s", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Scaled", SD_BUS_ARGS("u", from, "u", to, "s", why), 0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartedUSec", "t", get_started, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Workers", "u", get_count, 0, 0),
        SD_BUS_PROPERTY("Scaler", "s", bus_get_scaler, 0, 0),
        SD_BUS_PROPERTY("PoolTarget", "u", get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PoolMinimum", "u", get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("PoolMaximum", "u", get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Queued", "u", get_count, 0, 0),
        SD_BUS_PROPERTY("Running", "u", get_count, 0, 0),
        SD_BUS_PROPERTY("Finished", "u", get_count, 0, 0),
        SD_BUS_PROPERTY("Paused", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Draining", "b", get_flag, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Troubles", "as", get_troubles, 0, 0),
        SD_BUS_VTABLE_END,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The result cache: a job that asks for it ("cache": "24h"), and that is the same as one of its tenant that has
 * succeeded in that time, is not run, but has the other's report and output (the same files, by hard links; but copies,
 * where somebody has opened a file before, to watch it).
 *
 * The same is what has the same digest: of everything that the run order says, in whatever order that was named, and of
 * the state of the root that it would run over, as far as one can tell that from its packages. What a job had from those
 * that it ran after is known by the job that made it. A result that came from the cache counts as the one that it came
 * from, so that whole chains are found again.
 *
 * Jobs that are the same and wait at the same time: the first leads, the others follow it outside of the queue. When it
 * has succeeded, they have its result; when not, the next of them leads. One that comes with a higher priority leads in
 * its place, as long as that has not been started. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/base/pack.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "engine/supervisor/job_report.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct CacheEntry {
        char digest[DIGEST_HEX_SIZE];
        Job *origin; /* that has succeeded; or NULL */
        Job *leader; /* that waits or runs; or NULL */
        struct JobList followers;
} CacheEntry;

/* ---- what is the same ---- */

static const char *const package_databases[] = {
        "/var/lib/dpkg/status",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "/var/lib/rpm/rpmdb.sqlite",
};

static void pack_stat(Packer *p, const struct stat *st)
{
        pack_number(p, st->st_dev);
        pack_number(p, st->st_ino);
        pack_number(p, (uint64_t)st->st_size);
        pack_number(p, (uint64_t)st->st_mtim.tv_sec);
        pack_number(p, (uint64_t)st->st_mtim.tv_nsec);
}

static int pack_host(Packer *p, Error *e)
{
        bool any = false;
        struct stat st;

        for (size_t i = 0; i < ELEMENTS(package_databases); i++)
                if (stat(package_databases[i], &st) == 0) {
                        pack_stat(p, &st);
                        any = true;
                }
        return any ? 0 : error_set(e, -EINVAL, "cache: this host has no database of packages to know its state by");
}

/* An image is replaced as a whole; in a directory, anything could have changed. */
static int pack_root(Packer *p, const JailPolicy *policy, Error *e)
{
        const char *root = jail_policy_root(policy);
        _cleanup_free_ char *images = NULL, *path = NULL;
        struct stat st;

        if (strcmp(root, "host") == 0)
                return pack_host(p, e);
        if (root[0] != '/' && !(images = place_images(e)))
                return -ENOMEM;
        if (asprintf(&path, "%s%s%s", images ? images : "", images ? "/" : "", root) < 0) {
                path = NULL;
                return error_oom(e);
        }
        if (stat(path, &st) < 0)
                return error_set(e, -EINVAL, "cache: the root %s: %s", path, strerror(errno));
        if (!images && S_ISDIR(st.st_mode))
                return error_set(
                        e, -EINVAL,
                        "cache: the root of policy %s is a directory, and one cannot tell whether it has changed",
                        jail_policy_name(policy));
        pack_stat(p, &st);
        return 0;
}

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Where the order has no meaning. */
static int pack_sorted(Packer *p, char *const *texts)
{
        _cleanup_strv_ char **sorted = NULL;

        if (strv_copy(texts, &sorted) < 0)
                return -ENOMEM;
        if (sorted)
                qsort(sorted, strv_length(sorted), sizeof *sorted, compare_texts);
        pack_strings(p, sorted);
        return 0;
}

static const char *origin_of(const Job *job)
{
        return job->origin ? job->origin : job->id.text;
}

/* Each is a file of its name, whichever was named first. */
static int pack_inputs(Packer *p, const Job *source)
{
        _cleanup_strv_ char **inputs = NULL;

        for (size_t i = 0; i < source->n_inputs; i++)
                if (strv_addf(&inputs, "%s=%s", source->inputs[i].name, source->inputs[i].blob) < 0)
                        return -ENOMEM;
        return pack_sorted(p, inputs);
}

static int pack_after(Packer *p, const Supervisor *s, const JobSpec *spec)
{
        _cleanup_strv_ char **after = NULL;

        for (size_t i = 0; i < spec->n_after; i++) {
                const Job *parent = job_table_get(&s->jobs, spec->after[i].id);
                if (strv_addf(&after, "%s=%s", spec->after[i].name, parent ? origin_of(parent) : "") < 0)
                        return -ENOMEM;
        }
        return pack_sorted(p, after);
}

static int make_digest(const Supervisor *s, const Job *job, char ret[static DIGEST_HEX_SIZE])
{
        _cleanup_packer_ Packer p = {0};
        const JobSpec *spec = &job->spec;
        JailLimits limits = spec->limits;
        int r = pack_root(&p, job->policy, NULL);

        pack_string(&p, job->tenant->name);
        pack_string(&p, jail_policy_digest(job->policy));
        pack_number(&p, s->config->allow_missing);
        pack_strings(&p, spec->command);
        pack_string(&p, spec->working_directory);
        pack_string(&p, spec->stdin_text);
        jail_limits_default(&limits, jail_policy_limits(job->policy));
        pack_bytes(&p, &limits, sizeof limits);
        pack_string(&p, job->member ? job->id.text + ID_LENGTH : NULL);
        if (r < 0 || (r = pack_sorted(&p, spec->environment)) < 0 || (r = pack_sorted(&p, spec->labels)) < 0 ||
            (r = pack_inputs(&p, array_source(job))) < 0 || (r = pack_after(&p, s, spec)) < 0)
                return r;
        if (p.failed)
                return -ENOMEM;
        digest_hex(p.data, p.size, ret);
        return 0;
}

int cache_check(const Job *job, Error *e)
{
        _cleanup_packer_ Packer p = {0};

        return job->spec.cache_usec ? pack_root(&p, job->policy, e) : 0;
}

/* ---- entries ---- */

static int compare_entries(const void *a, const void *b)
{
        return strcmp(((const CacheEntry *)a)->digest, ((const CacheEntry *)b)->digest);
}

static CacheEntry *find_entry(const Supervisor *s, const Job *job)
{
        CacheEntry key, *const *known;

        if (!job->digest || strlen(job->digest) >= sizeof key.digest)
                return NULL;
        memcpy(key.digest, job->digest, strlen(job->digest) + 1);
        known = tfind(&key, &s->cache, compare_entries);
        return known ? *known : NULL;
}

static CacheEntry *find_or_make_entry(Supervisor *s, const Job *job)
{
        CacheEntry *entry = find_entry(s, job);

        if (entry || strlen(job->digest) >= sizeof entry->digest || !(entry = calloc(1, sizeof *entry)))
                return entry;
        memcpy(entry->digest, job->digest, strlen(job->digest) + 1);
        TAILQ_INIT(&entry->followers);
        if (!tsearch(entry, &s->cache, compare_entries)) {
                free(entry);
                return NULL;
        }
        return entry;
}

static void free_unneeded(Supervisor *s, CacheEntry *entry)
{
        if (entry->origin || entry->leader || !TAILQ_EMPTY(&entry->followers))
                return;
        tdelete(entry, &s->cache, compare_entries);
        free(entry);
}

void cache_end(Supervisor *s)
{
        tdestroy(s->cache, free);
        s->cache = NULL;
}

/* ---- hits ---- */

static char *make_report(const Job *origin, uint64_t attempt)
{
        _cleanup_json_ json_object *report = NULL;

        if (!origin->report || json_parse_text(origin->report, strlen(origin->report), &report, NULL) < 0)
                return NULL;
        return job_report_cached(report, attempt, origin_of(origin));
}

/* The output that the report speaks of. */
static bool has_output(const Supervisor *s, const Job *origin)
{
        static const char *const keys[] = {[OUTPUT_STDOUT] = "stdout_bytes",
                                           [OUTPUT_STDERR] = "stderr_bytes",
                                           [OUTPUT_FILES] = "files_bytes"};
        _cleanup_json_ json_object *report = NULL;

        if (!origin->report || json_parse_text(origin->report, strlen(origin->report), &report, NULL) < 0)
                return false;
        for (OutputStream stream = 0; stream < ELEMENTS(keys); stream++) {
                json_object *bytes = NULL;
                if (json_object_object_get_ex(report, keys[stream], &bytes) &&
                    output_file_size(s->outputs, &origin->id, origin->attempt, stream) < (uint64_t)json_object_get_int64(bytes))
                        return false;
        }
        return true;
}

/* Gives a job the result of another. False where that is too old (but not that for which it has waited), or not there any
 * more. */
static bool hit(Supervisor *s, Job *job, const Job *origin)
{
        uint64_t now = realtime_usec();

        /* A worker may run it, of whom we do not know yet, and write where the result would be linked to. Without room for
         * it, it waits for that as every job does. */
        if (!s->settled || !origin || !tenant_has_output_room(job->tenant) ||
            (now - origin->finished_usec > job->spec.cache_usec && !job->followed))
                return false;
        _cleanup_free_ char *report = make_report(origin, job->attempt + 1), *name = strdup(origin_of(origin));
        if (!report || !name || !has_output(s, origin) ||
            output_link(s->outputs, &origin->id, origin->attempt, &job->id, job->attempt + 1) < 0)
                return false;
        job->attempt++;
        job->started_usec = now;
        array_started(job);
        free(job->origin);
        job->origin = take(name);
        account_add_output(job, output_size(s->outputs, &job->id, job->attempt));
        supervisor_finish(s, job, JOB_SUCCEEDED, take(report));
        return true;
}

void cache_unfollow(Supervisor *s, Job *job)
{
        CacheEntry *entry = job->follows ? find_entry(s, job) : NULL;

        if (entry)
                TAILQ_REMOVE(&entry->followers, job, queue);
        job->follows = false;
}

/* Those that followed find a result now, or one of them leads. */
static void go_on_without(Supervisor *s, CacheEntry *entry)
{
        struct JobList followers = TAILQ_HEAD_INITIALIZER(followers);
        const bool succeeded = entry->origin == entry->leader;

        entry->leader = NULL;
        TAILQ_CONCAT(&followers, &entry->followers, queue);
        while (!TAILQ_EMPTY(&followers)) {
                Job *job = TAILQ_FIRST(&followers);
                TAILQ_REMOVE(&followers, job, queue);
                job->follows = false;
                job->followed = succeeded;
                supervisor_enter_queue(s, job);
                job->followed = false;
        }
        free_unneeded(s, entry);
}

void cache_leave(Supervisor *s, Job *job)
{
        CacheEntry *entry = find_entry(s, job);

        cache_unfollow(s, job);
        if (entry && entry->leader == job)
                go_on_without(s, entry);
}

/* The root may have changed since a job came here the last time: then others are the same as it is, and those that
 * follow it go on without it. False where it cannot be known. */
static bool renew_digest(Supervisor *s, Job *job)
{
        char digest[DIGEST_HEX_SIZE];
        bool known = make_digest(s, job, digest) >= 0;

        if (known && job->digest && strcmp(job->digest, digest) == 0)
                return true;
        cache_leave(s, job);
        free(job->digest);
        job->digest = known ? strdup(digest) : NULL;
        return job->digest;
}

void cache_lead(Supervisor *s, Job *job)
{
        CacheEntry *entry = job->digest ? find_or_make_entry(s, job) : NULL;
        Job *before = entry ? entry->leader : NULL;

        if (!entry || before == job || (before && job_state_runs(before->state)))
                return;
        entry->leader = job;
        if (!before || !before->in_queue)
                return;
        queue_remove(&s->queue, before);
        TAILQ_INSERT_HEAD(&entry->followers, before, queue);
        before->follows = true;
}

/* It would stand behind all that its leader stands behind. */
static bool is_more_urgent(const Job *job, const Job *leader)
{
        return !job_state_runs(leader->state) && job->spec.priority > leader->spec.priority;
}

bool cache_enter(Supervisor *s, Job *job)
{
        if (!job->spec.cache_usec || !job->policy || !renew_digest(s, job))
                return false;
        CacheEntry *entry = find_or_make_entry(s, job);
        if (!entry)
                return false;
        if (hit(s, job, entry->origin))
                return true;
        if (entry->leader && entry->leader != job && !is_more_urgent(job, entry->leader)) {
                TAILQ_INSERT_TAIL(&entry->followers, job, queue);
                job->follows = true;
                return true;
        }
        cache_lead(s, job);
        return false;
}

void cache_settled(Supervisor *s)
{
        for (size_t i = 0; i < s->jobs.n; i++) {
                Job *job = s->jobs.jobs[i];
                const CacheEntry *entry = job->in_queue || job->follows ? find_entry(s, job) : NULL;
                if (!entry || !entry->origin)
                        continue;
                queue_remove(&s->queue, job);
                cache_leave(s, job);
                supervisor_enter_queue(s, job);
        }
}

void cache_ended(Supervisor *s, Job *job)
{
        CacheEntry *entry =
                job->digest && job->state == JOB_SUCCEEDED && !job->origin ? find_or_make_entry(s, job) : NULL;

        if (entry)
                entry->origin = job;
        cache_leave(s, job);
}

void cache_forget(Supervisor *s, Job *job)
{
        CacheEntry *entry = find_entry(s, job);

        if (!entry || entry->origin != job)
                return;
        entry->origin = NULL;
        free_unneeded(s, entry);
}

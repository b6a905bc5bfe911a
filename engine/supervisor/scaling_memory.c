/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the scaler has learnt, through restarts: its state, as the store has it. Where there is none that can be read – this
 * is another version, or it is damaged – all is learnt again from the load that is kept, by a second scaler, and while the
 * supervisor has nothing else to do: some seconds of it. Until then, the pool is sized by one that knows nothing yet, and
 * so reacts. */

#include "engine/supervisor/scaling_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/supervisor/load_store.h"

#include <math.h>
#include <string.h>

#define NAME "pool"
#define MINUTES_SEC (14 * 86400)  /* so long the load is kept in minutes */
#define POLICIES_SEC (15 * 86400) /* and by policies */

/* ---- the state ---- */

/* What was measured goes before it: the state is one for these. */
void scaling_save(Scaling *s)
{
        _cleanup_packer_ Packer state = {0};

        s->steps = 0;
        if (s->pupil)
                return; /* it will know more */
        pack_number(&state, (uint64_t)(s->settings.start_delay_sec * 1000));
        pack_number(&state, (uint64_t)(s->job_sec * 1000000));
        scaler_save(s->scaler, &state);
        if (!state.failed)
                load_store_keep_learnt(s->supervisor->store, NAME, state.data, state.size);
}

static bool restore(Scaling *s, const void *data, size_t size)
{
        Unpacker u = {.next = data, .left = size};
        double start_delay_sec = s->settings.start_delay_sec;

        s->settings.start_delay_sec = fmin((double)unpack_number(&u) / 1000, SCALING_START_MAX_SEC);
        s->job_sec = fmin((double)unpack_number(&u) / 1000000, SCALING_JOB_MAX_SEC);
        scaling_measure(s);
        if (!u.failed && scaler_restore(s->scaler, u.next, u.left) >= 0)
                return true;
        s->settings.start_delay_sec = start_delay_sec;
        s->job_sec = 0;
        scaling_measure(s);
        return false;
}

/* ---- the load ---- */

void scaling_note(Scaling *s, int64_t time_sec, uint64_t arrivals)
{
        if (s->n_lessons == s->lessons_room) {
                size_t room = s->lessons_room ? s->lessons_room * 2 : 4096;
                Lesson *lessons = reallocarray(s->lessons, room, sizeof *lessons);
                if (!lessons)
                        return; /* a gap */
                s->lessons = lessons;
                s->lessons_room = room;
        }
        s->lessons[s->n_lessons++] = (Lesson){time_sec, arrivals};
}

void scaling_forget_pupil(Scaling *s)
{
        s->pupil = scaler_free(s->pupil);
        free(s->lessons);
        s->lessons = NULL;
        s->n_lessons = s->lessons_room = s->lesson = 0;
}

bool scaling_learn(Scaling *s)
{
        if (scaler_train(s->pupil ? s->pupil : s->scaler))
                return true;
        if (!s->pupil)
                return false;
        if (s->lesson < s->n_lessons) {
                const Lesson *lesson = &s->lessons[s->lesson++];
                scaler_observe(s->pupil, lesson->time_sec, (double)lesson->arrivals);
                return true;
        }
        scaler_set(s->pupil, &s->settings, NULL);
        scaler_free(s->scaler);
        s->scaler = take(s->pupil);
        scaling_forget_pupil(s);
        scaling_save(s);
        return false;
}

/* As scaling_ended() has it, for so many jobs of the same time. */
static void know_job_time(Scaling *s, const LoadCounts *c)
{
        double part = 1 - pow(1 - 1.0 / SCALING_JOB_SEC_OF_LAST, (double)c->ended);

        if (c->ended == 0)
                return;
        double sec = (double)c->service_usec / (double)c->ended / USEC_PER_SECOND;
        s->job_sec = s->job_sec > 0 ? s->job_sec + (sec - s->job_sec) * part : sec;
}

/* What came since the state was written. */
static void follow(const LoadStep *step, void *userdata)
{
        Scaling *s = userdata;

        know_job_time(s, &step->counts);
        scaler_observe(s->scaler, step->time_sec, (double)step->counts.arrivals);
        while (scaler_train(s->scaler))
                ;
}

static void note(const LoadStep *step, void *userdata)
{
        know_job_time(userdata, &step->counts);
        scaling_note(userdata, step->time_sec, step->counts.arrivals);
}

static void learn_again(Scaling *s, int64_t now_sec, bool of_another_version)
{
        _cleanup_error_ Error e = ERROR_NULL;

        load_store_each(s->supervisor->store, LOAD_MINUTE, now_sec - MINUTES_SEC, note, s);
        scaling_measure(s);
        /* Out of memory: it begins with nothing. */
        if (s->n_lessons == 0 || scaler_new(&s->pupil, &s->settings, &e) < 0) {
                scaling_forget_pupil(s);
                return;
        }
        if (of_another_version)
                log_info("what the scaler had learnt is of another version: it learns again from the load of %zu minutes",
                         s->n_lessons);
}

/* ---- the policies ---- */

static void remember_policy(const PolicyMinute *m, void *userdata)
{
        bursts_remember_policy(&((Scaling *)userdata)->bursts, m->policy, m->time_sec);
}

static void remember_minute(const LoadStep *step, void *userdata)
{
        bursts_remember_minute(&((Scaling *)userdata)->bursts, step->time_sec);
}

static void remember_burst(const PolicyMinute *m, void *userdata)
{
        bursts_remember(&((Scaling *)userdata)->bursts, m);
}

/* Rows are of what came; that nothing came is known from the load of all. */
static void remember_policies(Scaling *s, int64_t now_sec)
{
        Store *store = s->supervisor->store;

        load_store_each_policy(store, true, now_sec - POLICIES_SEC, remember_policy, s);
        if (s->bursts.n == 0)
                return;
        load_store_each(store, LOAD_MINUTE, now_sec - POLICIES_SEC, remember_minute, s);
        load_store_each_policy(store, false, now_sec - POLICIES_SEC, remember_burst, s);
        s->bursts.next = now_sec / 60;
}

void scaling_remember(Scaling *s)
{
        int64_t now_sec = (int64_t)(realtime_usec() / USEC_PER_SECOND);
        Store *store = s->supervisor->store;
        _cleanup_free_ void *learnt = NULL;
        size_t size = 0;
        bool kept = load_store_learnt(store, NAME, &learnt, &size) >= 0;

        if (kept && restore(s, learnt, size))
                load_store_each(store, LOAD_MINUTE, scaler_next_sec(s->scaler), follow, s);
        else
                learn_again(s, now_sec, kept);
        remember_policies(s, now_sec);
}

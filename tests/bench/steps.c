/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/steps.h"

#include "engine/base/clock.h"

static const char *const names[STEPS_MAX] = {
        [STEP_ASKED] = "the caller: checks, the plan, pipes",
        [STEP_RECEIVED] = "the launcher wakes",
        [STEP_CGROUP] = "plan read, range of ids, cgroup with its limits",
        [STEP_SOURCES] = "clones of inputs and binds",
        [STEP_NAMESPACES] = "clone3, until the first process runs",
        [STEP_DESCRIPTORS] = "leaving the caller: signals, descriptors, session",
        [STEP_CGROUP_NAMESPACE] = "cgroup namespace",
        [STEP_SKELETON] = "root: the launcher's part: tmpfs and skeleton",
        [STEP_SYSTEM] = "root: /usr, parts of /etc",
        [STEP_DEVICES] = "root: /dev",
        [STEP_PROC] = "root: /proc and what hides in it",
        [STEP_PLACES] = "root: writable places, inputs, binds, limits",
        [STEP_PIVOT] = "pivot, old root detached",
        [STEP_HOST_NAME] = "host name",
        [STEP_BUILT] = "the launcher is told",
        [STEP_USER_NAMESPACE] = "the launcher's part: user and network namespace",
        [STEP_ARCHIVES] = "archives",
        [STEP_REAPER] = "reaper: keyring, Landlock rules",
        [STEP_CAPABILITIES] = "job: limits, ids, capabilities",
        [STEP_LANDLOCK] = "job: Landlock",
        [STEP_EXECUTED] = "job: filter, exec",
        [STEP_STARTED] = "the launcher hears of it",
        [STEP_ENDED] = "the job runs, the reaper sees its end",
        [STEP_ACCOUNTS] = "accounts, while the jail is taken down",
        [STEP_GONE] = "namespaces and processes are taken down",
        [STEP_CGROUP_GONE] = "cgroup removed",
        [STEP_TOLD] = "the caller: wakes, pipes read to their end",
};

/* Where they are something else in a jail that was there before. */
static const char *const warm_names[STEPS_MAX] = {
        [STEP_SOURCES] = "plan read, inputs cloned, limits of the cgroup",
        [STEP_DESCRIPTORS] = "inputs mounted, tmpfs limited, job handed over",
        [STEP_REAPER] = "reaper: candidates for the program",
        [STEP_EXECUTED] = "job: directory, filter, exec",
};

void steps_done(Steps *s)
{
        for (size_t i = 0; i < STEPS_MAX; i++)
                samples_done(&s->samples[i]);
}

void steps_add(Steps *s, const LibraryRun *run)
{
        const uint64_t *done = run->steps->done_usec;
        /* The launcher may be at work before jail_start() has returned. */
        uint64_t last = run->sent_usec < done[STEP_RECEIVED] ? run->sent_usec : done[STEP_RECEIVED];

        samples_add(&s->samples[STEP_ASKED], last - run->asked_usec, 0);
        for (size_t i = 0; i < LAUNCH_STEP_MAX; i++) {
                if (done[i] == 0)
                        continue;
                samples_add(&s->samples[i], done[i] - last, 0);
                last = done[i];
        }
        samples_add(&s->samples[STEP_TOLD], run->told_usec - last, 0);
}

static void print(const char *name, Samples *s, double whole)
{
        double median = samples_msec(s, 500);

        printf("%-52s %8.0f %8.0f %6.1f %%\n", name, median * USEC_PER_MSEC, samples_msec(s, 950) * USEC_PER_MSEC,
               median / whole * 100);
}

void steps_print(Steps *s, bool warm)
{
        double whole = 0;

        for (size_t i = 0; i < STEPS_MAX; i++)
                whole += samples_msec(&s->samples[i], 500);
        printf("\n%-52s %8s %8s %8s\n", warm ? "steps of one that was there before, us" : "steps of a jail of the library, us", "median", "95 %", "share");
        print(names[STEP_ASKED], &s->samples[STEP_ASKED], whole);
        for (size_t i = 0; i < LAUNCH_STEP_MAX; i++)
                if (s->samples[i].n > 0)
                        print(warm && warm_names[i] ? warm_names[i] : names[i], &s->samples[i], whole);
        print(names[STEP_TOLD], &s->samples[STEP_TOLD], whole);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl doctor: why it does not work, or what will not: the way to the supervisor, step by step, what it says of
 * itself, and what this host can enforce. Each thing that is amiss comes with what mends it. */

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/host_doctor.h"
#include "engine/ctl/print.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define STATUS_PROBLEMS 1
#define GROUP "skep"
#define TEXT_MAX 1000

typedef enum Verdict { VERDICT_YES, VERDICT_NOTE, VERDICT_NO } Verdict;

static const struct {
        const char *name, *colour;
} verdicts[] = {[VERDICT_YES] = {"yes", "32"}, [VERDICT_NOTE] = {"note", "33"}, [VERDICT_NO] = {"no", "31"}};

typedef struct Doctor {
        const Context *context;
        sd_bus *bus;
        json_object *findings; /* as they are printed with --json */
        bool problems, reached;
} Doctor;

static void find(Doctor *d, const char *name, Verdict verdict, const char *remedy, const char *format, ...)
        _printf_(5, 6);
static void find(Doctor *d, const char *name, Verdict verdict, const char *remedy, const char *format, ...)
{
        json_object *finding = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        json_add_string(finding, "name", name);
        json_add_string(finding, "verdict", verdicts[verdict].name);
        json_add_string(finding, "text", text);
        json_add_string(finding, "remedy", remedy);
        json_object_array_add(d->findings, finding);
        d->problems |= verdict == VERDICT_NO;
        if (d->context->json)
                return;
        _cleanup_free_ char *escaped = text_escape(text ? text : "", TEXT_MAX);
        const char *colour = d->context->colour ? verdicts[verdict].colour : NULL;
        printf("%-11s %s%s%s%-5s%s %s\n", name, colour ? "\033[" : "", colour ? colour : "", colour ? "m" : "",
               verdicts[verdict].name, colour ? "\033[0m" : "", escaped ? escaped : "");
        if (remedy)
                printf("%-17s → %s\n", "", remedy);
        fflush(stdout);
}

/* ---- the way to the supervisor ---- */

/* In the group by the user database, and in this very process: both are needed, and the second follows the first only
 * at the next login. */
static void examine_group(Doctor *d)
{
        struct group *group = getgrnam(GROUP);
        struct passwd *user = getpwuid(geteuid());
        gid_t groups[NGROUPS_MAX], listed[NGROUPS_MAX];
        int n = getgroups(NGROUPS_MAX, groups), n_listed = NGROUPS_MAX;
        bool here = false, in_database = false;

        if (geteuid() == 0) {
                find(d, "group", VERDICT_YES, NULL, "root may do everything");
                return;
        }
        if (!group) {
                find(d, "group", VERDICT_NOTE, "systemd-sysusers, or groupadd --system " GROUP,
                     "there is no group " GROUP " here");
                return;
        }
        gid_t gid = group->gr_gid;
        for (int i = 0; i < n; i++)
                here |= groups[i] == gid;
        here |= getegid() == gid;
        if (user && getgrouplist(user->pw_name, user->pw_gid, listed, &n_listed) >= 0)
                for (int i = 0; i < n_listed; i++)
                        in_database |= listed[i] == gid;
        if (here)
                find(d, "group", VERDICT_YES, NULL, "%s is a member of the group " GROUP,
                     user ? user->pw_name : "this user");
        else if (in_database)
                find(d, "group", VERDICT_NO, "log in again, or: newgrp " GROUP,
                     "you have become a member of the group " GROUP " since this session began");
        else
                find(d, "group", VERDICT_NOTE, "usermod -aG " GROUP " USER, then log in again",
                     "not a member of the group " GROUP ": only a tenant's file can let you in");
}

static void examine_bus(Doctor *d)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r < 0) {
                find(d, "system bus", VERDICT_NOTE, NULL, "there is none here (%s): an embedded supervisor needs none",
                     strerror(-r));
                return;
        }
        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "GetNameOwner", &error, NULL, "s", ENGINE_NAME);
        if (r < 0)
                find(d, "system bus", VERDICT_NOTE, "systemctl status skepd",
                     "it is there, and " ENGINE_NAME " is not on it");
        else
                find(d, "system bus", VERDICT_YES, NULL, ENGINE_NAME " is on it");
}

static void examine_socket(Doctor *d, const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0) {
                find(d, "socket", VERDICT_NOTE, errno == ENOENT ? "systemctl start skepd, or skepd --embedded" : NULL,
                     "%s: %s", path, strerror(errno));
                return;
        }
        struct group *group = getgrgid(st.st_gid);
        if (!S_ISSOCK(st.st_mode))
                find(d, "socket", VERDICT_NO, NULL, "%s is no socket", path);
        else if (access(path, W_OK) < 0)
                find(d, "socket", VERDICT_NO, "become a member of the group that owns it",
                     "%s: its mode %04o, of user %u and group %s, does not let you in", path, st.st_mode & 07777,
                     st.st_uid, group ? group->gr_name : "?");
        else
                find(d, "socket", VERDICT_YES, NULL, "%s", path);
}

/* The path of a socket in an address; NULL where it is something else. Borrowed. */
static const char *path_in(const char *address)
{
        static const char prefix[] = "unix:path=";

        if (client_is_path(address))
                return address;
        return strncmp(address, prefix, sizeof prefix - 1) == 0 ? address + sizeof prefix - 1 : NULL;
}

static void examine_way(Doctor *d)
{
        const char *option = d->context->address, *variable = getenv("SKEP_ADDRESS");
        const char *address = option && *option ? option : variable && *variable ? variable : NULL;

        if (address)
                find(d, "address", VERDICT_YES, NULL, "%s, by %s", address,
                     address == option ? "--address" : "$SKEP_ADDRESS");
        else
                examine_bus(d);
        const char *path = address ? path_in(address) : PRIVATE_SOCKET;
        if (path)
                examine_socket(d, path);
        examine_group(d);
}

/* ---- the supervisor ---- */

static void examine_version(Doctor *d, json_object *engine)
{
        const char *version = json_text(engine, "version");

        if (version && strcmp(version, SKEP_VERSION) == 0)
                find(d, "supervisor", VERDICT_YES, NULL, "it answers, version %s", version);
        else
                find(d, "supervisor", VERDICT_NOTE, "restart skepd after an upgrade: running jobs go on",
                     "it answers, of version %s; this is skepctl %s", version ? version : "?", SKEP_VERSION);
}

static void examine_intake(Doctor *d, json_object *engine)
{
        bool paused = json_object_get_boolean(json_member(engine, "paused"));

        if (json_object_get_boolean(json_member(engine, "draining")))
                find(d, "intake", VERDICT_NO, "skepctl resume", "draining: no job is taken%s",
                     paused ? ", and none is started" : "; those that are there are run");
        else if (paused)
                find(d, "intake", VERDICT_NO, "skepctl resume", "paused: jobs are taken, and none is started");
        else
                find(d, "intake", VERDICT_YES, NULL, "jobs are taken and started");
}

/* Sentences that say what mends it. */
static void examine_troubles(Doctor *d, json_object *engine)
{
        json_object *troubles = json_list(engine, "troubles");

        for (size_t i = 0; troubles && i < json_object_array_length(troubles); i++)
                find(d, "trouble", VERDICT_NO, NULL, "%s",
                     json_object_get_string(json_object_array_get_idx(troubles, i)));
}

/* Where a worker tells more: its unit's part of the journal. One that the supervisor has started itself, as all are or
 * none is, writes where that does. */
static const char *place_of_words(json_object *workers)
{
        const char *unit = json_text(json_object_array_get_idx(workers, 0), "unit");

        if (!unit)
                return NULL;
        return *unit ? "journalctl -u 'skep-worker@*'" : "see what skepd has written on its standard error";
}

static void examine_workers(Doctor *d, json_object *engine)
{
        uint64_t connected = json_number(engine, "workers"), target = json_number(engine, "pool_target");
        _cleanup_json_ json_object *workers = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (client_workers(d->bus, &workers, &e) < 0) {
                find(d, "workers", VERDICT_NO, NULL, "%s", error_text(&e));
                return;
        }
        const char *place = place_of_words(workers);
        if (connected == 0)
                find(d, "workers", VERDICT_NO, place, "there is none");
        else if (connected < target)
                find(d, "workers", VERDICT_NOTE, place, "%" PRIu64 " of %" PRIu64, connected, target);
        else
                find(d, "workers", VERDICT_YES, NULL, "%" PRIu64, connected);
        for (size_t i = 0; i < json_object_array_length(workers); i++) {
                json_object *w = json_object_array_get_idx(workers, i);
                const char *name = json_text(w, "name"), *trouble = json_text(w, "trouble");
                if (trouble && *trouble)
                        find(d, "workers", VERDICT_NO, place, "worker %s: %s", name ? name : "?", trouble);
        }
}

static void examine_engine(Doctor *d)
{
        _cleanup_json_ json_object *engine = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (client_connect(d->context->address, &d->bus, &e) < 0 ||
            client_properties(d->bus, ENGINE_PATH, ENGINE_MANAGER, &engine, &e) < 0) {
                find(d, "supervisor", VERDICT_NO, "systemctl status skepd; journalctl -u skepd", "%s", error_text(&e));
                return;
        }
        d->reached = true;
        examine_version(d, engine);
        examine_intake(d, engine);
        examine_troubles(d, engine);
        examine_workers(d, engine);
}

/* ---- the host ---- */

/* What has the same reason is one thing. */
static bool is_same(json_object *a, json_object *b)
{
        const char *x = json_text(a, "why"), *y = json_text(b, "why");

        return json_object_equal(json_member(a, "held"), json_member(b, "held")) && x && y && strcmp(x, y) == 0 &&
               json_object_equal(json_member(a, "remedy"), json_member(b, "remedy"));
}

static bool is_held(json_object *layer)
{
        const char *held = json_text(layer, "held");

        return !held || strcmp(held, "yes") == 0;
}

/* The names of all that are the same as the layer `name`; NULL when that is not the first of them. */
static char *names_of(json_object *layers, const char *name, json_object *layer)
{
        _cleanup_strv_ char **names = NULL;

        json_object_object_foreach(layers, other, its)
        {
                if (strcmp(other, name) != 0 && (is_held(its) || !is_same(its, layer)))
                        continue;
                if (!names && strcmp(other, name) != 0)
                        return NULL;
                strv_add(&names, other);
        }
        return names ? strv_join(names, ", ") : NULL;
}

static void examine_layers(Doctor *d, json_object *layers)
{
        json_object_object_foreach(layers, name, layer)
        {
                json_object *remedy = json_member(layer, "remedy");
                const char *why = json_text(layer, "why");
                _cleanup_strv_ char **lines = NULL;
                _cleanup_free_ char *names = is_held(layer) ? NULL : names_of(layers, name, layer);
                if (!names)
                        continue;
                for (size_t i = 0; i < json_object_array_length(remedy); i++)
                        strv_add(&lines, json_object_get_string(json_object_array_get_idx(remedy, i)));
                _cleanup_free_ char *text = lines ? strv_join(lines, "; ") : NULL;
                /* Without a broker there is no way out for a job: that is safe. And what an ordinary user may not, a
                 * worker may, which is root. */
                bool safe = strcmp(name, "broker") == 0 || geteuid() != 0;
                find(d, "limits", safe ? VERDICT_NOTE : VERDICT_NO, text, "%s: %s%s: %s", names,
                     strcmp(json_text(layer, "held"), "no") == 0 ? "not enforced" : "enforced in part",
                     geteuid() != 0 ? " for this user" : "", why ? why : "not known why");
        }
}

static void examine_host(Doctor *d)
{
        _cleanup_json_ json_object *host = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (host_doctor_ask(&host, &e) < 0) {
                find(d, "host", VERDICT_NO, NULL, "what it can enforce is not known: %s", error_text(&e));
                return;
        }
        if (json_object_get_boolean(json_member(host, "possible")))
                find(d, "host", VERDICT_YES, NULL, "jails can be made");
        else
                find(d, "host", VERDICT_NO, "skep-jail doctor tells each step", "no jail can be made");
        json_object *layers = json_member(host, "layers");
        if (json_object_is_type(layers, json_type_object))
                examine_layers(d, layers);
}

int command_doctor(const Context *context, int argc, char **argv, Error *e)
{
        Doctor d = {.context = context, .findings = json_object_new_array()};

        if (argc > 1)
                return json_object_put(d.findings), error_set(e, -EINVAL, "%s: skepctl doctor takes no words", argv[1]);
        examine_way(&d);
        examine_engine(&d);
        examine_host(&d);
        if (context->json) {
                _cleanup_json_ json_object *whole = json_object_new_object();
                json_add_bool(whole, "reached", d.reached);
                json_object_object_add(whole, "findings", json_object_get(d.findings));
                print_json(stdout, whole);
        }
        json_object_put(d.findings);
        sd_bus_flush_close_unref(d.bus);
        return !d.reached ? STATUS_NO_JOB : d.problems ? STATUS_PROBLEMS : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/client.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/ctl/bus_json.h"

#include <signal.h>
#include <string.h>

#define CALL_TIMEOUT_USEC (UINT64_C(120) * 1000000) /* inputs are copied before the answer comes */
#define RECONNECT_USEC (UINT64_C(15) * 1000000)
#define RECONNECT_STEP_USEC 200000

bool client_is_path(const char *address)
{
        return *address == '/' || *address == '.' || !strchr(address, ':');
}

/* What an address would take for the end of the path, or for a character in its place, is written as "%3a". */
static char *address_of(const char *path)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.", digits[] = "0123456789abcdef",
                          kind[] = "unix:path=";
        char *address = malloc(sizeof kind + 3 * strlen(path)), *out = address ? stpcpy(address, kind) : NULL;

        for (; address && *path; path++) {
                if (strchr(plain, *path)) {
                        *out++ = *path;
                        continue;
                }
                *out++ = '%';
                *out++ = digits[(unsigned char)*path >> 4];
                *out++ = digits[(unsigned char)*path & 15];
        }
        if (address)
                *out = '\0';
        return address;
}

static int connect_address(const char *address, sd_bus **ret)
{
        _cleanup_free_ char *text = NULL;
        sd_bus *bus = NULL;
        int r;

        if (client_is_path(address) && !(text = address_of(address)))
                return -ENOMEM;
        if ((r = sd_bus_new(&bus)) < 0)
                return r;
        if ((r = sd_bus_set_address(bus, text ? text : address)) < 0 || (r = sd_bus_set_bus_client(bus, 1)) < 0 ||
            (r = sd_bus_negotiate_fds(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static const char *connect_hint(int r)
{
        return r == -EACCES || r == -EPERM ? "; it is for root and the members of the group skep" : "";
}

static int connect_any(const char *address, sd_bus **ret, Error *e)
{
        int r;

        if (!address || !*address)
                address = getenv("SKEP_ADDRESS");
        if (address && *address) {
                r = connect_address(address, ret);
                return r < 0 ? error_set(e, -ENOTCONN, "the supervisor is not reached at %s: %s%s", address,
                                         r == -EINVAL ? "this is no D-Bus address and no path of a socket"
                                                      : strerror(-r),
                                         connect_hint(r))
                             : 0;
        }
        if (sd_bus_open_system(ret) >= 0) {
                /* The bus is of use only if the engine is on it. */
                r = sd_bus_call_method(*ret, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetNameOwner", NULL, NULL, "s", ENGINE_NAME);
                if (r >= 0)
                        return 0;
                *ret = sd_bus_unref(*ret);
        }
        r = connect_address(PRIVATE_SOCKET, ret);
        return r < 0 ? error_set(e, -ENOTCONN,
                                 "the supervisor is not reached: neither on the system bus nor at %s (%s%s); is skepd "
                                 "running? skepctl doctor says more, and --address or $SKEP_ADDRESS names another "
                                 "place",
                                 PRIVATE_SOCKET, strerror(-r), connect_hint(r))
                     : 0;
}

int client_connect(const char *address, sd_bus **ret, Error *e)
{
        int r = connect_any(address, ret, e);

        /* Where a person sits, polkit may ask him. */
        if (r >= 0)
                sd_bus_set_allow_interactive_authorization(*ret, isatty(0));
        return r;
}

static bool is_gone(int r)
{
        return r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ECONNREFUSED || r == -ESHUTDOWN;
}

/* Who has blocked signals takes them when he is back. */
static bool signal_came(void *userdata _unused_)
{
        sigset_t set;

        return sigpending(&set) == 0 && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM));
}

int client_reconnect(const char *address, int code, bool (*leave)(void *userdata), void *userdata, sd_bus **bus, Error *e)
{
        uint64_t until_usec = monotonic_usec() + RECONNECT_USEC;

        if (!is_gone(code))
                return code;
        fprintf(stderr, "skepctl: the supervisor has gone; waiting for the next one\n");
        *bus = sd_bus_flush_close_unref(*bus);
        for (;;) {
                int r = client_connect(address, bus, e);
                /* A socket of one that is just starting takes connections before it answers. */
                if (r >= 0 && (r = client_call(*bus, NULL, e, "ListJobs", "a{sv}su", 0, "", 1)) >= 0) {
                        error_clear(e);
                        return 0;
                }
                *bus = sd_bus_flush_close_unref(*bus);
                if (monotonic_usec() > until_usec || (leave ? leave : signal_came)(userdata))
                        return r;
                usleep(RECONNECT_STEP_USEC);
        }
}

static int call_failed(int r, const sd_bus_error *error, Error *e)
{
        if (is_gone(r))
                return error_set(e, r,
                                 "the supervisor has closed the connection: it has ended, or does not serve you; "
                                 "see skepctl doctor");
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_INTERFACE))
                return error_set(e, r, "the supervisor does not know this: it is of another version (%s)",
                                 error->message ? error->message : "no such method");
        return error->message ? error_set(e, r, "%s", error->message) : error_errno(e, r, "calling the supervisor");
}

static int call_within(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret, Error *e)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, call, timeout_usec, &error, ret);

        return r < 0 ? call_failed(r, &error, e) : 0;
}

int client_call_message(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret, Error *e)
{
        return call_within(bus, call, CALL_TIMEOUT_USEC, ret, e);
}

int client_call_patiently(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret, Error *e)
{
        return call_within(bus, call, UINT64_MAX, ret, e);
}

int client_answer(sd_bus_message *reply, Error *e)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        return error ? call_failed(-sd_bus_error_get_errno(error), error, e) : 0;
}

int client_new_call(sd_bus *bus, const char *method, sd_bus_message **ret)
{
        return sd_bus_message_new_method_call(bus, ret, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, method);
}

int client_call(sd_bus *bus, sd_bus_message **ret, Error *e, const char *method, const char *types, ...)
{
        _cleanup_message_ sd_bus_message *call = NULL;
        va_list ap;
        int r = client_new_call(bus, method, &call);

        if (r >= 0) {
                va_start(ap, types);
                r = sd_bus_message_appendv(call, types, ap);
                va_end(ap);
        }
        if (r == -EINVAL)
                return error_set(e, r, "a word is not UTF-8");
        return r < 0 ? error_errno(e, r, "calling %s", method) : client_call_message(bus, call, ret, e);
}

int client_read(sd_bus_message *reply, const char *types, json_object **ret, Error *e)
{
        int r = bus_json_expect(reply, types, ret);

        if (r == -EBADMSG)
                return error_set(e, r,
                                 "the supervisor has answered with something else than agreed: it is of another "
                                 "version");
        return r < 0 ? error_errno(e, r, "reading the answer") : 0;
}

/* A call of another interface than the manager's, on an object; `answer` are the types of what comes back. */
static int call_object(sd_bus *bus, const char *path, const char *interface, const char *method, const char *answer,
                       json_object **ret, Error *e, const char *types, ...)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        va_list ap;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, path, interface, method);

        if (r >= 0) {
                va_start(ap, types);
                r = sd_bus_message_appendv(call, types, ap);
                va_end(ap);
        }
        if (r < 0)
                return error_errno(e, r, "calling %s", method);
        r = client_call_message(bus, call, &reply, e);
        return r < 0 ? r : client_read(reply, answer, ret, e);
}

int client_properties(sd_bus *bus, const char *path, const char *interface, json_object **ret, Error *e)
{
        return call_object(bus, path, "org.freedesktop.DBus.Properties", "GetAll", "a{sv}", ret, e, "s", interface);
}

static int compare_names(const void *a, const void *b)
{
        const char *x = json_text(*(json_object *const *)a, "name"), *y = json_text(*(json_object *const *)b, "name");

        return strverscmp(x ? x : "", y ? y : "");
}

int client_workers(sd_bus *bus, json_object **ret, Error *e)
{
        _cleanup_json_ json_object *objects = NULL, *workers = json_object_new_array();
        int r = call_object(bus, ENGINE_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                            "a{oa{sa{sv}}}", &objects, e, "");

        if (r < 0)
                return r;
        json_object_object_foreach(objects, path, interfaces)
        {
                json_object *worker = json_member(interfaces, ENGINE_WORKER);
                if (worker && strncmp(path, ENGINE_PATH, strlen(ENGINE_PATH)) == 0)
                        json_object_array_add(workers, json_object_get(worker));
        }
        json_object_array_sort(workers, compare_names);
        *ret = take(workers);
        return 0;
}

int client_get(sd_bus *bus, const char *method, const char *types, json_object **ret, Error *e)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = client_call(bus, &reply, e, method, "");

        return r < 0 ? r : client_read(reply, types, ret, e);
}

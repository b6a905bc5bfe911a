/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bus_address.h"
#include "engine/supervisor/bus_frame.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char directory[] = "/tmp/skep-bus-XXXXXX";
static int listeners[2];

/* "bus" in a directory, and an abstract one of the same name. */
static void set_up(void)
{
        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        for (size_t i = 0; i < 2; i++) {
                struct sockaddr_un address = {.sun_family = AF_UNIX};
                size_t size = offsetof(struct sockaddr_un, sun_path) + i;
                size += (size_t)snprintf(address.sun_path + i, sizeof address.sun_path - i, "%s/bus", directory);
                listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                ck_assert_int_eq(bind(listeners[i], (struct sockaddr *)&address, (socklen_t)size), 0);
                ck_assert_int_eq(listen(listeners[i], 1), 0);
        }
}

static void tear_down(void)
{
        char path[100];

        snprintf(path, sizeof path, "%s/bus", directory);
        for (size_t i = 0; i < 2; i++)
                close(listeners[i]);
        unlink(path);
        rmdir(directory);
}

typedef struct AddressCase {
        const char *address; /* "@": the directory */
        int which;           /* of the listeners; negative: that error */
} AddressCase;

static const AddressCase cases[] = {
        {"unix:path=@/bus", 0},
        {"unix:abstract=@/bus", 1},
        {"unix:path=@/%62us,guid=0123456789abcdef0123456789abcdef", 0},
        {"unix:guid=0123456789abcdef0123456789abcdef,path=@%2fbus;", 0},
        {"unix:path=@/nothing;unix:abstract=@/b%75s", 1},
        {"unix:path=@/nothing;unix:abstract=@/nothing", -ECONNREFUSED},
        {"unix:path=@/nothing", -ENOENT},
        {"unix:path=@/nothing;tcp:host=localhost,port=1", -EPROTONOSUPPORT},
        {"unixexec:path=/bin/false", -EPROTONOSUPPORT},
        {"unix:path=@/bu%7", -EINVAL},
        {"unix:path=@/bus,abstract=@/bus", -EINVAL},
        {"unix:runtime=yes", -EINVAL},
        {"unix:path=", -EINVAL},
        {"unix:", -EINVAL},
        {"", -EINVAL},
        {"unix:path=/a234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
         -ENAMETOOLONG},
};

START_TEST(test_an_address_is_connected_to)
{
        const AddressCase *test = &cases[_i];
        char address[400];
        size_t n = 0;

        for (const char *c = test->address; *c; c++)
                n += (size_t)snprintf(address + n, sizeof address - n, "%.*s", *c == '@' ? (int)strlen(directory) : 1, *c == '@' ? directory : c);
        address[n] = '\0';
        _cleanup_close_ int fd = bus_address_connect(address);
        if (test->which < 0) {
                ck_assert_int_eq(fd, test->which);
                return;
        }
        ck_assert_int_ge(fd, 0);
        _cleanup_close_ int accepted = accept4(listeners[test->which], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        ck_assert_int_ge(accepted, 0);
}
END_TEST

/* A call, without its body; or what has another field in the place of the sender. Returns the size of its header. */
static size_t make_message(uint8_t *ret, bool with_sender)
{
        uint8_t fields[] = {7, 1, 's', 0, 5, 0, 0, 0, ':', '1', '.', '4', '2', 0, 0, 0};
        const uint8_t path[] = {1, 1, 'o', 0, 2, 0, 0, 0, '/', 'a', 0};
        const uint8_t header[] = {'l', 1, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, sizeof fields + sizeof path, 0, 0, 0};

        if (!with_sender)
                fields[0] = 6;
        memset(ret, 0, 100);
        memcpy(ret, header, sizeof header);
        memcpy(ret + sizeof header, fields, sizeof fields);
        memcpy(ret + sizeof header + sizeof fields, path, sizeof path);
        return sizeof header + sizeof fields + (sizeof path + 7) / 8 * 8;
}

START_TEST(test_the_sender_of_a_message_is_known_when_its_fields_are_there)
{
        uint8_t message[100];
        const size_t size = make_message(message, true);

        ck_assert_str_eq(bus_frame_sender(message, size + 4), ":1.42");
        ck_assert_str_eq(bus_frame_sender(message, size), ":1.42");
        for (size_t n = 0; n < size; n++)
                ck_assert_ptr_null(bus_frame_sender(message, n));
        make_message(message, false);
        ck_assert_ptr_null(bus_frame_sender(message, size + 4));
}
END_TEST

Suite *bus_suite(void)
{
        Suite *suite = suite_create("bus");
        TCase *tests = tcase_create("address");

        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_add_loop_test(tests, test_an_address_is_connected_to, 0, ELEMENTS(cases));
        tcase_add_test(tests, test_the_sender_of_a_message_is_known_when_its_fields_are_there);
        suite_add_tcase(suite, tests);
        return suite;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/digest.h"
#include "engine/base/id.h"
#include "engine/base/name.h"
#include "engine/base/pack.h"
#include "engine/base/strv.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_names_of_inputs)
{
        static const char *const good[] = {"a", "report.py", "src/", "ünïcode", "a b", "...", "..a"};
        static const char *const bad[] = {"",     "/",      "a/b", "/a",    ".",        "..",   "../", "./",
                                          "a\nb", "\x1b[2J", "a//", "\xff", "\xc0\xaf", "\x7f", "a/b/", "\xc2\x85"};
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_ok(name_check_input(good[i], &e), &e);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                assert_refused(name_check_input(bad[i], &e), &e, "input name");
                /* and the sentence itself can be shown on a terminal */
                for (const char *c = error_text(&e); *c; c++)
                        ck_assert_msg((unsigned char)*c >= 0x20, "a control character in \"%s\"", error_text(&e));
        }
        char longer[NAME_SIZE_MAX + 2];
        memset(longer, 'a', sizeof longer);
        longer[sizeof longer - 1] = '\0';
        assert_refused(name_check_input(longer, &e), &e, "longer than");
}
END_TEST

START_TEST(test_names_of_policies_and_variables)
{
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(name_check("policy", "python-3.11@x_y+z", &e), &e);
        assert_refused(name_check("policy", "../strict", &e), &e, "policy");
        assert_refused(name_check("policy", ".hidden", &e), &e, "policy");
        assert_refused(name_check("policy", "-x", &e), &e, "policy");
        assert_refused(name_check("policy", "a b", &e), &e, "policy");
        assert_ok(name_check_variable("LANG_2", &e), &e);
        assert_refused(name_check_variable("2LANG", &e), &e, "variable");
        assert_refused(name_check_variable("A=B", &e), &e, "variable");
        assert_refused(name_check_variable("", &e), &e, "variable");
}
END_TEST

START_TEST(test_ids_ascend_and_are_valid)
{
        IdMaker maker = {0};
        Id last, id;

        ck_assert_int_eq(id_make(&maker, 1700000000000000, &last), 0);
        ck_assert(id_is_valid(last.text));
        for (int i = 0; i < 10000; i++) {
                /* the same millisecond, and a clock that steps back */
                ck_assert_int_eq(id_make(&maker, 1700000000000000 - (uint64_t)i * 1000, &id), 0);
                ck_assert_str_lt(last.text, id.text);
                last = id;
        }
        ck_assert(!id_is_valid(""));
        ck_assert(!id_is_valid("01arz3ndektsv4rrffq69g5fa"));
        ck_assert(!id_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        ck_assert(!id_is_valid("../../../../../../etc/pass"));
        ck_assert(!id_is_valid("81arz3ndektsv4rrffq69g5fav"));
}
END_TEST

START_TEST(test_ids_go_on_after_one_of_another_process)
{
        IdMaker first = {0}, second = {0};
        Id last, next, later;

        for (int i = 0; i < 100; i++)
                ck_assert_int_eq(id_make(&first, 1700000000000000, &last), 0);
        /* Also when the clock has gone back meanwhile. */
        id_continue(&second, last.text);
        ck_assert_int_eq(id_make(&second, 1600000000000000, &next), 0);
        ck_assert_int_gt(strcmp(next.text, last.text), 0);
        ck_assert_int_eq(strncmp(next.text, last.text, 10), 0);
        ck_assert_int_eq(id_make(&second, 1700000001000000, &later), 0);
        ck_assert_int_gt(strcmp(later.text, next.text), 0);
        ck_assert_int_ne(strncmp(later.text, last.text, 10), 0);
}
END_TEST

START_TEST(test_messages_come_back_as_they_were)
{
        char *list[] = {(char *)"one", (char *)"", NULL};
        _cleanup_packer_ Packer p = {0};
        size_t size;

        pack_number(&p, 7);
        pack_string(&p, "text");
        pack_string(&p, NULL);
        pack_bytes(&p, "a\0b", 3);
        pack_strings(&p, list);
        ck_assert(!p.failed);
        Unpacker u = {.next = p.data, .left = p.size};
        ck_assert_uint_eq(unpack_number(&u), 7);
        ck_assert_str_eq(unpack_string(&u), "text");
        ck_assert_ptr_null(unpack_string(&u));
        ck_assert_mem_eq(unpack_bytes(&u, &size), "a\0b", 3);
        ck_assert_uint_eq(size, 3);
        _cleanup_free_ char **back = unpack_strings(&u);
        ck_assert_str_eq(back[0], "one");
        ck_assert_str_eq(back[1], "");
        ck_assert_ptr_null(back[2]);
        ck_assert_int_eq(unpack_end(&u), 0);
}
END_TEST

START_TEST(test_a_message_cut_anywhere_is_refused)
{
        char *list[] = {(char *)"one", (char *)"two", NULL};
        _cleanup_packer_ Packer p = {0};

        pack_string(&p, "text");
        pack_strings(&p, list);
        for (size_t n = 0; n < p.size; n++) {
                /* a copy of its own, so that the sanitizer sees a step too far */
                _cleanup_free_ char *copy = malloc(n ? n : 1);
                memcpy(copy, p.data, n);
                Unpacker u = {.next = copy, .left = n};
                unpack_string(&u);
                free(unpack_strings(&u));
                ck_assert_int_lt(unpack_end(&u), 0);
        }
}
END_TEST

START_TEST(test_lengths_beyond_the_message_are_refused)
{
        static const uint64_t lengths[] = {UINT64_MAX - 1, UINT64_MAX / 2, 1UL << 40, 9};
        for (size_t i = 0; i < ELEMENTS(lengths); i++) {
                uint64_t message[2] = {lengths[i], 0};
                size_t size;
                Unpacker u = {.next = (char *)message, .left = sizeof message};
                ck_assert_ptr_null(unpack_bytes(&u, &size));
                ck_assert_int_lt(unpack_end(&u), 0);
                u = (Unpacker){.next = (char *)message, .left = sizeof message};
                ck_assert_ptr_null(unpack_strings(&u));
                ck_assert_int_lt(unpack_end(&u), 0);
        }
}
END_TEST

START_TEST(test_lists_of_strings)
{
        _cleanup_strv_ char **list = NULL, **more = NULL;

        ck_assert_int_eq(strv_split("a::b:c:", ':', &list), 0);
        ck_assert_uint_eq(strv_length(list), 3);
        ck_assert_int_eq(strv_split("b:d", ':', &more), 0);
        ck_assert_int_eq(strv_add_new(&list, more), 0);
        ck_assert_uint_eq(strv_length(list), 4);
        strv_remove(list, "a");
        _cleanup_free_ char *joined = strv_join(list, ", ");
        ck_assert_str_eq(joined, "b, c, d");
        ck_assert_int_eq(environment_set(&list, "K", "1"), 0);
        ck_assert_int_eq(environment_set(&list, "K", "2"), 0);
        ck_assert_str_eq(environment_get(list, "K"), "2");
        ck_assert_uint_eq(strv_length(list), 4);
        ck_assert_ptr_null(environment_get(list, "KK"));
}
END_TEST

START_TEST(test_a_text_is_cut_between_characters)
{
        ck_assert_uint_eq(text_start("abc", 3), 3);
        ck_assert_uint_eq(text_start("abcd", 3), 3);
        ck_assert_uint_eq(text_start("ab\xc3\xa9", 4), 4);
        ck_assert_uint_eq(text_start("ab\xc3\xa9", 3), 2);
        ck_assert_uint_eq(text_start("a\xf0\x9f\x90\x9d", 4), 1);
        ck_assert_uint_eq(text_start("\xc3\xa9", 1), 0);
        ck_assert_uint_eq(text_start("\xa9\xa9\xa9\xa9\xa9\xa9\xa9\xa9", 7), 4); /* nothing that could be one */
}
END_TEST

START_TEST(test_digest_is_sha256)
{
        char hex[DIGEST_HEX_SIZE];

        /* FIPS 180-2, appendix B.1 */
        digest_hex("abc", 3, hex);
        ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

Suite *text_suite(void)
{
        Suite *suite = suite_create("text");
        TCase *tests = tcase_create("text");

        tcase_add_test(tests, test_names_of_inputs);
        tcase_add_test(tests, test_names_of_policies_and_variables);
        tcase_add_test(tests, test_ids_ascend_and_are_valid);
        tcase_add_test(tests, test_ids_go_on_after_one_of_another_process);
        tcase_add_test(tests, test_messages_come_back_as_they_were);
        tcase_add_test(tests, test_a_message_cut_anywhere_is_refused);
        tcase_add_test(tests, test_lengths_beyond_the_message_are_refused);
        tcase_add_test(tests, test_lists_of_strings);
        tcase_add_test(tests, test_digest_is_sha256);
        tcase_add_test(tests, test_a_text_is_cut_between_characters);
        suite_add_tcase(suite, tests);
        return suite;
}

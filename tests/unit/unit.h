/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>

#include "engine/base/error.h"

/* A suite per noun; each file has one. */
Suite *size_suite(void);
Suite *json_suite(void);
Suite *text_suite(void);
Suite *archive_suite(void);
Suite *policy_suite(void);
Suite *oci_seccomp_suite(void);
Suite *filter_suite(void);
Suite *filter_reading_suite(void);
Suite *jail_suite(void);
Suite *launcher_suite(void);
Suite *learn_suite(void);
Suite *engine_suite(void);
Suite *tenant_suite(void);
Suite *config_suite(void);
Suite *scaler_suite(void);
Suite *recurrence_suite(void);
Suite *load_suite(void);
Suite *ctl_suite(void);
Suite *queue_suite(void);
Suite *pool_suite(void);
Suite *output_suite(void);
Suite *blobs_suite(void);
Suite *bus_suite(void);

/* That a call was refused with a sentence that has this in it. */
#define assert_refused(call, e, part)                                                              \
        do {                                                                                       \
                error_clear(e);                                                                    \
                int _r = (call);                                                                   \
                ck_assert_msg(_r < 0, "%s was accepted", #call);                                   \
                ck_assert_msg(strstr(error_text(e), part), "\"%s\" is not in \"%s\"", part, error_text(e)); \
        } while (0)

#define assert_ok(call, e)                                                                         \
        do {                                                                                       \
                int _r = (call);                                                                   \
                ck_assert_msg(_r >= 0, "%s: %s", #call, error_text(e));                            \
        } while (0)

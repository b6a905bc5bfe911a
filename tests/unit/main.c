/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

int main(void)
{
        SRunner *runner = srunner_create(size_suite());

        srunner_add_suite(runner, json_suite());
        srunner_add_suite(runner, text_suite());
        srunner_add_suite(runner, archive_suite());
        srunner_add_suite(runner, policy_suite());
        srunner_add_suite(runner, oci_seccomp_suite());
        srunner_add_suite(runner, filter_suite());
        srunner_add_suite(runner, filter_reading_suite());
        srunner_add_suite(runner, jail_suite());
        srunner_add_suite(runner, launcher_suite());
        srunner_add_suite(runner, learn_suite());
        srunner_add_suite(runner, engine_suite());
        srunner_add_suite(runner, tenant_suite());
        srunner_add_suite(runner, config_suite());
        srunner_add_suite(runner, scaler_suite());
        srunner_add_suite(runner, recurrence_suite());
        srunner_add_suite(runner, load_suite());
        srunner_add_suite(runner, ctl_suite());
        srunner_add_suite(runner, queue_suite());
        srunner_add_suite(runner, pool_suite());
        srunner_add_suite(runner, output_suite());
        srunner_add_suite(runner, blobs_suite());
        srunner_add_suite(runner, bus_suite());
        srunner_run_all(runner, CK_ENV);
        int failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? 1 : 0;
}

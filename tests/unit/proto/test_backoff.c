/* backoff: the range of each wait, its bound, and that waits differ. */
#include "support/unit.h"

#include "proto/backoff.h"
#include "proto/secret.h"

enum { DRAWS = 200 };

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return 0;
}

static void each_failure_doubles_the_wait_up_to_the_bound(void **state)
{
    static const uint64_t whole_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};

    (void)state;
    for (unsigned failures = 0; failures < sizeof whole_ms / sizeof *whole_ms; failures++) {
        for (int round = 0; round < DRAWS; round++) {
            assert_in_range(backoff_ms(failures, 100, 5000), whole_ms[failures] / 2, whole_ms[failures]);
        }
    }
    assert_in_range(backoff_ms(UINT32_MAX, 100, 5000), 2500, 5000);
}

static void waits_differ(void **state)
{
    uint64_t first_ms = backoff_ms(9, 100, 5000);
    int different = 0;

    (void)state;
    for (int round = 0; round < DRAWS; round++) {
        different += backoff_ms(9, 100, 5000) != first_ms;
    }
    assert_true(different > DRAWS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_doubles_the_wait_up_to_the_bound),
        cmocka_unit_test(waits_differ),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

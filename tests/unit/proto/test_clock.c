/* clock: goes forward, and stands still when a test says so. */
#include "support/unit.h"

#include "proto/clock.h"

static void it_never_goes_back(void **state)
{
    uint64_t before = clock_us();

    (void)state;
    for (int turn = 0; turn < 1000; turn++) {
        uint64_t now = clock_us();

        assert_true(now >= before);
        before = now;
    }
}

static void a_frozen_clock_shows_what_it_was_told(void **state)
{
    (void)state;
    clock_freeze(12345);
    assert_int_equal(12345, clock_ms());
    assert_int_equal(12345000, clock_us());
    clock_freeze(0);
    assert_true(clock_ms() != 12345);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_never_goes_back),
        cmocka_unit_test(a_frozen_clock_shows_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

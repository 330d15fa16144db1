/* Tests of pulse: silence and lag are counted between begin and end only, and the worst lag is told once. */
#include "gateway/pulse.h"

#include "support/unit.h"

#include "proto/clock.h"

enum { EVERY_MS = 100 };

static int thaw(void **state)
{
    (void)state;
    clock_freeze(0);
    return 0;
}

static void silence_counts_from_the_last_beat(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    clock_freeze(1000);
    assert_false(pulse_is_expected(&pulse));
    assert_int_equal(0, pulse_silent_ms(&pulse));
    pulse_begin(&pulse, "test", EVERY_MS);
    assert_true(pulse_is_expected(&pulse));
    clock_freeze(1700);
    assert_int_equal(700, pulse_silent_ms(&pulse));
    pulse_beat(&pulse);
    assert_int_equal(0, pulse_silent_ms(&pulse));
    assert_int_equal(1, pulse_count(&pulse));
    clock_freeze(1900);
    assert_int_equal(200, pulse_silent_ms(&pulse));
    pulse_end(&pulse);
    assert_false(pulse_is_expected(&pulse));
    assert_int_equal(0, pulse_silent_ms(&pulse));
}

static void a_beat_in_time_is_not_late_and_the_worst_is_told_once(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    clock_freeze(1000);
    pulse_begin(&pulse, "test", EVERY_MS);
    clock_freeze(1000 + EVERY_MS);
    pulse_beat(&pulse);
    assert_int_equal(0, pulse_take_late_ms(&pulse));
    clock_freeze(1000 + 2 * EVERY_MS + 40);
    pulse_beat(&pulse);
    clock_freeze(1000 + 3 * EVERY_MS + 45);
    pulse_beat(&pulse);
    assert_int_equal(40, pulse_take_late_ms(&pulse));
    assert_int_equal(0, pulse_take_late_ms(&pulse));
}

static void silence_that_lasts_is_late_already(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    clock_freeze(1000);
    pulse_begin(&pulse, "test", EVERY_MS);
    clock_freeze(1000 + EVERY_MS + 500);
    assert_int_equal(500, pulse_take_late_ms(&pulse));
    assert_int_equal(500, pulse_take_late_ms(&pulse));
    pulse_end(&pulse);
    assert_int_equal(0, pulse_take_late_ms(&pulse));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(silence_counts_from_the_last_beat, thaw),
        cmocka_unit_test_teardown(a_beat_in_time_is_not_late_and_the_worst_is_told_once, thaw),
        cmocka_unit_test_teardown(silence_that_lasts_is_late_already, thaw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of pace: both sides of the turn that is too long, and both ends of the limit. */
#include "gateway/pace.h"

#include "support/unit.h"

#include "proto/limits.h"

enum { MAX = 512 };

struct fixture {
    struct metrics *metrics;
    struct pace pace;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    pace_init(&fixture->pace, MAX, fixture->metrics);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

static void turns_below_the_mark_leave_it_as_it_is(void **state)
{
    struct pace *pace = &((struct fixture *)*state)->pace;

    assert_int_equal(MAX, pace_limit(pace));
    pace_sample(pace, PACE_TURN_US - 1, MAX);
    assert_int_equal(MAX, pace_limit(pace));
    assert_false(pace_is_held(pace));
    assert_false(pace_is_full(pace));
    pace_sample(pace, PACE_TURN_US, MAX);
    assert_int_equal(MAX / 2, pace_limit(pace));
    assert_true(pace_is_held(pace));
    assert_true(pace_is_full(pace));
    pace_sample(pace, PACE_TURN_US - 1, MAX);
    assert_true(pace_is_held(pace)); /* still */
    assert_false(pace_is_full(pace));
}

static void it_is_half_of_what_is_in_flight_but_never_more_than_it_was_nor_too_few(void **state)
{
    struct pace *pace = &((struct fixture *)*state)->pace;

    pace_sample(pace, PACE_TURN_US, 100);
    assert_int_equal(50, pace_limit(pace));
    pace_sample(pace, PACE_TURN_US, MAX); /* those of before are still there */
    assert_int_equal(25, pace_limit(pace));
    pace_sample(pace, UINT64_MAX, 0);
    assert_int_equal(PACE_REQUESTS_MIN, pace_limit(pace));
    pace_sample(pace, UINT64_MAX, MAX);
    assert_int_equal(PACE_REQUESTS_MIN, pace_limit(pace));
}

static void it_grows_back_by_itself_and_no_further(void **state)
{
    struct fixture *fixture = *state;
    struct pace *pace = &fixture->pace;
    int samples = 0;

    pace_sample(pace, PACE_TURN_US, 0);
    for (uint64_t before = 0; pace_is_held(pace); samples++) {
        assert_true(pace_limit(pace) > before);
        before = pace_limit(pace);
        pace_sample(pace, 0, 0);
    }
    assert_int_equal(MAX, pace_limit(pace));
    assert_in_range(samples, 8, 40); /* seconds, not minutes */
    assert_int_equal(MAX, series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_in_flight_limit", "", NULL, 0)));
}

static void a_limit_below_the_least_stays(void **state)
{
    struct fixture *fixture = *state;

    pace_init(&fixture->pace, 4, fixture->metrics);
    pace_sample(&fixture->pace, PACE_TURN_US, 4);
    assert_int_equal(4, pace_limit(&fixture->pace));
    assert_false(pace_is_held(&fixture->pace));
}

int main(void)
{
#define with_pace(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_pace(turns_below_the_mark_leave_it_as_it_is),
        with_pace(it_is_half_of_what_is_in_flight_but_never_more_than_it_was_nor_too_few),
        with_pace(it_grows_back_by_itself_and_no_further),
        with_pace(a_limit_below_the_least_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

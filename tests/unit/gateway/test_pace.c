/* Tests of pace: both sides of what a turn begins and of each wait, and that callers have turns. */
#include "gateway/pace.h"

#include "support/unit.h"

#include "proto/limits.h"
#include "proto/secret.h"

struct fixture {
    struct metrics *metrics;
    struct pace *pace;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, secret_start());
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, pace_open(&fixture->pace, fixture->metrics));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    pace_close(&fixture->pace);
    pace_close(&fixture->pace);
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

static int64_t waiting(const struct fixture *fixture)
{
    return series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_paced", "", NULL, 0));
}

static bool share_a_queue(struct pace *pace, struct bytes one, struct bytes other)
{
    struct pace_member member = {0};
    bool shared;

    pace_stand(pace, &member, one, 1000);
    shared = pace_is_late(pace, other, 1000 + PACE_LATE_MS);
    pace_leave(pace, &member);
    return shared;
}

/* Another key until these callers have queues of their own. */
static struct pace *with_queues(struct fixture *fixture, struct bytes a, struct bytes b, struct bytes c)
{
    while (share_a_queue(fixture->pace, a, b) || share_a_queue(fixture->pace, a, c) || share_a_queue(fixture->pace, b, c)) {
        pace_close(&fixture->pace);
        assert_status(STATUS_OK, pace_open(&fixture->pace, fixture->metrics));
    }
    return fixture->pace;
}

static void fill_turn(struct pace *pace)
{
    for (int index = 0; index < PACE_BEGINS; index++) {
        assert_true(pace_begin(pace));
    }
    assert_false(pace_begin(pace));
}

static void a_turn_begins_so_many_and_the_next_one_as_many_again(void **state)
{
    struct fixture *fixture = *state;
    struct pace *pace = fixture->pace;
    struct pace_member members[PACE_BEGINS + 1] = {0};

    fill_turn(pace);
    for (int index = 0; index < PACE_BEGINS + 1; index++) {
        pace_stand(pace, &members[index], BYTES("a"), 1000);
    }
    assert_int_equal(PACE_BEGINS + 1, waiting(fixture));
    assert_null(pace_next(pace)); /* the turn is over for all */
    pace_turn(pace, 1000);
    assert_false(pace_begin(pace)); /* others were there before */
    for (int index = 0; index < PACE_BEGINS; index++) {
        assert_ptr_equal(&members[index], pace_next(pace));
    }
    assert_null(pace_next(pace));
    assert_true(pace_is_held(pace));
    pace_turn(pace, 1000);
    assert_ptr_equal(&members[PACE_BEGINS], pace_next(pace));
    assert_null(pace_next(pace));
    assert_false(pace_is_held(pace));
    assert_int_equal(0, waiting(fixture));
    assert_true(pace_begin(pace));
}

static void callers_have_turns_whoever_has_many(void **state)
{
    struct pace *pace = with_queues(*state, BYTES("many"), BYTES("one"), BYTES("two"));
    struct pace_member many[6] = {0}, one = {0}, two[2] = {0};

    for (int index = 0; index < 6; index++) {
        pace_stand(pace, &many[index], BYTES("many"), 1000);
    }
    pace_stand(pace, &one, BYTES("one"), 1001);
    pace_stand(pace, &two[0], BYTES("two"), 1001);
    pace_stand(pace, &two[1], BYTES("two"), 1001);
    pace_leave(pace, &many[1]); /* its client has left */
    pace_leave(pace, &many[1]);
    assert_ptr_equal(&many[0], pace_next(pace));
    assert_ptr_equal(&one, pace_next(pace));
    assert_ptr_equal(&two[0], pace_next(pace));
    assert_ptr_equal(&many[2], pace_next(pace));
    assert_ptr_equal(&two[1], pace_next(pace));
    for (int index = 3; index < 6; index++) {
        assert_ptr_equal(&many[index], pace_next(pace));
    }
    assert_null(pace_next(pace));
}

static void only_the_caller_whose_requests_wait_long_is_late(void **state)
{
    struct pace *pace = with_queues(*state, BYTES("a"), BYTES("b"), BYTES("c"));
    struct pace_member member = {0}, other = {0};

    assert_false(pace_is_late(pace, BYTES("a"), 1000));
    pace_stand(pace, &member, BYTES("a"), 1000);
    pace_stand(pace, &other, BYTES("b"), 1000 + PACE_LATE_MS);
    assert_false(pace_is_late(pace, BYTES("a"), 1000 + PACE_LATE_MS - 1));
    assert_true(pace_is_late(pace, BYTES("a"), 1000 + PACE_LATE_MS));
    assert_false(pace_is_late(pace, BYTES("b"), 1000 + PACE_LATE_MS));
    pace_leave(pace, &member);
    assert_false(pace_is_late(pace, BYTES("a"), 1000 + PACE_LATE_MS));
    pace_leave(pace, &other);
}

static void who_has_waited_too_long_is_found_in_any_queue(void **state)
{
    struct pace *pace = with_queues(*state, BYTES("a"), BYTES("b"), BYTES("c"));
    struct pace_member young = {0}, old = {0};

    assert_null(pace_overdue(pace, 1000));
    pace_stand(pace, &young, BYTES("a"), 1001);
    pace_stand(pace, &old, BYTES("b"), 1000);
    assert_null(pace_overdue(pace, 1000 + PACE_WAIT_MAX_MS - 1));
    assert_ptr_equal(&old, pace_overdue(pace, 1000 + PACE_WAIT_MAX_MS));
    pace_leave(pace, &old);
    assert_null(pace_overdue(pace, 1000 + PACE_WAIT_MAX_MS));
    assert_ptr_equal(&young, pace_overdue(pace, 1001 + PACE_WAIT_MAX_MS));
    pace_leave(pace, &young);
}

static void a_line_that_stands_makes_the_loop_full(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;
    struct pace_member members[2] = {0};

    assert_int_equal(ACCEPT_TURN_MAX, pace_accepts(pace, 1000));
    pace_stand(pace, &members[0], BYTES("a"), 1000);
    assert_int_equal(0, pace_accepts(pace, 1000)); /* those that are there come first */
    pace_turn(pace, 1000);
    pace_stand(pace, &members[1], BYTES("a"), 1050);
    pace_leave(pace, &members[0]); /* another one, and still somebody */
    pace_turn(pace, 1050);
    assert_false(pace_is_full(pace, 1000 + PACE_STANDING_MS - 1));
    assert_true(pace_is_full(pace, 1000 + PACE_STANDING_MS));
    assert_int_equal(PACE_ACCEPTS, pace_accepts(pace, 1000 + PACE_STANDING_MS));
    pace_leave(pace, &members[1]);
    pace_turn(pace, 1000 + PACE_STANDING_MS);
    assert_false(pace_is_full(pace, 1000 + PACE_STANDING_MS));
}

/* Those that waited in the kernel do not come all at once. */
static void a_loop_that_was_full_takes_twice_as_many_connections_each_tick(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;
    struct pace_member member = {0};

    assert_false(pace_accepts_slowly(pace, 1000));
    for (int again = 0; again < 2; again++) {
        pace_stand(pace, &member, BYTES("a"), 1000);
        pace_turn(pace, 1000);
        pace_turn(pace, 1000 + PACE_STANDING_MS);
        assert_true(pace_accepts_slowly(pace, 1000 + PACE_STANDING_MS));
        pace_leave(pace, &member);
        pace_turn(pace, 1100);
        for (int accepts = PACE_ACCEPTS; accepts <= ACCEPT_TURN_MAX; accepts *= 2) {
            assert_int_equal(accepts, pace_accepts(pace, 1100));
            assert_true(pace_accepts_slowly(pace, 1100));
            pace_tick(pace, 100, 100);
        }
        assert_int_equal(ACCEPT_TURN_MAX, pace_accepts(pace, 1100));
        assert_false(pace_accepts_slowly(pace, 1100));
    }
}

static void a_crowd_makes_a_loop_full_that_hardly_sleeps(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;

    pace_tick(pace, 0, 100);
    assert_false(pace_is_full(pace, 1000)); /* busy, but nobody is refused */
    pace_crowd(pace);
    assert_int_equal(PACE_ACCEPTS, pace_accepts(pace, 1000));
    assert_false(pace_is_full(pace, 1000));
    pace_tick(pace, 100 / PACE_SLEEP_PART, 100);
    assert_false(pace_is_full(pace, 1000));
    pace_crowd(pace);
    pace_tick(pace, 100 / PACE_SLEEP_PART - 1, 100);
    assert_true(pace_is_full(pace, 1000));
    pace_tick(pace, 0, 100);
    assert_false(pace_is_full(pace, 1000));
}

/* A line that is empty for a moment, again and again, is none that stands. */
static void a_line_makes_a_loop_full_that_has_not_slept(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;
    struct pace_member member = {0};

    pace_stand(pace, &member, BYTES("a"), 1000);
    pace_turn(pace, 1000);
    pace_leave(pace, &member);
    pace_turn(pace, 1000);
    assert_false(pace_is_full(pace, 1000));
    pace_tick(pace, 800 / PACE_PAUSE_PART, 800);
    assert_false(pace_is_full(pace, 1000));
    pace_stand(pace, &member, BYTES("a"), 1000);
    pace_turn(pace, 1000);
    pace_leave(pace, &member);
    pace_turn(pace, 1000);
    pace_tick(pace, 800 / PACE_PAUSE_PART - 1, 800);
    assert_true(pace_is_full(pace, 1000));
    assert_int_equal(PACE_ACCEPTS, pace_accepts(pace, 1000));
    pace_turn(pace, 1000);
    pace_tick(pace, 0, 800); /* busy, and nobody waits */
    assert_false(pace_is_full(pace, 1000));
}

static void stand_for_a_turn(struct pace *pace)
{
    struct pace_member member = {0};

    pace_stand(pace, &member, BYTES("a"), 1000);
    pace_turn(pace, 1000);
    pace_leave(pace, &member);
    pace_turn(pace, 1000);
}

static void a_loop_stays_full_until_nobody_waits_or_it_has_slept(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;

    stand_for_a_turn(pace);
    pace_tick(pace, 0, 800);
    stand_for_a_turn(pace);
    pace_tick(pace, 800 / PACE_SLEEP_PART, 800);
    assert_true(pace_is_full(pace, 1000));
    assert_int_equal(PACE_ACCEPTS, pace_accepts(pace, 1000));
    stand_for_a_turn(pace);
    pace_tick(pace, 800 / PACE_SLEEP_PART + 1, 800);
    assert_false(pace_is_full(pace, 1000));
    stand_for_a_turn(pace);
    pace_tick(pace, 800 / PACE_SLEEP_PART, 800); /* it has had time since */
    assert_false(pace_is_full(pace, 1000));
    stand_for_a_turn(pace);
    pace_tick(pace, 0, 800);
    assert_true(pace_is_full(pace, 1000));
    pace_tick(pace, 800 / PACE_SLEEP_PART, 800); /* nobody waited */
    assert_false(pace_is_full(pace, 1000));
}

static void a_full_loop_has_a_short_line(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;
    struct pace_member members[PACE_LINE] = {0};

    for (int index = 0; index < PACE_LINE - 1; index++) {
        pace_stand(pace, &members[index], BYTES("a"), 1000);
    }
    pace_turn(pace, 1000);
    assert_false(pace_is_long(pace, 1000 + PACE_STANDING_MS));
    pace_stand(pace, &members[PACE_LINE - 1], BYTES("b"), 1000);
    assert_false(pace_is_long(pace, 1000 + PACE_STANDING_MS - 1)); /* a burst */
    assert_true(pace_is_long(pace, 1000 + PACE_STANDING_MS));
    for (int index = 0; index < PACE_LINE; index++) {
        pace_leave(pace, &members[index]);
    }
}

static void a_loop_without_time_takes_verdicts_first(void **state)
{
    struct pace *pace = ((struct fixture *)*state)->pace;
    struct pace_member member = {0};

    pace_judging(pace, PACE_JUDGING);
    pace_tick(pace, 800 / PACE_PAUSE_PART, 800);
    assert_true(pace_begin(pace)); /* it has slept: moderators are what all wait for */
    pace_tick(pace, 800 / PACE_PAUSE_PART - 1, 800);
    assert_false(pace_begin(pace));
    pace_stand(pace, &member, BYTES("a"), 1000);
    assert_null(pace_next(pace));
    assert_false(pace_goes_on(pace)); /* no turn is asked for: a verdict brings one */
    pace_tick(pace, 800 / PACE_SLEEP_PART, 800);
    assert_null(pace_next(pace));
    pace_tick(pace, 800 / PACE_SLEEP_PART + 1, 800); /* now it has time */
    assert_true(pace_goes_on(pace));
    pace_tick(pace, 0, 800);
    pace_judging(pace, PACE_JUDGING - 1);
    assert_true(pace_goes_on(pace));
    assert_ptr_equal(&member, pace_next(pace));
    assert_false(pace_goes_on(pace));
    assert_true(pace_begin(pace));
    pace_judging(pace, PACE_JUDGING);
    assert_false(pace_begin(pace));
}

int main(void)
{
#define with_pace(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_pace(a_turn_begins_so_many_and_the_next_one_as_many_again),
        with_pace(callers_have_turns_whoever_has_many),
        with_pace(only_the_caller_whose_requests_wait_long_is_late),
        with_pace(who_has_waited_too_long_is_found_in_any_queue),
        with_pace(a_line_that_stands_makes_the_loop_full),
        with_pace(a_loop_that_was_full_takes_twice_as_many_connections_each_tick),
        with_pace(a_line_makes_a_loop_full_that_has_not_slept),
        with_pace(a_loop_stays_full_until_nobody_waits_or_it_has_slept),
        with_pace(a_full_loop_has_a_short_line),
        with_pace(a_loop_without_time_takes_verdicts_first),
        with_pace(a_crowd_makes_a_loop_full_that_hardly_sleeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* turn: a turn is over after so long, its processor is then left once, and not again before the next is over. */
#include "support/unit.h"

#include "trainer/turn.h"

#include "proto/clock.h"
#include "proto/limits.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOW_MS = 1000, AWAY_MS = 1 + TRAIN_AWAY_US / 1000, US_PER_MS = 1000 };

static int left;          /* times that a processor was left */
static uint64_t back_ms;  /* the clock when it is had again */

/* Instead of the C library's, for all of this program. */
int sched_yield(void)
{
    left++;
    clock_freeze(back_ms);
    return (int)syscall(SYS_sched_yield);
}

static void begin_at(uint64_t now_ms)
{
    left = 0;
    back_ms = now_ms;
    clock_freeze(now_ms);
}

static void a_turn_ends_once_it_is_over(void **state)
{
    struct turn turn = {.cancelled = NULL};

    (void)state;
    begin_at(NOW_MS);
    assert_true(turn_goes_on(&turn)); /* the first is over at once */
    assert_int_equal(1, left);
    assert_int_equal(NOW_MS * US_PER_MS + TRAIN_TURN_US, turn.over_us);
    assert_true(turn_goes_on(&turn));
    assert_int_equal(1, left);
    back_ms = NOW_MS + 1;
    clock_freeze(NOW_MS + 1);
    assert_true(turn_goes_on(&turn));
    assert_int_equal(2, left);
    assert_true(turn_goes_on(&turn));
    assert_int_equal(2, left);
    clock_freeze(0);
}

/* Both sides of TRAIN_AWAY_US. */
static void who_was_away_for_long_has_a_turn_as_long(void **state)
{
    struct turn turn = {.cancelled = NULL};

    (void)state;
    begin_at(NOW_MS);
    back_ms = NOW_MS + AWAY_MS - 1;
    assert_true(turn_goes_on(&turn));
    assert_int_equal(back_ms * US_PER_MS + TRAIN_TURN_US, turn.over_us);
    begin_at(2 * NOW_MS);
    back_ms = 2 * NOW_MS + AWAY_MS;
    assert_true(turn_goes_on(&turn));
    assert_int_equal((back_ms + AWAY_MS) * US_PER_MS, turn.over_us);
    clock_freeze(back_ms + AWAY_MS - 1);
    assert_true(turn_goes_on(&turn));
    assert_int_equal(1, left);
    clock_freeze(back_ms + AWAY_MS);
    assert_true(turn_goes_on(&turn));
    assert_int_equal(2, left);
    clock_freeze(0);
}

/* By the clock that goes. */
static void work_meets_the_end_of_its_turn(void **state)
{
    enum { STEPS_MAX = 10000000 };
    struct turn turn = {.cancelled = NULL};

    (void)state;
    begin_at(0);
    for (int steps = 0; steps < STEPS_MAX && left < 3; steps++) {
        assert_true(turn_goes_on(&turn));
    }
    assert_int_equal(3, left);
}

static void a_cancelled_one_does_not_go_on(void **state)
{
    atomic_bool cancelled = false;
    struct turn turn = {.cancelled = &cancelled};

    (void)state;
    begin_at(NOW_MS);
    assert_true(turn_goes_on(&turn));
    atomic_store(&cancelled, true);
    assert_false(turn_goes_on(&turn));
    clock_freeze(2 * NOW_MS);
    assert_false(turn_goes_on(&turn)); /* nor does it wait for anybody */
    assert_int_equal(1, left);
    clock_freeze(0);
}

static void nobody_is_waited_for_without_one(void **state)
{
    (void)state;
    begin_at(NOW_MS);
    assert_true(turn_goes_on(NULL));
    assert_int_equal(0, left);
    clock_freeze(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_ends_once_it_is_over),
        cmocka_unit_test(who_was_away_for_long_has_a_turn_as_long),
        cmocka_unit_test(work_meets_the_end_of_its_turn),
        cmocka_unit_test(a_cancelled_one_does_not_go_on),
        cmocka_unit_test(nobody_is_waited_for_without_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of allocator: when pages are worth a walk, on both sides of the bound; that they go, tests/bench/memory shows. */
#include "proto/allocator.h"

#include "support/unit.h"

#include "proto/limits.h"

#define MORE ((int64_t)ALLOCATOR_FREE_BYTES)

static const struct allocator after = {.statm = -1, .last = {.resident_bytes = 10 * MIB, .used_bytes = 8 * MIB}};

static void assert_trims(bool expected, int64_t resident_bytes, int64_t used_bytes, int64_t free_bytes)
{
    const struct allocator_state now = {resident_bytes, used_bytes, free_bytes};

    assert_int_equal(expected, allocator_should_trim(&after, &now));
}

static void pages_that_came_since_the_last_time_are_worth_it(void **state)
{
    (void)state;
    assert_trims(false, 10 * MIB + MORE, 8 * MIB, 64 * MIB);
    assert_trims(true, 10 * MIB + MORE + 1, 8 * MIB, 64 * MIB);
    assert_trims(false, 50 * MIB, 48 * MIB, 64 * MIB); /* all of them are in use */
}

static void so_is_what_was_in_use_then(void **state)
{
    (void)state;
    assert_trims(false, 10 * MIB, 8 * MIB - MORE, 64 * MIB);
    assert_trims(true, 10 * MIB - MORE - 1, 8 * MIB - MORE - 1, 64 * MIB);
}

static void little_that_is_free_is_not(void **state)
{
    (void)state;
    assert_trims(false, 50 * MIB, 8 * MIB, MORE);
    assert_trims(true, 50 * MIB, 8 * MIB, MORE + 1);
}

static void a_look_costs_nothing_where_there_is_nothing_to_see(void **state)
{
    struct allocator allocator;

    (void)state;
    allocator_open(&allocator);
    assert_true(allocator.statm >= 0);
    allocator_look(&allocator);
    allocator_look(&allocator);
    allocator_close(&allocator);
    assert_int_equal(-1, allocator.statm);
    allocator_look(&allocator); /* not to be had */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_came_since_the_last_time_are_worth_it),
        cmocka_unit_test(so_is_what_was_in_use_then),
        cmocka_unit_test(little_that_is_free_is_not),
        cmocka_unit_test(a_look_costs_nothing_where_there_is_nothing_to_see),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

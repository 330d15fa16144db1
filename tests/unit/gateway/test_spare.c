/* Tests of spare: what a whole period did not need goes, what was needed once in it stays. */
#include "gateway/spare.h"

#include "support/unit.h"

#include "proto/limits.h"

enum { BEGIN_MS = 1000 };

struct fixture {
    struct metrics *metrics;
    struct spare spare;
};

/* A period has just begun, with so many. */
static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    spare_init(&fixture->spare, "things", fixture->metrics);
    for (int count = 0; count < 6; count++) {
        spare_kept(&fixture->spare);
    }
    fixture->spare.since_ms = BEGIN_MS;
    fixture->spare.fewest = fixture->spare.count;
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

static void free_unneeded(struct spare *spare, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        spare_taken(spare);
    }
    spare_tell(spare);
}

static void nothing_goes_before_a_period_has_ended(void **state)
{
    struct spare *spare = &((struct fixture *)*state)->spare;

    assert_int_equal(0, spare_unneeded(spare, BEGIN_MS));
    assert_int_equal(0, spare_unneeded(spare, BEGIN_MS + SPARE_LOOK_MS - 1));
    assert_int_equal(6, spare_unneeded(spare, BEGIN_MS + SPARE_LOOK_MS));
}

static void as_many_stay_as_were_in_use_at_once(void **state)
{
    struct spare *spare = &((struct fixture *)*state)->spare;

    spare_taken(spare);
    spare_taken(spare);
    spare_kept(spare);
    spare_taken(spare);
    spare_kept(spare);
    spare_kept(spare);
    assert_int_equal(4, spare_unneeded(spare, BEGIN_MS + SPARE_LOOK_MS));
    free_unneeded(spare, 4);
    assert_int_equal(2, spare->count);
}

static void the_next_period_counts_for_itself(void **state)
{
    struct spare *spare = &((struct fixture *)*state)->spare;
    const uint64_t next_ms = BEGIN_MS + SPARE_LOOK_MS;

    spare_taken(spare);
    spare_taken(spare);
    spare_kept(spare);
    spare_kept(spare);
    free_unneeded(spare, spare_unneeded(spare, next_ms));
    spare_taken(spare);
    spare_kept(spare);
    assert_int_equal(0, spare_unneeded(spare, next_ms + SPARE_LOOK_MS - 1));
    assert_int_equal(1, spare_unneeded(spare, next_ms + SPARE_LOOK_MS));
    free_unneeded(spare, 1);
    assert_int_equal(1, spare_unneeded(spare, next_ms + 2 * SPARE_LOOK_MS));
}

static void those_of_all_loops_are_told_together(void **state)
{
    struct fixture *fixture = *state;
    struct spare other;

    spare_init(&other, "things", fixture->metrics);
    spare_kept(&other);
    spare_tell(&other);
    spare_tell(&fixture->spare);
    assert_int_equal(7, series_value(fixture->spare.gauge));
    free_unneeded(&fixture->spare, 2);
    assert_int_equal(5, series_value(fixture->spare.gauge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_goes_before_a_period_has_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_stay_as_were_in_use_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_period_counts_for_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_of_all_loops_are_told_together, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

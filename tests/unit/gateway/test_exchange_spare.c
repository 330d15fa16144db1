/* exchange_spare: an exchange that has ended gives its room to the next, few are kept, and those that nobody needs go. */
#include "gateway/exchange_inside.h"

#include "support/heap.h"
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_BYTES = 4096 };

static const struct limit_settings limits = {.header_fields = 100, .header_bytes = 32 * KIB, .header_line_bytes = 8 * KIB};

struct fixture {
    struct metrics *metrics;
    struct exchanges home;
    uint64_t now_ms;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    fixture->home.limits = &limits;
    TAILQ_INIT(&fixture->home.spares);
    spare_init(&fixture->home.spare, "exchanges", fixture->metrics);
    fixture->now_ms = clock_ms();
    clock_freeze(fixture->now_ms);
    exchange_spare_tick(&fixture->home); /* a period begins */
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    exchange_spare_free(&fixture->home);
    assert_int_equal(0, series_value(fixture->home.spare.gauge));
    metrics_close(&fixture->metrics);
    test_free(fixture);
    return 0;
}

/* So many at once, which have fields to forward, and end. */
static void use(struct exchanges *home, size_t count)
{
    struct exchange **used = calloc(count, sizeof(struct exchange *));
    char *value = calloc(1, FIELDS_BYTES);

    assert_non_null(used);
    assert_non_null(value);
    memset(value, 'x', FIELDS_BYTES);
    for (size_t index = 0; index < count; index++) {
        used[index] = exchange_spare_take(home);
        assert_non_null(used[index]);
        assert_int_equal(0, fields_count(used[index]->forwarded));
        assert_status(STATUS_OK, fields_add(used[index]->forwarded, BYTES("name"), (struct bytes){value, FIELDS_BYTES}));
        used[index]->status = 200;
    }
    for (size_t index = 0; index < count; index++) {
        exchange_spare_keep(used[index]);
    }
    free(value);
    free(used);
}

static void the_next_one_is_empty_and_has_the_room_of_the_last(void **state)
{
    struct fixture *fixture = *state;
    struct exchange *last;
    size_t heap_bytes;

    use(&fixture->home, 1);
    last = TAILQ_FIRST(&fixture->home.spares);
    heap_bytes = heap_live_bytes();
    assert_ptr_equal(last, exchange_spare_take(&fixture->home));
    assert_int_equal(0, last->status);
    assert_ptr_equal(&fixture->home, last->home);
    exchange_spare_keep(last);
    use(&fixture->home, 1);
    assert_int_equal(heap_bytes, heap_live_bytes());
}

static void so_many_are_kept_and_no_more(void **state)
{
    struct fixture *fixture = *state;

    use(&fixture->home, SPARE_EXCHANGES_MAX - 1);
    assert_int_equal(SPARE_EXCHANGES_MAX - 1, fixture->home.spare.count);
    use(&fixture->home, SPARE_EXCHANGES_MAX + 1);
    assert_int_equal(SPARE_EXCHANGES_MAX, fixture->home.spare.count);
}

static void those_that_a_period_did_not_need_are_freed(void **state)
{
    struct fixture *fixture = *state;
    struct exchanges *home = &fixture->home;
    size_t heap_bytes;

    use(home, 10);
    clock_freeze(fixture->now_ms + SPARE_LOOK_MS);
    exchange_spare_tick(home);
    assert_int_equal(10, series_value(home->spare.gauge)); /* at its beginning there were none */
    use(home, 3);
    heap_bytes = heap_live_bytes();
    clock_freeze(fixture->now_ms + 2 * SPARE_LOOK_MS - 1);
    exchange_spare_tick(home);
    assert_int_equal(10, series_value(home->spare.gauge));
    clock_freeze(fixture->now_ms + 2 * SPARE_LOOK_MS);
    exchange_spare_tick(home);
    assert_int_equal(3, series_value(home->spare.gauge));
    assert_in_range(heap_live_bytes(), 0, heap_bytes - 7 * FIELDS_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_one_is_empty_and_has_the_room_of_the_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_are_kept_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_a_period_did_not_need_are_freed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of exchange_wait: nobody overtakes in a line, and everybody leaves it in time. */
#include "gateway/exchange.h"

#include "support/shortage.h"

static void who_finds_no_room_in_time_hears_503(void **state)
{
    struct shortage shortage;
    uint64_t now_ms;
    char *room;

    (void)state;
    shortage_open(&shortage, SHORTAGE_BUDGET_BYTES);
    shortage_hold(&shortage);
    now_ms = clock_ms();
    shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    shortage_wait_for(&shortage, 1);
    clock_freeze(now_ms + BODY_BUDGET_WAIT_MS - 1);
    assert_false(shortage_asks(&shortage, 3 * LOOP_TICK_MS)); /* a tick has passed */
    assert_int_equal(0, shortage_rejected(&shortage));
    clock_freeze(now_ms + BODY_BUDGET_WAIT_MS);
    room = shortage_answer(&shortage);
    assert_memory_equal("HTTP/1.1 503 ", room, 13);
    assert_non_null(strstr(room, "Retry-After: "));
    assert_int_equal(1, shortage_rejected(&shortage));
    free(room);
    shortage_close(&shortage);
}

static void what_the_budget_would_never_hold_does_not_wait(void **state)
{
    struct shortage shortage;
    char *room;

    (void)state;
    shortage_open(&shortage, SHORTAGE_TEXT_BYTES + SHORTAGE_TEXT_BYTES / 2);
    shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    room = shortage_answer(&shortage);
    assert_memory_equal("HTTP/1.1 503 ", room, 13);
    assert_int_equal(0, shortage_waits(&shortage));
    free(room);
    shortage_close(&shortage);
}

static void a_small_one_does_not_overtake_a_large_one(void **state)
{
    struct shortage shortage;
    int large, small;

    (void)state;
    shortage_open(&shortage, SHORTAGE_BUDGET_BYTES + SHORTAGE_TEXT_BYTES - 1);
    shortage_hold(&shortage);
    large = shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    shortage_wait_for(&shortage, 1);
    small = shortage_post(&shortage, KIB);
    shortage_wait_in_flight(&shortage, 3);
    assert_false(shortage_asks(&shortage, 3 * LOOP_TICK_MS)); /* it would fit, and had time to be read */
    shortage_give_back(&shortage);
    assert_true(shortage_asks(&shortage, TOWN_WAIT_MS));
    assert_true(shortage.slots[1].task.segments.count > SHORTAGE_TEXT_BYTES / 2);
    scripted_answer(&shortage.slots[1], OUTCOME_BLOCK);
    (void)close(large);
    (void)close(small);
    shortage.client = -1;
    shortage_close(&shortage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_finds_no_room_in_time_hears_503),
        cmocka_unit_test(what_the_budget_would_never_hold_does_not_wait),
        cmocka_unit_test(a_small_one_does_not_overtake_a_large_one),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}

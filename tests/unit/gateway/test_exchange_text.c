/* Tests of exchange_text: the copy of a text has its room in the body budget, or waits for it, and comes before bodies. */
#include "gateway/exchange.h"

#include "support/shortage.h"

static void texts_that_both_have_room_are_judged_at_once(void **state)
{
    struct shortage shortage;

    (void)state;
    shortage_open(&shortage, SHORTAGE_BUDGET_BYTES + SHORTAGE_TEXT_BYTES);
    shortage_hold(&shortage);
    shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    assert_true(shortage_asks(&shortage, TOWN_WAIT_MS));
    assert_int_equal(0, shortage_waits(&shortage));
    shortage_close(&shortage);
}

static void a_text_waits_for_room_and_is_judged_when_there_is(void **state)
{
    struct shortage shortage;
    char *room;

    (void)state;
    shortage_open(&shortage, SHORTAGE_BUDGET_BYTES + SHORTAGE_TEXT_BYTES - 1);
    shortage_hold(&shortage);
    shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    shortage_wait_for(&shortage, 1);
    assert_false(shortage_asks(&shortage, 0));
    shortage_give_back(&shortage);
    assert_true(shortage_asks(&shortage, TOWN_WAIT_MS));
    scripted_answer(&shortage.slots[1], OUTCOME_BLOCK);
    room = shortage_answer(&shortage);
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    assert_int_equal(0, shortage_rejected(&shortage));
    free(room);
    shortage_close(&shortage);
}

static void a_client_that_leaves_takes_its_place_in_the_line_along(void **state)
{
    struct shortage shortage;

    (void)state;
    shortage_open(&shortage, SHORTAGE_BUDGET_BYTES);
    shortage_hold(&shortage);
    shortage_post(&shortage, SHORTAGE_TEXT_BYTES);
    shortage_wait_for(&shortage, 1);
    shortage_leave(&shortage);
    shortage_wait_in_flight(&shortage, 1);
    assert_int_equal(0, shortage_rejected(&shortage));
    shortage_close(&shortage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_that_both_have_room_are_judged_at_once),
        cmocka_unit_test(a_text_waits_for_room_and_is_judged_when_there_is),
        cmocka_unit_test(a_client_that_leaves_takes_its_place_in_the_line_along),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}

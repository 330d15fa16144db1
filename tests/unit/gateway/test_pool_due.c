/* pool_due: what time brings comes exactly when it is due, and nothing is due when nothing is there. */
#include "support/desk.h"

static const struct profile_settings plain = {.name = "default"};

static void nothing_is_due_without_slots_and_jobs(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk);
    assert_true(pool_dispatch_due_ms(desk.dispatch) == UINT64_MAX);
    pool_dispatch_tick(desk.dispatch, desk.now_ms);
    assert_true(pool_dispatch_due_ms(desk.dispatch) == UINT64_MAX);
    desk_close(&desk);
}

static void an_idle_slot_hears_a_ping_and_gets_no_task_before_its_pong(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct bytes frame;
    enum message_type type;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    assert_int_equal(desk.now_ms + PING_IDLE_MS, pool_dispatch_due_ms(desk.dispatch));
    desk_pass_ms(&desk, PING_IDLE_MS - 1);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_IDLE));
    desk_pass_ms(&desk, 1);
    assert_int_equal(1, desk_slots(&desk, SLOT_LOCAL, SLOT_PINGED));
    (void)desk_submit(&desk, &plain, "hello");
    assert_int_equal(0, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY)); /* the PING is the one frame it may have */
    assert_status(STATUS_OK, scripted_take(&slot, &frame, SCRIPT_WAIT_MS));
    assert_status(STATUS_OK, message_read_type(frame, &type));
    assert_int_equal(MESSAGE_PING, type);
    scripted_plain(&slot, MESSAGE_PONG);
    desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_BUSY) == 1);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_slot_that_owes_a_pong_too_long_is_forgotten(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    desk_pass_ms(&desk, PING_IDLE_MS);
    assert_int_equal(desk.now_ms + GATEWAY_SILENCE_MS, pool_dispatch_due_ms(desk.dispatch));
    desk_pass_ms(&desk, GATEWAY_SILENCE_MS - 1);
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    desk_pass_ms(&desk, 1);
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_slot_that_owes_a_late_verdict_too_long_is_forgotten_with_the_queue(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_init(&desk);
    desk.settings.queue_age_ms = 60000;
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    (void)desk_submit(&desk, &plain, "waiting");
    desk_pass_ms(&desk, desk.settings.deadline_local_ms);
    assert_int_equal(1, desk.finished_count);
    desk_pass_ms(&desk, GATEWAY_SILENCE_MS - 1);
    assert_int_equal(1, desk.finished_count);
    desk_pass_ms(&desk, 1);
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    assert_int_equal(2, desk.finished_count);
    assert_status(STATUS_UNAVAILABLE, desk.finished[1]->result.status);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_busy_slot_is_probed_and_does_not_notice(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_init(&desk);
    desk.settings.deadline_local_ms = 60000;
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    for (unsigned round = 0; round < 20; round++) {
        assert_true(pool_dispatch_due_ms(desk.dispatch) <= desk.now_ms + PROBE_BUSY_MS);
        desk_pass_ms(&desk, PROBE_BUSY_MS);
    }
    assert_int_equal(20, pool_slots_first(desk.dispatch->slots, SLOT_LOCAL, SLOT_BUSY)->probe_count);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    (void)desk_submit(&desk, &plain, "next"); /* and the task behind the probes is not lost */
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    scripted_close(&slot);
    desk_close(&desk);
}

static void probes_for_one_task_are_bounded(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_init(&desk);
    desk.settings.deadline_local_ms = (uint64_t)PROBE_BUSY_MS * (PROBES_MAX + 100);
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    for (unsigned round = 0; round < PROBES_MAX + 50; round++) {
        desk_pass_ms(&desk, PROBE_BUSY_MS);
    }
    assert_int_equal(PROBES_MAX, pool_slots_first(desk.dispatch->slots, SLOT_LOCAL, SLOT_BUSY)->probe_count);
    scripted_answer(&slot, OUTCOME_ALLOW); /* the pipe never filled: the connection lives */
    desk_until(&desk, desk.finished_count == 1);
    scripted_close(&slot);
    desk_close(&desk);
}

static void a_probe_finds_a_slot_that_is_gone(void **state)
{
    struct desk desk;
    struct scripted slot;
    uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS;

    (void)state;
    desk_init(&desk);
    desk.settings.deadline_local_ms = UINT32_MAX;
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    scripted_close(&slot);
    while (desk.finished_count == 0 && clock_ms() < end_ms) {
        zmq_pollitem_t item = {wire_handle(desk.wire), 0, ZMQ_POLLIN, 0};

        (void)zmq_poll(&item, 1, 1);
        desk_pass_ms(&desk, PROBE_BUSY_MS);
    }
    assert_int_equal(1, desk.finished_count);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    desk_close(&desk);
}

static void the_next_thing_due_is_the_earliest(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_init(&desk);
    desk.settings.queue_age_ms = 30;
    desk.settings.deadline_local_ms = 50;
    desk_start(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    assert_int_equal(desk.now_ms + 50, pool_dispatch_due_ms(desk.dispatch)); /* before the first probe */
    (void)desk_submit(&desk, &plain, "waiting");
    assert_int_equal(desk.now_ms + 30, pool_dispatch_due_ms(desk.dispatch));
    scripted_close(&slot);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_without_slots_and_jobs),
        cmocka_unit_test(an_idle_slot_hears_a_ping_and_gets_no_task_before_its_pong),
        cmocka_unit_test(a_slot_that_owes_a_pong_too_long_is_forgotten),
        cmocka_unit_test(a_slot_that_owes_a_late_verdict_too_long_is_forgotten_with_the_queue),
        cmocka_unit_test(a_busy_slot_is_probed_and_does_not_notice),
        cmocka_unit_test(probes_for_one_task_are_bounded),
        cmocka_unit_test(a_probe_finds_a_slot_that_is_gone),
        cmocka_unit_test(the_next_thing_due_is_the_earliest),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}

/* pool_answers: garbage, strangers and peers out of turn are dropped and counted, and cost a job no time. */
#include "support/desk.h"

#include <poll.h>

static const struct profile_settings plain = {.name = "default"};

/* Waits until so many messages have been dropped for that reason. */
static void expect_bad(struct desk *desk, enum pool_bad why, int64_t count)
{
    desk_until(desk, desk_bad(desk, why) == count);
}

static void garbage_from_a_stranger_is_counted_and_nothing_else(void **state)
{
    struct desk desk;
    struct scripted good;
    struct scripted stranger;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &good, SLOT_LOCAL, "");
    scripted_connect(&stranger, wire_endpoint(desk.wire));
    scripted_send(&stranger, BYTES("GET / HTTP/1.1\r\n\r\n"));
    expect_bad(&desk, BAD_MALFORMED, 1);
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&good);
    scripted_answer(&good, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 1);
    scripted_close(&good);
    scripted_close(&stranger);
    desk_close(&desk);
}

static void messages_of_other_versions_and_types_are_counted_as_such(void **state)
{
    struct desk desk;
    struct scripted slots[3];

    (void)state;
    desk_open(&desk);
    for (size_t index = 0; index < 3; index++) {
        scripted_connect(&slots[index], wire_endpoint(desk.wire));
    }
    scripted_send(&slots[0], BYTES("\x92\x02\x05"));
    expect_bad(&desk, BAD_VERSION, 1);
    scripted_send(&slots[1], BYTES("\x92\x01\x63"));
    expect_bad(&desk, BAD_VERSION, 2);
    scripted_plain(&slots[2], MESSAGE_PING); /* ours to send */
    expect_bad(&desk, BAD_TURN, 1);
    for (size_t index = 0; index < 3; index++) {
        scripted_close(&slots[index]);
    }
    desk_close(&desk);
}

static void a_message_in_other_parts_is_dropped_whole(void **state)
{
    struct desk desk;
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger_ms = 0;

    (void)state;
    desk_open(&desk);
    assert_int_equal(0, zmq_setsockopt(dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms));
    assert_int_equal(0, zmq_connect(dealer, wire_endpoint(desk.wire)));
    assert_int_equal(5, zmq_send(dealer, "alone", 5, 0));
    expect_bad(&desk, BAD_PARTS, 1);
    assert_int_equal(0, zmq_close(dealer));
    assert_int_equal(0, zmq_ctx_term(context));
    desk_close(&desk);
}

/* More than one turn takes, from more peers than one pipe holds messages; until one turn has met its bound. */
static void a_turn_takes_so_many_messages_and_says_that_there_are_more(void **state)
{
    enum { PEERS = 16, EACH = 2 * POOL_TURN_FRAMES / PEERS };
    struct desk desk;
    void *context = zmq_ctx_new();
    void *dealers[PEERS];
    int linger_ms = 0;
    bool more = false;

    (void)state;
    desk_open(&desk);
    for (size_t index = 0; index < PEERS; index++) {
        dealers[index] = zmq_socket(context, ZMQ_DEALER);
        assert_int_equal(0, zmq_setsockopt(dealers[index], ZMQ_LINGER, &linger_ms, sizeof linger_ms));
        assert_int_equal(0, zmq_connect(dealers[index], wire_endpoint(desk.wire)));
    }
    for (uint64_t end_ms = clock_ms() + SCRIPT_WAIT_MS; !more && clock_ms() < end_ms;) {
        int64_t before = desk_bad(&desk, BAD_PARTS);

        for (size_t index = 0; index < PEERS * EACH; index++) {
            (void)zmq_send(dealers[index % PEERS], "alone", 5, ZMQ_DONTWAIT);
        }
        (void)poll(NULL, 0, 5); /* what is late comes in the next round */
        more = pool_dispatch_receive(desk.dispatch, desk.now_ms);
        assert_in_range(desk_bad(&desk, BAD_PARTS) - before, more ? POOL_TURN_FRAMES : 0, POOL_TURN_FRAMES);
    }
    assert_true(more);
    for (size_t index = 0; index < PEERS; index++) {
        assert_int_equal(0, zmq_close(dealers[index]));
    }
    assert_int_equal(0, zmq_ctx_term(context));
    desk_close(&desk);
}

/* Each way in which a busy slot can answer with something that is no answer. */
static void answer_badly(struct scripted *slot, unsigned how)
{
    struct message_verdict verdict = scripted_verdict(slot, OUTCOME_ALLOW);

    switch (how) {
    case 0:
        scripted_send(slot, BYTES("garbage"));
        break;
    case 1:
        scripted_plain(slot, MESSAGE_PONG);
        break;
    case 2:
        verdict.sequence++;
        scripted_send_verdict(slot, &verdict);
        break;
    case 3:
        verdict.nonce++;
        scripted_send_verdict(slot, &verdict);
        break;
    case 4:
        scripted_unsure(slot, OUTCOME_ALLOW, DRAWN_UNSURE, 2); /* a segment that the task has not */
        break;
    default:
        scripted_busy(slot, BUSY_FAILED); /* a good answer, but no verdict */
        break;
    }
}

static void a_bad_answer_ends_the_attempt_at_once_and_frees_the_slot(void **state)
{
    static const enum pool_bad why[] = {BAD_MALFORMED, BAD_TURN, BAD_TURN, BAD_TURN, BAD_MALFORMED};

    (void)state;
    for (unsigned how = 0; how < 6; how++) {
        struct desk desk;
        struct scripted slot;

        desk_open(&desk);
        desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
        (void)desk_submit(&desk, &plain, "hello");
        scripted_task(&slot);
        answer_badly(&slot, how);
        desk_until(&desk, desk.finished_count == 1);
        assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
        if (how < 5) {
            assert_int_equal(1, desk_bad(&desk, why[how]));
        }
        (void)desk_submit(&desk, &plain, "hello"); /* the same slot is good for the next */
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_ALLOW);
        desk_until(&desk, desk.finished_count == 2);
        assert_status(STATUS_OK, desk.finished[1]->result.status);
        scripted_close(&slot);
        desk_close(&desk);
    }
}

static void the_third_bad_message_is_the_last(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    for (size_t index = 0; index < BAD_FRAMES_MAX; index++) {
        assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
        (void)desk_submit(&desk, &plain, "hello");
        scripted_task(&slot);
        scripted_send(&slot, BYTES("garbage"));
        desk_until(&desk, desk.finished_count == index + 1);
        assert_status(STATUS_UNAVAILABLE, desk.finished[index]->result.status);
    }
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    assert_int_equal(BAD_FRAMES_MAX, desk_bad(&desk, BAD_MALFORMED));
    scripted_close(&slot);
    desk_close(&desk);
}

static void busy_says_why_there_is_no_verdict(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    for (enum busy_reason reason = BUSY_EXPIRED; reason <= BUSY_FAILED; reason++) {
        size_t index = (size_t)reason - BUSY_EXPIRED;

        (void)desk_submit(&desk, &plain, "hello");
        scripted_task(&slot);
        if (reason == BUSY_UNSUPPORTED) {
            slot.task.head.nonce = 0; /* it could not read which task this is */
            slot.task.head.sequence = 0;
        }
        scripted_busy(&slot, reason);
        desk_until(&desk, desk.finished_count == index + 1);
        assert_status(reason == BUSY_EXPIRED ? STATUS_TIMEOUT : STATUS_UNAVAILABLE, desk.finished[index]->result.status);
    }
    assert_int_equal(0, desk_bad(&desk, BAD_TURN));
    scripted_close(&slot);
    desk_close(&desk);
}

static void answers_of_strangers_are_late_or_unknown(void **state)
{
    struct desk desk;
    struct scripted slots[4];

    (void)state;
    desk_open(&desk);
    for (size_t index = 0; index < 4; index++) {
        scripted_connect(&slots[index], wire_endpoint(desk.wire));
    }
    scripted_answer(&slots[0], OUTCOME_ALLOW); /* of the gateway before this one */
    desk_until(&desk, series_value(desk.dispatch->counts.late) == 1);
    scripted_busy(&slots[1], BUSY_FAILED);
    desk_until(&desk, series_value(desk.dispatch->counts.late) == 2);
    scripted_plain(&slots[2], MESSAGE_PONG);
    expect_bad(&desk, BAD_UNKNOWN, 1);
    scripted_plain(&slots[3], MESSAGE_BYE);
    expect_bad(&desk, BAD_UNKNOWN, 2);
    for (size_t index = 0; index < 4; index++) {
        scripted_close(&slots[index]);
    }
    desk_close(&desk);
}

static void a_slot_leaves_with_bye_when_it_is_asked(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct bytes frame;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    desk_pass_ms(&desk, PING_IDLE_MS);
    assert_status(STATUS_OK, scripted_take(&slot, &frame, SCRIPT_WAIT_MS));
    scripted_plain(&slot, MESSAGE_BYE);
    desk_until(&desk, pool_dispatch_slot_count(desk.dispatch) == 0);
    assert_int_equal(0, desk_bad(&desk, BAD_TURN));
    scripted_close(&slot);
    desk_close(&desk);
}

/* What a slot of a moderator that leaves was sent goes to another, as no attempt, after the others of its process were asked. */
static void bye_instead_of_a_verdict_passes_the_task_on(void **state)
{
    struct desk desk;
    struct scripted slot;
    struct scripted sibling;
    struct scripted other;
    struct bytes frame;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    desk_add_slot(&desk, &sibling, SLOT_LOCAL, "");
    desk_add_slot_of(&desk, &other, SLOT_LOCAL, "", "worker-worker-17");
    (void)desk_submit(&desk, &plain, "passed on");
    scripted_task(&slot);
    scripted_plain(&slot, MESSAGE_BYE);
    desk_until(&desk, desk_slots(&desk, SLOT_LOCAL, SLOT_PINGED) == 1);
    scripted_task(&other);
    assert_status(STATUS_OK, scripted_take(&sibling, &frame, SCRIPT_WAIT_MS));
    scripted_plain(&sibling, MESSAGE_BYE);
    scripted_busy(&other, BUSY_FAILED); /* its first attempt, and its last: there is no other any more */
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_int_equal(0, desk.finished[0]->result.retries);
    assert_int_equal(0, series_value(desk.dispatch->counts.ends[END_LEFT]));
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    scripted_close(&slot);
    scripted_close(&sibling);
    scripted_close(&other);
    desk_close(&desk);
}

static void the_bye_of_the_last_slot_loses_the_task_at_once(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "running");
    (void)desk_submit(&desk, &plain, "waiting");
    scripted_task(&slot);
    scripted_plain(&slot, MESSAGE_BYE);
    desk_until(&desk, desk.finished_count == 2); /* nobody is left to wait for */
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    assert_status(STATUS_UNAVAILABLE, desk.finished[1]->result.status);
    scripted_close(&slot);
    desk_close(&desk);
}

static void ready_in_place_of_a_verdict_is_a_new_beginning(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, "");
    (void)desk_submit(&desk, &plain, "lost");
    scripted_task(&slot);
    scripted_ready(&slot, SLOT_LOCAL, "", SCRIPT_TEXT_BYTES_MAX);
    desk_until(&desk, desk.finished_count == 1);
    assert_status(STATUS_UNAVAILABLE, desk.finished[0]->result.status);
    (void)desk_submit(&desk, &plain, "hello");
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_ALLOW);
    desk_until(&desk, desk.finished_count == 2);
    assert_status(STATUS_OK, desk.finished[1]->result.status);
    scripted_close(&slot);
    desk_close(&desk);
}

static void slots_beyond_the_bound_are_refused(void **state)
{
    struct desk desk;
    struct scripted slots[3];

    (void)state;
    desk_init(&desk);
    desk.settings.peers = 2;
    desk_start(&desk);
    desk_add_slot(&desk, &slots[0], SLOT_LOCAL, "");
    desk_add_slot(&desk, &slots[1], SLOT_REVIEW, "default"); /* all kinds together */
    scripted_open(&slots[2], wire_endpoint(desk.wire), SLOT_LOCAL, "");
    expect_bad(&desk, BAD_PEERS, 1);
    assert_int_equal(1, pool_dispatch_slot_count(desk.dispatch));
    for (size_t index = 0; index < 3; index++) {
        scripted_close(&slots[index]);
    }
    desk_close(&desk);
}

static void a_slot_that_takes_too_little_text_is_refused(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    scripted_connect(&slot, wire_endpoint(desk.wire));
    scripted_ready(&slot, SLOT_LOCAL, "", SCRIPT_TEXT_BYTES_MAX - 1);
    expect_bad(&desk, BAD_TEXT_BOUND, 1);
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    scripted_close(&slot);
    desk_add_slot(&desk, &slot, SLOT_LOCAL, ""); /* exactly enough */
    scripted_close(&slot);
    desk_close(&desk);
}

static void an_unreadable_ready_registers_nobody(void **state)
{
    struct desk desk;
    struct scripted slot;

    (void)state;
    desk_open(&desk);
    scripted_connect(&slot, wire_endpoint(desk.wire));
    scripted_send(&slot, BYTES("\x93\x01\x01\x05"));
    expect_bad(&desk, BAD_MALFORMED, 1);
    assert_int_equal(0, pool_dispatch_slot_count(desk.dispatch));
    scripted_close(&slot);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_from_a_stranger_is_counted_and_nothing_else),
        cmocka_unit_test(messages_of_other_versions_and_types_are_counted_as_such),
        cmocka_unit_test(a_message_in_other_parts_is_dropped_whole),
        cmocka_unit_test(a_turn_takes_so_many_messages_and_says_that_there_are_more),
        cmocka_unit_test(a_bad_answer_ends_the_attempt_at_once_and_frees_the_slot),
        cmocka_unit_test(the_third_bad_message_is_the_last),
        cmocka_unit_test(busy_says_why_there_is_no_verdict),
        cmocka_unit_test(answers_of_strangers_are_late_or_unknown),
        cmocka_unit_test(a_slot_leaves_with_bye_when_it_is_asked),
        cmocka_unit_test(bye_instead_of_a_verdict_passes_the_task_on),
        cmocka_unit_test(the_bye_of_the_last_slot_loses_the_task_at_once),
        cmocka_unit_test(ready_in_place_of_a_verdict_is_a_new_beginning),
        cmocka_unit_test(slots_beyond_the_bound_are_refused),
        cmocka_unit_test(a_slot_that_takes_too_little_text_is_refused),
        cmocka_unit_test(an_unreadable_ready_registers_nobody),
    };

    return cmocka_run_group_tests(tests, desk_group_setup, NULL);
}

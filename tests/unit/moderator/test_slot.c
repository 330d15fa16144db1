/* test_slot: the lock-step of a slot against a real ROUTER; time is a number that the tests give. */
#include "support/gateway.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/slot.h"
#include "proto/secret.h"

#include <math.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 1000, NOW_MS = 1000000 };

static const struct message_ready local = {
    .worker = {"0123456789abcdef", WORKER_ID_BYTES},
    .kind = SLOT_LOCAL,
    .text_bytes_max = TEXT_BYTES_MAX,
};
static const struct message_task_head head = {
    .nonce = 11, .sequence = 22, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, wire_start());
    assert_status(STATUS_OK, secret_start());
    return 0;
}

struct pair {
    struct gateway gateway;
    struct slot slot;
};

static int open_gateway(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    gateway_open(&pair->gateway, "tcp://127.0.0.1:*");
    slot_init(&pair->slot, wire_endpoint(pair->gateway.wire), NULL, &local, NOW_MS);
    *state = pair;
    return 0;
}

static int close_gateway(void **state)
{
    struct pair *pair = *state;

    slot_close(&pair->slot);
    gateway_close(&pair->gateway);
    free(pair);
    return 0;
}

/* Waits until the slot's socket has what the slot waits for. */
static void await(const struct slot *slot)
{
    zmq_pollitem_t item = {.socket = slot_socket(slot),
                           .events = slot->state == SLOT_WAITING ? ZMQ_POLLIN : ZMQ_POLLOUT};

    assert_true(slot->state == SLOT_WAITING || slot->state == SLOT_JOINING);
    assert_int_equal(1, zmq_poll(&item, 1, GATEWAY_WAIT_MS));
}

/* Until the READY has arrived. */
static struct message_ready join(struct pair *pair, uint64_t now_ms)
{
    struct message_ready ready;

    assert_int_equal(SLOT_CLOSED, pair->slot.state);
    assert_status(STATUS_OK, slot_turn(&pair->slot, now_ms));
    assert_int_equal(SLOT_JOINING, pair->slot.state);
    await(&pair->slot);
    slot_join(&pair->slot, now_ms);
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    assert_status(STATUS_OK, message_read_ready(gateway_expect(&pair->gateway, MESSAGE_READY), &ready));
    return ready;
}

static enum status take(struct pair *pair, struct message_task *task)
{
    await(&pair->slot);
    return slot_take(&pair->slot, NOW_MS, task);
}

static void send_task(struct pair *pair, const struct message_task_head *task_head, const char *text)
{
    struct bytes texts[] = {bytes_of(text)};
    struct buffer packed;

    task_pack(&packed, task_head, "default", texts, 1);
    gateway_send(&pair->gateway, buffer_view(&packed));
    buffer_free(&packed);
}

static void it_joins_with_ready_and_says_what_it_is(void **state)
{
    struct message_ready ready = join(*state, NOW_MS);

    assert_bytes("0123456789abcdef", ready.worker);
    assert_int_equal(SLOT_LOCAL, ready.kind);
    assert_int_equal(0, ready.profile.count);
    assert_int_equal(TEXT_BYTES_MAX, ready.text_bytes_max);
}

static void a_ping_is_answered_with_pong(void **state)
{
    struct pair *pair = *state;
    struct message_task task;

    (void)join(pair, NOW_MS);
    for (int round = 0; round < 3; round++) {
        gateway_ping(&pair->gateway);
        assert_status(STATUS_AGAIN, take(pair, &task));
        (void)gateway_expect(&pair->gateway, MESSAGE_PONG);
    }
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    assert_int_equal(NOW_MS, pair->slot.heard_ms);
}

static void a_task_is_lent_and_answered_with_a_verdict(void **state)
{
    struct pair *pair = *state;
    struct message_verdict verdict = {.nonce = 11, .sequence = 22, .outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD,
                                      .category = BYTES("keyword"), .score = (float)NAN, .worker_us = 5};
    struct message_task task;
    struct segment segment;

    (void)join(pair, NOW_MS);
    send_task(pair, &head, "judge me");
    assert_status(STATUS_OK, take(pair, &task));
    assert_int_equal(SLOT_WORKING, pair->slot.state);
    assert_int_equal(800, task.head.remaining_ms);
    assert_bytes("default", task.profile);
    assert_status(STATUS_OK, message_next_segment(&task.segments, &segment));
    assert_bytes("judge me", segment.text);
    /* Nothing is due while it works, however long that takes. */
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + 100 * GATEWAY_SILENCE_MS));
    assert_int_equal(SLOT_WORKING, pair->slot.state);
    slot_verdict(&pair->slot, NOW_MS, &verdict);
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    verdict = gateway_verdict(&pair->gateway);
    assert_int_equal(11, verdict.nonce);
    assert_int_equal(22, verdict.sequence);
    assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
    assert_bytes("keyword", verdict.category);
    /* The verdict was the next READY. */
    send_task(pair, &head, "and me");
    assert_status(STATUS_OK, take(pair, &task));
}

static void a_task_that_is_not_judged_is_answered_with_busy(void **state)
{
    struct pair *pair = *state;
    struct message_busy busy;
    struct message_task task;

    (void)join(pair, NOW_MS);
    send_task(pair, &head, "judge me");
    assert_status(STATUS_OK, take(pair, &task));
    slot_busy(&pair->slot, NOW_MS, &task.head, BUSY_EXPIRED);
    busy = gateway_busy(&pair->gateway);
    assert_int_equal(11, busy.nonce);
    assert_int_equal(22, busy.sequence);
    assert_int_equal(BUSY_EXPIRED, busy.reason);
}

/* Sends a frame that is no task for this slot and expects BUSY; the slot must still be of use afterwards. */
static void is_refused(struct pair *pair, struct bytes frame)
{
    struct message_busy busy;
    struct message_task task;

    gateway_send(&pair->gateway, frame);
    assert_status(STATUS_UNSUPPORTED, take(pair, &task));
    busy = gateway_busy(&pair->gateway);
    assert_int_equal(BUSY_UNSUPPORTED, busy.reason);
    assert_int_equal(SLOT_WAITING, pair->slot.state);
}

static void garbage_is_answered_with_busy_and_changes_nothing(void **state)
{
    struct pair *pair = *state;
    struct bytes text = BYTES("judge me");
    struct buffer packed;
    struct message_task task;

    (void)join(pair, NOW_MS);
    is_refused(pair, BYTES(""));
    is_refused(pair, BYTES("\xc1"));
    is_refused(pair, BYTES("GET / HTTP/1.1\r\n\r\n"));
    is_refused(pair, BYTES("\xdd\xff\xff\xff\xff"));       /* an array of 4 G objects */
    is_refused(pair, BYTES("\x92\x02\x04"));               /* PING of another version */
    is_refused(pair, BYTES("\x92\x01\x05"));               /* PONG is the slot's own word */
    is_refused(pair, BYTES("\x92\x01\x63"));               /* no such type */
    is_refused(pair, BYTES("\x94\x01\x08\x03\x29"));       /* MODEL belongs to another socket */
    task_pack(&packed, &head, "default", &text, 1);
    for (size_t count = 0; count < packed.count; count++) {
        is_refused(pair, bytes_first(buffer_view(&packed), count));
    }
    gateway_send(&pair->gateway, buffer_view(&packed));
    assert_status(STATUS_OK, take(pair, &task));
    buffer_free(&packed);
}

static void a_task_of_the_other_kind_is_refused(void **state)
{
    struct message_task_head review = head;
    struct pair *pair = *state;
    struct message_busy busy;
    struct message_task task;

    review.kind = SLOT_REVIEW;
    (void)join(pair, NOW_MS);
    send_task(pair, &review, "review me");
    assert_status(STATUS_UNSUPPORTED, take(pair, &task));
    busy = gateway_busy(&pair->gateway);
    assert_int_equal(BUSY_UNSUPPORTED, busy.reason);
    assert_int_equal(22, busy.sequence); /* it could be read, so the gateway learns which one */
}

static void silence_rebuilds_the_socket_and_joins_again(void **state)
{
    struct pair *pair = *state;
    char first[GATEWAY_IDENTITY_BYTES];
    size_t first_bytes;

    (void)join(pair, NOW_MS);
    first_bytes = pair->gateway.identity_bytes;
    memcpy(first, pair->gateway.identity, first_bytes);
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + GATEWAY_SILENCE_MS - 1));
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + GATEWAY_SILENCE_MS));
    assert_int_equal(SLOT_CLOSED, pair->slot.state);
    assert_null(slot_socket(&pair->slot));
    assert_status(STATUS_OK, slot_turn(&pair->slot, pair->slot.due_ms - 1));
    assert_int_equal(SLOT_CLOSED, pair->slot.state);
    (void)join(pair, pair->slot.due_ms);
    assert_false(bytes_equal((struct bytes){first, first_bytes}, gateway_peer(&pair->gateway)));
}

static void a_socket_that_cannot_join_is_rebuilt(void **state)
{
    struct pair *pair = *state;
    struct slot nowhere;

    slot_init(&nowhere, "tcp://127.0.0.1:1", NULL, &pair->slot.ready, NOW_MS); /* nobody listens there */
    assert_status(STATUS_OK, slot_turn(&nowhere, NOW_MS));
    assert_int_equal(SLOT_JOINING, nowhere.state);
    assert_status(STATUS_OK, slot_turn(&nowhere, NOW_MS + SLOT_JOIN_MS - 1));
    assert_int_equal(SLOT_JOINING, nowhere.state);
    assert_status(STATUS_OK, slot_turn(&nowhere, NOW_MS + SLOT_JOIN_MS));
    assert_int_equal(SLOT_CLOSED, nowhere.state);
    assert_status(STATUS_OK, slot_turn(&nowhere, nowhere.due_ms));
    assert_int_equal(SLOT_JOINING, nowhere.state);
    slot_close(&nowhere);
}

static void a_lost_connection_is_found_long_before_the_silence(void **state)
{
    struct pair *pair = *state;
    uint64_t end_ms = clock_ms() + GATEWAY_WAIT_MS;

    (void)join(pair, NOW_MS);
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + SLOT_CHECK_MS));
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    gateway_close(&pair->gateway);
    while (wire_connected(pair->slot.wire)) {
        assert_true(clock_ms() < end_ms);
        (void)zmq_poll(NULL, 0, 1);
    }
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + 2 * SLOT_CHECK_MS));
    assert_int_equal(SLOT_CLOSED, pair->slot.state);
}

/* One that began to wait later than another is due with it, and never later than its own time. */
static void slots_look_for_their_connections_together(void **state)
{
    struct pair *pair = *state;
    const uint64_t whole_ms = NOW_MS;
    struct message_task task;

    assert_int_equal(0, NOW_MS % SLOT_CHECK_MS);

    (void)join(pair, whole_ms);
    assert_int_equal(whole_ms + SLOT_CHECK_MS, pair->slot.due_ms);
    for (uint64_t later_ms = 1; later_ms < SLOT_CHECK_MS; later_ms += SLOT_CHECK_MS - 2) {
        const struct message_verdict verdict = {.nonce = 1, .sequence = 2, .score = (float)NAN};

        send_task(pair, &head, "judge me");
        assert_status(STATUS_OK, take(pair, &task));
        slot_verdict(&pair->slot, whole_ms + later_ms, &verdict);
        (void)gateway_verdict(&pair->gateway);
        assert_int_equal(whole_ms + SLOT_CHECK_MS, pair->slot.due_ms);
    }
    assert_status(STATUS_OK, slot_turn(&pair->slot, whole_ms + SLOT_CHECK_MS));
    assert_int_equal(whole_ms + 2 * SLOT_CHECK_MS, pair->slot.due_ms);
}

static void the_back_off_doubles_with_jitter_up_to_its_bound_and_a_frame_ends_it(void **state)
{
    struct pair *pair = *state;
    struct message_task task;
    uint64_t now_ms = NOW_MS;
    uint64_t whole_ms = SLOT_BACKOFF_MS;

    for (int round = 0; round < 9; round++) {
        (void)join(pair, now_ms);
        now_ms += GATEWAY_SILENCE_MS;
        assert_status(STATUS_OK, slot_turn(&pair->slot, now_ms));
        assert_in_range(pair->slot.due_ms - now_ms, whole_ms / 2, whole_ms);
        whole_ms = whole_ms * 2 < SLOT_BACKOFF_MAX_MS ? whole_ms * 2 : SLOT_BACKOFF_MAX_MS;
        now_ms = pair->slot.due_ms;
    }
    assert_int_equal(SLOT_BACKOFF_MAX_MS, whole_ms);
    (void)join(pair, now_ms);
    gateway_ping(&pair->gateway);
    assert_status(STATUS_AGAIN, take(pair, &task));
    (void)gateway_expect(&pair->gateway, MESSAGE_PONG);
    assert_int_equal(0, pair->slot.rebuilds);
}

/* How long what it sent may take to leave after its socket is closed. */
static int linger_ms(const struct slot *slot)
{
    int linger = -1;
    size_t room = sizeof linger;

    assert_int_equal(0, zmq_getsockopt(slot_socket(slot), ZMQ_LINGER, &linger, &room));
    return linger;
}

static void a_leaving_slot_answers_the_next_ping_with_bye(void **state)
{
    struct pair *pair = *state;
    struct message_task task;

    (void)join(pair, NOW_MS);
    slot_leave(&pair->slot);
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    assert_int_equal(0, linger_ms(&pair->slot));
    gateway_ping(&pair->gateway);
    assert_status(STATUS_AGAIN, take(pair, &task));
    assert_int_equal(SLOT_GONE, pair->slot.state);
    assert_int_equal(SLOT_LINGER_MS, linger_ms(&pair->slot));
    (void)gateway_expect(&pair->gateway, MESSAGE_BYE);
}

static void a_leaving_slot_still_answers_the_task_it_has_and_the_next_one_with_bye(void **state)
{
    struct message_verdict verdict = {.nonce = 11, .sequence = 22, .score = (float)NAN};
    struct pair *pair = *state;
    struct message_task task;

    (void)join(pair, NOW_MS);
    send_task(pair, &head, "judge me");
    assert_status(STATUS_OK, take(pair, &task));
    slot_leave(&pair->slot);
    slot_verdict(&pair->slot, NOW_MS, &verdict);
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&pair->gateway).outcome);
    send_task(pair, &head, "ask another one");
    assert_status(STATUS_AGAIN, take(pair, &task));
    (void)gateway_expect(&pair->gateway, MESSAGE_BYE);
    assert_int_equal(SLOT_GONE, pair->slot.state);
}

static void send_several(struct pair *pair)
{
    static const char *const profiles[] = {"default", "default"};
    const struct bytes texts[] = {BYTES("one"), BYTES("two")};
    const struct message_task_head several = {.nonce = 11, .sequence = 22, .kind = SLOT_LOCAL, .remaining_ms = 800};
    struct buffer packed;

    task_pack_several(&packed, &several, profiles, texts, 2);
    gateway_send(&pair->gateway, buffer_view(&packed));
    buffer_free(&packed);
}

static void several_tasks_are_lent_and_answered_by_one_message(void **state)
{
    const struct message_verdict verdict = {.score = (float)NAN};
    struct pair *pair = *state;
    struct message_tasks tasks;
    struct message_verdicts verdicts;
    enum status status;
    REPLY_BUFFER(out);

    (void)join(pair, NOW_MS);
    send_several(pair);
    await(&pair->slot);
    assert_status(STATUS_OK, slot_take_tasks(&pair->slot, NOW_MS, &tasks));
    assert_int_equal(SLOT_WORKING, pair->slot.state);
    assert_true(tasks.is_batch);
    assert_int_equal(2, tasks.count);
    status = message_write_verdicts(&tasks.tasks[0].head, 2, &out);
    assert_status(STATUS_OK, status);
    assert_status(STATUS_OK, message_write_verdicts_next(&verdict, &out));
    assert_status(STATUS_OK, message_write_verdicts_busy(BUSY_LATER, &out));
    slot_reply(&pair->slot, NOW_MS, status, &out);
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    verdicts = gateway_verdicts(&pair->gateway);
    assert_int_equal(22, verdicts.sequence);
    assert_int_equal(BUSY_LATER, verdicts.answers[1].busy);
    send_task(pair, &head, "one alone");
    await(&pair->slot);
    assert_status(STATUS_OK, slot_take_tasks(&pair->slot, NOW_MS, &tasks));
    assert_false(tasks.is_batch);
    assert_int_equal(1, tasks.count);
}

static void who_takes_one_task_at_a_time_says_so_to_several(void **state)
{
    struct pair *pair = *state;
    struct message_task task;
    struct message_busy busy;

    (void)join(pair, NOW_MS);
    send_several(pair);
    assert_status(STATUS_UNSUPPORTED, take(pair, &task));
    assert_int_equal(SLOT_WAITING, pair->slot.state);
    busy = gateway_busy(&pair->gateway);
    assert_int_equal(BUSY_UNSUPPORTED, busy.reason);
    assert_int_equal(22, busy.sequence);
}

static void a_slot_that_never_joined_leaves_at_once(void **state)
{
    struct pair *pair = *state;
    struct slot closed;

    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS));
    slot_leave(&pair->slot);
    assert_int_equal(SLOT_GONE, pair->slot.state);
    assert_null(slot_socket(&pair->slot));
    slot_init(&closed, "tcp://127.0.0.1:1", NULL, &local, NOW_MS);
    slot_leave(&closed);
    assert_int_equal(SLOT_GONE, closed.state);
}

static void a_leaving_slot_that_hears_nothing_is_gone_after_the_silence(void **state)
{
    struct pair *pair = *state;

    (void)join(pair, NOW_MS);
    slot_leave(&pair->slot);
    assert_status(STATUS_OK, slot_turn(&pair->slot, NOW_MS + GATEWAY_SILENCE_MS));
    assert_int_equal(SLOT_GONE, pair->slot.state);
}

static void an_address_that_may_not_be_used_is_told_and_tried_again_later(void **state)
{
    struct slot slot;

    (void)state;
    slot_init(&slot, "tcp://192.0.2.1:5555", NULL, &local, NOW_MS);
    assert_status(STATUS_DENIED, slot_turn(&slot, NOW_MS));
    assert_int_equal(SLOT_CLOSED, slot.state);
    assert_in_range(slot.due_ms, NOW_MS + SLOT_BACKOFF_MS / 2, NOW_MS + SLOT_BACKOFF_MS);
    slot_close(&slot);
}

/* A text so long that its TASK has `frame_bytes`. */
static void send_frame_of(struct pair *pair, size_t frame_bytes)
{
    char *text = malloc(frame_bytes);
    struct bytes texts[1];
    struct buffer packed;
    size_t overhead;

    assert_non_null(text);
    memset(text, 'x', frame_bytes);
    texts[0] = (struct bytes){text, frame_bytes / 2};
    task_pack(&packed, &head, "default", texts, 1);
    overhead = packed.count - frame_bytes / 2;
    buffer_free(&packed);
    texts[0].count = frame_bytes - overhead;
    task_pack(&packed, &head, "default", texts, 1);
    assert_int_equal(frame_bytes, packed.count);
    gateway_send(&pair->gateway, buffer_view(&packed));
    buffer_free(&packed);
    free(text);
}

static void a_frame_of_the_bound_is_taken_and_one_byte_more_cuts_the_connection(void **state)
{
    struct message_verdict verdict = {.nonce = 11, .sequence = 22, .score = (float)NAN};
    struct pair *pair = *state;
    struct message_task task;
    enum status status;
    uint64_t end_ms;

    (void)join(pair, NOW_MS);
    send_frame_of(pair, TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX);
    assert_status(STATUS_OK, take(pair, &task));
    slot_verdict(&pair->slot, NOW_MS, &verdict);
    (void)gateway_verdict(&pair->gateway);
    send_frame_of(pair, TEXT_BYTES_MAX + TASK_OVERHEAD_BYTES_MAX + 1);
    end_ms = clock_ms() + GATEWAY_WAIT_MS;
    do {
        (void)zmq_poll(NULL, 0, 5);
        status = wire_probe(pair->gateway.wire, gateway_peer(&pair->gateway));
    } while (status == STATUS_OK && clock_ms() < end_ms);
    assert_status(STATUS_CLOSED, status);
    assert_status(STATUS_AGAIN, slot_take(&pair->slot, NOW_MS, &task));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SLOT_TEST(name) cmocka_unit_test_setup_teardown(name, open_gateway, close_gateway)
        SLOT_TEST(it_joins_with_ready_and_says_what_it_is),
        SLOT_TEST(a_ping_is_answered_with_pong),
        SLOT_TEST(a_task_is_lent_and_answered_with_a_verdict),
        SLOT_TEST(a_task_that_is_not_judged_is_answered_with_busy),
        SLOT_TEST(garbage_is_answered_with_busy_and_changes_nothing),
        SLOT_TEST(a_task_of_the_other_kind_is_refused),
        SLOT_TEST(silence_rebuilds_the_socket_and_joins_again),
        SLOT_TEST(a_socket_that_cannot_join_is_rebuilt),
        SLOT_TEST(a_lost_connection_is_found_long_before_the_silence),
        SLOT_TEST(slots_look_for_their_connections_together),
        SLOT_TEST(the_back_off_doubles_with_jitter_up_to_its_bound_and_a_frame_ends_it),
        SLOT_TEST(a_leaving_slot_answers_the_next_ping_with_bye),
        SLOT_TEST(a_leaving_slot_still_answers_the_task_it_has_and_the_next_one_with_bye),
        SLOT_TEST(several_tasks_are_lent_and_answered_by_one_message),
        SLOT_TEST(who_takes_one_task_at_a_time_says_so_to_several),
        SLOT_TEST(a_slot_that_never_joined_leaves_at_once),
        SLOT_TEST(a_leaving_slot_that_hears_nothing_is_gone_after_the_silence),
        cmocka_unit_test(an_address_that_may_not_be_used_is_told_and_tried_again_later),
        SLOT_TEST(a_frame_of_the_bound_is_taken_and_one_byte_more_cuts_the_connection),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

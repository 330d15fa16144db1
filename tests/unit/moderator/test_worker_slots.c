/* test_worker_slots: a set of slots turns, polls, counts and leaves as one. */
#include "support/gateway.h"
#include "support/unit.h"

#include "moderator/worker_slots.h"
#include "proto/secret.h"

enum { SLOTS = 3 };

static const struct message_ready local = {
    .worker = {"0123456789abcdef", WORKER_ID_BYTES}, .kind = SLOT_LOCAL, .text_bytes_max = 1000};

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, wire_start());
    assert_status(STATUS_OK, secret_start());
    return 0;
}

static int64_t joined(struct metrics *metrics)
{
    const struct metric_label label = {"kind", "local"};

    return series_value(metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_slots", "", &label, 1));
}

/* One turn as an owner makes it. */
static void turn(struct worker_slots *set)
{
    zmq_pollitem_t items[SLOTS];
    struct message_task task;

    (void)worker_slots_turn(set, clock_ms());
    worker_slots_poll(set, items);
    (void)zmq_poll(items, SLOTS, 10);
    for (size_t index = 0; index < SLOTS; index++) {
        if ((items[index].revents & ZMQ_POLLIN) != 0) {
            assert_status(STATUS_AGAIN, slot_take(&set->slots[index], clock_ms(), &task));
        } else if ((items[index].revents & ZMQ_POLLOUT) != 0) {
            slot_join(&set->slots[index], clock_ms());
        }
    }
}

static enum message_type turn_until_heard(struct worker_slots *set, struct gateway *gateway)
{
    uint64_t end_ms = clock_ms() + GATEWAY_WAIT_MS;
    enum message_type type;
    struct bytes frame;

    do {
        assert_true(clock_ms() < end_ms);
        turn(set);
    } while (!gateway_hear(gateway, 0, &frame));
    assert_status(STATUS_OK, message_read_type(frame, &type));
    return type;
}

static void a_set_joins_is_counted_and_leaves(void **state)
{
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    struct gateway gateway;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    gateway_open(&gateway, "tcp://127.0.0.1:*");
    assert_status(STATUS_OK, worker_slots_open(&set, SLOTS, SLOT_LOCAL, NULL, metrics));
    for (size_t index = 0; index < SLOTS; index++) {
        assert_ptr_equal(&set.slots[index], worker_slots_add(&set, wire_endpoint(gateway.wire), &local, clock_ms()));
    }
    assert_int_equal(0, joined(metrics));
    /* Each joins, is asked and answers; the first may answer before the last has joined. */
    for (int readies = 0, pongs = 0; pongs < SLOTS;) {
        if (turn_until_heard(&set, &gateway) == MESSAGE_READY) {
            readies++;
            gateway_ping(&gateway);
        } else {
            pongs++;
        }
        assert_in_range(readies, pongs, SLOTS);
    }
    (void)worker_slots_turn(&set, clock_ms());
    assert_int_equal(SLOTS, joined(metrics));
    worker_slots_leave(&set);
    assert_false(worker_slots_gone(&set));
    gateway_ping(&gateway); /* the slot heard last */
    assert_int_equal(MESSAGE_BYE, turn_until_heard(&set, &gateway));
    (void)worker_slots_turn(&set, clock_ms());
    assert_int_equal(SLOTS - 1, joined(metrics));
    worker_slots_close(&set);
    assert_int_equal(0, joined(metrics));
    worker_slots_close(&set); /* takes an empty one */
    gateway_close(&gateway);
    metrics_close(&metrics);
}

static void the_next_due_time_is_the_earliest_of_all(void **state)
{
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, worker_slots_open(&set, 2, SLOT_REVIEW, NULL, metrics));
    (void)worker_slots_add(&set, "tcp://192.0.2.1:1", &local, 5000); /* refused: due again after a back-off */
    (void)worker_slots_add(&set, "tcp://192.0.2.1:1", &local, 1000);
    assert_in_range(worker_slots_turn(&set, 1000), 1000 + SLOT_BACKOFF_MS / 2, 1000 + SLOT_BACKOFF_MS);
    assert_int_equal(SLOT_CLOSED, set.slots[0].state);
    assert_int_equal(5000, set.slots[0].due_ms);
    worker_slots_leave(&set);
    assert_true(worker_slots_gone(&set));
    worker_slots_close(&set);
    metrics_close(&metrics);
}

static void a_slot_that_waits_for_nothing_is_passed_over(void **state)
{
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    zmq_pollitem_t item;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, worker_slots_open(&set, 1, SLOT_LOCAL, NULL, metrics));
    (void)worker_slots_add(&set, "tcp://127.0.0.1:1", &local, clock_ms());
    worker_slots_poll(&set, &item);
    assert_null(item.socket);
    assert_int_equal(-1, item.fd);
    assert_int_equal(0, zmq_poll(&item, 1, 0));
    worker_slots_close(&set);
    metrics_close(&metrics);
}

static void the_wait_ends_when_something_is_due(void **state)
{
    (void)state;
    assert_int_equal(-1, worker_slots_wait_ms(1000, UINT64_MAX));
    assert_int_equal(0, worker_slots_wait_ms(1000, 999));
    assert_int_equal(0, worker_slots_wait_ms(1000, 1000));
    assert_int_equal(1, worker_slots_wait_ms(1000, 1001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_joins_is_counted_and_leaves),
        cmocka_unit_test(the_next_due_time_is_the_earliest_of_all),
        cmocka_unit_test(a_slot_that_waits_for_nothing_is_passed_over),
        cmocka_unit_test(the_wait_ends_when_something_is_due),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

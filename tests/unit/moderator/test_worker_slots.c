/* test_worker_slots: a set of slots turns, polls, counts and leaves as one. */
#include "support/gateway.h"
#include "support/unit.h"

#include "moderator/worker_slots.h"
#include "proto/clock.h"
#include "proto/secret.h"

#include <poll.h>
#include <unistd.h>

enum { SLOTS = 3, ROOM = SLOTS * ADDRESSES_MAX };

static const struct message_ready local = {
    .worker = {"0123456789abcdef", WORKER_ID_BYTES}, .kind = SLOT_LOCAL, .text_bytes_max = 1000};

static struct addresses list_of(const char *first, const char *second)
{
    struct addresses addresses = {0};

    assert_true(addresses_add(&addresses, first));
    assert_true(second == NULL || addresses_add(&addresses, second));
    return addresses;
}

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
    struct message_task task;

    (void)worker_slots_turn(set, clock_ms());
    (void)worker_slots_wait(set, 10);
    for (size_t index = 0; index < set->count; index++) {
        if (slot_has_input(&set->slots[index])) {
            assert_status(STATUS_AGAIN, slot_take(&set->slots[index], clock_ms(), &task));
        } else if (slot_may_join(&set->slots[index])) {
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

/* All slots of one address have said READY and heard their gateway. The first may answer before the last has joined. */
static void turn_until_joined(struct worker_slots *set, struct gateway *gateway)
{
    for (int readies = 0, pongs = 0; pongs < SLOTS;) {
        if (turn_until_heard(set, gateway) == MESSAGE_READY) {
            readies++;
            gateway_ping(gateway);
        } else {
            pongs++;
        }
        assert_in_range(readies, pongs, SLOTS);
    }
    (void)worker_slots_turn(set, clock_ms());
}

static void a_set_joins_is_counted_and_leaves(void **state)
{
    const struct slot_want want = {local, SLOTS};
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    struct addresses addresses;
    struct gateway gateway;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    gateway_open(&gateway, "tcp://127.0.0.1:*");
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_LOCAL, NULL, metrics));
    addresses = list_of(wire_endpoint(gateway.wire), NULL);
    worker_slots_follow(&set, &addresses, clock_ms());
    assert_int_equal(SLOTS, set.count);
    assert_int_equal(0, joined(metrics));
    turn_until_joined(&set, &gateway);
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

static void addresses_come_and_go_and_only_their_own_slots_with_them(void **state)
{
    const struct slot_want want = {local, SLOTS};
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    struct addresses both;
    struct addresses one;
    struct gateway first;
    struct gateway second;
    uint64_t end_ms = clock_ms() + GATEWAY_WAIT_MS;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    gateway_open(&first, "tcp://127.0.0.1:*");
    gateway_open(&second, "tcp://127.0.0.1:*");
    both = list_of(wire_endpoint(first.wire), wire_endpoint(second.wire));
    one = list_of(wire_endpoint(second.wire), NULL);
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_LOCAL, NULL, metrics));
    worker_slots_follow(&set, &both, clock_ms());
    assert_int_equal(2 * SLOTS, set.count);
    turn_until_joined(&set, &first);
    turn_until_joined(&set, &second);
    clock_freeze(clock_ms()); /* no silence while it takes its leave */
    worker_slots_follow(&set, &one, clock_ms());
    worker_slots_follow(&set, &one, clock_ms()); /* nothing is asked twice */
    gateway_ping(&first); /* only the slot heard last */
    assert_int_equal(MESSAGE_BYE, turn_until_heard(&set, &first));
    clock_freeze(clock_ms() + GATEWAY_SILENCE_MS); /* the others hear nothing more; those of the second join anew */
    turn(&set);
    clock_freeze(0);
    for (size_t index = 0; index < ADDRESSES_MAX; index++) {
        assert_true(set.homes[index].slot_count == 0 || strcmp(set.homes[index].endpoint, one.at[0]) == 0);
    }
    /* It is back, and its places are used again. */
    worker_slots_follow(&set, &both, clock_ms());
    assert_int_equal(2 * SLOTS, set.count);
    assert_int_equal(MESSAGE_READY, turn_until_heard(&set, &first));
    assert_true(clock_ms() < end_ms);
    worker_slots_close(&set);
    gateway_close(&first);
    gateway_close(&second);
    metrics_close(&metrics);
}

/* Each of ADDRESSES_MAX addresses has its slots; another waits until one of them has left. */
static void an_address_without_room_waits_for_one_that_leaves(void **state)
{
    const struct slot_want wants[] = {{local, 2}, {local, 1}};
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    struct addresses full = {0};
    struct addresses other;
    char endpoint[64];

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_int_equal(ROOM, worker_slots_room(wants, 2));
    assert_status(STATUS_OK, worker_slots_open(&set, wants, 2, SLOT_REVIEW, NULL, metrics));
    for (size_t index = 0; index < ADDRESSES_MAX; index++) {
        (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%zu", 10 + index);
        assert_true(addresses_add(&full, endpoint));
    }
    worker_slots_follow(&set, &full, 1000);
    assert_int_equal(ROOM, set.count);
    assert_false(set.wanting);
    assert_int_equal(0, set.places[1].want);
    assert_int_equal(1, set.places[2].want);
    other = full;
    (void)snprintf(other.at[ADDRESSES_MAX - 1], sizeof other.at[0], "tcp://127.0.0.1:9999");
    worker_slots_follow(&set, &other, 1000);
    assert_true(set.wanting);
    (void)worker_slots_turn(&set, 1000);
    worker_slots_follow(&set, &other, 1000);
    assert_false(set.wanting);
    assert_int_equal(ROOM, set.count);
    other.count = 0;
    worker_slots_follow(&set, &other, 1000);
    (void)worker_slots_turn(&set, 1000);
    assert_int_equal(0, set.count);
    assert_true(worker_slots_gone(&set));
    worker_slots_close(&set);
    metrics_close(&metrics);
}

static void the_next_due_time_is_the_earliest_of_all(void **state)
{
    const struct slot_want want = {local, 1};
    struct addresses addresses = list_of("tcp://192.0.2.1:1", NULL); /* refused: due again after a back-off */
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_REVIEW, NULL, metrics));
    worker_slots_follow(&set, &addresses, 1000);
    assert_true(addresses_add(&addresses, "tcp://192.0.2.1:2"));
    worker_slots_follow(&set, &addresses, 5000);
    assert_in_range(worker_slots_turn(&set, 1000), 1000 + SLOT_BACKOFF_MS / 2, 1000 + SLOT_BACKOFF_MS);
    assert_int_equal(SLOT_CLOSED, set.slots[1].state);
    assert_int_equal(5000, set.slots[1].due_ms);
    worker_slots_leave(&set);
    assert_true(worker_slots_gone(&set));
    worker_slots_close(&set);
    metrics_close(&metrics);
}

static void a_slot_that_waits_for_nothing_is_passed_over(void **state)
{
    const struct slot_want want = {local, 1};
    struct addresses addresses = list_of("tcp://127.0.0.1:1", NULL);
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_LOCAL, NULL, metrics));
    worker_slots_follow(&set, &addresses, clock_ms());
    assert_int_equal(SLOT_CLOSED, set.slots[0].state);
    slot_rang(&set.slots[0]); /* of a socket that is closed by now */
    assert_false(worker_slots_ready(&set));
    assert_false(worker_slots_wait(&set, 0));
    assert_false(slot_has_input(&set.slots[0]));
    assert_false(slot_may_join(&set.slots[0]));
    worker_slots_close(&set);
    metrics_close(&metrics);
}

static void a_frame_that_the_look_for_the_connection_has_seen_is_not_waited_for(void **state)
{
    const struct slot_want want = {local, 1};
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    struct addresses addresses;
    struct gateway gateway;
    struct message_task task;
    struct pollfd arrived = {.events = POLLIN};

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    gateway_open(&gateway, "tcp://127.0.0.1:*");
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_LOCAL, NULL, metrics));
    addresses = list_of(wire_endpoint(gateway.wire), NULL);
    worker_slots_follow(&set, &addresses, clock_ms());
    assert_int_equal(MESSAGE_READY, turn_until_heard(&set, &gateway));
    while (worker_slots_wait(&set, 10)) { /* until nothing is left to be told of the connection */
        assert_false(slot_has_input(&set.slots[0]));
    }
    gateway_ping(&gateway);
    arrived.fd = wire_descriptor(set.slots[0].wire);
    assert_int_equal(1, poll(&arrived, 1, GATEWAY_WAIT_MS));
    (void)worker_slots_turn(&set, set.slots[0].due_ms);
    assert_int_equal(SLOT_WAITING, set.slots[0].state);
    assert_int_equal(0, poll(&arrived, 1, 0));
    assert_true(worker_slots_wait(&set, -1));
    assert_true(slot_has_input(&set.slots[0]));
    assert_status(STATUS_AGAIN, slot_take(&set.slots[0], clock_ms(), &task)); /* answered with a PONG */
    assert_false(worker_slots_ready(&set));
    worker_slots_close(&set);
    gateway_close(&gateway);
    metrics_close(&metrics);
}

static void another_descriptor_ends_a_wait_once_each_time(void **state)
{
    const struct slot_want want = {local, 1};
    struct worker_slots set = {0};
    struct metrics *metrics = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(0, pipe(ends));
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, worker_slots_open(&set, &want, 1, SLOT_LOCAL, NULL, metrics));
    assert_status(STATUS_OK, worker_slots_other(&set, WORKER_SLOTS_OTHERS - 1, ends[0]));
    assert_status(STATUS_NO_MEMORY, worker_slots_other(&set, 0, -1));
    assert_false(worker_slots_wait(&set, 1));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(1, write(ends[1], "b", 1));
        assert_true(worker_slots_wait(&set, -1));
        assert_true(set.rang[WORKER_SLOTS_OTHERS - 1]);
        assert_false(worker_slots_wait(&set, 0)); /* though it was not read */
    }
    assert_false(set.rang[0]);
    worker_slots_close(&set);
    metrics_close(&metrics);
    assert_int_equal(0, close(ends[0]));
    assert_int_equal(0, close(ends[1]));
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
        cmocka_unit_test(addresses_come_and_go_and_only_their_own_slots_with_them),
        cmocka_unit_test(an_address_without_room_waits_for_one_that_leaves),
        cmocka_unit_test(the_next_due_time_is_the_earliest_of_all),
        cmocka_unit_test(a_slot_that_waits_for_nothing_is_passed_over),
        cmocka_unit_test(a_frame_that_the_look_for_the_connection_has_seen_is_not_waited_for),
        cmocka_unit_test(another_descriptor_ends_a_wait_once_each_time),
        cmocka_unit_test(the_wait_ends_when_something_is_due),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

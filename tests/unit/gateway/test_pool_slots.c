/* pool_slots: slots are found by identity, used in turn, and each state is a list with its gauge. */
#include "support/unit.h"

#include "gateway/pool_slots.h"

#include <stdio.h>

enum { NOW_MS = 5000, PEERS = 64, TASKS_BYTES = 1000 };

static const struct message_ready local = {{"0123456789abcdef", WORKER_ID_BYTES}, SLOT_LOCAL, {"", 0}, KIB};

struct fixture {
    struct metrics *metrics;
    struct pool_slots *slots;
};

static void open_fixture(struct fixture *fixture, size_t peers)
{
    const struct pool_settings settings = {.peers = peers, .queue_bytes = TASKS_BYTES};

    fixture->slots = NULL;
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    assert_status(STATUS_OK, pool_slots_open(&fixture->slots, &settings, fixture->metrics));
}

static void close_fixture(struct fixture *fixture)
{
    pool_slots_close(&fixture->slots);
    assert_null(fixture->slots);
    metrics_close(&fixture->metrics);
}

static struct bytes name_of(char out[8], unsigned number)
{
    (void)snprintf(out, 8, "id%u", number);
    return bytes_of(out);
}

static struct slot *add(struct fixture *fixture, const char *identity, const struct message_ready *ready)
{
    struct slot *slot = NULL;

    assert_status(STATUS_OK, pool_slots_add(fixture->slots, bytes_of(identity), ready, NOW_MS, &slot));
    return slot;
}

static int64_t gauge(struct fixture *fixture, const char *kind, const char *state)
{
    const struct metric_label labels[] = {{"kind", kind}, {"state", state}};

    return series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_gateway_pool_slots", "", labels, 2));
}

static void as_many_slots_are_known_as_there_may_be_peers(void **state)
{
    struct fixture fixture;
    char name[8];
    struct slot *slot;

    (void)state;
    open_fixture(&fixture, PEERS);
    for (unsigned round = 0; round < 3; round++) { /* a place that was given back is a place again */
        for (unsigned number = 0; number < PEERS; number++) {
            assert_status(STATUS_OK, pool_slots_add(fixture.slots, name_of(name, number), &local, NOW_MS, &slot));
        }
        assert_status(STATUS_FULL, pool_slots_add(fixture.slots, name_of(name, PEERS), &local, NOW_MS, &slot));
        assert_int_equal(PEERS, pool_slots_count(fixture.slots, SLOT_LOCAL));
        assert_int_equal(PEERS, gauge(&fixture, "local", "idle"));
        for (unsigned number = 0; number < PEERS; number++) {
            slot = pool_slots_find(fixture.slots, name_of(name, number));
            assert_non_null(slot);
            assert_memory_equal(name, slot->identity, slot->identity_bytes);
        }
        for (unsigned number = 0; number < PEERS; number++) { /* in another order than they came */
            pool_slots_remove(fixture.slots, pool_slots_find(fixture.slots, name_of(name, (number * 5) % PEERS)));
        }
        assert_null(pool_slots_find(fixture.slots, name_of(name, 0)));
        assert_int_equal(0, pool_slots_count(fixture.slots, SLOT_LOCAL));
        assert_int_equal(0, gauge(&fixture, "local", "idle"));
    }
    close_fixture(&fixture);
}

static void identities_that_share_a_bucket_are_told_apart(void **state)
{
    struct fixture fixture;
    struct slot *slots[3];

    (void)state;
    open_fixture(&fixture, 3); /* eight buckets, so that among many names three share one */
    for (unsigned number = 0; number < 200; number += 3) {
        char names[3][8];

        for (unsigned index = 0; index < 3; index++) {
            assert_status(STATUS_OK, pool_slots_add(fixture.slots, name_of(names[index], number + index), &local, NOW_MS,
                                                    &slots[index]));
        }
        assert_ptr_equal(slots[1], pool_slots_find(fixture.slots, bytes_of(names[1])));
        pool_slots_remove(fixture.slots, slots[1]);
        assert_null(pool_slots_find(fixture.slots, bytes_of(names[1])));
        assert_ptr_equal(slots[0], pool_slots_find(fixture.slots, bytes_of(names[0])));
        assert_ptr_equal(slots[2], pool_slots_find(fixture.slots, bytes_of(names[2])));
        pool_slots_remove(fixture.slots, slots[0]);
        pool_slots_remove(fixture.slots, slots[2]);
    }
    close_fixture(&fixture);
}

static void an_identity_is_as_long_as_zeromq_makes_it(void **state)
{
    char identity[IDENTITY_BYTES_MAX + 1];
    struct fixture fixture;
    struct slot *slot = NULL;

    (void)state;
    memset(identity, 'i', sizeof identity);
    open_fixture(&fixture, PEERS);
    assert_status(STATUS_TOO_LARGE, pool_slots_add(fixture.slots, (struct bytes){NULL, 0}, &local, NOW_MS, &slot));
    assert_status(STATUS_TOO_LARGE,
                  pool_slots_add(fixture.slots, (struct bytes){identity, sizeof identity}, &local, NOW_MS, &slot));
    assert_null(slot);
    assert_status(STATUS_OK,
                  pool_slots_add(fixture.slots, (struct bytes){identity, IDENTITY_BYTES_MAX}, &local, NOW_MS, &slot));
    assert_ptr_equal(slot, pool_slots_find(fixture.slots, (struct bytes){identity, IDENTITY_BYTES_MAX}));
    close_fixture(&fixture);
}

static void the_idle_slot_longest_unused_comes_first(void **state)
{
    struct fixture fixture;
    struct slot *one;
    struct slot *two;
    struct job job;

    (void)state;
    open_fixture(&fixture, PEERS);
    assert_null(pool_slots_idle(fixture.slots, SLOT_LOCAL, "any", NULL));
    one = add(&fixture, "one", &local);
    two = add(&fixture, "two", &local);
    assert_ptr_equal(one, pool_slots_idle(fixture.slots, SLOT_LOCAL, "any", NULL));
    one->job = &job;
    pool_slots_move(fixture.slots, one, SLOT_BUSY, NOW_MS + 1);
    assert_ptr_equal(two, pool_slots_idle(fixture.slots, SLOT_LOCAL, "any", NULL));
    assert_ptr_equal(one, pool_slots_first(fixture.slots, SLOT_LOCAL, SLOT_BUSY));
    assert_int_equal(NOW_MS + 1, one->since_ms);
    assert_int_equal(1, gauge(&fixture, "local", "busy"));
    assert_int_equal(1, gauge(&fixture, "local", "idle"));
    one->job = NULL;
    pool_slots_move(fixture.slots, one, SLOT_IDLE, NOW_MS + 2);
    assert_ptr_equal(two, pool_slots_idle(fixture.slots, SLOT_LOCAL, "any", NULL));
    assert_ptr_equal(one, two->next);
    assert_null(one->next);
    assert_int_equal(0, gauge(&fixture, "local", "busy"));
    close_fixture(&fixture);
}

static void give_long(struct fixture *fixture, struct slot *slot)
{
    static struct job job; /* only whether there is one matters */

    slot->job = &job;
    slot->is_long = true;
    pool_slots_move(fixture->slots, slot, SLOT_BUSY, NOW_MS);
}

static void take_back(struct fixture *fixture, struct slot *slot, enum slot_state state)
{
    slot->job = NULL;
    pool_slots_move(fixture->slots, slot, state, NOW_MS);
}

static void slots_are_counted_by_what_they_do(void **state)
{
    struct fixture fixture;
    struct slot *slots[3];
    char name[8];

    (void)state;
    open_fixture(&fixture, PEERS);
    for (unsigned index = 0; index < 3; index++) {
        assert_int_equal(index, pool_slots_in(fixture.slots, SLOT_LOCAL, SLOT_IDLE));
        slots[index] = add(&fixture, name_of(name, index).data, &local);
    }
    assert_int_equal(0, pool_slots_in(fixture.slots, SLOT_REVIEW, SLOT_IDLE));
    pool_slots_move(fixture.slots, slots[1], SLOT_PINGED, NOW_MS);
    assert_int_equal(2, pool_slots_in(fixture.slots, SLOT_LOCAL, SLOT_IDLE));
    assert_int_equal(1, pool_slots_in(fixture.slots, SLOT_LOCAL, SLOT_PINGED));
    pool_slots_remove(fixture.slots, slots[0]);
    assert_int_equal(1, pool_slots_in(fixture.slots, SLOT_LOCAL, SLOT_IDLE));
    close_fixture(&fixture);
}

/* Of one process, now and later; and of no other. */
static void a_process_takes_one_task_a_message_with_all_its_slots(void **state)
{
    const struct message_ready stranger = {{"fedcba9876543210", WORKER_ID_BYTES}, SLOT_LOCAL, {"", 0}, KIB};
    struct fixture fixture;
    struct slot *first;
    struct slot *second;
    struct slot *other;

    (void)state;
    open_fixture(&fixture, PEERS);
    first = add(&fixture, "first", &local);
    second = add(&fixture, "second", &local);
    other = add(&fixture, "other", &stranger);
    pool_slots_move(fixture.slots, second, SLOT_PINGED, NOW_MS);
    pool_slots_take_one(fixture.slots, first->worker);
    assert_true(first->takes_one && second->takes_one);
    assert_false(other->takes_one);
    assert_true(add(&fixture, "third", &local)->takes_one);
    assert_false(add(&fixture, "fourth", &stranger)->takes_one);
    close_fixture(&fixture);
}

static void half_of_the_local_slots_have_room_for_long_texts_and_one_where_there_is_but_one(void **state)
{
    const struct message_ready review = {{"0123456789abcdef", WORKER_ID_BYTES}, SLOT_REVIEW, {"strict", 6}, KIB};
    static const size_t rooms[] = {1, 1, 1, 2, 2, 3}; /* of one slot, two, ... */
    struct slot *slots[sizeof rooms / sizeof rooms[0]];
    struct fixture fixture;
    char name[8];

    (void)state;
    open_fixture(&fixture, PEERS);
    for (unsigned count = 1; count <= sizeof rooms / sizeof rooms[0]; count++) {
        slots[count - 1] = add(&fixture, name_of(name, count).data, &local);
        give_long(&fixture, add(&fixture, "review", &review)); /* no room of theirs */
        for (size_t given = 0; given < rooms[count - 1]; given++) {
            assert_true(pool_slots_long_room(fixture.slots));
            give_long(&fixture, slots[given]);
        }
        assert_false(pool_slots_long_room(fixture.slots));
        take_back(&fixture, slots[0], SLOT_QUARANTINED); /* late: it is at it still */
        assert_false(pool_slots_long_room(fixture.slots));
        pool_slots_move(fixture.slots, slots[0], SLOT_IDLE, NOW_MS);
        assert_true(pool_slots_long_room(fixture.slots));
        for (size_t given = 1; given < rooms[count - 1]; given++) {
            take_back(&fixture, slots[given], SLOT_IDLE);
        }
        take_back(&fixture, pool_slots_find(fixture.slots, BYTES("review")), SLOT_IDLE);
        pool_slots_remove(fixture.slots, pool_slots_find(fixture.slots, BYTES("review")));
    }
    give_long(&fixture, slots[0]);
    give_long(&fixture, slots[1]);
    give_long(&fixture, slots[2]);
    take_back(&fixture, slots[1], SLOT_IDLE);
    pool_slots_remove(fixture.slots, slots[1]);
    assert_false(pool_slots_long_room(fixture.slots)); /* two of five */
    slots[0]->job = NULL;
    pool_slots_remove(fixture.slots, slots[0]); /* gone with its text */
    assert_true(pool_slots_long_room(fixture.slots));
    close_fixture(&fixture);
}

static void a_review_slot_serves_its_profile_alone(void **state)
{
    const struct message_ready strict = {BYTES("0123456789abcdef"), SLOT_REVIEW, BYTES("strict"), KIB};
    const struct message_ready mild = {BYTES("0123456789abcdef"), SLOT_REVIEW, BYTES("mild"), KIB};
    struct fixture fixture;
    struct slot *strict_slot;
    struct slot *mild_slot;

    (void)state;
    open_fixture(&fixture, PEERS);
    strict_slot = add(&fixture, "one", &strict);
    mild_slot = add(&fixture, "two", &mild);
    assert_ptr_equal(mild_slot, pool_slots_idle(fixture.slots, SLOT_REVIEW, "mild", NULL));
    assert_ptr_equal(strict_slot, pool_slots_idle(fixture.slots, SLOT_REVIEW, "strict", NULL));
    assert_null(pool_slots_idle(fixture.slots, SLOT_REVIEW, "other", NULL));
    assert_null(pool_slots_idle(fixture.slots, SLOT_LOCAL, "mild", NULL));
    assert_int_equal(2, pool_slots_count(fixture.slots, SLOT_REVIEW));
    assert_int_equal(0, pool_slots_count(fixture.slots, SLOT_LOCAL));
    close_fixture(&fixture);
}

static int64_t task_bytes(struct fixture *fixture)
{
    return series_value(metrics_series(fixture->metrics, METRIC_GAUGE, "prismguard_memory_account_bytes", "",
                                       &(struct metric_label){"account", "tasks"}, 1));
}

static void a_task_is_charged_until_its_slot_answers_or_is_gone(void **state)
{
    struct fixture fixture;
    struct slot *one;
    struct slot *two;
    struct job job;

    (void)state;
    open_fixture(&fixture, PEERS);
    one = add(&fixture, "one", &local);
    two = add(&fixture, "two", &local);
    assert_true(pool_slots_has_room(fixture.slots, TASKS_BYTES));
    assert_false(pool_slots_has_room(fixture.slots, TASKS_BYTES + 1));
    assert_status(STATUS_OK, pool_slots_charge(fixture.slots, one, TASKS_BYTES - 1));
    assert_status(STATUS_FULL, pool_slots_charge(fixture.slots, two, 2));
    assert_status(STATUS_OK, pool_slots_charge(fixture.slots, two, 1));
    one->job = two->job = &job;
    pool_slots_move(fixture.slots, one, SLOT_BUSY, NOW_MS);
    pool_slots_move(fixture.slots, two, SLOT_BUSY, NOW_MS);
    one->job = two->job = NULL;
    pool_slots_move(fixture.slots, one, SLOT_QUARANTINED, NOW_MS);
    assert_int_equal(TASKS_BYTES, task_bytes(&fixture)); /* it is late, and has not read it */
    pool_slots_move(fixture.slots, one, SLOT_IDLE, NOW_MS);
    assert_int_equal(1, task_bytes(&fixture));
    pool_slots_remove(fixture.slots, two);
    assert_int_equal(0, task_bytes(&fixture));
    assert_status(STATUS_OK, pool_slots_charge(fixture.slots, one, TASKS_BYTES));
    close_fixture(&fixture); /* gives back what is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_slots_are_known_as_there_may_be_peers),
        cmocka_unit_test(identities_that_share_a_bucket_are_told_apart),
        cmocka_unit_test(an_identity_is_as_long_as_zeromq_makes_it),
        cmocka_unit_test(the_idle_slot_longest_unused_comes_first),
        cmocka_unit_test(slots_are_counted_by_what_they_do),
        cmocka_unit_test(a_process_takes_one_task_a_message_with_all_its_slots),
        cmocka_unit_test(half_of_the_local_slots_have_room_for_long_texts_and_one_where_there_is_but_one),
        cmocka_unit_test(a_review_slot_serves_its_profile_alone),
        cmocka_unit_test(a_task_is_charged_until_its_slot_answers_or_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

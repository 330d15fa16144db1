/* test_ring: order, both sides of the bound, and a million items between two threads. */
#include "support/unit.h"

#include "proto/ring.h"

#include <pthread.h>
#include <sched.h>

/* Two threads share a ring of many places: where one processor serves both, each filling is a switch between them. */
enum { ROOM = 8, ROOM_SHARED = 512, MANY = 1000000 };

static void items_come_out_in_the_order_they_went_in(void **state)
{
    struct ring *ring = NULL;
    int items[ROOM];

    (void)state;
    assert_status(STATUS_OK, ring_open(&ring, ROOM));
    /* More rounds than places, so that the counters pass the end of the array at every offset. */
    for (size_t round = 0; round < 3 * ROOM; round++) {
        size_t count = round % ROOM + 1;

        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, ring_push(ring, &items[index]));
            assert_int_equal(index + 1, ring_count(ring));
        }
        for (size_t index = 0; index < count; index++) {
            assert_ptr_equal(&items[index], ring_pop(ring));
        }
        assert_null(ring_pop(ring));
        assert_int_equal(0, ring_count(ring));
    }
    ring_close(&ring);
}

static void a_full_ring_refuses_and_changes_nothing(void **state)
{
    struct ring *ring = NULL;
    int items[ROOM + 1];

    (void)state;
    assert_status(STATUS_OK, ring_open(&ring, ROOM));
    for (size_t index = 0; index < ROOM; index++) {
        assert_status(STATUS_OK, ring_push(ring, &items[index]));
    }
    assert_status(STATUS_FULL, ring_push(ring, &items[ROOM]));
    assert_int_equal(ROOM, ring_count(ring));
    assert_ptr_equal(&items[0], ring_pop(ring));
    assert_status(STATUS_OK, ring_push(ring, &items[ROOM]));
    for (size_t index = 1; index <= ROOM; index++) {
        assert_ptr_equal(&items[index], ring_pop(ring));
    }
    assert_null(ring_pop(ring));
    ring_close(&ring);
}

static void a_ring_of_one_place_works(void **state)
{
    struct ring *ring = NULL;
    int item;

    (void)state;
    assert_status(STATUS_OK, ring_open(&ring, 1));
    for (int round = 0; round < 3; round++) {
        assert_status(STATUS_OK, ring_push(ring, &item));
        assert_status(STATUS_FULL, ring_push(ring, &item));
        assert_ptr_equal(&item, ring_pop(ring));
    }
    ring_close(&ring);
}

static void closing_takes_nothing_and_no_ring(void **state)
{
    struct ring *ring = NULL;

    (void)state;
    ring_close(&ring);
    assert_null(ring);
}

static void *push_many(void *context)
{
    struct ring *ring = ((void **)context)[0];
    uint32_t *numbers = ((void **)context)[1];

    for (uint32_t index = 0; index < MANY; index++) {
        uint32_t *slot = &numbers[index % (2 * ROOM_SHARED)];

        /* The slot was popped at least ROOM_SHARED items ago once the push below can pass, so it is the producer's again. */
        while (ring_count(ring) == ROOM_SHARED) {
            sched_yield();
        }
        *slot = index;
        while (ring_push(ring, slot) != STATUS_OK) {
            sched_yield();
        }
    }
    return NULL;
}

static void two_threads_pass_a_million_items_without_loss_or_disorder(void **state)
{
    struct ring *ring = NULL;
    uint32_t numbers[2 * ROOM_SHARED];
    void *context[2];
    pthread_t producer;

    (void)state;
    assert_status(STATUS_OK, ring_open(&ring, ROOM_SHARED));
    context[0] = ring;
    context[1] = numbers;
    assert_int_equal(0, pthread_create(&producer, NULL, push_many, context));
    for (uint32_t expected = 0; expected < MANY;) {
        uint32_t *item = ring_pop(ring);

        if (item == NULL) {
            sched_yield();
        } else if (*item != expected) {
            fail_msg("item %u came where %u was expected", *item, expected);
        } else {
            expected++;
        }
    }
    assert_int_equal(0, pthread_join(producer, NULL));
    assert_null(ring_pop(ring));
    ring_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_full_ring_refuses_and_changes_nothing),
        cmocka_unit_test(a_ring_of_one_place_works),
        cmocka_unit_test(closing_takes_nothing_and_no_ring),
        cmocka_unit_test(two_threads_pass_a_million_items_without_loss_or_disorder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

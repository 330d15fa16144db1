/* test_retired: closing happens elsewhere, no more than a few at a time, and is waited for at the end. */
#include "support/unit.h"

#include "moderator/retired.h"

#include <pthread.h>
#include <semaphore.h>

struct part {
    sem_t may_end;
    atomic_int closed;
    pthread_t by;
};

static void close_part(void *what)
{
    struct part *part = what;

    part->by = pthread_self();
    assert_int_equal(0, sem_wait(&part->may_end));
    atomic_store(&part->closed, 1);
}

static void a_slow_end_holds_nobody_up_and_the_places_are_bounded(void **state)
{
    struct retired retired = {0};
    struct part parts[RETIRED_MAX + 1];

    (void)state;
    for (size_t index = 0; index <= RETIRED_MAX; index++) {
        parts[index].closed = 0;
        assert_int_equal(0, sem_init(&parts[index].may_end, 0, 0));
    }
    for (size_t index = 0; index < RETIRED_MAX; index++) {
        assert_true(retired_has_room(&retired));
        retired_take(&retired, close_part, &parts[index]); /* it would stand here */
    }
    assert_false(retired_has_room(&retired));
    assert_int_equal(0, sem_post(&parts[1].may_end));
    while (!retired_has_room(&retired)) { /* until its thread has ended */
        (void)sched_yield();
    }
    assert_int_equal(1, parts[1].closed);
    assert_int_equal(0, parts[0].closed);
    assert_false(pthread_equal(parts[1].by, pthread_self()));
    retired_take(&retired, close_part, &parts[RETIRED_MAX]);
    assert_false(retired_has_room(&retired));
    for (size_t index = 0; index <= RETIRED_MAX; index++) {
        assert_int_equal(0, sem_post(&parts[index].may_end));
    }
    retired_join(&retired);
    for (size_t index = 0; index <= RETIRED_MAX; index++) {
        assert_int_equal(1, parts[index].closed);
        assert_int_equal(0, sem_destroy(&parts[index].may_end));
    }
    retired_join(&retired); /* nothing left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_end_holds_nobody_up_and_the_places_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

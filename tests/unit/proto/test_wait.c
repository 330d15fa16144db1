/* test_wait: a wait ends by a signal, or at its time and not before. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/wait.h"

#include <stdbool.h>

struct place {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool told;
};

static void *tell(void *context)
{
    struct place *place = context;

    (void)pthread_mutex_lock(&place->mutex);
    place->told = true;
    (void)pthread_cond_signal(&place->condition);
    (void)pthread_mutex_unlock(&place->mutex);
    return NULL;
}

static void until_signalled(uint64_t until_ms)
{
    struct place place = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;

    wait_init(&place.condition);
    (void)pthread_mutex_lock(&place.mutex);
    assert_int_equal(0, pthread_create(&thread, NULL, tell, &place));
    while (!place.told) {
        wait_until(&place.condition, &place.mutex, until_ms);
    }
    (void)pthread_mutex_unlock(&place.mutex);
    assert_int_equal(0, pthread_join(thread, NULL));
    (void)pthread_cond_destroy(&place.condition);
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    until_signalled(UINT64_MAX);
    until_signalled(clock_ms() + 3600000);
}

static void without_a_signal_its_time_ends_it(void **state)
{
    struct place place = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    uint64_t until_ms = clock_ms() + 1100; /* more than a second, so that both parts of the time count */

    (void)state;
    wait_init(&place.condition);
    (void)pthread_mutex_lock(&place.mutex);
    while (clock_ms() < until_ms) {
        wait_until(&place.condition, &place.mutex, until_ms);
    }
    wait_until(&place.condition, &place.mutex, until_ms); /* it has passed: at once */
    wait_until(&place.condition, &place.mutex, 0);
    assert_in_range(clock_ms() - until_ms, 0, 20000);
    (void)pthread_mutex_unlock(&place.mutex);
    (void)pthread_cond_destroy(&place.condition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_ends_a_wait),
        cmocka_unit_test(without_a_signal_its_time_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* join: an ended thread is joined, a running one is left alone after its time. */
#include "support/unit.h"

#include "proto/clock.h"
#include "proto/join.h"

#include <sys/eventfd.h>
#include <unistd.h>

static void *wait_for_word(void *context)
{
    eventfd_t word;

    return (void *)(intptr_t)eventfd_read(*(const int *)context, &word);
}

static void a_running_thread_is_left_after_its_time_and_joined_when_it_ends(void **state)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    pthread_t thread;
    uint64_t before_ms = clock_ms();

    (void)state;
    assert_int_equal(0, pthread_create(&thread, NULL, wait_for_word, &fd));
    assert_status(STATUS_TIMEOUT, join_within(thread, 0));
    assert_status(STATUS_TIMEOUT, join_within(thread, 120));
    assert_true(clock_ms() - before_ms >= 119);
    assert_int_equal(0, eventfd_write(fd, 1));
    assert_status(STATUS_OK, join_within(thread, 60000));
    assert_int_equal(0, close(fd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_thread_is_left_after_its_time_and_joined_when_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

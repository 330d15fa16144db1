/* thread: no signal is heard in it, none is held back from its maker, and it ends when it is told to. */
#include "support/unit.h"

#include "proto/thread.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct place {
    int end;
    bool blocked;
    bool ended;
};

static void *run(void *context)
{
    struct place *place = context;
    struct pollfd end = {.fd = place->end, .events = POLLIN};
    sigset_t mask;

    place->blocked = pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 1 &&
                     sigismember(&mask, SIGUSR1) == 1;
    place->ended = poll(&end, 1, -1) == 1;
    return NULL;
}

static void a_thread_hears_no_signal_and_ends_by_its_descriptor(void **state)
{
    struct place place = {.end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_t thread;
    sigset_t before, after;

    (void)state;
    assert_int_equal(0, pthread_sigmask(SIG_SETMASK, NULL, &before));
    assert_status(STATUS_OK, thread_start(&thread, run, &place));
    assert_int_equal(0, pthread_sigmask(SIG_SETMASK, NULL, &after));
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    assert_int_equal(0, sigismember(&after, SIGUSR1));
    thread_end(thread, place.end);
    assert_true(place.blocked);
    assert_true(place.ended);
    assert_int_equal(0, close(place.end));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_hears_no_signal_and_ends_by_its_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

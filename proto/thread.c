/* thread: the start without signals, the end by an eventfd. */
#include "proto/thread.h"

#include <assert.h>
#include <signal.h>
#include <sys/eventfd.h>

enum status thread_start(pthread_t *out, void *(*run)(void *context), void *context)
{
    pthread_t made;
    sigset_t all;
    sigset_t before;
    int error;

    (void)sigfillset(&all);
    error = pthread_sigmask(SIG_SETMASK, &all, &before);
    assert(error == 0);
    error = pthread_create(&made, NULL, run, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return STATUS_NO_MEMORY;
    }
    *out = made;
    return STATUS_OK;
}

void thread_end(pthread_t thread, int end)
{
    int error = eventfd_write(end, 1);

    assert(error == 0);
    error = pthread_join(thread, NULL);
    assert(error == 0);
}

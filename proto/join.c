/* join: pthread_clockjoin_np with milliseconds. */
#include "proto/join.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

enum status join_within(pthread_t thread, uint64_t wait_ms)
{
    enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };
    struct timespec until;
    int failed = clock_gettime(CLOCK_MONOTONIC, &until);

    assert(failed == 0);
    until.tv_sec += (time_t)(wait_ms / MS_PER_S);
    until.tv_nsec += (long)(wait_ms % MS_PER_S) * NS_PER_MS;
    if (until.tv_nsec >= NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= NS_PER_S;
    }
    failed = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
    assert(failed == 0 || failed == ETIMEDOUT); /* anything else is no thread of ours */
    return failed == 0 ? STATUS_OK : STATUS_TIMEOUT;
}

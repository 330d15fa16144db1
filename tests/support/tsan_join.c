/* tsan_join: ThreadSanitizer of clang 14 does not know pthread_clockjoin_np, and would see a race after each join; it knows this. */
#include <pthread.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

int pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock, const struct timespec *until)
{
    struct timespec now;
    struct timespec wall;

    (void)clock_gettime(clock, &now);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    wall.tv_sec += until->tv_sec - now.tv_sec;
    wall.tv_nsec += until->tv_nsec - now.tv_nsec;
    if (wall.tv_nsec < 0) {
        wall.tv_sec--;
        wall.tv_nsec += NS_PER_S;
    } else if (wall.tv_nsec >= NS_PER_S) {
        wall.tv_sec++;
        wall.tv_nsec -= NS_PER_S;
    }
    return pthread_timedjoin_np(thread, value, &wall);
}

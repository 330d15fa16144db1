/* priority: the scheduler's own calls, whose policies are a thread's on Linux. */
#include "trainer/priority.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { SESSION_NICE = 12 }; /* a weight of 70 to 1024 */

/* Whoever wakes up is sent to its processor as to an idle one, and stands in no line where others work. In the same session or
 * group it gives way at once; to others at the end of its turn, which is why a training ends it so soon (trainer/turn). */
void priority_give_way(void)
{
    static const struct sched_param none = {.sched_priority = 0};

    (void)sched_setscheduler(0, SCHED_IDLE, &none); /* refused only where the call is not let through */
}

void priority_give_way_as_session(void)
{
    int file = getsid(0) == getpid() ? open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;

    if (file >= 0) {
        (void)dprintf(file, "%d", SESSION_NICE); /* refused where it is lower already */
        (void)close(file);
    }
}

/* priority: the scheduler's own calls, by number where the C library has none. */
#include "trainer/priority.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nice counts among the threads of one session or control group; the groups count among each other by weights of their own. But
 * wherever it runs, a thread that wakes up may cut short a turn that is longer than its own: the longest there is gives way to
 * all. SCHED_IDLE is worse: who wakes up is sent to its processor as to one without work, and waits there where it has just had
 * more than its share. */
enum { NICE = 19, TURN_NS = 100000000, SESSION_NICE = 12 /* a weight of 70 to 1024 */ };

void priority_give_way(void)
{
    static const struct sched_param none = {.sched_priority = 0};
    /* The kernel's struct sched_attr in its first version; not every <sched.h> has it. */
    const struct {
        uint32_t size;
        uint32_t policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns; /* a turn's length, since Linux 6.12; unheeded before */
        uint64_t deadline_ns;
        uint64_t period_ns;
    } wanted = {.size = sizeof wanted, .policy = SCHED_BATCH, .nice = NICE, .runtime_ns = TURN_NS};

    /* On Linux all are a thread's; refused only where it runs as something lower already, or the call is not let through. */
    if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) {
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    }
}

void priority_give_way_as_session(void)
{
    int file = getsid(0) == getpid() ? open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;

    if (file >= 0) {
        (void)dprintf(file, "%d", SESSION_NICE); /* refused where it is lower already */
        (void)close(file);
    }
}

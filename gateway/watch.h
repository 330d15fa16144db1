/* watch: a thread that looks at the others each OVERLOAD_SAMPLE_MS: tells overload its signals, and ends a process that hangs.
 *
 * A thread whose pulse has stood still for THREAD_STUCK_MS of looks ends the process by abort(), after one log event: whatever
 * runs gateways starts it anew, and no other thread could take its connections over. Looks are counted and not time, so that a
 * process that was stopped and goes on, or a machine that slept, is not taken for one that hangs. Liveness (watch_is_alive)
 * fails before.
 *
 * Thread: opened and closed by main's; watch_is_alive any.
 */
#ifndef GATEWAY_WATCH_H
#define GATEWAY_WATCH_H

#include "gateway/admit.h"
#include "gateway/pool.h"
#include "gateway/pulse.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch;

struct watch_options { /* what they point to is borrowed until watch_close */
    struct admit *admit;
    struct pulse *const *pulses; /* copied */
    size_t pulse_count;
    const struct pool *pool; /* NULL: nothing waits */
    uint64_t queue_age_ms;   /* moderation.queue's */
    uint64_t look_ms;        /* for tests; 0 = OVERLOAD_SAMPLE_MS */
};

/* Starts the thread. STATUS_NO_MEMORY, STATUS_IO. */
MUST_CHECK enum status watch_open(struct watch **out, const struct watch_options *options);

/* Ends it. Before what it watches is closed. Takes NULL. */
void watch_close(struct watch **watch);

/* Whether every thread has shown itself within THREAD_ALIVE_MS; if not, *why is a static sentence. */
bool watch_is_alive(const struct watch *watch, const char **why);

#endif

/* loop: one thread of the gateway: its uv loop, listener, connections, exchanges and upstreams; shares nothing but counters.
 *
 *   a turn:   timers -> pool's verdicts, clients, upstreams -> connection_set_turn -> sleep
 *
 *   RUNNING --loop_drain--> DRAINING --no connection left, or limits.drain--> ENDING --no connection left--> ENDED
 *                           exchanges finish,          exchanges are told to end; DRAIN_LAST_MS later all is cut
 *                           who connects hears 503
 *
 * The thread ends with ENDED; the handles stay until loop_close, because the pool may still wake a loop until it is closed
 * itself. So main() does: loop_drain for all, loop_join for all, pool_close, loop_close for all.
 */
#ifndef GATEWAY_LOOP_H
#define GATEWAY_LOOP_H

#include "gateway/admit.h"
#include "gateway/pool.h"
#include "gateway/pulse.h"
#include "gateway/server.h"
#include "gateway/snapshot.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_options { /* all borrowed until loop_close */
    size_t index;
    size_t count; /* of all loops */
    struct snapshot *snapshot; /* held */
    struct admit *admit;
    struct metrics *metrics;
};

/* Makes the loop and listens on *address (port 0 is replaced by the port that was found). Statuses of server_open and
 * upstream_open. Main thread. */
MUST_CHECK enum status loop_open(struct loop **out, const struct loop_options *options, struct server_address *address);

/* Starts the thread; nothing is accepted before. `pool` is borrowed until it is closed. STATUS_NO_MEMORY. */
MUST_CHECK enum status loop_start(struct loop *loop, struct pool *pool);

/* Verdicts wait in the pool. Any thread, until loop_close. */
void loop_wake(struct loop *loop);

/* Requests that begin from the loop's next turn on run by `snapshot`, and times count as it says. The main thread, before
 * loop_drain. */
void loop_use_snapshot(struct loop *loop, struct snapshot *snapshot);

/* The end is near, and balancers are told so: all are served still, but each answer ends its connection. Any thread. */
void loop_lead(struct loop *loop);

/* Begin nothing, finish what runs, end. While something runs, who connects is told that the gateway ends. Any thread. */
void loop_drain(struct loop *loop);

/* Beats each LOOP_TICK_MS from loop_start until the thread ends. Lent until loop_close. */
struct pulse *loop_pulse(struct loop *loop);

/* Waits for the thread, when it was started. */
void loop_join(struct loop *loop);

/* After loop_join and after the pool is closed. Takes NULL. */
void loop_close(struct loop **loop);

#endif

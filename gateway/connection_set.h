/* connection_set: the client connections of one loop: accepting, timers, the end of each turn, and the drain.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_CONNECTION_SET_H
#define GATEWAY_CONNECTION_SET_H

#include "gateway/admit.h"
#include "gateway/connection.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct connection_set;

/* `limits`, `admit`, `metrics` and `events` are borrowed until connection_set_close. */
MUST_CHECK enum status connection_set_open(struct connection_set **out, uv_loop_t *loop, const struct limit_settings *limits,
                                        struct admit *admit, struct metrics *metrics,
                                        const struct connection_events *events);

/* The times in `limits` have changed: those of clients count from now on. */
void connection_set_use_limits(struct connection_set *set);

/* All connections must be closed. */
void connection_set_close(struct connection_set **set);

/* Takes the socket of a connection that was accepted. With REFUSAL_NONE it is served; otherwise it hears the refusal and is
 * closed. STATUS_IO when libuv refuses it, STATUS_NO_MEMORY. The event `closed` comes once for each call, whatever the answer
 * is. */
MUST_CHECK enum status connection_set_accept(struct connection_set *set, int socket, enum request_refusal refusal);

/* Another one wants a place: closes the connection that has been idle for longest, or else one that has said nothing for
 * SILENT_MS. False when there is neither, or CLOSE_IDLE_LOOKS of those that seem to be idle have sent a request. */
bool connection_set_close_idle(struct connection_set *set);

/* At the end of a loop turn, after its sockets: writes, tells what drained, begins pipelined requests. Whoever asks for it in
 * another part of the turn has the event turn_wanted, so that nothing waits while the loop sleeps. */
void connection_set_turn(struct connection_set *set);

/* Every LOOP_TICK_MS: timers. */
void connection_set_tick(struct connection_set *set);

size_t connection_set_count(const struct connection_set *set);

/* The process ends before long: from now on each answer says that its connection ends with it. */
void connection_set_lead(struct connection_set *set);

/* Whether every answer has gone: those that are left only wait for their clients to take it. */
bool connection_set_is_over(const struct connection_set *set);

/* From now on each connection ends with its answer; idle ones end now. */
void connection_set_drain(struct connection_set *set);

/* The end of the drain: tells every exchange to end; closes what has none. */
void connection_set_end_now(struct connection_set *set);

/* Cuts what is left. */
void connection_set_abort(struct connection_set *set);

#endif

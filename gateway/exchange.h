/* exchange: one request's life as a table of named steps, from its head to the log line about it.
 *
 *   head -> identify -> route -> admit -> decoder -> read -> body -> judge -> obey -> allowed -> connect -> relay -> finish
 *     |        |          |       |        |         |      | ^------- next profile ----'         |        |
 *     \________\__________\_______\________\_________\______\________\_______\___________________\________\-> refuse -> finish
 *
 *                                        \-> inputs <-> ask -> results -> finish    a route that serves moderations
 *
 * Where a profile judges answers: connect -> hold -> weigh -> judge -> obey -> allowed -> release -> finish (exchange_held.c).
 *
 * A step looks at what is there and names the next one, or waits for an event: its turn (pace, between admit and
 * decoder), a free decoder (decoder, for a compressed body),
 * the request's last byte (read), room for a copy of its text (body, inputs, ask), the verdict (judge), the end of the upstream's
 * answer (relay). A client that leaves takes its
 * exchange along in the same turn: the upstream is cancelled, the job abandoned. What was judged is what is sent, byte for byte
 * (house D7, D9): a compressed body that is judged is sent on as it was decoded, without its Content-Encoding.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/admit.h"
#include "gateway/connection.h"
#include "gateway/pace.h"
#include "gateway/pool.h"
#include "gateway/snapshot.h"
#include "gateway/upstream.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

struct exchanges; /* all of one loop, and what they share */

struct exchange_services { /* all borrowed until exchanges_close */
    struct snapshot *snapshot; /* the first; held */
    const struct limit_settings *limits; /* of the loop: times in it change with a reload */
    struct admit *admit;
    struct metrics *metrics;
    struct upstream *upstream;
    struct pace *pace;
    size_t loop_index;
};

MUST_CHECK enum status exchanges_open(struct exchanges **out, const struct exchange_services *services);

/* No exchange may be left. */
void exchanges_close(struct exchanges **exchanges);

/* Requests that begin from now on run by `snapshot`; those that run keep theirs. */
void exchanges_use_snapshot(struct exchanges *exchanges, struct snapshot *snapshot);

/* Before the first request. Borrowed until the loop has ended. */
void exchanges_use_pool(struct exchanges *exchanges, struct pool *pool);

/* What the connections of the loop tell; `closed` is left to the loop. */
struct connection_events exchanges_events(struct exchanges *exchanges);

/* Every LOOP_TICK_MS: who waits for a decoder has one when one is free; who waited too long for room, or for a turn, is refused;
 * what was kept for requests that do not come is freed. */
void exchanges_tick(struct exchanges *exchanges);

/* Once a turn of the loop, before its connections': begins some of those that wait for their turn (gateway/pace), decodes a
 * bounded part of what is to be decoded, lets those go on for whom there is room again, and frees what only a large document
 * needed. */
void exchanges_turn(struct exchanges *exchanges);

/* Whether there is more of that to do now: the loop must not sleep. */
bool exchanges_want_turn(const struct exchanges *exchanges);

/* A job that pool_take gave back. Takes it. */
void exchange_judged(struct job *job);

#endif

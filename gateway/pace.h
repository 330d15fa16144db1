/* pace: how many requests a loop begins in one of its turns, and the line of those that come later: fair between callers.
 *
 *   by a keyed hash of the caller's name:     7: a1 a2 a3     41: b1     200: c1 c2
 *   in turns:                                 a1 b1 c1 a2 c2 a3            each queue gives its longest waiting one
 *
 * A loop that has begun PACE_BEGINS requests looks at its sockets again before it begins others, however many have come: what
 * each needs (its buffers, its transfer) is touched again and again until it is answered, and that of hundreds at once is not in
 * the processor's cache. While the loop has time for all, nobody waits longer than a turn; where it has not, the line grows
 * up to limits.in_flight (who waits has a place there), and the wait tells how short of time the loop is:
 *
 *   PACE_LATE_MS       the caller's longest waiting one has waited so long: others of this caller are refused
 *   PACE_STANDING_MS   somebody has waited all this time: the loop is full
 *   PACE_LINE          so many wait at a full loop: only those who have less than a fair share in flight join them
 *   PACE_WAIT_MAX_MS   a request that has waited so long is refused
 *
 * A short line comes to its end again and again where the loop has no time all the same: it is full, too, where it slept less
 * than an eighth of a tick (PACE_PAUSE_PART) in which somebody waited, and stays so until nobody waits in a tick or it slept more
 * than a half of one: the pauses of a quota look like sleep. Requests that wait elsewhere (for moderators, for upstreams) fill
 * limits.in_flight too; refusing the others may take no more than a part of the loop's time: where it slept less than a half of a
 * tick in which there were such, it is full as well.
 *
 * A full loop accepts few connections, and lets those rest whose requests it turns away. Those that it accepts have waited in
 * the kernel, for longer than their clients may want, and each brings a request: so a loop that is full no more takes twice as
 * many in each tick, until it takes all that come.
 *
 * With moderators it is the same: a loop that takes as many verdicts a turn as it begins requests never comes to the end of those
 * that one burst has left there, and each costs more for it. One that slept less than an eighth of a tick begins none, therefore,
 * while PACE_JUDGING texts are with moderators, until it has slept a half of a tick: then it is not the loop that has no time.
 *
 * Two callers may share a queue, and then have one caller's turns together: nobody can choose with whom. Thread: the loop's.
 */
#ifndef GATEWAY_PACE_H
#define GATEWAY_PACE_H

#include "proto/bytes.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Embedded in what waits; all zero: it does not. */
struct pace_member {
    TAILQ_ENTRY(pace_member) in_queue;
    struct pace_queue *queue; /* NULL: it does not wait */
    uint64_t since_ms;
};

struct pace;

/* `metrics` is borrowed until pace_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status pace_open(struct pace **out, struct metrics *metrics);

/* Nobody waits. Takes NULL. */
void pace_close(struct pace **pace);

/* Whether a request may begin at once: it has, then, in this turn. Else it is to stand in line. */
bool pace_begin(struct pace *pace);

/* Whether another request of this caller would wait too long. */
bool pace_is_late(const struct pace *pace, struct bytes caller, uint64_t now_ms);

/* To the end of its caller's queue; the member is lent until pace_next takes it out, or pace_leave. */
void pace_stand(struct pace *pace, struct pace_member *member, struct bytes caller, uint64_t now_ms);
void pace_leave(struct pace *pace, struct pace_member *member);

/* The next one to begin in this turn, taken out; NULL when nobody waits, or the turn has begun as many as it may. */
struct pace_member *pace_next(struct pace *pace);

/* One that has waited for PACE_WAIT_MAX_MS; it still stands. NULL when there is none. */
struct pace_member *pace_overdue(const struct pace *pace, uint64_t now_ms);

/* How many texts of the loop are with moderators now. To be told before requests begin. */
void pace_judging(struct pace *pace, size_t count);

/* The next turn of the loop. */
void pace_turn(struct pace *pace, uint64_t now_ms);

/* A request found no place in limits.in_flight. */
void pace_crowd(struct pace *pace);

/* Every LOOP_TICK_MS: how much of the time since the last one the loop has slept. */
void pace_tick(struct pace *pace, uint64_t slept_ns, uint64_t all_ns);

/* Whether anybody waits. */
bool pace_is_held(const struct pace *pace);

/* Whether the next turn begins one of those that wait. */
bool pace_goes_on(const struct pace *pace);

/* Whether the loop is full and PACE_LINE wait: a longer line would not fit the cache, either. */
bool pace_is_long(const struct pace *pace, uint64_t now_ms);

/* How many connections the loop may take now: none while requests wait that are there already. */
int pace_accepts(const struct pace *pace, uint64_t now_ms);

/* Whether it takes others only after ACCEPT_PAUSE_MS: it is full, or was a moment ago. */
bool pace_accepts_slowly(const struct pace *pace, uint64_t now_ms);

/* Whether the loop has more to do than it can. */
bool pace_is_full(const struct pace *pace, uint64_t now_ms);

#endif

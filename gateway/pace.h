/* pace: how many requests may be in flight while the processor is what there is too little of.
 *
 *   the shortest turn of a sample, of the loop that is worst     limit
 *   PACE_TURN_US or more: nothing goes on without waiting        half of what is in flight, PACE_REQUESTS_MIN at least
 *   less                                                         an eighth more, up to limits.in_flight
 *
 * A loop that has more to do than it can has no short turn for as long as that lasts, while a burst or a processor that was
 * taken away spoils some turns only. With fewer in flight as many are completed, each sooner; hundreds at once cost more than
 * their work: their turns come in bursts, in which connections to upstreams fall idle, are closed, and opened anew.
 *
 * Thread: pace_sample for one; the rest any.
 */
#ifndef GATEWAY_PACE_H
#define GATEWAY_PACE_H

#include "proto/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t max;
    _Atomic uint64_t limit;
    _Atomic bool is_full;
    struct series *gauge;
};

/* `max` is limits.in_flight. Borrows `metrics` as long as it is used. */
void pace_init(struct pace *pace, uint64_t max, struct metrics *metrics);

/* Each OVERLOAD_SAMPLE_MS. */
void pace_sample(struct pace *pace, uint64_t turn_us, uint64_t in_flight);

uint64_t pace_limit(const struct pace *pace);

/* Whether that is less than the settings say. */
bool pace_is_held(const struct pace *pace);

/* Whether the last sample had no short turn. */
bool pace_is_full(const struct pace *pace);

#endif

/* turn: how a long computation shares its processor: once a turn is over, whoever waits for the processor comes first.
 *
 * The lowest priority says how much of a processor a thread has, and not how soon it leaves it. Who wakes up just after having
 * had more than its share does not cut it short; a moment later it might, but the kernel looks again at its next tick only, up
 * to 4 ms later, or when a turn ends.
 *
 * Where everybody is weighed on one scale, Linux 6.18 takes from a thread that ends its turn a whole slice of the longest there
 * is, seconds at the lowest priority. So one that was away for long has a turn as long as that before it ends one again: on a
 * processor that is never free it has at least half of what the kernel would give it.
 *
 * Thread: that of the computation.
 */
#ifndef TRAINER_TURN_H
#define TRAINER_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct turn {
    const atomic_bool *cancelled; /* borrowed; NULL = never */
    uint64_t over_us;             /* by clock_us(); 0 = the first turn is over at once */
};

/* To be called between two steps of a few microseconds each. Whether to go on: false once cancelled. `turn` may be NULL: turns
 * have no end, and nothing is cancelled. */
bool turn_goes_on(struct turn *turn);

/* The same for steps of some nanoseconds, which are numbered: the clock is looked at between some of them only. Whoever takes a
 * few hundred thousand of them learns that it is cancelled behind the last. */
static inline void turn_passes(struct turn *turn, size_t step)
{
    enum { STEPS = 256 };

    if (step % STEPS == 0) {
        (void)turn_goes_on(turn);
    }
}

#endif

/* spare: how many of the things that are kept for their next use have not been needed for a while.
 *
 *   count  5 3 2 4 6 5        a period of SPARE_LOOK_MS: it never fell below 2, so that two of them were kept for nothing:
 *              ^ fewest       they go; what the next peak needs is made anew
 *
 * Nothing is paid for a use but two numbers. Embedded in what keeps the things, which must take the one that was used last, so
 * that the others stand still. Thread: its owner's.
 */
#ifndef GATEWAY_SPARE_H
#define GATEWAY_SPARE_H

#include "proto/metrics.h"

#include <stddef.h>
#include <stdint.h>

struct spare {
    size_t count;
    size_t fewest;     /* of this period */
    uint64_t since_ms; /* when it began */
    struct series *gauge; /* of the process: `told` of it is this one's */
    size_t told;
};

/* `what` is the gauge's label, a literal. Borrows `metrics` as long as it is used. */
void spare_init(struct spare *spare, const char *what, struct metrics *metrics);

static inline void spare_kept(struct spare *spare)
{
    spare->count++;
}

static inline void spare_taken(struct spare *spare)
{
    spare->count--;
    spare->fewest = spare->count < spare->fewest ? spare->count : spare->fewest;
}

/* Each LOOP_TICK_MS. At the end of a period: how many were not needed in it, all of which must be taken and freed now; else 0. */
size_t spare_unneeded(struct spare *spare, uint64_t now_ms);

/* Once they are, and at the end: brings the gauge up to date. */
void spare_tell(struct spare *spare);

#endif

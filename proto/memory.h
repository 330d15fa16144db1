/* memory: what a process may come to hold, reckoned from its settings, in words, and beside the limit that it has.
 *
 *   BOUND = 1.25 x (term + term + ...)      the quarter is the allocator's own (two arenas, freed pieces between live ones)
 *
 * A service adds one term for each thing that holds memory; each is bounded by a setting or by proto/limits.h (house D8), so the
 * sum is a bound. A process whose bound is above its limit does not start: what it promises could not be kept.
 *
 * Thread: any, one at a time for a given bound.
 */
#ifndef PROTO_MEMORY_H
#define PROTO_MEMORY_H

#include "proto/memory_limit.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MEMORY_TERMS_MAX = 16 };

struct memory_term {
    const char *what;    /* in words; a literal */
    const char *setting; /* that makes it smaller, a literal; NULL = none */
    uint64_t bytes;
};

struct memory_bound {
    size_t count;
    struct memory_term terms[MEMORY_TERMS_MAX];
    uint64_t limit_bytes;      /* MEMORY_UNLIMITED = none */
    const char *limit_setting; /* that says so, a literal; NULL = the container's */
};

/* One more term; empty ones are left out. Sums that pass 2^64 stay at its end. */
void memory_bound_add(struct memory_bound *bound, const char *what, const char *setting, uint64_t bytes);

/* `count` things of `each_bytes`. */
void memory_bound_add_each(struct memory_bound *bound, const char *what, const char *setting, uint64_t count,
                           uint64_t each_bytes);

/* The limit: `bytes` of `setting`, or the container's when `bytes` is 0. */
void memory_bound_limit(struct memory_bound *bound, const char *setting, uint64_t bytes);

/* All terms and the allocator's quarter. */
uint64_t memory_bound_bytes(const struct memory_bound *bound);

/* The bound, its terms and the limit, in words. */
void memory_bound_explain(const struct memory_bound *bound, FILE *out);

/* STATUS_TOO_LARGE when it is above the limit; one line on `errors`, with the setting that most is held by. */
MUST_CHECK enum status memory_bound_check(const struct memory_bound *bound, FILE *errors);

/* prismguard_memory_bound_bytes and prismguard_memory_limit_bytes (0 = none). */
void memory_bound_export(const struct memory_bound *bound, struct metrics *metrics);

#endif

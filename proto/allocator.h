/* allocator: how glibc's allocator is set up for a bound on memory, and when the pages of its free pieces are given back.
 *
 * After a peak, free pieces lie between live ones and their pages stay with the process. malloc_trim gives whole pages back, but
 * walks all arenas under their locks, so that it is worth it only where pages have come since the last time:
 *
 *   slack = resident pages - bytes in use        trim: it has grown, or much that was in use is free now
 *
 * Thread: that of allocator_look, one; trimming is safe beside all others.
 */
#ifndef PROTO_ALLOCATOR_H
#define PROTO_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

/* What the bound reckons with (proto/memory.h): few arenas, and large pieces go back to the system when they are freed. Once, at
 * start, before there are threads. */
void allocator_hold_little(void);

struct allocator_state {
    int64_t resident_bytes; /* without pages of files */
    int64_t used_bytes;     /* that live pieces have */
    int64_t free_bytes;     /* of pieces that are free, whether they have pages or not */
};

struct allocator {
    int statm;                  /* -1 = not to be had: it never trims */
    struct allocator_state last; /* just after the last trim */
};

/* /proc/self/statm is opened here, and read again for each look. */
void allocator_open(struct allocator *allocator);
void allocator_close(struct allocator *allocator);

/* Whether pages are to be had. */
bool allocator_should_trim(const struct allocator *allocator, const struct allocator_state *now);

/* Each ALLOCATOR_LOOK_MS: trims where that is so. */
void allocator_look(struct allocator *allocator);

#endif

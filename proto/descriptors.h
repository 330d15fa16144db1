/* descriptors: how many file descriptors the process has open, and how many it may have.
 *
 * Counting reads one number from the kernel where it tells it (Linux 6.2 and later), else a folder with a name for each: a
 * millisecond for some thousands. Thread: one at a time.
 */
#ifndef PROTO_DESCRIPTORS_H
#define PROTO_DESCRIPTORS_H

#include "proto/status.h"

#include <stdint.h>

struct descriptors;

/* STATUS_UNAVAILABLE where /proc is not mounted; STATUS_NO_MEMORY. */
MUST_CHECK enum status descriptors_open(struct descriptors **out);
void descriptors_close(struct descriptors **descriptors);

/* Open now, the one included that looks. */
uint64_t descriptors_count(struct descriptors *descriptors);

/* The soft limit, as it is now. Any thread. */
uint64_t descriptors_limit(void);

#endif

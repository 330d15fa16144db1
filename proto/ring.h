/* ring: a bounded queue of pointers between exactly one producing thread and one consuming thread, without a lock.
 *
 *      head (consumer) ->|############|<- tail (producer)      count = tail - head, never above room
 *
 * The bound is the constructor's; a push into a full ring says STATUS_FULL and changes nothing. Waking the other side is
 * the caller's business (uv_async_send, eventfd).
 */
#ifndef PROTO_RING_H
#define PROTO_RING_H

#include "proto/status.h"

#include <stddef.h>

struct ring;

/* `room` is a power of two. */
MUST_CHECK enum status ring_open(struct ring **out, size_t room);

/* The ring must be empty or its items owned elsewhere: it frees none of them. */
void ring_close(struct ring **ring);

/* Producer's thread only. `item` is not NULL. */
MUST_CHECK enum status ring_push(struct ring *ring, void *item);

/* Consumer's thread only. NULL when empty. */
void *ring_pop(struct ring *ring);

/* Any thread; a snapshot. */
size_t ring_count(const struct ring *ring);

#endif

/* ring: head and tail on cache lines of their own, each side remembering what it last saw of the other. */
#include "proto/ring.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE_BYTES = 64 }; /* the line of every processor we run on; a larger one costs speed, not correctness */

/* Counters only grow; `counter & mask` is the place. Reading the other side's counter moves its cache line between two
 * cores, so each side keeps the last value it read and looks again only when that says full (or empty). */
struct ring {
    void **items;
    size_t mask;
    alignas(CACHE_LINE_BYTES) _Atomic size_t head; /* written by the consumer */
    size_t tail_seen;                              /* the consumer's */
    alignas(CACHE_LINE_BYTES) _Atomic size_t tail; /* written by the producer */
    size_t head_seen;                              /* the producer's */
};

enum status ring_open(struct ring **out, size_t room)
{
    struct ring *ring;

    assert(out != NULL);
    assert(room > 0 && (room & (room - 1)) == 0);
    ring = aligned_alloc(CACHE_LINE_BYTES, sizeof *ring);
    if (ring == NULL) {
        return STATUS_NO_MEMORY;
    }
    *ring = (struct ring){.mask = room - 1};
    ring->items = calloc(room, sizeof *ring->items);
    if (ring->items == NULL) {
        ring_close(&ring);
        return STATUS_NO_MEMORY;
    }
    *out = ring;
    return STATUS_OK;
}

void ring_close(struct ring **ring)
{
    assert(ring != NULL);
    if (*ring != NULL) {
        free((*ring)->items);
        free(*ring);
        *ring = NULL;
    }
}

enum status ring_push(struct ring *ring, void *item)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    assert(item != NULL);
    if (tail - ring->head_seen > ring->mask) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (tail - ring->head_seen > ring->mask) {
            return STATUS_FULL;
        }
    }
    ring->items[tail & ring->mask] = item;
    /* Release: whoever sees the new tail sees the item, and all that the item points to. */
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return STATUS_OK;
}

void *ring_pop(struct ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    void *item;

    if (head == ring->tail_seen) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head == ring->tail_seen) {
            return NULL;
        }
    }
    item = ring->items[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

size_t ring_count(const struct ring *ring)
{
    /* Head first: tail can only have grown since, so the difference is never below zero; it may be above the room. */
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    size_t count = tail - head;

    return count > ring->mask + 1 ? ring->mask + 1 : count;
}

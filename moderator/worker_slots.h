/* worker_slots: the slots of one thread: their timers, what to poll for, and leaving together.
 *
 * Both kinds of slot live in such a set: local ones in moderator/worker, review ones in moderator/review.
 * Thread: the one that owns the set.
 */
#ifndef MODERATOR_WORKER_SLOTS_H
#define MODERATOR_WORKER_SLOTS_H

#include "moderator/slot.h"
#include "proto/metrics.h"

#include <zmq.h>

struct worker_slots {
    struct slot *slots;
    size_t count;
    size_t room;
    const struct wire_security *security; /* of every slot added */
    struct series *gauge; /* slots that have heard their gateway; shared by all sets of a kind */
    int64_t joined_count; /* what this set added to it */
};

/* Room for `room` slots; `kind` labels the gauge; `security` (NULL: no CURVE) is borrowed until worker_slots_close.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status worker_slots_open(struct worker_slots *set, size_t room, enum slot_kind kind,
                                         const struct wire_security *security, struct metrics *metrics);

/* Closes every slot and frees the set. Takes an empty one. */
void worker_slots_close(struct worker_slots *set);

/* Adds a slot (slot_init); never more than `room`. */
struct slot *worker_slots_add(struct worker_slots *set, const char *endpoint, const struct message_ready *ready, uint64_t now_ms);

/* Does what is due, logs what fails, and returns when the next thing is due. */
uint64_t worker_slots_turn(struct worker_slots *set, uint64_t now_ms);

/* For how long zmq_poll may wait when the next thing is due at `due_ms`; -1 = for ever (UINT64_MAX). */
long worker_slots_wait_ms(uint64_t now_ms, uint64_t due_ms);

/* Fills one item a slot, in order; a slot that waits for nothing gets one that zmq_poll passes over. */
void worker_slots_poll(const struct worker_slots *set, zmq_pollitem_t *items);

/* Every slot says BYE when it next may; worker_slots_gone once all have, or can no more. */
void worker_slots_leave(struct worker_slots *set);
bool worker_slots_gone(const struct worker_slots *set);

#endif

/* worker_slots: the slots of one thread: as many as are wanted towards each gateway, their timers, the wait, and leaving.
 *
 *   homes  [tcp://10.0.0.7:5555] [tcp://10.0.0.9:5555] [        ]     an address each, while a slot is there
 *   slots   0   1   2   3          4   5   6   7                      wants[0].count + wants[1].count ... a home
 *
 * Both kinds of slot live in such a set: local ones in moderator/worker, review ones in moderator/review (a want a profile).
 * The slots of an address that is gone leave as all do at the end: they finish the task in hand, say BYE, or hear nothing more;
 * then their places are free. Slots never move: a place is a number that others may keep while its slot is WORKING.
 * Thread: the one that owns the set.
 */
#ifndef MODERATOR_WORKER_SLOTS_H
#define MODERATOR_WORKER_SLOTS_H

#include "moderator/lookup.h"
#include "moderator/slot.h"
#include "proto/log.h"
#include "proto/metrics.h"

/* Slots that each gateway gets. */
struct slot_want {
    struct message_ready ready; /* views borrowed until worker_slots_close */
    size_t count;
};

/* An address with slots, or nothing. */
struct slot_home {
    char endpoint[PATH_BYTES_MAX + 1];
    size_t slot_count; /* 0: free */
    bool leaving;
    struct log_limiter refused; /* frames of it that are no message */
};

/* Of a slot. */
struct slot_place {
    size_t want;
    struct slot_home *home; /* NULL: the place is free, and its slot GONE */
};

enum { WORKER_SLOTS_OTHERS = 2 };

struct worker_slots {
    struct slot *slots;
    struct slot_place *places; /* one a slot */
    struct slot_home homes[ADDRESSES_MAX];
    size_t count; /* up to the last place that is taken */
    size_t room;
    int bell; /* epoll: the slots by their places, and from `room` on what else ends a wait */
    bool rang[WORKER_SLOTS_OTHERS];
    bool wanting; /* an address found no room: worker_slots_follow is to be called again */
    const struct slot_want *wants;
    size_t want_count;
    const struct wire_security *security; /* of every slot added */
    struct series *gauge; /* slots that have heard their gateway; shared by all sets of a kind */
    int64_t joined_count; /* what this set added to it */
};

/* Room for ADDRESSES_MAX gateways; empty. `kind` labels the gauge; `security` (NULL: no CURVE) and `wants` are borrowed until
 * worker_slots_close. STATUS_NO_MEMORY; STATUS_UNAVAILABLE: no descriptor is left. */
MUST_CHECK enum status worker_slots_open(struct worker_slots *set, const struct slot_want *wants, size_t want_count,
                                         enum slot_kind kind, const struct wire_security *security, struct metrics *metrics);

/* How many slots it has room for. */
size_t worker_slots_room(const struct slot_want *wants, size_t want_count);

/* Closes every slot and frees the set. Takes an empty one. */
void worker_slots_close(struct worker_slots *set);

/* From now on these are the gateways: new ones get their slots, those of gone ones begin to leave. */
void worker_slots_follow(struct worker_slots *set, const struct addresses *addresses, uint64_t now_ms);

/* Does what is due, logs what fails, and returns when the next thing is due. */
uint64_t worker_slots_turn(struct worker_slots *set, uint64_t now_ms);

/* For how long worker_slots_wait may wait when the next thing is due at `due_ms`; -1 = for ever (UINT64_MAX). */
long worker_slots_wait_ms(uint64_t now_ms, uint64_t due_ms);

/* That the descriptor becomes readable ends a wait too, once each time. It is the other with that number, up to
 * WORKER_SLOTS_OTHERS, and is borrowed until worker_slots_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status worker_slots_other(struct worker_slots *set, unsigned number, int descriptor);

/* Waits until something has changed at a slot or another; false when nothing has. Then each slot is to be asked slot_has_input
 * and slot_may_join, which costs nothing for most. `rang` says what others there were, and stays. */
bool worker_slots_wait(struct worker_slots *set, long wait_ms);

/* Whether worker_slots_wait would not wait. Costs no system call, and does not know of the bell. */
bool worker_slots_ready(const struct worker_slots *set);

/* Every slot says BYE when it next may; worker_slots_gone once all have, or can no more. */
void worker_slots_leave(struct worker_slots *set);
bool worker_slots_gone(const struct worker_slots *set);

#endif

/* pool_slots: which moderator slots are known, by identity, and what each is doing; every state is a list.
 *
 *   state         of a slot that ...                          leaves it by
 *   idle          waits for a frame                           a TASK, a PING
 *   pinged        owes a PONG                                 its answer; forgotten after the silence
 *   busy          has a task, and a job waits for it          its answer; its deadline
 *   quarantined   owes the answer of a task that is over      its answer; forgotten after the silence
 *
 *   lists[kind][state]:  longest in that state <──> ... <──> newest     (idle: the first is the least recently used;
 *                                                                        busy: by due_ms)
 *
 * At most as many slots as the constructor was told (moderation.peers); memory is taken once. A task that was sent is libzmq's
 * until its slot has read it, however long the slot hangs: its bytes are charged (account `tasks`, limit moderation.queue.bytes)
 * from pool_slots_charge until the slot answers, or is forgotten.
 * Thread: the pool's, but for pool_slots_count.
 */
#ifndef GATEWAY_POOL_SLOTS_H
#define GATEWAY_POOL_SLOTS_H

#include "gateway/job.h"
#include "proto/message.h"
#include "proto/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slot_state { SLOT_IDLE, SLOT_PINGED, SLOT_BUSY, SLOT_QUARANTINED, SLOT_STATES };

struct slot {
    enum slot_kind kind;
    enum slot_state state;
    uint64_t since_ms;    /* in this state */
    uint64_t due_ms;      /* busy: when its attempt is over; set before pool_slots_move */
    uint64_t sequence;    /* busy, quarantined: of its task */
    struct job *job;      /* busy: borrowed, and those `beside` it; NULL in every other state */
    size_t task_count;    /* busy, quarantined: of its message */
    bool takes_one;       /* its process knows no message of several tasks */
    bool is_long;         /* busy, quarantined: its task's text; set before pool_slots_move */
    size_t task_bytes;    /* busy, quarantined: of the task that it may not have read yet; else 0 */
    unsigned probe_count; /* since it became busy */
    unsigned bad_count;   /* frames that were none of PROTOCOL.md */
    unsigned char worker[WORKER_ID_BYTES];
    char profile[PROFILE_NAME_BYTES_MAX + 1]; /* of a review slot */
    unsigned char identity_bytes;
    char identity[IDENTITY_BYTES_MAX];
    struct slot *next; /* in its list */
    struct slot *previous;
    struct slot *chain; /* in its bucket, or among the unused */
};

struct pool_slots;

/* Peers and bytes are those of `settings`. `metrics` is borrowed until pool_slots_close. */
MUST_CHECK enum status pool_slots_open(struct pool_slots **out, const struct pool_settings *settings, struct metrics *metrics);
void pool_slots_close(struct pool_slots **slots);

/* NULL when there is no such slot. Lends until pool_slots_remove. */
struct slot *pool_slots_find(const struct pool_slots *slots, struct bytes identity);

/* A new idle slot. STATUS_FULL when `peers` are known, STATUS_TOO_LARGE for an identity that ZeroMQ would not give. The
 * identity must not be known. Copies all. */
MUST_CHECK enum status pool_slots_add(struct pool_slots *slots, struct bytes identity, const struct message_ready *ready,
                                      uint64_t now_ms, struct slot **out);

/* The one door between states. A slot that has a job is busy, and a busy slot has one: set or clear `job` before. */
void pool_slots_move(struct pool_slots *slots, struct slot *slot, enum slot_state state, uint64_t now_ms);

/* A task of so many bytes goes to this slot, which is busy next. STATUS_FULL: nothing was charged. */
MUST_CHECK enum status pool_slots_charge(struct pool_slots *slots, struct slot *slot, size_t task_bytes);

/* Whether a task of so many bytes has room now. */
bool pool_slots_has_room(const struct pool_slots *slots, size_t task_bytes);

/* Forgets it; it has no job. */
void pool_slots_remove(struct pool_slots *slots, struct slot *slot);

/* The slot longest in that state, or NULL; walk on by `next`. */
struct slot *pool_slots_first(const struct pool_slots *slots, enum slot_kind kind, enum slot_state state);

/* The least recently used idle slot that serves this profile and is not of the process `avoided` (NULL: of any), or NULL. */
struct slot *pool_slots_idle(const struct pool_slots *slots, enum slot_kind kind, const char *profile,
                             const unsigned char *avoided);

/* How many review slots owe a PONG, of those that pool_slots_idle would choose from. */
size_t pool_slots_pinged(const struct pool_slots *slots, const char *profile, const unsigned char *avoided);

/* Whether one more local slot may have a long text: at most half of them do, and one where there is but one, so that there are
 * always slots for short ones. */
bool pool_slots_long_room(const struct pool_slots *slots);

/* Slots of a kind that are in that state. */
size_t pool_slots_in(const struct pool_slots *slots, enum slot_kind kind, enum slot_state state);

/* This process knows no message of several tasks: its slots, and those that it adds, take one task a message. */
void pool_slots_take_one(struct pool_slots *slots, const unsigned char worker[WORKER_ID_BYTES]);

/* Moderator processes that have a slot of this kind, in any state. */
size_t pool_slots_processes(const struct pool_slots *slots, enum slot_kind kind);

/* Whether any of them is another one than `worker`. */
bool pool_slots_has_other(const struct pool_slots *slots, enum slot_kind kind, const unsigned char worker[WORKER_ID_BYTES]);

/* Known slots of a kind, in any state. Any thread. */
size_t pool_slots_count(const struct pool_slots *slots, enum slot_kind kind);

#endif

/* slot: one REQ socket towards one gateway address: READY, then frame by frame one answer each, for ever.
 *
 *   CLOSED ──due──> JOINING ──writable: READY──> WAITING ──TASK──> WORKING
 *      ^                                          │  ^ └─PING──PONG─┘   │
 *      └─ silence, no connection, a send fails ───┘  └─VERDICT or BUSY──┘
 *
 * A socket that cannot join for SLOT_JOIN_MS is closed too: a gateway that refused our key may know it by now. A REQ that lost
 * its peer waits for ever, so a lost connection (looked for each SLOT_CHECK_MS) or GATEWAY_SILENCE_MS without a frame closes the
 * socket, and after a back-off with jitter (SLOT_BACKOFF_MS, doubled up to SLOT_BACKOFF_MAX_MS until something is heard) a new
 * one is opened. A REQ may only send after it received, so BYE is the answer to the next frame, whatever that is.
 *
 * The owner waits for the slot's bell: an epoll descriptor that tells its number when something has changed, once (EPOLLET). It
 * says so by slot_rang(), and as long as slot_may_have_changed() asks slot_has_input() and slot_may_join(). Thread: the owner's.
 * Source of the rule: spec/zeromq.md E3, PROTOCOL.md.
 */
#ifndef MODERATOR_SLOT_H
#define MODERATOR_SLOT_H

#include "proto/message.h"
#include "proto/wire.h"

enum slot_state { SLOT_CLOSED, SLOT_JOINING, SLOT_WAITING, SLOT_WORKING, SLOT_GONE };

struct slot {
    const char *endpoint;                 /* borrowed from the settings */
    const struct wire_security *security; /* borrowed; NULL: no CURVE */
    struct message_ready ready; /* what it says of itself; views borrowed */
    struct wire *wire;          /* NULL while CLOSED or GONE */
    enum slot_state state;
    uint64_t due_ms;     /* when slot_turn has something to do; UINT64_MAX = never */
    uint64_t silent_ms;  /* WAITING: when it is given up, if it hears nothing before */
    uint64_t heard_ms;   /* the last frame; 0 = none on this socket */
    unsigned rebuilds;   /* since something was heard */
    bool leaving;        /* the next frame is answered with BYE */
    int bell;            /* borrowed; -1: none */
    uint32_t number;     /* what the bell tells */
};

/* CLOSED and due at once, and without a bell. Everything given is borrowed until slot_close. */
void slot_init(struct slot *slot, const char *endpoint, const struct wire_security *security, const struct message_ready *ready,
               uint64_t now_ms);
void slot_close(struct slot *slot);

/* The ZeroMQ socket, or NULL when there is none. */
void *slot_socket(const struct slot *slot);

/* The bell told its number; also when its socket is another one by now. */
void slot_rang(struct slot *slot);

/* While WAITING or JOINING: whether one of the next two may say yes. Costs nothing. */
bool slot_may_have_changed(const struct slot *slot);

/* WAITING, and something has come: slot_take(). slot_take may find nothing where this says yes. */
bool slot_has_input(struct slot *slot);

/* JOINING, and it may send: slot_join(). */
bool slot_may_join(struct slot *slot);

/* Does what is due: opens the socket, or gives up a silent one. STATUS_NO_MEMORY, STATUS_DENIED, STATUS_MALFORMED, STATUS_IO of
 * wire_open and wire_attach; the slot is then CLOSED and due again after a back-off. */
MUST_CHECK enum status slot_turn(struct slot *slot, uint64_t now_ms);

/* The socket takes output: sends READY. */
void slot_join(struct slot *slot, uint64_t now_ms);

/* The socket has input. STATUS_OK: a task of the slot's kind, or several, and the slot is WORKING until slot_verdict, slot_busy
 * or slot_reply; views are lent until then. STATUS_AGAIN: nothing, or a frame that was answered with PONG or BYE.
 * STATUS_UNSUPPORTED: something that is no task for this slot was answered with BUSY. `out` may be filled in any case, and means
 * something with STATUS_OK only. */
MUST_CHECK enum status slot_take_tasks(struct slot *slot, uint64_t now_ms, struct message_tasks *out);

/* The same for who takes one task at a time: a TASKS is nothing for it. `out` is untouched on failure. */
MUST_CHECK enum status slot_take(struct slot *slot, uint64_t now_ms, struct message_task *out);

/* The answer to the task, and the next READY. */
void slot_verdict(struct slot *slot, uint64_t now_ms, const struct message_verdict *verdict);
void slot_busy(struct slot *slot, uint64_t now_ms, const struct message_task_head *head, enum busy_reason reason);

/* A message that the owner has written into `out`, as `written` says: READY, or the VERDICTS that a TASKS asks for. */
void slot_reply(struct slot *slot, uint64_t now_ms, enum status written, const struct buffer *out);

/* Room on the stack for whatever a slot answers. */
#define REPLY_BUFFER(name)                                                                                             \
    char name##_bytes[REPLY_BYTES_MAX];                                                                                \
    struct buffer name = {.data = name##_bytes, .room = sizeof name##_bytes, .max = sizeof name##_bytes}

/* The slot is WORKING and leaving: its task is not judged here, and the slot is GONE. */
void slot_bye(struct slot *slot, uint64_t now_ms);

/* From now on the next frame gets a BYE; a slot that never joined is GONE at once. */
void slot_leave(struct slot *slot);

#endif

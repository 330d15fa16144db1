/* wire: ZeroMQ sockets by role, with every option of spec/zeromq.md set before bind or connect.
 *
 *   role            type    made by             options on all: linger 0, ZMTP heartbeat 1/3/5 s, handshake 3 s, reconnect
 *   WIRE_POOL       ROUTER  gateway/pool        100 ms to 5 s, TCP keep-alive, MAXMSGSIZE as given; WIRE_POOL adds
 *   WIRE_SLOT       REQ     moderator           ROUTER_MANDATORY and HWM 64; WIRE_SLOT adds IMMEDIATE and HWM 1,024
 *   WIRE_ANNOUNCE   XPUB    trainer/publish     HWM 16, verbose subscriptions
 *   WIRE_LISTEN     SUB     moderator/feed      HWM 16, subscribed to everything
 *
 * Why 1,024 at the slot: probes of a busy slot wait unread in its pipe. A full pipe stops libzmq from reading the connection
 * at all, ZMTP heartbeats included, and cuts a healthy slot after 3 s in the middle of a long review. A probe has a few bytes.
 * None is small, though turns leave one message under way: the thread that reads is made to wake the one that writes each time
 * that half of a HWM has been read, and of 2 that is each message.
 * A slot is also REQ_RELAXED, which makes ZMQ_POLLOUT tell whether there is a connection, whoever's turn it is; that a slot sends
 * in turn only is kept here instead.
 *
 * A socket with wire_secure() uses CURVE on every tcp endpoint. One without uses NULL, which is accepted on loopback, ipc and
 * inproc only: any other tcp endpoint is STATUS_DENIED.
 * Thread: a socket belongs to the thread that uses it; it may be handed over once, before its first use by the other.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "proto/bytes.h"
#include "proto/status.h"
#include "proto/wire_security.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_role { WIRE_POOL, WIRE_SLOT, WIRE_ANNOUNCE, WIRE_LISTEN };

struct wire; /* one socket */

/* Once, by main(), before the first socket: CZMQ must not take the process's signal handlers; room for sockets. */
MUST_CHECK enum status wire_start(void);

/* `message_bytes_max` bounds one incoming frame: ROUTER_MESSAGE_BYTES_MAX at the pool, limits.moderated_text and
 * TASK_OVERHEAD_BYTES_MAX at a slot; a peer that sends more is cut off. STATUS_FULL past ZMQ_SOCKETS_MAX. */
MUST_CHECK enum status wire_open(struct wire **out, enum wire_role role, size_t message_bytes_max);
void wire_close(struct wire **wire);

/* From now on this socket's tcp endpoints use CURVE. `security` (borrowed until wire_close) may be NULL: nothing changes. */
void wire_secure(struct wire *wire, const struct wire_security *security);

/* Binds (WIRE_POOL, WIRE_ANNOUNCE) or connects (the others) to "tcp://host:port", "ipc://path" or "inproc://name". Loopback
 * is 127.0.0.0/8, [::1] or localhost (a name: for connecting only). A bind to port 0 or * picks one. A WIRE_LISTEN may be
 * attached several times. STATUS_DENIED, STATUS_MALFORMED, STATUS_IN_USE and others of address_status, STATUS_UNAVAILABLE (no ZAP
 * handler answers). */
MUST_CHECK enum status wire_attach(struct wire *wire, const char *endpoint);

/* Undoes one wire_attach of a socket that connects. STATUS_NOT_FOUND when it is not attached there. */
MUST_CHECK enum status wire_detach(struct wire *wire, const char *endpoint);

/* Whether a WIRE_SLOT has a connection now, asked or not. To be asked more often than each ZMQ_RECONNECT_MS: another connection
 * may take a lost one's place then, and a REQ that waits for an answer of the first waits for ever. */
bool wire_connected(struct wire *wire);

/* What was sent and has not left gets so long to do so after wire_close, and delays the end of the process as long. 0 unless
 * this was called. */
void wire_linger(struct wire *wire, int linger_ms);

/* The endpoint really bound or connected last, with its port. Lends until wire_close. */
const char *wire_endpoint(const struct wire *wire);

/* The ZeroMQ socket, for zmq_poll. Borrowed. */
void *wire_handle(const struct wire *wire);

/* The descriptor behind it, for poll(2) and epoll(7), which do not look into the socket: readable when something has changed
 * since any function was last called with the socket. Whatever that call has seen itself is not told: wire_untold must be asked
 * before the descriptor alone is waited for (spec/libraries.md section 4). Borrowed. */
int wire_descriptor(const struct wire *wire);

/* The descriptor has told that something has changed, to an owner who waits for edges. */
void wire_rang(struct wire *wire);

/* Whether something may have changed that the descriptor does not tell of. Costs nothing. */
bool wire_may_have_changed(const struct wire *wire);

/* Whether something has come that the descriptor does not tell of. Asks the socket where something may have changed, by two
 * system calls; nothing may have after a wire_take that found nothing, and after a slot's wire_send. */
bool wire_untold(struct wire *wire);

/* The same, of a slot that has not sent yet: whether it may. */
bool wire_opened(struct wire *wire);

/* One frame to the other side of a REQ or to all subscribers of an XPUB, without waiting. STATUS_AGAIN when nobody is
 * connected; STATUS_CONFLICT when a REQ has not had its answer yet. */
MUST_CHECK enum status wire_send(struct wire *wire, struct bytes frame);

/* One frame to one peer of a ROUTER: identity, empty delimiter, frame. STATUS_CLOSED when the peer is gone
 * (EHOSTUNREACH), STATUS_AGAIN when its queue is full. */
MUST_CHECK enum status wire_send_to(struct wire *wire, struct bytes identity, struct bytes frame);

/* Is this peer's connection still there? A REQ drops the probe itself, busy or idle: it is no message of PROTOCOL.md and
 * takes no credit, but may make zmq_poll say "readable" where wire_take then says STATUS_AGAIN. STATUS_CLOSED when the peer
 * is gone, STATUS_AGAIN when its queue is full. */
MUST_CHECK enum status wire_probe(struct wire *wire, struct bytes identity);

/* Without waiting. STATUS_AGAIN when nothing is there; STATUS_CONFLICT when a REQ has not sent yet; STATUS_MALFORMED
 * (message dropped whole) when its parts are not those of the role: `identity` is then set and `frame` is not. Lends the
 * views until the next wire_take or wire_close of this socket. `identity` is empty for all roles but WIRE_POOL. An XPUB
 * takes subscriptions: one byte 1 or 0 before the topic. */
MUST_CHECK enum status wire_take(struct wire *wire, struct bytes *identity, struct bytes *frame);

#endif

/* wire: ZeroMQ sockets by role, with every option of spec/zeromq.md set before bind or connect.
 *
 *   role            type    made by             options on all: linger 0, HWM 2/2, ZMTP heartbeat 1/3/5 s, handshake 3 s,
 *   WIRE_POOL       ROUTER  gateway/pool        reconnect 100 ms to 5 s, IPv6; WIRE_POOL adds ROUTER_MANDATORY and
 *   WIRE_SLOT       REQ     moderator           MAXMSGSIZE 64 KiB; WIRE_SLOT adds IMMEDIATE and MAXMSGSIZE of the text bound
 *   WIRE_ANNOUNCE   XPUB    trainer/publish     HWM 16, verbose subscriptions
 *   WIRE_LISTEN     SUB     moderator/feed
 *
 * NULL security is accepted on loopback, ipc and inproc only: any other tcp endpoint is STATUS_DENIED until CURVE joins.
 * Thread: a socket belongs to the thread that uses it.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

enum wire_role { WIRE_POOL, WIRE_SLOT, WIRE_ANNOUNCE, WIRE_LISTEN };

struct wire; /* one socket */

/* Once, by main(), before the first socket: CZMQ must not take the process's signal handlers; room for sockets. */
MUST_CHECK enum status wire_start(void);

/* `message_bytes_max` bounds one incoming frame. */
MUST_CHECK enum status wire_open(struct wire **out, enum wire_role role, size_t message_bytes_max);
void wire_close(struct wire **wire);

/* Binds (WIRE_POOL, WIRE_ANNOUNCE) or connects (the others) to "tcp://host:port", "ipc://..." . A bind to port 0 or *
 * picks one. STATUS_DENIED, STATUS_MALFORMED, STATUS_IO. */
MUST_CHECK enum status wire_attach(struct wire *wire, const char *endpoint);

/* The endpoint really bound, with its port. Lends until wire_close. */
const char *wire_endpoint(const struct wire *wire);

/* The ZeroMQ socket, for zmq_poll. Borrowed. */
void *wire_handle(const struct wire *wire);

/* One frame to the other side of a REQ, XPUB or SUB socket, without waiting. STATUS_AGAIN when it would block. */
MUST_CHECK enum status wire_send(struct wire *wire, struct bytes frame);

/* One frame to one peer of a ROUTER: identity, empty delimiter, frame. STATUS_CLOSED when the peer is gone
 * (EHOSTUNREACH), STATUS_AGAIN when its queue is full. */
MUST_CHECK enum status wire_send_to(struct wire *wire, struct bytes identity, struct bytes frame);

/* Without waiting. STATUS_AGAIN when nothing is there, STATUS_MALFORMED (message dropped whole) when its parts are not
 * those of the role; parts beyond the expected ones are read and dropped. `wire_take` lends the views until the next
 * wire_take or wire_close of this socket. `identity` is empty for all roles but WIRE_POOL. */
MUST_CHECK enum status wire_take(struct wire *wire, struct bytes *identity, struct bytes *frame);

#endif

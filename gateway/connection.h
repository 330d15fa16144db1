/* connection: one client socket on a loop: bytes in and out, timers, keep-alive.
 *
 *   socket -> request (parser) -> events -> exchange     what comes while an exchange runs is kept up to a small bound;
 *   socket <- connection_out   <- reply, relay           the socket is read on, so that a client that leaves is seen
 *
 *              accept                     state     timer                 its end
 *                v
 *        +---> HEAD ---> BODY ---+        HEAD      header_time, total    408, or closed when nothing had come
 *        |       |               v        BODY      body_time, total; and body_rate, a minimum: 408
 *       IDLE     +------------> BUSY      BUSY      the exchange's own
 *        ^                       v        SENDING   write_stall           cut
 *        +------------------- SENDING     IDLE      keep_alive            closed
 *                                v        LINGER    LINGER_MS             closed
 *                     LINGER -> CLOSING   any       write_stall while bytes are unsent: cut
 *
 * HALF is BUSY with a client that has ended its side before a byte of its answer was written: it waits for that answer (RFC 9112
 * section 9.6), or has left. The two look the same, so that it is sent an interim 100 each HALF_CLOSED_PROBE_MS, which the kernel
 * of one that left refuses. A client that ends its side later, or speaks HTTP/1.0, has left. What it pipelined before is answered
 * too.
 *
 * Writing collects small pieces until the end of the turn (connection_out). Nothing that the connection tells is told from
 * inside connection_write, connection_answer_done, connection_finish or connection_break: events come from a callback of the
 * loop or from connection_set_turn.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include "gateway/request.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

struct connection;

struct connection_events {
    /* A checked head has come. The answer may be written at once. Returns the exchange that lives on, NULL when the answer is
     * done already. */
    void *(*head)(void *context, struct connection *connection);
    /* Reserves room for so many more bytes of the body, of which some may not be content. STATUS_FULL: there is none now, ask
     * again; STATUS_NO_MEMORY. */
    enum status (*room)(void *exchange, size_t bytes);
    /* A part of the body, within the room that was reserved, lent during the call. Statuses of struct request_sink. */
    enum status (*body)(void *exchange, struct bytes part);
    /* The request is complete. The exchange may answer and end inside this call. */
    void (*complete)(void *exchange);
    /* The request is refused: answer, with connection_answer_done(connection, false). `exchange` is the one that was reading
     * the body (it ends with this answer), or NULL. */
    void (*refused)(void *context, struct connection *connection, void *exchange, enum request_refusal refusal);
    /* The client left or was cut. The connection is not to be used any more, not even in this call. */
    void (*gone)(void *exchange);
    /* The time to end has come (drain): finish soon. */
    void (*end_now)(void *exchange);
    /* Whether others stand behind this peer, which is told as connection_address. */
    bool (*is_proxy)(void *context, struct bytes address);
    void *context; /* of head, refused and is_proxy; borrowed until connection_set_close */
    /* A connection is closed and its memory given back: there is room for another. */
    void (*closed)(void *owner);
    /* Something waits for connection_set_turn: the loop must not sleep before it. */
    void (*turn_wanted)(void *owner);
    void *owner; /* the same */
};

/* Passes none of the body at hand on, and reads no more of it than READ_AHEAD_BYTES_MAX, until connection_go_on; its time runs
 * on. From `head` only. */
void connection_hold(struct connection *connection);
void connection_go_on(struct connection *connection);

/* Copies `count` pieces as if they were one: all of them or none. STATUS_CLOSED when the client is gone (or cut, because
 * limits.stream_budget has no room), STATUS_TOO_LARGE when the unsent bytes would pass the connection's bound of relay_buffer +
 * UPSTREAM_CHUNK_BYTES + REPLY_HEAD_BYTES_MAX (the caller did not pause in time: an error of ours). */
MUST_CHECK enum status connection_write_pieces(struct connection *connection, const struct bytes *pieces, size_t count);
MUST_CHECK static inline enum status connection_write(struct connection *connection, struct bytes bytes)
{
    return connection_write_pieces(connection, &bytes, 1);
}

/* Bytes written and not yet taken by the socket. */
size_t connection_unsent(const struct connection *connection);

/* Whether so many more would pass limits.relay_buffer: their writer waits until half of it has been taken, as then there is room
 * for a chunk of any size. */
bool connection_is_full(const struct connection *connection, size_t more);

/* Calls `drained` once, from connection_set_turn, when at most `low_bytes` are unsent. Replaces an earlier wish; NULL withdraws
 * it. */
void connection_when_drained(struct connection *connection, size_t low_bytes, void (*drained)(void *context),
                             void *context);

/* The answer is complete and so is the exchange: no event comes to it any more. The connection is kept for the next request
 * when `keep_alive` and connection_may_keep, else closed once all is sent. */
void connection_answer_done(struct connection *connection, bool keep_alive);

/* Its loop does not sleep before the end of a turn: for what has begun outside of one, in an event of an upstream. */
void connection_want_turn(struct connection *connection);

/* Hears no further request for so many seconds, from 1 to REST_S_MAX. */
void connection_rest(struct connection *connection, unsigned seconds);

/* Closes as soon as what is unsent has been sent (or has stalled). */
void connection_finish(struct connection *connection);

/* The same with a reset, for answers that end with the connection: a client must be able to tell that one was broken. */
void connection_break(struct connection *connection);

/* The head of the request at hand; only from `head` to the end of the answer. Lends. */
const struct request_head *connection_head(const struct connection *connection);

/* Its text is not needed any more: target and fields are empty from then on. Once the request is complete. */
void connection_forget_text(struct connection *connection);

/* The path of the request at hand, also of one that is refused, whatever is wrong with it; empty when the request line has not
 * come whole. Lends during the call of an event. */
struct bytes connection_path(const struct connection *connection);

/* Whether another request could follow on this connection, as far as is known now. */
bool connection_may_keep(const struct connection *connection);

/* The peer's address without its port; "unix" on a unix socket. Lends as long as the connection lives. */
struct bytes connection_address(const struct connection *connection);

/* The value of a Date field, of this second. Lends until the next connection_set_tick. */
struct bytes connection_date(const struct connection *connection);

#endif

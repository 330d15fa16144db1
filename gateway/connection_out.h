/* connection_out: the bytes on their way to one client: a bound, two buffers, and few system calls.
 *
 *   append -> waiting --flush--> the socket takes all of it at once (the usual case)
 *                          \---> what it did not take is `sending` until libuv has written it; then waiting follows
 *
 * A buffer is held as long as it has bytes. Small pieces wait for out_flush at the end of the loop turn, so that a head and the
 * first part of its body leave in one write; CORK_BYTES are written at once. Never across turns. Embedded in its connection.
 * Thread: the loop's.
 */
#ifndef GATEWAY_CONNECTION_OUT_H
#define GATEWAY_CONNECTION_OUT_H

#include "proto/account.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct connection_out {
    uv_stream_t *stream;   /* borrowed */
    struct account *account; /* borrowed: both buffers are charged to it, by their room */
    struct buffer waiting; /* not yet offered to the socket */
    struct buffer sending; /* libuv's until the write's callback */
    uv_write_t *write;     /* on its way; NULL = none is */
    uint64_t appended;     /* all bytes ever */
    uint64_t seen_taken;   /* bytes that the client had taken at the last look of out_moved */
    /* From a callback of the loop: what was sending is gone. STATUS_CLOSED when the socket broke. */
    void (*sent)(struct connection_out *out, enum status status);
};

/* Never holds more than `bytes_max`. */
void out_init(struct connection_out *out, uv_stream_t *stream, struct account *account, size_t bytes_max,
              void (*sent)(struct connection_out *out, enum status status));

/* After the stream has been closed. */
void out_free(struct connection_out *out);

/* Copies `count` pieces as if they were one. STATUS_TOO_LARGE (nothing taken) past the bound, STATUS_FULL past the account's
 * limit, STATUS_NO_MEMORY, STATUS_CLOSED when the socket is broken. */
MUST_CHECK enum status out_append(struct connection_out *out, const struct bytes *pieces, size_t count);

/* Offers what waits to the socket. STATUS_CLOSED when it is broken. */
MUST_CHECK enum status out_flush(struct connection_out *out);

/* Bytes that the socket has not taken. */
size_t out_unsent(const struct connection_out *out);

/* Bytes of memory held for it. */
size_t out_held(const struct connection_out *out);

/* Whether the client's side has taken anything since the last call, or there is nothing to take. */
bool out_moved(struct connection_out *out);

#endif

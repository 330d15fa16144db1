/* connection: one client socket on a loop: bytes in and out, timers, keep-alive.
 *
 *   socket -> request (parser) -> exchange          reading stops while an exchange runs past its body
 *   socket <- out buffer <- reply / relay           unsent bytes are counted; nobody writes past `relay_buffer` + one chunk
 *
 * Writing tries the socket at once and keeps only what it did not take. A connection that took no byte for `write_stall`
 * is cut and counted. Everything here runs on the loop's thread; no callback is made from inside connection_write.
 */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

struct connection;

/* Copies what the socket does not take at once. STATUS_CLOSED when the client is gone, STATUS_TOO_LARGE when the unsent bytes
 * would pass the connection's bound (the caller did not pause in time: an error of ours). */
MUST_CHECK enum status connection_write(struct connection *connection, struct bytes bytes);

/* Bytes written and not yet taken by the socket. */
size_t connection_unsent(const struct connection *connection);

/* Calls `drained` once, from a later callback of the loop, when at most `low_bytes` are unsent. Replaces an earlier wish; NULL
 * withdraws it. Never called from inside this function. */
void connection_when_drained(struct connection *connection, size_t low_bytes, void (*drained)(void *context),
                             void *context);

/* The answer is complete: keeps the connection for the next request when both sides may, else closes it once all is sent. */
void connection_answer_done(struct connection *connection, bool keep_alive);

/* Closes as soon as what is unsent has been sent (or has stalled). */
void connection_finish(struct connection *connection);

/* Closes now; unsent bytes are lost (the client sees a broken message: never a clean end). */
void connection_abort(struct connection *connection);

#endif

/* relay: an upstream's answer to the client: high and low water, stall clock, one error event at a broken end.
 *
 *   transfer --chunk--> relay --reply_body--> connection
 *        ^ pause before relay_buffer is passed  | drained to half of it
 *        +------------- resume at the end of the turn
 *
 * Bytes pass untouched and at once (the first byte is not held); nothing is stored here: what the socket did not take is the
 * connection's unsent bytes, at most relay_buffer and the framing of a chunk, whatever the upstream sends. An answer that is not
 * a stream passes the same way and is bounded by response_bytes.
 *
 * With delay_head the head of a successful stream waits, with what follows it, until the stream has shown text, reasoning or a
 * call of a tool, or has DELAY_BYTES_MAX or DELAY_MS behind it; nothing of it is lost. One that ends, breaks or tells an error
 * before that has failed before its head.
 *
 * An upstream that fails before its head: the relay reports it and has written nothing. One that fails after: a stream
 * (text/event-stream) gets one error event in the client's dialect on a fresh line, then the connection closes without a clean
 * end; Gemini's stream in a list gets an error as its last value and is closed as JSON; any other body just breaks. A stream
 * that only the close of its connection ends, and that has not said that it ends (gateway/glance), has failed.
 * Thread: the loop's.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "gateway/format/errors.h"
#include "gateway/reply.h"
#include "gateway/upstream.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct relay;

enum relay_end {
    RELAY_COMPLETE,      /* the whole answer went to the connection, reply_end included */
    RELAY_FAILED_BEFORE, /* nothing was written: the exchange answers with an error of its own */
    RELAY_FAILED_AFTER,  /* written in part; error event and reply_break are already done */
};

struct relay_result {
    enum relay_end end;
    enum transfer_failure failure; /* TRANSFER_TOO_LARGE too when a plain answer passed response_bytes */
    unsigned status;               /* the upstream's, 0 = none came */
    bool stream;                   /* text/event-stream */
    uint64_t body_bytes;           /* passed to the client */
    uint64_t first_byte_us;        /* until the upstream's head, 0 = none */
    uint64_t pauses;
    enum error_kind refusal; /* TRANSFER_REFUSED: what the upstream's error is */
    unsigned retry_after_s;  /* as the upstream's head says, 0 = it does not */
};

/* Looked up once a loop: counting must cost nothing. */
struct relay_series {
    struct series *streams; /* gauge */
    struct series *pauses;
    struct series *bytes;
    struct series *failures[TRANSFER_FAILURES];
};
void relay_series_find(struct relay_series *out, struct metrics *metrics);

struct relay_options {
    const struct limit_settings *limits; /* borrowed until done or relay_close */
    const struct relay_series *series;   /* borrowed until done or relay_close */
    enum dialect dialect;                /* of the client: for the error event */
    /* For the head where the upstream has no such field; may be NULL; borrowed until request_gone or done. */
    const struct fields *add_fields;
    /* A stream has begun, and its request is not needed any more: the body is the caller's again. May be NULL. */
    void (*request_gone)(void *context);
    void (*done)(void *context, const struct relay_result *result); /* once; never from inside relay_open or relay_close */
    void *context;
    bool delay_head; /* of a stream, until it has shown content */
};

/* Starts the transfer and uses `reply` (borrowed until done or relay_close). Statuses of transfer_start. */
MUST_CHECK enum status relay_open(struct relay **out, struct upstream *upstream, const struct transfer_request *request,
                                  struct reply *reply, const struct relay_options *options);

/* What has come of it so far: for a client that leaves before `done`. Lends until relay_close. */
const struct relay_result *relay_so_far(const struct relay *relay);

/* The client left: cancels the upstream in this turn; `done` does not come. Takes NULL and sets it. Also frees a relay whose
 * `done` has come. */
void relay_close(struct relay **relay);

/* The time to end came (drain): one error event for a stream, then close. `done` comes, from inside this call, with
 * RELAY_FAILED_AFTER, or RELAY_FAILED_BEFORE while there is no head yet; the failure is TRANSFER_DRAIN. */
void relay_end_now(struct relay *relay);

#endif

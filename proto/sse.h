/* sse: events out of bytes and bytes out of events (the event stream grammar of the WHATWG HTML standard, section 9.2).
 *
 * Three tools:
 *   sse_boundary   where a relayed stream stands: what must come first so that an event of our own begins cleanly
 *   sse_next       bytes in any cut to events; one event is held, bounded
 *   sse_write      an event to bytes
 *
 *   bytes    "data: a\ndata: b\n\n: ping\n\nevent: error\ndata: {}\n\n"
 *   events   {"message", "a\nb"}, {"error", "{}"}
 *
 * Thread: any, one at a time for each object.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdint.h>

/* All zero is the beginning of a stream. */
struct sse_boundary {
    unsigned char place; /* private to sse.c */
};

/* Follows the bytes of a stream in the order they are sent. Looks at the end of the chunk only. */
void sse_boundary_follow(struct sse_boundary *boundary, struct bytes chunk);

/* What to send before an event of our own: nothing when the last event is complete, else the line ends that complete
 * it. An event that was cut inside a line is dispatched by that as far as it came: bytes that are sent cannot be taken
 * back, and the event that follows says that the stream is broken. Static. */
struct bytes sse_boundary_gap(const struct sse_boundary *boundary);

struct sse_event {
    struct bytes type; /* "message" when the stream names none */
    struct bytes data; /* UTF-8 (other bytes are replaced by U+FFFD); lines joined by LF */
    struct bytes id;   /* the last one the stream gave, also with an earlier event */
};

struct sse;

/* A line, and the data of an event, may have `event_bytes_max` bytes each; its type and id SSE_NAME_BYTES_MAX.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status sse_open(struct sse **out, size_t event_bytes_max);
void sse_close(struct sse **sse);

/* The next event of the stream; moves `*input` behind it. STATUS_OK: `out` is lent until the next call on this object.
 * STATUS_AGAIN: `*input` is used up and the next event is not complete. STATUS_TOO_LARGE, STATUS_NO_MEMORY: this stream
 * cannot be read on, every further call says the same. */
MUST_CHECK enum status sse_next(struct sse *sse, struct bytes *input, struct sse_event *out);

/* After the last byte: what stands there without its blank line. The standard throws it away; some servers leave the
 * last blank line out, so that the decoder may look whether it is whole (spec/wire-formats.md section 0.2).
 * STATUS_NOT_FOUND when there is nothing. Other statuses of sse_next. */
MUST_CHECK enum status sse_rest(struct sse *sse, struct sse_event *out);

/* The reconnection time that the stream asks for, -1 = none. */
int64_t sse_retry_ms(const struct sse *sse);

/* Appends an event; an empty `type` writes none. Data with line ends becomes several lines. STATUS_MALFORMED when
 * `type` has a line end; statuses of buffer_append. The buffer is as it was on failure. */
MUST_CHECK enum status sse_write(struct buffer *out, struct bytes type, struct bytes data);

#endif

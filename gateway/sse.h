/* sse: events out of bytes and bytes out of events (the event stream grammar of the WHATWG HTML standard, section 9.2).
 *
 * Three tools:
 *   sse_boundary  where a relayed stream stands, in a few bits: what must come first so that a new event begins cleanly
 *   sse           bytes in any cut to events, one event at a time held, bounded
 *   sse_write     an event to bytes
 *
 *   bytes "data: a\ndata: b\n\n: ping\n\nevent: error\ndata: {}\n\n"
 *   events        {message, "a\nb"}                 {error, "{}"}
 *
 * Thread: any, one at a time for each object.
 */
#ifndef GATEWAY_SSE_H
#define GATEWAY_SSE_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

/* All zero is the beginning of a stream. */
struct sse_boundary {
    unsigned char place; /* private to sse_boundary.c */
};

/* Follows the bytes of a stream in the order they were sent. Looks at the end of the chunk only. */
void sse_boundary_follow(struct sse_boundary *boundary, struct bytes chunk);

/* What to send before an event of our own: nothing when the last event is complete, else the line ends that finish it. An
 * event that was cut in the middle of a line is dispatched by that as far as it came: bytes that are sent cannot be taken
 * back, and the event that follows says that the stream is broken. Static. */
struct bytes sse_boundary_gap(const struct sse_boundary *boundary);

#endif

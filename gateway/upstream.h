/* upstream: requests to LLM APIs: libcurl multi on the loop, with pause and resume, timers and bounds of our own.
 *
 * house D10 and spec/libraries.md section 3: HTTP/1.1, Accept-Encoding: identity, no redirects, no proxy variables, no netrc,
 * no cookies, addresses from gateway/resolve by CURLOPT_RESOLVE, the socket callback checks the address once more, QUICK_EXIT,
 * an empty Expect field; a request other than GET, HEAD and OPTIONS is never sent twice (asked before each sending, by
 * PREREQFUNCTION). Own timers: resolve, connect, first byte, silence, total. Own bound on answer fields.
 *
 * Events are called on the loop's thread, never from inside transfer_start, transfer_resume or transfer_cancel. After `done`
 * the transfer is gone. After transfer_cancel no event comes.
 *
 * What is asked for happens at the end of the same loop turn, in a uv_prepare handle of upstream's own: do not ask from a
 * uv_prepare callback, that turn may have had its end. The process must ignore SIGPIPE (libcurl is told to leave signals
 * alone, which also saves two system calls an event). A host's connections are bounded over all loops (gateway/hosts), those that
 * are idle by a loop's share; names are a loop's.
 */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include "gateway/fields.h"
#include "gateway/hosts.h"
#include "proto/bytes.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct upstream; /* a loop's client side towards all upstreams */
struct transfer; /* one request and its answer */

struct upstream_part { /* of what all loops have together */
    struct hosts *hosts; /* borrowed until upstream_close has ended */
    size_t index;        /* of this loop, */
    size_t loops;        /* of so many */
};

/* `settings` and `metrics` are borrowed until upstream_close. */
MUST_CHECK enum status upstream_open(struct upstream **out, uv_loop_t *loop, const struct gateway_settings *settings,
                                     const struct upstream_part *part, struct metrics *metrics);

/* Cancels what still runs and closes the handles; the loop must turn until they are closed, and `closed` is called then.
 * Not from inside an event. `upstream` is gone for its owner at once. */
void upstream_close(struct upstream *upstream, void (*closed)(void *context), void *context);

struct transfer_request {
    struct bytes method;         /* borrowed during transfer_start */
    struct bytes url;            /* borrowed during transfer_start; http(s)://host[:port]/path[?query], of an operator's route */
    const struct fields *fields; /* borrowed during transfer_start; end-to-end fields; Host and framing are made here */
    bool expects_stream; /* a guess: the answer is read in small pieces, so that it holds little while it lasts */
    bool has_body;
    struct bytes body; /* lent by the caller until `done`, transfer_cancel or a head that says request_gone */
};

/* Each LOOP_TICK_MS: frees handles of libcurl that nobody needed for SPARE_LOOK_MS. */
void upstream_tick(struct upstream *upstream);

enum transfer_failure { /* why an answer is missing or incomplete; names in metrics by transfer_failure_name() */
    TRANSFER_OK,
    TRANSFER_RESOLVE,    /* 502: name not found, or resolve time passed */
    TRANSFER_FORBIDDEN,  /* 403: the address is in a blocked range */
    TRANSFER_CONNECT,    /* 502: refused, unreachable, or connect time passed */
    TRANSFER_FIRST_BYTE, /* 504 */
    TRANSFER_IDLE,       /* silence inside an answer */
    TRANSFER_TOTAL,      /* took longer than total */
    TRANSFER_BROKEN,     /* closed or reset before the answer was complete, bad framing, bad fields: 502 */
    TRANSFER_TOO_LARGE,  /* answer fields above their bound: 502 */
    TRANSFER_DRAIN,      /* its owner's, as the next two: the gateway ends before the answer does: 503 */
    TRANSFER_EMPTY,      /* a stream whose head was held ended without content: 502 */
    TRANSFER_REFUSED,    /* it began with an error of the upstream's: as that says */
    TRANSFER_NO_ROOM,    /* an answer that is held found no room in the body budget: 503 */
};
enum { TRANSFER_FAILURES = TRANSFER_NO_ROOM + 1 };

const char *transfer_failure_name(enum transfer_failure failure); /* static */

struct transfer_head {
    unsigned status;             /* 200 to 599; interim answers are consumed */
    const struct fields *fields; /* lent during the call */
    int64_t body_bytes;          /* Content-Length, or -1 */
    bool stream;                 /* text/event-stream */
    bool request_gone;           /* of a stream: the request has gone out whole, its body is the caller's again */
    bool until_close;            /* only the close of the connection ends the body: an end proves nothing */
};

struct transfer_events {
    /* Once, before body. */
    void (*head)(void *context, const struct transfer_head *head);
    /* At most UPSTREAM_CHUNK_BYTES, lent during the call. true: taken whole. false: none of it was taken, the transfer is
     * paused and brings the same bytes again after transfer_resume. */
    bool (*body)(void *context, struct bytes chunk);
    /* Once, last. TRANSFER_OK: the answer is complete. */
    void (*done)(void *context, enum transfer_failure failure);
    void *context;
    /* The time of transfer_set_alarm has passed. May be NULL. */
    void (*alarm)(void *context);
};

/* STATUS_FULL when the connections of that host are all in use, STATUS_NO_MEMORY, STATUS_MALFORMED (url). */
MUST_CHECK enum status transfer_start(struct transfer **out, struct upstream *upstream,
                                      const struct transfer_request *request, const struct transfer_events *events);

/* Marks a paused transfer; it goes on at the end of this loop turn. Harmless when it is not paused. */
void transfer_resume(struct transfer *transfer);

/* One alarm, `delay_ms` from now, while the transfer runs. */
void transfer_set_alarm(struct transfer *transfer, uint64_t delay_ms);

/* Closes the upstream connection in this turn. Takes NULL and sets it. May be called from inside an event. */
void transfer_cancel(struct transfer **transfer);

/* Whether any byte of the request reached the upstream (the retry rule); microseconds until its head, 0 = none yet. */
bool transfer_sent_any(const struct transfer *transfer);
uint64_t transfer_first_byte_us(const struct transfer *transfer);

#endif

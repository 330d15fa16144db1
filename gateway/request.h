/* request: bytes of a client's socket into a checked request head and the parts of a bounded body.
 *
 *   request_read(in) -> REQUEST_MORE     all of `in` was used, more is needed
 *                       REQUEST_HEAD     once: the head is there and checked; call again for the body
 *                       REQUEST_DONE     the message is complete; bytes behind it were not used
 *                       REQUEST_REFUSED  never more of it: answer with request_refusal() and close
 *
 * Any doubt about where a message ends is a refusal (RFC 9112; spec/reliability.md B.1 rows 1, 2, 4, 13). llhttp runs with no
 * lenient flag; where it is laxer than that, this file looks at the bytes itself. The answer does not depend on how the
 * bytes were cut into reads. Nothing here grows with what a peer sends: the head has its bounds, a body's part is passed on.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "gateway/request_head.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct request;

struct request_limits {
    size_t line_bytes;   /* request line without its end; a field line may be twice as long */
    size_t header_bytes; /* all field lines of a head together, with their ends */
    size_t fields;
    uint64_t body_bytes; /* after chunks are taken apart */
};

enum request_progress { REQUEST_MORE, REQUEST_HEAD, REQUEST_DONE, REQUEST_REFUSED };

/* Where parts of the body go, lent during the call. Its failures refuse the request: STATUS_FULL as REFUSAL_BODY_BUDGET,
 * STATUS_TOO_LARGE as REFUSAL_DECODED_SIZE, STATUS_MALFORMED as REFUSAL_DECODING, every other as REFUSAL_MEMORY. */
struct request_sink {
    enum status (*body)(void *context, struct bytes part);
    void *context;
};

/* `limits` is copied, `sink.context` borrowed until request_close. */
MUST_CHECK enum status request_open(struct request **out, const struct request_limits *limits,
                                    const struct request_sink *sink);
void request_close(struct request **request);

/* Forgets the message and waits for the next one on the same connection. */
void request_reset(struct request *request);

/* Gives back the text of a complete message's head, whose answer may last for an hour: target and fields are empty from then on,
 * the rest of the head stays as it is. */
void request_forget_text(struct request *request);

/* Uses bytes of `in` and says how many. After REQUEST_DONE or REQUEST_REFUSED it uses none until request_reset. */
MUST_CHECK enum request_progress request_read(struct request *request, struct bytes in, size_t *used);

/* Whether any byte of a message (empty lines before it not counted) has been used since the last reset. */
bool request_begun(const struct request *request);

/* Bytes of the body that have come, chunks and trailers included. */
uint64_t request_body_read(const struct request *request);

/* Whether the last byte of the message has been used. True from REQUEST_HEAD on where no body follows. */
bool request_is_complete(const struct request *request);

/* The target, also of a request that is refused; empty until the request line has come whole. Lends until request_reset. */
struct bytes request_target(const struct request *request);

/* Bytes of the body that are still to come, after REQUEST_HEAD; 0 where only its chunks will tell. */
uint64_t request_body_left(const struct request *request);

/* Lends; only after REQUEST_HEAD. */
const struct request_head *request_head(const struct request *request);

/* Why it was refused. */
enum request_refusal request_refusal(const struct request *request);

#endif

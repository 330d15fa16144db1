/* request_head: the rules that a request's head must keep, and the names of all that can be wrong with a request.
 *
 * The reader (gateway/request) splits a head into method, target and fields; what the fields must and must not say is
 * decided here: Host, what may stand once, how the body is framed, what the client expects.
 *
 * Sources: RFC 9110 sections 5, 7, 10.1.1; RFC 9112 sections 3 and 6; spec/reliability.md B.1 rows 1, 2 and 13. Thread: any.
 */
#ifndef GATEWAY_REQUEST_HEAD_H
#define GATEWAY_REQUEST_HEAD_H

#include "gateway/fields.h"
#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

/* enumerator, the rule's name in metrics, the status to answer with, a sentence for people */
#define REFUSAL_TABLE(row)                                                                                             \
    row(REFUSAL_NONE, "none", 200, "")                                                                                 \
    row(REFUSAL_SYNTAX, "syntax", 400, "the request is not well-formed HTTP/1.1")                                      \
    row(REFUSAL_LINE_END, "line_end", 400, "a line must end with CR LF")                                               \
    row(REFUSAL_FOLD, "fold", 400, "a header field must not continue on a second line")                                \
    row(REFUSAL_EMPTY_LINES, "empty_lines", 400, "too many empty lines before the request line")                       \
    row(REFUSAL_METHOD, "method", 400, "the method is not known")                                                      \
    row(REFUSAL_CONNECT, "connect", 501, "CONNECT is not supported")                                                   \
    row(REFUSAL_TARGET, "target", 400, "the request target must be a path or URL with an optional query")                     \
    row(REFUSAL_VERSION, "version", 505, "only HTTP/1.1 and HTTP/1.0 are supported")                                   \
    row(REFUSAL_LINE_SIZE, "line_size", 414, "the request line is too long")                                           \
    row(REFUSAL_FIELD_SIZE, "field_size", 431, "a header field is too long")                                           \
    row(REFUSAL_HEADER_SIZE, "header_size", 431, "the header fields are too long")                                     \
    row(REFUSAL_FIELD_COUNT, "field_count", 431, "too many header fields")                                             \
    row(REFUSAL_FIELD, "field", 400, "a header field has a byte that may not stand there")                             \
    row(REFUSAL_HOST, "host", 400, "exactly one valid Host field is required")                                         \
    row(REFUSAL_DUPLICATE, "duplicate", 400, "a header field that may stand once is there twice")                      \
    row(REFUSAL_FRAMING, "framing", 400, "Content-Length or Transfer-Encoding leaves a doubt about the body's end")    \
    row(REFUSAL_EXPECT, "expect", 417, "the only known expectation is 100-continue")                                   \
    row(REFUSAL_CHUNK, "chunk", 400, "a chunk is not well formed")                                                     \
    row(REFUSAL_EXTENSIONS, "extensions", 400, "the chunk extensions are too long")                                    \
    row(REFUSAL_TRAILERS, "trailers", 431, "the trailer fields are too long or too many")                              \
    row(REFUSAL_TRAILER_FIELD, "trailer_field", 400, "a trailer field has a name that may only stand in the head")      \
    row(REFUSAL_BODY_SIZE, "body_size", 413, "the request body is too large")                                          \
    row(REFUSAL_BODY_BUDGET, "body_budget", 503, "the gateway holds as many request bodies as it may")                 \
    row(REFUSAL_CODING, "coding", 415, "the Content-Encoding must be one of gzip, deflate and br")                     \
    row(REFUSAL_DECODED_SIZE, "decoded_size", 413, "the request body is too large when it is decoded")                 \
    row(REFUSAL_DECODING, "decoding", 400, "the request body is not whole or not what its Content-Encoding says")      \
    row(REFUSAL_DECODERS, "decoders", 503, "the gateway decodes as many request bodies as it may")                     \
    row(REFUSAL_HEADER_TIME, "header_time", 408, "the request's head took too long to arrive")                         \
    row(REFUSAL_BODY_TIME, "body_time", 408, "the request's body took too long to arrive")                             \
    row(REFUSAL_BODY_RATE, "body_rate", 408, "the request's body arrives too slowly")                                  \
    row(REFUSAL_INCOMPLETE, "incomplete", 400, "the client ended its side within the request's body")                  \
    row(REFUSAL_CONNECTIONS, "connections", 503, "the gateway has as many connections as it may")                      \
    row(REFUSAL_ADDRESS, "address", 429, "this address has as many connections as it may")                            \
    row(REFUSAL_ENDING, "ending", 503, "the gateway is shutting down")                                                 \
    row(REFUSAL_MEMORY, "memory", 503, "the gateway is out of memory")

enum request_refusal {
#define REFUSAL_ROW(enumerator, rule, status, sentence) enumerator,
    REFUSAL_TABLE(REFUSAL_ROW)
#undef REFUSAL_ROW
    REFUSAL_COUNT
};

/* What a checked head says. Everything in it is lent until the next request_reset(). */
struct request_head {
    struct bytes method; /* a known token in upper case */
    struct bytes target; /* as sent: path and query, perhaps behind a scheme and what Host says; "*" for OPTIONS */
    struct bytes path;   /* of it, before the '?' */
    struct bytes query;  /* with its '?', or empty */
    const struct fields *fields;
    int64_t body_bytes;  /* announced; 0 = no body; -1 = in chunks */
    bool http_1_0;
    bool keep_alive;     /* what the client wants */
    bool wants_continue; /* waits for a 100 before it sends the body */
};

/* Looks at method, target, fields and http_1_0 and fills in the rest. REFUSAL_NONE when all is well; else *head is not to be
 * used. `body_bytes_max` is the bound on an announced length. */
enum request_refusal request_head_check(struct request_head *head, uint64_t body_bytes_max);

/* What it means when the taker of a body fails (struct request_sink). */
enum request_refusal refusal_of_sink(enum status status);

/* What llhttp found wrong, from its llhttp_errno_t. */
enum request_refusal refusal_of_syntax(int error);

/* Why a field could not be added to the head's, from the status of fields_add. */
enum request_refusal refusal_of_field(enum status status);

/* Whether a field of this name says where the body ends. */
bool request_head_is_framing(struct bytes name);

/* Whether a trailer field of this name is refused: it says how to read, route or admit the message, which is too late in a
 * trailer (RFC 9110 section 6.5.1). Others are dropped. */
bool request_head_forbids_trailer(struct bytes name);

/* Of the table; static. */
const char *refusal_rule(enum request_refusal refusal);
unsigned refusal_status(enum request_refusal refusal);
const char *refusal_sentence(enum request_refusal refusal);

#endif

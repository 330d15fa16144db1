/* errors: what goes wrong in the gateway, said in the client's own dialect: HTTP status, body, and the event that ends
 * a broken stream.
 *
 * The official SDKs choose their exception from the HTTP status and show the message; `code` is what programs read. All
 * three come from one table of kinds (spec/wire-formats.md sections 1.1.3, 3.14 and 4.5). A message is a sentence for
 * the caller: never the caller's own text, never an upstream's address or a key.
 *
 *   openai   {"error":{"message":"...","type":"invalid_request_error","param":"messages[3].content","code":null}}
 *   claude   {"type":"error","error":{"type":"invalid_request_error","message":"..."},"request_id":null}
 *   gemini   {"error":{"code":400,"message":"...","status":"INVALID_ARGUMENT"}}
 *
 * What is wrong with the policy in a URL (ERROR_CONFIG) is told in openai's shape to all, as clients of PrismGuard know it;
 * and as the last event of a stream, after which nothing follows that looks like a success:
 *
 *   chat        data: {"error":...}
 *   responses   event: response.created when none was sent (SDKs want it first), event: error, event: response.failed (codex
 *               ignores the error)
 *   claude      event: error
 *   gemini      the object as a raw line, as the API sends it, then as data: (each SDK reads one of the two)
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_ERRORS_H
#define GATEWAY_FORMAT_ERRORS_H

#include "gateway/format/dialect.h"
#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

/* enumerator, its name in logs and metrics; openai: HTTP status, type, code (NULL = null); claude: HTTP status, type; gemini:
 * status (its HTTP status is openai's) */
/* clang-format off */
#define ERROR_TABLE(row)                                                                                              \
    row(ERROR_INVALID_REQUEST, "invalid_request", 400, "invalid_request_error", NULL,                                 \
        400, "invalid_request_error", "INVALID_ARGUMENT")                                                             \
    row(ERROR_INVALID_JSON, "invalid_json", 400, "invalid_request_error", "invalid_json",                             \
        400, "invalid_request_error", "INVALID_ARGUMENT")                                                             \
    row(ERROR_CONTENT_FILTER, "content_filter", 400, "invalid_request_error", "content_filter",                       \
        400, "invalid_request_error", "INVALID_ARGUMENT")                                                             \
    row(ERROR_CONFIG, "config_parse", 400, "config_error", "CONFIG_PARSE_ERROR",                                      \
        400, "config_error", "INVALID_ARGUMENT")                                                                      \
    row(ERROR_AUTH, "auth", 401, "invalid_request_error", "invalid_api_key",                                          \
        401, "authentication_error", "UNAUTHENTICATED")                                                               \
    row(ERROR_PERMISSION, "permission", 403, "invalid_request_error", "permission_denied",                            \
        403, "permission_error", "PERMISSION_DENIED")                                                                 \
    row(ERROR_UPSTREAM_NOT_ALLOWED, "upstream_not_allowed", 403, "invalid_request_error", "upstream_not_allowed",     \
        403, "permission_error", "PERMISSION_DENIED")                                                                 \
    row(ERROR_NOT_FOUND, "not_found", 404, "invalid_request_error", "model_not_found",                                \
        404, "not_found_error", "NOT_FOUND")                                                                          \
    row(ERROR_ENDPOINT, "endpoint_not_supported", 404, "invalid_request_error", "endpoint_not_supported",             \
        404, "not_found_error", "NOT_FOUND")                                                                          \
    row(ERROR_TOO_LARGE, "too_large", 413, "invalid_request_error", "request_too_large",                              \
        413, "request_too_large", "INVALID_ARGUMENT")                                                                 \
    row(ERROR_PROMPT_TOO_LONG, "prompt_too_long", 413, "invalid_request_error", "prompt_too_long",                    \
        413, "request_too_large", "INVALID_ARGUMENT")                                                                 \
    row(ERROR_RATE_LIMIT, "rate_limit", 429, "rate_limit_error", "rate_limit_exceeded",                               \
        429, "rate_limit_error", "RESOURCE_EXHAUSTED")                                                                \
    row(ERROR_INTERNAL, "internal", 500, "server_error", "server_error",                                              \
        500, "api_error", "INTERNAL")                                                                                 \
    row(ERROR_BAD_GATEWAY, "bad_gateway", 502, "server_error", "bad_gateway",                                         \
        502, "api_error", "INTERNAL")                                                                                 \
    row(ERROR_OVERLOADED, "overloaded", 503, "server_error", "overloaded",                                            \
        529, "overloaded_error", "UNAVAILABLE")                                                                       \
    row(ERROR_MODERATION_UNAVAILABLE, "moderation_unavailable", 503, "server_error", "moderation_unavailable",        \
        529, "overloaded_error", "UNAVAILABLE")                                                                       \
    row(ERROR_MODERATION_BUSY, "moderation_busy", 503, "server_error", "moderation_busy",                             \
        529, "overloaded_error", "UNAVAILABLE")                                                                       \
    row(ERROR_TIMEOUT, "timeout", 504, "server_error", "timeout",                                                     \
        504, "timeout_error", "DEADLINE_EXCEEDED")
/* clang-format on */

enum error_kind {
#define ERROR_ROW(enumerator, ...) enumerator,
    ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
    ERROR_COUNT
};

/* "moderation_busy"; static. The same in every dialect. */
const char *errors_name(enum error_kind kind);

unsigned errors_status(enum dialect dialect, enum error_kind kind);

/* What a body says, each dialect of it what its API has a place for. */
struct errors_text {
    struct bytes message;
    const char *param;       /* a path in the request's body ("messages[3].content") or NULL */
    struct bytes request_id; /* as in the answer's fields; empty = none */
    unsigned retry_after_s;  /* as in Retry-After; 0 = none */
};

/* Appends the whole body. STATUS_TOO_LARGE or STATUS_NO_MEMORY of the buffer, which then is as it was. */
MUST_CHECK enum status errors_body(enum dialect dialect, enum error_kind kind, const struct errors_text *text,
                                   struct buffer *out);

/* Where a stream of OpenAI's responses stands. All zero: nothing was sent. */
struct errors_place {
    struct bytes response_id; /* empty = not known */
    int64_t sequence;         /* of the next event */
    bool created;             /* response.created was sent */
};

/* Appends the event or events that say that a stream is broken. They must begin on a fresh line: see sse_boundary_gap() in
 * proto/sse. The message is our own and has no braces (Gemini's SDK for JavaScript counts them). Statuses of errors_body. */
MUST_CHECK enum status errors_stream_event(enum dialect dialect, enum error_kind kind, struct bytes message,
                                           const struct errors_place *place, struct buffer *out);

/* The message of ERROR_CONTENT_FILTER: names the category and the decision and nothing else, so that nobody learns from
 * a refusal what to change (reliability B.1 row 21). A category beyond CATEGORY_BYTES_MAX is cut. */
#define ERRORS_REFUSAL_FORMAT "MODERATION_BLOCKED: the %.7s was refused (category: %.*s, decision: %.*s)"
struct errors_refusal {
    char text[sizeof ERRORS_REFUSAL_FORMAT + sizeof "request" + CATEGORY_BYTES_MAX + DECISION_ID_BYTES]; /* terminated */
};
/* `what`: "request" or "answer". */
void errors_refusal(struct errors_refusal *out, const char *what, struct bytes category, struct bytes decision);

#endif

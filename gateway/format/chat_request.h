/* chat_request: the strict reading of a request body of the openai_chat dialect (spec/wire-formats.md sections 1.1, 5).
 *
 * One walk checks the shape and says what each string is, so that nothing passes the check that the extraction has not
 * seen. What is known is read by its rule; what is not known could hide text (reliability B.1 row 8):
 *
 *   a wrong type where no text can be       refused (content: 7)
 *   an unknown role, part or member, or a   profile `unknown: scan`    every string under it is judged as the user's
 * text container where a string belongs        profile `unknown: block`   refused an unknown field beside `messages`
 * forwarded as it came, and its strings are judged as the user's text
 *
 * Not judged, being nobody's prompt: tool definitions, arguments of tool calls, reasoning, ids and settings.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_CHAT_REQUEST_H
#define GATEWAY_FORMAT_CHAT_REQUEST_H

#include "gateway/format/extract.h"
#include "gateway/format/problem.h"
#include "proto/bytes.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>

struct chat_request {
    const struct json_token *model;    /* a string; lent until the document is read or freed again, as is the next */
    const struct json_token *messages; /* an array of 1 to CHAT_MESSAGES_MAX objects */
    bool stream;
    struct extract_result extracted;
};

/* Reads `body` into `json` (the caller's; it borrows `body` from then on) and gives every piece of text to `extract`,
 * which is fresh. On failure `*problem` says what to answer and `*out` is untouched. STATUS_MALFORMED (no JSON, or a
 * shape that no request has), STATUS_DUPLICATE (a key twice), STATUS_UNSUPPORTED (unknown, and the profile refuses
 * that), STATUS_TOO_LARGE (a bound of JSON or of the text), STATUS_NO_MEMORY, STATUS_UNAVAILABLE (see json_read), and
 * what the extraction's `add` says (STATUS_FULL: more segments than a task holds). */
MUST_CHECK enum status chat_request_read(struct json *json, struct bytes body, enum unknown_choice unknown,
                                         struct extract *extract, struct chat_request *out, struct problem *problem);

#endif

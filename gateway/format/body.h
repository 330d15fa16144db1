/* body: the strict reading of a request's body in the dialect of its endpoint (spec/wire-formats.md sections 1 and 5).
 *
 * One walk checks the shape and says what each string is, so that nothing passes the check that the extraction has not
 * seen. What is known is read by its rule; what is not known could hide text (reliability B.1 row 8):
 *
 *   a wrong type where no text can be       refused (content: 7)
 *   an unknown role, part or member, or a   profile `unknown: scan`    every string under it is judged as the user's
 *   text container where a string belongs   profile `unknown: block`   refused
 *   an unknown field beside the messages    forwarded as it came, and its strings are judged as the user's
 *   an image, audio, a file without text    profile `images: allow`    counted in `extracted`
 *                                           profile `images: block`    refused
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_BODY_H
#define GATEWAY_FORMAT_BODY_H

#include "gateway/format/dialect.h"
#include "gateway/format/extract.h"
#include "gateway/format/problem.h"
#include "proto/bytes.h"
#include "proto/json.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>

struct body {
    const struct json_token *model; /* a string, or NULL where the path names it; lent until the document is read again */
    bool stream;                    /* as far as the body says it */
    struct extract_result extracted;
};

struct shape_walk;

/* Says what to answer where json_read failed with this status. */
void body_explain_json(const struct json *json, enum status status, struct problem *problem);

/* Reads `source` into `json` (the caller's; it borrows `source` from then on) and gives every piece of text to `extract`,
 * which is fresh. On failure `*problem` says what to answer and `*out` is untouched. STATUS_MALFORMED (no JSON, or a
 * shape that no request has), STATUS_DUPLICATE (a key twice), STATUS_UNSUPPORTED (unknown or not to be judged, and the profile
 * refuses that), STATUS_TOO_LARGE (a bound of JSON or of the text), STATUS_NO_MEMORY, STATUS_UNAVAILABLE (see json_read), and
 * what the extraction's `add` says (STATUS_FULL: more segments than a task holds). */
MUST_CHECK enum status body_read(enum dialect dialect, struct json *json, struct bytes source,
                                 enum unknown_choice unknown, struct extract *extract, struct body *out,
                                 struct problem *problem);

/* The same by a walk of its own, for a body of no dialect. */
MUST_CHECK enum status body_walk(enum status (*read)(struct shape_walk *walk, const struct json_token *root),
                                 struct json *json, struct bytes source, enum unknown_choice unknown,
                                 struct extract *extract, struct body *out, struct problem *problem);

#endif

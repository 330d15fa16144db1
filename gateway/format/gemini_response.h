/* gemini_response: an answer in the gemini_chat dialect (spec/wire-formats.md section 1.4.2) for
 * gateway/format/answer.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_GEMINI_RESPONSE_H
#define GATEWAY_FORMAT_GEMINI_RESPONSE_H

#include "gateway/format/shape.h"

/* `root` is an object. STATUS_MALFORMED where a known member is of a type that holds no text. */
MUST_CHECK enum status gemini_response_walk(struct shape_walk *walk, const struct json_token *root);

#endif

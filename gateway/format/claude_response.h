/* claude_response: an answer in the claude_chat dialect (spec/wire-formats.md section 1.3.2) for
 * gateway/format/answer.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_CLAUDE_RESPONSE_H
#define GATEWAY_FORMAT_CLAUDE_RESPONSE_H

#include "gateway/format/shape.h"

/* `root` is an object. STATUS_MALFORMED where a known member is of a type that holds no text. */
MUST_CHECK enum status claude_response_walk(struct shape_walk *walk, const struct json_token *root);

#endif

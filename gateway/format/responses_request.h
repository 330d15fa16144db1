/* responses_request: the tables of the openai_responses dialect (spec/wire-formats.md sections 1.2 and 5).
 *
 * Judged: instructions and the variables of a stored prompt as the system's, the input as its items' roles, what tools
 * returned (hosted tools too), names and text of files. Not judged: tool definitions, what tools were called with,
 * reasoning, and what the provider keeps (previous_response_id, conversation, item_reference).
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_RESPONSES_REQUEST_H
#define GATEWAY_FORMAT_RESPONSES_REQUEST_H

#include "gateway/format/shape.h"

/* `root` is an object. A refusal is told by the walk. */
MUST_CHECK enum status responses_request_walk(struct shape_walk *walk, const struct json_token *root);

/* An item as it stands in a request's input, and in an answer's output. */
MUST_CHECK enum status responses_request_item(struct shape_walk *walk, const struct json_token *item);

#endif

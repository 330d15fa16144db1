/* claude_request: the tables of the claude_chat dialect (spec/wire-formats.md sections 1.3 and 5).
 *
 * Judged: system prompts, the text of messages, results of tools (of the server's tools too), documents and search
 * results. Not judged: tool definitions, what tools were called with, thinking of the assistant, signatures and ids.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_CLAUDE_REQUEST_H
#define GATEWAY_FORMAT_CLAUDE_REQUEST_H

#include "gateway/format/shape.h"

/* `root` is an object. A refusal is told by the walk. */
MUST_CHECK enum status claude_request_walk(struct shape_walk *walk, const struct json_token *root);

/* The content of the assistant, as it stands in a request's history, and in an answer. Inside a message of its own. */
MUST_CHECK enum status claude_request_answer(struct shape_walk *walk, const struct json_token *value, const char *name);

#endif

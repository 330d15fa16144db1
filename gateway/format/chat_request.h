/* chat_request: the tables of the openai_chat dialect (spec/wire-formats.md sections 1.1 and 5) for gateway/format/body.
 *
 * Judged: the text of every role in scope, names of speakers, refusals, names and text of files. Not judged, being
 * nobody's prompt: tool definitions, arguments of tool calls, reasoning of the assistant, ids and settings.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_CHAT_REQUEST_H
#define GATEWAY_FORMAT_CHAT_REQUEST_H

#include "gateway/format/shape.h"

/* `root` is an object. A refusal is told by the walk. */
MUST_CHECK enum status chat_request_walk(struct shape_walk *walk, const struct json_token *root);

/* A message as it stands in a request's history, and in an answer. */
MUST_CHECK enum status chat_request_message(struct shape_walk *walk, const struct json_token *message);

#endif

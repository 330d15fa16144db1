/* gemini_request: the tables of the gemini_chat dialect (spec/wire-formats.md sections 1.4 and 5).
 *
 * Judged: the system instruction, the text of contents, results of functions and of executed code, files of text. Not
 * judged: function declarations, arguments of functions, thoughts and code of the model, signatures.
 *
 * The API takes every name in camelCase and in snake_case; so do the tables. A body may hold a whole request inside
 * (countTokens: generateContentRequest). The model stands in the path.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_GEMINI_REQUEST_H
#define GATEWAY_FORMAT_GEMINI_REQUEST_H

#include "gateway/format/shape.h"

/* `root` is an object. A refusal is told by the walk. */
MUST_CHECK enum status gemini_request_walk(struct shape_walk *walk, const struct json_token *root);

/* A content as it stands in a request's history, and in an answer. */
MUST_CHECK enum status gemini_request_content(struct shape_walk *walk, const struct json_token *content);

#endif

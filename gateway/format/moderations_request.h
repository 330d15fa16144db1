/* moderations_request: the body of a POST .../moderations, by OpenAI's rules.
 *
 *   "input": "a text"                                    one input
 *   "input": ["a text", "another one"]                   an input each: each is a segment of its own
 *   "input": [{"type":"text","text":"a text"},           one input: its texts touch, as in a message; images are counted,
 *             {"type":"image_url",                       and not judged
 *              "image_url":{"url":"https://..."}}]
 *   "model": "omni-moderation-latest"                    may be there; nothing hangs on it
 *
 * Whatever else stands in the body is refused: nothing is sent on, so that there is nobody who might know it. Thread: any.
 */
#ifndef GATEWAY_FORMAT_MODERATIONS_REQUEST_H
#define GATEWAY_FORMAT_MODERATIONS_REQUEST_H

#include "gateway/format/shape.h"
#include "proto/json.h"
#include "proto/status.h"

#include <stdbool.h>

/* The walk for body_walk(). An input without a text is refused: no verdict can be had on it. */
enum status moderations_request_walk(struct shape_walk *walk, const struct json_token *root);

/* Whether each segment is an input of its own, in a body that passed the walk; else all of them are one. */
bool moderations_request_is_list(const struct json *json);

#endif

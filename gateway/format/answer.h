/* answer: the text of an upstream's plain answer, in the dialect of its endpoint (spec/wire-formats.md sections 1 and 5).
 *
 * Every string that the model wrote is read, in all choices: text, refusals, reasoning, what tools are called by and with, and
 * what nobody knows the shape of; an answer must not hide behind a member that is new. Not read: ids, usage, what the answer
 * repeats of its request, and logprobs: the tokens in them are the content once more, the others beside each are what the model
 * did not say. JSON_TOKENS_MAX bounds the values that are not logprobs. The rules for parts and items are those of a request's
 * history.
 *
 * Thread: any.
 */
#ifndef GATEWAY_FORMAT_ANSWER_H
#define GATEWAY_FORMAT_ANSWER_H

#include "gateway/format/dialect.h"
#include "gateway/format/extract.h"
#include "proto/bytes.h"
#include "proto/json.h"
#include "proto/status.h"

/* For a caller who reads a long answer in slices: as json_reader_begin, by the rules above. */
void answer_reader_begin(enum dialect dialect, struct json_reader *reader, struct json *json, struct bytes source);

/* Reads `source` into `json` (the caller's; it borrows `source` from then on), unless that says that it is read, and gives every
 * piece of text to `extract`, which is fresh. STATUS_MALFORMED, STATUS_UNSUPPORTED (media that `images` refuses),
 * STATUS_DUPLICATE (keys come twice; where json->has_repeats, what json_cut_repeats leaves can be read), STATUS_TOO_LARGE,
 * STATUS_FULL, STATUS_NO_MEMORY, STATUS_UNAVAILABLE, as body_read. */
MUST_CHECK enum status answer_read(enum dialect dialect, struct json *json, struct bytes source, struct extract *extract,
                                   struct extract_result *out);

#endif

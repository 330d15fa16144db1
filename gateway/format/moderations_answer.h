/* moderations_answer: the answer to a POST .../moderations, piece by piece, in OpenAI's form.
 *
 *   {"id":"modr-...","model":"prismguard","results":[
 *     {"flagged":true,"categories":{...},"category_scores":{...},"category_applied_input_types":{...}},
 *     ...]}
 *
 * `flagged` is the verdict. Each result has all 13 of OpenAI's categories, false but for the one that the verdict names and
 * the one that this is a part of ("hate/threatening" is "hate"). A verdict's category is taken for one of OpenAI's whatever
 * its case and whether "/", "-", "_" or a space separates its words, and by a short list of other names for them. Any other
 * ("keyword", "model", what a reviewer calls it) stands under its own name beside the 13, so that whoever looks at the
 * categories alone is not told that nothing was found.
 *
 * A score is 1 where the category is true, else 0: a verdict has no score of its own for each category, and what it has is not
 * told to those who are judged (reliability B.1 row 21). Types of input are ["text"] where a text was judged, else []: images
 * are never in it. Thread: any.
 */
#ifndef GATEWAY_FORMAT_MODERATIONS_ANSWER_H
#define GATEWAY_FORMAT_MODERATIONS_ANSWER_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

struct moderations_result {
    bool judged; /* false: no verdict, and the profile lets it pass: not flagged, and no type of input was looked at */
    bool flagged;
    unsigned char category_bytes;      /* 0 = none */
    char category[CATEGORY_BYTES_MAX]; /* the verdict's */
};

/* The pieces in their order: the beginning, each result with its index, the end. Each appends. Statuses of buffer_append; the
 * buffer is as it was then. */
MUST_CHECK enum status moderations_answer_begin(struct bytes decision, struct buffer *out);
MUST_CHECK enum status moderations_answer_result(const struct moderations_result *result, size_t index, struct buffer *out);
MUST_CHECK enum status moderations_answer_end(struct buffer *out);

#endif

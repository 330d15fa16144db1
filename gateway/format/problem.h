/* problem: what is wrong with a request and where, so that the caller can mend it.
 *
 * Sentence and path are our own words and numbers: nothing that the caller sent is repeated in them, because they go
 * into answers and log lines. Thread: any.
 */
#ifndef GATEWAY_FORMAT_PROBLEM_H
#define GATEWAY_FORMAT_PROBLEM_H

#include "gateway/format/errors.h"
#include "proto/limits.h"

struct problem {
    enum error_kind kind;
    char sentence[PROBLEM_SENTENCE_BYTES_MAX + 1]; /* "messages[3].content must be ..." */
    char path[PROBLEM_PATH_BYTES_MAX + 1];         /* "messages[3].content"; empty = the body as a whole */
};

/* The path as errors_body() wants it: NULL when it is empty. Lends from the problem. */
const char *problem_param(const struct problem *problem);

/* `path` may be empty; the sentence begins with it otherwise. Both are cut at their bounds, which ours do not reach. */
void problem_set(struct problem *problem, enum error_kind kind, const char *path, const char *sentence);

#endif

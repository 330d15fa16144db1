/* review_request: the question to a reviewing LLM, as an OpenAI chat completion.
 *
 *   system  the profile's policy (its prompt file, or a default), then the rules of the answer, always ours
 *   user    {"texts":["...","..."]}
 *
 * The texts stand in a JSON array that is itself a JSON string, so nothing in them can end the field they stand in, and there is
 * no delimiter that could be guessed; the rules say that they are data. Thread: any. Source of the rule: spec/reliability.md B.1
 * row 11.
 */
#ifndef MODERATOR_REVIEW_REQUEST_H
#define MODERATOR_REVIEW_REQUEST_H

#include "proto/bytes.h"
#include "proto/status.h"

/* The policy of a profile without a prompt file. Static. */
struct bytes review_request_default_policy(void);

/* Appends the request's body. STATUS_TOO_LARGE past the buffer's bound, STATUS_NO_MEMORY. */
MUST_CHECK enum status review_request_write(const char *model, struct bytes policy, const struct bytes *texts, size_t count,
                                            struct buffer *out);

#endif

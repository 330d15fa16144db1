/* review_answer: the verdict in a reviewing LLM's answer, or none.
 *
 *   {"choices":[{"message":{"content":"{\"violation\":true,\"category\":\"hate\",\"reason\":\"...\"}"}}], ...}
 *
 * or the same as a stream of events, whose delta.content is put together up to "[DONE]"; without that it may have been cut.
 *
 * The content must be one JSON object with exactly the members violation (a boolean), category and reason (strings), and
 * nothing around it but white space. Anything else (prose, a code fence, two objects, a key twice, "true" for true) is no
 * verdict: an LLM that was talked into something must not be understood half. Thread: any.
 * Source of the rule: spec/reliability.md B.1 row 11.
 */
#ifndef MODERATOR_REVIEW_ANSWER_H
#define MODERATOR_REVIEW_ANSWER_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>

struct review_answer {
    bool violation;
    /* With a violation: of [a-z0-9_/-], capitals made small; "violation" when what was answered is not of them or too long. It
     * may be shown to clients, so it must not carry words of the text. Else empty. */
    char category[CATEGORY_BYTES_MAX + 1];
};

/* Reads the body of a chat completion: an object, or else a stream. STATUS_MALFORMED: no verdict; STATUS_NO_MEMORY. */
MUST_CHECK enum status review_answer_read(struct bytes body, struct review_answer *out);

/* A category as it may be shown to clients: `answered` when it is of the alphabet above, else "violation". */
void review_answer_category(struct bytes answered, char out[CATEGORY_BYTES_MAX + 1]);

#endif

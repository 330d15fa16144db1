/* answer: the walk of the dialect over an answer, by the same engine that reads requests. */
#include "gateway/format/answer.h"

#include "gateway/format/body.h"
#include "gateway/format/chat_response.h"
#include "gateway/format/claude_response.h"
#include "gateway/format/gemini_response.h"
#include "gateway/format/responses_response.h"
#include "gateway/format/shape.h"

#include <assert.h>

enum status answer_read(enum dialect dialect, struct json *json, struct bytes source, struct extract *extract,
                        struct extract_result *out)
{
    static enum status (*const walks[DIALECT_COUNT])(struct shape_walk *walk, const struct json_token *root) = {
        [DIALECT_OPENAI_CHAT] = chat_response_walk,
        [DIALECT_OPENAI_RESPONSES] = responses_response_walk,
        [DIALECT_CLAUDE_CHAT] = claude_response_walk,
        [DIALECT_GEMINI_CHAT] = gemini_response_walk,
    };
    struct problem problem; /* speaks of a request */
    struct body body;
    enum status status;

    assert(dialect < DIALECT_COUNT);
    status = body_walk(walks[dialect], json, source, UNKNOWN_SCAN, extract, &body, &problem);
    if (status == STATUS_OK) {
        *out = body.extracted;
    }
    return status;
}

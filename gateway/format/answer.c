/* answer: the walk of the dialect over an answer, by the same engine that reads requests. */
#include "gateway/format/answer.h"

#include "gateway/format/body.h"
#include "gateway/format/chat_response.h"
#include "gateway/format/claude_response.h"
#include "gateway/format/gemini_response.h"
#include "gateway/format/responses_response.h"
#include "gateway/format/shape.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where logprobs stand. With twenty others a token they are some 190 values for each: JSON_TOKENS_MAX at a thousand tokens. */
static const char *const chat_steps[] = {"choices", NULL, "logprobs"};
static const char *const responses_steps[] = {"output", NULL, "content", NULL, "logprobs"};
static const char *const gemini_steps[] = {"candidates", NULL, "logprobsResult"};
static const struct json_path logprobs[DIALECT_COUNT] = {
    [DIALECT_OPENAI_CHAT] = {chat_steps, COUNT(chat_steps)},
    [DIALECT_OPENAI_RESPONSES] = {responses_steps, COUNT(responses_steps)},
    [DIALECT_GEMINI_CHAT] = {gemini_steps, COUNT(gemini_steps)},
};

void answer_reader_begin(enum dialect dialect, struct json_reader *reader, struct json *json, struct bytes source)
{
    assert(dialect < DIALECT_COUNT);
    json_reader_begin(reader, json, source, JSON_MARK_DUPLICATES);
    if (logprobs[dialect].steps != NULL) {
        json_reader_pass_over(reader, &logprobs[dialect]);
    }
}

static enum status read_json(enum dialect dialect, struct json *json, struct bytes source)
{
    struct json_reader reader;

    if (json->is_read) {
        return STATUS_OK;
    }
    answer_reader_begin(dialect, &reader, json, source);
    return json_reader_go_on(&reader, SIZE_MAX);
}

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
    status = read_json(dialect, json, source);
    if (status != STATUS_OK || json->has_repeats) {
        return status == STATUS_OK ? STATUS_DUPLICATE : status;
    }
    json->is_read = true; /* for the walk, which would read it whole */
    status = body_walk(walks[dialect], json, source, UNKNOWN_SCAN, extract, &body, &problem);
    json->is_read = false;
    if (status == STATUS_OK) {
        *out = body.extracted;
    }
    return status;
}

/* body: JSON, then the walk of the dialect, then the end of the extraction; and what went wrong in words. */
#include "gateway/format/body.h"

#include "gateway/format/chat_request.h"
#include "gateway/format/claude_request.h"
#include "gateway/format/gemini_request.h"
#include "gateway/format/responses_request.h"
#include "gateway/format/shape.h"

#include <assert.h>
#include <stdio.h>

static enum status (*const walks[DIALECT_COUNT])(struct shape_walk *walk, const struct json_token *root) = {
    [DIALECT_OPENAI_CHAT] = chat_request_walk,
    [DIALECT_OPENAI_RESPONSES] = responses_request_walk,
    [DIALECT_CLAUDE_CHAT] = claude_request_walk,
    [DIALECT_GEMINI_CHAT] = gemini_request_walk,
};

void body_explain_json(const struct json *json, enum status status, struct problem *problem)
{
    char sentence[PROBLEM_SENTENCE_BYTES_MAX + 1];
    const char *what = "the body is not valid JSON";

    if (status == STATUS_NO_MEMORY || status == STATUS_UNAVAILABLE) {
        problem_set(problem, ERROR_OVERLOADED, "", "the gateway cannot read the request now");
        return;
    }
    if (status == STATUS_DUPLICATE) {
        what = "the body has a key twice in one object";
    } else if (status == STATUS_TOO_LARGE) {
        what = "the body is nested too deeply, or has too many values or too long a number";
    }
    (void)snprintf(sentence, sizeof sentence, "%s (at byte %zu)", what, json->error_at);
    problem_set(problem, ERROR_INVALID_JSON, "", sentence);
}

static void explain_extract(enum status status, struct problem *problem)
{
    if (status == STATUS_TOO_LARGE || status == STATUS_FULL) {
        problem_set(problem, ERROR_PROMPT_TOO_LONG, "", "the request has more text than this gateway judges");
    } else {
        problem_set(problem, ERROR_OVERLOADED, "", "the gateway cannot read the request now");
    }
}

enum status body_read(enum dialect dialect, struct json *json, struct bytes source, enum unknown_choice unknown,
                      struct extract *extract, struct body *out, struct problem *problem)
{
    assert(dialect < DIALECT_COUNT);
    return body_walk(walks[dialect], json, source, unknown, extract, out, problem);
}

enum status body_walk(enum status (*read)(struct shape_walk *walk, const struct json_token *root), struct json *json,
                      struct bytes source, enum unknown_choice unknown, struct extract *extract, struct body *out,
                      struct problem *problem)
{
    struct shape_walk walk = {.json = json, .extract = extract, .problem = problem, .unknown = unknown};
    struct extract_result extracted;
    enum status status = json_read(json, source, JSON_REFUSE_DUPLICATES);

    assert(extract != NULL && out != NULL && problem != NULL);
    if (status != STATUS_OK) {
        body_explain_json(json, status, problem);
        return status;
    }
    if (json->tokens[0].type != JSON_OBJECT) {
        return shape_refuse(&walk, STATUS_MALFORMED, NULL, "the body must be a JSON object");
    }
    status = read(&walk, &json->tokens[0]);
    if (status == STATUS_OK && extract_counts_turns(extract)) {
        extract_turns_counted(extract);
        status = read(&walk, &json->tokens[0]);
    }
    if (status == STATUS_OK && extract_refused(extract)) { /* beside all members that a table names */
        status = shape_refuse_unjudged(&walk, NULL);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = extract_finish(extract, &extracted);
    if (status != STATUS_OK) {
        explain_extract(status, problem);
        return status;
    }
    *out = (struct body){.model = walk.model, .stream = walk.stream, .extracted = extracted};
    return STATUS_OK;
}

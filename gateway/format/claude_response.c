/* claude_response: the tables of an answer in the claude_chat dialect: its content, block by block. */
#include "gateway/format/claude_response.h"

#include "gateway/format/claude_request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum status read_content(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(walk->extract, SCOPE_ASSISTANT);
    status = claude_request_answer(walk, value, name);
    extract_end(walk->extract);
    return status;
}

enum status claude_response_walk(struct shape_walk *walk, const struct json_token *root)
{
    static const struct shape_field fields[] = {
        {"id", NULL},          {"type", NULL},          {"role", NULL},  {"model", NULL},     {"content", read_content},
        {"stop_reason", NULL}, {"stop_sequence", NULL}, {"usage", NULL}, {"container", NULL}, {"input_tokens", NULL},
    };

    return shape_root(walk, root, fields, COUNT(fields));
}

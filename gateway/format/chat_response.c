/* chat_response: the tables of an answer in the openai_chat dialect: its choices, and the message of each. */
#include "gateway/format/chat_response.h"

#include "gateway/format/chat_request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*   choices[i]
 *     .message    as it stands in a request's history
 *     .(others)   before it, as a message of their own
 */
static enum status read_choice(struct shape_walk *walk, const struct json_token *choice)
{
    static const struct shape_member members[] = {
        {"message", SHAPE_ANY, shape_anything}, /* read below */
        {"index", SHAPE_ANY, shape_anything},
        {"finish_reason", SHAPE_ANY, shape_identifier},
        {"logprobs", SHAPE_ANY, shape_anything}, /* the text once more, which nobody reads */
        {"text", SHAPE_ANY, shape_text},
    };
    const struct json_token *message;
    enum status status;

    if (choice->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object");
    }
    extract_begin(walk->extract, SCOPE_ASSISTANT);
    status = shape_members(walk, choice, members, COUNT(members), SHAPE_ANY);
    extract_end(walk->extract);
    message = json_member(walk->json, choice, "message");
    if (status != STATUS_OK || message == NULL || message->type == JSON_NULL) {
        return status;
    }
    shape_enter(walk, "message");
    status = chat_request_message(walk, message);
    shape_leave(walk);
    return status;
}

SHAPE_LIST(read_choices, read_choice)

enum status chat_response_walk(struct shape_walk *walk, const struct json_token *root)
{
    static const struct shape_field fields[] = {
        {"id", NULL},           {"object", NULL},   {"created", NULL},      {"model", NULL},    {"choices", read_choices},
        {"usage", NULL},        {"provider", NULL}, {"service_tier", NULL}, {"metadata", NULL}, {"system_fingerprint", NULL},
        {"request_id", NULL},
    };

    return shape_root(walk, root, fields, COUNT(fields));
}

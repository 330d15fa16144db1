/* responses_response: the tables of an answer in the openai_responses dialect: its output, item by item. */
#include "gateway/format/responses_response.h"

#include "gateway/format/responses_request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

SHAPE_LIST(read_output, responses_request_item)

/* NULL: ids and figures, and what the answer repeats of its request, which was judged as that. */
enum status responses_response_walk(struct shape_walk *walk, const struct json_token *root)
{
    static const struct shape_field fields[] = {
        {"id", NULL},
        {"object", NULL},
        {"created_at", NULL},
        {"completed_at", NULL},
        {"status", NULL},
        {"background", NULL},
        {"billing", NULL},
        {"conversation", NULL},
        {"incomplete_details", NULL},
        {"instructions", NULL},
        {"metadata", NULL},
        {"model", NULL},
        {"output", read_output},
        {"previous_response_id", NULL},
        {"prompt", NULL},
        {"prompt_cache_key", NULL},
        {"prompt_cache_retention", NULL},
        {"reasoning", NULL},
        {"safety_identifier", NULL},
        {"service_tier", NULL},
        {"text", NULL},
        {"tool_choice", NULL},
        {"tools", NULL},
        {"truncation", NULL},
        {"usage", NULL},
        {"user", NULL},
    };

    return shape_root(walk, root, fields, COUNT(fields));
}

/* gemini_response: the tables of an answer in the gemini_chat dialect: its candidates, and the content of each. */
#include "gateway/format/gemini_response.h"

#include "gateway/format/gemini_request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*   candidates[i]
 *     .content    as it stands in a request's history
 *     .(others)   before it, as a message of their own
 */
static enum status read_candidate(struct shape_walk *walk, const struct json_token *candidate)
{
    static const struct shape_member members[] = {
        {"content", SHAPE_ANY, shape_anything}, /* read below */
        {"finishReason", SHAPE_ANY, shape_identifier},
        {"finishMessage", SHAPE_ANY, shape_line},
        {"citationMetadata", SHAPE_ANY, shape_values},
        {"groundingMetadata", SHAPE_ANY, shape_values},
        {"urlContextMetadata", SHAPE_ANY, shape_values},
        {"logprobsResult", SHAPE_ANY, shape_anything}, /* the text once more, which nobody reads */
        {"safetyRatings", SHAPE_ANY, shape_setting},
    };
    const struct json_token *content;
    enum status status;

    if (candidate->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object");
    }
    extract_begin(walk->extract, SCOPE_ASSISTANT);
    status = shape_members(walk, candidate, members, COUNT(members), SHAPE_ANY);
    extract_end(walk->extract);
    content = json_member(walk->json, candidate, "content");
    if (status != STATUS_OK || content == NULL || content->type == JSON_NULL) {
        return status;
    }
    shape_enter(walk, "content");
    status = gemini_request_content(walk, content);
    shape_leave(walk);
    return status;
}

SHAPE_LIST(read_candidates, read_candidate)

enum status gemini_response_walk(struct shape_walk *walk, const struct json_token *root)
{
    static const struct shape_field fields[] = {
        {"candidates", read_candidates}, {"promptFeedback", NULL}, {"usageMetadata", NULL}, {"modelVersion", NULL},
        {"responseId", NULL},            {"createTime", NULL},     {"modelStatus", NULL},
    };

    return shape_root(walk, root, fields, COUNT(fields));
}

/* review_answer: reads a completion strictly, and the verdict inside it more strictly. */
#include "moderator/review_answer.h"

#include "proto/json.h"

#include <assert.h>

enum { VERDICT_MEMBERS = 3 };

static const struct json_token *member_of_type(const struct json *json, const struct json_token *object, const char *key,
                                               enum json_type type)
{
    const struct json_token *value;

    if (object == NULL || object->type != JSON_OBJECT) {
        return NULL;
    }
    value = json_member(json, object, key);
    return value != NULL && value->type == type ? value : NULL;
}

/* choices[0].message.content of an answer with exactly one choice, or NULL. */
static const struct json_token *find_content(const struct json *json)
{
    const struct json_token *choices = member_of_type(json, &json->tokens[0], "choices", JSON_ARRAY);

    if (choices == NULL || choices->count != 1) {
        return NULL;
    }
    return member_of_type(json, member_of_type(json, json_first(json, choices), "message", JSON_OBJECT), "content",
                          JSON_STRING);
}

static void write_category(struct bytes answered, char out[CATEGORY_BYTES_MAX + 1])
{
    bool sound = answered.count > 0 && answered.count <= CATEGORY_BYTES_MAX;

    for (size_t index = 0; sound && index < answered.count; index++) {
        char byte = answered.data[index];

        if (byte >= 'A' && byte <= 'Z') {
            byte = (char)(byte - 'A' + 'a');
        }
        sound = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '/' || byte == '-';
        out[index] = byte;
    }
    if (sound) {
        out[answered.count] = '\0';
    } else {
        enum status status = bytes_copy(BYTES("violation"), out, CATEGORY_BYTES_MAX + 1);
        assert(status == STATUS_OK);
    }
}

/* The verdict: one object of three members. */
static enum status read_verdict(struct json *json, struct bytes content, struct review_answer *out)
{
    struct review_answer answer = {0};
    const struct json_token *violation;
    const struct json_token *category;
    struct buffer scratch;
    struct bytes text;
    enum status status = json_read(json, content, JSON_REFUSE_DUPLICATES);

    if (status != STATUS_OK) {
        return status;
    }
    if (json->tokens[0].type != JSON_OBJECT || json->tokens[0].count != VERDICT_MEMBERS) {
        return STATUS_MALFORMED;
    }
    violation = json_member(json, &json->tokens[0], "violation");
    category = member_of_type(json, &json->tokens[0], "category", JSON_STRING);
    if (violation == NULL || (violation->type != JSON_TRUE && violation->type != JSON_FALSE) || category == NULL ||
        member_of_type(json, &json->tokens[0], "reason", JSON_STRING) == NULL) {
        return STATUS_MALFORMED;
    }
    answer.violation = violation->type == JSON_TRUE;
    if (answer.violation) {
        buffer_init(&scratch, REVIEW_ANSWER_BYTES_MAX);
        status = json_string(json, category, &scratch, &text);
        if (status == STATUS_OK) {
            write_category(text, answer.category);
        }
        buffer_free(&scratch);
    }
    if (status == STATUS_OK) {
        *out = answer;
    }
    return status;
}

enum status review_answer_read(struct bytes body, struct review_answer *out)
{
    const struct json_token *token;
    struct buffer scratch;
    struct bytes content;
    struct json outer;
    struct json inner;
    enum status status;

    json_init(&outer);
    json_init(&inner);
    buffer_init(&scratch, REVIEW_ANSWER_BYTES_MAX);
    status = json_read(&outer, body, JSON_REFUSE_DUPLICATES);
    if (status == STATUS_OK) {
        token = find_content(&outer);
        status = token == NULL ? STATUS_MALFORMED : json_string(&outer, token, &scratch, &content);
    }
    if (status == STATUS_OK) {
        status = read_verdict(&inner, content, out);
    }
    buffer_free(&scratch);
    json_free(&inner);
    json_free(&outer);
    /* Why an answer is no verdict makes no difference, unless it is our own want of memory. */
    return status == STATUS_OK || status == STATUS_NO_MEMORY ? status : STATUS_MALFORMED;
}

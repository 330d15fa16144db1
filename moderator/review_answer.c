/* review_answer: reads a completion strictly, and the verdict inside it more strictly. */
#include "moderator/review_answer.h"

#include "proto/json.h"
#include "proto/sse.h"

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

/* Some servers leave the index out; another one than the first is of another answer. */
static bool is_first(const struct json *json, const struct json_token *choice)
{
    const struct json_token *index = choice->type == JSON_OBJECT ? json_member(json, choice, "index") : NULL;
    int64_t number;

    return index == NULL || index->type == JSON_NULL ||
           (index->type == JSON_NUMBER && json_integer(json, index, &number) == STATUS_OK && number == 0);
}

/* The one choice of a completion (`within` is "message") or of a part of one ("delta"), or NULL. */
static const struct json_token *find_choice(const struct json *json, const char *within)
{
    const struct json_token *choices = member_of_type(json, &json->tokens[0], "choices", JSON_ARRAY);

    if (choices == NULL || choices->count != 1 || !is_first(json, json_first(json, choices))) {
        return NULL;
    }
    return member_of_type(json, json_first(json, choices), within, JSON_OBJECT);
}

void review_answer_category(struct bytes answered, char out[CATEGORY_BYTES_MAX + 1])
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
            review_answer_category(text, answer.category);
        }
        buffer_free(&scratch);
    }
    if (status == STATUS_OK) {
        *out = answer;
    }
    return status;
}

static enum status read_completion(struct json *json, struct bytes body, struct buffer *scratch, struct bytes *out)
{
    const struct json_token *content;
    enum status status = json_read(json, body, JSON_REFUSE_DUPLICATES);

    if (status != STATUS_OK) {
        return status;
    }
    content = member_of_type(json, find_choice(json, "message"), "content", JSON_STRING);
    return content == NULL ? STATUS_MALFORMED : json_string(json, content, scratch, out);
}

/* One event's share of the content. The last one may have no choice (usage), many have no content (role, end). */
static enum status read_event(struct json *json, struct bytes data, struct buffer *content)
{
    const struct json_token *choices;
    const struct json_token *delta;
    const struct json_token *more;
    struct buffer scratch;
    struct bytes text;
    enum status status = json_read(json, data, JSON_REFUSE_DUPLICATES);

    if (status != STATUS_OK) {
        return status;
    }
    choices = member_of_type(json, &json->tokens[0], "choices", JSON_ARRAY);
    if (choices != NULL && choices->count == 0) {
        return STATUS_OK;
    }
    delta = find_choice(json, "delta");
    if (delta == NULL) {
        return STATUS_MALFORMED; /* an error, or something that is no completion */
    }
    more = member_of_type(json, delta, "content", JSON_STRING);
    if (more == NULL) {
        return STATUS_OK;
    }
    buffer_init(&scratch, REVIEW_ANSWER_BYTES_MAX);
    status = json_string(json, more, &scratch, &text);
    if (status == STATUS_OK) {
        status = buffer_append(content, text);
    }
    buffer_free(&scratch);
    return status;
}

static enum status next_event(struct sse *sse, struct bytes *body, struct sse_event *out)
{
    enum status status = sse_next(sse, body, out);

    return status == STATUS_AGAIN ? sse_rest(sse, out) : status; /* some leave the last blank line out */
}

static enum status read_stream(struct json *json, struct bytes body, struct buffer *content, struct bytes *out)
{
    struct sse_event event;
    struct sse *sse = NULL;
    bool done = false;
    enum status status = sse_open(&sse, REVIEW_ANSWER_BYTES_MAX);

    while (status == STATUS_OK && !done) {
        status = next_event(sse, &body, &event);
        if (status == STATUS_OK) {
            done = bytes_equal(event.data, BYTES("[DONE]"));
            status = bytes_equal(event.type, BYTES("error")) ? STATUS_MALFORMED : status;
        }
        if (status == STATUS_OK && !done) {
            status = read_event(json, event.data, content);
        }
    }
    sse_close(&sse);
    *out = buffer_view(content);
    return status;
}

static bool is_object(struct bytes body)
{
    size_t at = 0;

    while (at < body.count && (body.data[at] == ' ' || (body.data[at] >= '\t' && body.data[at] <= '\r'))) {
        at++;
    }
    return at < body.count && body.data[at] == '{';
}

enum status review_answer_read(struct bytes body, struct review_answer *out)
{
    struct buffer scratch;
    struct bytes content;
    struct json outer;
    struct json inner;
    enum status status;

    json_init(&outer);
    json_init(&inner);
    buffer_init(&scratch, REVIEW_ANSWER_BYTES_MAX);
    status = is_object(body) ? read_completion(&outer, body, &scratch, &content) : read_stream(&outer, body, &scratch, &content);
    if (status == STATUS_OK) {
        status = read_verdict(&inner, content, out);
    }
    buffer_free(&scratch);
    json_free(&inner);
    json_free(&outer);
    /* Why an answer is no verdict makes no difference, unless it is our own want of memory. */
    return status == STATUS_OK || status == STATUS_NO_MEMORY ? status : STATUS_MALFORMED;
}

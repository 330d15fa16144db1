/* chat_request: the tables of the openai_chat dialect, and its walk from the body to the parts of a message. */
#include "gateway/format/chat_request.h"

#include "gateway/format/shape.h"

#include <assert.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    ROLE_SYSTEM = 1 << 0,
    ROLE_USER = 1 << 1,
    ROLE_ASSISTANT = 1 << 2,
    ROLE_TOOL = 1 << 3,

    PART_TEXT = 1 << 0,
    PART_REFUSAL = 1 << 1,
    PART_IMAGE = 1 << 2,
    PART_AUDIO = 1 << 3,
    PART_FILE = 1 << 4,
};

struct role {
    const char *name;
    unsigned bit;
    unsigned scope; /* enum scope_role, or 0: in scope whatever the profile says */
    bool content_required;
};

static const struct role roles[] = {
    {"system", ROLE_SYSTEM, SCOPE_SYSTEM, true}, {"developer", ROLE_SYSTEM, SCOPE_SYSTEM, true},
    {"user", ROLE_USER, SCOPE_USER, true},       {"assistant", ROLE_ASSISTANT, SCOPE_ASSISTANT, false},
    {"tool", ROLE_TOOL, SCOPE_TOOL, true},       {"function", ROLE_TOOL, SCOPE_TOOL, false},
};

/* A role that we do not know may be one that the upstream does: its message is read as a user's. */
static const struct role unknown_role = {"", ROLE_USER, 0, true};

/* A part has a member named like its type, and that is its content. */
static const struct {
    const char *name;
    unsigned bit;
} part_types[] = {
    {"text", PART_TEXT},         {"refusal", PART_REFUSAL}, {"image_url", PART_IMAGE},
    {"input_audio", PART_AUDIO}, {"file", PART_FILE},
};

/* Fields beside `messages` whose strings are settings, names and tool definitions and no prompt. Numbers and booleans
 * are no text and need no place here. What a model may read is not here: prediction, documents, chat_template_kwargs.
 */
static const char *const settings[] = {
    "audio",
    "function_call",
    "functions",
    "metadata",
    "modalities",
    "models",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "provider",
    "reasoning",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "service_tier",
    "safety_identifier",
    "stop",
    "stream_options",
    "thinking",
    "tool_choice",
    "tools",
    "user",
    "verbosity",
    "web_search_options",
};

static enum status read_image(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"url", SHAPE_ANY, shape_image},
        {"detail", SHAPE_ANY, shape_identifier},
    };

    if (value->type == JSON_STRING) { /* a short form that some servers take */
        return shape_image(walk, value, name);
    }
    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_audio(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"data", SHAPE_ANY, shape_audio},
        {"format", SHAPE_ANY, shape_identifier},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_file_id(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    extract_count(walk->extract, MEDIA_FILE);
    return shape_identifier(walk, value, name);
}

static enum status read_file(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"filename", SHAPE_ANY, shape_file_name},
        {"file_data", SHAPE_ANY, shape_file},
        {"file_id", SHAPE_ANY, read_file_id},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

/* A part of a type that we do not know, or a bare string in its place. A server that knows it reads its text beside
 * that of its neighbours; so it is judged beside it, as well. */
static enum status read_unknown_part(struct shape_walk *walk, const struct json_token *part)
{
    const struct json_token *text = part->type == JSON_STRING ? part : json_member(walk->json, part, "text");

    if (walk->unknown == UNKNOWN_BLOCK) {
        return shape_refuse(walk, STATUS_UNSUPPORTED, NULL, "is a part of an unknown type");
    }
    if (text != NULL && text->type == JSON_STRING) {
        extract_text(walk->extract, walk->json, text);
    }
    extract_strings(walk->extract, walk->json, part);
    return STATUS_OK;
}

static enum status read_part(struct shape_walk *walk, const struct json_token *part)
{
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},          {"text", PART_TEXT, shape_text},
        {"refusal", PART_REFUSAL, shape_text},        {"image_url", PART_IMAGE, read_image},
        {"input_audio", PART_AUDIO, read_audio},      {"file", PART_FILE, read_file},
        {"cache_control", SHAPE_ANY, shape_anything}, {"prompt_cache_breakpoint", SHAPE_ANY, shape_anything},
    };
    const struct json_token *type;
    const struct json_token *content;
    size_t index = 0;

    if (part->type == JSON_STRING) {
        return read_unknown_part(walk, part);
    }
    if (part->type != JSON_OBJECT) {
        return shape_wrong_type(walk, part, NULL, "must be an object");
    }
    type = json_member(walk->json, part, "type");
    if (type == NULL || type->type != JSON_STRING) {
        return read_unknown_part(walk, part);
    }
    while (index < COUNT(part_types) && !json_string_is(walk->json, type, part_types[index].name)) {
        index++;
    }
    if (index == COUNT(part_types)) {
        return read_unknown_part(walk, part);
    }
    content = json_member(walk->json, part, part_types[index].name);
    if (content == NULL || content->type == JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, part_types[index].name, "is missing");
    }
    return shape_members(walk, part, members, COUNT(members), part_types[index].bit);
}

static enum status read_content(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type == JSON_ARRAY) {
        return shape_list(walk, value, name, read_part);
    }
    if (value->type == JSON_STRING) {
        return shape_text(walk, value, name);
    }
    return shape_wrong_type(walk, value, name, "must be a string or an array of parts");
}

static enum status read_function(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"name", SHAPE_ANY, shape_identifier},
        {"arguments", SHAPE_ANY, shape_string},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_custom(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"name", SHAPE_ANY, shape_identifier},
        {"input", SHAPE_ANY, shape_string},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_tool_call(struct shape_walk *walk, const struct json_token *call)
{
    static const struct shape_member members[] = {
        {"id", SHAPE_ANY, shape_identifier},
        {"type", SHAPE_ANY, shape_identifier},
        {"function", SHAPE_ANY, read_function},
        {"custom", SHAPE_ANY, read_custom},
    };

    if (call->type != JSON_OBJECT) {
        return shape_wrong_type(walk, call, NULL, "must be an object");
    }
    return shape_members(walk, call, members, COUNT(members), SHAPE_ANY);
}

static enum status read_tool_calls(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type != JSON_ARRAY) {
        return shape_wrong_type(walk, value, name, "must be an array");
    }
    return shape_list(walk, value, name, read_tool_call);
}

static const struct shape_member message_members[] = {
    {"role", SHAPE_ANY, shape_anything},
    {"content", SHAPE_ANY, read_content},
    {"name", SHAPE_ANY, shape_line},
    {"cache_control", SHAPE_ANY, shape_anything},
    {"tool_call_id", ROLE_TOOL, shape_identifier},
    {"refusal", ROLE_ASSISTANT, shape_text},
    {"tool_calls", ROLE_ASSISTANT, read_tool_calls},
    {"function_call", ROLE_ASSISTANT, read_function},
    {"audio", ROLE_ASSISTANT, shape_anything}, /* the id of an earlier answer */
    {"annotations", ROLE_ASSISTANT, shape_anything},
    {"reasoning", ROLE_ASSISTANT, shape_string},
    {"reasoning_content", ROLE_ASSISTANT, shape_string},
    {"reasoning_details", ROLE_ASSISTANT, shape_anything},
};

static const struct role *role_of(const struct json *json, const struct json_token *name)
{
    for (size_t index = 0; index < COUNT(roles); index++) {
        if (json_string_is(json, name, roles[index].name)) {
            return &roles[index];
        }
    }
    return &unknown_role;
}

static enum status read_message(struct shape_walk *walk, const struct json_token *message)
{
    const struct json *json = walk->json;
    const struct json_token *name;
    const struct json_token *content;
    const struct role *role;
    enum status status = STATUS_OK;

    if (message->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object");
    }
    name = json_member(json, message, "role");
    if (name == NULL || name->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, "role", "must be a string");
    }
    role = role_of(json, name);
    content = json_member(json, message, "content");
    if (role->content_required && (content == NULL || content->type == JSON_NULL)) {
        return shape_refuse(walk, STATUS_MALFORMED, "content", "is missing");
    }
    extract_begin(walk->extract, role->scope);
    if (role == &unknown_role) {
        status = shape_unknown(walk, name, "role"); /* its name may reach the model too */
    }
    if (status == STATUS_OK) {
        status = shape_members(walk, message, message_members, COUNT(message_members), role->bit);
    }
    extract_end(walk->extract);
    return status;
}

static enum status read_messages(struct shape_walk *walk, const struct json_token *messages)
{
    enum status status = STATUS_OK;

    if (messages == NULL || messages->type != JSON_ARRAY || messages->count == 0) {
        return shape_refuse(walk, STATUS_MALFORMED, "messages", "must be an array of at least one message");
    }
    if (messages->count > CHAT_MESSAGES_MAX) {
        return shape_refuse(walk, STATUS_MALFORMED, "messages", "has too many messages");
    }
    walk->array = "messages";
    for (const struct json_token *message = json_first(walk->json, messages); message != NULL && status == STATUS_OK;
         message = json_after(walk->json, messages, message)) {
        status = read_message(walk, message);
        walk->index++;
    }
    return status;
}

static bool is_setting(const struct json *json, const struct json_token *key)
{
    for (size_t index = 0; index < COUNT(settings); index++) {
        if (json_string_is(json, key, settings[index])) {
            return true;
        }
    }
    return false;
}

static enum status read_root(struct shape_walk *walk, struct chat_request *out)
{
    const struct json *json = walk->json;
    const struct json_token *root = &json->tokens[0];
    const struct json_token *stream = NULL;

    if (root->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "the body must be a JSON object");
    }
    extract_begin(walk->extract, 0);
    for (const struct json_token *key = json_first(json, root); key != NULL; key = json_after(json, root, key)) {
        const struct json_token *value = json_value(json, key);

        if (json_string_is(json, key, "model")) {
            out->model = value;
        } else if (json_string_is(json, key, "messages")) {
            out->messages = value;
        } else if (json_string_is(json, key, "stream")) {
            stream = value;
        } else if (!is_setting(json, key)) {
            extract_strings(walk->extract, json, value);
        }
    }
    extract_end(walk->extract);
    if (out->model == NULL || out->model->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, "model", "must be a string");
    }
    if (stream != NULL && stream->type != JSON_TRUE && stream->type != JSON_FALSE && stream->type != JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, "stream", "must be true or false");
    }
    out->stream = stream != NULL && stream->type == JSON_TRUE;
    return read_messages(walk, out->messages);
}

static void explain_json(const struct json *json, enum status status, struct problem *problem)
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

enum status chat_request_read(struct json *json, struct bytes body, enum unknown_choice unknown,
                              struct extract *extract, struct chat_request *out, struct problem *problem)
{
    struct shape_walk walk = {.json = json, .extract = extract, .problem = problem, .unknown = unknown};
    struct chat_request request = {.model = NULL};
    enum status status = json_read(json, body, JSON_REFUSE_DUPLICATES);

    assert(extract != NULL && out != NULL && problem != NULL);
    if (status != STATUS_OK) {
        explain_json(json, status, problem);
        return status;
    }
    status = read_root(&walk, &request);
    if (status != STATUS_OK) {
        return status;
    }
    status = extract_finish(extract, &request.extracted);
    if (status != STATUS_OK) {
        explain_extract(status, problem);
        return status;
    }
    *out = request;
    return STATUS_OK;
}

/* chat_request: the tables of the openai_chat dialect, and its walk from the body to the parts of a message. */
#include "gateway/format/chat_request.h"

#include "gateway/format/shape.h"

#include <stdbool.h>

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

static enum status read_file(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"filename", SHAPE_ANY, shape_file_name},
        {"file_data", SHAPE_ANY, shape_file},
        {"file_id", SHAPE_ANY, shape_file_id},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_part(struct shape_walk *walk, const struct json_token *part)
{
    /* A part has a member named like its type, and that is its content. */
    static const struct shape_kind kinds[] = {
        {"text", PART_TEXT, "text", 0},
        {"refusal", PART_REFUSAL, "refusal", 0},
        {"image_url", PART_IMAGE, "image_url", 0},
        {"input_audio", PART_AUDIO, "input_audio", 0},
        {"file", PART_FILE, "file", 0},
    };
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},          {"text", PART_TEXT, shape_text},
        {"refusal", PART_REFUSAL, shape_text},        {"image_url", PART_IMAGE, read_image},
        {"input_audio", PART_AUDIO, read_audio},      {"file", PART_FILE, read_file},
        {"cache_control", SHAPE_ANY, shape_setting},  {"prompt_cache_breakpoint", SHAPE_ANY, shape_setting},
    };
    static const struct shape_item shape = {kinds, COUNT(kinds), members, COUNT(members)};

    return shape_item(walk, part, &shape);
}

SHAPE_CONTENT(read_content, read_part)

static enum status read_function(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"name", SHAPE_ANY, shape_called_text},
        {"arguments", SHAPE_ANY, shape_called_json},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_custom(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"name", SHAPE_ANY, shape_called_text},
        {"input", SHAPE_ANY, shape_called_text},
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

SHAPE_LIST(read_tool_calls, read_tool_call)

/* An earlier answer by its id; or what it said, from servers that want it so. */
static enum status read_spoken(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"id", SHAPE_ANY, shape_identifier},
        {"data", SHAPE_ANY, shape_audio},
        {"transcript", SHAPE_ANY, shape_text},
        {"expires_at", SHAPE_ANY, shape_setting},
    };

    extract_count(walk->extract, MEDIA_AUDIO);
    return shape_inner(walk, value, name, members, COUNT(members));
}

static const struct shape_member message_members[] = {
    {"role", SHAPE_ANY, shape_anything},
    {"content", SHAPE_ANY, read_content},
    {"name", SHAPE_ANY, shape_line},
    {"cache_control", SHAPE_ANY, shape_setting},
    {"tool_call_id", ROLE_TOOL, shape_identifier},
    {"refusal", ROLE_ASSISTANT, shape_text},
    {"tool_calls", ROLE_ASSISTANT, read_tool_calls},
    {"function_call", ROLE_ASSISTANT, read_function},
    {"audio", ROLE_ASSISTANT, read_spoken},
    {"annotations", ROLE_ASSISTANT, shape_values},
    {"reasoning", ROLE_ASSISTANT, shape_thoughts},
    {"reasoning_content", ROLE_ASSISTANT, shape_thoughts},
    {"reasoning_details", ROLE_ASSISTANT, shape_thoughts},
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

enum status chat_request_message(struct shape_walk *walk, const struct json_token *message)
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

SHAPE_MESSAGES(read_messages, chat_request_message)

/* NULL: strings that no model reads. What it may read beside its messages is not here: prediction, documents,
 * chat_template_kwargs. Numbers and booleans are no text and need no place. */
static const struct shape_field fields[] = {
    {"model", NULL},
    {"stream", NULL},
    {"messages", read_messages},
    {"audio", NULL},
    {"function_call", shape_root_setting},
    {"functions", shape_root_definitions},
    {"metadata", NULL},
    {"modalities", NULL},
    {"models", NULL},
    {"moderation", shape_root_setting},
    {"prompt_cache_key", NULL},
    {"prompt_cache_options", NULL},
    {"provider", NULL},
    {"reasoning", NULL},
    {"prompt_cache_retention", NULL},
    {"reasoning_effort", NULL},
    {"response_format", shape_root_definitions},
    {"service_tier", NULL},
    {"safety_identifier", NULL},
    {"stop", NULL},
    {"stream_options", NULL},
    {"thinking", NULL},
    {"tool_choice", shape_root_setting},
    {"tools", shape_root_definitions},
    {"user", NULL},
    {"verbosity", NULL},
    {"web_search_options", shape_root_setting},
};

enum status chat_request_walk(struct shape_walk *walk, const struct json_token *root)
{
    return shape_conversation(walk, root, "messages", fields, COUNT(fields));
}

/* gemini_request: the tables of the gemini_chat dialect, and its walk from the body to the parts of a function's result. */
#include "gateway/format/gemini_request.h"

#include <stdbool.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The two spellings of one member. */
#define EITHER(camel, snake, owners, read) {camel, owners, read}, {snake, owners, read}

enum { PART_USER = 1 << 0, PART_MODEL = 1 << 1, PART_THOUGHT = 1 << 2, PART_MODELS = PART_MODEL | PART_THOUGHT };

/* A member in either spelling. STATUS_MALFORMED when both are there: the server takes one of them, who knows which. */
static enum status find_either(struct shape_walk *walk, const struct json_token *object, const char *camel,
                               const char *snake, const struct json_token **out)
{
    const struct json_token *value = json_member(walk->json, object, camel);
    const struct json_token *other = json_member(walk->json, object, snake);

    if (value != NULL && other != NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, camel, "is there twice");
    }
    *out = value != NULL ? value : other;
    return STATUS_OK;
}

/* Base64 with its media type beside it. */
static enum status read_inline_data(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        EITHER("mimeType", "mime_type", SHAPE_ANY, shape_identifier),
        EITHER("displayName", "display_name", SHAPE_ANY, shape_file_name),
        {"data", SHAPE_ANY, shape_string}, /* read below */
    };
    const struct json_token *type = NULL;
    const struct json_token *data;
    enum status status = shape_inner(walk, value, name, members, COUNT(members));

    if (status != STATUS_OK || value->type != JSON_OBJECT) {
        return status;
    }
    shape_enter(walk, name);
    status = find_either(walk, value, "mimeType", "mime_type", &type);
    data = json_member(walk->json, value, "data");
    if (status == STATUS_OK && data != NULL && data->type == JSON_STRING &&
        !extract_encoded_as(walk->extract, walk->json, data, type)) {
        status = shape_unknown(walk, data, "data");
    }
    shape_leave(walk);
    return status;
}

static enum status read_file_data(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        EITHER("mimeType", "mime_type", SHAPE_ANY, shape_identifier),
        EITHER("fileUri", "file_uri", SHAPE_ANY, shape_file_name),
        EITHER("displayName", "display_name", SHAPE_ANY, shape_file_name),
    };

    extract_count(walk->extract, MEDIA_FILE);
    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_result_part(struct shape_walk *walk, const struct json_token *part)
{
    static const struct shape_member members[] = {
        {"text", SHAPE_ANY, shape_text},
        EITHER("inlineData", "inline_data", SHAPE_ANY, read_inline_data),
        EITHER("fileData", "file_data", SHAPE_ANY, read_file_data),
    };

    if (part->type != JSON_OBJECT) {
        return shape_wrong_type(walk, part, NULL, "must be an object");
    }
    return shape_members(walk, part, members, COUNT(members), SHAPE_ANY);
}

SHAPE_LIST(read_result_parts, read_result_part)

/* An object inside a part whose text is the tool's. */
static enum status read_result(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"id", SHAPE_ANY, shape_identifier},
        {"name", SHAPE_ANY, shape_line},
        EITHER("toolType", "tool_type", SHAPE_ANY, shape_identifier),
        {"response", SHAPE_ANY, shape_values},
        {"parts", SHAPE_ANY, read_result_parts},
        {"scheduling", SHAPE_ANY, shape_identifier},
        EITHER("willContinue", "will_continue", SHAPE_ANY, shape_setting),
        {"outcome", SHAPE_ANY, shape_identifier},
        {"output", SHAPE_ANY, shape_line},
    };
    unsigned role = extract_role(walk->extract, SCOPE_TOOL);
    enum status status = shape_inner(walk, value, name, members, COUNT(members));

    (void)extract_role(walk->extract, role);
    return status;
}

/* What a tool of any kind is called by and with. */
static enum status read_call(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"id", SHAPE_ANY, shape_identifier},
        {"name", SHAPE_ANY, shape_called_text},
        {"args", SHAPE_ANY, shape_called},
        EITHER("partialArgs", "partial_args", SHAPE_ANY, shape_called),
        EITHER("willContinue", "will_continue", SHAPE_ANY, shape_setting),
        EITHER("toolType", "tool_type", SHAPE_ANY, shape_identifier),
        {"language", SHAPE_ANY, shape_identifier},
        {"code", SHAPE_ANY, shape_called_text},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_part(struct shape_walk *walk, const struct json_token *part, unsigned owner)
{
    static const struct shape_member members[] = {
        {"text", PART_USER | PART_MODEL, shape_text},
        {"text", PART_THOUGHT, shape_thoughts},
        {"thought", SHAPE_ANY, shape_unknown},
        EITHER("inlineData", "inline_data", SHAPE_ANY, read_inline_data),
        EITHER("fileData", "file_data", SHAPE_ANY, read_file_data),
        EITHER("functionResponse", "function_response", SHAPE_ANY, read_result),
        EITHER("toolResponse", "tool_response", SHAPE_ANY, read_result),
        EITHER("codeExecutionResult", "code_execution_result", SHAPE_ANY, read_result),
        EITHER("functionCall", "function_call", PART_MODELS, read_call),
        EITHER("toolCall", "tool_call", PART_MODELS, read_call),
        EITHER("executableCode", "executable_code", PART_MODELS, read_call),
        EITHER("thoughtSignature", "thought_signature", SHAPE_ANY, shape_sealed),
        EITHER("videoMetadata", "video_metadata", SHAPE_ANY, shape_setting),
        EITHER("mediaResolution", "media_resolution", SHAPE_ANY, shape_setting),
        EITHER("partMetadata", "part_metadata", SHAPE_ANY, shape_values),
    };

    if (part->type == JSON_STRING) {
        return shape_text(walk, part, NULL); /* the SDKs' short form */
    }
    if (part->type != JSON_OBJECT) {
        return shape_wrong_type(walk, part, NULL, "must be an object");
    }
    return shape_members(walk, part, members, COUNT(members), owner);
}

static enum status read_user_part(struct shape_walk *walk, const struct json_token *part)
{
    return read_part(walk, part, PART_USER);
}

/* What the model thought is not judged, as little as other assistants' reasoning; others cannot think in its name. */
static enum status read_model_part(struct shape_walk *walk, const struct json_token *part)
{
    const struct json_token *thought = part->type == JSON_OBJECT ? json_member(walk->json, part, "thought") : NULL;

    return read_part(walk, part, thought != NULL && thought->type == JSON_TRUE ? PART_THOUGHT : PART_MODEL);
}

SHAPE_LIST(read_user_parts, read_user_part)

SHAPE_LIST(read_model_parts, read_model_part)

static const struct role {
    const char *name;
    unsigned bit;
    unsigned scope;
} roles[] = {{"user", PART_USER, SCOPE_USER}, {"model", PART_MODEL, SCOPE_ASSISTANT}, {"function", PART_USER, SCOPE_USER}};

/* A role that we do not know may be one that the upstream does: its parts are read as a user's. */
static const struct role unknown_role = {"", PART_USER, 0};

static const struct role *role_of(const struct json *json, const struct json_token *name)
{
    if (name == NULL || name->type == JSON_NULL) {
        return &roles[0];
    }
    for (size_t index = 0; index < COUNT(roles); index++) {
        if (json_string_is(json, name, roles[index].name)) {
            return &roles[index];
        }
    }
    return &unknown_role;
}

static const struct shape_member content_members[] = {
    {"role", SHAPE_ANY, shape_anything},
    {"parts", PART_USER, read_user_parts},
    {"parts", PART_MODEL, read_model_parts},
};

enum status gemini_request_content(struct shape_walk *walk, const struct json_token *content)
{
    const struct json_token *name;
    const struct role *role;
    enum status status = STATUS_OK;

    if (content->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object");
    }
    name = json_member(walk->json, content, "role");
    if (name != NULL && name->type != JSON_STRING && name->type != JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, "role", "must be a string");
    }
    role = role_of(walk->json, name);
    extract_begin(walk->extract, role->scope);
    if (role == &unknown_role) {
        status = shape_unknown(walk, name, "role"); /* its name may reach the model too */
    }
    if (status == STATUS_OK) {
        status = shape_members(walk, content, content_members, COUNT(content_members), role->bit);
    }
    extract_end(walk->extract);
    return status;
}

SHAPE_MESSAGES(read_contents, gemini_request_content)

/* A content whose role is ignored, or a string. */
static enum status read_system(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"role", SHAPE_ANY, shape_setting},
        {"parts", SHAPE_ANY, read_user_parts},
    };
    enum status status;

    extract_begin(walk->extract, SCOPE_SYSTEM);
    if (value->type == JSON_STRING) {
        status = shape_text(walk, value, name);
    } else if (value->type == JSON_OBJECT) {
        status = shape_inner(walk, value, name, members, COUNT(members));
    } else {
        status = shape_wrong_type(walk, value, name, "must be an object");
    }
    extract_end(walk->extract);
    return status;
}

static enum status read_whole_request(struct shape_walk *walk, const struct json_token *value, const char *name);

/* NULL: strings that no model reads. */
static const struct shape_field fields[] = {
    {"contents", read_contents},
    {"systemInstruction", read_system},
    {"system_instruction", read_system},
    {"model", NULL}, /* the path's counts */
    {"cachedContent", NULL},
    {"cached_content", NULL},
    {"generationConfig", shape_root_definitions},
    {"generation_config", shape_root_definitions},
    {"labels", NULL},
    {"safetySettings", NULL},
    {"safety_settings", NULL},
    {"serviceTier", NULL},
    {"service_tier", NULL},
    {"toolConfig", shape_root_setting},
    {"tool_config", shape_root_setting},
    {"tools", shape_root_definitions},
    {"generateContentRequest", read_whole_request},
    {"generate_content_request", read_whole_request},
};

enum { INNER_FIELDS = COUNT(fields) - 2 }; /* a request holds no further one */

/* Its contents need not be there: to count the tokens of a system instruction alone. */
static enum status read_whole_request(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    if (value->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must be an object");
    }
    shape_enter(walk, name);
    status = shape_root(walk, value, fields, INNER_FIELDS);
    shape_leave(walk);
    return status;
}

enum status gemini_request_walk(struct shape_walk *walk, const struct json_token *root)
{
    const struct json_token *whole;
    const struct json_token *contents = json_member(walk->json, root, "contents");
    enum status status = find_either(walk, root, "generateContentRequest", "generate_content_request", &whole);

    if (status == STATUS_OK && whole == NULL && (contents == NULL || contents->type == JSON_NULL)) {
        status = shape_refuse(walk, STATUS_MALFORMED, "contents", "is missing");
    }
    return status == STATUS_OK ? shape_root(walk, root, fields, COUNT(fields)) : status;
}

/* responses_request: the tables of the openai_responses dialect, and its walk from the body to the parts of an item. */
#include "gateway/format/responses_request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    PART_TEXT = 1 << 0,
    PART_REFUSAL = 1 << 1,
    PART_IMAGE = 1 << 2,
    PART_FILE = 1 << 3,
    PART_AUDIO = 1 << 4,

    ITEM_MESSAGE = 1 << 0,
    ITEM_CALL = 1 << 1,   /* what a tool is called with */
    ITEM_OUTPUT = 1 << 2, /* what it returned */
    ITEM_SHELL = 1 << 3,  /* the same in a shape of the tool's own */
    ITEM_HOSTED = 1 << 4, /* a call and its results in one */
    ITEM_REASONING = 1 << 5,
    ITEM_REFERENCE = 1 << 6,
    ITEM_SEALED = 1 << 7, /* readable by the provider only */
    ITEM_TOOLS = 1 << 8,
};

static const struct {
    const char *name;
    unsigned scope;
} roles[] = {
    {"system", SCOPE_SYSTEM}, {"developer", SCOPE_SYSTEM}, {"user", SCOPE_USER}, {"assistant", SCOPE_ASSISTANT}};

static enum status read_input_audio(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"data", SHAPE_ANY, shape_audio},
        {"format", SHAPE_ANY, shape_identifier},
    };

    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_part(struct shape_walk *walk, const struct json_token *part)
{
    static const struct shape_kind kinds[] = {
        {"input_text", PART_TEXT, "text", 0},   {"output_text", PART_TEXT, "text", 0},
        {"summary_text", PART_TEXT, "text", 0}, {"refusal", PART_REFUSAL, "refusal", 0},
        {"input_image", PART_IMAGE, NULL, 0},   {"computer_screenshot", PART_IMAGE, NULL, 0},
        {"input_file", PART_FILE, NULL, 0},     {"input_audio", PART_AUDIO, "input_audio", 0},
    };
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},
        {"text", PART_TEXT, shape_text},
        {"annotations", PART_TEXT, shape_values},
        {"logprobs", PART_TEXT, shape_anything}, /* the text once more, which nobody reads */
        {"refusal", PART_REFUSAL, shape_text},
        {"image_url", PART_IMAGE, shape_image},
        {"file_id", PART_IMAGE, shape_image_id},
        {"detail", PART_IMAGE | PART_FILE, shape_identifier},
        {"filename", PART_FILE, shape_file_name},
        {"file_data", PART_FILE, shape_file},
        {"file_url", PART_FILE, shape_file_url},
        {"file_id", PART_FILE, shape_file_id},
        {"input_audio", PART_AUDIO, read_input_audio},
        {"prompt_cache_breakpoint", SHAPE_ANY, shape_setting},
    };
    static const struct shape_item shape = {kinds, COUNT(kinds), members, COUNT(members)};

    return shape_item(walk, part, &shape);
}

SHAPE_CONTENT(read_content, read_part)

/* What a tool returned: a string, parts, or one part. */
static enum status read_output(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return value->type == JSON_OBJECT ? read_part(walk, value) : shape_content(walk, value, name, read_part);
}

/* Of an image that was generated: bare base64. */
static enum status read_result(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type != JSON_STRING || !extract_encoded(walk->extract, walk->json, value, BYTES("image/"))) {
        return shape_unknown(walk, value, name);
    }
    return STATUS_OK;
}

static const struct shape_member item_members[] = {
    {"type", SHAPE_ANY, shape_anything},
    {"id", SHAPE_ANY, shape_identifier},
    {"status", SHAPE_ANY, shape_identifier},
    {"role", ITEM_MESSAGE, shape_anything},
    {"content", ITEM_MESSAGE, read_content},
    {"phase", ITEM_MESSAGE, shape_identifier},
    {"call_id", ITEM_CALL | ITEM_OUTPUT | ITEM_SHELL, shape_identifier},
    {"name", ITEM_CALL, shape_called_text},
    {"namespace", ITEM_CALL, shape_called_text},
    {"caller", ITEM_CALL | ITEM_OUTPUT | ITEM_SHELL, shape_setting},
    {"arguments", ITEM_CALL, shape_called_json},
    {"input", ITEM_CALL, shape_called_text},
    {"action", ITEM_CALL | ITEM_HOSTED, shape_called},
    {"actions", ITEM_CALL, shape_called},
    {"operation", ITEM_CALL, shape_called},
    {"environment", ITEM_CALL, shape_called},
    {"execution", ITEM_CALL | ITEM_SHELL, shape_identifier},
    {"pending_safety_checks", ITEM_CALL, shape_setting},
    {"output", ITEM_OUTPUT, read_output},
    {"output", ITEM_SHELL | ITEM_HOSTED, shape_values},
    {"acknowledged_safety_checks", ITEM_OUTPUT, shape_setting},
    {"max_output_length", ITEM_SHELL, shape_setting},
    {"approval_request_id", ITEM_SHELL, shape_identifier},
    {"reason", ITEM_SHELL, shape_line},
    {"tools", ITEM_SHELL | ITEM_HOSTED | ITEM_TOOLS, shape_definitions},
    {"role", ITEM_TOOLS, shape_identifier},
    {"arguments", ITEM_HOSTED, shape_called_json},
    {"approval_request_id", ITEM_HOSTED, shape_identifier},
    {"code", ITEM_HOSTED, shape_called_text},
    {"container_id", ITEM_HOSTED, shape_identifier},
    {"error", ITEM_HOSTED, shape_values},
    {"name", ITEM_HOSTED, shape_called_text},
    {"outputs", ITEM_HOSTED, shape_values},
    {"queries", ITEM_HOSTED, shape_called},
    {"result", ITEM_HOSTED, read_result},
    {"results", ITEM_HOSTED, shape_values},
    {"server_label", ITEM_HOSTED, shape_called_text},
    {"summary", ITEM_REASONING, shape_thoughts},
    {"content", ITEM_REASONING, shape_thoughts},
    {"encrypted_content", ITEM_REASONING | ITEM_SEALED, shape_sealed},
};

static const struct shape_kind item_kinds[] = {
    {"function_call", ITEM_CALL, NULL, 0},
    {"function_call_output", ITEM_OUTPUT, "output", SCOPE_TOOL},
    {"custom_tool_call", ITEM_CALL, NULL, 0},
    {"custom_tool_call_output", ITEM_OUTPUT, "output", SCOPE_TOOL},
    {"computer_call", ITEM_CALL, NULL, 0},
    {"computer_call_output", ITEM_OUTPUT, "output", SCOPE_TOOL},
    {"local_shell_call", ITEM_CALL, NULL, 0},
    {"local_shell_call_output", ITEM_SHELL, "output", SCOPE_TOOL},
    {"shell_call", ITEM_CALL, NULL, 0},
    {"shell_call_output", ITEM_SHELL, "output", SCOPE_TOOL},
    {"apply_patch_call", ITEM_CALL, NULL, 0},
    {"apply_patch_call_output", ITEM_SHELL, NULL, SCOPE_TOOL},
    {"tool_search_call", ITEM_CALL, NULL, 0},
    {"tool_search_output", ITEM_SHELL, NULL, SCOPE_TOOL},
    {"mcp_approval_response", ITEM_SHELL, NULL, SCOPE_TOOL},
    {"mcp_approval_request", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"mcp_call", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"mcp_list_tools", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"web_search_call", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"file_search_call", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"code_interpreter_call", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"image_generation_call", ITEM_HOSTED, NULL, SCOPE_TOOL},
    {"reasoning", ITEM_REASONING, NULL, 0},
    {"item_reference", ITEM_REFERENCE, "id", 0},
    {"compaction", ITEM_SEALED, NULL, 0},
    {"additional_tools", ITEM_TOOLS, NULL, 0},
};
static const struct shape_item item_shape = {item_kinds, COUNT(item_kinds), item_members, COUNT(item_members)};

/* A message may leave its type out. A role that we do not know may be one that the upstream does. */
static enum status read_message(struct shape_walk *walk, const struct json_token *item, const struct json_token *role)
{
    const struct json_token *content = json_member(walk->json, item, "content");
    unsigned scope = 0;
    enum status status = STATUS_OK;

    if (role->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, "role", "must be a string");
    }
    if (content == NULL || content->type == JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, "content", "is missing");
    }
    for (size_t index = 0; index < COUNT(roles); index++) {
        if (json_string_is(walk->json, role, roles[index].name)) {
            scope = roles[index].scope;
        }
    }
    extract_begin(walk->extract, scope);
    if (scope == 0) {
        status = shape_unknown(walk, role, "role"); /* its name may reach the model too */
    }
    if (status == STATUS_OK) {
        status = shape_members(walk, item, item_members, COUNT(item_members), ITEM_MESSAGE);
    }
    extract_end(walk->extract);
    return status;
}

enum status responses_request_item(struct shape_walk *walk, const struct json_token *item)
{
    const struct json_token *type = item->type == JSON_OBJECT ? json_member(walk->json, item, "type") : NULL;
    const struct json_token *role = item->type == JSON_OBJECT ? json_member(walk->json, item, "role") : NULL;
    bool typed = type != NULL && type->type != JSON_NULL;
    enum status status;

    if (role != NULL && (!typed || (type->type == JSON_STRING && json_string_is(walk->json, type, "message")))) {
        return read_message(walk, item, role);
    }
    if (typed && type->type == JSON_STRING && json_string_is(walk->json, type, "message")) {
        return shape_refuse(walk, STATUS_MALFORMED, "role", "must be a string");
    }
    extract_begin(walk->extract, SCOPE_USER);
    if (item->type == JSON_OBJECT && !typed && item->count == 1 && json_member(walk->json, item, "id") != NULL) {
        status = shape_members(walk, item, item_members, COUNT(item_members), ITEM_REFERENCE);
    } else {
        status = shape_item(walk, item, &item_shape);
    }
    extract_end(walk->extract);
    return status;
}

static enum status read_input(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    if (value->type == JSON_ARRAY) {
        return shape_messages(walk, value, name, responses_request_item);
    }
    extract_begin(walk->extract, SCOPE_USER);
    status = shape_text(walk, value, name);
    extract_end(walk->extract);
    return status;
}

static enum status read_instructions(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(walk->extract, SCOPE_SYSTEM);
    status = shape_content(walk, value, name, read_part);
    extract_end(walk->extract);
    return status;
}

/* What is put into a prompt that the provider keeps: strings or parts, under names of the caller's own. */
static enum status read_variables(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status = STATUS_OK;

    if (value->type != JSON_OBJECT) {
        return shape_wrong_type(walk, value, name, "must be an object");
    }
    for (const struct json_token *key = json_first(walk->json, value); key != NULL && status == STATUS_OK;
         key = json_after(walk->json, value, key)) {
        const struct json_token *variable = json_value(walk->json, key);

        status = variable->type == JSON_STRING ? shape_line(walk, variable, name) : read_part(walk, variable);
    }
    return status;
}

static enum status read_prompt(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"id", SHAPE_ANY, shape_identifier},
        {"version", SHAPE_ANY, shape_identifier},
        {"variables", SHAPE_ANY, read_variables},
    };
    enum status status;

    extract_begin(walk->extract, SCOPE_SYSTEM);
    status = shape_inner(walk, value, name, members, COUNT(members));
    extract_end(walk->extract);
    return status;
}

/* NULL: strings that no model reads. */
static const struct shape_field fields[] = {
    {"model", NULL},
    {"stream", NULL},
    {"input", read_input},
    {"instructions", read_instructions},
    {"prompt", read_prompt},
    {"context_management", shape_root_setting},
    {"conversation", NULL},
    {"include", NULL},
    {"metadata", NULL},
    {"moderation", shape_root_setting},
    {"previous_response_id", NULL},
    {"prompt_cache_key", NULL},
    {"prompt_cache_options", NULL},
    {"prompt_cache_retention", NULL},
    {"reasoning", NULL},
    {"safety_identifier", NULL},
    {"service_tier", NULL},
    {"stream_options", NULL},
    {"text", shape_root_definitions},
    {"tool_choice", shape_root_setting},
    {"tools", shape_root_definitions},
    {"truncation", NULL},
    {"user", NULL},
};

/* One of them says what is to be answered. */
static bool has_input(const struct json *json, const struct json_token *root)
{
    static const char *const inputs[] = {"input", "prompt", "previous_response_id", "conversation"};

    for (size_t index = 0; index < COUNT(inputs); index++) {
        const struct json_token *value = json_member(json, root, inputs[index]);

        if (value != NULL && value->type != JSON_NULL) {
            return true;
        }
    }
    return false;
}

enum status responses_request_walk(struct shape_walk *walk, const struct json_token *root)
{
    enum status status = shape_find_string(walk, root, "model", &walk->model); /* a stored prompt may name it */

    if (status == STATUS_OK) {
        status = shape_find_flag(walk, root, "stream", &walk->stream);
    }
    if (status == STATUS_OK && !has_input(walk->json, root)) {
        status = shape_refuse(walk, STATUS_MALFORMED, "input", "is missing");
    }
    return status == STATUS_OK ? shape_root(walk, root, fields, COUNT(fields)) : status;
}

/* claude_request: the tables of the claude_chat dialect, and its walk from the body to the sources of a document.
 *
 *   messages[i].content[j]                    a block
 *     .content[k]                             of a tool's result, a document, a search result
 *       .source.content[l]                    of a document
 */
#include "gateway/format/claude_request.h"

#include "proto/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    BLOCK_TEXT = 1 << 0,
    BLOCK_IMAGE = 1 << 1,
    BLOCK_DOCUMENT = 1 << 2,
    BLOCK_SEARCH = 1 << 3,
    BLOCK_RESULT = 1 << 4,
    BLOCK_UPLOAD = 1 << 5,
    BLOCK_SYSTEM = 1 << 6,
    BLOCK_REFERENCE = 1 << 7,
    BLOCK_CALL = 1 << 8,
    BLOCK_SERVED = 1 << 9, /* the result of a tool of the server's */
    BLOCK_THINKING = 1 << 10,
    BLOCK_SUMMARY = 1 << 11,

    SOURCE_TEXT = 1 << 0,
    SOURCE_ENCODED = 1 << 1,
    SOURCE_URL = 1 << 2,
    SOURCE_FILE = 1 << 3,
    SOURCE_CONTENT = 1 << 4,
};

/* The strings of a citation: what was cited, and from where. */
static enum status read_citations(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    extract_values(walk->extract, walk->json, value, ENCODED_COUNTED);
    return STATUS_OK;
}

/* Text that holds nothing further: of a system prompt, a search result, a document's content. */
static enum status read_text_block(struct shape_walk *walk, const struct json_token *block)
{
    static const struct shape_kind kinds[] = {{"text", BLOCK_TEXT, "text", 0}};
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},
        {"text", BLOCK_TEXT, shape_text},
        {"citations", BLOCK_TEXT, read_citations},
        {"cache_control", SHAPE_ANY, shape_setting},
    };
    static const struct shape_item shape = {kinds, COUNT(kinds), members, COUNT(members)};

    return shape_item(walk, block, &shape);
}

SHAPE_CONTENT(read_texts, read_text_block)

/* Base64, which the member beside it says the type of. */
static enum status read_data(struct shape_walk *walk, const struct json_token *source, const struct json_token *data)
{
    if (data == NULL || data->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, "data", "must be a string");
    }
    if (!extract_encoded_as(walk->extract, walk->json, data, json_member(walk->json, source, "media_type"))) {
        return shape_unknown(walk, data, "data");
    }
    return STATUS_OK;
}

static enum status read_image_source(struct shape_walk *walk, const struct json_token *value, const char *name);

/* An image beside text in the content of a document. */
static enum status read_source_block(struct shape_walk *walk, const struct json_token *block)
{
    static const struct shape_kind kinds[] = {{"text", BLOCK_TEXT, "text", 0}, {"image", BLOCK_IMAGE, "source", 0}};
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},          {"text", BLOCK_TEXT, shape_text},
        {"citations", BLOCK_TEXT, read_citations},    {"source", BLOCK_IMAGE, read_image_source},
        {"cache_control", SHAPE_ANY, shape_setting},
    };
    static const struct shape_item shape = {kinds, COUNT(kinds), members, COUNT(members)};

    return shape_item(walk, block, &shape);
}

SHAPE_CONTENT(read_source_content, read_source_block)

static const struct shape_kind source_kinds[] = {
    {"base64", SOURCE_ENCODED, "data", 0}, {"url", SOURCE_URL, "url", 0},      {"file", SOURCE_FILE, "file_id", 0},
    {"text", SOURCE_TEXT, "data", 0},      {"content", SOURCE_CONTENT, "content", 0},
};

enum { IMAGE_SOURCES = 3 }; /* the first ones: an image has no text */

static const struct shape_member source_members[] = {
    {"url", SOURCE_URL, shape_file_url},
    {"type", SHAPE_ANY, shape_anything},
    {"media_type", SHAPE_ANY, shape_identifier},
    {"data", SOURCE_TEXT, shape_line},
    {"data", SOURCE_ENCODED, shape_anything}, /* see read_source_of */
    {"file_id", SOURCE_FILE, shape_file_id},
    {"content", SOURCE_CONTENT, read_source_content},
};

static const struct shape_item document_source = {source_kinds, COUNT(source_kinds), source_members, COUNT(source_members)};

static enum status read_source_of(struct shape_walk *walk, const struct json_token *value, const char *name,
                                  const struct shape_item *shape)
{
    const struct json_token *type;
    enum status status;

    if (value->type != JSON_OBJECT) {
        return shape_wrong_type(walk, value, name, "must be an object");
    }
    shape_enter(walk, name);
    status = shape_item(walk, value, shape);
    type = json_member(walk->json, value, "type");
    if (status == STATUS_OK && type != NULL && type->type == JSON_STRING &&
        json_string_is(walk->json, type, "base64")) {
        status = read_data(walk, value, json_member(walk->json, value, "data"));
    }
    shape_leave(walk);
    return status;
}

static enum status read_image_source(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},      {"media_type", SHAPE_ANY, shape_identifier},
        {"data", SOURCE_ENCODED, shape_anything}, {"url", SOURCE_URL, shape_image},
        {"file_id", SOURCE_FILE, shape_image_id},
    };
    static const struct shape_item shape = {source_kinds, IMAGE_SOURCES, members, COUNT(members)};

    return read_source_of(walk, value, name, &shape);
}

static enum status read_document_source(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_source_of(walk, value, name, &document_source);
}

/* The blocks that the content of a tool's result may hold too are the first ones. */
static const struct shape_kind block_kinds[] = {
    {"text", BLOCK_TEXT, "text", 0},
    {"image", BLOCK_IMAGE, "source", 0},
    {"document", BLOCK_DOCUMENT, "source", SCOPE_DOCUMENT},
    {"search_result", BLOCK_SEARCH, "content", SCOPE_DOCUMENT},
    {"tool_reference", BLOCK_REFERENCE, NULL, 0},
    {"tool_result", BLOCK_RESULT, NULL, SCOPE_TOOL},
    {"container_upload", BLOCK_UPLOAD, NULL, 0},
    {"mid_conv_system", BLOCK_SYSTEM, "content", SCOPE_SYSTEM},
    {"web_search_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"web_fetch_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"code_execution_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"bash_code_execution_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"text_editor_code_execution_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"tool_search_tool_result", BLOCK_SERVED, NULL, SCOPE_TOOL},
    {"mcp_tool_result", BLOCK_RESULT, NULL, SCOPE_TOOL},
    {"compaction", BLOCK_SUMMARY, NULL, 0},
    {"tool_use", BLOCK_CALL, NULL, 0},
    {"server_tool_use", BLOCK_CALL, NULL, 0},
    {"mcp_tool_use", BLOCK_CALL, NULL, 0},
    {"thinking", BLOCK_THINKING, NULL, 0},
    {"redacted_thinking", BLOCK_THINKING, NULL, 0},
};

enum { RESULT_BLOCKS = 5, USER_BLOCKS = COUNT(block_kinds) - 5 }; /* the last ones are the assistant's only */

/* In the result of a tool everything is the tool's. */
static const struct shape_kind result_kinds[RESULT_BLOCKS] = {
    {"text", BLOCK_TEXT, "text", 0},
    {"image", BLOCK_IMAGE, "source", 0},
    {"document", BLOCK_DOCUMENT, "source", 0},
    {"search_result", BLOCK_SEARCH, "content", 0},
    {"tool_reference", BLOCK_REFERENCE, NULL, 0},
};

/* Members of the blocks that both may hold. */
/* clang-format off */
#define SHARED_MEMBERS                                             \
    {"type", SHAPE_ANY, shape_anything},                           \
    {"cache_control", SHAPE_ANY, shape_setting},                   \
    {"text", BLOCK_TEXT, shape_text},                              \
    {"citations", BLOCK_TEXT, read_citations},                     \
    {"citations", BLOCK_DOCUMENT | BLOCK_SEARCH, shape_setting},   \
    {"source", BLOCK_IMAGE, read_image_source},                    \
    {"source", BLOCK_DOCUMENT, read_document_source},              \
    {"source", BLOCK_SEARCH, shape_line},                          \
    {"title", BLOCK_DOCUMENT | BLOCK_SEARCH, shape_line},          \
    {"context", BLOCK_DOCUMENT, shape_line},                       \
    {"content", BLOCK_SEARCH, read_texts},                         \
    {"tool_name", BLOCK_REFERENCE, shape_line}
/* clang-format on */

static enum status read_result_block(struct shape_walk *walk, const struct json_token *block)
{
    static const struct shape_member members[] = {SHARED_MEMBERS};
    static const struct shape_item shape = {result_kinds, COUNT(result_kinds), members, COUNT(members)};

    return shape_item(walk, block, &shape);
}

SHAPE_CONTENT(read_result, read_result_block)

/* What a tool of the server's returned: shapes of their own, with pages in base64 and text that only the server reads. */
static enum status read_served(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    extract_values(walk->extract, walk->json, value, ENCODED_COUNTED);
    return STATUS_OK;
}

static const struct shape_member block_members[] = {
    SHARED_MEMBERS,
    {"tool_use_id", BLOCK_RESULT | BLOCK_SERVED, shape_identifier},
    {"content", BLOCK_RESULT, read_result},
    {"content", BLOCK_SERVED, read_served},
    {"caller", BLOCK_CALL | BLOCK_SERVED, shape_setting},
    {"file_id", BLOCK_UPLOAD, shape_file_id},
    {"content", BLOCK_SYSTEM | BLOCK_SUMMARY, read_texts},
    {"encrypted_content", BLOCK_SUMMARY, shape_sealed},
    {"id", BLOCK_CALL, shape_identifier},
    {"name", BLOCK_CALL, shape_called_text},
    {"server_name", BLOCK_CALL, shape_called_text},
    {"input", BLOCK_CALL, shape_called},
    {"thinking", BLOCK_THINKING, shape_thoughts},
    {"signature", BLOCK_THINKING, shape_sealed},
    {"data", BLOCK_THINKING, shape_sealed},
};

static enum status read_user_block(struct shape_walk *walk, const struct json_token *block)
{
    static const struct shape_item shape = {block_kinds, USER_BLOCKS, block_members, COUNT(block_members)};

    return shape_item(walk, block, &shape);
}

static enum status read_assistant_block(struct shape_walk *walk, const struct json_token *block)
{
    static const struct shape_item shape = {block_kinds, COUNT(block_kinds), block_members, COUNT(block_members)};

    return shape_item(walk, block, &shape);
}

SHAPE_CONTENT(read_user_content, read_user_block)

SHAPE_CONTENT(read_assistant_content, read_assistant_block)

enum status claude_request_answer(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_assistant_content(walk, value, name);
}

enum { ROLE_USER = 1 << 0, ROLE_ASSISTANT = 1 << 1 };

static const struct role {
    const char *name;
    unsigned bit;
    unsigned scope;
} roles[] = {{"user", ROLE_USER, SCOPE_USER},
             {"assistant", ROLE_ASSISTANT, SCOPE_ASSISTANT},
             {"system", ROLE_USER, SCOPE_SYSTEM}};

/* A role that we do not know may be one that the upstream does: its message is read as a user's. */
static const struct role unknown_role = {"", ROLE_USER, 0};

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
    static const struct shape_member members[] = {
        {"role", SHAPE_ANY, shape_anything},
        {"content", ROLE_USER, read_user_content},
        {"content", ROLE_ASSISTANT, read_assistant_content},
    };
    const struct json_token *name;
    const struct json_token *content;
    const struct role *role;
    enum status status = STATUS_OK;

    if (message->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object");
    }
    name = json_member(walk->json, message, "role");
    if (name == NULL || name->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, "role", "must be a string");
    }
    content = json_member(walk->json, message, "content");
    if (content == NULL || content->type == JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, "content", "is missing");
    }
    role = role_of(walk->json, name);
    extract_begin(walk->extract, role->scope);
    if (role == &unknown_role) {
        status = shape_unknown(walk, name, "role"); /* its name may reach the model too */
    }
    if (status == STATUS_OK) {
        status = shape_members(walk, message, members, COUNT(members), role->bit);
    }
    extract_end(walk->extract);
    return status;
}

SHAPE_MESSAGES(read_messages, read_message)

static enum status read_system(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(walk->extract, SCOPE_SYSTEM);
    status = shape_content(walk, value, name, read_text_block);
    extract_end(walk->extract);
    return status;
}

/* NULL: strings that no model reads. */
static const struct shape_field fields[] = {
    {"model", NULL},
    {"stream", NULL},
    {"messages", read_messages},
    {"system", read_system},
    {"anthropic_beta", NULL},
    {"anthropic_version", NULL},
    {"betas", NULL},
    {"cache_control", NULL},
    {"container", shape_root_setting},
    {"context_management", shape_root_setting},
    {"fallbacks", NULL},
    {"inference_geo", NULL},
    {"mcp_servers", NULL},
    {"metadata", NULL},
    {"output_config", shape_root_definitions},
    {"output_format", shape_root_definitions},
    {"service_tier", NULL},
    {"speed", NULL},
    {"stop_sequences", NULL},
    {"thinking", NULL},
    {"tool_choice", shape_root_setting},
    {"tools", shape_root_definitions},
};

enum status claude_request_walk(struct shape_walk *walk, const struct json_token *root)
{
    return shape_conversation(walk, root, "messages", fields, COUNT(fields));
}

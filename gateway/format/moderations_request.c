/* moderations_request: the shapes of `input`, strictly. */
#include "gateway/format/moderations_request.h"

#include "proto/limits.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PART_TEXT = 1 << 0, PART_IMAGE = 1 << 1 };

static enum status take_text(struct shape_walk *walk, const struct json_token *text, const char *name)
{
    if (text->start == text->end) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must not be empty");
    }
    extract_begin(walk->extract, SCOPE_USER);
    extract_text(walk->extract, walk->json, text);
    extract_end(walk->extract);
    return STATUS_OK;
}

static enum status read_item(struct shape_walk *walk, const struct json_token *item)
{
    if (item->type != JSON_STRING) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be a string, as the first one is");
    }
    return take_text(walk, item, NULL);
}

static enum status read_url(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type != JSON_STRING || !extract_media(walk->extract, walk->json, value, MEDIA_IMAGE)) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must be a web address or a data URL in base64");
    }
    return STATUS_OK;
}

static enum status read_image(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    static const struct shape_member members[] = {{"url", SHAPE_ANY, read_url}};
    const struct json_token *url = value->type == JSON_OBJECT ? json_member(walk->json, value, "url") : NULL;

    if (value->type == JSON_OBJECT && (url == NULL || url->type == JSON_NULL)) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "has no url");
    }
    return shape_inner(walk, value, name, members, COUNT(members));
}

static enum status read_part(struct shape_walk *walk, const struct json_token *part)
{
    static const struct shape_kind kinds[] = {
        {"text", PART_TEXT, "text", 0},
        {"image_url", PART_IMAGE, "image_url", 0},
    };
    static const struct shape_member members[] = {
        {"type", SHAPE_ANY, shape_anything},
        {"text", PART_TEXT, shape_text},
        {"image_url", PART_IMAGE, read_image},
    };
    static const struct shape_item shape = {kinds, COUNT(kinds), members, COUNT(members)};

    if (part->type != JSON_OBJECT) {
        return shape_refuse(walk, STATUS_MALFORMED, NULL, "must be an object, as the first one is");
    }
    return shape_item(walk, part, &shape);
}

static enum status read_parts(struct shape_walk *walk, const struct json_token *input)
{
    struct extract_result extracted;
    enum status status;

    extract_begin(walk->extract, SCOPE_USER);
    status = shape_list(walk, input, "input", read_part);
    extract_end(walk->extract);
    if (status == STATUS_OK && extract_finish(walk->extract, &extracted) == STATUS_OK && extracted.segment_count == 0) {
        return shape_refuse(walk, STATUS_UNSUPPORTED, "input", "has no text, and images are not judged here");
    }
    return status;
}

static enum status read_input(struct shape_walk *walk, const struct json_token *input)
{
    const struct json_token *first;

    if (input == NULL || input->type == JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, "input", "is missing");
    }
    if (input->type == JSON_STRING) {
        return take_text(walk, input, "input");
    }
    if (input->type != JSON_ARRAY) {
        return shape_refuse(walk, STATUS_MALFORMED, "input", "must be a string, or an array of strings or parts");
    }
    if (input->count == 0) {
        return shape_refuse(walk, STATUS_MALFORMED, "input", "must not be empty");
    }
    if (input->count > MODERATION_INPUTS_MAX) {
        return shape_refuse(walk, STATUS_MALFORMED, "input", "has too many items");
    }
    first = json_first(walk->json, input);
    return first->type == JSON_OBJECT ? read_parts(walk, input) : shape_list(walk, input, "input", read_item);
}

enum status moderations_request_walk(struct shape_walk *walk, const struct json_token *root)
{
    const struct json *json = walk->json;
    enum status status = shape_find_string(walk, root, "model", &walk->model);

    for (const struct json_token *key = json_first(json, root); key != NULL && status == STATUS_OK;
         key = json_after(json, root, key)) {
        if (!json_string_is(json, key, "input") && !json_string_is(json, key, "model")) {
            status = shape_refuse(walk, STATUS_UNSUPPORTED, NULL, "the body has a member that is neither input nor model");
        }
    }
    return status == STATUS_OK ? read_input(walk, json_member(json, root, "input")) : status;
}

bool moderations_request_is_list(const struct json *json)
{
    const struct json_token *input = json_member(json, &json->tokens[0], "input");

    return input->type == JSON_ARRAY && json_first(json, input)->type == JSON_STRING;
}

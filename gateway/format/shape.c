/* shape: the engine behind the tables of a dialect: known members to their readers, unknown ones by the profile. */
#include "gateway/format/shape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>


static bool is_container(const struct json_token *token)
{
    return token->type == JSON_OBJECT || token->type == JSON_ARRAY;
}

/* One step deeper. The tables say how deep that goes, never the body. */
static void enter(struct shape_walk *walk, const char *name, size_t index)
{
    assert(walk->depth < SHAPE_DEPTH_MAX);
    walk->places[walk->depth++] = (struct shape_place){name, index};
}

void shape_enter(struct shape_walk *walk, const char *name)
{
    enter(walk, name, SHAPE_NO_INDEX);
}

void shape_leave(struct shape_walk *walk)
{
    walk->depth--;
}

/* "messages[3].content[1].text"; cut at its bound. */
static void write_path(const struct shape_walk *walk, const char *name, char *path, size_t room)
{
    size_t used = 0;

    path[0] = '\0';
    for (size_t step = 0; step <= walk->depth; step++) {
        const char *part = step < walk->depth ? walk->places[step].name : name;
        size_t index = step < walk->depth ? walk->places[step].index : SHAPE_NO_INDEX;
        int written = 0;

        if (part != NULL && index != SHAPE_NO_INDEX) {
            written = snprintf(path + used, room - used, "%s%s[%zu]", step == 0 ? "" : ".", part, index);
        } else if (part != NULL) {
            written = snprintf(path + used, room - used, "%s%s", step == 0 ? "" : ".", part);
        }
        used = written < 0 || (size_t)written >= room - used ? room - 1 : used + (size_t)written;
    }
}

enum status shape_refuse(const struct shape_walk *walk, enum status status, const char *name, const char *sentence)
{
    char path[PROBLEM_PATH_BYTES_MAX + 1];

    write_path(walk, name, path, sizeof path);
    problem_set(walk->problem, ERROR_INVALID_REQUEST, path, sentence);
    return status;
}

enum status shape_refuse_unjudged(const struct shape_walk *walk, const char *name)
{
    return shape_refuse(walk, STATUS_UNSUPPORTED, name, "holds what this gateway cannot judge, and does not let through");
}

enum status shape_unknown(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (!is_container(value) && value->type != JSON_STRING) {
        return STATUS_OK;
    }
    if (walk->unknown == UNKNOWN_BLOCK) {
        return shape_refuse(walk, STATUS_UNSUPPORTED, name, name == NULL ? "has an unknown member" : "is unknown");
    }
    extract_strings(walk->extract, walk->json, value);
    return STATUS_OK;
}

enum status shape_wrong_type(struct shape_walk *walk, const struct json_token *value, const char *name,
                             const char *sentence)
{
    if (!is_container(value) || walk->unknown == UNKNOWN_BLOCK) {
        return shape_refuse(walk, STATUS_MALFORMED, name, sentence);
    }
    extract_strings(walk->extract, walk->json, value);
    return STATUS_OK;
}

enum status shape_members(struct shape_walk *walk, const struct json_token *object, const struct shape_member *members,
                          size_t member_count, unsigned owner)
{
    const struct json *json = walk->json;
    enum status status = STATUS_OK;

    for (const struct json_token *key = json_first(json, object); key != NULL && status == STATUS_OK;
         key = json_after(json, object, key)) {
        const struct json_token *value = json_value(json, key);
        const struct shape_member *member = members;
        const struct shape_member *end = members + member_count;

        while (member < end && ((member->owners & owner) == 0 || !json_string_is(json, key, member->name))) {
            member++;
        }
        if (member == end) {
            extract_key(walk->extract, json, key);
        }
        if (value->type == JSON_NULL) {
            continue;
        }
        status = member < end ? member->read(walk, value, member->name) : shape_unknown(walk, value, NULL);
        if (status == STATUS_OK && extract_refused(walk->extract)) {
            status = shape_refuse_unjudged(walk, member < end ? member->name : NULL);
        }
    }
    return status;
}

enum status shape_inner(struct shape_walk *walk, const struct json_token *value, const char *name,
                        const struct shape_member *members, size_t member_count)
{
    enum status status;

    if (value->type != JSON_OBJECT) {
        return shape_wrong_type(walk, value, name, "must be an object");
    }
    shape_enter(walk, name);
    status = shape_members(walk, value, members, member_count, SHAPE_ANY);
    shape_leave(walk);
    return status;
}

enum status shape_list(struct shape_walk *walk, const struct json_token *list, const char *name,
                       enum status (*read)(struct shape_walk *walk, const struct json_token *item))
{
    enum status status = STATUS_OK;

    if (list->type != JSON_ARRAY) {
        return shape_wrong_type(walk, list, name, "must be an array");
    }
    enter(walk, name, 0);
    for (const struct json_token *item = json_first(walk->json, list); item != NULL && status == STATUS_OK;
         item = json_after(walk->json, list, item)) {
        status = read(walk, item);
        walk->places[walk->depth - 1].index++;
    }
    shape_leave(walk);
    return status;
}

enum status shape_content(struct shape_walk *walk, const struct json_token *value, const char *name,
                          enum status (*read)(struct shape_walk *walk, const struct json_token *part))
{
    if (value->type == JSON_ARRAY) {
        return shape_list(walk, value, name, read);
    }
    if (value->type == JSON_STRING) {
        return shape_text(walk, value, name);
    }
    return shape_wrong_type(walk, value, name, "must be a string or an array of parts");
}

static enum status read_unknown_item(struct shape_walk *walk, const struct json_token *item)
{
    const struct json_token *text = item->type == JSON_STRING ? item : json_member(walk->json, item, "text");

    if (walk->unknown == UNKNOWN_BLOCK) {
        return shape_refuse(walk, STATUS_UNSUPPORTED, NULL, "is of an unknown type");
    }
    if (text != NULL && text->type == JSON_STRING) {
        extract_text(walk->extract, walk->json, text);
    }
    extract_strings(walk->extract, walk->json, item);
    return STATUS_OK;
}

static const struct shape_kind *kind_of(const struct shape_walk *walk, const struct json_token *item,
                                        const struct shape_item *shape)
{
    const struct json_token *type = item->type == JSON_OBJECT ? json_member(walk->json, item, "type") : NULL;

    for (size_t index = 0; type != NULL && type->type == JSON_STRING && index < shape->kind_count; index++) {
        if (json_string_is(walk->json, type, shape->kinds[index].name)) {
            return &shape->kinds[index];
        }
    }
    return NULL;
}

enum status shape_item(struct shape_walk *walk, const struct json_token *item, const struct shape_item *shape)
{
    const struct shape_kind *kind = kind_of(walk, item, shape);
    const struct json_token *required;
    unsigned role = 0;
    enum status status;

    if (kind == NULL && item->type != JSON_OBJECT && item->type != JSON_STRING) {
        return shape_wrong_type(walk, item, NULL, "must be an object");
    }
    if (kind == NULL) {
        return read_unknown_item(walk, item);
    }
    required = kind->required == NULL ? item : json_member(walk->json, item, kind->required);
    if (required == NULL || required->type == JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, kind->required, "is missing");
    }
    if (kind->role != 0) {
        role = extract_role(walk->extract, kind->role);
    }
    status = shape_members(walk, item, shape->members, shape->member_count, kind->bit);
    if (kind->role != 0) {
        (void)extract_role(walk->extract, role);
    }
    return status;
}

static const struct shape_field *field_of(const struct json *json, const struct json_token *key,
                                          const struct shape_field *fields, size_t field_count)
{
    for (size_t index = 0; index < field_count; index++) {
        if (json_string_is(json, key, fields[index].name)) {
            return &fields[index];
        }
    }
    return NULL;
}

enum status shape_root(struct shape_walk *walk, const struct json_token *root, const struct shape_field *fields,
                       size_t field_count)
{
    const struct json *json = walk->json;
    enum status status = STATUS_OK;

    extract_begin(walk->extract, 0);
    for (const struct json_token *key = json_first(json, root); key != NULL; key = json_after(json, root, key)) {
        if (field_of(json, key, fields, field_count) == NULL) {
            extract_key(walk->extract, json, key);
            extract_strings(walk->extract, json, json_value(json, key));
        }
    }
    extract_end(walk->extract);
    if (extract_refused(walk->extract)) {
        return shape_refuse_unjudged(walk, NULL);
    }
    for (const struct json_token *key = json_first(json, root); key != NULL && status == STATUS_OK;
         key = json_after(json, root, key)) {
        const struct shape_field *field = field_of(json, key, fields, field_count);
        const struct json_token *value = json_value(json, key);

        if (field != NULL && field->read != NULL && value->type != JSON_NULL) {
            status = field->read(walk, value, field->name);
        }
    }
    return status;
}

enum status shape_messages(struct shape_walk *walk, const struct json_token *list, const char *name,
                           enum status (*read)(struct shape_walk *walk, const struct json_token *message))
{
    enum status status;

    if (list == NULL || list->type != JSON_ARRAY || list->count == 0) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must be an array of at least one message");
    }
    if (list->count > MESSAGES_MAX) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "has too many messages");
    }
    extract_turns(walk->extract, true);
    status = shape_list(walk, list, name, read);
    extract_turns(walk->extract, false);
    return status;
}

enum status shape_find_string(struct shape_walk *walk, const struct json_token *root, const char *name,
                              const struct json_token **out)
{
    const struct json_token *value = json_member(walk->json, root, name);

    if (value != NULL && value->type != JSON_STRING && value->type != JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must be a string");
    }
    *out = value != NULL && value->type == JSON_STRING ? value : NULL;
    return STATUS_OK;
}

enum status shape_find_flag(struct shape_walk *walk, const struct json_token *root, const char *name, bool *out)
{
    const struct json_token *value = json_member(walk->json, root, name);

    if (value != NULL && value->type != JSON_TRUE && value->type != JSON_FALSE && value->type != JSON_NULL) {
        return shape_refuse(walk, STATUS_MALFORMED, name, "must be true or false");
    }
    *out = value != NULL && value->type == JSON_TRUE;
    return STATUS_OK;
}

enum status shape_conversation(struct shape_walk *walk, const struct json_token *root, const char *messages,
                               const struct shape_field *fields, size_t field_count)
{
    const struct json_token *list = json_member(walk->json, root, messages);
    enum status status = shape_find_string(walk, root, "model", &walk->model);

    if (status == STATUS_OK && walk->model == NULL) {
        status = shape_refuse(walk, STATUS_MALFORMED, "model", "must be a string");
    }
    if (status == STATUS_OK) {
        status = shape_find_flag(walk, root, "stream", &walk->stream);
    }
    if (status == STATUS_OK && (list == NULL || list->type == JSON_NULL)) {
        status = shape_refuse(walk, STATUS_MALFORMED, messages, "is missing");
    }
    return status == STATUS_OK ? shape_root(walk, root, fields, field_count) : status;
}

static enum status read_string(struct shape_walk *walk, const struct json_token *value, const char *name,
                               void (*take)(struct extract *extract, const struct json *json,
                                            const struct json_token *text))
{
    if (value->type != JSON_STRING) {
        return shape_wrong_type(walk, value, name, "must be a string");
    }
    take(walk->extract, walk->json, value);
    return STATUS_OK;
}

enum status shape_text(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_string(walk, value, name, extract_text);
}

enum status shape_line(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_string(walk, value, name, extract_line);
}

enum status shape_file_name(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_string(walk, value, name, extract_file_name);
}

enum status shape_file_url(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    extract_count(walk->extract, MEDIA_FILE);
    return shape_file_name(walk, value, name);
}

static enum status read_media(struct shape_walk *walk, const struct json_token *value, const char *name,
                              enum media media)
{
    if (value->type != JSON_STRING) {
        return shape_wrong_type(walk, value, name, "must be a string");
    }
    return extract_media(walk->extract, walk->json, value, media) ? STATUS_OK : shape_unknown(walk, value, name);
}

enum status shape_image(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_media(walk, value, name, MEDIA_IMAGE);
}

enum status shape_audio(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_media(walk, value, name, MEDIA_AUDIO);
}

enum status shape_file(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_media(walk, value, name, MEDIA_FILE);
}

enum status shape_values(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    extract_values(walk->extract, walk->json, value, ENCODED_JUDGED);
    return STATUS_OK;
}

/* Every string under a value, as somebody's words. */
static enum status read_values_of(struct shape_walk *walk, const struct json_token *value, unsigned role)
{
    unsigned before = extract_role(walk->extract, role);

    extract_values(walk->extract, walk->json, value, ENCODED_JUDGED);
    (void)extract_role(walk->extract, before);
    return STATUS_OK;
}

enum status shape_file_id(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    extract_count(walk->extract, MEDIA_FILE);
    return shape_identifier(walk, value, name);
}

enum status shape_image_id(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    extract_count(walk->extract, MEDIA_IMAGE);
    return shape_identifier(walk, value, name);
}

enum status shape_called(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    return read_values_of(walk, value, SCOPE_TOOL);
}

static enum status read_called(struct shape_walk *walk, const struct json_token *value, const char *name,
                               void (*take)(struct extract *extract, const struct json *json,
                                            const struct json_token *text))
{
    unsigned before = extract_role(walk->extract, SCOPE_TOOL);
    enum status status = read_string(walk, value, name, take);

    (void)extract_role(walk->extract, before);
    return status;
}

enum status shape_called_text(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_called(walk, value, name, extract_line);
}

enum status shape_called_json(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return read_called(walk, value, name, extract_json_text);
}

enum status shape_thoughts(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    return read_values_of(walk, value, SCOPE_REASONING);
}

enum status shape_definitions(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    return read_values_of(walk, value, SCOPE_TOOL_DEF);
}

enum status shape_setting(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)name;
    extract_settings(walk->extract, walk->json, value);
    return STATUS_OK;
}

enum status shape_root_definitions(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(walk->extract, SCOPE_TOOL_DEF);
    status = shape_definitions(walk, value, name);
    extract_end(walk->extract);
    return status;
}

enum status shape_root_setting(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    enum status status;

    extract_begin(walk->extract, 0);
    status = shape_setting(walk, value, name);
    extract_end(walk->extract);
    return status;
}

enum status shape_string(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return value->type == JSON_STRING ? STATUS_OK : shape_wrong_type(walk, value, name, "must be a string");
}

enum status shape_identifier(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type == JSON_STRING && !extract_is_identifier(walk->json, value)) {
        return shape_unknown(walk, value, name);
    }
    return shape_string(walk, value, name);
}

enum status shape_sealed(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    const char *data = walk->json->source.data;

    for (uint32_t at = value->start; value->type == JSON_STRING && at < value->end; at++) {
        bool is_digit = (data[at] >= '0' && data[at] <= '9') || (data[at] >= 'A' && data[at] <= 'Z') ||
                        (data[at] >= 'a' && data[at] <= 'z');

        if (!is_digit && strchr("+/=-_", data[at]) == NULL && !(data[at] == '\\' && data[at + 1] == '/')) {
            extract_strings(walk->extract, walk->json, value);
            return STATUS_OK;
        }
    }
    return shape_string(walk, value, name);
}

enum status shape_anything(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    (void)walk;
    (void)value;
    (void)name;
    return STATUS_OK;
}

/* shape: the engine behind the tables of a dialect: known members to their readers, unknown ones by the profile. */
#include "gateway/format/shape.h"

#include <stdio.h>

enum { PLACE_BYTES = 40 }; /* ".tool_calls[18446744073709551615]" fits */

static bool is_container(const struct json_token *token)
{
    return token->type == JSON_OBJECT || token->type == JSON_ARRAY;
}

enum status shape_refuse(const struct shape_walk *walk, enum status status, const char *name, const char *sentence)
{
    char array[PLACE_BYTES] = "";
    char list[PLACE_BYTES] = "";
    char path[PROBLEM_PATH_BYTES_MAX + 1];

    if (walk->array != NULL) {
        (void)snprintf(array, sizeof array, "%s[%zu]", walk->array, walk->index);
    }
    if (walk->list != NULL) {
        (void)snprintf(list, sizeof list, ".%s[%zu]", walk->list, walk->item);
    }
    (void)snprintf(path, sizeof path, "%s%s%s%s%s%s", array, list, walk->inner == NULL ? "" : ".",
                   walk->inner == NULL ? "" : walk->inner, walk->array == NULL || name == NULL ? "" : ".",
                   name == NULL ? "" : name);
    problem_set(walk->problem, ERROR_INVALID_REQUEST, path, sentence);
    return status;
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

        if (value->type == JSON_NULL) {
            continue;
        }
        while (member < end && ((member->owners & owner) == 0 || !json_string_is(json, key, member->name))) {
            member++;
        }
        status = member < end ? member->read(walk, value, member->name) : shape_unknown(walk, value, NULL);
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
    walk->inner = name;
    status = shape_members(walk, value, members, member_count, SHAPE_ANY);
    walk->inner = NULL;
    return status;
}

enum status shape_list(struct shape_walk *walk, const struct json_token *list, const char *name,
                       enum status (*read)(struct shape_walk *walk, const struct json_token *item))
{
    enum status status = STATUS_OK;

    walk->list = name;
    walk->item = 0;
    for (const struct json_token *item = json_first(walk->json, list); item != NULL && status == STATUS_OK;
         item = json_after(walk->json, list, item)) {
        status = read(walk, item);
        walk->item++;
    }
    walk->list = NULL;
    return status;
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

enum status shape_string(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    return value->type == JSON_STRING ? STATUS_OK : shape_wrong_type(walk, value, name, "must be a string");
}

/* Short, printable ASCII without a space: not a sentence. */
static bool is_identifier(const struct json *json, const struct json_token *string)
{
    if ((string->flags & JSON_ESCAPED) != 0 || string->end - string->start > IDENTIFIER_BYTES_MAX) {
        return false;
    }
    for (uint32_t at = string->start; at < string->end; at++) {
        if (json->source.data[at] <= ' ' || json->source.data[at] > '~') {
            return false;
        }
    }
    return true;
}

enum status shape_identifier(struct shape_walk *walk, const struct json_token *value, const char *name)
{
    if (value->type == JSON_STRING && !is_identifier(walk->json, value)) {
        return shape_unknown(walk, value, name);
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

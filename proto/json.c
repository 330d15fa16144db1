/* json: one pass over the source into a flat array of tokens, every bound inside, at once or in slices. */
#include "proto/json.h"
#include "proto/json_keys.h"
#include "proto/json_scan.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_FIRST = 64 }; /* the first reservation: a short chat */

/* Steps take the position where they begin and answer the one behind what they read, or NULL after fail() or rest(). */
static const unsigned char *fail(struct json_reader *reader, const unsigned char *at, enum status status)
{
    reader->status = status;
    reader->json->error_at = (size_t)(at - reader->start);
    return NULL;
}

static enum status grow_tokens(struct json *json)
{
    size_t room = json->token_room == 0 ? TOKENS_FIRST : json->token_room * 2;
    struct json_token *grown;

    if (json->token_room == JSON_TOKENS_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (room > JSON_TOKENS_MAX) {
        room = JSON_TOKENS_MAX;
    }
    grown = realloc(json->tokens, room * sizeof *grown);
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    json->tokens = grown;
    json->token_room = room;
    return STATUS_OK;
}

static const unsigned char *add_token(struct json_reader *reader, enum json_type type, unsigned flags,
                                      const unsigned char *start, const unsigned char *end)
{
    struct json *json = reader->json;

    if (json->token_count == json->token_room) {
        enum status status = grow_tokens(json);

        if (status != STATUS_OK) {
            return fail(reader, start, status);
        }
    }
    json->tokens[json->token_count] = (struct json_token){
        .start = (uint32_t)(start - reader->start),
        .end = (uint32_t)(end - reader->start),
        .next = (uint32_t)json->token_count + 1,
        .type = (uint8_t)type,
        .flags = (uint8_t)flags,
    };
    json->token_count++;
    return end;
}

static const unsigned char *skip_space(const struct json_reader *reader, const unsigned char *at)
{
    while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

/* `at` is the backslash of an escape that is no letter's. */
static const unsigned char *read_number_escape(struct json_reader *reader, const unsigned char *at, unsigned *flags)
{
    int32_t unit;

    if (reader->end - at < 2 || at[1] != 'u') {
        return fail(reader, at, STATUS_MALFORMED);
    }
    unit = json_hex4(at + 2, reader->end);
    if (unit <= 0) { /* no hex digits, or U+0000, which C libraries behind us would take for an end */
        return fail(reader, at, STATUS_MALFORMED);
    }
    if (json_is_high_surrogate(unit) && reader->end - at >= 12 && at[6] == '\\' && at[7] == 'u' &&
        json_is_low_surrogate(json_hex4(at + 8, reader->end))) {
        return at + 12;
    }
    if (json_is_high_surrogate(unit) || json_is_low_surrogate(unit)) {
        *flags |= JSON_LONE_SURROGATE;
    }
    return at + 6;
}

/* `at` is a backslash. Others may follow, and many: text of lines, of quotes, or in the alphabet of nobody but escapes. */
static const unsigned char *read_escapes(struct json_reader *reader, const unsigned char *at, unsigned *flags)
{
    *flags |= JSON_ESCAPED;
    while (at != NULL && at < reader->stop && *at == '\\') {
        if (reader->end - at >= 2 && json_letter(at[1]) != 0) {
            at += 2;
        } else {
            at = read_number_escape(reader, at, flags);
        }
    }
    return at;
}

/* The slice ends inside a string. */
static const unsigned char *rest(struct json_reader *reader, const unsigned char *at, const unsigned char *start, unsigned flags)
{
    reader->status = STATUS_AGAIN;
    reader->at = at;
    reader->string = start;
    reader->string_flags = flags;
    return NULL;
}

/* From `at` on, in the string that begins at `start`. */
static const unsigned char *read_rest_of_string(struct json_reader *reader, const unsigned char *at, const unsigned char *start,
                                                unsigned flags)
{
    for (;;) {
        at = json_plain_end(at, reader->stop);
        if (at >= reader->stop) {
            return reader->stop == reader->end ? fail(reader, at, STATUS_MALFORMED) : rest(reader, at, start, flags);
        }
        if (*at == '"') {
            break;
        }
        if (*at == '\\') {
            at = read_escapes(reader, at, &flags);
            if (at == NULL) {
                return NULL;
            }
        } else {
            const unsigned char *behind = utf8_end(at, reader->end);

            if (behind == at) { /* a raw control byte, or not UTF-8 */
                return fail(reader, at, STATUS_MALFORMED);
            }
            at = behind;
        }
    }
    return add_token(reader, JSON_STRING, flags, start, at) == NULL ? NULL : at + 1;
}

/* `at` is the opening quote. */
static const unsigned char *read_string(struct json_reader *reader, const unsigned char *at)
{
    return read_rest_of_string(reader, at + 1, at + 1, 0);
}

static const unsigned char *skip_digits(const struct json_reader *reader, const unsigned char *at)
{
    while (at < reader->end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static const unsigned char *read_number(struct json_reader *reader, const unsigned char *at)
{
    const unsigned char *start = at;
    const unsigned char *digits;

    if (*at == '-') {
        at++;
    }
    digits = at;
    at = skip_digits(reader, at);
    if (at == digits || (*digits == '0' && at - digits > 1)) {
        return fail(reader, digits, STATUS_MALFORMED);
    }
    if (at < reader->end && *at == '.') {
        digits = at + 1;
        at = skip_digits(reader, digits);
        if (at == digits) {
            return fail(reader, at, STATUS_MALFORMED);
        }
    }
    if (at < reader->end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < reader->end && (*at == '+' || *at == '-')) {
            at++;
        }
        digits = at;
        at = skip_digits(reader, digits);
        if (at == digits) {
            return fail(reader, at, STATUS_MALFORMED);
        }
    }
    if (at - start > JSON_NUMBER_BYTES_MAX) {
        return fail(reader, start, STATUS_TOO_LARGE);
    }
    return add_token(reader, JSON_NUMBER, 0, start, at);
}

static const unsigned char *read_word(struct json_reader *reader, const unsigned char *at, const char *word,
                                      enum json_type type)
{
    size_t count = strlen(word);

    if ((size_t)(reader->end - at) < count || memcmp(at, word, count) != 0) {
        return fail(reader, at, STATUS_MALFORMED);
    }
    return add_token(reader, type, 0, at, at + count);
}

/* Whether the path leads to the value whose token comes next. The innermost step is looked at first: most values fail it. */
static bool is_at_path(const struct json_reader *reader)
{
    const struct json *json = reader->json;
    uint32_t value = (uint32_t)json->token_count;

    for (unsigned depth = reader->depth; depth > 0; depth--) {
        const struct json_token *parent = &json->tokens[reader->open[depth - 1]];
        const char *key = reader->path->steps[depth - 1];

        if ((parent->type == JSON_OBJECT) != (key != NULL) ||
            (key != NULL && !json_string_is(json, &json->tokens[value - 1], key))) {
            return false;
        }
        value = reader->open[depth - 1];
    }
    return true;
}

static const unsigned char *open_container(struct json_reader *reader, const unsigned char *at, enum json_type type)
{
    if (reader->depth == JSON_DEPTH_MAX) {
        return fail(reader, at, STATUS_TOO_LARGE);
    }
    if (reader->path != NULL && reader->depth == reader->path->step_count && is_at_path(reader)) {
        reader->is_passing = true;
    }
    reader->open[reader->depth] = (uint32_t)reader->json->token_count;
    at = add_token(reader, type, 0, at, at + 1);
    if (at != NULL) {
        reader->depth++;
    }
    return at;
}

/* Of a container that is passed over nothing stays but its own token. */
static void let_go(struct json_reader *reader, struct json_token *container)
{
    reader->json->token_count = reader->open[reader->depth] + 1;
    container->next = (uint32_t)reader->json->token_count;
    container->count = 0;
    reader->is_passing = reader->depth > reader->path->step_count;
}

/* `at` is the closing bracket. */
static const unsigned char *close_container(struct json_reader *reader, const unsigned char *at)
{
    struct json *json = reader->json;
    struct json_token *container = &json->tokens[reader->open[--reader->depth]];

    container->end = (uint32_t)(at + 1 - reader->start);
    container->next = (uint32_t)json->token_count;
    if (container->type == JSON_OBJECT && container->count > 1 && reader->duplicates != JSON_LAST_DUPLICATE_WINS) {
        const struct json_token *repeated = container;
        enum status status = json_keys_check(json, container, &repeated);

        if (status == STATUS_DUPLICATE && reader->duplicates == JSON_MARK_DUPLICATES && !reader->is_passing) {
            json->has_repeats = true;
            status = json_keys_mark(json, container);
        }
        if (status != STATUS_OK) {
            return fail(reader, reader->start + repeated->start, status);
        }
    }
    if (reader->is_passing) {
        let_go(reader, container);
    }
    return at + 1;
}

/* A scalar whole, or the opening bracket of a container. */
static const unsigned char *read_value(struct json_reader *reader, const unsigned char *at)
{
    at = skip_space(reader, at);
    if (at == reader->end) {
        return fail(reader, at, STATUS_MALFORMED);
    }
    switch (*at) {
    case '"':
        return read_string(reader, at);
    case '{':
        return open_container(reader, at, JSON_OBJECT);
    case '[':
        return open_container(reader, at, JSON_ARRAY);
    case 't':
        return read_word(reader, at, "true", JSON_TRUE);
    case 'f':
        return read_word(reader, at, "false", JSON_FALSE);
    case 'n':
        return read_word(reader, at, "null", JSON_NULL);
    default:
        return read_number(reader, at);
    }
}

/* Behind a key: its value. */
static const unsigned char *read_member_value(struct json_reader *reader, const unsigned char *at)
{
    at = skip_space(reader, at);
    if (at == reader->end || *at != ':') {
        return fail(reader, at, STATUS_MALFORMED);
    }
    return read_value(reader, at + 1);
}

static const unsigned char *read_member(struct json_reader *reader, const unsigned char *at)
{
    if (at == reader->end || *at != '"') {
        return fail(reader, at, STATUS_MALFORMED);
    }
    reader->string_is_key = true;
    at = read_string(reader, at);
    if (at == NULL) {
        return NULL;
    }
    reader->string_is_key = false;
    return read_member_value(reader, at);
}

/* Inside the innermost open container: its next item or member, or its end. */
static const unsigned char *read_next(struct json_reader *reader, const unsigned char *at)
{
    struct json_token *container = &reader->json->tokens[reader->open[reader->depth - 1]];
    bool object = container->type == JSON_OBJECT;

    at = skip_space(reader, at);
    if (at == reader->end) {
        return fail(reader, at, STATUS_MALFORMED);
    }
    if (*at == (object ? '}' : ']')) {
        return close_container(reader, at);
    }
    if (container->count > 0) {
        if (*at != ',') {
            return fail(reader, at, STATUS_MALFORMED);
        }
        at = skip_space(reader, at + 1);
    }
    if (reader->is_passing && !object) {
        reader->json->token_count = reader->open[reader->depth - 1] + 1; /* what is behind the array: its items until here */
    }
    container->count++; /* before the next token, which may move the array */
    return object ? read_member(reader, at) : read_value(reader, at);
}

/* The string that the slice before ended in, and what belongs to it. */
static const unsigned char *read_on_in_string(struct json_reader *reader, const unsigned char *at)
{
    const unsigned char *start = reader->string;

    reader->string = NULL;
    at = read_rest_of_string(reader, at, start, reader->string_flags);
    if (at == NULL || !reader->string_is_key) {
        return at;
    }
    reader->string_is_key = false;
    return read_member_value(reader, at);
}

void json_init(struct json *json)
{
    assert(json != NULL);
    *json = (struct json){.source = {NULL, 0}};
}

void json_free(struct json *json)
{
    assert(json != NULL);
    free(json->tokens);
    json_init(json);
}

void json_shed(struct json *json)
{
    if (json->token_room > JSON_TOKENS_KEPT) {
        free(json->tokens);
        json->tokens = NULL;
        json->token_room = 0;
        json->token_count = 0;
    }
}

void json_reader_begin(struct json_reader *reader, struct json *json, struct bytes source, enum json_duplicates duplicates)
{
    assert(json != NULL);
    *reader = (struct json_reader){.json = json, .duplicates = duplicates};
    json->source = source;
    json->token_count = 0;
    json->error_at = 0;
    json->is_read = json->has_repeats = false;
    if (source.count == 0 || source.count > UINT32_MAX - 1) {
        reader->status = source.count == 0 ? STATUS_MALFORMED : STATUS_TOO_LARGE;
        return;
    }
    reader->start = reader->at = (const unsigned char *)source.data;
    reader->end = reader->start + source.count;
}

void json_reader_pass_over(struct json_reader *reader, const struct json_path *path)
{
    assert(path->step_count > 0 && path->step_count < JSON_DEPTH_MAX);
    reader->path = path;
}

/* Nothing but space may stand behind the root. */
static enum status end(struct json_reader *reader, const unsigned char *at)
{
    if (at != NULL) {
        at = skip_space(reader, at);
        if (at != reader->end) {
            at = fail(reader, at, STATUS_MALFORMED);
        }
    }
    if (at == NULL && reader->status != STATUS_AGAIN) {
        reader->json->token_count = 0; /* nobody walks half a document */
        reader->json->has_repeats = false;
    }
    return reader->status;
}

enum status json_reader_go_on(struct json_reader *reader, size_t bytes)
{
    const unsigned char *at = reader->at;

    if (at == NULL) {
        return reader->status;
    }
    reader->status = STATUS_OK;
    reader->stop = bytes < (size_t)(reader->end - at) ? at + bytes : reader->end;
    reader->at = NULL;
    if (reader->string != NULL) {
        at = read_on_in_string(reader, at);
    } else if (reader->json->token_count == 0) {
        at = read_value(reader, at);
    }
    while (at != NULL && reader->depth > 0) {
        if (at >= reader->stop && reader->stop < reader->end) {
            reader->at = at;
            return STATUS_AGAIN;
        }
        at = read_next(reader, at);
    }
    return end(reader, at);
}

enum status json_read(struct json *json, struct bytes source, enum json_duplicates duplicates)
{
    struct json_reader reader;

    if (json->is_read && json->source.data == source.data && json->source.count == source.count) {
        return STATUS_OK;
    }
    json_reader_begin(&reader, json, source, duplicates);
    return json_reader_go_on(&reader, SIZE_MAX);
}

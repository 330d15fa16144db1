/* fields: a list of checked header fields, text in one bounded buffer and positions beside it. */
#include "gateway/fields.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Offsets and not pointers: the text moves when its buffer grows. The value follows its name at once. */
struct position {
    uint32_t name_at;
    uint32_t name_count;
    uint32_t value_count;
};

struct fields {
    struct buffer text;
    size_t count;
    size_t count_max;
    size_t room; /* of `positions`; grows as fields come */
    struct position *positions;
};

enum { POSITIONS_FIRST = 16 }; /* most heads have fewer */

enum status fields_open(struct fields **out, size_t count_max, size_t bytes_max)
{
    struct fields *fields;

    assert(bytes_max <= UINT32_MAX && count_max <= UINT32_MAX / sizeof(struct position));
    fields = calloc(1, sizeof *fields);
    if (fields == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&fields->text, bytes_max);
    fields->count_max = count_max;
    *out = fields;
    return STATUS_OK;
}

void fields_close(struct fields **fields)
{
    if (*fields != NULL) {
        fields_free_room(*fields);
        free(*fields);
        *fields = NULL;
    }
}

enum status fields_renew(struct fields **fields, size_t count_max, size_t bytes_max)
{
    if (*fields == NULL) {
        return fields_open(fields, count_max, bytes_max);
    }
    fields_clear(*fields);
    return STATUS_OK;
}

void fields_free_room(struct fields *fields)
{
    buffer_free(&fields->text);
    free(fields->positions);
    fields->positions = NULL;
    fields->room = 0;
    fields->count = 0;
}

void fields_clear(struct fields *fields)
{
    buffer_clear(&fields->text);
    fields->count = 0;
}

bool fields_is_token(struct bytes text)
{
    /* A bit for each byte: letters, digits and !#$%&'*+-.^_`|~ */
    static const uint64_t bits[256 / 64] = {0x03FF6CFA00000000, 0x57FFFFFFC7FFFFFE, 0, 0};

    for (size_t index = 0; index < text.count; index++) {
        unsigned char byte = (unsigned char)text.data[index];

        if ((bits[byte / 64] >> (byte % 64) & 1) == 0) {
            return false;
        }
    }
    return text.count > 0;
}

/* Whether one of the eight bytes is below 0x20 or is 0x7F: x - 0x20 borrows from its top bit, as x ^ 0x7F does when one is taken
 * from nought. May say so for the neighbour of such a byte too. */
static bool has_control(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t deletes = bytes ^ (0x7F * ones);

    return ((((bytes - 0x20 * ones) & ~bytes) | ((deletes - ones) & ~deletes)) & (0x80 * ones)) != 0;
}

/* Whatever cannot end a line or be taken for an end of text: no control byte but tab (RFC 9110 section 5.5). Values are most of
 * what a request has, so that they are looked at in words first. */
static bool is_value(struct bytes text)
{
    size_t index = 0;

    while (index < text.count) {
        unsigned char byte = (unsigned char)text.data[index];
        uint64_t word;

        if (text.count - index >= sizeof word) {
            memcpy(&word, text.data + index, sizeof word);
            if (!has_control(word)) {
                index += sizeof word;
                continue;
            }
        }
        if ((byte < 0x20 && byte != '\t') || byte == 0x7F) {
            return false;
        }
        index++;
    }
    return true;
}

/* Room for one more position; there are fewer than count_max. */
static enum status reserve_position(struct fields *fields)
{
    size_t room = fields->room == 0 ? POSITIONS_FIRST : 2 * fields->room;
    struct position *positions;

    if (fields->count < fields->room) {
        return STATUS_OK;
    }
    room = room < fields->count_max ? room : fields->count_max;
    positions = realloc(fields->positions, room * sizeof *positions);
    if (positions == NULL) {
        return STATUS_NO_MEMORY;
    }
    fields->positions = positions;
    fields->room = room;
    return STATUS_OK;
}

enum status fields_add(struct fields *fields, struct bytes name, struct bytes value)
{
    struct buffer *text = &fields->text;
    size_t name_at = text->count;
    char *at;
    enum status status;

    if (!fields_is_token(name) || !is_value(value)) {
        return STATUS_MALFORMED;
    }
    if (fields->count == fields->count_max) {
        return STATUS_FULL;
    }
    if (name.count > text->max || value.count > text->max - name.count) {
        return STATUS_TOO_LARGE; /* asked first, so that the sum below cannot wrap */
    }
    status = buffer_reserve(text, name.count + value.count, &at);
    if (status == STATUS_OK) {
        status = reserve_position(fields);
    }
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(at, name.data, name.count);
    if (value.count > 0) {
        memcpy(at + name.count, value.data, value.count);
    }
    buffer_used(text, name.count + value.count);
    fields->positions[fields->count] =
        (struct position){(uint32_t)name_at, (uint32_t)name.count, (uint32_t)value.count};
    fields->count++;
    return STATUS_OK;
}

size_t fields_count(const struct fields *fields)
{
    return fields->count;
}

struct field fields_at(const struct fields *fields, size_t index)
{
    const struct position *position;
    const char *name;

    assert(index < fields->count);
    position = &fields->positions[index];
    name = fields->text.data + position->name_at;
    return (struct field){{name, position->name_count}, {name + position->name_count, position->value_count}};
}

bool fields_find(const struct fields *fields, struct bytes name, struct bytes *out)
{
    for (size_t index = 0; index < fields->count; index++) {
        struct field field = fields_at(fields, index);

        if (bytes_equal_nocase(field.name, name)) {
            *out = field.value;
            return true;
        }
    }
    return false;
}

size_t fields_times(const struct fields *fields, struct bytes name)
{
    size_t times = 0;

    for (size_t index = 0; index < fields->count; index++) {
        if (bytes_equal_nocase(fields_at(fields, index).name, name)) {
            times++;
        }
    }
    return times;
}

struct bytes fields_trim(struct bytes value)
{
    while (value.count > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = bytes_from(value, 1);
    }
    while (value.count > 0 && (value.data[value.count - 1] == ' ' || value.data[value.count - 1] == '\t')) {
        value.count--;
    }
    return value;
}

/* The one way of writing it that stands for all. */
static char plain_of(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte == '_' ? '-' : byte;
}

bool fields_is_alike(struct bytes name, struct bytes other)
{
    bool alike = name.count == other.count;

    for (size_t index = 0; alike && index < name.count; index++) {
        alike = plain_of(name.data[index]) == plain_of(other.data[index]);
    }
    return alike;
}

bool fields_is_one_hop(struct bytes name)
{
    static const struct bytes names[] = {
        {"connection", 10},       {"keep-alive", 10},          {"proxy-authenticate", 18},
        {"proxy-connection", 16}, {"proxy-authorization", 19}, {"te", 2},
        {"trailer", 7},           {"transfer-encoding", 17},   {"upgrade", 7},
    };

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (bytes_equal_nocase(names[index], name)) {
            return true;
        }
    }
    return false;
}

static bool is_for_the_end(struct bytes name)
{
    static const struct bytes names[] = {
        {"authorization", 13}, {"x-api-key", 9},     {"api-key", 7},       {"host", 4},        {"user-agent", 10},
        {"accept", 6},         {"x-request-id", 12}, {"request-id", 10},   {"traceparent", 11}, {"tracestate", 10},
        {"retry-after", 11},   {"date", 4},          {"cache-control", 13}, {"location", 8},    {"idempotency-key", 15},
    };
    static const struct bytes prefixes[] = {{"content-", 8}, {"accept-", 7},      {"anthropic-", 10},
                                            {"openai-", 7},  {"x-ratelimit-", 12}, {"x-goog-", 7}};

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (bytes_equal_nocase(name, names[index])) {
            return true;
        }
    }
    for (size_t index = 0; index < sizeof prefixes / sizeof prefixes[0]; index++) {
        if (bytes_equal_nocase(bytes_first(name, prefixes[index].count), prefixes[index])) {
            return true;
        }
    }
    return false;
}

/* Whether a list has the name among its first *left names; counts them down. */
static bool has_name(struct bytes list, struct bytes name, size_t *left)
{
    while (list.count > 0 && *left > 0) {
        ptrdiff_t comma = bytes_find(list, ',');

        if (bytes_equal_nocase(fields_trim(comma < 0 ? list : bytes_first(list, (size_t)comma)), name)) {
            return true;
        }
        list = comma < 0 ? (struct bytes){NULL, 0} : bytes_from(list, (size_t)comma + 1);
        (*left)--;
    }
    return false;
}

bool fields_is_named_one_hop(const struct fields *fields, struct bytes name)
{
    size_t left = CONNECTION_NAMES_MAX;

    for (size_t index = 0; index < fields->count; index++) {
        struct field field = fields_at(fields, index);

        if (bytes_equal_nocase(field.name, BYTES("connection")) && has_name(field.value, name, &left)) {
            return !is_for_the_end(name);
        }
    }
    return false;
}

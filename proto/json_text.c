/* json_text: what a token means: its source, a string decoded or compared, a number as an integer or a real. */
#include "proto/json.h"
#include "proto/json_scan.h"
#include "proto/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decodes the escape at `*at` (the backslash) and moves behind it. The reader has checked it, so it is whole. */
static inline size_t decode_escape(const unsigned char **at, const unsigned char *end, char out[UTF8_POINT_BYTES_MAX])
{
    int32_t unit;

    assert(end - *at >= 2);
    if ((*at)[1] != 'u') {
        out[0] = json_letter((*at)[1]);
        *at += 2;
        return 1;
    }
    unit = json_hex4(*at + 2, end);
    assert(unit > 0);
    *at += 6;
    if (json_is_high_surrogate(unit) && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        int32_t low = json_hex4(*at + 2, end);

        if (json_is_low_surrogate(low)) {
            *at += 6;
            return utf8_encode((uint32_t)(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), out);
        }
    }
    if (json_is_high_surrogate(unit) || json_is_low_surrogate(unit)) {
        unit = UTF8_REPLACEMENT_POINT;
    }
    return utf8_encode((uint32_t)unit, out);
}

struct bytes json_span(const struct json *json, const struct json_token *token)
{
    size_t quote = token->type == JSON_STRING ? 1 : 0;

    return (struct bytes){json->source.data + token->start - quote, token->end - token->start + 2 * quote};
}

static struct bytes raw_string(const struct json *json, const struct json_token *token)
{
    assert(token->type == JSON_STRING);
    return (struct bytes){json->source.data + token->start, token->end - token->start};
}

/* The next piece of a raw string: up to the next escape, or one escape decoded into `escape`. Moves `*at`. */
static struct bytes next_piece(const unsigned char **at, const unsigned char *end, char escape[UTF8_POINT_BYTES_MAX])
{
    const unsigned char *start = *at;
    const unsigned char *backslash;

    if (*start == '\\') {
        size_t count = decode_escape(at, end, escape);

        return (struct bytes){escape, count};
    }
    backslash = memchr(start, '\\', (size_t)(end - start));
    *at = backslash == NULL ? end : backslash;
    return (struct bytes){(const char *)start, (size_t)(*at - start)};
}

bool json_string_is(const struct json *json, const struct json_token *token, const char *text)
{
    struct bytes raw = raw_string(json, token);
    struct bytes rest = bytes_of(text);
    const unsigned char *at = (const unsigned char *)raw.data;
    const unsigned char *end = at + raw.count;
    char escape[UTF8_POINT_BYTES_MAX];

    if ((token->flags & JSON_ESCAPED) == 0) {
        return bytes_equal(raw, rest);
    }
    while (at < end) {
        struct bytes piece = next_piece(&at, end, escape);

        if (!bytes_starts_with(rest, piece)) {
            return false;
        }
        rest = bytes_from(rest, piece.count);
    }
    return rest.count == 0;
}

/* Decodes escapes while one follows the other and there is room for any of them. Moves `*at`; how many bytes. */
static size_t decode_escapes(const unsigned char **at, const unsigned char *end, char *out, size_t room)
{
    size_t count = 0;

    while (*at < end && **at == '\\' && room - count >= UTF8_POINT_BYTES_MAX) {
        count += decode_escape(at, end, out + count);
    }
    return count;
}

enum status json_string(const struct json *json, const struct json_token *token, struct buffer *scratch,
                        struct bytes *out)
{
    struct bytes raw = raw_string(json, token);
    const unsigned char *at = (const unsigned char *)raw.data;
    const unsigned char *end = at + raw.count;
    char escape[UTF8_POINT_BYTES_MAX];
    enum status status;
    size_t room;
    size_t used = 0;
    char *decoded;

    if ((token->flags & JSON_ESCAPED) == 0) {
        *out = raw;
        return STATUS_OK;
    }
    /* Decoding never makes a string longer, so the raw length is enough room; less may be too. */
    room = scratch->max - scratch->count;
    room = room < raw.count ? room : raw.count;
    status = buffer_reserve(scratch, room, &decoded);
    if (status != STATUS_OK) {
        return status;
    }
    while (at < end) {
        struct bytes piece;

        used += decode_escapes(&at, end, decoded + used, room - used);
        if (at == end) {
            break;
        }
        piece = next_piece(&at, end, escape);
        if (piece.count > room - used) {
            return STATUS_TOO_LARGE;
        }
        memcpy(decoded + used, piece.data, piece.count);
        used += piece.count;
    }
    buffer_used(scratch, used);
    *out = (struct bytes){decoded, used};
    return STATUS_OK;
}

enum status json_integer(const struct json *json, const struct json_token *token, int64_t *out)
{
    struct bytes text = json_span(json, token);
    unsigned long long magnitude = 0;
    bool negative;
    enum status status;

    if (token->type != JSON_NUMBER) {
        return STATUS_MALFORMED;
    }
    negative = text.data[0] == '-';
    /* bytes_number takes digits alone: a fraction or an exponent is malformed. */
    status = bytes_number(bytes_from(text, negative ? 1 : 0), (unsigned long long)INT64_MAX + (negative ? 1 : 0),
                          &magnitude);
    if (status != STATUS_OK) {
        return status;
    }
    if (!negative) {
        *out = (int64_t)magnitude;
    } else {
        *out = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1; /* INT64_MIN has no positive twin */
    }
    return STATUS_OK;
}

enum status json_real(const struct json *json, const struct json_token *token, double *out)
{
    char text[JSON_NUMBER_BYTES_MAX + 1];
    double number;
    enum status status;

    if (token->type != JSON_NUMBER) {
        return STATUS_MALFORMED;
    }
    status = bytes_copy(json_span(json, token), text, sizeof text);
    if (status != STATUS_OK) {
        return status;
    }
    number = strtod(text, NULL); /* no service calls setlocale, so the point is a point */
    if (isinf(number)) {
        return STATUS_TOO_LARGE;
    }
    *out = number;
    return STATUS_OK;
}

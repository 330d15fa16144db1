/* data_url: reads the head of a data URL and decodes base64. */
#include "gateway/format/data_url.h"

#include "proto/limits.h"

#include <stddef.h>

enum { NO_DIGIT = -1, SKIPPED = -2, PADDING = -3 };

/* clang-format off */
static const signed char digits_of_ascii[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -2, -1, -1, -2, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, 62, -1, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -3, -1, -1,
    -1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
};
/* clang-format on */

static int digit_of(char byte)
{
    unsigned char place = (unsigned char)byte;

    return place < sizeof digits_of_ascii ? digits_of_ascii[place] : NO_DIGIT;
}

static bool starts_with_nocase(struct bytes text, struct bytes prefix)
{
    return text.count >= prefix.count && bytes_equal_nocase(bytes_first(text, prefix.count), prefix);
}

static bool is_blank(char byte)
{
    return (unsigned char)byte <= ' ';
}

static struct bytes trim(struct bytes text)
{
    while (text.count > 0 && is_blank(text.data[0])) {
        text = bytes_from(text, 1);
    }
    while (text.count > 0 && is_blank(text.data[text.count - 1])) {
        text.count--;
    }
    return text;
}

/* Splits the first part off at its semicolon. */
static struct bytes next_part(struct bytes *rest)
{
    ptrdiff_t semicolon = bytes_find(*rest, ';');
    struct bytes part = semicolon < 0 ? *rest : bytes_first(*rest, (size_t)semicolon);

    *rest = bytes_from(*rest, semicolon < 0 ? rest->count : (size_t)semicolon + 1);
    return part;
}

bool data_url_read(struct bytes text, struct data_url *out)
{
    static const char scheme[] = "data:";
    static const char encoding[] = ";base64";
    struct bytes head = trim(text);
    ptrdiff_t comma = bytes_find(head, ',');

    if (!starts_with_nocase(head, BYTES(scheme)) || comma < 0) {
        return false;
    }
    out->data = bytes_from(head, (size_t)comma + 1);
    head = bytes_from(bytes_first(head, (size_t)comma), sizeof scheme - 1);
    out->percent = head.count < sizeof encoding - 1 ||
                   !bytes_equal_nocase(bytes_from(head, head.count - (sizeof encoding - 1)), BYTES(encoding));
    out->base64 = false;
    out->media_type = trim(next_part(&head));
    while (head.count > 0) {
        struct bytes parameter = trim(next_part(&head));

        out->base64 = out->base64 || bytes_equal_nocase(parameter, bytes_from(BYTES(encoding), 1));
    }
    return true;
}

bool data_url_find_base64(struct bytes text, struct bytes *out)
{
    static const char word[] = "base64";
    ptrdiff_t comma;

    for (size_t at = 0; (comma = bytes_find(bytes_from(text, at), ',')) >= 0;) {
        size_t end = at + (size_t)comma;

        at = end + 1;
        if (end >= sizeof word - 1 && starts_with_nocase(bytes_from(text, end - (sizeof word - 1)), BYTES(word))) {
            *out = bytes_from(text, at);
            return true;
        }
    }
    return false;
}

bool data_url_is_family(struct bytes media_type, const char *family)
{
    return starts_with_nocase(trim(media_type), bytes_of(family));
}

static int hex_of(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'A' && byte <= 'F') {
        return byte - 'A' + 10;
    }
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : NO_DIGIT;
}

/* The next byte of `text`, from *at on; of a loose reader a percent escape is the byte it stands for. */
static char next_byte(struct bytes text, bool loose, size_t *at)
{
    char byte = text.data[(*at)++];

    if (loose && byte == '%' && text.count - *at >= 2) {
        int high = hex_of(text.data[*at]);
        int low = hex_of(text.data[*at + 1]);

        if (high != NO_DIGIT && low != NO_DIGIT) {
            *at += 2;
            return (char)(high << 4 | low);
        }
    }
    return byte;
}

static enum status decode(struct bytes base64, bool loose, struct buffer *out)
{
    size_t room = base64.count / 4 * 3 + 3;
    size_t used = 0;
    unsigned bits = 0; /* not written yet: the last bit_count ones */
    unsigned bit_count = 0;
    bool padded = false;
    char *decoded;
    enum status status;

    room = room < out->max - out->count ? room : out->max - out->count;
    status = buffer_reserve(out, room, &decoded);
    for (size_t at = 0; at < base64.count && status == STATUS_OK;) {
        int digit = digit_of(next_byte(base64, loose, &at));

        if (digit == PADDING) {
            padded = true;
            bit_count = loose ? 0 : bit_count;
        } else if (!loose && (digit == NO_DIGIT || (digit != SKIPPED && padded))) {
            status = STATUS_MALFORMED;
        } else if (digit >= 0) {
            bits = bits << 6 | (unsigned)digit;
            bit_count += 6;
        }
        if (bit_count >= 8) {
            if (used == room) {
                status = STATUS_TOO_LARGE;
                break;
            }
            bit_count -= 8;
            decoded[used++] = (char)(unsigned char)(bits >> bit_count);
        }
    }
    buffer_used(out, used);
    return status; /* bits left over are dropped: decoders behind us do so, and the text may have been cut there */
}

enum status data_url_decode(struct bytes base64, struct buffer *out)
{
    return decode(base64, false, out);
}

enum status data_url_decode_loosely(struct bytes base64, struct buffer *out)
{
    return decode(base64, true, out);
}

enum status data_url_unescape(struct bytes escaped, struct buffer *out)
{
    enum status status = STATUS_OK;

    for (size_t at = 0; at < escaped.count && status == STATUS_OK;) {
        struct bytes rest = bytes_from(escaped, at);
        ptrdiff_t percent = bytes_find(rest, '%');
        size_t plain = percent < 0 ? rest.count : (size_t)percent;
        int high = rest.count - plain > 2 ? hex_of(rest.data[plain + 1]) : NO_DIGIT;
        int low = rest.count - plain > 2 ? hex_of(rest.data[plain + 2]) : NO_DIGIT;

        status = buffer_append(out, bytes_first(rest, plain));
        at += plain;
        if (status == STATUS_OK && plain < rest.count) {
            bool is_escape = high != NO_DIGIT && low != NO_DIGIT;
            char byte = '%';

            if (is_escape) {
                byte = (char)(high << 4 | low);
            }
            status = buffer_append(out, (struct bytes){&byte, 1});
            at += is_escape ? 3 : 1;
        }
    }
    return status;
}

bool data_url_is_base64_run(struct bytes text)
{
    if (text.count < BASE64_RUN_BYTES_MIN) {
        return false;
    }
    for (size_t index = 0; index < text.count; index++) {
        int digit = digit_of(text.data[index]);

        if (digit == NO_DIGIT || digit == SKIPPED) {
            return false;
        }
    }
    return true;
}

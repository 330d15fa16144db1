/* utf8: finds the end of what is UTF-8, and copies with the rest replaced. */
#include "proto/utf8.h"

#include <string.h>

size_t utf8_encode(uint32_t point, char out[UTF8_POINT_BYTES_MAX])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | (point >> 6));
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | (point >> 12));
        out[1] = (char)(0x80 | ((point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (point >> 18));
    out[1] = (char)(0x80 | ((point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

size_t utf8_character_before(struct bytes text, size_t at)
{
    const unsigned char *data = (const unsigned char *)text.data;

    for (size_t count = 1; count <= UTF8_POINT_BYTES_MAX && count <= at; count++) {
        if (!utf8_is_continuation(data[at - count])) {
            return utf8_sequence(data + at - count, data + at) == count ? at - count : at - 1;
        }
    }
    return at - 1;
}

size_t utf8_ascii_bytes(struct bytes text)
{
    size_t index = 0;
    uint64_t eight;

    for (; index + sizeof eight <= text.count; index += sizeof eight) {
        memcpy(&eight, text.data + index, sizeof eight);
        if ((eight & 0x8080808080808080u) != 0) {
            break;
        }
    }
    while (index < text.count && (text.data[index] & 0x80) == 0) {
        index++;
    }
    return index;
}

size_t utf8_sound_bytes(struct bytes text)
{
    const unsigned char *start = (const unsigned char *)text.data;
    const unsigned char *at = start;
    const unsigned char *end;

    if (text.count == 0) {
        return 0; /* there may be no pointer to add to */
    }
    end = start + text.count;
    while (at < end) {
        const unsigned char *before = at;
        uint64_t word;

        while (end - at >= 8) { /* eight ASCII bytes a step */
            memcpy(&word, at, sizeof word);
            if ((word & 0x8080808080808080u) != 0) {
                break;
            }
            at += 8;
        }
        while (at < end && *at < 0x80) {
            at++;
        }
        at = utf8_end(at, end);
        if (at == before) {
            break;
        }
    }
    return (size_t)(at - start);
}

enum status utf8_append(struct buffer *out, struct bytes text)
{
    size_t before = out->count;
    enum status status = STATUS_OK;

    while (text.count > 0 && status == STATUS_OK) {
        size_t sound = utf8_sound_bytes(text);

        status = buffer_append(out, bytes_first(text, sound));
        text = bytes_from(text, sound);
        if (text.count > 0 && status == STATUS_OK) {
            status = buffer_append(out, BYTES(UTF8_REPLACEMENT));
            text = bytes_from(text, 1);
        }
    }
    if (status != STATUS_OK) {
        out->count = before;
    }
    return status;
}

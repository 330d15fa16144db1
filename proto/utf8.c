/* utf8: finds the end of what is UTF-8, and copies with the rest replaced. */
#include "proto/utf8.h"

#include <stdint.h>
#include <string.h>

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

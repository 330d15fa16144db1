/* utf8: which bytes are UTF-8 (RFC 3629), and a copy in which those that are not are replaced.
 *
 * A sound sequence is 1 to 4 bytes: not overlong, no surrogate, not past U+10FFFF, not cut off. Everything reads
 * [at, end) and nothing beyond. U+0000 is sound here; who refuses it says so.
 *
 * Thread: any.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

static inline bool utf8_is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the sound sequence at `at` (at < end), or 0 when there is none. */
static inline size_t utf8_sequence(const unsigned char *at, const unsigned char *end)
{
    unsigned char lead = *at;
    size_t left = (size_t)(end - at);

    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4 || left < 2 || !utf8_is_continuation(at[1])) {
        return 0;
    }
    if (lead < 0xE0) {
        return 2;
    }
    if (left < 3 || !utf8_is_continuation(at[2]) || (lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F)) {
        return 0;
    }
    if (lead < 0xF0) {
        return 3;
    }
    if (left < 4 || !utf8_is_continuation(at[3]) || (lead == 0xF0 && at[1] < 0x90) || (lead == 0xF4 && at[1] > 0x8F)) {
        return 0;
    }
    return 4;
}

/* The end of a run of sound sequences that are not ASCII: the first ASCII byte, the first unsound one, or end. */
static inline const unsigned char *utf8_end(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at >= 0x80) {
        size_t count;

        /* Most of Chinese, Japanese and Korean: three bytes, and a first one that needs no further check. */
        if (end - at >= 3 && *at > 0xE0 && *at < 0xED && utf8_is_continuation(at[1]) && utf8_is_continuation(at[2])) {
            at += 3;
            continue;
        }
        count = utf8_sequence(at, end);
        if (count == 0) {
            break;
        }
        at += count;
    }
    return at;
}

/* How many bytes from the front are sound; all of them when the text is UTF-8. */
size_t utf8_sound_bytes(struct bytes text);

/* Appends the text with U+FFFD for each byte that is part of no sound sequence. Statuses of buffer_append; the buffer
 * is then as it was. */
MUST_CHECK enum status utf8_append(struct buffer *out, struct bytes text);

#endif

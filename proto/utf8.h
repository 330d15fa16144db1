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
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

enum { UTF8_REPLACEMENT_POINT = 0xFFFD, UTF8_POINT_BYTES_MAX = 4 };

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

/* The first code point of [*at, end), which is not empty; *at moves behind it. A byte of no sound sequence is U+FFFD. */
static inline uint32_t utf8_decode(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *byte = *at;
    size_t count = utf8_sequence(byte, end);

    *at += count == 0 ? 1 : count;
    switch (count) {
    case 1:
        return byte[0];
    case 2:
        return (byte[0] & 0x1Fu) << 6 | (byte[1] & 0x3Fu);
    case 3:
        return (byte[0] & 0x0Fu) << 12 | (byte[1] & 0x3Fu) << 6 | (byte[2] & 0x3Fu);
    case 4:
        return (byte[0] & 0x07u) << 18 | (byte[1] & 0x3Fu) << 12 | (byte[2] & 0x3Fu) << 6 | (byte[3] & 0x3Fu);
    default:
        return UTF8_REPLACEMENT_POINT;
    }
}

/* Writes a code point and returns its bytes. */
size_t utf8_encode(uint32_t point, char out[UTF8_POINT_BYTES_MAX]);

/* Where the character begins that ends at `at` (not 0): a sound sequence, or a byte of none. */
size_t utf8_character_before(struct bytes text, size_t at);

/* How many bytes from the front are ASCII. */
size_t utf8_ascii_bytes(struct bytes text);

/* How many bytes from the front are sound; all of them when the text is UTF-8. */
size_t utf8_sound_bytes(struct bytes text);

/* Appends the text with U+FFFD for each byte that is part of no sound sequence. Statuses of buffer_append; the buffer
 * is then as it was. */
MUST_CHECK enum status utf8_append(struct buffer *out, struct bytes text);

#endif

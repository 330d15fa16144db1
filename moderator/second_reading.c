/* second_reading: turns round what is shown from right to left, and gathers tag characters. */
#include "moderator/second_reading.h"

#include "proto/utf8.h"

#include <string.h>

#define OVERRIDE "\xE2\x80\xAE"   /* U+202E */
#define POP "\xE2\x80\xAC"        /* U+202C */
#define TAG_BEGIN "\xF3\xA0"      /* of U+E0000 and those behind it */

enum { BETWEEN_PARTS = KEYWORD_GAP_MAX + 1 }; /* newlines: no keyword is read over them */
enum { TAG_BYTES = 4, TAG_THIRD_LAST = 0x81, TAG_SPACE = 0x20, TAG_LAST = 0x7E };

_Static_assert((int)BETWEEN_PARTS < (int)SECOND_READING_BYTES_MAX, "a piece has room for them");
_Static_assert(SECOND_READING_BYTES_MAX >= 2 * KEYWORD_BYTES_MAX, "every piece brings something new");

void second_reading_begin(struct second_reading *reading, struct bytes text)
{
    reading->text = text;
    reading->rest = text;
    reading->backward = (struct bytes){NULL, 0};
    reading->in_tags = false;
    reading->count = 0;
    reading->looked_bytes = 0;
}

/* What stands before `mark`, or all of the text. */
static struct bytes before(struct second_reading *reading, struct bytes text, struct bytes mark)
{
    const char *found = text.count == 0 ? NULL : memmem(text.data, text.count, mark.data, mark.count);
    struct bytes part = found == NULL ? text : bytes_first(text, (size_t)(found - text.data));

    reading->looked_bytes += part.count;
    return part;
}

/* What stands before the end of its line, or POP. Not one after the other: where one of them is missing, all that is left of the
 * text would be looked at for each part. */
static struct bytes before_end(struct second_reading *reading, struct bytes text)
{
    size_t count = 0;

    while (count < text.count && text.data[count] != '\n' && !bytes_starts_with(bytes_from(text, count), BYTES(POP))) {
        count++;
    }
    reading->looked_bytes += count;
    return bytes_first(text, count);
}

/* Looks for the next part that is shown from right to left. False when there is none. */
static bool next_backward(struct second_reading *reading)
{
    struct bytes part = bytes_from(reading->rest, before(reading, reading->rest, BYTES(OVERRIDE)).count);

    if (part.count == 0) {
        return false;
    }
    part = bytes_from(part, strlen(OVERRIDE));
    reading->backward = before_end(reading, part);
    reading->rest = bytes_from(part, reading->backward.count);
    return true;
}

/* Writes the characters of the part's end behind the first `count` bytes of the piece, last one first, as many as there is room
 * for. Returns how many bytes the piece has then. */
static size_t turn_round(struct second_reading *reading, size_t count)
{
    struct bytes rest = reading->backward;

    while (rest.count > 0) {
        size_t size = rest.count - utf8_character_before(rest, rest.count);

        if (count + size > SECOND_READING_BYTES_MAX) {
            break;
        }
        rest.count -= size;
        memcpy(reading->piece + count, rest.data + rest.count, size);
        count += size;
    }
    if (rest.count > 0) {
        rest.count += KEYWORD_BYTES_MAX; /* begins again in what was written */
        for (int bytes = 1; bytes < UTF8_POINT_BYTES_MAX && utf8_is_continuation((unsigned char)rest.data[rest.count]); bytes++) {
            rest.count++;
        }
    }
    reading->backward = rest;
    return count;
}

/* As many parts as there is room for: each piece costs a scan of its own, however short it is. A long part begins one. */
static bool next_parts(struct second_reading *reading, struct bytes *out)
{
    size_t count = 0;

    while (reading->backward.count > 0 || next_backward(reading)) {
        size_t between = count == 0 ? 0 : BETWEEN_PARTS;

        if (count > 0 && count + between + reading->backward.count > SECOND_READING_BYTES_MAX) {
            break;
        }
        if (reading->backward.count > 0) {
            memset(reading->piece + count, '\n', between);
            count = turn_round(reading, count + between);
        }
        if (reading->backward.count > 0) {
            break;
        }
    }
    *out = (struct bytes){reading->piece, count};
    return count > 0;
}

/* Adds what the next tag says, if there is one. */
static void add_tag(struct second_reading *reading, struct bytes tag)
{
    const unsigned char *byte = (const unsigned char *)tag.data;
    unsigned letter;

    if (tag.count < TAG_BYTES || byte[2] > TAG_THIRD_LAST || !utf8_is_continuation(byte[2]) || !utf8_is_continuation(byte[3])) {
        return; /* a variation selector, or cut off */
    }
    letter = (byte[2] & 0x3Fu) << 6 | (byte[3] & 0x3Fu);
    /* The others, as the one that ends a flag, part words. */
    reading->piece[reading->count++] = letter >= TAG_SPACE && letter <= TAG_LAST ? (char)letter : ' ';
}

static bool next_tags(struct second_reading *reading, struct bytes *out)
{
    size_t known = 0;

    if (reading->count == SECOND_READING_BYTES_MAX) { /* a full piece was given out: its end is the beginning of the next */
        known = KEYWORD_BYTES_MAX;
        memmove(reading->piece, reading->piece + SECOND_READING_BYTES_MAX - known, known);
    }
    reading->count = known;
    while (reading->rest.count > 0 && reading->count < SECOND_READING_BYTES_MAX) {
        struct bytes skipped = before(reading, reading->rest, BYTES(TAG_BEGIN));
        struct bytes tag = bytes_from(reading->rest, skipped.count);

        add_tag(reading, bytes_first(tag, TAG_BYTES));
        reading->rest = bytes_from(tag, strlen(TAG_BEGIN));
    }
    *out = (struct bytes){reading->piece, reading->count};
    return reading->count > known;
}

bool second_reading_next(struct second_reading *reading, struct bytes *out)
{
    if (!reading->in_tags) {
        if (next_parts(reading, out)) {
            return true;
        }
        reading->in_tags = true;
        reading->rest = reading->text;
    }
    return next_tags(reading, out);
}

/* second_reading: copies a text with what is shown from right to left turned round, gathers tag characters, reads escapes. */
#include "moderator/second_reading.h"

#include "proto/utf8.h"

#include <string.h>

#define OVERRIDE "\xE2\x80\xAE"   /* U+202E */
#define POP "\xE2\x80\xAC"        /* U+202C */
#define TAG_BEGIN "\xF3\xA0"      /* of U+E0000 and those behind it */

enum { TAG_BYTES = 4, TAG_THIRD_LAST = 0x81, TAG_SPACE = 0x20, TAG_LAST = 0x7E };

enum { ESCAPE_BYTES = 6, HIGH_FIRST = 0xD800, LOW_FIRST = 0xDC00, LOW_LAST = 0xDFFF };

_Static_assert(SECOND_READING_BYTES_MAX >= 2 * KEYWORD_BYTES_MAX, "every piece brings something new");

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

/* What comes next: text in its order, and a part that is shown from right to left behind it. False at the end, and at once when
 * there is no such part at all. */
static bool next_run(struct second_reading *reading)
{
    struct bytes plain = before(reading, reading->rest, BYTES(OVERRIDE));
    struct bytes part = bytes_from(reading->rest, plain.count);

    if (reading->rest.count == 0 || (part.count == 0 && !reading->turned)) {
        return false;
    }
    reading->forward = plain;
    if (part.count > 0) {
        reading->turned = true;
        part = bytes_from(part, strlen(OVERRIDE));
        reading->backward = before_end(reading, part);
        part = bytes_from(part, reading->backward.count);
    }
    reading->rest = part;
    return true;
}

/* Begins a piece: with the end of the one before, where that was full. Returns how many bytes of it are known. */
static size_t begin_piece(struct second_reading *reading)
{
    size_t known = reading->full ? KEYWORD_BYTES_MAX : 0;

    memmove(reading->piece, reading->piece + reading->count - known, known);
    reading->count = known;
    reading->full = false;
    return known;
}

static void append(struct second_reading *reading, struct bytes part)
{
    memcpy(reading->piece + reading->count, part.data, part.count);
    reading->count += part.count;
}

static void copy_forward(struct second_reading *reading)
{
    struct bytes fits = bytes_first(reading->forward, SECOND_READING_BYTES_MAX - reading->count);

    append(reading, fits);
    reading->forward = bytes_from(reading->forward, fits.count);
    reading->full = reading->forward.count > 0;
}

/* The characters of the part, last one first. */
static void copy_backward(struct second_reading *reading)
{
    while (reading->backward.count > 0 && !reading->full) {
        size_t at = utf8_character_before(reading->backward, reading->backward.count);
        struct bytes character = bytes_from(reading->backward, at);

        reading->full = character.count > SECOND_READING_BYTES_MAX - reading->count;
        if (!reading->full) {
            append(reading, character);
            reading->backward.count = at;
        }
    }
}

static bool next_shown(struct second_reading *reading, struct bytes *out)
{
    size_t known = begin_piece(reading);

    while (!reading->full && (reading->forward.count > 0 || reading->backward.count > 0 || next_run(reading))) {
        if (reading->forward.count > 0) {
            copy_forward(reading);
        }
        if (!reading->full) {
            copy_backward(reading);
        }
    }
    *out = (struct bytes){reading->piece, reading->count};
    return reading->count > known;
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
    size_t known = begin_piece(reading);

    while (reading->rest.count > 0 && !reading->full) {
        struct bytes skipped = before(reading, reading->rest, BYTES(TAG_BEGIN));
        struct bytes tag = bytes_from(reading->rest, skipped.count);

        add_tag(reading, bytes_first(tag, TAG_BYTES));
        reading->rest = bytes_from(tag, strlen(TAG_BEGIN));
        reading->full = reading->count == SECOND_READING_BYTES_MAX;
    }
    *out = (struct bytes){reading->piece, reading->count};
    return reading->count > known;
}

/* The code unit of the escape that `text` begins with; false when it begins with none. */
static bool read_unit(struct bytes text, uint32_t *out)
{
    uint32_t unit = 0;

    if (text.count < ESCAPE_BYTES || text.data[0] != '\\' || text.data[1] != 'u') {
        return false;
    }
    for (size_t index = 2; index < ESCAPE_BYTES; index++) {
        int digit = bytes_hex_digit(text.data[index]);

        if (digit < 0) {
            return false;
        }
        unit = unit << 4 | (uint32_t)digit;
    }
    *out = unit;
    return true;
}

/* What stands before the first escape, or all of the text. */
static struct bytes before_escape(struct bytes text)
{
    size_t count = 0;
    uint32_t unit;

    while (count < text.count && !read_unit(bytes_from(text, count), &unit)) {
        ptrdiff_t next = bytes_find(bytes_from(text, count + 1), '\\');

        count = next < 0 ? text.count : count + 1 + (size_t)next;
    }
    return bytes_first(text, count);
}

/* Takes the escape off the rest, if it begins with one, and adds what it stands for. Half of a pair is nothing, as 0 is. */
static void take_escape(struct second_reading *reading)
{
    uint32_t point = 0;
    uint32_t low;

    if (!read_unit(reading->rest, &point)) {
        return;
    }
    reading->rest = bytes_from(reading->rest, ESCAPE_BYTES);
    if (point >= HIGH_FIRST && point < LOW_FIRST && read_unit(reading->rest, &low) && low >= LOW_FIRST && low <= LOW_LAST) {
        reading->rest = bytes_from(reading->rest, ESCAPE_BYTES);
        point = 0x10000 + ((point - HIGH_FIRST) << 10 | (low - LOW_FIRST));
    }
    if (point != 0 && (point < HIGH_FIRST || point > LOW_LAST)) {
        reading->count += utf8_encode(point, reading->piece + reading->count);
    }
}

/* What of the text between two escapes is near one of them comes next; far ones are apart. */
static void take_between(struct second_reading *reading)
{
    struct bytes between = before_escape(reading->rest);
    bool is_last = between.count == reading->rest.count;

    reading->looked_bytes += between.count;
    reading->apart = !is_last && between.count > 2 * KEYWORD_BYTES_MAX;
    reading->rest = bytes_from(reading->rest, reading->apart ? between.count - KEYWORD_BYTES_MAX : between.count);
    reading->forward = is_last || reading->apart ? bytes_first(between, KEYWORD_BYTES_MAX) : between;
}

/* Adds the next escape, and finds what stands behind it. False at the end of the text. */
static bool next_escape(struct second_reading *reading)
{
    if (reading->rest.count == 0) {
        return false;
    }
    reading->full = SECOND_READING_BYTES_MAX - reading->count < UTF8_POINT_BYTES_MAX;
    if (!reading->full) {
        take_escape(reading);
        take_between(reading);
    }
    return true;
}

static bool next_escaped(struct second_reading *reading, struct bytes *out)
{
    size_t known = begin_piece(reading);

    while (!reading->full && (reading->forward.count > 0 || (!reading->apart && next_escape(reading)))) {
        if (reading->forward.count > 0) {
            copy_forward(reading);
        }
    }
    reading->apart = reading->apart && reading->forward.count > 0;
    *out = (struct bytes){reading->piece, reading->count};
    return reading->count > known;
}

static void begin_escapes(struct second_reading *reading)
{
    size_t first = before_escape(reading->text).count;

    reading->kind = SECOND_ESCAPES;
    reading->looked_bytes += first;
    reading->rest = (struct bytes){NULL, 0};
    if (first < reading->text.count) {
        reading->rest = bytes_from(reading->text, first < KEYWORD_BYTES_MAX ? 0 : first - KEYWORD_BYTES_MAX);
    }
}

void second_reading_begin(struct second_reading *reading, struct bytes text)
{
    reading->text = text;
    reading->rest = text;
    reading->forward = reading->backward = (struct bytes){NULL, 0};
    reading->kind = SECOND_SHOWN;
    reading->turned = reading->apart = reading->full = false;
    reading->count = 0;
    reading->looked_bytes = 0;
    if (utf8_ascii_bytes(text) == text.count) { /* only escapes are in it */
        begin_escapes(reading);
    }
}

bool second_reading_next(struct second_reading *reading, struct bytes *out)
{
    if (reading->kind == SECOND_SHOWN && next_shown(reading, out)) {
        return true;
    }
    if (reading->kind == SECOND_SHOWN) {
        reading->kind = SECOND_TAGS;
        reading->rest = reading->text;
    }
    if (reading->kind == SECOND_TAGS && next_tags(reading, out)) {
        return true;
    }
    if (reading->kind == SECOND_TAGS) {
        begin_escapes(reading);
    }
    return next_escaped(reading, out);
}

/* skeleton: makes a table of pages from the data of skeleton_table, and reads texts through it. */
#include "moderator/skeleton.h"

#include "moderator/skeleton_table.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An entry is what a code point becomes: a point, 0 = itself, below KIND_SHIFT, and its kind; or a place in `sequences`. */
enum {
    PAGE_POINTS = 128,
    PAGES = 0x110000 / PAGE_POINTS,
    KIND_SHIFT = 21,
    POINT_MASK = (1 << KIND_SHIFT) - 1,
    DROPPED = GLYPH_GAP + 1, /* kinds that no glyph has */
    SEQUENCE,
    UNIFORM_PAGES = SEQUENCE, /* page k: all of kind k, each itself */
};

/* The Unicode Standard, 3.12: the syllables of Hangul are composed by arithmetic. */
enum {
    HANGUL_FIRST = 0xAC00,
    HANGUL_COUNT = 11172,
    HANGUL_LEADS = 0x1100,
    HANGUL_VOWELS = 0x1161,
    HANGUL_TAILS = 0x11A7,
    VOWEL_COUNT = 21,
    TAIL_COUNT = 28,
};

struct skeleton {
    uint16_t page_of[PAGES];
    uint32_t (*pages)[PAGE_POINTS];
    size_t page_count, page_room;
    uint32_t *sequences; /* a count, and so many points, and so on */
    size_t sequences_count;
};

static enum status add_page(struct skeleton *skeleton, const uint32_t *from)
{
    if (skeleton->page_count == skeleton->page_room) {
        size_t room = skeleton->page_room == 0 ? 128 : 2 * skeleton->page_room;
        uint32_t(*grown)[PAGE_POINTS] = realloc(skeleton->pages, room * sizeof *grown);

        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        skeleton->pages = grown;
        skeleton->page_room = room;
    }
    memcpy(skeleton->pages[skeleton->page_count++], from, sizeof *skeleton->pages);
    return STATUS_OK;
}

static enum status add_uniform_pages(struct skeleton *skeleton)
{
    enum status status = STATUS_OK;

    for (uint32_t kind = 0; status == STATUS_OK && kind < UNIFORM_PAGES; kind++) {
        uint32_t page[PAGE_POINTS];

        for (size_t at = 0; at < PAGE_POINTS; at++) {
            page[at] = kind << KIND_SHIFT;
        }
        status = add_page(skeleton, page);
    }
    return status;
}

static uint32_t entry_of(const struct skeleton *skeleton, uint32_t point)
{
    return skeleton->pages[skeleton->page_of[point / PAGE_POINTS]][point % PAGE_POINTS];
}

static enum status set(struct skeleton *skeleton, uint32_t point, uint32_t entry)
{
    uint16_t *page = &skeleton->page_of[point / PAGE_POINTS];

    if (*page < UNIFORM_PAGES) {
        uint32_t copy[PAGE_POINTS];

        memcpy(copy, skeleton->pages[*page], sizeof copy);
        if (add_page(skeleton, copy) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
        *page = (uint16_t)(skeleton->page_count - 1);
    }
    skeleton->pages[*page][point % PAGE_POINTS] = entry;
    return STATUS_OK;
}

static enum status set_ranges(struct skeleton *skeleton, const struct skeleton_range *ranges, size_t count, uint32_t kind)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; status == STATUS_OK && index < count; index++) {
        uint32_t point = ranges[index].first;

        while (status == STATUS_OK && point <= ranges[index].last) {
            if (point % PAGE_POINTS == 0 && ranges[index].last - point >= PAGE_POINTS - 1 &&
                skeleton->page_of[point / PAGE_POINTS] == 0) {
                skeleton->page_of[point / PAGE_POINTS] = (uint16_t)kind;
                point += PAGE_POINTS;
            } else {
                status = set(skeleton, point++, kind << KIND_SHIFT);
            }
        }
    }
    return status;
}

static bool is_ascii_letter_or_digit(uint32_t point)
{
    return (point >= 'a' && point <= 'z') || (point >= '0' && point <= '9');
}

static enum status set_ascii(struct skeleton *skeleton)
{
    enum status status = STATUS_OK;

    for (uint32_t point = 0; status == STATUS_OK && point < 0x80; point++) {
        uint32_t entry = (uint32_t)GLYPH_GAP << KIND_SHIFT;

        if (point >= 'A' && point <= 'Z') {
            entry = point - 'A' + 'a';
        } else if (is_ascii_letter_or_digit(point)) {
            entry = 0;
        } else if ((point < ' ' && (point < '\t' || point > '\r')) || point == 0x7F) {
            entry = (uint32_t)DROPPED << KIND_SHIFT;
        }
        status = set(skeleton, point, entry);
    }
    return status;
}

static enum status set_pairs(struct skeleton *skeleton)
{
    enum status status = STATUS_OK;

    for (size_t line = 0; status == STATUS_OK && skeleton_pairs[line] != NULL; line++) {
        const unsigned char *at = (const unsigned char *)skeleton_pairs[line];
        const unsigned char *end = at + strlen(skeleton_pairs[line]);

        while (status == STATUS_OK && at < end) {
            uint32_t point = utf8_decode(&at, end);
            uint32_t like = utf8_decode(&at, end);

            status = set(skeleton, point, like | (entry_of(skeleton, like) >> KIND_SHIFT << KIND_SHIFT));
        }
    }
    return status;
}

/* One "character, those it looks like" up to its end of line; *at moves behind it. */
static enum status set_sequence(struct skeleton *skeleton, const unsigned char **at, const unsigned char *end)
{
    uint32_t point = utf8_decode(at, end);
    uint32_t *sequence = skeleton->sequences + skeleton->sequences_count;
    uint32_t count = 0;

    while (**at != '\n') {
        sequence[++count] = utf8_decode(at, end);
    }
    (*at)++;
    assert(count <= SKELETON_GLYPHS_MAX);
    sequence[0] = count;
    skeleton->sequences_count += count + 1;
    return set(skeleton, point, (uint32_t)(sequence - skeleton->sequences) | (uint32_t)SEQUENCE << KIND_SHIFT);
}

static enum status set_sequences(struct skeleton *skeleton)
{
    enum status status = STATUS_OK;
    size_t bytes = 0;

    for (size_t line = 0; skeleton_sequences[line] != NULL; line++) {
        bytes += strlen(skeleton_sequences[line]); /* no less than the code points in it */
    }
    skeleton->sequences = calloc(bytes, sizeof *skeleton->sequences);
    if (skeleton->sequences == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t line = 0; status == STATUS_OK && skeleton_sequences[line] != NULL; line++) {
        const unsigned char *at = (const unsigned char *)skeleton_sequences[line];
        const unsigned char *end = at + strlen(skeleton_sequences[line]);

        while (status == STATUS_OK && at < end) {
            status = set_sequence(skeleton, &at, end);
        }
    }
    return status;
}

enum status skeleton_open(struct skeleton **out)
{
    struct skeleton *skeleton = calloc(1, sizeof *skeleton);
    enum status status;

    assert(out != NULL);
    if (skeleton == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = add_uniform_pages(skeleton);
    if (status == STATUS_OK) {
        status = set_ascii(skeleton);
    }
    if (status == STATUS_OK) {
        status = set_ranges(skeleton, skeleton_alone, skeleton_alone_count, GLYPH_ALONE);
    }
    if (status == STATUS_OK) {
        status = set_ranges(skeleton, skeleton_gaps, skeleton_gaps_count, GLYPH_GAP);
    }
    if (status == STATUS_OK) {
        status = set_ranges(skeleton, skeleton_marks, skeleton_marks_count, GLYPH_MARK);
    }
    if (status == STATUS_OK) {
        status = set_ranges(skeleton, skeleton_dropped, skeleton_dropped_count, DROPPED);
    }
    if (status == STATUS_OK) {
        status = set_pairs(skeleton); /* after the kinds of what they lead to */
    }
    if (status == STATUS_OK) {
        status = set_sequences(skeleton);
    }
    if (status != STATUS_OK) {
        skeleton_close(&skeleton);
        return status;
    }
    *out = skeleton;
    return STATUS_OK;
}

void skeleton_close(struct skeleton **skeleton)
{
    assert(skeleton != NULL);
    if (*skeleton == NULL) {
        return;
    }
    free((*skeleton)->pages);
    free((*skeleton)->sequences);
    free(*skeleton);
    *skeleton = NULL;
}

static struct glyph glyph_of(uint32_t point, uint32_t entry)
{
    uint32_t like = entry & POINT_MASK;

    return (struct glyph){like == 0 ? point : like, (enum glyph_kind)(entry >> KIND_SHIFT)};
}

static size_t hangul_of(uint32_t syllable, struct glyph out[SKELETON_GLYPHS_MAX])
{
    uint32_t tail = syllable % TAIL_COUNT;

    out[0] = (struct glyph){HANGUL_LEADS + syllable / (VOWEL_COUNT * TAIL_COUNT), GLYPH_LETTER};
    out[1] = (struct glyph){HANGUL_VOWELS + syllable / TAIL_COUNT % VOWEL_COUNT, GLYPH_MARK};
    out[2] = (struct glyph){HANGUL_TAILS + tail, GLYPH_MARK};
    return tail == 0 ? 2 : 3;
}

bool skeleton_of_one(const struct skeleton *skeleton, uint32_t point, struct glyph *out, bool *out_has)
{
    uint32_t entry = entry_of(skeleton, point);

    if (entry >> KIND_SHIFT == SEQUENCE || point - HANGUL_FIRST < HANGUL_COUNT) {
        return false;
    }
    *out_has = entry >> KIND_SHIFT != DROPPED;
    *out = glyph_of(point, entry);
    return true;
}

size_t skeleton_of(const struct skeleton *skeleton, uint32_t point, struct glyph out[SKELETON_GLYPHS_MAX])
{
    const uint32_t *sequence;
    bool has;

    if (skeleton_of_one(skeleton, point, out, &has)) {
        return has;
    }
    if (point - HANGUL_FIRST < HANGUL_COUNT) {
        return hangul_of(point - HANGUL_FIRST, out);
    }
    sequence = skeleton->sequences + (entry_of(skeleton, point) & POINT_MASK);
    for (size_t index = 0; index < sequence[0]; index++) {
        out[index] = glyph_of(sequence[index + 1], entry_of(skeleton, sequence[index + 1]));
    }
    return sequence[0];
}

void skeleton_begin(struct skeleton_reader *reader, const struct skeleton *skeleton, struct bytes text, size_t at,
                    bool backwards)
{
    assert(at <= text.count);
    reader->skeleton = skeleton;
    reader->text = text;
    reader->at = at;
    reader->backwards = backwards;
    reader->base = 0;
    reader->glyph_count = 0;
    reader->glyph_next = 0;
}

static uint32_t point_at(struct bytes text, size_t at)
{
    const unsigned char *data = (const unsigned char *)text.data;
    const unsigned char *from = data + at;

    return utf8_decode(&from, data + text.count);
}

/* The next character with glyphs; false at the end. */
static bool read_character(struct skeleton_reader *reader)
{
    const unsigned char *data = (const unsigned char *)reader->text.data;

    reader->glyph_count = 0;
    reader->glyph_next = 0;
    do {
        uint32_t point;

        if (reader->backwards) {
            if (reader->at == 0) {
                return false;
            }
            reader->at = utf8_character_before(reader->text, reader->at);
            point = point_at(reader->text, reader->at);
        } else {
            const unsigned char *at = data + reader->at;

            if (reader->at == reader->text.count) {
                return false;
            }
            point = utf8_decode(&at, data + reader->text.count);
            reader->at = (size_t)(at - data);
        }
        reader->glyph_count = skeleton_of(reader->skeleton, point, reader->glyphs);
    } while (reader->glyph_count == 0);
    return true;
}

/* Glyph `index` of the character read last, in the order of reading. */
static struct glyph glyph_at(const struct skeleton_reader *reader, size_t index)
{
    return reader->glyphs[reader->backwards ? reader->glyph_count - 1 - index : index];
}

/* What a mark met on the way back stands on: the first letter before it, 0 when none is near. */
static uint32_t base_before(const struct skeleton_reader *reader)
{
    struct glyph glyphs[SKELETON_GLYPHS_MAX];
    size_t at = reader->at;

    for (size_t index = reader->glyph_next; index < reader->glyph_count; index++) {
        struct glyph glyph = glyph_at(reader, index);

        if (glyph.kind != GLYPH_MARK) {
            return glyph.point;
        }
    }
    for (size_t steps = 0; at > 0 && steps < FOLD_MARKS_MAX; steps++) {
        size_t count;

        at = utf8_character_before(reader->text, at);
        count = skeleton_of(reader->skeleton, point_at(reader->text, at), glyphs);
        while (count > 0 && glyphs[count - 1].kind == GLYPH_MARK) {
            count--;
        }
        if (count > 0) {
            return glyphs[count - 1].point;
        }
    }
    return 0;
}

/* Blocks of 256: near enough to scripts. */
static bool of_one_script(uint32_t mark, uint32_t base)
{
    return mark >> 8 == base >> 8;
}

bool skeleton_read(struct skeleton_reader *reader, struct glyph *out)
{
    for (;;) {
        struct glyph glyph;

        if (reader->glyph_next == reader->glyph_count && !read_character(reader)) {
            return false;
        }
        glyph = glyph_at(reader, reader->glyph_next++);
        if (glyph.kind == GLYPH_MARK) {
            if (!of_one_script(glyph.point, reader->backwards ? base_before(reader) : reader->base)) {
                continue;
            }
        } else {
            reader->base = glyph.point;
        }
        *out = glyph;
        return true;
    }
}

enum status skeleton_append(struct skeleton_reader *reader, size_t bytes, struct buffer *out)
{
    enum status status = STATUS_OK;
    struct glyph glyph;

    assert(!reader->backwards);
    while (status == STATUS_OK && out->count < bytes && skeleton_read(reader, &glyph)) {
        char point[UTF8_POINT_BYTES_MAX];

        status = buffer_append(out, (struct bytes){point, utf8_encode(glyph.point, point)});
    }
    return status;
}

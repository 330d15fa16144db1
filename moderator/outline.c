/* outline: a byte of ASCII costs a look-up, sixty-four a step; any other character goes through its glyphs. */
#include "moderator/outline.h"

#include "proto/utf8.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOL = 0x80, EURO = 0x20AC, EURO_FIRST_BYTE = 0xE2, ASCII_COUNT = 0x80, HANGUL_BLOCK = 0x11 };

/* A letter; 0 for what has none; SYMBOL and a letter for what may stand for one. */
static const unsigned char ascii_letter[ASCII_COUNT] = {
    ['0'] = 'o', ['1'] = 'i', ['2'] = 'z', ['3'] = 'e', ['4'] = 'a', ['5'] = 's', ['6'] = 'g', ['7'] = 't', ['8'] = 'b',
    ['9'] = 'g',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',
    ['J'] = 'j', ['K'] = 'k', ['L'] = 'i', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
    ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',
    ['j'] = 'j', ['k'] = 'k', ['l'] = 'i', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',
    ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
    ['@'] = SYMBOL | 'a', ['$'] = SYMBOL | 's', ['('] = SYMBOL | 'c', ['+'] = SYMBOL | 't', ['!'] = SYMBOL | 'i',
    ['|'] = SYMBOL | 'i',
};

static bool is_symbol(uint32_t point)
{
    return point == EURO || (point < ASCII_COUNT && (ascii_letter[point] & SYMBOL) != 0);
}

uint32_t outline_letter(uint32_t point, bool symbols)
{
    if (is_symbol(point)) {
        return !symbols ? 0 : point == EURO ? 'e' : ascii_letter[point] & (SYMBOL - 1u);
    }
    return point < ASCII_COUNT ? ascii_letter[point] : point;
}

bool outline_stands_for(uint32_t point, uint32_t letter)
{
    bool is_digit = point >= '0' && point <= '9';
    bool is_letter = letter >= 'a' && letter <= 'z';

    return (is_digit || is_symbol(point)) && is_letter && outline_letter(point, true) == outline_letter(letter, false);
}

/* Vowels and tones on letters are left out; the rest of a Hangul syllable is not: without it a third of a word would be found. */
bool outline_has(struct glyph glyph)
{
    bool is_hangul = glyph.point >> 8 == HANGUL_BLOCK;

    return glyph.kind == GLYPH_LETTER || glyph.kind == GLYPH_ALONE || (glyph.kind == GLYPH_MARK && is_hangul);
}

static size_t write_glyph(struct glyph glyph, bool symbols, char *out)
{
    if (!outline_has(glyph) && !(symbols && is_symbol(glyph.point))) {
        return 0;
    }
    return utf8_encode(outline_letter(glyph.point, symbols), out);
}

static size_t write_glyphs(const struct skeleton *skeleton, uint32_t point, bool symbols, char *out)
{
    struct glyph glyphs[SKELETON_GLYPHS_MAX];
    size_t glyph_count = skeleton_of(skeleton, point, glyphs);
    size_t count = 0;

    for (size_t index = 0; index < glyph_count; index++) {
        count += write_glyph(glyphs[index], symbols, out + count);
    }
    return count;
}

size_t outline_of(const struct skeleton *skeleton, uint32_t point, bool symbols, char out[OUTLINE_CHARACTER_BYTES_MAX])
{
    struct glyph glyph;
    bool has;

    if (skeleton_of_one(skeleton, point, &glyph, &has)) {
        return has ? write_glyph(glyph, symbols, out) : 0;
    }
    return write_glyphs(skeleton, point, symbols, out);
}

/* Of two characters of ASCII: the bytes that they give, the first one first, how many, and whether one is a symbol. */
enum { PAIR_COUNT_SHIFT = 16, PAIR_COUNT_MASK = 3, PAIR_SYMBOL = 1 << 24, PAIR_BYTES = 2 };

static uint32_t pair_of(unsigned char first, unsigned char second, bool symbols)
{
    const unsigned char letters[PAIR_BYTES] = {ascii_letter[first], ascii_letter[second]};
    unsigned char out[PAIR_BYTES] = {0};
    uint32_t count = 0, seen = 0;
    uint16_t bytes;

    for (size_t index = 0; index < PAIR_BYTES; index++) {
        seen |= letters[index] & SYMBOL;
        if (letters[index] != 0 && (symbols || (letters[index] & SYMBOL) == 0)) {
            out[count++] = letters[index] & (SYMBOL - 1);
        }
    }
    memcpy(&bytes, out, sizeof bytes);
    return bytes | count << PAIR_COUNT_SHIFT | (seen != 0 ? PAIR_SYMBOL : 0u);
}

enum status outline_open(struct outline **out, const struct skeleton *skeleton, bool symbols)
{
    struct outline *outline = calloc(1, sizeof *outline);

    assert(out != NULL);
    if (outline == NULL) {
        return STATUS_NO_MEMORY;
    }
    outline->skeleton = skeleton;
    outline->symbols = symbols;
    for (uint32_t pair = 0; pair < OUTLINE_PAIRS; pair++) {
        outline->pairs[pair] = pair_of((unsigned char)(pair / ASCII_COUNT), (unsigned char)(pair % ASCII_COUNT), symbols);
    }
    *out = outline;
    return STATUS_OK;
}

void outline_close(struct outline **outline)
{
    assert(outline != NULL);
    free(*outline);
    *outline = NULL;
}

/* A step's bytes, all ASCII; returns whether a symbol was among them. */
static bool fill_ascii(struct outline *outline, const unsigned char *from)
{
    char *out = outline->bytes + outline->count;
    uint32_t seen = 0;

    for (size_t at = 0; at < OUTLINE_STEP_BYTES; at += PAIR_BYTES) {
        uint32_t pair = outline->pairs[(uint32_t)from[at] * ASCII_COUNT + from[at + 1]];
        uint16_t bytes = (uint16_t)pair;

        memcpy(out, &bytes, sizeof bytes);
        out += pair >> PAIR_COUNT_SHIFT & PAIR_COUNT_MASK;
        seen |= pair;
    }
    outline->count = (size_t)(out - outline->bytes);
    return (seen & PAIR_SYMBOL) != 0;
}

static bool is_ascii_step(const unsigned char *from)
{
    uint64_t all = 0;

    for (size_t at = 0; at < OUTLINE_STEP_BYTES; at += sizeof all) {
        uint64_t eight;

        memcpy(&eight, from + at, sizeof eight);
        all |= eight;
    }
    return (all & 0x8080808080808080u) == 0;
}

size_t outline_fill(struct outline *outline, struct bytes text, size_t from, size_t to, size_t kept)
{
    const unsigned char *data = (const unsigned char *)text.data;
    const unsigned char *at = data + from;
    const unsigned char *stop = data + (to - from > OUTLINE_CHUNK_BYTES ? from + OUTLINE_CHUNK_BYTES : to);

    assert(from < to && to <= text.count && kept <= outline->count && kept <= OUTLINE_BYTES_MAX);
    memmove(outline->bytes, outline->bytes + outline->count - kept, kept);
    outline->count = kept;
    outline->step_count = 0;
    while (at < stop) {
        struct outline_step *step = &outline->steps[outline->step_count++];
        const unsigned char *next = stop - at > OUTLINE_STEP_BYTES ? at + OUTLINE_STEP_BYTES : stop;

        *step = (struct outline_step){.source = (size_t)(at - data), .count = outline->count};
        if (next - at == OUTLINE_STEP_BYTES && is_ascii_step(at)) {
            step->has_symbols = fill_ascii(outline, at);
            at = next;
            continue;
        }
        while (at < next) {
            uint32_t point = utf8_decode(&at, data + text.count);

            step->has_symbols = step->has_symbols || is_symbol(point);
            outline->count += outline_of(outline->skeleton, point, outline->symbols, outline->bytes + outline->count);
        }
    }
    return (size_t)(at - data);
}

size_t outline_source(const struct outline *outline, struct bytes text, size_t count)
{
    const unsigned char *data = (const unsigned char *)text.data;
    char bytes[OUTLINE_CHARACTER_BYTES_MAX];
    const unsigned char *at;
    size_t low = 0;
    size_t high = outline->step_count;
    size_t reached;

    while (high - low > 1) { /* the last step with less before it */
        size_t middle = low + (high - low) / 2;

        if (outline->steps[middle].count < count) {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert(outline->step_count > 0 && outline->steps[low].count < count && count <= outline->count);
    at = data + outline->steps[low].source;
    for (reached = outline->steps[low].count; reached < count;) {
        reached += outline_of(outline->skeleton, utf8_decode(&at, data + text.count), outline->symbols, bytes);
    }
    return (size_t)(at - data);
}

/* What a byte is to a word that symbols may stand in. */
enum part { PART_NONE, PART_LETTER, PART_DIGIT, PART_SYMBOL };

static inline enum part part_at(struct bytes text, size_t at)
{
    unsigned char byte = (unsigned char)text.data[at];

    if (byte >= ASCII_COUNT) {
        bool is_euro = byte == EURO_FIRST_BYTE && bytes_starts_with(bytes_from(text, at), BYTES("\xE2\x82\xAC"));

        return is_euro ? PART_SYMBOL : PART_LETTER;
    }
    if (ascii_letter[byte] == 0) {
        return PART_NONE;
    }
    return (ascii_letter[byte] & SYMBOL) != 0 ? PART_SYMBOL : byte <= '9' ? PART_DIGIT : PART_LETTER;
}

/* The word around `at`, not before `floor`; whether its symbols may be letters. */
static bool is_disguised(struct bytes text, size_t floor, size_t at, size_t *begin, size_t *end)
{
    size_t counts[PART_SYMBOL + 1] = {0};
    enum part before = PART_NONE;
    bool inside = false; /* a symbol between letters; a bracket there is a call's */

    *begin = at;
    while (*begin > floor && part_at(text, *begin - 1) != PART_NONE) {
        (*begin)--;
    }
    for (*end = *begin; *end < text.count; (*end)++) {
        enum part part = part_at(text, *end);

        if (part == PART_NONE) {
            break;
        }
        inside = inside ||
                 (part == PART_LETTER && before == PART_SYMBOL && counts[PART_LETTER] > 0 && text.data[*end - 1] != '(');
        counts[part]++;
        before = part;
    }
    return counts[PART_LETTER] > 0 && (inside || counts[PART_SYMBOL] + counts[PART_DIGIT] > 1);
}

static bool stands_alone(struct bytes text, size_t at)
{
    return (at == 0 || part_at(text, at - 1) == PART_NONE) && (at + 1 == text.count || part_at(text, at + 1) == PART_NONE);
}

/* Sixteen bytes at once, on any processor that the compiler knows how to do it on. */
typedef unsigned char sixteen __attribute__((vector_size(16)));

static bool has_symbol(const unsigned char *from)
{
    sixteen bytes;
    uint64_t halves[2];

    memcpy(&bytes, from, sizeof bytes);
    bytes = (sixteen)((bytes == '@') | (bytes == '$') | (bytes == '(') | (bytes == '+') | (bytes == '!') | (bytes == '|') |
                      (bytes == EURO_FIRST_BYTE));
    memcpy(halves, &bytes, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* The next byte in [at, to) that is a symbol, or may begin one. */
static size_t next_symbol(struct bytes text, size_t at, size_t to)
{
    static const bool begins[UCHAR_MAX + 1] = {
        ['@'] = true, ['$'] = true, ['('] = true, ['+'] = true, ['!'] = true, ['|'] = true, [EURO_FIRST_BYTE] = true,
    };
    const unsigned char *data = (const unsigned char *)text.data;

    while (to - at >= sizeof(sixteen) && !has_symbol(data + at)) {
        at += sizeof(sixteen);
    }
    while (at < to && !begins[data[at]]) {
        at++;
    }
    return at;
}

bool outline_disguised(const struct outline *outline, struct bytes text, size_t to, size_t *at, size_t *begin, size_t *end)
{
    size_t step = 0;

    while (*at < to) {
        size_t stop = to;

        while (step + 1 < outline->step_count && outline->steps[step + 1].source <= *at) {
            step++;
        }
        if (step + 1 < outline->step_count) {
            stop = outline->steps[step + 1].source;
        }
        *at = outline->steps[step].has_symbols ? next_symbol(text, *at, stop) : stop;
        if (*at < stop && (part_at(text, *at) != PART_SYMBOL || stands_alone(text, *at))) {
            (*at)++;
        } else if (*at < stop) {
            /* Not far back: a word of any length is looked at once. */
            size_t floor = *at > OUTLINE_STEP_BYTES ? *at - OUTLINE_STEP_BYTES : 0;
            bool found = is_disguised(text, floor, *at, begin, end);

            *at = *end;
            if (found) {
                return true;
            }
        }
    }
    return false;
}

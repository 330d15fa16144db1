/* text: decodes, folds and drops in one pass over the bytes; ASCII by table, the rest by ranges. */
#include "proto/text.h"

#include "proto/utf8.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { DROPPED = 0, SPACE = ' ', EIGHT = 8 };

/* What each ASCII character becomes; 0 = dropped. Control characters show nothing, except those that are white space. */
static const unsigned char ascii_fold[TEXT_ASCII_COUNT] = {
    ['\t'] = ' ', ['\n'] = ' ', ['\v'] = ' ', ['\f'] = ' ', ['\r'] = ' ', [' '] = ' ',
    ['!'] = '!', ['"'] = '"', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['('] = '(',
    [')'] = ')', ['*'] = '*', ['+'] = '+', [','] = ',', ['-'] = '-', ['.'] = '.', ['/'] = '/',
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7',
    ['8'] = '8', ['9'] = '9', [':'] = ':', [';'] = ';', ['<'] = '<', ['='] = '=', ['>'] = '>', ['?'] = '?', ['@'] = '@',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',
    ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
    ['['] = '[', ['\\'] = '\\', [']'] = ']', ['^'] = '^', ['_'] = '_', ['`'] = '`',
    ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',
    ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',
    ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
    ['{'] = '{', ['|'] = '|', ['}'] = '}', ['~'] = '~',
};

#define LETTER(character) [character] = TEXT_LETTER,
const unsigned char text_class_ascii[TEXT_ASCII_COUNT] = {TEXT_ASCII_LETTERS(LETTER)};

struct range {
    uint32_t first, last;
};

/* Unicode 15, Default_Ignorable_Code_Point, and the control characters of Latin-1 but for U+0085, which is white space. */
static const struct range ignorable[] = {
    {0x80, 0x84},     {0x86, 0x9F},     {0xAD, 0xAD},     {0x34F, 0x34F},   {0x61C, 0x61C},   {0x115F, 0x1160},
    {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
    {0xE0000, 0xE0FFF},
};

/* White_Space beyond ASCII. */
static const struct range white[] = {
    {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
    {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

/* Capitals, and how far their small letter is. */
static const struct {
    struct range range;
    int32_t distance;
} capitals[] = {
    {{0xC0, 0xD6}, 32},     {{0xD8, 0xDE}, 32},    {{0x386, 0x386}, 38},  {{0x388, 0x38A}, 37},   {{0x38C, 0x38C}, 64},
    {{0x38E, 0x38F}, 63},   {{0x391, 0x3A1}, 32},  {{0x3A3, 0x3AB}, 32},  {{0x3C2, 0x3C2}, 1}, /* final sigma */
    {{0x400, 0x40F}, 80},   {{0x410, 0x42F}, 32},
};

/* Beyond ASCII: symbols and punctuation, which part words. Everything else that is not ALONE is taken for a letter. */
static const struct range breaks[] = {
    {0x80, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},     {0xF7, 0xF7},
    {0x1680, 0x1680}, {0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004},
    {0x3008, 0x3030}, {0x30FB, 0x30FB}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF5F, 0xFF65}, {0xFFE0, 0xFFFF},
    {0x1F000, 0x1FAFF},
};

static const struct range alone[] = {
    {0x3005, 0x3007}, {0x3031, 0x30FF}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0xFF66, 0xFF9F}, {0x20000, 0x3FFFF},
};

enum { CHINESE_FIRST = 0x4E00, CHINESE_LAST = 0x9FFF, FULL_WIDTH_FIRST = 0xFF01, FULL_WIDTH_LAST = 0xFF5E };

#define IN_RANGES(code_point, ranges) in_ranges((code_point), (ranges), sizeof(ranges) / sizeof((ranges)[0]))

/* Ranges rise, so the first that does not end before the code point decides. */
static bool in_ranges(uint32_t code_point, const struct range *ranges, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (code_point <= ranges[index].last) {
            return code_point >= ranges[index].first;
        }
    }
    return false;
}

static uint32_t small_letter(uint32_t code_point)
{
    for (size_t index = 0; index < sizeof capitals / sizeof capitals[0]; index++) {
        if (code_point <= capitals[index].range.last) {
            return code_point < capitals[index].range.first ? code_point
                                                            : code_point + (uint32_t)capitals[index].distance;
        }
    }
    return code_point;
}

/* Of a code point that is not ASCII. */
static uint32_t fold(uint32_t code_point)
{
    if (code_point >= CHINESE_FIRST && code_point <= CHINESE_LAST) {
        return code_point;
    }
    if (code_point >= FULL_WIDTH_FIRST && code_point <= FULL_WIDTH_LAST) {
        return ascii_fold[code_point - FULL_WIDTH_FIRST + '!'];
    }
    if (IN_RANGES(code_point, ignorable)) {
        return DROPPED;
    }
    if (IN_RANGES(code_point, white)) {
        return SPACE;
    }
    return small_letter(code_point);
}

void text_begin(struct text_reader *reader, struct bytes text)
{
    *reader = (struct text_reader){.rest = text, .after_space = true};
}

/* Reads eight characters if they are ASCII that only has to be made small: no control characters, no second space. */
static inline bool read_eight(const unsigned char *at, bool after_space, uint32_t out[EIGHT])
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t word, no_space, spaces, capitals_up, behind_capitals;
    unsigned char folded[EIGHT];

    memcpy(&word, at, sizeof word);
    word = le64toh(word);
    no_space = word ^ ones * SPACE;
    spaces = ~(no_space + ones * 0x7F) & tops; /* right where all are ASCII */
    if (((word | (word - ones * SPACE) | (word + ones)) & tops) != 0 ||
        (spaces & (spaces << 8 | (after_space ? 0x80u : 0))) != 0) {
        return false;
    }
    capitals_up = word + ones * (0x80 - 'A');
    behind_capitals = word + ones * (0x80 - 'Z' - 1);
    word |= (capitals_up & ~behind_capitals & tops) >> 2; /* 0x20 */
    word = htole64(word);
    memcpy(folded, &word, sizeof folded);
    for (size_t index = 0; index < EIGHT; index++) {
        out[index] = folded[index];
    }
    return true;
}

size_t text_read(struct text_reader *reader, uint32_t *out, size_t room)
{
    const unsigned char *at = (const unsigned char *)reader->rest.data;
    const unsigned char *end = at + reader->rest.count;
    uint32_t last = reader->after_space ? SPACE : 0;
    size_t count = 0;

    assert(room > 0);
    while (at < end && count < room) {
        const unsigned char *step_end = end - at < EIGHT ? end : at + EIGHT;

        if (end - at >= EIGHT && room - count >= EIGHT && read_eight(at, last == SPACE, out + count)) {
            at += EIGHT;
            count += EIGHT;
            last = out[count - 1];
            continue;
        }
        while (at < step_end && count < room) {
            const unsigned char *next = at + 1; /* `at` itself stays in a register */
            uint32_t folded = *at < TEXT_ASCII_COUNT ? ascii_fold[*at] : fold(utf8_decode((next = at, &next), end));
            bool kept = folded > SPACE || (folded == SPACE && last != SPACE);

            out[count] = folded;
            count += kept;
            last = kept ? folded : last;
            at = next;
        }
    }
    reader->after_space = last == SPACE;
    reader->rest = bytes_from(reader->rest, (size_t)(at - (const unsigned char *)reader->rest.data));
    return count;
}

enum text_class text_class_beyond_ascii(uint32_t code_point)
{
    if ((code_point >= CHINESE_FIRST && code_point <= CHINESE_LAST) || IN_RANGES(code_point, alone)) {
        return TEXT_ALONE;
    }
    return IN_RANGES(code_point, breaks) ? TEXT_BREAK : TEXT_LETTER;
}

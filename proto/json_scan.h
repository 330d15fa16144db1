/* json_scan: the innermost loops of the JSON reader and writer: runs of plain string bytes, UTF-8 sequences, hex
 * digits.
 *
 * Inside proto/json*.c only. Everything here reads [at, end) and nothing beyond. A plain byte is one that may stand in
 * a string as it is and is ASCII: 0x20 to 0x7F without '"' and '\'. Sixteen bytes a step with SSE2, otherwise eight.
 *
 * Thread: any.
 */
#ifndef PROTO_JSON_SCAN_H
#define PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static inline const unsigned char *json_plain_end_by_bytes(const unsigned char *at, const unsigned char *end)
{
    while (at < end && json_is_plain(*at)) {
        at++;
    }
    return at;
}

/* The top bit of each byte of the answer says that the byte of `word` is not plain. A borrow can mark a byte too many,
 * but only behind a byte that is marked rightly, so "any mark at all" is exact. */
static inline uint64_t json_marks(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');

    return (word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) &
           tops;
}

/* The first byte in [at, end) that is not plain, or end. */
static inline const unsigned char *json_plain_end_by_words(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= 8) {
        uint64_t word;

        memcpy(&word, at, sizeof word);
        if (json_marks(word) != 0) {
            break;
        }
        at += 8;
    }
    return json_plain_end_by_bytes(at, end);
}

#ifdef __SSE2__
static inline const unsigned char *json_plain_end(const unsigned char *at, const unsigned char *end)
{
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* Signed: below 0x20 are the control bytes and everything that is not ASCII, in one comparison. */
        __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, space),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        unsigned marks = (unsigned)_mm_movemask_epi8(special);

        if (marks != 0) {
            return at + __builtin_ctz(marks);
        }
        at += 16;
    }
    return json_plain_end_by_words(at, end);
}
#else
static inline const unsigned char *json_plain_end(const unsigned char *at, const unsigned char *end)
{
    return json_plain_end_by_words(at, end);
}
#endif

/* What a backslash and this letter stand for; 0 = they are no escape, or one of digits. */
static inline char json_letter(unsigned char letter)
{
    static const char meanings[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

    return meanings[letter];
}

/* The number four hex digits stand for, or -1 when they are not four hex digits. */
static inline int32_t json_hex4(const unsigned char *at, const unsigned char *end)
{
    /* One more than the digit; 0 = none. */
    static const int8_t digits[256] = {['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
                                       ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
                                       ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
                                       ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    int first, second, third, fourth;

    if (end - at < 4) {
        return -1;
    }
    first = digits[at[0]];
    second = digits[at[1]];
    third = digits[at[2]];
    fourth = digits[at[3]];
    if (first * second * third * fourth == 0) {
        return -1;
    }
    return (first - 1) << 12 | (second - 1) << 8 | (third - 1) << 4 | (fourth - 1);
}

static inline bool json_is_high_surrogate(int32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static inline bool json_is_low_surrogate(int32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

#endif

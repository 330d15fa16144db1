/* features: one pass; an n-gram costs one multiplication, a word one more a letter. */
#include "proto/features.h"

#include "proto/text.h"

#include <assert.h>
#include <string.h>

enum { CODE_POINT_BITS = 16, SPACE = ' ', ASCII_STEP = 64 };

/* Odd numbers without pattern; one for each kind of feature, so that "a" the character is not "a" the word. */
#define NGRAM_1 0x9E3779B97F4A7C15u
#define NGRAM_2 0xC2B2AE3D27D4EB4Fu
#define NGRAM_3 0xD6E8FEB86659FD93u
#define NGRAM_4 0xA0761D6478BD642Fu
#define WORD_STEP 0xE7037ED1A0B428DBu
#define WORD_BEGIN 0x8EBC6AF09C88C6E3u
#define WORD_ONE 0x589965CC75374CC3u
#define WORD_TWO 0x1D8E4E27C47D124Fu

_Static_assert(FEATURES_NGRAM_MAX * CODE_POINT_BITS == 64, "the last code points fit one word");

void features_begin(struct features *features, unsigned table_bits)
{
    assert(table_bits >= MODEL_TABLE_BITS_MIN && table_bits <= MODEL_TABLE_BITS_MAX);
    *features = (struct features){.recent = SPACE, .shift = 64 - table_bits};
}

/* The leading bits of a product depend on all bits of `key`. */
static inline uint32_t index_of(uint64_t key, uint64_t factor, unsigned shift)
{
    return (uint32_t)((key * factor) >> shift);
}

/* The n-grams that end with `code_point`. Returns how many. */
static inline size_t take_ngrams(struct features *features, uint32_t code_point, uint32_t *out)
{
    /* Two planes of Unicode may meet in 16 bits; a text that mixes them so that it matters would be a strange one. */
    uint64_t recent = features->recent << CODE_POINT_BITS | ((code_point ^ (code_point >> 16) * 0x9E5u) & 0xFFFFu);
    unsigned shift = features->shift;

    features->recent = recent;
    out[0] = index_of(recent & 0xFFFFFFFFu, NGRAM_2, shift);
    out[1] = index_of(recent & 0xFFFFFFFFFFFFu, NGRAM_3, shift);
    out[2] = index_of(recent, NGRAM_4, shift);
    out[3] = index_of(recent & 0xFFFFu, NGRAM_1, shift); /* comes last: a space alone says nothing and is not counted */
    return code_point == SPACE ? 3 : 4;
}

static inline size_t end_word(struct features *features, uint32_t *out)
{
    uint64_t word = features->word ^ features->word >> 32;
    size_t count = 0;

    if (features->word == 0) {
        return 0;
    }
    out[count++] = index_of(word, WORD_ONE, features->shift);
    if (features->previous != 0) {
        uint64_t pair = features->previous * WORD_STEP + word;

        out[count++] = index_of(pair ^ pair >> 32, WORD_TWO, features->shift);
    }
    features->previous = word | 1; /* 0 means that there is none */
    features->word = 0;
    return count;
}

static inline uint64_t word_step(uint64_t word, uint32_t code_point)
{
    return (word + code_point) * WORD_STEP;
}

static inline size_t take_words(struct features *features, uint32_t code_point, uint32_t *out)
{
    size_t count;

    switch (text_class_of(code_point)) {
    case TEXT_LETTER:
        features->word = word_step(features->word == 0 ? WORD_BEGIN : features->word, code_point) | 1;
        return 0;
    case TEXT_ALONE:
        count = end_word(features, out);
        features->word = word_step(WORD_BEGIN, code_point) | 1;
        return count + end_word(features, out + count);
    default:
        return end_word(features, out);
    }
}

static size_t take_all(struct features *features, const uint32_t *code_points, size_t count, uint32_t *out)
{
    struct features state = *features; /* in registers: `out` might alias what the caller holds */
    size_t written = 0;

    for (size_t index = 0; index < count; index++) {
        written += take_ngrams(&state, code_points[index], out + written);
        written += take_words(&state, code_points[index], out + written);
    }
    *features = state;
    return written;
}

/* Writes `index` unless it is in `seen`, and marks it there. No branch on what a text holds. */
static inline size_t put_new(uint64_t *seen, uint32_t index, uint32_t *out, size_t count)
{
    uint64_t before = seen[index / 64];
    uint64_t after = before | (uint64_t)1 << index % 64;

    seen[index / 64] = after;
    out[count] = index;
    return count + (before < after);
}

/* Of what take_ngrams or take_words wrote. */
static inline size_t put_all_new(uint64_t *seen, const uint32_t *indices, size_t index_count, uint32_t *out, size_t count)
{
    for (size_t at = 0; at < index_count; at++) {
        count = put_new(seen, indices[at], out, count);
    }
    return count;
}

/* What a code point of any kind gives. */
static size_t put_point(struct features *features, uint32_t code_point, uint64_t *seen, uint32_t *out, size_t count)
{
    uint32_t indices[FEATURES_PER_CODE_POINT];
    size_t index_count = take_ngrams(features, code_point, indices);

    index_count += take_words(features, code_point, indices + index_count);
    return put_all_new(seen, indices, index_count, out, count);
}

/* Single characters of ASCII are looked up once for all, at the end: few are different. */
static size_t put_characters(const unsigned char stood[TEXT_ASCII_COUNT], unsigned shift, uint64_t *seen, uint32_t *out,
                             size_t count)
{
    for (uint32_t character = 0; character < TEXT_ASCII_COUNT; character++) {
        if (stood[character] && character != SPACE) {
            count = put_new(seen, index_of(character, NGRAM_1, shift), out, count);
        }
    }
    return count;
}

/* What is put when more of the text has been read. */
struct listed {
    unsigned char characters[TEXT_ASCII_COUNT]; /* 1: it stood in the text */
    uint64_t words[ASCII_STEP / 2 + 1];         /* that have ended, as features.word */
};

/* ASCII up to the next code point of another kind, or ASCII_STEP of it; returns how many. Words are only listed while it is read:
 * no branch foresees where one ends. */
static size_t take_new_ascii(struct features *features, const uint32_t *code_points, size_t count, uint64_t *seen,
                             struct listed *listed, uint32_t *out, size_t *written)
{
    uint64_t *words = listed->words;
    size_t word_count = 0;
    uint64_t word = features->word;
    uint64_t in_word = features->word != 0;
    uint64_t recent = features->recent;
    unsigned shift = features->shift;
    size_t kept = *written;
    size_t at = 0;

    for (; at < count && at < ASCII_STEP && code_points[at] < TEXT_ASCII_COUNT; at++) {
        uint32_t code_point = code_points[at];
        uint64_t is_letter = text_class_ascii[code_point] == TEXT_LETTER;

        listed->characters[code_point] = 1;
        recent = recent << CODE_POINT_BITS | code_point;
        kept = put_new(seen, index_of(recent & 0xFFFFFFFFu, NGRAM_2, shift), out, kept);
        kept = put_new(seen, index_of(recent & 0xFFFFFFFFFFFFu, NGRAM_3, shift), out, kept);
        kept = put_new(seen, index_of(recent, NGRAM_4, shift), out, kept);
        words[word_count] = word;
        word_count += in_word & ~is_letter;
        word = word_step((word & -in_word) + (WORD_BEGIN & (in_word - 1)), code_point) | 1;
        in_word = is_letter;
    }
    for (size_t index = 0; index < word_count; index++) {
        uint32_t indices[FEATURES_PER_CODE_POINT];

        features->word = words[index];
        kept = put_all_new(seen, indices, end_word(features, indices), out, kept);
    }
    features->word = word & -in_word;
    features->recent = recent;
    *written = kept;
    return at;
}

static size_t take_new(struct features *features, const uint32_t *code_points, size_t count, uint64_t *seen, uint32_t *out)
{
    struct features state = *features;
    struct listed listed;
    size_t written = 0;

    if (count < ASCII_STEP) { /* nothing is gained by lists */
        for (size_t at = 0; at < count; at++) {
            written = put_point(features, code_points[at], seen, out, written);
        }
        return written;
    }
    memset(&listed, 0, sizeof listed);
    for (size_t at = 0; at < count;) {
        if (code_points[at] < TEXT_ASCII_COUNT) {
            at += take_new_ascii(&state, code_points + at, count - at, seen, &listed, out, &written);
        } else {
            written = put_point(&state, code_points[at++], seen, out, written);
        }
    }
    *features = state;
    return put_characters(listed.characters, state.shift, seen, out, written);
}

size_t features_take(struct features *features, const uint32_t *code_points, size_t count, uint64_t *seen, uint32_t *out)
{
    return seen == NULL ? take_all(features, code_points, count, out) : take_new(features, code_points, count, seen, out);
}

size_t features_end(struct features *features, uint64_t *seen, uint32_t *out)
{
    static const uint32_t space = SPACE;

    /* The text may end with the space that pads its last word. */
    if ((features->recent & 0xFFFFu) == SPACE) {
        return 0;
    }
    return features_take(features, &space, 1, seen, out);
}

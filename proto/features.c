/* features: one pass; an n-gram costs one multiplication, a word one more a letter. */
#include "proto/features.h"

#include "proto/text.h"

#include <assert.h>
#include <string.h>

enum {
    CODE_POINT_BITS = 16,
    SPACE = ' ',
    ASCII_STEP = 64,
    EIGHT = 8,
    USUAL_TABLE_BITS = 18, /* of the models that the trainer makes where no profile says another */
};

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
static inline uint64_t index_of(uint64_t key, uint64_t factor, unsigned shift)
{
    return (key * factor) >> shift;
}

/* The n-grams that end with `code_point`. Returns how many. */
static inline size_t take_ngrams(struct features *features, uint32_t code_point, uint32_t *out)
{
    /* Two planes of Unicode may meet in 16 bits; a text that mixes them so that it matters would be a strange one. */
    uint64_t recent = features->recent << CODE_POINT_BITS | ((code_point ^ (code_point >> 16) * 0x9E5u) & 0xFFFFu);
    unsigned shift = features->shift;

    features->recent = recent;
    out[0] = (uint32_t)index_of(recent & 0xFFFFFFFFu, NGRAM_2, shift);
    out[1] = (uint32_t)index_of(recent & 0xFFFFFFFFFFFFu, NGRAM_3, shift);
    out[2] = (uint32_t)index_of(recent, NGRAM_4, shift);
    out[3] = (uint32_t)index_of(recent & 0xFFFFu, NGRAM_1, shift); /* comes last: a space alone says nothing and is not counted */
    return code_point == SPACE ? 3 : 4;
}

/* Of what word_step has added up: all of its bits are to count. */
static inline uint64_t word_key(uint64_t word)
{
    return word ^ word >> 32;
}

static inline uint64_t word_index(uint64_t key, unsigned shift)
{
    return index_of(key, WORD_ONE, shift);
}

static inline uint64_t pair_index(uint64_t previous, uint64_t key, unsigned shift)
{
    return index_of(word_key(previous * WORD_STEP + key), WORD_TWO, shift);
}

static inline size_t end_word(struct features *features, uint32_t *out)
{
    uint64_t key = word_key(features->word);
    size_t count = 0;

    if (features->word == 0) {
        return 0;
    }
    out[count++] = (uint32_t)word_index(key, features->shift);
    if (features->previous != 0) {
        out[count++] = (uint32_t)pair_index(features->previous, key, features->shift);
    }
    features->previous = key | 1; /* 0 means that there is none */
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

/* Writes `index` unless it is in `seen`, and marks it there. No branch on what a text holds. Here a score spends its time. */
static inline size_t put_new(uint64_t *seen, uint64_t index, uint32_t *out, size_t count)
{
    uint64_t marked;

    out[count] = (uint32_t)index;
#if defined(__x86_64__)
    /* The same as below: the processor tells what the bit was as it sets it. Compilers find that out in three times the steps. */
    __asm__("movq %0, %2\n\tbtsq %3, %2\n\tsbbq $-1, %1\n\tmovq %2, %0"
            : "+m"(seen[index / 64]), "+r"(count), "=&r"(marked)
            : "r"(index)
            : "cc");
#else
    marked = seen[index / 64];
    count += ~marked >> index % 64 & 1;
    seen[index / 64] = marked | (uint64_t)1 << index % 64;
#endif
    return count;
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
    for (uint32_t first = 0; first < TEXT_ASCII_COUNT; first += EIGHT) {
        uint64_t eight;

        memcpy(&eight, stood + first, sizeof eight);
        for (uint32_t character = first; eight != 0 && character < first + EIGHT; character++) {
            if (stood[character] && character != SPACE) {
                count = put_new(seen, index_of(character, NGRAM_1, shift), out, count);
            }
        }
    }
    return count;
}

/* What is put when more of the text has been read. */
struct listed {
    unsigned char characters[TEXT_ASCII_COUNT]; /* 1: it stood in the text */
    uint64_t words[ASCII_STEP / 2 + 1];         /* that have ended: how far features.word was from WORD_BEGIN */
};

/* How many of the first ASCII_STEP code points come before one that is not ASCII. */
static size_t ascii_count(const uint32_t *code_points, size_t count)
{
    size_t limit = count < ASCII_STEP ? count : ASCII_STEP;
    size_t ascii = 0;

    if (limit == ASCII_STEP) { /* the usual case */
        uint32_t bits = 0;

        for (size_t at = 0; at < ASCII_STEP; at++) {
            bits |= code_points[at];
        }
        ascii = bits < TEXT_ASCII_COUNT ? limit : 0;
    }
    while (ascii < limit && code_points[ascii] < TEXT_ASCII_COUNT) {
        ascii++;
    }
    return ascii;
}

static inline size_t put_words(struct features *features, const uint64_t *words, size_t word_count, unsigned shift,
                               uint64_t *seen, uint32_t *out, size_t kept)
{
    uint64_t previous = features->previous;

    for (size_t index = 0; index < word_count; index++) {
        uint64_t key = word_key(words[index] + WORD_BEGIN);

        kept = put_new(seen, word_index(key, shift), out, kept);
        if (previous != 0) {
            kept = put_new(seen, pair_index(previous, key, shift), out, kept);
        }
        previous = key | 1;
    }
    features->previous = previous;
    return kept;
}

/* What a character makes of a word, whose hash is taken as its distance from WORD_BEGIN: word * factor + addend, 0 where the word
 * ends. It is word_step(word, c) | 1 in two steps that do not wait for `is_letter`: an odd word gets the bit where c is odd. */
#define FACTOR(character) [character] = WORD_STEP,
#define ADDEND(character) [character] = (WORD_BEGIN + (character)) * WORD_STEP + ((character) & 1) - WORD_BEGIN,

static const struct ascii_rules {
    uint64_t ngram_2, ngram_3, ngram_4;
    uint64_t three; /* code points */
    uint64_t factor[TEXT_ASCII_COUNT];
    uint64_t addend[TEXT_ASCII_COUNT];
} ascii_rules = {
    .ngram_2 = NGRAM_2,
    .ngram_3 = NGRAM_3,
    .ngram_4 = NGRAM_4,
    .three = 0xFFFFFFFFFFFFu,
    .factor = {TEXT_ASCII_LETTERS(FACTOR)},
    .addend = {TEXT_ASCII_LETTERS(ADDEND)},
};

/* The compiler does not see through it: a number of 64 bits is an operand where it is in memory, a step more as a constant. */
static inline const struct ascii_rules *rules_in_memory(void)
{
    const struct ascii_rules *rules = &ascii_rules;

    __asm__("" : "+r"(rules));
    return rules;
}

_Static_assert(WORD_BEGIN % 2 == 1 && WORD_STEP % 2 == 1, "word_step makes an odd number of an odd word where c is even");
_Static_assert(TEXT_BREAK == 0 && TEXT_LETTER == 1, "the class of an ASCII character tells as a number whether it is a letter");

/* Of `count` characters of ASCII, up to ASCII_STEP. Words are only listed while they are read: no branch foresees where one
 * ends. */
static inline __attribute__((always_inline)) size_t put_ascii(struct features *features, const uint32_t *code_points,
                                                              size_t count, unsigned shift, uint64_t *seen,
                                                              struct listed *listed, uint32_t *out, size_t kept)
{
    const struct ascii_rules *rules = rules_in_memory();
    size_t word_count = 0;
    uint64_t word = features->word == 0 ? 0 : features->word - WORD_BEGIN;
    uint64_t in_word = features->word != 0;
    uint64_t recent = features->recent;

#pragma GCC unroll 2
    for (size_t at = 0; at < count; at++) {
        uint64_t code_point = code_points[at];
        uint64_t is_letter = text_class_ascii[code_point];

        recent = recent << CODE_POINT_BITS | code_point;
        kept = put_new(seen, index_of(recent & 0xFFFFFFFFu, rules->ngram_2, shift), out, kept);
        kept = put_new(seen, index_of(recent & rules->three, rules->ngram_3, shift), out, kept);
        kept = put_new(seen, index_of(recent, rules->ngram_4, shift), out, kept);
        listed->characters[code_point] = 1;
        listed->words[word_count] = word;
        word_count += is_letter < in_word;
        word = word * rules->factor[code_point] + rules->addend[code_point];
        in_word = is_letter;
    }
    kept = put_words(features, listed->words, word_count, shift, seen, out, kept);
    features->word = in_word ? word + WORD_BEGIN : 0;
    features->recent = recent;
    return kept;
}

/* A shift that the compiler knows costs a step less for each feature. */
static size_t put_ascii_of(struct features *features, const uint32_t *code_points, size_t count, uint64_t *seen,
                           struct listed *listed, uint32_t *out, size_t kept)
{
    const unsigned usual = 64 - USUAL_TABLE_BITS;

    return features->shift == usual ? put_ascii(features, code_points, count, usual, seen, listed, out, kept)
                                    : put_ascii(features, code_points, count, features->shift, seen, listed, out, kept);
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
    memset(listed.characters, 0, sizeof listed.characters);
    for (size_t at = 0; at < count;) {
        size_t ascii = ascii_count(code_points + at, count - at);

        if (ascii > 0) {
            written = put_ascii_of(&state, code_points + at, ascii, seen, &listed, out, written);
            at += ascii;
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

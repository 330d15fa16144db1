/* keywords_index: a filter of bits before a hash table of words, by a few bytes of each. */
#include "moderator/keywords_index.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS = 3,
    STRIDES_MAX = 2,
    FILTER_PER_WORD = 32, /* bits, of which it sets two: of all other grams one in some hundred goes on to the table */
    FILTER_BITS_MIN = 10, /* as a power of two */
    COMMON_BITS = 16,
};

#define NONE UINT32_MAX /* no gram */

/* The words of one length of gram. */
struct part {
    uint64_t mask; /* of the gram's bytes among eight */
    size_t gram_bytes;
    size_t stride; /* of the places looked at */
    unsigned filter_bits, slot_bits; /* sizes, as powers of two */
    uint64_t *filter;
    uint32_t *slots; /* the first one known of a hash, NONE = none */
    size_t count;
};

/* A gram that a word is known by. */
struct known {
    uint64_t gram;
    uint32_t next; /* another one in the same slot */
    uint16_t at;   /* where the gram is in its outline */
};

struct keyword_index {
    const struct keyword_word *words; /* borrowed */
    struct part parts[PARTS];         /* long grams first */
    struct known *known;              /* STRIDES_MAX a word */
};

_Static_assert(OUTLINE_BYTES_MAX <= UINT16_MAX, "a place in an outline fits");
_Static_assert(sizeof(uint64_t) - KEYWORD_OUTLINE_BYTES_MIN <= KEYWORD_INDEX_SLACK, "eight bytes may be read at every gram");

/* A word that is as long as a gram and a place more has two of them side by side: one is met at every other place. */
static const struct {
    size_t word_bytes, gram_bytes, stride;
} lengths[PARTS] = {{6, 5, STRIDES_MAX}, {4, 4, 1}, {KEYWORD_OUTLINE_BYTES_MIN, KEYWORD_OUTLINE_BYTES_MIN, 1}};

/* Of eight bytes that may be read. */
static uint64_t gram_at(const char *bytes, uint64_t mask)
{
    uint64_t gram;

    memcpy(&gram, bytes, sizeof gram);
    return gram & mask;
}

/* Of a word's outline, behind which nothing may be read. */
static uint64_t gram_in(const struct keyword_word *word, size_t at, size_t bytes)
{
    uint64_t gram = 0;

    memcpy(&gram, word->outline + at, bytes);
    return gram;
}

static uint32_t hash(uint64_t gram)
{
    return (uint32_t)((gram * 0x9E3779B97F4A7C15u) >> 32);
}

/* Two places of a filter, the second one from the other end of the hash. */
static uint32_t first_place(const struct part *part, uint32_t hashed)
{
    return hashed >> (32 - part->filter_bits);
}

static uint32_t second_place(const struct part *part, uint32_t hashed)
{
    return hashed & (((uint32_t)1 << part->filter_bits) - 1);
}

static bool has_bit(const uint64_t *filter, uint32_t place)
{
    return (filter[place / 64] >> place % 64 & 1) != 0;
}

static void set_bit(uint64_t *filter, uint32_t place)
{
    filter[place / 64] |= (uint64_t)1 << place % 64;
}

static size_t part_of(const struct keyword_word *word)
{
    size_t part = 0;

    while (word->outline_bytes < lengths[part].word_bytes) {
        part++;
    }
    return part;
}

/* How many words have each gram, by its hash. */
static void count_grams(uint32_t *common, const struct keyword_word *words, size_t count)
{
    for (size_t word = 0; word < count; word++) {
        size_t bytes = lengths[part_of(&words[word])].gram_bytes;

        for (size_t at = 0; at + bytes <= words[word].outline_bytes; at++) {
            common[hash(gram_in(&words[word], at, bytes)) >> (32 - COMMON_BITS)]++;
        }
    }
}

/* Where in its outline a word has the gram, or the two side by side, that the fewest have. */
static size_t rarest_grams(const struct keyword_word *word, const uint32_t *common)
{
    size_t bytes = lengths[part_of(word)].gram_bytes;
    size_t stride = lengths[part_of(word)].stride;
    uint32_t least = UINT32_MAX;
    size_t rarest = 0;

    for (size_t at = 0; at + bytes + stride - 1 <= word->outline_bytes; at++) {
        uint32_t times = 0;

        for (size_t beside = 0; beside < stride; beside++) {
            times += common[hash(gram_in(word, at + beside, bytes)) >> (32 - COMMON_BITS)];
        }
        if (times < least) {
            least = times;
            rarest = at;
        }
    }
    return rarest;
}

static enum status open_part(struct part *part)
{
    size_t filter_bits = FILTER_BITS_MIN;

    while ((size_t)1 << filter_bits < part->count * part->stride * FILTER_PER_WORD) {
        filter_bits++;
    }
    part->filter_bits = (unsigned)filter_bits;
    part->slot_bits = part->filter_bits - 4; /* two a word and more */
    part->filter = calloc(((size_t)1 << filter_bits) / 64, sizeof *part->filter);
    part->slots = malloc(((size_t)1 << part->slot_bits) * sizeof *part->slots);
    if (part->filter == NULL || part->slots == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t slot = 0; slot >> part->slot_bits == 0; slot++) {
        part->slots[slot] = NONE;
    }
    return STATUS_OK;
}

/* `number` is of the gram: STRIDES_MAX a word. */
static void add_gram(struct keyword_index *index, struct part *part, size_t number, size_t at)
{
    uint64_t gram = gram_in(&index->words[number / STRIDES_MAX], at, part->gram_bytes);
    uint32_t hashed = hash(gram);
    uint32_t *slot = &part->slots[hashed >> (32 - part->slot_bits)];

    set_bit(part->filter, first_place(part, hashed));
    set_bit(part->filter, second_place(part, hashed));
    index->known[number] = (struct known){.gram = gram, .next = *slot, .at = (uint16_t)at};
    *slot = (uint32_t)number;
}

static void add_word(struct keyword_index *index, size_t word, const uint32_t *common)
{
    struct part *part = &index->parts[part_of(&index->words[word])];
    size_t at = rarest_grams(&index->words[word], common);

    for (size_t beside = 0; beside < part->stride; beside++) {
        add_gram(index, part, word * STRIDES_MAX + beside, at + beside);
    }
}

enum status keyword_index_open(struct keyword_index **out, const struct keyword_word *words, size_t count)
{
    struct keyword_index *index = calloc(1, sizeof *index);
    uint32_t *common = calloc((size_t)1 << COMMON_BITS, sizeof *common);
    enum status status = STATUS_NO_MEMORY;

    if (index == NULL || common == NULL) {
        goto fail;
    }
    index->words = words;
    index->known = calloc(count * STRIDES_MAX + 1, sizeof *index->known);
    if (index->known == NULL) {
        goto fail;
    }
    for (size_t word = 0; word < count; word++) {
        assert(words[word].outline_bytes >= KEYWORD_OUTLINE_BYTES_MIN);
        index->parts[part_of(&words[word])].count++;
    }
    for (size_t part = 0; part < PARTS; part++) {
        index->parts[part].gram_bytes = lengths[part].gram_bytes;
        index->parts[part].stride = lengths[part].stride;
        /* The first ones, in whatever order a number has them. */
        memset(&index->parts[part].mask, 0xFF, lengths[part].gram_bytes);
        status = open_part(&index->parts[part]);
        if (status != STATUS_OK) {
            goto fail;
        }
    }
    count_grams(common, words, count);
    for (size_t word = 0; word < count; word++) {
        add_word(index, word, common);
    }
    *out = index;
    index = NULL;
fail:
    free(common);
    keyword_index_close(&index);
    return status;
}

void keyword_index_close(struct keyword_index **index)
{
    assert(index != NULL);
    if (*index == NULL) {
        return;
    }
    for (size_t part = 0; part < PARTS; part++) {
        free((*index)->parts[part].filter);
        free((*index)->parts[part].slots);
    }
    free((*index)->known);
    free(*index);
    *index = NULL;
}

/* A search that goes on. */
struct search {
    const struct keyword_index *index;
    struct bytes outline;
    bool (*found)(void *context, size_t word, size_t end);
    void *context;
};

/* The words of a slot, each compared with what stands around `at`. */
static bool compare_words(const struct search *search, uint32_t number, uint64_t gram, size_t at)
{
    const struct keyword_index *index = search->index;

    for (; number != NONE; number = index->known[number].next) {
        const struct known *known = &index->known[number];
        const struct keyword_word *word = &index->words[number / STRIDES_MAX];

        if (known->gram == gram && known->at <= at && word->outline_bytes <= search->outline.count - (at - known->at) &&
            memcmp(search->outline.data + at - known->at, word->outline, word->outline_bytes) == 0 &&
            search->found(search->context, number / STRIDES_MAX, at - known->at + word->outline_bytes)) {
            return true;
        }
    }
    return false;
}

static bool search_part(const struct search *search, const struct part *whole)
{
    const struct part part = *whole; /* nothing that `found` does changes it */
    const char *outline = search->outline.data;
    const size_t count = search->outline.count;

    for (size_t at = 0; at + part.gram_bytes <= count; at += part.stride) {
        uint64_t gram = gram_at(outline + at, part.mask);
        uint32_t hashed = hash(gram);

        if (has_bit(part.filter, first_place(&part, hashed)) && has_bit(part.filter, second_place(&part, hashed)) &&
            compare_words(search, part.slots[hashed >> (32 - part.slot_bits)], gram, at)) {
            return true;
        }
    }
    return false;
}

bool keyword_index_search(const struct keyword_index *index, struct bytes outline,
                          bool (*found)(void *context, size_t word, size_t end), void *context)
{
    const struct search search = {index, outline, found, context};

    for (size_t part = 0; part < PARTS; part++) {
        if (index->parts[part].count > 0 && search_part(&search, &index->parts[part])) {
            return true;
        }
    }
    return false;
}

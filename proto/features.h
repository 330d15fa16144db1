/* features: folded text into indices of a table of weights.
 *
 * Two kinds, all hashed to 2^table_bits indices:
 *   - character n-grams of 1 to 4, one space before the text and one behind it being part of it: "no" gives n, o, " n", "no",
 *     "o ", and so on; they reach over white space. A space alone gives none. What would begin before that first space is
 *     filled up with zeros, so that the beginning of a text is a feature too.
 *   - words and pairs of neighbouring words, as proto/text breaks them.
 * An index may come several times; what presence or count means is the business of the model's kind.
 *
 * Text comes in pieces of any length: the state carries over, so equal texts give equal indices however they are cut.
 * A change of anything here or in proto/text changes FEATURES_VERSION: a model knows only the features it was trained on.
 * Source of the rule: spec/models.md, "Recommended design"; house D13. Thread: any; a state belongs to one.
 */
#ifndef PROTO_FEATURES_H
#define PROTO_FEATURES_H

#include "proto/limits.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FEATURES_VERSION = 1,
    FEATURES_NGRAM_MAX = 4,
    FEATURES_PER_CODE_POINT = FEATURES_NGRAM_MAX + 4, /* a word may end just before a character that is a word itself */
    FEATURES_END = FEATURES_PER_CODE_POINT,
};

struct features {
    uint64_t recent;   /* the last four code points, 16 bits each */
    uint64_t word;     /* hash of the word so far; 0 = none begun */
    uint64_t previous; /* hash of the word before; 0 = none */
    unsigned shift;    /* keeps the table_bits leading bits of a hash */
};

/* MODEL_TABLE_BITS_MIN <= table_bits <= MODEL_TABLE_BITS_MAX. */
void features_begin(struct features *features, unsigned table_bits);

/* Writes the indices of `count` more code points to `out`, which has room for FEATURES_PER_CODE_POINT * count; returns how
 * many. With `seen`, a bit for each index of the table, only those that are not in it, in any order, and puts them in; without
 * (NULL) all, in the order of the text. */
size_t features_take(struct features *features, const uint32_t *code_points, size_t count, uint64_t *seen, uint32_t *out);

/* The same for what the end of the text completes; at most FEATURES_END. */
size_t features_end(struct features *features, uint64_t *seen, uint32_t *out);

#endif

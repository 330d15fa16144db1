/* model_kinds: a model in memory, and what differs between its kinds. Only proto/model* looks in here.
 *
 * A kind says how a model is loaded from its file and how the features of a window of text become a score. The windows are the
 * same for all kinds:
 *
 *   block      0         1         2         3           A window is two neighbouring blocks of MODEL_BLOCK_CODE_POINTS;
 *   windows  [-- first --]                               each block is read and hashed once, and taken in together with
 *                      [-- second -]                     what is kept of the block before it.
 *                                [--- third --]
 *
 * Thread: a model is constant once loaded; a room belongs to one call.
 */
#ifndef PROTO_MODEL_KINDS_H
#define PROTO_MODEL_KINDS_H

#include "proto/features.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "proto/model_file.h"

/* What one more occurrence of a term adds to its tf, and to the square of its tf. */
struct model_step {
    float tf;
    float square;
};

/* A term of a bow model's vocabulary. */
struct model_term {
    float weight; /* of the feature, its idf included */
    float square; /* of its idf */
};

struct model_rules;

struct model {
    const struct model_rules *rules;
    unsigned table_bits;
    double bias;
    double slope;
    double offset;
    double unit;              /* what 1 in `wide` or `narrow` is worth */
    int32_t *wide;            /* weights of a MODEL_FLOAT32 file, else NULL */
    int8_t *narrow;           /* weights of a MODEL_INT8 file, else NULL */
    uint16_t *term_numbers;   /* bow: of each index; 0 = no term */
    struct model_term *terms; /* bow: number 0 weighs nothing */
    struct model_step *steps; /* bow: of a term that is held so often */
};

/* A sum over features. */
struct model_tally {
    int64_t sum;
    int64_t count;
};

enum { MODEL_SEEN_WORDS = (1 << MODEL_TABLE_BITS_MAX) / 64 };

/* One bit a feature: seen in this block, seen in the one before. */
struct model_seen {
    struct model_tally before; /* of the different features of the block before */
    uint64_t now[MODEL_SEEN_WORDS];
    uint64_t earlier[MODEL_SEEN_WORDS];
};

/* How often each term stood in this block, and in the one before; up to 255. */
struct model_counts {
    double dot, square; /* of the block before, by itself */
    uint8_t now[MODEL_TERMS_MAX + 1];
    uint8_t earlier[MODEL_TERMS_MAX + 1];
};

/* What a kind keeps from block to block. */
union model_scratch {
    struct model_seen seen;      /* hashlinear */
    struct model_counts counts;  /* bow */
    struct model_tally before;   /* fasttext */
};

/* Of one reading. */
struct model_room {
    union model_scratch scratch;
    uint32_t code_points[MODEL_BLOCK_CODE_POINTS];
    uint32_t indices[FEATURES_PER_CODE_POINT * MODEL_BLOCK_CODE_POINTS + FEATURES_END];
};

_Static_assert(sizeof(struct model_room) <= MODEL_ROOM_BYTES, "model.h says what it takes");

struct model_rules {
    enum model_kind kind;
    const char *name; /* as in settings and in the table `models` */
    /* Fills what the kind keeps in memory, of a file that has been checked. STATUS_NO_MEMORY. */
    enum status (*load)(struct model *model, const struct model_file *file);
    /* For a kind that takes each feature of a block once: the bits by which features_take tells which are new. NULL: the kind
     * takes all of them. */
    uint64_t *(*mark)(const struct model *model, union model_scratch *scratch, bool paired);
    /* Takes in the features of a block, and scores the window that it makes with the block before; not `paired`: there is none
     * before, and the scratch holds anything. Before calibration. */
    double (*take)(const struct model *model, union model_scratch *scratch, bool paired, const uint32_t *indices, size_t count);
};

/* `wide` or `narrow`, and `unit`. STATUS_NO_MEMORY. */
MUST_CHECK enum status model_load_weights(struct model *model, const struct model_file *file);

extern const struct model_rules model_hashlinear, model_bow, model_fasttext;

#endif

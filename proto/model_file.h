/* model_file: the bytes of a model file, little-endian, and what they say. Only proto/model looks in here.
 *
 *   offset  bytes  field
 *        0      8  "PGMODEL\n"
 *        8      4  format version: MODEL_FILE_VERSION, of kind fasttext MODEL_FILE_VERSION_FASTTEXT
 *       12      4  kind (enum model_kind)
 *       16      4  feature version (FEATURES_VERSION)
 *       20      4  table_bits
 *       24      4  storage (enum model_storage)
 *       28      4  code points of a block (MODEL_BLOCK_CODE_POINTS)
 *       32      8  bias                       \
 *       40      8  slope                       | IEEE 754 binary64
 *       48      8  offset                      |
 *       56      8  scale of a weight, above 0 /
 *       64    8*N  scores of the N self-test texts, before calibration; binary64
 *        .      .  2^table_bits weights: binary32 or int8, each to be multiplied by the scale
 *        .      .  kind bow only: 2^table_bits idfs, a byte each, in steps of 1 / MODEL_IDF_STEPS; 0 = no term
 *        .     32  SHA-256 of all before it
 *
 * The length is fixed by kind, table_bits and storage; a file of any other length is refused before anything else is looked at.
 * The checksum finds damage, not malice: whoever may write the models table is trusted (spec/reliability.md, B).
 * Thread: any.
 */
#ifndef PROTO_MODEL_FILE_H
#define PROTO_MODEL_FILE_H

#include "proto/model.h"

enum { MODEL_FILE_VERSION = 1, MODEL_FILE_VERSION_FASTTEXT = 2, MODEL_SELF_TESTS = 6 };

struct model_file {
    enum model_kind kind;
    enum model_storage storage;
    unsigned table_bits;
    double bias;
    double slope;
    double offset;
    double scale;
    double self_test[MODEL_SELF_TESTS];
    struct bytes weights; /* lent by the file, as is the next */
    struct bytes idfs;    /* empty but for kind bow */
};

/* STATUS_TOO_LARGE (above MODEL_FILE_BYTES_MAX), STATUS_MALFORMED (no such file, wrong length, numbers that are not finite, more
 * than MODEL_TERMS_MAX terms),
 * STATUS_UNSUPPORTED (another version, kind or feature setting), STATUS_CORRUPT (checksum). Reserves nothing. */
MUST_CHECK enum status model_file_read(struct model_file *out, struct bytes file);

/* The weight at `index` without the scale. */
float model_file_float(const struct model_file *file, size_t index);
int8_t model_file_int8(const struct model_file *file, size_t index);

/* The idf of kind bow at `index`; 0 = no term. */
double model_file_idf(const struct model_file *file, size_t index);

/* Writes the head and rounds the weights of `parts` into `out`, which is empty; the scores of the self-test are 0 and the
 * checksum is missing until model_file_seal. Statuses of model_write; `out` may hold a part of a file on failure. */
MUST_CHECK enum status model_file_begin(struct buffer *out, const struct model_parts *parts);

/* What a begun file says; its checksum is not looked at. Lent by `out`. */
void model_file_look(struct model_file *file, const struct buffer *out);

/* Completes a begun file. */
MUST_CHECK enum status model_file_seal(struct buffer *out, const double self_test[MODEL_SELF_TESTS]);

#endif

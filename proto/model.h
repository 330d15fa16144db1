/* model: the model file: header, feature settings, weights, calibration, self-test, checksum; and score().
 *
 * A model is constant after model_open and may be shared by any number of threads. Scoring allocates nothing and takes no
 * lock. A file of another format version, feature version or kind, of a wrong size or checksum, or whose self-test texts do
 * not score what they should is refused whole.
 *
 * Kind hashlinear: let F be the set of different features (proto/features) of a window of text; then
 *
 *   score = bias + sum of the weights of F / sqrt(number of F)        probability = 1 / (1 + exp(-(slope * score + offset)))
 *
 * A window is two blocks of MODEL_BLOCK_CODE_POINTS; windows overlap by one block. A text of up to two blocks is one window.
 */
#ifndef PROTO_MODEL_H
#define PROTO_MODEL_H

#include "proto/bytes.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdint.h>

struct model;

/* Checks and loads a copy of `file`. STATUS_TOO_LARGE, STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT. */
MUST_CHECK enum status model_open(struct model **out, struct bytes file);
void model_close(struct model **model);

enum model_kind model_kind_of(const struct model *model);
uint32_t model_feature_version(const struct model *model);

/* The calibrated probability, 0 to 1, that `text` (UTF-8; broken bytes are read as U+FFFD) is a violation. Long texts are
 * scored in overlapping windows; the worst decides. Needs about 350 KiB of stack. */
double model_score(const struct model *model, struct bytes text);

enum model_storage {
    MODEL_FLOAT32 = 0,
    MODEL_INT8 = 1, /* a quarter of the bytes; weights are rounded to 255 steps of one scale */
};

/* What a trainer makes a file of. */
struct model_parts {
    enum model_kind kind;
    enum model_storage storage;
    unsigned table_bits; /* MODEL_TABLE_BITS_MIN to MODEL_TABLE_BITS_MAX */
    double bias;
    double slope; /* above 0 */
    double offset;
    const float *weights; /* borrowed; 2^table_bits of them */
};

/* Replaces the content of `out` by the file; equal parts give equal bytes. STATUS_MALFORMED when a number is not finite or
 * the slope is not above 0, STATUS_UNSUPPORTED for another kind, STATUS_TOO_LARGE, STATUS_NO_MEMORY; `out` is then empty. */
MUST_CHECK enum status model_write(struct buffer *out, const struct model_parts *parts);

#endif

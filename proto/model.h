/* model: the model file: header, feature settings, weights, calibration, self-test, checksum; and score().
 *
 * A model is constant after model_open and may be shared by any number of threads; a room belongs to one. Scoring allocates
 * nothing and takes no lock. A file of another format version, feature version or kind, of a wrong size or checksum, or whose
 * self-test texts do not score what they should is refused whole.
 *
 * The features of a text are those of proto/features. F are those of a window of text, different ones; c(f) is how often f stands
 * in it, n the sum of c; w(f) its weight in the file:
 *
 *   hashlinear   score = bias + sum over F of w(f) / sqrt(number of F)
 *   bow          score = bias + sum over terms of w(f) * tf(c) / sqrt(sum over terms of (idf(f) * tf(c))^2); terms are the
 *                features with an idf in the file; tf(c) = 1 + ln(c), c up to MODEL_TF_COUNT_MAX in each block
 *   fasttext     score = bias + sum over F of w(f) * c(f) / sqrt(n)
 *   all          probability = 1 / (1 + exp(-(slope * score + offset)))
 *
 * A window is two blocks of MODEL_BLOCK_CODE_POINTS; windows overlap by one block. A text of up to two blocks is one window.
 */
#ifndef PROTO_MODEL_H
#define PROTO_MODEL_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/pause.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdint.h>

struct model;

/* Checks and loads a copy of `file`. STATUS_TOO_LARGE, STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT. */
MUST_CHECK enum status model_open(struct model **out, struct bytes file);
void model_close(struct model **model);

enum model_kind model_kind_of(const struct model *model);
/* "hashlinear", "bow", "fasttext", "none"; static. */
const char *model_kind_name(enum model_kind kind);
uint32_t model_feature_version(const struct model *model);

/* Memory for one reading at a time. A short text touches little of it. */
struct model_room;
enum { MODEL_ROOM_BYTES = 352 * KIB }; /* at most */

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status model_room_open(struct model_room **out);
void model_room_close(struct model_room **room);

/* The calibrated probability, 0 to 1, that `text` (UTF-8; broken bytes are read as U+FFFD) is a violation. Long texts are
 * scored in overlapping windows; the worst decides. `pause` is called after each window, unless it is NULL. */
struct model_reading {
    bool stopped; /* by the pause: the rest is of what was read, and means nothing */
    double probability;
    size_t window_count;
    size_t worst_begin, worst_end; /* of the window that decided: bytes of the text */
};
struct model_reading model_read(const struct model *model, struct model_room *room, struct bytes text,
                                const struct pause *pause);

/* The probability alone, by a room on the stack: it costs a short text a tenth more. */
double model_score(const struct model *model, struct bytes text);

/* What a trainer makes a file of. */
struct model_parts {
    enum model_kind kind;
    enum model_storage storage;
    unsigned table_bits; /* MODEL_TABLE_BITS_MIN to MODEL_TABLE_BITS_MAX */
    double bias;
    double slope; /* above 0 */
    double offset;
    const float *weights;      /* borrowed; 2^table_bits of them */
    const unsigned char *idfs; /* bow, borrowed: 2^table_bits of them in steps of 1 / MODEL_IDF_STEPS; 0 = no term; at most
                                * MODEL_TERMS_MAX others. NULL for other kinds */
};

enum { MODEL_IDF_STEPS = 16 }; /* of an idf of 1: 15.9 is that of a term of one text in three million */

/* 1 + ln(count), 0 for 0; `count` up to MODEL_TF_COUNT_MAX, more is as so many. */
double model_tf(unsigned count);

/* Replaces the content of `out` by the file; equal parts give equal bytes. STATUS_MALFORMED when a number is not finite or
 * the slope is not above 0 or terms are too many, STATUS_UNSUPPORTED for another kind, STATUS_TOO_LARGE, STATUS_NO_MEMORY; `out`
 * is then empty. */
MUST_CHECK enum status model_write(struct buffer *out, const struct model_parts *parts);

#endif

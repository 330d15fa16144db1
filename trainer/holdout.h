/* holdout: the newest of the samples, which no training sees, kept to judge what was trained.
 *
 * Of each label the newest fifth is held out, up to about TRAIN_HELD_OUT_MAX rows: a model is judged by what came after all that
 * it learned from, as in use. The cut only moves on with time, so that the live model never saw what is held out later either.
 * Memory: the texts, at most TRAIN_BYTES_MAX. Thread: one at a time.
 */
#ifndef TRAINER_HOLDOUT_H
#define TRAINER_HOLDOUT_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "proto/status.h"
#include "trainer/band.h"
#include "trainer/compare.h"
#include "trainer/evaluate.h"
#include "trainer/sample.h"
#include "trainer/turn.h"

struct holdout;

/* The oldest row of a label that is held out. */
struct holdout_cut {
    int64_t made_us;
    unsigned char hash[TEXT_HASH_BYTES]; /* decides among rows of one moment: lower ones are held out */
};

/* How many of `rows` rows of a label lie behind the cut when `drawn` (above 0) of them are drawn; at least 1. */
int64_t holdout_share(int64_t rows, int64_t drawn);

/* For each label, of a profile whose samples were measured. STATUS_TOO_FEW when a label has none; else as store_row_at. */
MUST_CHECK enum status holdout_find_cuts(struct store *store, int64_t profile_id,
                                         const struct sample_figures sampled[SAMPLE_LABELS],
                                         struct holdout_cut out[SAMPLE_LABELS]);

/* Of a row with a hash of TEXT_HASH_BYTES. */
bool holdout_takes(const struct holdout_cut *cut, int64_t made_us, struct bytes hash);

MUST_CHECK enum status holdout_open(struct holdout **out);
void holdout_close(struct holdout **holdout);

/* Keeps a copy, which counts by its weight (trainer/evaluate). STATUS_TOO_LARGE past TRAIN_BYTES_MAX. */
MUST_CHECK enum status holdout_add(struct holdout *holdout, struct bytes text, int label, double weight);

/* Rows kept of a label, 0 or 1. */
size_t holdout_count(const struct holdout *holdout, int label);

/* Scores every row kept; `low` and `high` are the profile's; STATUS_CLOSED soon after `turn` (NULL = none) is cancelled.
 * `scores` (NULL = nobody asks) has room for one of each row, in the order in which they were added. What evaluate_add and
 * evaluate_figures return. */
MUST_CHECK enum status holdout_judge(const struct holdout *holdout, const struct model *model, double low, double high,
                                     struct turn *turn, double *scores, struct evaluate_figures *out);

/* Two judges by their scores of the rows whose text is in the band. What compare_rows returns. */
MUST_CHECK enum status holdout_compare(const struct holdout *holdout, enum band band, const double *ones, const double *others,
                                       struct compare_figures *out);

#endif

/* holdout: the newest of the samples, which no training sees, kept to judge what was trained.
 *
 * Of each label the newest fifth is held out, up to about TRAIN_HELD_OUT_MAX rows: a model is judged by what came after all that
 * it learned from, as in use. The cut only moves on with time, so that the live model never saw what is held out later either.
 *
 * Where what violates has changed (trainer/change), what came since is of use only, to learn from as well: the newest half of it
 * is held out, at least TRAIN_HELD_OUT_MIN of a label and at most what would be without. So the cut still only moves on, until
 * what came since fills as much as would be held out twice: then nothing is left to be done differently.
 *
 * Memory: the texts, at most TRAIN_BYTES_MAX. Thread: one at a time.
 */
#ifndef TRAINER_HOLDOUT_H
#define TRAINER_HOLDOUT_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "proto/status.h"
#include "trainer/band.h"
#include "trainer/change.h"
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

/* The same where what violates has changed, and `since` of the rows came after that; at most holdout_share's. */
int64_t holdout_share_since(int64_t rows, int64_t drawn, int64_t since);

struct holdout_cuts {
    struct holdout_cut of[SAMPLE_LABELS];
    int64_t changed_us; /* what is older is of before the last change that was noticed; 0 = none was */
    bool is_old_news;   /* so much came since that a new change may be looked for; also when there was none */
};

/* For each label, of a profile whose samples were measured. STATUS_TOO_FEW when a label has none; else as store_row_at. */
MUST_CHECK enum status holdout_find_cuts(struct store *store, int64_t profile_id,
                                         const struct sample_figures sampled[SAMPLE_LABELS], struct holdout_cuts *out);

/* Whether a row of `label` with a hash of TEXT_HASH_BYTES is held out. */
bool holdout_takes(const struct holdout_cuts *cuts, int label, int64_t made_us, struct bytes hash);

MUST_CHECK enum status holdout_open(struct holdout **out);
void holdout_close(struct holdout **holdout);

/* Keeps a copy, which counts by its weight (trainer/evaluate). STATUS_TOO_LARGE past TRAIN_BYTES_MAX. */
MUST_CHECK enum status holdout_add(struct holdout *holdout, struct bytes text, int label, double weight, int64_t made_us);

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

/* Whether texts that are held out surprise a model more than those of `before`, by its scores of all rows kept; a row of a label
 * counts as `factor` of its weight. STATUS_NOT_FOUND where nothing changed; STATUS_NO_MEMORY. */
MUST_CHECK enum status holdout_find_change(const struct holdout *holdout, const double *scores,
                                           const double factor[SAMPLE_LABELS], const struct change_sums *before,
                                           struct change_found *out);

#endif

/* holdout: the fifth of the samples that no training sees, kept to judge what was trained.
 *
 * Whether a text is held out is decided by its hash alone: the same text is on the same side in every run, so that an
 * older model can be judged by the same rows, and a text never moves from one side to the other. Memory: the texts, at
 * most TRAIN_BYTES_MAX. Thread: one at a time.
 */
#ifndef TRAINER_HOLDOUT_H
#define TRAINER_HOLDOUT_H

#include "proto/bytes.h"
#include "proto/model.h"
#include "proto/status.h"
#include "trainer/evaluate.h"

#include <stdatomic.h>

struct holdout;

/* Of a hash of TEXT_HASH_BYTES. */
bool holdout_takes(struct bytes hash);

MUST_CHECK enum status holdout_open(struct holdout **out);
void holdout_close(struct holdout **holdout);

/* Keeps a copy. STATUS_TOO_LARGE past TRAIN_BYTES_MAX. */
MUST_CHECK enum status holdout_add(struct holdout *holdout, struct bytes text, int label);

/* Rows kept of a label, 0 or 1. */
size_t holdout_count(const struct holdout *holdout, int label);

/* Scores every row kept; `low` and `high` are the profile's; STATUS_CLOSED soon after `cancelled` (NULL = never) is true. What
 * evaluate_add and evaluate_figures return. */
MUST_CHECK enum status holdout_judge(const struct holdout *holdout, const struct model *model, double low, double high,
                                     const atomic_bool *cancelled, struct evaluate_figures *out);

#endif

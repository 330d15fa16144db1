/* fit: labelled texts in, a model file of the kind that was asked for out.
 *
 *   rows_add ──> fit without each fifth in turn ──> scores of rows not seen ──> platt_fit ──┐
 *      └───────> fit to all ──> weights ──────────────────────────────────────> model_write ──> file
 *
 * Fifths are left out until there are TRAIN_UNSEEN_ENOUGH scores: two numbers need no more.
 * Memory follows the rows that are added, up to TRAIN_ROWS_BYTES_MAX, never the table they come from. Equal options and
 * rows in equal order give equal bytes. No text is part of the file. Source of the rule: spec/models.md.
 * Thread: one at a time; fit_finish computes for seconds.
 */
#ifndef TRAINER_FIT_H
#define TRAINER_FIT_H

#include "proto/bytes.h"
#include "proto/model.h"
#include "proto/status.h"
#include "trainer/change.h"
#include "trainer/turn.h"

#include <stdatomic.h>
#include <stdint.h>

enum { FIT_TABLE_BITS = 18 }; /* more gains nothing that shows (spec/models.md) */

/* What a reviewer said before he changed his mind holds as long as nothing speaks against it, and hardly longer. */
#define FIT_OLD_TO_NEW (1.0 / 16)
#define FIT_OLD_MIN (1.0 / FIT_WEIGHT_STEPS)

enum { FIT_WEIGHT_STEPS = 64, FIT_WEIGHT_MAX = 16 };

struct fit;

struct fit_options {
    enum model_kind kind; /* not MODEL_KIND_NONE */
    uint64_t seed;
    unsigned table_bits;        /* 0 = FIT_TABLE_BITS */
    enum model_storage storage; /* 0 = MODEL_FLOAT32 */
    struct turn *turn; /* borrowed until fit_close: what fit_finish computes in, and soon ends when cancelled; NULL = none */
    _Atomic int *fits; /* borrowed as well: counts the fits that are done, up to TRAIN_FOLDS + 1 each time; NULL = nobody looks */
};

/* Borrows `options` for the call. STATUS_NO_MEMORY. */
MUST_CHECK enum status fit_open(struct fit **out, const struct fit_options *options);
void fit_close(struct fit **fit);

/* Borrows `text`; `label` is 0 or 1. STATUS_FULL when there is no room for more rows of this label: the row is left out, the
 * others stay. STATUS_NO_MEMORY. */
MUST_CHECK enum status fit_add(struct fit *fit, struct bytes text, int label);

/* The last row that was added counts as `weight` rows (above 0, up to FIT_WEIGHT_MAX, in steps of 1 / FIT_WEIGHT_STEPS) in the
 * fit and its calibration, and in the calibration as the root of `stands_for` (above 0) times as many: the fit may look at the
 * texts that are hard to tell most of all, the probabilities are nearer to those of all texts. */
void fit_weigh(struct fit *fit, double weight, double stands_for);

/* The true share of label 1, in (0, 1), which a balanced draw hides; else it is that of the rows, as the calibration counts. */
void fit_set_share(struct fit *fit, double violation_share);

/* The last row that was added is of before a change of what violates. */
void fit_mark_old(struct fit *fit);

/* From now on rows of before the change count, all together, as FIT_OLD_TO_NEW of those since it, or each as FIT_OLD_MIN of what
 * it did, whichever is more. Returns as what share of itself each counts; 1, and nothing is changed, without rows of either. */
double fit_discount(struct fit *fit);

/* How much the texts of the last fit_finish surprised models that had not seen them, by label; lent until the next. */
const struct change_sums *fit_surprises(const struct fit *fit);

/* Of all rows; may be called again, and equal weights give equal bytes again. Replaces the content of `out` by the model file.
 * STATUS_TOO_FEW when a label has fewer than TRAIN_FOLDS rows; STATUS_TOO_LARGE when the bound of `out` is below the file;
 * STATUS_CLOSED when cancelled; STATUS_NO_MEMORY. */
MUST_CHECK enum status fit_finish(struct fit *fit, struct buffer *out);

#endif

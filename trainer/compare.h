/* compare: whether one judge ranks worse than another on the same texts, or only seems to by chance.
 *
 * The difference of two ROC-AUCs over the same rows, and its standard error after DeLong, DeLong and Clarke-Pearson (Biometrics
 * 44, 1988): for each violation the share of the passes that it outscores, for each pass the share of the violations that
 * outscore it; the variances of the differences of those between the two judges, over their counts, add up to that of the
 * difference of the areas. Shares and variances count each row by its weight (trainer/evaluate): with unequal ones the variance
 * is that of a ratio, by the rows' influence on it.
 *
 * Thread: any. Memory: 40 bytes a row.
 */
#ifndef TRAINER_COMPARE_H
#define TRAINER_COMPARE_H

#include "proto/status.h"

#include <stddef.h>

struct compare_row {
    double one; /* what either judge says; only the order counts */
    double other;
    double weight; /* above 0 */
    int label;     /* 0 or 1 */
};

struct compare_figures {
    size_t count;
    size_t violations;
    double effective[2]; /* as how many rows of equal weight those of each label tell (trainer/effective) */
    double one_auc;
    double other_auc;
    double error; /* standard error of one_auc - other_auc */
};

/* STATUS_TOO_FEW with fewer than two of a label; STATUS_NO_MEMORY. */
MUST_CHECK enum status compare_rows(const struct compare_row *rows, size_t count, struct compare_figures *out);

#endif

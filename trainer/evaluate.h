/* evaluate: how good a judge is, from pairs of what it said and what is true.
 *
 *   auc                 the chance that a violation scores above a pass; equal scores count half
 *   pr_auc              average precision: the mean, over the violations, of the precision at each one's score
 *   f1                  of label 1, a probability of 0.5 or more taken as a violation
 *   calibration_error   ten bins of equal width: mean distance between said and true, weighted by what is in a bin
 *   decided             share of the texts with a probability below `low` or above `high`: no review needed
 *   agreement           share of the decided that is right; NaN when none is decided
 *
 *   effective           as how many pairs of equal weight they tell (trainer/effective)
 *
 * Every pair counts by its weight, in all figures: where pairs came to be known with unequal probabilities, and each weighs
 * 1 / its own, the figures are those of all texts, known or not (Horvitz and Thompson, 1952).
 *
 * Thread: one at a time. Memory: 24 bytes a pair, at most EVALUATE_PAIRS_MAX pairs.
 */
#ifndef TRAINER_EVALUATE_H
#define TRAINER_EVALUATE_H

#include "proto/status.h"

#include <stddef.h>

enum { EVALUATE_PAIRS_MAX = 1 << 20 }; /* far above the rows that a run holds out */

struct evaluate;

struct evaluate_figures {
    double auc;
    double pr_auc;
    double f1;
    double calibration_error;
    double decided;
    double agreement;
    double effective;
    size_t count;
    size_t violations;
};

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status evaluate_open(struct evaluate **out);
void evaluate_close(struct evaluate **evaluate);

/* `probability` is 0 to 1, `label` 0 or 1, `weight` above 0. STATUS_FULL past EVALUATE_PAIRS_MAX, STATUS_NO_MEMORY. */
MUST_CHECK enum status evaluate_add(struct evaluate *evaluate, double probability, int label, double weight);

/* Of all pairs so far, in whatever order they came; more may be added afterwards. STATUS_TOO_FEW when a label is missing: then
 * there is no ranking to judge. */
MUST_CHECK enum status evaluate_figures(struct evaluate *evaluate, double low, double high, struct evaluate_figures *out);

#endif

/* platt: a score into a probability: 1 / (1 + exp(-(slope * score + offset))), fitted to scores of rows no fit has seen.
 *
 * Platt 1999 with the targets and the damped Newton steps of Lin, Lin and Weng (Machine Learning 68, 2007). Thread: any.
 */
#ifndef TRAINER_PLATT_H
#define TRAINER_PLATT_H

#include <stddef.h>
#include <stdint.h>

struct platt {
    double slope; /* always above 0: a higher score is never a lower probability */
    double offset;
};

/* Borrows `count` scores and labels (0 or 1, both of them there). `violation_share` is the share of label 1 where the
 * probabilities will be used, in (0, 1): a balanced draw is weighted back to it; NaN = as the rows have it. */
void platt_fit(struct platt *out, const double *scores, const uint8_t *labels, size_t count, double violation_share);

#endif

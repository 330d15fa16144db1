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

struct platt_row {
    double score;
    double weight; /* above 0: it counts as so many */
    uint8_t label; /* 0 or 1 */
};

/* Borrows the rows; both labels are there. `violation_share` is the share of label 1 where the probabilities will be used, in
 * (0, 1): a balanced draw is weighted back to it, the weights telling within each label; NaN = as the rows have it, by their
 * weights. */
void platt_fit(struct platt *out, const struct platt_row *rows, size_t count, double violation_share);

#endif

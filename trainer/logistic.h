/* logistic: L2-regularised logistic regression over the features of rows, scaled in one of two ways.
 *
 * By ratios (hashlinear): a row x has 1 / sqrt(number of its text's features) for each feature it holds. Feature i is scaled by
 * its naive-Bayes ratio
 *
 *   r = ln[((1 + n1) / N1) / ((1 + n0) / N0)]     n1, n0: rows of label 1 and 0 that hold it; N: the sum of 1 + n over all
 *                                                 features seen; r = 0 for a feature never seen
 *
 * and all rows by one number, so that their mean squared norm is 1.
 *
 * By idf (bow): a row has tf(count) * idf for each term that it holds, divided by their norm, so that its own norm is 1.
 *
 *   minimise  |w|^2 / 2 + sum over rows of C * ln(1 + exp(-y * (w.x + bias)))      y = +1 or -1; both labels weigh the same
 *                                                                                 whatever their number
 *
 * by dual coordinate descent (Yu, Huang and Lin, Machine Learning 85, 2011), the bias being one more feature; a row of
 * weight n counts as n of them, in the ratios too. Equal rows and seeds give equal bits. Source of the rule: spec/models.md,
 * "Training"; the ratio alone does what ratio times idf does.
 * Thread: one at a time. Memory: 4 bytes a feature, 24 a place, 36 a row.
 */
#ifndef TRAINER_LOGISTIC_H
#define TRAINER_LOGISTIC_H

#include "trainer/rows.h"
#include "trainer/turn.h"

struct logistic;

/* Borrows all until logistic_close: `rows`, which stay as they are; `idfs` as in struct model_parts with counted rows, NULL to
 * scale by ratios; `turn`, in which it computes, NULL = none. STATUS_NO_MEMORY. */
MUST_CHECK enum status logistic_open(struct logistic **out, const struct rows *rows, const unsigned char *idfs,
                                     struct turn *turn);
void logistic_close(struct logistic **logistic);

/* Solves for the rows of every fold but `left_out`; a solution before is forgotten. There must be a row of either label among
 * them. STATUS_CLOSED, with no solution, once the turn is cancelled, which each row looks at. */
MUST_CHECK enum status logistic_fit(struct logistic *logistic, uint64_t seed, int left_out);

/* The same for all rows. Begins at the solution of the fit before, if there was one: most of the way is gone. */
MUST_CHECK enum status logistic_fit_all(struct logistic *logistic, uint64_t seed);

/* w.x + bias of any row under the solution. */
double logistic_score(struct logistic *logistic, size_t row);

double logistic_bias(const struct logistic *logistic);

/* Lends 2^table_bits weights, all scaling included, until the next fit: a row's score is as proto/model.h has it. */
const float *logistic_weights(struct logistic *logistic);

#endif

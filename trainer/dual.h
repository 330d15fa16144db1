/* dual: one step of dual coordinate descent for logistic regression: where one row's dual variable belongs while all others stay.
 *
 * Source of the rule: Yu, Huang and Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models",
 * Machine Learning 85, 2011, section 3. Thread: any.
 */
#ifndef TRAINER_DUAL_H
#define TRAINER_DUAL_H

/* The z in (0, cost) that minimises  norm/2 (z - alpha)^2 + slope (z - alpha) + z ln z + (cost - z) ln(cost - z).
 * 0 < alpha; one at cost, or beyond it by rounding, counts as just below it. norm > 0: the squared norm of the row; slope: its
 * label's sign times its score, of any size. */
double dual_best(double alpha, double norm, double slope, double cost);

#endif

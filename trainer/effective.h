/* effective: as how many rows some rows tell that do not all count the same.
 *
 * The square of the sum of weights over the sum of their squares (Kish, Survey Sampling, 1965): as many as there are where all
 * weigh the same, fewer the more they differ. Thread: any.
 */
#ifndef TRAINER_EFFECTIVE_H
#define TRAINER_EFFECTIVE_H

/* All 0 at first. */
struct effective {
    double weights;
    double squares;
};

/* `weight` is at least 0. */
void effective_add(struct effective *effective, double weight);

/* 0 where nothing weighs anything. */
double effective_count(const struct effective *effective);

#endif

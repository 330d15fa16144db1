/* ratios: how well each feature tells the labels apart: its naive-Bayes ratio, as trainer/logistic.h has it.
 * Thread: a table of tallies belongs to one.
 */
#ifndef TRAINER_RATIOS_H
#define TRAINER_RATIOS_H

#include "trainer/rows.h"
#include "trainer/turn.h"

/* Of a feature, by its place. Whole steps can be added and taken away again without a trace. */
struct tally {
    uint64_t share;   /* sum of 1 / (number of features of its text) of the rows that hold it, in steps of 1 / 2^32 */
    uint32_t seen[2]; /* rows of each label that hold it, by the steps of their weights */
};

/* Counts what a row holds, or with -1 as `sign` takes it back. */
void ratios_count(struct tally *tallies, const struct rows *rows, const struct row *row, int sign);

/* ln(N0 / N1): all that the ratio of one feature has from the others. */
double ratios_shift(const struct tally *tallies, size_t width);

/* Of the feature's ratio; 0 for one that was never seen. Times its share it is what the feature has in the sum of the squared
 * norms of all rows, where features are scaled by their ratios. */
double ratios_square(const struct tally *tally, double shift);
double ratios_share(const struct tally *tally);

/* Takes out of the rows the features that hardly tell the labels apart: those of the smallest ratios, as long as they have less
 * than a two-hundredth in the sum of the squared norms. They are a third of what stands in texts, and what a fit finds without
 * them is as good. What stays is placed by how often it is seen. Two fifths of the rows are asked, and not the one to calibrate
 * by. Nothing is done to fewer than TRAIN_THINNED_ROWS_MIN, whose fits are short and of which each calibrates. And where some are
 * of before a change no feature leaves: what tells the labels apart since then may say nothing on the whole. `turn` as in
 * logistic_open. STATUS_NO_MEMORY, STATUS_CLOSED. */
MUST_CHECK enum status ratios_thin_out(struct rows *rows, struct turn *turn);

#endif

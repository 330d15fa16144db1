/* tally: precision and recall of judges, from texts that were drawn at random, each with a probability of its own.
 *
 *   precision   of the texts that the judge calls violations, the share that are
 *   recall      of the violations, the share that it calls so
 *
 * A text that was drawn with probability p stands for 1/p texts (Horvitz and Thompson, 1952): what was drawn more often for a
 * while counts no more for it. Intervals are Wilson's, 95 per cent, of as many texts as would tell as much if all counted the
 * same (trainer/effective).
 *
 * Two judges of the same texts: how far the second is behind the first, and the standard error of that by the texts' influence on
 * both (the infinitesimal jackknife), which is small where they err on the same texts.
 *
 * Thread: any. No memory of its own.
 */
#ifndef TRAINER_TALLY_H
#define TRAINER_TALLY_H

#include <stdbool.h>
#include <stddef.h>

enum { TALLY_JUDGES = 2 };

struct tally_row {
    double weight; /* above 0 */
    int label;     /* 1: it is a violation */
    bool says[TALLY_JUDGES]; /* that it is one */
};

/* All NaN where there is nothing to tell it by. */
struct tally_rate {
    double value;
    double low;
    double high;
};

struct tally_figures {
    size_t count;
    size_t violations;
    struct tally_rate precision;
    struct tally_rate recall;
};

void tally_figures(const struct tally_row *rows, size_t count, int judge, struct tally_figures *out);

/* How much lower judge 1 is than judge 0; NaN where either is unknown. */
struct tally_drop {
    double value;
    double error;
};

void tally_compare(const struct tally_row *rows, size_t count, struct tally_drop *out_precision, struct tally_drop *out_recall);

#endif

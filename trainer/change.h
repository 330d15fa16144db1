/* change: since when what violates is another than before, if it is.
 *
 * A model's surprise at a text that it has not seen is (label - probability) * (1 - 2 * probability): by so much its Brier score
 * of the text, (label - probability)^2, is above what the model itself expects, probability * (1 - probability). It is 0 on
 * average however hard a text is to tell (Spiegelhalter, Statistics in Medicine 5, 1986), so that texts that were reviewed
 * because the model was unsure of them may stand beside those drawn at random. Where a reviewer changed his mind, it rises.
 *
 * Of all moments that part the texts in two, the one is looked for whose two means leave the least spread. It is a change where
 * the later mean is above the earlier one by CHANGE_ERRORS standard errors of their difference, and by more than a model that is
 * a little too sure of itself brings about. Every text counts by its weight (trainer/evaluate).
 *
 * Thread: any.
 */
#ifndef TRAINER_CHANGE_H
#define TRAINER_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some texts' surprises, added up. All 0 at first. */
struct change_sums {
    double weights;
    double surprises; /* each times its weight */
    double squares;   /* of the weights, times 1, the surprise and its square */
    double squares_surprises;
    double squares_surprises_squared;
};

struct change_row {
    int64_t made_us;
    double probability; /* 0 to 1 */
    double weight;      /* above 0 */
    int label;          /* 0 or 1 */
};

struct change_found {
    int64_t since_us; /* the first row's after it */
    double rise;      /* of the mean surprise */
    double error;     /* standard error of that, rather too large */
};

void change_add(struct change_sums *sums, double probability, double weight, int label);

/* Adds what `from` has to `to`, as if all its weights were `factor` (above 0) times what they are. */
void change_join(struct change_sums *to, const struct change_sums *from, double factor);

/* Sorts `rows`. `before` is of texts that are older than all of them; it may be of none. False, and `out` as it was, where
 * nothing changed among the rows, or between the others and all of them. */
bool change_find(const struct change_sums *before, struct change_row *rows, size_t count, struct change_found *out);

#endif

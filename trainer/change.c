/* change: two sums, of the texts before a moment and since it, that move along the rows. */
#include "trainer/change.h"

#include "proto/limits.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define RISE_MIN 0.02 /* a tenth to a half of what models of real texts have as their whole Brier score */

static double surprise_of(double probability, int label)
{
    return (label - probability) * (1 - 2 * probability);
}

void change_add(struct change_sums *sums, double probability, double weight, int label)
{
    double surprise = surprise_of(probability, label);

    assert(probability >= 0 && probability <= 1 && weight > 0 && (label == 0 || label == 1));
    sums->weights += weight;
    sums->surprises += weight * surprise;
    sums->squares += weight * weight;
    sums->squares_surprises += weight * weight * surprise;
    sums->squares_surprises_squared += weight * weight * surprise * surprise;
}

void change_join(struct change_sums *to, const struct change_sums *from, double factor)
{
    assert(factor > 0);
    to->weights += from->weights * factor;
    to->surprises += from->surprises * factor;
    to->squares += from->squares * factor * factor;
    to->squares_surprises += from->squares_surprises * factor * factor;
    to->squares_surprises_squared += from->squares_surprises_squared * factor * factor;
}

static struct change_sums less(const struct change_sums *all, const struct change_sums *part)
{
    return (struct change_sums){
        .weights = all->weights - part->weights,
        .surprises = all->surprises - part->surprises,
        .squares = all->squares - part->squares,
        .squares_surprises = all->squares_surprises - part->squares_surprises,
        .squares_surprises_squared = all->squares_surprises_squared - part->squares_surprises_squared,
    };
}

static double mean_of(const struct change_sums *sums)
{
    return sums->surprises / sums->weights;
}

/* Of the squares of what each weight brings to the sum, off the mean. */
static double spread_of(const struct change_sums *sums)
{
    double mean = mean_of(sums);

    return fmax(0, sums->squares_surprises_squared - 2 * mean * sums->squares_surprises + mean * mean * sums->squares);
}

/* Of the two means' difference. Surprises are mostly small and rarely large: the few texts of a short side may show none of the
 * large ones. So it is what either side shows for itself, or both together, whichever is more. */
static double error_of(const struct change_sums *earlier, const struct change_sums *later)
{
    const double inverse[] = {1 / (earlier->weights * earlier->weights), 1 / (later->weights * later->weights)};
    double apart = spread_of(earlier) * inverse[0] + spread_of(later) * inverse[1];
    double usual = (spread_of(earlier) + spread_of(later)) / (earlier->squares + later->squares);

    return sqrt(fmax(apart, usual * (earlier->squares * inverse[0] + later->squares * inverse[1])));
}

/* What is left of a subtraction may be a little off, which decides nothing among so many. */
static bool tells_enough(const struct change_sums *sums)
{
    return sums->squares > 0 && sums->weights * sums->weights >= CHANGE_ROWS_MIN * sums->squares;
}

static int by_age(const void *left, const void *right)
{
    const struct change_row *a = left;
    const struct change_row *b = right;

    if (a->made_us != b->made_us) {
        return a->made_us < b->made_us ? -1 : 1;
    }
    if (a->label != b->label) {
        return a->label - b->label;
    }
    return (a->probability > b->probability) - (a->probability < b->probability);
}

bool change_find(const struct change_sums *before, struct change_row *rows, size_t count, struct change_found *out)
{
    struct change_sums earlier = *before;
    struct change_sums all = *before;
    struct change_found best = {0, 0, 0};
    double most = 0; /* spread between the two means */

    qsort(rows, count, sizeof *rows, by_age);
    for (size_t at = 0; at < count; at++) {
        change_add(&all, rows[at].probability, rows[at].weight, rows[at].label);
    }
    for (size_t at = 0; at < count; at++) {
        struct change_sums later = less(&all, &earlier);
        bool is_moment = at == 0 || rows[at].made_us != rows[at - 1].made_us;

        if (is_moment && tells_enough(&earlier) && tells_enough(&later)) {
            double rise = mean_of(&later) - mean_of(&earlier);
            double between = rise * rise * earlier.weights * later.weights / all.weights;

            if (rise > 0 && between > most) {
                most = between;
                best = (struct change_found){rows[at].made_us, rise, error_of(&earlier, &later)};
            }
        }
        change_add(&earlier, rows[at].probability, rows[at].weight, rows[at].label);
    }
    if (most <= 0 || best.rise <= RISE_MIN || best.rise <= CHANGE_ERRORS * best.error) {
        return false;
    }
    *out = best;
    return true;
}

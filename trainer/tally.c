/* tally: sums over rows; each rate is a share of the rows that count for it. */
#include "trainer/tally.h"

#include "trainer/effective.h"

#include <assert.h>
#include <math.h>

enum rate { PRECISION, RECALL };

static const double deviations = 1.959963984540054; /* of a normal distribution, around 95 per cent */

/* Whether the row counts for the rate, and is one of those that are right. */
static bool counts(const struct tally_row *row, int judge, enum rate rate)
{
    return rate == PRECISION ? row->says[judge] : row->label == 1;
}

static bool is_right(const struct tally_row *row, int judge)
{
    return row->says[judge] && row->label == 1;
}

struct sums {
    struct effective all;
    double right;
};

static struct sums add_up(const struct tally_row *rows, size_t count, int judge, enum rate rate)
{
    struct sums sums = {{0, 0}, 0};

    for (size_t index = 0; index < count; index++) {
        if (counts(&rows[index], judge, rate)) {
            effective_add(&sums.all, rows[index].weight);
            sums.right += is_right(&rows[index], judge) ? rows[index].weight : 0;
        }
    }
    return sums;
}

/* Wilson, 1927. */
static struct tally_rate rate_of(struct sums sums)
{
    struct tally_rate rate = {(double)NAN, (double)NAN, (double)NAN};
    double count;
    double middle;
    double half;

    if (!(sums.all.weights > 0)) {
        return rate;
    }
    rate.value = sums.right / sums.all.weights;
    count = effective_count(&sums.all);
    middle = rate.value + deviations * deviations / (2 * count);
    half = deviations * sqrt(rate.value * (1 - rate.value) / count + deviations * deviations / (4 * count * count));
    rate.low = fmax(0, (middle - half) / (1 + deviations * deviations / count));
    rate.high = fmin(1, (middle + half) / (1 + deviations * deviations / count));
    return rate;
}

void tally_figures(const struct tally_row *rows, size_t count, int judge, struct tally_figures *out)
{
    assert(judge >= 0 && judge < TALLY_JUDGES);
    *out = (struct tally_figures){.count = count};
    for (size_t index = 0; index < count; index++) {
        assert(rows[index].weight > 0);
        out->violations += rows[index].label == 1;
    }
    out->precision = rate_of(add_up(rows, count, judge, PRECISION));
    out->recall = rate_of(add_up(rows, count, judge, RECALL));
}

/* By how much the row moves the judge's rate. */
static double influence(const struct tally_row *row, int judge, enum rate rate, struct sums sums)
{
    double value = sums.right / sums.all.weights;

    return counts(row, judge, rate) ? row->weight * ((is_right(row, judge) ? 1 : 0) - value) / sums.all.weights : 0;
}

static struct tally_drop compare(const struct tally_row *rows, size_t count, enum rate rate)
{
    struct sums first = add_up(rows, count, 0, rate);
    struct sums second = add_up(rows, count, 1, rate);
    struct tally_drop drop = {first.right / first.all.weights - second.right / second.all.weights, 0};

    for (size_t index = 0; index < count; index++) {
        double moved = influence(&rows[index], 0, rate, first) - influence(&rows[index], 1, rate, second);

        drop.error += moved * moved;
    }
    drop.error = sqrt(drop.error);
    if (!(first.all.weights > 0) || !(second.all.weights > 0)) {
        drop = (struct tally_drop){(double)NAN, (double)NAN};
    }
    return drop;
}

void tally_compare(const struct tally_row *rows, size_t count, struct tally_drop *out_precision, struct tally_drop *out_recall)
{
    *out_precision = compare(rows, count, PRECISION);
    *out_recall = compare(rows, count, RECALL);
}

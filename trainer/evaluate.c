/* evaluate: sorts the pairs once; every figure is then one pass. */
#include "trainer/evaluate.h"

#include "proto/bytes.h"
#include "trainer/effective.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BINS = 10, LABELS = 2 };

#define HALF 0.5

struct pair {
    double probability;
    double weight;
    int label;
};

struct evaluate {
    struct buffer pairs; /* of struct pair */
};

enum status evaluate_open(struct evaluate **out)
{
    struct evaluate *evaluate = calloc(1, sizeof *evaluate);

    if (evaluate == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&evaluate->pairs, EVALUATE_PAIRS_MAX * sizeof(struct pair));
    *out = evaluate;
    return STATUS_OK;
}

void evaluate_close(struct evaluate **evaluate)
{
    if (*evaluate != NULL) {
        buffer_free(&(*evaluate)->pairs);
        free(*evaluate);
        *evaluate = NULL;
    }
}

enum status evaluate_add(struct evaluate *evaluate, double probability, int label, double weight)
{
    const struct pair pair = {probability, weight, label};
    enum status status;

    assert(probability >= 0 && probability <= 1 && (label == 0 || label == 1) && weight > 0);
    status = buffer_append(&evaluate->pairs, (struct bytes){(const char *)&pair, sizeof pair});
    return status == STATUS_TOO_LARGE ? STATUS_FULL : status;
}

static int by_probability_falling(const void *left, const void *right)
{
    double a = ((const struct pair *)left)->probability;
    double b = ((const struct pair *)right)->probability;

    return (a < b) - (a > b);
}

/* Weights by label. */
struct sums {
    double of[LABELS];
};

static double both(struct sums sums)
{
    return sums.of[0] + sums.of[1];
}

static struct sums add_up(const struct pair *pairs, size_t count)
{
    struct sums sums = {{0, 0}};

    for (size_t at = 0; at < count; at++) {
        sums.of[pairs[at].label] += pairs[at].weight;
    }
    return sums;
}

/* From the highest score down: a group of equal scores is taken in whole, so that the order within it does not matter. */
static void rank(const struct pair *pairs, struct sums all, struct evaluate_figures *out)
{
    struct sums above = {{0, 0}}; /* at or above the score in hand */
    double area = 0;
    double precision = 0;
    size_t end;

    for (size_t begin = 0; begin < out->count; begin = end) {
        struct sums group;

        for (end = begin; end < out->count && !(pairs[end].probability < pairs[begin].probability); end++) {
        }
        group = add_up(pairs + begin, end - begin);
        /* Each pass of the group is outscored by the violations above, and ties with those of the group. */
        area += group.of[0] * (above.of[1] + group.of[1] / 2);
        above.of[0] += group.of[0];
        above.of[1] += group.of[1];
        precision += group.of[1] * above.of[1] / both(above);
    }
    out->auc = area / (all.of[1] * all.of[0]);
    out->pr_auc = precision / all.of[1];
}

static void count_hits(const struct pair *pairs, double low, double high, struct sums all, struct evaluate_figures *out)
{
    double hits = 0, flagged = 0, decided = 0, right = 0;

    for (size_t at = 0; at < out->count; at++) {
        const struct pair *pair = &pairs[at];
        bool is_sure = pair->probability < low || pair->probability > high;

        flagged += pair->probability >= HALF ? pair->weight : 0;
        hits += pair->probability >= HALF && pair->label == 1 ? pair->weight : 0;
        decided += is_sure ? pair->weight : 0;
        right += is_sure && (pair->probability > high) == (pair->label == 1) ? pair->weight : 0;
    }
    out->f1 = 2 * hits / (flagged + all.of[1]);
    out->decided = decided / both(all);
    out->agreement = decided > 0 ? right / decided : (double)NAN;
}

static double calibration_error(const struct pair *pairs, size_t count, struct sums all)
{
    double said[BINS] = {0};
    double is[BINS] = {0};
    double error = 0;

    for (size_t at = 0; at < count; at++) {
        size_t bin = (size_t)(pairs[at].probability * BINS);

        bin = bin < BINS ? bin : BINS - 1;
        said[bin] += pairs[at].weight * pairs[at].probability;
        is[bin] += pairs[at].weight * pairs[at].label;
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        error += fabs(said[bin] - is[bin]) / both(all);
    }
    return error;
}

static double count_effective(const struct pair *pairs, size_t count)
{
    struct effective effective = {0, 0};

    for (size_t at = 0; at < count; at++) {
        effective_add(&effective, pairs[at].weight);
    }
    return effective_count(&effective);
}

enum status evaluate_figures(struct evaluate *evaluate, double low, double high, struct evaluate_figures *out)
{
    struct pair *pairs = (struct pair *)(void *)evaluate->pairs.data;
    struct evaluate_figures figures = {.count = evaluate->pairs.count / sizeof *pairs};
    struct sums all;

    for (size_t at = 0; at < figures.count; at++) {
        figures.violations += (size_t)pairs[at].label;
    }
    if (figures.violations == 0 || figures.violations == figures.count) {
        return STATUS_TOO_FEW;
    }
    qsort(pairs, figures.count, sizeof *pairs, by_probability_falling);
    all = add_up(pairs, figures.count);
    rank(pairs, all, &figures);
    count_hits(pairs, low, high, all, &figures);
    figures.calibration_error = calibration_error(pairs, figures.count, all);
    figures.effective = count_effective(pairs, figures.count);
    *out = figures;
    return STATUS_OK;
}

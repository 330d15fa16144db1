/* evaluate: sorts the pairs once; every figure is then one pass. */
#include "trainer/evaluate.h"

#include "proto/bytes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { BINS = 10 };

#define HALF 0.5

struct pair {
    double probability;
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

enum status evaluate_add(struct evaluate *evaluate, double probability, int label)
{
    const struct pair pair = {probability, label};
    enum status status;

    assert(probability >= 0 && probability <= 1 && (label == 0 || label == 1));
    status = buffer_append(&evaluate->pairs, (struct bytes){(const char *)&pair, sizeof pair});
    return status == STATUS_TOO_LARGE ? STATUS_FULL : status;
}

static int by_probability_falling(const void *left, const void *right)
{
    double a = ((const struct pair *)left)->probability;
    double b = ((const struct pair *)right)->probability;

    return (a < b) - (a > b);
}

/* From the highest score down: a group of equal scores is taken in whole, so that the order within it does not matter. */
static void rank(const struct pair *pairs, struct evaluate_figures *out)
{
    double violations = (double)out->violations;
    double passes = (double)out->count - violations;
    double above = 0; /* violations at or above the score in hand */
    double area = 0;
    double precision = 0;
    size_t end;

    for (size_t begin = 0; begin < out->count; begin = end) {
        double group = 0;

        for (end = begin; end < out->count && !(pairs[end].probability < pairs[begin].probability); end++) {
            group += pairs[end].label;
        }
        /* Each pass of the group is outscored by the violations above, and ties with those of the group. */
        area += ((double)(end - begin) - group) * (above + group / 2);
        above += group;
        precision += group * above / (double)end;
    }
    out->auc = area / (violations * passes);
    out->pr_auc = precision / violations;
}

static void count_hits(const struct pair *pairs, double low, double high, struct evaluate_figures *out)
{
    size_t hits = 0, flagged = 0, decided = 0, right = 0;

    for (size_t at = 0; at < out->count; at++) {
        double probability = pairs[at].probability;
        int label = pairs[at].label;

        flagged += probability >= HALF;
        hits += probability >= HALF && label == 1;
        decided += probability < low || probability > high;
        right += (probability < low && label == 0) || (probability > high && label == 1);
    }
    out->f1 = 2 * (double)hits / (double)(flagged + out->violations);
    out->decided = (double)decided / (double)out->count;
    out->agreement = decided == 0 ? (double)NAN : (double)right / (double)decided;
}

static double calibration_error(const struct pair *pairs, size_t count)
{
    double said[BINS] = {0};
    double is[BINS] = {0};
    double error = 0;

    for (size_t at = 0; at < count; at++) {
        size_t bin = (size_t)(pairs[at].probability * BINS);

        bin = bin < BINS ? bin : BINS - 1;
        said[bin] += pairs[at].probability;
        is[bin] += pairs[at].label;
    }
    for (size_t bin = 0; bin < BINS; bin++) {
        error += fabs(said[bin] - is[bin]) / (double)count;
    }
    return error;
}

enum status evaluate_figures(struct evaluate *evaluate, double low, double high, struct evaluate_figures *out)
{
    struct pair *pairs = (struct pair *)(void *)evaluate->pairs.data;
    struct evaluate_figures figures = {.count = evaluate->pairs.count / sizeof *pairs};

    for (size_t at = 0; at < figures.count; at++) {
        figures.violations += (size_t)pairs[at].label;
    }
    if (figures.violations == 0 || figures.violations == figures.count) {
        return STATUS_TOO_FEW;
    }
    qsort(pairs, figures.count, sizeof *pairs, by_probability_falling);
    rank(pairs, &figures);
    count_hits(pairs, low, high, &figures);
    figures.calibration_error = calibration_error(pairs, figures.count);
    *out = figures;
    return STATUS_OK;
}

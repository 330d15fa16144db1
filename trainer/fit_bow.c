/* fit_bow: a vocabulary in layers of frequency, then logistic regression over tf-idf.
 *
 * Whoever takes the most frequent features only gets what every text has; each layer has room of its own, so that rarer ones come
 * in too. What a layer leaves goes to the most frequent features that are still out. Labels play no part in the choice.
 */
#include "trainer/fit_kinds.h"

#include "trainer/logistic.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_MIN = 2 }; /* what stands in one row only tells nothing about others */

/* Shares of the rows that hold a feature, and of the vocabulary that such features may fill. */
static const struct layer {
    double least, below;
    double room;
} layers[] = {
    {0.05, 0.6, 0.15},
    {0.01, 0.05, 0.325},
    {0.002, 0.01, 0.15},
    {0, 2, 1}, /* what is left, for all */
};

struct solver {
    struct logistic *logistic;
    uint64_t seed;
    unsigned char *idfs; /* 2^table_bits */
};

/* A feature and the rows that hold it. */
struct candidate {
    uint32_t rows;
    uint32_t index;
};

static int by_rows_falling(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;

    if (a->rows != b->rows) {
        return a->rows < b->rows ? 1 : -1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static unsigned char idf_of(uint32_t rows, size_t count)
{
    double idf = log((1 + (double)count) / (1 + (double)rows)) + 1;
    double steps = fmin(255, rint(idf * MODEL_IDF_STEPS));

    return (unsigned char)steps;
}

/* `candidates` are in falling order. */
static void choose(const struct candidate *candidates, size_t candidate_count, size_t row_count, unsigned char *idfs)
{
    size_t left = MODEL_TERMS_MAX;

    for (size_t number = 0; number < sizeof layers / sizeof layers[0]; number++) {
        const struct layer *layer = &layers[number];
        size_t room = (size_t)(layer->room * MODEL_TERMS_MAX);

        room = room < left ? room : left;
        for (size_t at = 0; at < candidate_count && room > 0 && candidates[at].rows >= ROWS_MIN; at++) {
            double share = (double)candidates[at].rows / (double)row_count;
            unsigned char *idf = &idfs[candidates[at].index];

            if (*idf == 0 && share >= layer->least && share < layer->below) {
                *idf = idf_of(candidates[at].rows, row_count);
                room--;
                left--;
            }
        }
    }
}

static enum status choose_vocabulary(struct rows *rows, struct turn *turn, unsigned char *idfs)
{
    size_t count = (size_t)1 << rows_table_bits(rows);
    struct candidate *candidates = calloc(count, sizeof *candidates);
    uint32_t *holders = calloc(count, sizeof *holders);
    enum status status = STATUS_NO_MEMORY;

    if (candidates != NULL && holders != NULL) {
        rows_count_holders(rows, turn, holders);
        for (size_t index = 0; index < count; index++) {
            candidates[index] = (struct candidate){holders[index], (uint32_t)index};
        }
        qsort(candidates, count, sizeof *candidates, by_rows_falling);
        choose(candidates, count, rows_count(rows), idfs);
        for (size_t index = 0; index < count; index++) {
            holders[index] = idfs[index] == 0 ? 0 : holders[index];
        }
        status = rows_keep(rows, holders, turn);
    }
    free(candidates);
    free(holders);
    return status;
}

static void close(struct solver **solver)
{
    if (*solver != NULL) {
        logistic_close(&(*solver)->logistic);
        free((*solver)->idfs);
        free(*solver);
        *solver = NULL;
    }
}

static enum status open(struct solver **out, struct rows *rows, const struct fit_options *options)
{
    struct solver *solver = calloc(1, sizeof *solver);
    enum status status = STATUS_NO_MEMORY;

    if (solver == NULL) {
        return STATUS_NO_MEMORY;
    }
    solver->seed = options->seed;
    solver->idfs = calloc((size_t)1 << rows_table_bits(rows), 1);
    if (solver->idfs != NULL) {
        status = choose_vocabulary(rows, options->turn, solver->idfs);
    }
    if (status == STATUS_OK) {
        status = logistic_open(&solver->logistic, rows, solver->idfs, options->turn);
    }
    if (status != STATUS_OK) {
        close(&solver);
        return status;
    }
    *out = solver;
    return STATUS_OK;
}

static enum status fit(struct solver *solver, int left_out)
{
    if (left_out == FIT_ALL) {
        return logistic_fit_all(solver->logistic, solver->seed);
    }
    return logistic_fit(solver->logistic, solver->seed, left_out);
}

static double score(struct solver *solver, size_t row)
{
    return logistic_score(solver->logistic, row);
}

static void describe(struct solver *solver, struct model_parts *parts)
{
    parts->bias = logistic_bias(solver->logistic);
    parts->weights = logistic_weights(solver->logistic);
    parts->idfs = solver->idfs;
}

const struct fit_rules fit_bow = {
    .kind = MODEL_KIND_BOW,
    .counted = true,
    .open = open,
    .close = close,
    .fit = fit,
    .score = score,
    .describe = describe,
};

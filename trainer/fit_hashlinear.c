/* fit_hashlinear: logistic regression over all features, scaled by their naive-Bayes ratios. */
#include "trainer/fit_kinds.h"

#include "trainer/logistic.h"
#include "trainer/ratios.h"

#include <stdlib.h>

struct solver {
    struct logistic *logistic;
    uint64_t seed;
};

static void close(struct solver **solver)
{
    if (*solver != NULL) {
        logistic_close(&(*solver)->logistic);
        free(*solver);
        *solver = NULL;
    }
}

static enum status open(struct solver **out, struct rows *rows, const struct fit_options *options)
{
    struct solver *solver = calloc(1, sizeof *solver);
    enum status status;

    if (solver == NULL) {
        return STATUS_NO_MEMORY;
    }
    solver->seed = options->seed;
    status = ratios_thin_out(rows, options->turn);
    if (status == STATUS_OK) {
        status = logistic_open(&solver->logistic, rows, NULL, options->turn);
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
}

const struct fit_rules fit_hashlinear = {
    .kind = MODEL_KIND_HASHLINEAR,
    .open = open,
    .close = close,
    .fit = fit,
    .score = score,
    .describe = describe,
};

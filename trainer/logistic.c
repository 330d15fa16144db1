/* logistic: scales of the features, and epochs of dual coordinate descent over the packed rows. */
#include "trainer/logistic.h"

#include "proto/model.h"
#include "trainer/random.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPOCHS_MAX = 30,
    EVERYONE = -1, /* no fold is left out */
    NEWTON_STEPS_MAX = 20,
};

#define REGULARISATION 16.0 /* C */
#define SETTLED 0.06 /* an epoch that moves the dual variables by this share of their sum is the last: 7 to 10 are needed */
#define NEWTON_TOLERANCE 1e-6
#define SHARE_STEPS 4294967296u /* whole steps can be added and taken away again without a trace */
#define DUAL_FIRST 1e-8 /* where a dual variable begins: it may not be 0, where its logarithm is */

/* Side by side, because a step reads and changes both. */
struct cell {
    float weight; /* of the feature as it stands in a row: all scaling included */
    float gain;   /* the square of the feature's scale: what a step of 1 in the row adds to `weight` */
};

struct logistic {
    const struct rows *rows;
    const unsigned char *idfs; /* NULL: features are scaled by their ratios */
    const atomic_bool *cancelled;
    size_t table_count;
    struct cell *cells;
    uint32_t *seen[2];  /* rows of each label that hold a feature, by their weights */
    uint64_t *share;    /* sum of 1 / (number of its features) of the rows that hold a feature, in steps of 1 / SHARE_STEPS */
    float *weights;     /* what logistic_weights lends */
    double *dual;       /* alpha of each row, within (0, its weight times cost); 0 = the solution has nothing of it yet */
    double *norm;       /* squared norm of each row, the bias included; 0 = not known yet */
    uint32_t *order;    /* numbers of the rows that take part, shuffled anew for each epoch */
    uint32_t *features; /* of the row in hand */
    uint8_t *counts;    /* how often it has each; NULL where all are alike */
    double *values;     /* what a row has for a feature, or by idf for one of tf 1 */
    size_t part;        /* rows that take part */
    double cost[2];     /* C of a row of weight 1, by label */
    double tf[MODEL_TF_COUNT_MAX + 1];
    double bias;
    uint64_t random;
};

static bool is_cancelled(const struct logistic *logistic)
{
    return logistic->cancelled != NULL && atomic_load_explicit(logistic->cancelled, memory_order_relaxed);
}

static const struct row *take_row(struct logistic *logistic, size_t number)
{
    const struct row *row = rows_at(logistic->rows, number);

    rows_unpack(logistic->rows, row, logistic->features, logistic->counts);
    return row;
}

/* Counts what the row in hand holds, or takes it back. */
static void count_in_hand(struct logistic *logistic, const struct row *row, int sign)
{
    uint64_t share = row->count == 0 ? 0 : SHARE_STEPS / row->count;

    for (uint32_t at = 0; at < row->count; at++) {
        uint32_t index = logistic->features[at];

        logistic->seen[row->label][index] += (uint32_t)(sign * row->weight);
        logistic->share[index] += share * (uint64_t)(int64_t)sign;
    }
}

static void count_fold(struct logistic *logistic, int fold, int sign)
{
    for (size_t number = 0; fold != EVERYONE && number < rows_count(logistic->rows) && !is_cancelled(logistic); number++) {
        if (rows_at(logistic->rows, number)->fold == fold) {
            count_in_hand(logistic, take_row(logistic, number), sign);
        }
    }
}

/* Scales by ratio depend on who takes part; those by idf are the same for all fits. */
static void learn_by_idf(struct logistic *logistic)
{
    for (size_t index = 0; index < logistic->table_count; index++) {
        double idf = (double)logistic->idfs[index] / MODEL_IDF_STEPS;

        logistic->cells[index].gain = (float)(idf * idf);
    }
    for (size_t number = 0; number < rows_count(logistic->rows) && !is_cancelled(logistic); number++) {
        const struct row *row = take_row(logistic, number);
        double square = 0;

        for (uint32_t at = 0; at < row->count; at++) {
            double tf = logistic->tf[logistic->counts[at]];

            square += tf * tf * (double)logistic->cells[logistic->features[at]].gain;
        }
        logistic->values[number] = square > 0 ? 1 / sqrt(square) : 0;
        logistic->norm[number] = square > 0 ? 2 : 1; /* the row's own, and the bias is a feature of value 1 */
    }
}

static void learn_rows(struct logistic *logistic)
{
    for (size_t number = 0; number < rows_count(logistic->rows) && !is_cancelled(logistic); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        logistic->values[number] = row->count == 0 ? 0 : 1 / sqrt((double)row->count);
        if (logistic->idfs == NULL) {
            count_in_hand(logistic, take_row(logistic, number), 1);
        }
    }
    if (logistic->idfs != NULL) {
        learn_by_idf(logistic);
    }
}

enum status logistic_open(struct logistic **out, const struct rows *rows, const unsigned char *idfs,
                          const atomic_bool *cancelled)
{
    struct logistic *logistic = calloc(1, sizeof *logistic);
    size_t count = rows_count(rows);

    if (logistic == NULL) {
        return STATUS_NO_MEMORY;
    }
    assert(count <= UINT32_MAX);
    logistic->rows = rows;
    logistic->idfs = idfs;
    logistic->cancelled = cancelled;
    logistic->table_count = (size_t)1 << rows_table_bits(rows);
    logistic->cells = calloc(logistic->table_count, sizeof *logistic->cells);
    logistic->seen[0] = calloc(logistic->table_count, sizeof *logistic->seen[0]);
    logistic->seen[1] = calloc(logistic->table_count, sizeof *logistic->seen[1]);
    logistic->share = calloc(logistic->table_count, sizeof *logistic->share);
    logistic->weights = calloc(logistic->table_count, sizeof *logistic->weights);
    logistic->dual = calloc(count + 1, sizeof *logistic->dual);
    logistic->norm = calloc(count + 1, sizeof *logistic->norm);
    logistic->order = calloc(count + 1, sizeof *logistic->order);
    logistic->values = calloc(count + 1, sizeof *logistic->values);
    logistic->features = calloc((size_t)rows_longest(rows) + 1, sizeof *logistic->features);
    logistic->counts = idfs == NULL ? NULL : calloc((size_t)rows_longest(rows) + 1, sizeof *logistic->counts);
    for (unsigned times = 0; times <= MODEL_TF_COUNT_MAX; times++) {
        logistic->tf[times] = model_tf(times);
    }
    if (logistic->cells == NULL || logistic->seen[0] == NULL || logistic->seen[1] == NULL || logistic->share == NULL ||
        logistic->weights == NULL || logistic->dual == NULL || logistic->norm == NULL || logistic->order == NULL ||
        logistic->values == NULL || logistic->features == NULL || (idfs != NULL && logistic->counts == NULL)) {
        logistic_close(&logistic);
        return STATUS_NO_MEMORY;
    }
    learn_rows(logistic);
    *out = logistic;
    return STATUS_OK;
}

void logistic_close(struct logistic **logistic)
{
    if (*logistic != NULL) {
        free((*logistic)->cells);
        free((*logistic)->seen[0]);
        free((*logistic)->seen[1]);
        free((*logistic)->share);
        free((*logistic)->weights);
        free((*logistic)->dual);
        free((*logistic)->norm);
        free((*logistic)->order);
        free((*logistic)->values);
        free((*logistic)->features);
        free((*logistic)->counts);
        free(*logistic);
        *logistic = NULL;
    }
}

/* Squared ratios into `gain`, unscaled. */
static void find_ratios(struct logistic *logistic)
{
    double total[2] = {0, 0};
    double shift;

    for (size_t index = 0; index < logistic->table_count; index++) {
        if (logistic->seen[0][index] + logistic->seen[1][index] > 0) {
            total[0] += 1 + (double)logistic->seen[0][index];
            total[1] += 1 + (double)logistic->seen[1][index];
        }
    }
    shift = total[0] > 0 ? log(total[0] / total[1]) : 0;
    for (size_t index = 0; index < logistic->table_count; index++) {
        double ratio = 0;

        if (logistic->seen[0][index] + logistic->seen[1][index] > 0) {
            ratio = shift + log((1 + (double)logistic->seen[1][index]) / (1 + (double)logistic->seen[0][index]));
        }
        logistic->cells[index].gain = (float)(ratio * ratio);
    }
}

/* Chooses who takes part, and finds the gains of the features. */
static void scale_by_ratios(struct logistic *logistic, int left_out)
{
    double sum = 0;

    count_fold(logistic, left_out, -1);
    find_ratios(logistic);
    for (size_t index = 0; index < logistic->table_count; index++) {
        sum += (double)logistic->cells[index].gain * ((double)logistic->share[index] / SHARE_STEPS);
    }
    for (size_t index = 0; sum > 0 && index < logistic->table_count; index++) {
        logistic->cells[index].gain = (float)((double)logistic->cells[index].gain * ((double)logistic->part / sum));
    }
    count_fold(logistic, left_out, 1);
    memset(logistic->norm, 0, rows_count(logistic->rows) * sizeof *logistic->norm);
}

static double norm_in_hand(const struct logistic *logistic, const struct row *row)
{
    double sum = 0;

    for (uint32_t at = 0; at < row->count; at++) {
        sum += (double)logistic->cells[logistic->features[at]].gain;
    }
    return 1 + (row->count == 0 ? 0 : sum / (double)row->count); /* the bias is a feature of value 1 */
}

/* w.x + bias of the row whose features are in hand. */
static double score_in_hand(const struct logistic *logistic, const struct row *row, size_t number)
{
    double sums[2] = {0, 0}; /* two chains of additions run side by side */
    uint32_t at = 0;

    if (logistic->counts != NULL) {
        for (; at < row->count; at++) {
            sums[0] += (double)logistic->cells[logistic->features[at]].weight * logistic->tf[logistic->counts[at]];
        }
    }
    for (; at + 1 < row->count; at += 2) {
        sums[0] += (double)logistic->cells[logistic->features[at]].weight;
        sums[1] += (double)logistic->cells[logistic->features[at + 1]].weight;
    }
    if (at < row->count) {
        sums[0] += (double)logistic->cells[logistic->features[at]].weight;
    }
    return logistic->bias + (sums[0] + sums[1]) * logistic->values[number];
}

/* Adds `step` times the row in hand to the solution. */
static void step_in_hand(struct logistic *logistic, const struct row *row, size_t number, double step)
{
    float along = (float)(step * logistic->values[number]);

    logistic->bias += step;
    for (uint32_t at = 0; at < row->count; at++) {
        struct cell *cell = &logistic->cells[logistic->features[at]];
        float tf = logistic->counts == NULL ? 1 : (float)logistic->tf[logistic->counts[at]];

        cell->weight += along * tf * cell->gain;
    }
}

/* The z in (0, cost) that minimises  norm/2 (z - alpha)^2 + slope (z - alpha) + z ln z + (cost - z) ln(cost - z),
 * by Newton's method from the side of the middle on which it lies, where it converges without overshooting. */
static double best_dual(double alpha, double norm, double slope, double cost)
{
    bool upper = norm * (cost / 2 - alpha) + slope < 0;
    double begin = upper ? cost - alpha : alpha;
    double side_slope = upper ? -slope : slope;
    double z = begin > cost / 2 ? 0.1 * begin : begin;

    for (int steps = 0; steps < NEWTON_STEPS_MAX; steps++) {
        double gradient = norm * (z - begin) + side_slope + log(z / (cost - z));
        double next;

        if (fabs(gradient) < NEWTON_TOLERANCE) {
            break;
        }
        next = z - gradient / (norm + cost / ((cost - z) * z));
        z = next <= 0 ? 0.1 * z : next;
    }
    return upper ? cost - z : z;
}

/* Returns how far the row's dual variable moved. */
static double descend(struct logistic *logistic, size_t number)
{
    const struct row *row = take_row(logistic, number);
    double sign = row->label == 1 ? 1 : -1;
    double slope = sign * score_in_hand(logistic, row, number);
    double before = logistic->dual[number];
    double next, step;

    if (logistic->norm[number] <= 0) {
        logistic->norm[number] = norm_in_hand(logistic, row);
    }
    next = best_dual(fmax(before, DUAL_FIRST), logistic->norm[number], slope, logistic->cost[row->label] * row->weight);
    step = next - before;
    step_in_hand(logistic, row, number, step * sign);
    logistic->dual[number] = next;
    return fabs(step);
}

static void choose_part(struct logistic *logistic, int left_out)
{
    size_t count[2] = {0, 0}; /* by their weights */

    logistic->part = 0;
    for (size_t number = 0; number < rows_count(logistic->rows); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        if (row->fold != left_out) {
            logistic->order[logistic->part++] = (uint32_t)number;
            count[row->label] += row->weight;
        }
    }
    assert(count[0] > 0 && count[1] > 0);
    for (size_t label = 0; label < 2; label++) {
        logistic->cost[label] = REGULARISATION * (double)(count[0] + count[1]) / (2 * (double)count[label]);
    }
}

/* Puts together the weights that belong to the dual variables. */
static void sum_up(struct logistic *logistic)
{
    logistic->bias = 0;
    for (size_t index = 0; index < logistic->table_count; index++) {
        logistic->cells[index].weight = 0;
    }
    for (size_t number = 0; number < rows_count(logistic->rows) && !is_cancelled(logistic); number++) {
        double dual = logistic->dual[number];

        if (dual > 0) {
            const struct row *row = take_row(logistic, number);

            step_in_hand(logistic, row, number, row->label == 1 ? dual : -dual);
        }
    }
}

static enum status solve(struct logistic *logistic, uint64_t seed)
{
    bool settled = false;

    logistic->random = seed;
    sum_up(logistic);
    for (int epoch = 0; epoch < EPOCHS_MAX && !settled && !is_cancelled(logistic); epoch++) {
        double moved = 0, sum = 0;

        random_shuffle(&logistic->random, logistic->order, logistic->part);
        for (size_t at = 0; at < logistic->part && !is_cancelled(logistic); at++) {
            moved += descend(logistic, logistic->order[at]);
            sum += logistic->dual[logistic->order[at]];
        }
        settled = moved < SETTLED * sum;
    }
    return is_cancelled(logistic) ? STATUS_CLOSED : STATUS_OK;
}

enum status logistic_fit(struct logistic *logistic, uint64_t seed, int left_out)
{
    choose_part(logistic, left_out);
    if (logistic->idfs == NULL) {
        scale_by_ratios(logistic, left_out);
    }
    memset(logistic->dual, 0, rows_count(logistic->rows) * sizeof *logistic->dual);
    return solve(logistic, seed);
}

enum status logistic_fit_all(struct logistic *logistic, uint64_t seed)
{
    double before[2] = {logistic->cost[0], logistic->cost[1]};

    choose_part(logistic, EVERYONE);
    if (logistic->idfs == NULL) {
        scale_by_ratios(logistic, EVERYONE);
    }
    for (size_t number = 0; number < rows_count(logistic->rows); number++) {
        uint8_t label = rows_at(logistic->rows, number)->label;

        if (logistic->dual[number] > 0) { /* it stays within its new bound */
            logistic->dual[number] *= logistic->cost[label] / before[label];
        }
    }
    return solve(logistic, seed);
}

double logistic_score(struct logistic *logistic, size_t row)
{
    return score_in_hand(logistic, take_row(logistic, row), row);
}

double logistic_bias(const struct logistic *logistic)
{
    return logistic->bias;
}

const float *logistic_weights(struct logistic *logistic)
{
    for (size_t index = 0; index < logistic->table_count; index++) {
        logistic->weights[index] = logistic->cells[index].weight;
    }
    return logistic->weights;
}

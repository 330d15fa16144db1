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
    NEWTON_STEPS_MAX = 20,
};

#define REGULARISATION 16.0 /* C */
#define SETTLED 0.03 /* an epoch that moves the dual variables by this share of their sum is the last: 7 to 10 are needed */
#define NEWTON_TOLERANCE 1e-6
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
    uint32_t *seen[2];  /* rows of each label that hold a feature */
    float *weights;     /* what logistic_weights lends */
    double *dual;       /* alpha of each row, within (0, cost) */
    double *norm;       /* squared norm of each row that takes part, the bias included */
    uint32_t *order;    /* numbers of the rows that take part, shuffled anew for each epoch */
    uint32_t *features; /* of the row in hand */
    uint8_t *counts;    /* how often it has each; NULL where all are alike */
    double *values;     /* what a row has for a feature, or by idf for one of tf 1 */
    size_t part;        /* rows that take part */
    double cost[2];     /* C of a row, by label */
    double tf[MODEL_TF_COUNT_MAX + 1];
    double bias;
    uint64_t random;
};

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
    if (logistic->cells == NULL || logistic->seen[0] == NULL || logistic->seen[1] == NULL || logistic->weights == NULL ||
        logistic->dual == NULL || logistic->norm == NULL || logistic->order == NULL || logistic->values == NULL ||
        logistic->features == NULL || (idfs != NULL && logistic->counts == NULL)) {
        logistic_close(&logistic);
        return STATUS_NO_MEMORY;
    }
    *out = logistic;
    return STATUS_OK;
}

void logistic_close(struct logistic **logistic)
{
    if (*logistic != NULL) {
        free((*logistic)->cells);
        free((*logistic)->seen[0]);
        free((*logistic)->seen[1]);
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

/* Who takes part, and how often each feature is seen with each label. */
static void count_features(struct logistic *logistic, int left_out)
{
    size_t count[2] = {0, 0};

    memset(logistic->seen[0], 0, logistic->table_count * sizeof *logistic->seen[0]);
    memset(logistic->seen[1], 0, logistic->table_count * sizeof *logistic->seen[1]);
    logistic->part = 0;
    for (size_t number = 0; number < rows_count(logistic->rows) && !is_cancelled(logistic); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        if (row->fold == left_out) {
            continue;
        }
        logistic->order[logistic->part++] = (uint32_t)number;
        count[row->label]++;
        rows_unpack(logistic->rows, row, logistic->features, logistic->counts);
        for (uint32_t at = 0; at < row->count; at++) {
            logistic->seen[row->label][logistic->features[at]]++;
        }
    }
    if (is_cancelled(logistic)) {
        return;
    }
    assert(count[0] > 0 && count[1] > 0);
    for (size_t label = 0; label < 2; label++) {
        logistic->cost[label] = REGULARISATION * (double)logistic->part / (2 * (double)count[label]);
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
        logistic->cells[index] = (struct cell){0, (float)(ratio * ratio)};
    }
}

/* What each row has for its features, and its squared norm; then rows and gains by one number, so that the mean of them is 1. */
static void scale_by_ratios(struct logistic *logistic)
{
    double sum = 0;
    double scale;

    find_ratios(logistic);
    for (size_t at = 0; at < logistic->part && !is_cancelled(logistic); at++) {
        const struct row *row = take_row(logistic, logistic->order[at]);
        double *norm = &logistic->norm[logistic->order[at]];

        *norm = 0;
        for (uint32_t feature = 0; feature < row->count; feature++) {
            *norm += (double)logistic->cells[logistic->features[feature]].gain / (double)row->count;
        }
        sum += *norm;
    }
    scale = sum > 0 ? (double)logistic->part / sum : 1;
    for (size_t at = 0; at < logistic->part && !is_cancelled(logistic); at++) {
        double *norm = &logistic->norm[logistic->order[at]];

        *norm = *norm * scale + 1; /* the bias is a feature of value 1 */
    }
    for (size_t index = 0; index < logistic->table_count; index++) {
        logistic->cells[index].gain = (float)((double)logistic->cells[index].gain * scale);
    }
    for (size_t number = 0; number < rows_count(logistic->rows); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        logistic->values[number] = row->count == 0 ? 0 : 1 / sqrt((double)row->count);
    }
}

static void scale_by_idf(struct logistic *logistic)
{
    for (size_t index = 0; index < logistic->table_count; index++) {
        double idf = (double)logistic->idfs[index] / MODEL_IDF_STEPS;

        logistic->cells[index] = (struct cell){0, (float)(idf * idf)};
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
    double *dual = &logistic->dual[number];
    double slope = sign * score_in_hand(logistic, row, number);
    double next = best_dual(*dual, logistic->norm[number], slope, logistic->cost[row->label]);
    double step = next - *dual;

    step_in_hand(logistic, row, number, step * sign);
    *dual = next;
    return fabs(step);
}

enum status logistic_fit(struct logistic *logistic, uint64_t seed, int left_out)
{
    bool settled = false;

    count_features(logistic, left_out);
    if (logistic->idfs != NULL) {
        scale_by_idf(logistic);
    } else {
        scale_by_ratios(logistic);
    }
    logistic->bias = 0;
    logistic->random = seed;
    for (size_t at = 0; at < logistic->part && !is_cancelled(logistic); at++) {
        size_t number = logistic->order[at];
        const struct row *row = take_row(logistic, number);

        logistic->dual[number] = DUAL_FIRST;
        step_in_hand(logistic, row, number, row->label == 1 ? DUAL_FIRST : -DUAL_FIRST);
    }
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

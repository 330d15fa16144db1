/* logistic: scales of the features, and epochs of dual coordinate descent over the packed rows. */
#include "trainer/logistic.h"

#include "proto/model.h"
#include "trainer/dual.h"
#include "trainer/random.h"
#include "trainer/ratios.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPOCHS_MAX = 30,
    EVERYONE = -1, /* no fold is left out */
    CHAINS = 4,
    REST_MAX = 3, /* epochs */
    AHEAD = 2,    /* rows that are fetched while others are worked on */
};

#define REGULARISATION 16.0 /* C */
#define SETTLED 0.06 /* an epoch that moves the dual variables by this share of their sum is the last: 7 to 10 are needed */
/* A dual variable that moves by less than this share of their mean sits out an epoch, up to REST_MAX when it does so again: in
 * fits that leave out a fold, whose scores calibrate, and not in the one whose weights are kept. */
#define QUIET 0.1
#define DUAL_FIRST 1e-8 /* where a dual variable begins: it may not be 0, where its logarithm is */

/* Side by side, because a step reads and changes both. */
struct cell {
    float weight; /* of the feature as it stands in a row: all scaling included */
    float gain;   /* the square of the feature's scale: what a step of 1 in the row adds to `weight` */
};

struct rest {
    float moved;    /* its dual variable in its last visit */
    uint8_t epochs; /* it sat out the last time, 0 = none */
    uint8_t left;   /* of them */
};

struct logistic {
    const struct rows *rows;
    const unsigned char *idfs; /* NULL: features are scaled by their ratios */
    struct turn *turn;
    uint32_t width;        /* places of the rows */
    struct cell *cells;
    struct tally *tallies; /* by ratios only, else NULL */
    float *weights;     /* what logistic_weights lends */
    double *dual;       /* alpha of each row, within (0, its weight times cost); 0 = the solution has nothing of it yet */
    double *norm;       /* squared norm of each row, the bias included; 0 = not known yet */
    uint32_t *order;    /* numbers of the rows that take part, shuffled anew for each epoch */
    struct row_part parts[ROW_PARTS_MAX]; /* of the row in hand */
    size_t part_count;
    double *values;     /* what a row has for a feature, or by idf for one of tf 1 */
    struct rest *rests; /* of each row */
    size_t part;        /* rows that take part */
    double cost[2];     /* C of a row of weight 1, by label */
    double tf[MODEL_TF_COUNT_MAX + 1];
    double bias;
    uint64_t random;
};

static const struct row *take_row(struct logistic *logistic, size_t number)
{
    const struct row *row = rows_at(logistic->rows, number);

    logistic->part_count = rows_parts(logistic->rows, row, logistic->parts);
    return row;
}

static void count_fold(struct logistic *logistic, int fold, int sign)
{
    for (size_t number = 0; fold != EVERYONE && number < rows_count(logistic->rows) && turn_goes_on(logistic->turn); number++) {
        if (rows_at(logistic->rows, number)->fold == fold) {
            ratios_count(logistic->tallies, logistic->rows, rows_at(logistic->rows, number), sign);
        }
    }
}

/* The sum of squares of what the row in hand has for its features, before it is divided by its length. */
static double square_in_hand(const struct logistic *logistic)
{
    double sum = 0;

    for (size_t part = 0; part < logistic->part_count; part++) {
        const struct row_part features = logistic->parts[part];
        const struct cell *cells = logistic->cells + features.first;

        for (uint32_t at = 0; at < features.count; at++) {
            double tf = features.counts == NULL ? 1 : logistic->tf[features.counts[at]];

            sum += tf * tf * (double)cells[features.rest[at]].gain;
        }
    }
    return sum;
}

/* Scales by ratio depend on who takes part; those by idf are the same for all fits. */
static void learn_by_idf(struct logistic *logistic)
{
    for (uint32_t place = 0; place < logistic->width; place++) {
        double idf = (double)logistic->idfs[rows_feature_at(logistic->rows, place)] / MODEL_IDF_STEPS;

        logistic->cells[place].gain = (float)(idf * idf);
    }
    for (size_t number = 0; number < rows_count(logistic->rows) && turn_goes_on(logistic->turn); number++) {
        double square;

        (void)take_row(logistic, number);
        square = square_in_hand(logistic);
        logistic->values[number] = square > 0 ? 1 / sqrt(square) : 0;
        logistic->norm[number] = square > 0 ? 2 : 1; /* the row's own, and the bias is a feature of value 1 */
    }
}

static void learn_rows(struct logistic *logistic)
{
    for (size_t number = 0; number < rows_count(logistic->rows) && turn_goes_on(logistic->turn); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        logistic->values[number] = row->read == 0 ? 0 : 1 / sqrt((double)row->read);
        if (logistic->idfs == NULL) {
            ratios_count(logistic->tallies, logistic->rows, row, 1);
        }
    }
    if (logistic->idfs != NULL) {
        learn_by_idf(logistic);
    }
}

enum status logistic_open(struct logistic **out, const struct rows *rows, const unsigned char *idfs,
                          struct turn *turn)
{
    struct logistic *logistic = calloc(1, sizeof *logistic);
    size_t count = rows_count(rows);

    if (logistic == NULL) {
        return STATUS_NO_MEMORY;
    }
    assert(count <= UINT32_MAX);
    logistic->rows = rows;
    logistic->idfs = idfs;
    logistic->turn = turn;
    logistic->width = rows_width(rows);
    logistic->cells = calloc((size_t)logistic->width + 1, sizeof *logistic->cells);
    logistic->tallies = idfs == NULL ? calloc((size_t)logistic->width + 1, sizeof *logistic->tallies) : NULL;
    logistic->weights = calloc((size_t)1 << rows_table_bits(rows), sizeof *logistic->weights);
    logistic->dual = calloc(count + 1, sizeof *logistic->dual);
    logistic->norm = calloc(count + 1, sizeof *logistic->norm);
    logistic->order = calloc(count + 1, sizeof *logistic->order);
    logistic->values = calloc(count + 1, sizeof *logistic->values);
    logistic->rests = calloc(count + 1, sizeof *logistic->rests);
    for (unsigned times = 0; times <= MODEL_TF_COUNT_MAX; times++) {
        logistic->tf[times] = model_tf(times);
    }
    if (logistic->cells == NULL || (idfs == NULL && logistic->tallies == NULL) ||
        logistic->weights == NULL || logistic->dual == NULL || logistic->norm == NULL || logistic->order == NULL ||
        logistic->values == NULL || logistic->rests == NULL) {
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
        free((*logistic)->tallies);
        free((*logistic)->weights);
        free((*logistic)->dual);
        free((*logistic)->norm);
        free((*logistic)->order);
        free((*logistic)->values);
        free((*logistic)->rests);
        free(*logistic);
        *logistic = NULL;
    }
}

/* Chooses who takes part, and finds the gains of the features. */
static void scale_by_ratios(struct logistic *logistic, int left_out)
{
    double sum = 0;
    double shift;

    count_fold(logistic, left_out, -1);
    shift = ratios_shift(logistic->tallies, logistic->width);
    for (size_t place = 0; place < logistic->width; place++) {
        const struct tally *tally = &logistic->tallies[place];

        logistic->cells[place].gain = (float)ratios_square(tally, shift);
        sum += (double)logistic->cells[place].gain * ratios_share(tally);
        turn_passes(logistic->turn, place);
    }
    for (size_t place = 0; sum > 0 && place < logistic->width; place++) {
        logistic->cells[place].gain = (float)((double)logistic->cells[place].gain * ((double)logistic->part / sum));
    }
    count_fold(logistic, left_out, 1);
    memset(logistic->norm, 0, rows_count(logistic->rows) * sizeof *logistic->norm);
}

static double norm_in_hand(const struct logistic *logistic, const struct row *row)
{
    return 1 + (row->read == 0 ? 0 : square_in_hand(logistic) / (double)row->read); /* the bias is a feature of value 1 */
}

/* The sum of the weights of one part's features. Four chains of additions run side by side. */
static double add_weights(const struct cell *cells, struct row_part features)
{
    const uint16_t *rest = features.rest;
    const uint16_t *end = rest + features.count;
    float one = 0, two = 0, three = 0, four = 0;

    for (; end - rest >= CHAINS; rest += CHAINS) {
        one += cells[rest[0]].weight;
        two += cells[rest[1]].weight;
        three += cells[rest[2]].weight;
        four += cells[rest[3]].weight;
    }
    for (; rest < end; rest++) {
        one += cells[*rest].weight;
    }
    return (double)((one + two) + (three + four));
}

static double add_counted_weights(const struct cell *cells, struct row_part features, const double *tf)
{
    double sum = 0;

    for (uint32_t at = 0; at < features.count; at++) {
        sum += (double)cells[features.rest[at]].weight * tf[features.counts[at]];
    }
    return sum;
}

/* w.x + bias of the row in hand. */
static double score_in_hand(const struct logistic *logistic, size_t number)
{
    double sum = 0;

    for (size_t part = 0; part < logistic->part_count; part++) {
        const struct row_part features = logistic->parts[part];
        const struct cell *cells = logistic->cells + features.first;

        sum += features.counts == NULL ? add_weights(cells, features) : add_counted_weights(cells, features, logistic->tf);
    }
    return logistic->bias + sum * logistic->values[number];
}

static void step_weights(struct cell *cells, struct row_part features, float along)
{
    for (uint32_t at = 0; at < features.count; at++) {
        struct cell *cell = &cells[features.rest[at]];

        cell->weight += along * cell->gain;
    }
}

static void step_counted_weights(struct cell *cells, struct row_part features, float along, const double *tf)
{
    for (uint32_t at = 0; at < features.count; at++) {
        struct cell *cell = &cells[features.rest[at]];

        cell->weight += along * (float)tf[features.counts[at]] * cell->gain;
    }
}

/* Adds `step` times the row in hand to the solution. */
static void step_in_hand(struct logistic *logistic, size_t number, double step)
{
    float along = (float)(step * logistic->values[number]);

    logistic->bias += step;
    for (size_t part = 0; part < logistic->part_count; part++) {
        const struct row_part features = logistic->parts[part];
        struct cell *cells = logistic->cells + features.first;

        if (features.counts == NULL) {
            step_weights(cells, features, along);
        } else {
            step_counted_weights(cells, features, along, logistic->tf);
        }
    }
}

/* Returns how far the row's dual variable moved. */
static double descend(struct logistic *logistic, size_t number)
{
    const struct row *row = take_row(logistic, number);
    double sign = row->label == 1 ? 1 : -1;
    double slope = sign * score_in_hand(logistic, number);
    double before = logistic->dual[number];
    double next, step;

    if (logistic->norm[number] <= 0) {
        logistic->norm[number] = norm_in_hand(logistic, row);
    }
    next = dual_best(fmax(before, DUAL_FIRST), logistic->norm[number], slope, logistic->cost[row->label] * rows_weight(row));
    step = next - before;
    step_in_hand(logistic, number, step * sign);
    logistic->dual[number] = next;
    return fabs(step);
}

static void choose_part(struct logistic *logistic, int left_out)
{
    double count[2] = {0, 0}; /* by their weights */

    logistic->part = 0;
    for (size_t number = 0; number < rows_count(logistic->rows); number++) {
        const struct row *row = rows_at(logistic->rows, number);

        if (row->fold != left_out) {
            logistic->order[logistic->part++] = (uint32_t)number;
            count[row->label] += rows_weight(row);
        }
    }
    assert(count[0] > 0 && count[1] > 0);
    for (size_t label = 0; label < 2; label++) {
        logistic->cost[label] = REGULARISATION * (count[0] + count[1]) / (2 * count[label]);
    }
}

/* Puts together the weights that belong to the dual variables. */
static void sum_up(struct logistic *logistic)
{
    logistic->bias = 0;
    for (size_t place = 0; place < logistic->width; place++) {
        logistic->cells[place].weight = 0;
    }
    for (size_t number = 0; number < rows_count(logistic->rows) && turn_goes_on(logistic->turn); number++) {
        double dual = logistic->dual[number];

        if (dual > 0) {
            const struct row *row = take_row(logistic, number);

            step_in_hand(logistic, number, row->label == 1 ? dual : -dual);
        }
    }
}

/* Rows lie anywhere in memory: the next one is on its way while this one is worked on. */
static void fetch_ahead(const struct logistic *logistic, size_t at)
{
    if (at + 2 * AHEAD < logistic->part) {
        rows_fetch_entry(logistic->rows, logistic->order[at + 2 * AHEAD]);
        rows_fetch(logistic->rows, logistic->order[at + AHEAD]);
    }
}

/* A visit to a row, unless it rests. Returns how far its dual variable moved; of one that rests, how far it did the last time. */
static double visit(struct logistic *logistic, size_t number, double quiet)
{
    struct rest *rest = &logistic->rests[number];
    double moved;

    if (rest->left > 0) {
        rest->left--;
        return (double)rest->moved;
    }
    moved = descend(logistic, number);
    if (moved >= quiet) {
        *rest = (struct rest){0};
    } else {
        rest->moved = (float)moved;
        rest->epochs = (uint8_t)(rest->epochs < REST_MAX ? rest->epochs + 1 : REST_MAX);
        rest->left = rest->epochs;
    }
    return moved;
}

static enum status solve(struct logistic *logistic, uint64_t seed, double quiet_share)
{
    double quiet = 0;
    bool settled = false;

    logistic->random = seed;
    memset(logistic->rests, 0, rows_count(logistic->rows) * sizeof *logistic->rests);
    sum_up(logistic);
    for (int epoch = 0; epoch < EPOCHS_MAX && !settled && turn_goes_on(logistic->turn); epoch++) {
        double moved = 0, sum = 0;

        random_shuffle(&logistic->random, logistic->order, logistic->part);
        for (size_t at = 0; at < logistic->part && turn_goes_on(logistic->turn); at++) {
            fetch_ahead(logistic, at);
            moved += visit(logistic, logistic->order[at], quiet);
            sum += logistic->dual[logistic->order[at]];
        }
        quiet = quiet_share * sum / (double)logistic->part;
        settled = moved < SETTLED * sum;
    }
    return turn_goes_on(logistic->turn) ? STATUS_OK : STATUS_CLOSED;
}

enum status logistic_fit(struct logistic *logistic, uint64_t seed, int left_out)
{
    choose_part(logistic, left_out);
    if (logistic->idfs == NULL) {
        scale_by_ratios(logistic, left_out);
    }
    memset(logistic->dual, 0, rows_count(logistic->rows) * sizeof *logistic->dual);
    return solve(logistic, seed, QUIET);
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
    return solve(logistic, seed, 0);
}

double logistic_score(struct logistic *logistic, size_t row)
{
    (void)take_row(logistic, row);
    return score_in_hand(logistic, row);
}

double logistic_bias(const struct logistic *logistic)
{
    return logistic->bias;
}

const float *logistic_weights(struct logistic *logistic)
{
    for (uint32_t place = 0; place < logistic->width; place++) {
        logistic->weights[rows_feature_at(logistic->rows, place)] = logistic->cells[place].weight;
    }
    return logistic->weights;
}

/* fit_fasttext: a vector a feature, their sum over the root of their number a text's, and a softmax over two labels on top, by
 * stochastic gradient descent.
 *
 * With two labels the softmax is the logistic function of the difference of their output vectors, and both move by the same
 * step in opposite directions: one vector, the difference, with twice the step, is the same. What a model keeps of it is the
 * product of each feature's vector with it (proto/model_fasttext). Joulin and others, "Bag of Tricks for Efficient Text
 * Classification", 2017.
 *
 * The paper takes their mean. Whoever wraps a text in filler then divides its score by how much longer it got, a short one's by
 * more than a long one's, and they trade places: on a fifth of the Chinese train part that cost 0.021 of ROC-AUC, now 0.003.
 *
 * Features that many texts have count in their number and have no vector: what they say about a label drowns the rest of a long
 * text (with the mean, on a fifth of each train part: ROC-AUC 0.975 to 0.988 on long English texts, 0.979 to 0.976 on tweets).
 */
#include "trainer/fit_kinds.h"

#include "trainer/random.h"

#include <math.h>
#include <stdlib.h>

enum {
    WIDTH = 16,         /* numbers of a vector */
    EPOCHS_MIN = 12,
    EPOCHS_MAX = 60,
    STEPS_MIN = 100000, /* few rows are gone through more often, up to EPOCHS_MAX times */
};

#define RATE 1.0f      /* falls to 0 along the way */
#define COMMON 0.3     /* share of the rows that hold a feature, above which it has no vector */

struct vector {
    float at[WIDTH];
};

struct solver {
    const struct rows *rows;
    struct turn *turn;
    uint64_t seed;
    struct vector *vectors; /* of each place of the rows: what has one stays in them */
    struct vector output;   /* of label 1, less that of label 0 */
    float *weights;         /* 2^table_bits: what a model keeps */
    float *shares;          /* of each row: `usual` / root of its features, each counted as often as it stands in it */
    float usual;            /* so that a usual row's share is 1 / its features, as the rate is made for */
    uint32_t *order;        /* of the rows that take part */
    uint32_t *places;       /* of the row in hand */
    uint8_t *counts;
};

static void close(struct solver **solver)
{
    if (*solver != NULL) {
        free((*solver)->vectors);
        free((*solver)->weights);
        free((*solver)->shares);
        free((*solver)->order);
        free((*solver)->places);
        free((*solver)->counts);
        free(*solver);
        *solver = NULL;
    }
}

static void take_row(struct solver *solver, const struct row *row)
{
    rows_unpack(solver->rows, row, solver->places, solver->counts);
}

/* The shares, by the geometric mean of what rows counted when they were read: a fit before has taken features out of them. */
static void find_shares(struct solver *solver)
{
    double logs = 0;

    for (size_t number = 0; number < rows_count(solver->rows); number++) {
        uint32_t total = rows_at(solver->rows, number)->read;

        solver->shares[number] = total == 0 ? 0 : 1 / sqrtf((float)total);
        logs += log(1 + (double)total);
    }
    solver->usual = (float)exp(-logs / (2 * (double)rows_count(solver->rows)));
    for (size_t number = 0; number < rows_count(solver->rows); number++) {
        solver->shares[number] *= solver->usual;
    }
}

/* Which features have a vector. The others are taken out of the rows. */
static enum status choose(struct rows *rows, struct turn *turn)
{
    size_t table = (size_t)1 << rows_table_bits(rows);
    uint32_t *holders = calloc(table, sizeof *holders);
    enum status status;

    if (holders == NULL) {
        return STATUS_NO_MEMORY;
    }
    rows_count_holders(rows, turn, holders);
    for (size_t index = 0; index < table; index++) {
        holders[index] = (double)holders[index] <= COMMON * (double)rows_count(rows) ? holders[index] : 0;
    }
    status = rows_keep(rows, holders, turn);
    free(holders);
    return status;
}

static enum status open(struct solver **out, struct rows *rows, const struct fit_options *options)
{
    struct solver *solver = calloc(1, sizeof *solver);
    enum status status = solver == NULL ? STATUS_NO_MEMORY : choose(rows, options->turn);

    if (status != STATUS_OK) {
        close(&solver);
        return status;
    }
    solver->rows = rows;
    solver->turn = options->turn;
    solver->seed = options->seed;
    /* One a cache line. */
    solver->vectors = aligned_alloc(sizeof *solver->vectors, ((size_t)rows_width(rows) + 1) * sizeof *solver->vectors);
    solver->weights = calloc((size_t)1 << rows_table_bits(rows), sizeof *solver->weights);
    solver->shares = calloc(rows_count(rows) + 1, sizeof *solver->shares);
    solver->order = calloc(rows_count(rows) + 1, sizeof *solver->order);
    solver->places = calloc((size_t)rows_longest(rows) + 1, sizeof *solver->places);
    solver->counts = calloc((size_t)rows_longest(rows) + 1, sizeof *solver->counts);
    if (solver->vectors == NULL || solver->weights == NULL || solver->shares == NULL || solver->order == NULL ||
        solver->places == NULL || solver->counts == NULL) {
        close(&solver);
        return STATUS_NO_MEMORY;
    }
    find_shares(solver);
    *out = solver;
    return STATUS_OK;
}

static struct vector sum_in_hand(const struct solver *solver, const struct row *row, float share)
{
    struct vector sum = {{0}};

    for (uint32_t at = 0; at < row->count; at++) {
        const struct vector *vector = &solver->vectors[solver->places[at]];
        float count = (float)solver->counts[at];

        for (size_t place = 0; place < WIDTH; place++) {
            sum.at[place] += count * vector->at[place];
        }
    }
    for (size_t place = 0; place < WIDTH; place++) {
        sum.at[place] *= share;
    }
    return sum;
}

static float product(const struct vector *left, const struct vector *right)
{
    float sum = 0;

    for (size_t place = 0; place < WIDTH; place++) {
        sum += left->at[place] * right->at[place];
    }
    return sum;
}

static void step(struct solver *solver, size_t number, float rate)
{
    const struct row *row = rows_at(solver->rows, number);
    float share = solver->shares[number];
    struct vector sum, change;
    float miss;

    if (share <= 0) {
        return;
    }
    take_row(solver, row);
    sum = sum_in_hand(solver, row, share);
    miss = (float)row->label - 1 / (1 + expf(-product(&sum, &solver->output)));
    for (size_t place = 0; place < WIDTH; place++) {
        change.at[place] = rate * miss * share * solver->output.at[place];
        solver->output.at[place] += 2 * rate * miss * sum.at[place];
    }
    for (uint32_t at = 0; at < row->count; at++) {
        struct vector *vector = &solver->vectors[solver->places[at]];
        float count = (float)solver->counts[at];

        for (size_t place = 0; place < WIDTH; place++) {
            vector->at[place] += count * change.at[place];
        }
    }
}

/* Vectors begin between -1 / WIDTH and 1 / WIDTH, the output at 0. */
static void begin(struct solver *solver, uint64_t *random)
{
    solver->output = (struct vector){{0}};
    for (size_t index = 0; index < rows_width(solver->rows); index++) {
        turn_passes(solver->turn, index);
        for (size_t place = 0; place < WIDTH; place += 2) {
            uint64_t bits = random_next(random);

            solver->vectors[index].at[place] = ((float)(uint32_t)bits / 2147483648.0f - 1) / WIDTH;
            solver->vectors[index].at[place + 1] = ((float)(uint32_t)(bits >> 32) / 2147483648.0f - 1) / WIDTH;
        }
    }
}

static enum status fit(struct solver *solver, int left_out)
{
    uint64_t random = solver->seed;
    size_t part = 0;
    size_t epochs, done = 0;

    begin(solver, &random);
    for (size_t number = 0; number < rows_count(solver->rows); number++) {
        if (rows_at(solver->rows, number)->fold != left_out) {
            solver->order[part++] = (uint32_t)number;
        }
    }
    epochs = STEPS_MIN / (part + 1);
    epochs = epochs < EPOCHS_MIN ? EPOCHS_MIN : epochs < EPOCHS_MAX ? epochs : EPOCHS_MAX;
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        random_shuffle(&random, solver->order, part);
        for (size_t at = 0; at < part && turn_goes_on(solver->turn); at++) {
            float rate = RATE * (1 - (float)done++ / (float)(part * epochs));

            for (double left = rows_weight(rows_at(solver->rows, solver->order[at])); left > 0; left--) {
                step(solver, solver->order[at], rate * (float)fmin(1, left));
            }
        }
    }
    return turn_goes_on(solver->turn) ? STATUS_OK : STATUS_CLOSED;
}

static double score(struct solver *solver, size_t row)
{
    const struct row *found = rows_at(solver->rows, row);
    struct vector sum;

    take_row(solver, found);
    sum = sum_in_hand(solver, found, solver->shares[row]);
    return (double)product(&sum, &solver->output);
}

static void describe(struct solver *solver, struct model_parts *parts)
{
    for (uint32_t place = 0; place < rows_width(solver->rows); place++) {
        solver->weights[rows_feature_at(solver->rows, place)] = solver->usual * product(&solver->vectors[place], &solver->output);
    }
    parts->bias = 0;
    parts->weights = solver->weights;
}

const struct fit_rules fit_fasttext = {
    .kind = MODEL_KIND_FASTTEXT,
    .counted = true,
    .open = open,
    .close = close,
    .fit = fit,
    .score = score,
    .describe = describe,
};

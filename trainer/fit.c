/* fit: some fits for the calibration, one for the weights. */
#include "trainer/fit.h"

#include "trainer/fit_kinds.h"
#include "trainer/platt.h"
#include "trainer/rows.h"

#include <assert.h>
#include <stdlib.h>

struct fit {
    struct fit_options options;
    const struct fit_rules *rules;
    struct rows *rows;
};

static const struct fit_rules *rules_of(enum model_kind kind)
{
    static const struct fit_rules *const all[] = {&fit_hashlinear, &fit_bow, &fit_fasttext};

    for (size_t index = 0; index < sizeof all / sizeof all[0]; index++) {
        if (all[index]->kind == kind) {
            return all[index];
        }
    }
    return NULL;
}

enum status fit_open(struct fit **out, const struct fit_options *options)
{
    struct fit *fit = calloc(1, sizeof *fit);
    enum status status;

    if (fit == NULL) {
        return STATUS_NO_MEMORY;
    }
    fit->options = *options;
    fit->rules = rules_of(options->kind);
    assert(fit->rules != NULL);
    if (fit->options.table_bits == 0) {
        fit->options.table_bits = FIT_TABLE_BITS;
    }
    status = rows_open(&fit->rows, fit->options.table_bits, fit->rules->counted, TRAIN_ROWS_BYTES_MAX);
    if (status != STATUS_OK) {
        fit_close(&fit);
        return status;
    }
    *out = fit;
    return STATUS_OK;
}

void fit_close(struct fit **fit)
{
    if (*fit != NULL) {
        rows_close(&(*fit)->rows);
        free(*fit);
        *fit = NULL;
    }
}

enum status fit_add(struct fit *fit, struct bytes text, int label)
{
    return rows_add(fit->rows, text, label);
}

void fit_weigh(struct fit *fit, unsigned weight)
{
    rows_weigh(fit->rows, weight);
}

static enum status fit_once(const struct fit *fit, struct solver *solver, int left_out)
{
    enum status status = fit->rules->fit(solver, left_out);

    if (fit->options.fits != NULL) {
        atomic_fetch_add(fit->options.fits, 1);
    }
    return status;
}

/* Scores of rows by fits that have not seen them. */
struct unseen {
    size_t count;
    double *scores;
    uint8_t *labels;
};

/* As often as the row weighs: what the fit learned from its weight, the calibration may not take back. */
static void add_unseen(struct unseen *unseen, const struct row *row, double score)
{
    for (unsigned copy = 0; copy < row->weight; copy++) {
        unseen->scores[unseen->count] = score;
        unseen->labels[unseen->count++] = row->label;
    }
}

static size_t weigh_all(const struct rows *rows)
{
    size_t weight = 0;

    for (size_t row = 0; row < rows_count(rows); row++) {
        weight += rows_at(rows, row)->weight;
    }
    return weight;
}

/* Fold after fold, until there are enough: each has rows of both labels. */
static enum status score_unseen(const struct fit *fit, struct solver *solver, struct unseen *out)
{
    size_t count = rows_count(fit->rows);
    enum status status = STATUS_OK;

    for (int fold = 0; status == STATUS_OK && fold < TRAIN_FOLDS && out->count < TRAIN_UNSEEN_ENOUGH; fold++) {
        status = fit_once(fit, solver, fold);
        for (size_t row = 0; status == STATUS_OK && row < count; row++) {
            if (rows_at(fit->rows, row)->fold == fold) {
                add_unseen(out, rows_at(fit->rows, row), fit->rules->score(solver, row));
            }
        }
    }
    return status;
}

static enum status calibrate(const struct fit *fit, struct solver *solver, struct platt *out)
{
    size_t count = weigh_all(fit->rows);
    struct unseen unseen = {.scores = calloc(count, sizeof *unseen.scores), .labels = calloc(count, sizeof *unseen.labels)};
    enum status status = STATUS_NO_MEMORY;

    if (unseen.scores != NULL && unseen.labels != NULL) {
        status = score_unseen(fit, solver, &unseen);
    }
    if (status == STATUS_OK) {
        platt_fit(out, unseen.scores, unseen.labels, unseen.count, fit->options.violation_share);
    }
    free(unseen.scores);
    free(unseen.labels);
    return status;
}

static enum status write(const struct fit *fit, struct solver *solver, struct platt platt, struct buffer *out)
{
    struct model_parts parts = {
        .kind = fit->options.kind,
        .storage = fit->options.storage,
        .table_bits = fit->options.table_bits,
        .slope = platt.slope,
        .offset = platt.offset,
    };

    fit->rules->describe(solver, &parts);
    return model_write(out, &parts);
}

enum status fit_finish(struct fit *fit, struct buffer *out)
{
    struct solver *solver = NULL;
    struct platt platt;
    enum status status;

    if (rows_count_of(fit->rows, 0) < TRAIN_FOLDS || rows_count_of(fit->rows, 1) < TRAIN_FOLDS) {
        return STATUS_TOO_FEW;
    }
    status = fit->rules->open(&solver, fit->rows, &fit->options);
    if (status == STATUS_OK) {
        status = calibrate(fit, solver, &platt);
    }
    if (status == STATUS_OK) {
        status = fit_once(fit, solver, FIT_ALL);
    }
    if (status == STATUS_OK) {
        status = write(fit, solver, platt, out);
    }
    fit->rules->close(&solver);
    return status;
}

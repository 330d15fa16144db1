/* fit: some fits for the calibration, one for the weights. */
#include "trainer/fit.h"

#include "trainer/fit_kinds.h"
#include "trainer/platt.h"
#include "trainer/rows.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)FIT_WEIGHT_MAX == (int)ROW_WEIGHT_MAX, "no row weighs more");
_Static_assert((int)FIT_WEIGHT_STEPS == (int)ROW_WEIGHT_STEPS, "nor less");

struct fit {
    struct fit_options options;
    const struct fit_rules *rules;
    struct rows *rows;
    struct change_sums surprises[2]; /* by label */
    double violation_share; /* NaN = as the rows have it */
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
    fit->violation_share = (double)NAN;
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

void fit_weigh(struct fit *fit, double weight, double stands_for)
{
    rows_weigh(fit->rows, weight, stands_for);
}

void fit_set_share(struct fit *fit, double violation_share)
{
    fit->violation_share = violation_share;
}

void fit_mark_old(struct fit *fit)
{
    rows_mark_old(fit->rows);
}

double fit_discount(struct fit *fit)
{
    size_t count = rows_count(fit->rows);
    size_t old = 0;
    double share;

    for (size_t number = 0; number < count; number++) {
        old += rows_at(fit->rows, number)->is_old;
    }
    if (old == 0 || old == count) {
        return 1;
    }
    share = fmin(1, fmax(FIT_OLD_MIN, FIT_OLD_TO_NEW * (double)(count - old) / (double)old));
    rows_discount(fit->rows, share);
    return share;
}

const struct change_sums *fit_surprises(const struct fit *fit)
{
    return fit->surprises;
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
    struct platt_row *rows;
    double *roots; /* of how many texts each stands for */
    size_t count;
};

/* Fold after fold, until there are enough: each has rows of both labels. What the fit learned from a row's weight, the
 * calibration may not take back. Of what a row stands for it has the root: two numbers cannot follow the whole curve, and with
 * all of it a few texts that were drawn at random, a twentieth of what the model is sure of, would decide where it is unsure
 * (Shimodaira 2000, Journal of Statistical Planning and Inference 90: a power between 0 and 1). */
static enum status score_unseen(const struct fit *fit, struct solver *solver, struct unseen *out)
{
    size_t count = rows_count(fit->rows);
    enum status status = STATUS_OK;

    for (int fold = 0; status == STATUS_OK && fold < TRAIN_FOLDS && out->count < TRAIN_UNSEEN_ENOUGH; fold++) {
        status = fit_once(fit, solver, fold);
        for (size_t number = 0; status == STATUS_OK && number < count; number++) {
            const struct row *row = rows_at(fit->rows, number);

            if (row->fold == fold) {
                out->roots[out->count] = sqrt((double)row->stands_for);
                out->rows[out->count] = (struct platt_row){
                    fit->rules->score(solver, number), out->roots[out->count] * rows_weight(row), row->label};
                out->count++;
            }
        }
    }
    return status;
}

static void find_surprises(struct fit *fit, const struct unseen *unseen, struct platt platt)
{
    memset(fit->surprises, 0, sizeof fit->surprises);
    for (size_t at = 0; at < unseen->count; at++) {
        const struct platt_row *row = &unseen->rows[at];
        double probability = 1 / (1 + exp(-(platt.slope * row->score + platt.offset)));

        change_add(&fit->surprises[row->label], probability, row->weight * unseen->roots[at], row->label);
    }
}

static enum status calibrate(struct fit *fit, struct solver *solver, struct platt *out)
{
    struct unseen unseen = {.rows = calloc(rows_count(fit->rows), sizeof *unseen.rows),
                            .roots = calloc(rows_count(fit->rows), sizeof *unseen.roots)};
    enum status status = unseen.rows == NULL || unseen.roots == NULL ? STATUS_NO_MEMORY : score_unseen(fit, solver, &unseen);

    if (status == STATUS_OK) {
        platt_fit(out, unseen.rows, unseen.count, fit->violation_share);
        find_surprises(fit, &unseen, *out);
    }
    free(unseen.rows);
    free(unseen.roots);
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

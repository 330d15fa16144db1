/* fit_hashlinear: five fits for the calibration, one for the weights. */
#include "trainer/fit_hashlinear.h"

#include "trainer/logistic.h"
#include "trainer/platt.h"
#include "trainer/rows.h"

#include <assert.h>
#include <stdlib.h>

struct fit {
    struct fit_options options;
    struct rows *rows;
};

enum status fit_open(struct fit **out, const struct fit_options *options)
{
    struct fit *fit = calloc(1, sizeof *fit);
    enum status status;

    if (fit == NULL) {
        return STATUS_NO_MEMORY;
    }
    fit->options = *options;
    if (fit->options.table_bits == 0) {
        fit->options.table_bits = FIT_TABLE_BITS;
    }
    status = rows_open(&fit->rows, fit->options.table_bits, TRAIN_ROWS_BYTES_MAX);
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

/* Scores each row by the fit that left out its fold. */
static enum status score_unseen(const struct fit *fit, struct logistic *logistic, double *scores, uint8_t *labels)
{
    size_t count = rows_count(fit->rows);
    enum status status = STATUS_OK;

    for (int fold = 0; status == STATUS_OK && fold < TRAIN_FOLDS; fold++) {
        status = logistic_fit(logistic, fit->options.seed, fold);
        for (size_t row = 0; status == STATUS_OK && row < count; row++) {
            if (rows_at(fit->rows, row)->fold == fold) {
                scores[row] = logistic_score(logistic, row);
                labels[row] = rows_at(fit->rows, row)->label;
            }
        }
    }
    return status;
}

static enum status calibrate(const struct fit *fit, struct logistic *logistic, struct platt *out)
{
    size_t count = rows_count(fit->rows);
    double *scores = calloc(count, sizeof *scores);
    uint8_t *labels = calloc(count, sizeof *labels);
    enum status status = STATUS_NO_MEMORY;

    if (scores != NULL && labels != NULL) {
        status = score_unseen(fit, logistic, scores, labels);
    }
    if (status == STATUS_OK) {
        platt_fit(out, scores, labels, count, fit->options.violation_share);
    }
    free(scores);
    free(labels);
    return status;
}

enum status fit_finish(struct fit *fit, struct buffer *out)
{
    struct logistic *logistic = NULL;
    struct platt platt;
    enum status status;

    if (rows_count_of(fit->rows, 0) < TRAIN_FOLDS || rows_count_of(fit->rows, 1) < TRAIN_FOLDS) {
        return STATUS_TOO_FEW;
    }
    status = logistic_open(&logistic, fit->rows, fit->options.cancelled);
    if (status == STATUS_OK) {
        status = calibrate(fit, logistic, &platt);
    }
    if (status == STATUS_OK) {
        status = logistic_fit(logistic, fit->options.seed, LOGISTIC_ALL);
    }
    if (status == STATUS_OK) {
        status = model_write(out, &(struct model_parts){
                                      .kind = MODEL_KIND_HASHLINEAR,
                                      .storage = fit->options.storage,
                                      .table_bits = fit->options.table_bits,
                                      .bias = logistic_bias(logistic),
                                      .slope = platt.slope,
                                      .offset = platt.offset,
                                      .weights = logistic_weights(logistic),
                                  });
    }
    logistic_close(&logistic);
    return status;
}

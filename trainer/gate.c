/* gate: scores the held-out rows once with each model; every comparison is made of these scores. */
#include "trainer/gate.h"

#include "proto/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double unknown = (double)NAN;

static const char *const band_reasons[BANDS] = {
    "max_regression_latin", "max_regression_cyrillic", "max_regression_arabic", "max_regression_cjk",
    "max_regression_other", "max_regression_short",    "max_regression_middle", "max_regression_long",
};

void gate_forget(struct gate_figures *out)
{
    *out = (struct gate_figures){
        .all = {.effective = unknown,
                .auc = unknown,
                .pr_auc = unknown,
                .f1 = unknown,
                .calibration_error = unknown,
                .decided = unknown,
                .agreement = unknown},
        .live_auc = unknown,
    };
    for (int band = 0; band < BANDS; band++) {
        out->bands[band] = (struct gate_band){.auc = unknown, .live_auc = unknown, .error = unknown};
    }
}

static enum status judge(const struct gate *gate, const struct model *model, double *scores, struct evaluate_figures *out)
{
    return holdout_judge(gate->holdout, model, gate->profile->low, gate->profile->high, gate->turn, scores, out);
}

/* STATUS_NOT_FOUND when there is nothing to compare with. */
static enum status judge_live(const struct gate *gate, double *scores, double *out_auc)
{
    struct model *model = NULL;
    struct evaluate_figures figures;
    enum status status = gate->live.count == 0 ? STATUS_NOT_FOUND : model_open(&model, gate->live);

    if (status == STATUS_OK) {
        status = judge(gate, model, scores, &figures);
        model_close(&model);
    } else if (status != STATUS_NO_MEMORY) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        *out_auc = figures.auc;
    }
    return status;
}

static enum status compare_bands(const struct gate *gate, const double *scores, const double *live_scores,
                                 struct gate_figures *out)
{
    enum status status = STATUS_OK;

    for (int band = 0; band < BANDS && status == STATUS_OK; band++) {
        struct compare_figures figures;

        status = holdout_compare(gate->holdout, (enum band)band, scores, live_scores, &figures);
        if (status == STATUS_OK) {
            out->bands[band] = (struct gate_band){.count = figures.count,
                                                  .violations = figures.violations,
                                                  .effective = {figures.effective[0], figures.effective[1]},
                                                  .auc = figures.one_auc,
                                                  .live_auc = figures.other_auc,
                                                  .error = figures.error};
        }
        status = status == STATUS_TOO_FEW ? STATUS_OK : status;
    }
    return status;
}

static bool is_worse(const struct gate_band *band, double max_regression)
{
    return fmin(band->effective[0], band->effective[1]) >= GATE_BAND_ROWS_MIN &&
           band->live_auc - band->auc > max_regression + GATE_BAND_ERRORS * band->error;
}

static const char *decide(const struct training_settings *settings, const struct gate_figures *figures)
{
    if (!(figures->all.auc >= settings->min_auc) && !(figures->live_auc < figures->all.auc)) { /* NaN is refused too */
        return "min_auc";
    }
    if (figures->live_auc - figures->all.auc > settings->max_regression) {
        return "max_regression";
    }
    for (int band = 0; band < BANDS; band++) {
        if (is_worse(&figures->bands[band], settings->max_regression)) {
            return band_reasons[band];
        }
    }
    return "";
}

enum status gate_judge(const struct gate *gate, struct gate_figures *out, const char **out_reason)
{
    size_t count = holdout_count(gate->holdout, 0) + holdout_count(gate->holdout, 1);
    double *scores = calloc(count + 1, 2 * sizeof *scores);
    struct gate_figures figures;
    enum status status = scores == NULL ? STATUS_NO_MEMORY : STATUS_OK;

    gate_forget(&figures);
    if (status == STATUS_OK) {
        status = judge(gate, gate->model, scores, &figures.all);
    }
    if (status == STATUS_OK) {
        status = judge_live(gate, scores + count, &figures.live_auc);
        if (status == STATUS_OK) {
            status = compare_bands(gate, scores, scores + count, &figures);
        }
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status == STATUS_OK && gate->scores != NULL) {
        memcpy(gate->scores, scores, count * sizeof *scores);
    }
    free(scores);
    if (status == STATUS_OK) {
        *out = figures;
        *out_reason = decide(&gate->profile->training, &figures);
    }
    return status;
}

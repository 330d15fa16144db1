/* gate: whether a model may be published: good enough, and nowhere worse than the live one on the same rows.
 *
 *   min_auc              its ROC-AUC on all rows that were held out is below the profile's, unless the live one's is lower
 *                        still: when what violates has changed, the better of two poor ones serves until a good one is learned
 *   max_regression       it is worse than the live one's there by more than the profile allows
 *   max_regression_BAND  the same among the texts of one script or length (trainer/band), where those of each label tell as much
 *                        as GATE_BAND_ROWS_MIN of equal weight, by more than the profile allows and GATE_BAND_ERRORS standard
 *                        errors of the difference: a band is small, and by chance alone one of eight would fail often
 *
 * Rows count by what they stand for (trainer/sample): most labels are of texts that the live version was unsure of, which are
 * hard for it, and easier for any other.
 *
 * Thread: that of the run; it computes for seconds.
 */
#ifndef TRAINER_GATE_H
#define TRAINER_GATE_H

#include "proto/settings.h"
#include "trainer/band.h"
#include "trainer/holdout.h"

/* Of one band's texts. */
struct gate_band {
    size_t count;
    size_t violations;
    double effective[2]; /* as how many rows of equal weight those of each label tell; 0 where there are too few */
    double auc; /* NaN where there are too few, as the next two */
    double live_auc;
    double error; /* standard error of the difference */
};

struct gate_figures {
    struct evaluate_figures all;
    double live_auc; /* NaN when there is no live version that can be read */
    struct gate_band bands[BANDS];
};

/* All borrowed for the call. */
struct gate {
    const struct holdout *holdout;
    const struct profile_settings *profile;
    const struct model *model;
    struct bytes live; /* the file of the live version; empty when there is none */
    struct turn *turn; /* NULL = none */
    double *scores; /* what the model says of each row that is held out, in their order; NULL = nobody asks */
};

/* All unknown. */
void gate_forget(struct gate_figures *out);

/* *out_reason is "" when it may be published, else as above; static. A live version that cannot be read any more is no reason to
 * keep a new one back. STATUS_NO_MEMORY, and what holdout_judge returns. */
MUST_CHECK enum status gate_judge(const struct gate *gate, struct gate_figures *out, const char **out_reason);

#endif

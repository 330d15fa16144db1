/* training: one run: draw, fit, check on the rows that were held out, store.
 *
 *   draw    a balanced draw of max_samples rows; the newest are held out (trainer/holdout), the others go to the fit
 *   fit     the model file; where what violates has changed (trainer/change), a second one of rows among which those of before
 *           it count little
 *   check   score the held-out rows with the new model, the better of two by ROC-AUC, and with the live one (trainer/gate); look
 *           for a change, which the version's figures keep for the next run. That one follows at once where it is news
 *   store   as the live version, as one on trial (training.canary), or as a refused one, with its figures, under the epoch
 *
 * No transaction and no lock is held while it computes: the session of the draw is closed before the fit, and another one
 * stores. A run that was cancelled, was too slow (TRAIN_RUN_MS; looked at between rows and steps) or met an error stores
 * nothing and leaves the live version as it is. A cancelled one ends within 200 ms, and so does its statement at the
 * server.
 * Thread: its own; it blocks for seconds to minutes.
 */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include "proto/settings.h"
#include "proto/status.h"
#include "trainer/gate.h"
#include "trainer/sample.h"

#include <stdatomic.h>

enum { TRAINING_SQLSTATE_BYTES = 5 };

/* How far a run is. Its thread writes, any thread reads; all 0 before it. */
struct training_progress {
    _Atomic int step;       /* index of the step at hand */
    _Atomic int fits;       /* done, of the fit's */
    _Atomic int64_t rows;   /* drawn */
    _Atomic int64_t wanted; /* rows to be drawn; 0 = not known yet */
};

/* All borrowed for the run. */
struct training {
    const struct database_settings *database;
    const struct profile_settings *profile;
    int64_t profile_id;
    int64_t epoch;
    uint64_t seed; /* equal data and seed give equal models */
    const atomic_bool *cancelled;
    struct training_progress *progress; /* NULL = nobody looks */
};

/* Trial: it passed the gate, and is tried out beside the live version (trainer/trial). Held: it passed, and its profile is pinned
 * to another version, or went over to another while it was trained. */
enum training_end {
    TRAINING_LIVE,
    TRAINING_TRIAL,
    TRAINING_HELD,
    TRAINING_REFUSED,
    TRAINING_FAILED,
    TRAINING_CANCELLED,
    TRAINING_ENDS
};

struct training_result {
    enum training_end end;
    const char *reason; /* refused: the gate; held: "pinned", "superseded"; failed or cancelled: the step; else ""; a literal */
    enum status status; /* of the step that failed */
    char sqlstate[TRAINING_SQLSTATE_BYTES + 1]; /* "" when PostgreSQL had no part in it */
    int64_t version;                            /* stored, whatever its end; 0 = none */
    struct sample_figures sampled[SAMPLE_LABELS];
    int64_t rows; /* drawn, those held out included */
    int64_t held_out;
    int64_t left_out;                /* sound rows for which there was no memory */
    double violation_share;          /* of what the profile's samples stand for: the probabilities are calibrated to it */
    struct evaluate_figures figures; /* of the new model on the held-out rows; NaN before `check` */
    double live_auc;                 /* of the version it would replace, on the same rows; NaN when there is none */
    int64_t changed_at_us;           /* since when what violates is another, microseconds since 1970; 0 = no change is known */
    struct gate_band bands[BANDS];   /* both, by script and by length */
    double seconds;
};

/* Always fills `out`. */
void training_run(const struct training *training, struct training_result *out);

/* "draw", "fit", "check", "store"; static. */
const char *training_step_name(int step);

/* The share of a usual run's time that is over, 0 to 1. It never falls. */
double training_progress_share(const struct training_progress *progress);

/* "live", "trial", "held", "refused", "failed", "cancelled"; static. */
const char *training_end_name(enum training_end end);

#endif

/* training: the steps of one run in their order; the first that fails ends it. */
#include "trainer/training.h"

#include "proto/clock.h"
#include "proto/json.h"
#include "proto/model.h"
#include "proto/secret.h"
#include "trainer/fit.h"
#include "trainer/holdout.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A change of what violates leaves two ways to learn: from all rows alike, or hardly from those of before it. */
enum way { ALIKE, DISCOUNTED, WAYS };

struct attempt {
    struct buffer file; /* the model; empty when there was no such attempt */
    struct change_sums surprises[SAMPLE_LABELS];
    double violation_share;
};

struct run {
    const struct training *training;
    struct training_result *result;
    struct turn turn;
    struct store *store; /* while a step uses it */
    struct fit *fit;     /* from draw to fit */
    struct holdout *holdout;
    struct holdout_cuts cuts;
    double texts[SAMPLE_LABELS];     /* that the rows drawn stand for */
    double old_texts[SAMPLE_LABELS]; /* those of before the change among them */
    struct attempt attempts[WAYS];
    enum way way;            /* of the better one, which is the new model */
    struct buffer live_file; /* the one it would replace; empty when there is none */
    int64_t live_version;    /* its number; 0 = none */
    int64_t feature_version;
    int64_t trained_at_us; /* the server's clock when the draw began */
    uint64_t until_ms;
};

static enum status take_sample(void *context, const struct sample *sample)
{
    struct run *run = context;
    bool is_old = sample->made_us < run->cuts.changed_us;
    enum status status;

    if (!turn_goes_on(&run->turn)) {
        return STATUS_CLOSED;
    }
    if (clock_ms() > run->until_ms) {
        return STATUS_TIMEOUT;
    }
    if (holdout_takes(&run->cuts, sample->label, sample->made_us, sample->hash)) {
        status = holdout_add(run->holdout, sample->text, sample->label, sample->stands_for, sample->made_us);
        run->result->held_out += status == STATUS_OK;
    } else {
        status = fit_add(run->fit, sample->text, sample->label);
        if (status == STATUS_OK) {
            fit_weigh(run->fit, sample->by_person ? TRAIN_PERSON_WEIGHT : 1, sample->stands_for);
        }
        if (status == STATUS_OK && is_old) {
            fit_mark_old(run->fit);
        }
    }
    run->texts[sample->label] += sample->stands_for;
    run->old_texts[sample->label] += is_old ? sample->stands_for : 0;
    run->result->rows += status == STATUS_OK;
    if (run->training->progress != NULL) {
        atomic_store(&run->training->progress->rows, run->result->rows);
    }
    if (status == STATUS_FULL || status == STATUS_TOO_LARGE) {
        run->result->left_out++; /* the bound of memory is met: what there is must do */
        status = STATUS_OK;
    }
    return status;
}

static enum status measure(struct run *run, const struct sample_request *request)
{
    const struct sample_figures *sampled = run->result->sampled;
    enum status status = sample_measure(run->store, request, run->result->sampled);

    if (status != STATUS_OK) {
        return status;
    }
    if (sampled[0].existing == 0 || sampled[1].existing == 0) {
        return STATUS_TOO_FEW;
    }
    if (run->training->progress != NULL) {
        atomic_store(&run->training->progress->wanted, sampled[0].wanted + sampled[1].wanted);
    }
    return STATUS_OK;
}

/* The true share of violations, which the balanced draw hides, and the reviews, which look at what is hard to tell: all rows of a
 * label stand for as many texts each, on average, as those that were drawn; those of before a change count as `old_share` of it.
 * STATUS_TOO_FEW without any of a label. */
static enum status reckon_share(struct run *run, double old_share, double *out)
{
    double texts[SAMPLE_LABELS];

    for (int label = 0; label < SAMPLE_LABELS; label++) {
        const struct sample_figures *sampled = &run->result->sampled[label];

        if (sampled->drawn == 0) {
            return STATUS_TOO_FEW;
        }
        texts[label] = (double)sampled->existing * (run->texts[label] - (1 - old_share) * run->old_texts[label]) /
                       (double)sampled->drawn;
    }
    *out = texts[1] / (texts[0] + texts[1]);
    fit_set_share(run->fit, *out);
    return STATUS_OK;
}

static enum status draw(struct run *run)
{
    const struct training *training = run->training;
    const struct sample_request request = {
        .profile_id = training->profile_id,
        .sampling = training->profile->training.sampling,
        .rows_max = (int64_t)training->profile->training.max_samples,
        .bytes_max = TRAIN_BYTES_MAX,
        .seed = training->seed,
    };
    const struct sample_taker taker = {take_sample, run};
    struct fit_options options = {
        .kind = training->profile->model_kind,
        .seed = training->seed,
        .storage = training->profile->training.storage,
        .turn = &run->turn,
        .fits = training->progress == NULL ? NULL : &training->progress->fits,
    };
    enum status status = store_now(run->store, &run->trained_at_us);

    if (status == STATUS_OK) {
        status = measure(run, &request);
    }
    if (status == STATUS_OK) {
        status = holdout_find_cuts(run->store, training->profile_id, run->result->sampled, &run->cuts);
    }
    if (status == STATUS_OK) {
        status = fit_open(&run->fit, &options);
    }
    if (status == STATUS_OK) {
        status = sample_draw(run->store, &request, run->result->sampled, &taker);
    }
    if (status == STATUS_OK) {
        status = reckon_share(run, 1, &run->attempts[ALIKE].violation_share);
    }
    if (status == STATUS_OK) {
        status = store_live_model(run->store, training->profile_id, &run->live_file, &run->live_version);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status == STATUS_OK && (holdout_count(run->holdout, 0) == 0 || holdout_count(run->holdout, 1) == 0)) {
        status = STATUS_TOO_FEW; /* nothing to judge it by; more samples will bring some */
    }
    return status;
}

static enum status fit_one(struct run *run, enum way way)
{
    struct attempt *attempt = &run->attempts[way];
    enum status status = fit_finish(run->fit, &attempt->file);

    memcpy(attempt->surprises, fit_surprises(run->fit), sizeof attempt->surprises);
    return status;
}

static enum status fit(struct run *run)
{
    enum status status = fit_one(run, ALIKE);
    double old_share = status == STATUS_OK ? fit_discount(run->fit) : 1;

    if (old_share < 1) {
        status = reckon_share(run, old_share, &run->attempts[DISCOUNTED].violation_share);
        status = status == STATUS_OK ? fit_one(run, DISCOUNTED) : status;
    }
    fit_close(&run->fit); /* its rows are the largest thing in memory */
    return status;
}

static void take_figures(struct training_result *result, const struct gate_figures *figures)
{
    result->figures = figures->all;
    result->live_auc = figures->live_auc;
    memcpy(result->bands, figures->bands, sizeof result->bands);
}

/* By the gate; better than what stands in `result` is by ROC-AUC, which is what the gate is about. */
static enum status judge(struct run *run, enum way way, double *scores)
{
    struct training_result *result = run->result;
    struct model *model = NULL;
    struct gate_figures figures;
    const char *reason;
    struct gate gate = {
        .holdout = run->holdout,
        .profile = run->training->profile,
        .live = buffer_view(&run->live_file),
        .turn = &run->turn,
        .scores = scores,
    };
    enum status status = model_open(&model, buffer_view(&run->attempts[way].file));

    if (status == STATUS_OK) {
        run->feature_version = model_feature_version(model);
        gate.model = model;
        status = gate_judge(&gate, &figures, &reason);
    }
    model_close(&model);
    if (status == STATUS_OK && (way == ALIKE || figures.all.auc > result->figures.auc)) {
        run->way = way;
        result->reason = reason;
        take_figures(result, &figures);
    }
    return status;
}

/* The newest change that is known after this run. A known one goes on as long as there is more of before it than since it, and
 * after that as long as it helps to tell them apart. */
static enum status look_for_change(struct run *run, const double *scores)
{
    const struct attempt *attempt = &run->attempts[run->way];
    struct change_sums before = {0};
    struct change_found found = {.since_us = run->cuts.changed_us};
    double factor[SAMPLE_LABELS];
    enum status status = STATUS_NOT_FOUND;

    if (run->cuts.is_old_news) {
        found.since_us = run->way == DISCOUNTED ? run->cuts.changed_us : 0;
        for (int label = 0; label < SAMPLE_LABELS; label++) {
            const struct sample_figures *sampled = &run->result->sampled[label];

            factor[label] = (double)sampled->existing / (double)sampled->drawn;
            change_join(&before, &attempt->surprises[label], factor[label]);
        }
        status = holdout_find_change(run->holdout, scores, factor, &before, &found);
    }
    run->result->changed_at_us = found.since_us;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status check(struct run *run)
{
    struct training_result *result = run->result;
    size_t count = holdout_count(run->holdout, 0) + holdout_count(run->holdout, 1);
    double *scores = calloc(WAYS * count, sizeof *scores);
    enum status status = scores == NULL ? STATUS_NO_MEMORY : STATUS_OK;

    for (enum way way = ALIKE; way < WAYS && status == STATUS_OK; way++) {
        if (run->attempts[way].file.count > 0) {
            status = judge(run, way, scores + (size_t)way * count);
        }
    }
    if (status == STATUS_OK) {
        result->violation_share = run->attempts[run->way].violation_share;
        result->end = result->reason[0] == '\0' ? TRAINING_LIVE : TRAINING_REFUSED;
        status = look_for_change(run, scores + (size_t)run->way * count);
    }
    free(scores);
    return status;
}

static void write_bands(struct json_writer *writer, const struct gate_band bands[BANDS])
{
    json_write_key(writer, "bands");
    json_write_object_begin(writer);
    for (int band = 0; band < BANDS; band++) {
        const struct gate_band *found = &bands[band];

        if (found->count == 0) {
            continue;
        }
        json_write_key(writer, band_name((enum band)band));
        json_write_object_begin(writer);
        json_write_integer_member(writer, "rows", (int64_t)found->count);
        json_write_integer_member(writer, "violations", (int64_t)found->violations);
        json_write_real_member(writer, "effective_pass", found->effective[0]);
        json_write_real_member(writer, "effective_violation", found->effective[1]);
        json_write_real_member(writer, "auc", found->auc);
        json_write_real_member(writer, "live_auc", found->live_auc);
        json_write_real_member(writer, "error", found->error);
        json_write_object_end(writer);
    }
    json_write_object_end(writer);
}

static enum status write_figures(const struct run *run, struct buffer *out)
{
    const struct training_result *result = run->result;
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    json_write_integer_member(&writer, "rows", result->rows);
    json_write_integer_member(&writer, "held_out", result->held_out);
    json_write_real_member(&writer, "effective", result->figures.effective);
    json_write_integer_member(&writer, "left_out", result->left_out);
    json_write_integer_member(&writer, "pass", result->sampled[0].existing);
    json_write_integer_member(&writer, "violation", result->sampled[1].existing);
    json_write_real_member(&writer, "violation_share", result->violation_share);
    json_write_real_member(&writer, "auc", result->figures.auc);
    json_write_real_member(&writer, "pr_auc", result->figures.pr_auc);
    json_write_real_member(&writer, "f1", result->figures.f1);
    json_write_real_member(&writer, "decided", result->figures.decided);
    json_write_real_member(&writer, "agreement", result->figures.agreement);
    json_write_real_member(&writer, "calibration_error", result->figures.calibration_error);
    json_write_real_member(&writer, "live_auc", result->live_auc);
    json_write_integer_member(&writer, "changed_at_us", result->changed_at_us);
    write_bands(&writer, result->bands);
    json_write_key(&writer, "storage");
    json_write_text(&writer, run->training->profile->training.storage == MODEL_INT8 ? "int8" : "float32");
    json_write_key(&writer, "refused_by");
    json_write_text(&writer, result->reason);
    json_write_object_end(&writer);
    return writer.status;
}

/* A change that nobody knew of when the rows were drawn: they are to be drawn again at once, and weighed by it. Only one beside
 * which no other is known is news, so that no two can keep a profile due for ever. */
static bool is_news(const struct run *run)
{
    return run->cuts.changed_us == 0 && run->result->changed_at_us != 0;
}

static enum status store(struct run *run)
{
    unsigned char sha256[SHA256_BYTES];
    struct buffer figures;
    enum store_end end;
    struct store_model model = {
        .profile_id = run->training->profile_id,
        .epoch = run->training->epoch,
        .kind = model_kind_name(run->training->profile->model_kind),
        .feature_version = run->feature_version,
        .file = buffer_view(&run->attempts[run->way].file),
        .sha256 = {(const char *)sha256, sizeof sha256},
        .passed = run->result->end == TRAINING_LIVE,
        .on_trial = run->training->profile->training.canary > 0,
        .reason = run->result->reason,
        .trained_at_us = is_news(run) ? 0 : run->trained_at_us,
        .beside = run->live_version,
    };
    enum status status;

    buffer_init(&figures, FIGURES_BYTES_MAX);
    secret_sha256(sha256, model.file);
    status = write_figures(run, &figures);
    if (status == STATUS_OK) {
        model.figures = buffer_view(&figures);
        status = store_publish(run->store, &model, &run->result->version, &end);
    }
    if (status == STATUS_OK && (end == STORE_CANDIDATE || end == STORE_SUPERSEDED)) {
        run->result->end = TRAINING_HELD;
        run->result->reason = end == STORE_CANDIDATE ? "pinned" : "superseded";
    } else if (status == STATUS_OK && end == STORE_CANARY) {
        run->result->end = TRAINING_TRIAL;
    }
    buffer_free(&figures);
    return status;
}

static const struct step {
    const char *name;
    enum status (*take)(struct run *run);
    bool needs_store;
    double share; /* of a usual run's time */
} steps[] = {
    {"draw", draw, true, 0.3},
    {"fit", fit, false, 0.6},
    {"check", check, false, 0.08},
    {"store", store, true, 0.02},
};

enum { STEPS = sizeof steps / sizeof steps[0] };

const char *training_step_name(int step)
{
    assert(step >= 0 && step < STEPS);
    return steps[step].name;
}

double training_progress_share(const struct training_progress *progress)
{
    int step = atomic_load(&progress->step);
    int64_t wanted = atomic_load(&progress->wanted);
    double share = 0;

    if (step == 0) { /* the one that tells how far it is */
        return wanted == 0 ? 0 : steps[0].share * fmin(1, (double)atomic_load(&progress->rows) / (double)wanted);
    }
    for (int before = 0; before < step; before++) {
        share += steps[before].share;
    }
    if (step == 1) { /* so does the fit; some need fewer fits than all, a second model more */
        share += steps[step].share * fmin(1, (double)atomic_load(&progress->fits) / (TRAIN_FOLDS + 2));
    }
    return share;
}

static enum status take_step(struct run *run, const struct step *step)
{
    enum status status = STATUS_OK;

    if (atomic_load(run->training->cancelled)) {
        return STATUS_CLOSED;
    }
    if (clock_ms() > run->until_ms) {
        return STATUS_TIMEOUT;
    }
    if (step->needs_store) {
        status = store_open(&run->store, run->training->database, run->training->cancelled);
    }
    if (status == STATUS_OK) {
        status = step->take(run);
    }
    if (status != STATUS_OK && run->store != NULL) {
        (void)snprintf(run->result->sqlstate, sizeof run->result->sqlstate, "%s", store_sqlstate(run->store));
    }
    store_close(&run->store);
    return status;
}

void training_run(const struct training *training, struct training_result *out)
{
    uint64_t started_us = clock_us();
    struct run run = {.training = training,
                      .result = out,
                      .turn = {.cancelled = training->cancelled},
                      .until_ms = clock_ms() + TRAIN_RUN_MS};
    struct gate_figures figures;
    enum status status;

    *out = (struct training_result){.reason = ""};
    gate_forget(&figures);
    take_figures(out, &figures);
    for (enum way way = ALIKE; way < WAYS; way++) {
        buffer_init(&run.attempts[way].file, MODEL_FILE_BYTES_MAX);
    }
    buffer_init(&run.live_file, MODEL_FILE_BYTES_MAX);
    status = holdout_open(&run.holdout);
    for (size_t index = 0; status == STATUS_OK && index < STEPS; index++) {
        if (training->progress != NULL) {
            atomic_store(&training->progress->step, (int)index);
        }
        status = take_step(&run, &steps[index]);
        if (status != STATUS_OK) {
            out->reason = steps[index].name;
        }
    }
    if (status != STATUS_OK) {
        out->end = status == STATUS_CLOSED ? TRAINING_CANCELLED : TRAINING_FAILED;
    }
    out->status = status;
    fit_close(&run.fit);
    holdout_close(&run.holdout);
    for (enum way way = ALIKE; way < WAYS; way++) {
        buffer_free(&run.attempts[way].file);
    }
    buffer_free(&run.live_file);
    out->seconds = (double)(clock_us() - started_us) / 1e6;
}

const char *training_end_name(enum training_end end)
{
    static const char *const names[] = {"live", "trial", "held", "refused", "failed", "cancelled"};

    assert(end >= 0 && (size_t)end < sizeof names / sizeof names[0]);
    return names[end];
}

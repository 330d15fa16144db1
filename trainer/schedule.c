/* schedule: asks what is due, starts one run, reports how it ended. */
#include "trainer/schedule.h"

#include "proto/clock.h"
#include "proto/join.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/model.h"
#include "proto/secret.h"
#include "trainer/priority.h"
#include "trainer/training.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum course_state { IDLE, RUNNING, DONE };

/* The series of a profile: made with its course, so that a run that never came is seen as 0. */
struct course_series {
    struct series *runs[TRAINING_ENDS];
    struct series *seconds;
    struct series *rows[SAMPLE_LABELS];
    struct series *rows_broken[SAMPLE_LABELS];
    struct series *auc;
    struct series *running;
    struct series *progress;
    struct series *new_samples;
};

/* A profile that can be trained. */
struct course {
    const struct profile_settings *profile;
    struct course_series series;
    uint64_t rest_until_ms;
    unsigned failures; /* in a row */
};

/* A profile whose run a person stopped: it rests, also under other settings. */
struct stop {
    char name[PROFILE_NAME_BYTES_MAX + 1];
    uint64_t until_ms; /* 0: none */
};

struct schedule {
    const struct settings *settings;
    struct metrics *metrics;
    void (*on_done)(void *context);
    void *context;
    uint64_t next_check_ms;
    size_t course_count;
    struct course *courses; /* room for PROFILES_MAX, as in the four below: other settings have other profiles */
    struct store_want *wants;
    size_t *want_courses;     /* the course of each want */
    struct store_due *due;
    struct stop *stops;

    _Atomic enum course_state state; /* the training thread moves it from RUNNING to DONE, the leader's all else */
    atomic_bool cancelled;
    pthread_t thread;
    struct course *course; /* the one in training; below: its run */
    struct training training;
    struct training_result result;
    struct training_progress progress;
    uint64_t started_ms;
    uint64_t told_ms; /* on the log, how far it is */
    int told_step;
    bool overdue;
    bool stopped; /* by a person */
};

static bool can_be_trained(const struct profile_settings *profile)
{
    return profile->model_kind != MODEL_KIND_NONE && profile->store == STORE_TEXT;
}

static void free_schedule(struct schedule **schedule)
{
    free((*schedule)->courses);
    free((*schedule)->wants);
    free((*schedule)->want_courses);
    free((*schedule)->due);
    free((*schedule)->stops);
    free(*schedule);
    *schedule = NULL;
}

static void find_series(struct course_series *out, struct metrics *metrics, const char *profile)
{
    struct metric_label labels[] = {{"profile", profile}, {"status", NULL}};
    int64_t run_count = 0;

    for (int end = 0; end < TRAINING_ENDS; end++) {
        labels[1].value = training_end_name((enum training_end)end);
        out->runs[end] = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_runs_total",
                                        "Training runs by their end.", labels, 2);
        run_count += series_value(out->runs[end]);
    }
    labels[1].name = "label";
    for (int label = 0; label < SAMPLE_LABELS; label++) {
        labels[1].value = label == 0 ? "pass" : "violation";
        out->rows[label] = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_rows_total",
                                          "Samples drawn for training.", labels, 2);
        out->rows_broken[label] = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_rows_broken_total",
                                                 "Samples passed over because they are not sound.", labels, 2);
    }
    out->seconds = metrics_series(metrics, METRIC_HISTOGRAM, "prismguard_trainer_run_seconds", "Time of a training run.",
                                  labels, 1);
    out->running = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_running", "1 while the profile is being trained.",
                                  labels, 1);
    out->progress = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_progress",
                                   "Share of the training that is over, 0 to 1; 0 while none runs.", labels, 1);
    out->new_samples = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_new_samples",
                                      "Samples since the last training began, counted up to min_samples of each label.", labels,
                                      1);
    out->auc = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_auc",
                              "ROC-AUC of the last model trained, on held-out rows; NaN before the first.", labels, 1);
    if (run_count == 0) { /* after a reload a model may have been measured already */
        series_set_real(out->auc, (double)NAN);
    }
}

enum status schedule_open(struct schedule **out, const struct settings *settings, struct metrics *metrics,
                          void (*on_done)(void *context), void *context)
{
    struct schedule *schedule = calloc(1, sizeof *schedule);
    size_t room = PROFILES_MAX;

    if (schedule == NULL) {
        return STATUS_NO_MEMORY;
    }
    *schedule = (struct schedule){.settings = settings, .metrics = metrics, .on_done = on_done, .context = context};
    schedule->courses = calloc(room, sizeof *schedule->courses);
    schedule->wants = calloc(room, sizeof *schedule->wants);
    schedule->want_courses = calloc(room, sizeof *schedule->want_courses);
    schedule->due = calloc(room, sizeof *schedule->due);
    schedule->stops = calloc(room, sizeof *schedule->stops);
    if (schedule->courses == NULL || schedule->wants == NULL || schedule->want_courses == NULL ||
        schedule->due == NULL || schedule->stops == NULL) {
        goto fail;
    }
    schedule_use(schedule, settings);
    *out = schedule;
    return STATUS_OK;
fail:
    free_schedule(&schedule);
    return STATUS_NO_MEMORY;
}

bool schedule_is_idle(const struct schedule *schedule)
{
    return atomic_load(&schedule->state) == IDLE;
}

/* The stop of this profile, or else the one that is over first: people stop fewer than PROFILES_MAX within their rests. */
static struct stop *stop_of(const struct schedule *schedule, const char *name)
{
    struct stop *first = schedule->stops;

    for (size_t index = 0; index < PROFILES_MAX; index++) {
        struct stop *stop = &schedule->stops[index];

        if (strcmp(stop->name, name) == 0) {
            return stop;
        }
        first = stop->until_ms < first->until_ms ? stop : first;
    }
    return first;
}

void schedule_use(struct schedule *schedule, const struct settings *settings)
{
    assert(schedule_is_idle(schedule) && settings->profile_count <= PROFILES_MAX);
    schedule->settings = settings;
    schedule->next_check_ms = 0;
    schedule->course_count = 0;
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (can_be_trained(&settings->profiles[index])) {
            struct course *course = &schedule->courses[schedule->course_count++];
            const struct stop *stop = stop_of(schedule, settings->profiles[index].name);

            *course = (struct course){.profile = &settings->profiles[index]};
            if (strcmp(course->profile->name, stop->name) == 0) {
                course->rest_until_ms = stop->until_ms;
            }
            find_series(&course->series, schedule->metrics, course->profile->name);
            series_set(metrics_series(schedule->metrics, METRIC_GAUGE, "prismguard_trainer_min_samples",
                                      "New samples that a training waits for.",
                                      &(struct metric_label){"profile", course->profile->name}, 1),
                       (int64_t)course->profile->training.min_samples);
        }
    }
}

void schedule_cancel(struct schedule *schedule)
{
    atomic_store(&schedule->cancelled, true);
}

bool schedule_stop(struct schedule *schedule, int64_t profile_id)
{
    bool is_going = atomic_load(&schedule->state) == RUNNING && schedule->training.profile_id == profile_id;

    if (is_going && !schedule->stopped) {
        schedule->stopped = true;
        schedule_cancel(schedule);
        log_event(LOG_INFO, "training_stopped", LOG_TEXT("profile", schedule->course->profile->name));
    }
    return is_going;
}

static void count_run(const struct schedule *schedule)
{
    const struct training_result *result = &schedule->result;
    const struct course_series *series = &schedule->course->series;

    series_set(series->running, 0);
    series_set_real(series->progress, 0);
    series_add(series->runs[result->end], 1);
    series_observe(series->seconds, result->seconds);
    for (int label = 0; label < SAMPLE_LABELS; label++) {
        series_add(series->rows[label], result->sampled[label].drawn);
        series_add(series->rows_broken[label], result->sampled[label].broken);
    }
    if (!isnan(result->figures.auc)) {
        series_set_real(series->auc, result->figures.auc);
    }
}

static void log_run(const struct schedule *schedule)
{
    const struct training_result *result = &schedule->result;

    log_event(
        result->end == TRAINING_FAILED ? LOG_ERROR : LOG_INFO, "training_done",
        LOG_TEXT("profile", schedule->course->profile->name), LOG_TEXT("status", training_end_name(result->end)),
        LOG_TEXT("reason", result->reason), LOG_STATUS("error", result->status), LOG_TEXT("sqlstate", result->sqlstate),
        LOG_NUMBER("version", result->version), LOG_NUMBER("rows", result->rows),
        LOG_NUMBER("held_out", result->held_out), LOG_REAL("effective", result->figures.effective),
        LOG_NUMBER("left_out", result->left_out),
        LOG_NUMBER("broken", result->sampled[0].broken + result->sampled[1].broken),
        LOG_TEXT("pass_drawn_by", sample_way_name(result->sampled[0].way)),
        LOG_TEXT("violation_drawn_by", sample_way_name(result->sampled[1].way)), LOG_REAL("auc", result->figures.auc),
        LOG_REAL("pr_auc", result->figures.pr_auc), LOG_REAL("f1", result->figures.f1),
        LOG_REAL("decided", result->figures.decided), LOG_REAL("agreement", result->figures.agreement),
        LOG_REAL("live_auc", result->live_auc), LOG_NUMBER("changed_at_us", result->changed_at_us),
        LOG_REAL("seconds", result->seconds));
}

enum status schedule_close(struct schedule **schedule, uint64_t wait_ms)
{
    if (*schedule == NULL) {
        return STATUS_OK;
    }
    schedule_cancel(*schedule);
    if (atomic_load(&(*schedule)->state) != IDLE) {
        if (join_within((*schedule)->thread, wait_ms) != STATUS_OK) {
            return STATUS_TIMEOUT;
        }
        count_run(*schedule);
        log_run(*schedule);
    }
    free_schedule(schedule);
    return STATUS_OK;
}

static void let_rest(struct schedule *schedule, enum training_end end)
{
    struct course *course = schedule->course;
    uint64_t rest_ms = course->profile->training.every_ms;

    if (end == TRAINING_CANCELLED && !schedule->stopped) {
        return; /* it did nothing wrong */
    }
    if (end == TRAINING_CANCELLED) {
        struct stop *stop = stop_of(schedule, course->profile->name);

        rest_ms += TRAIN_REST_MS;
        stop->until_ms = clock_ms() + rest_ms;
        (void)snprintf(stop->name, sizeof stop->name, "%s", course->profile->name);
    } else if (end == TRAINING_FAILED) {
        rest_ms += (uint64_t)TRAIN_REST_MS << course->failures;
        course->failures += course->failures < TRAIN_REST_DOUBLINGS;
    } else {
        course->failures = 0;
    }
    course->rest_until_ms = end == TRAINING_LIVE || end == TRAINING_TRIAL ? 0 : clock_ms() + rest_ms;
}

void schedule_settle(struct schedule *schedule)
{
    if (atomic_load(&schedule->state) != DONE) {
        return;
    }
    (void)pthread_join(schedule->thread, NULL); /* it has nothing left to do */
    if (schedule->overdue && schedule->result.end == TRAINING_CANCELLED) {
        schedule->result.end = TRAINING_FAILED;
        schedule->result.status = STATUS_TIMEOUT;
    }
    count_run(schedule);
    log_run(schedule);
    let_rest(schedule, schedule->result.end);
    atomic_store(&schedule->state, IDLE);
    schedule->next_check_ms = 0; /* another profile may have been waiting for this one */
}

static void *run_on_thread(void *context)
{
    struct schedule *schedule = context;

    priority_give_way();
    training_run(&schedule->training, &schedule->result);
    atomic_store(&schedule->state, DONE);
    schedule->on_done(schedule->context);
    return NULL;
}

static void start(struct schedule *schedule, const struct store_due *due, int64_t epoch)
{
    struct course *course = &schedule->courses[schedule->want_courses[due->want]];

    schedule->course = course;
    schedule->training = (struct training){
        .database = &schedule->settings->database,
        .profile = course->profile,
        .profile_id = due->profile_id,
        .epoch = epoch,
        .seed = secret_random_u64(),
        .cancelled = &schedule->cancelled,
        .progress = &schedule->progress,
    };
    atomic_store(&schedule->progress.step, 0);
    atomic_store(&schedule->progress.fits, 0);
    atomic_store(&schedule->progress.rows, 0);
    atomic_store(&schedule->progress.wanted, 0);
    schedule->started_ms = clock_ms();
    schedule->told_ms = schedule->started_ms;
    schedule->told_step = 0;
    schedule->overdue = false;
    schedule->stopped = false;
    atomic_store(&schedule->cancelled, false);
    atomic_store(&schedule->state, RUNNING);
    series_set(course->series.running, 1);
    log_event(LOG_INFO, "training_started", LOG_TEXT("profile", course->profile->name), LOG_NUMBER("epoch", epoch));
    if (pthread_create(&schedule->thread, NULL, run_on_thread, schedule) != 0) {
        atomic_store(&schedule->state, IDLE);
        series_set(course->series.running, 0);
        log_event(LOG_ERROR, "training_not_started", LOG_TEXT("profile", course->profile->name),
                  LOG_STATUS("status", STATUS_NO_MEMORY));
    }
}

/* The profiles that do not rest, as the store wants them. */
static size_t list_wants(struct schedule *schedule, uint64_t now_ms)
{
    size_t count = 0;

    for (size_t index = 0; index < schedule->course_count; index++) {
        const struct profile_settings *profile = schedule->courses[index].profile;

        if (schedule->courses[index].rest_until_ms <= now_ms) {
            schedule->wants[count] = (struct store_want){
                .name = bytes_of(profile->name),
                .kind = bytes_of(model_kind_name(profile->model_kind)),
                .min_samples = (int64_t)profile->training.min_samples,
                .every_ms = (int64_t)profile->training.every_ms,
            };
            schedule->want_courses[count++] = index;
        }
    }
    return count;
}

/* A run that goes on: seen in the metrics at each turn, on the log at each step and now and then. */
static void watch_run(struct schedule *schedule, uint64_t now_ms)
{
    int step = atomic_load(&schedule->progress.step);
    double share = training_progress_share(&schedule->progress);

    series_set_real(schedule->course->series.progress, share);
    if (step != schedule->told_step || now_ms - schedule->told_ms >= TRAIN_TELL_MS) {
        schedule->told_step = step;
        schedule->told_ms = now_ms;
        log_event(LOG_INFO, "training_progress", LOG_TEXT("profile", schedule->course->profile->name),
                  LOG_TEXT("step", training_step_name(step)), LOG_NUMBER("rows", atomic_load(&schedule->progress.rows)),
                  LOG_REAL("share", share), LOG_REAL("seconds", (double)(now_ms - schedule->started_ms) / 1e3));
    }
    if (now_ms - schedule->started_ms >= TRAIN_RUN_MS && !schedule->overdue) {
        schedule->overdue = true;
        schedule_cancel(schedule);
    }
}

static bool asks_the_same(const struct settings *settings, const struct profile_settings *one, const struct settings *others,
                          const struct profile_settings *other)
{
    const struct training_settings *a = &one->training;
    const struct training_settings *b = &other->training;

    return strcmp(settings->database.url, others->database.url) == 0 && one->model_kind == other->model_kind &&
           one->store == other->store && one->low == other->low && one->high == other->high &&
           (a->canary > 0) == (b->canary > 0) && a->max_samples == b->max_samples && a->sampling == b->sampling &&
           a->storage == b->storage && a->min_auc == b->min_auc && a->max_regression == b->max_regression;
}

void schedule_outdate(struct schedule *schedule, const struct settings *settings)
{
    const struct profile_settings *profile;

    if (atomic_load(&schedule->state) != RUNNING) {
        return;
    }
    profile = settings_profile(settings, bytes_of(schedule->course->profile->name));
    if (profile == NULL || !asks_the_same(schedule->settings, schedule->course->profile, settings, profile)) {
        schedule_cancel(schedule);
    }
}

/* How far each profile is from its next training. */
static void show_progress(const struct schedule *schedule, size_t known)
{
    for (size_t index = 0; index < known; index++) {
        const struct store_due *due = &schedule->due[index];

        series_set(schedule->courses[schedule->want_courses[due->want]].series.new_samples, due->fresh);
    }
}

enum status schedule_turn(struct schedule *schedule, struct store *store, int64_t epoch)
{
    uint64_t now_ms = clock_ms();
    size_t want_count;
    size_t due_count = 0;
    size_t known = 0;
    enum status status;

    schedule_settle(schedule);
    if (atomic_load(&schedule->state) == RUNNING) {
        watch_run(schedule, now_ms);
    }
    if (atomic_load(&schedule->state) != IDLE || now_ms < schedule->next_check_ms) {
        return STATUS_OK;
    }
    schedule->next_check_ms = now_ms + schedule->settings->trainer.check_every_ms;
    want_count = list_wants(schedule, now_ms);
    status = store_due(store, schedule->wants, want_count, schedule->due, &due_count, &known);
    if (status == STATUS_OK) {
        show_progress(schedule, known);
    }
    if (status == STATUS_OK && due_count > 0) {
        start(schedule, &schedule->due[0], epoch);
    }
    return status;
}

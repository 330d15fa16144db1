/* command_train: a training run as the leader makes it, under the epoch at hand, with its progress; or an end to the leader's. */
#include "trainer/command.h"

#include "proto/clock.h"
#include "proto/join.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/program.h"
#include "trainer/priority.h"
#include "trainer/progress.h"
#include "trainer/store_cancel.h"
#include "trainer/store_samples.h"
#include "trainer/training.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 100, CONFIRMED_MS = 5 * LEADER_CHECK_MS, OUT_BYTES_MAX = 8 * KIB };

struct job {
    struct training training;
    struct training_progress progress;
    struct training_result result;
};

static void *run_on_thread(void *context)
{
    struct job *job = context;

    priority_give_way();
    training_run(&job->training, &job->result);
    return NULL;
}

/* Its end is waited for, however long it takes; it ends itself after TRAIN_RUN_MS. */
static bool run(struct job *job, FILE *errors)
{
    struct progress progress;
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_on_thread, job) != 0) {
        return false;
    }
    progress_begin(&progress, errors, isatty(fileno(errors)) == 1, "train");
    do { /* also of one that is over before the first look */
        progress_tell(&progress, training_progress_share(&job->progress), atomic_load(&job->progress.rows), "rows");
    } while (join_within(thread, LOOK_MS) != STATUS_OK);
    progress_end(&progress);
    return true;
}

static void tell_change(const struct command *command, int64_t changed_at_us)
{
    char when[COMMAND_TIME_BYTES];

    if (changed_at_us != 0) {
        command_write_time(when, changed_at_us);
        (void)fprintf(command->out, "  changed    what violates is another since %s: labels from before count less\n", when);
    }
}

/* What a line of either command begins with: whose training it is, and what becomes of it. */
static void begin_line(struct json_writer *writer, struct buffer *line, const char *profile, const char *training_status)
{
    buffer_init(line, OUT_BYTES_MAX);
    json_writer_init(writer, line);
    json_write_object_begin(writer);
    json_write_key(writer, "profile");
    json_write_text(writer, profile);
    json_write_key(writer, "status");
    json_write_text(writer, training_status);
}

static enum status end_line(const struct command *command, struct json_writer *writer, struct buffer *line)
{
    json_write_object_end(writer);
    if (writer->status == STATUS_OK) {
        (void)fprintf(command->out, "%.*s\n", (int)line->count, line->data);
    }
    buffer_free(line);
    return writer->status;
}

static enum status tell_json(const struct command *command, const struct training_result *result)
{
    struct buffer line;
    struct json_writer writer;

    begin_line(&writer, &line, command->profile->name, training_end_name(result->end));
    json_write_key(&writer, "reason");
    json_write_text(&writer, result->reason);
    json_write_integer_member(&writer, "version", result->version);
    json_write_integer_member(&writer, "rows", result->rows);
    json_write_integer_member(&writer, "held_out", result->held_out);
    json_write_real_member(&writer, "effective", result->figures.effective);
    json_write_integer_member(&writer, "broken", result->sampled[0].broken + result->sampled[1].broken);
    json_write_real_member(&writer, "auc", result->figures.auc);
    json_write_real_member(&writer, "pr_auc", result->figures.pr_auc);
    json_write_real_member(&writer, "f1", result->figures.f1);
    json_write_real_member(&writer, "decided", result->figures.decided);
    json_write_real_member(&writer, "agreement", result->figures.agreement);
    json_write_real_member(&writer, "calibration_error", result->figures.calibration_error);
    json_write_real_member(&writer, "live_auc", result->live_auc);
    json_write_integer_member(&writer, "changed_at_us", result->changed_at_us);
    json_write_real_member(&writer, "seconds", result->seconds);
    return end_line(command, &writer, &line);
}

/* What the gate measured, and what it wanted, of the texts that its reason names. */
static void tell_refusal(const struct command *command, const struct training_result *result)
{
    static const char regression[] = "max_regression";
    const struct training_settings *wanted = &command->profile->training;
    const char *behind = result->reason + sizeof regression - 1; /* of the band's reason */

    if (strncmp(result->reason, regression, sizeof regression - 1) != 0) {
        (void)fprintf(command->out, ": its ROC-AUC of %.4f is below %.4g", result->figures.auc, wanted->min_auc);
        return;
    }
    if (behind[0] == '\0') {
        (void)fprintf(command->out, ": its ROC-AUC of %.4f is more than %.4g below the live version's %.4f", result->figures.auc,
                      wanted->max_regression, result->live_auc);
        return;
    }
    for (int band = 0; band < BANDS; band++) {
        const struct gate_band *found = &result->bands[band];

        if (strcmp(behind + 1, band_name((enum band)band)) == 0) {
            (void)fprintf(command->out,
                          ": among texts that are %s its ROC-AUC of %.4f is more than %.4g and %.4g, for chance, below the live "
                          "version's %.4f",
                          band_name((enum band)band), found->auc, wanted->max_regression, GATE_BAND_ERRORS * found->error,
                          found->live_auc);
        }
    }
}

static void tell_end(const struct command *command, const struct training_result *result)
{
    (void)fprintf(command->out, "%s: version %" PRId64 " ", command->profile->name, result->version);
    switch (result->end) {
    case TRAINING_TRIAL:
        (void)fputs("passed the gate and is on trial beside the live version", command->out);
        break;
    case TRAINING_HELD:
        (void)fprintf(command->out, "passed the gate and is kept as a candidate: the profile %s",
                      strcmp(result->reason, "pinned") == 0 ? "is pinned to another version"
                                                            : "has another live version by now, which it was not compared with");
        break;
    case TRAINING_REFUSED:
        (void)fprintf(command->out, "is refused by %s", result->reason);
        tell_refusal(command, result);
        break;
    default:
        (void)fprintf(command->out, "is %s", training_end_name(result->end));
        break;
    }
    (void)fputs("\n", command->out);
}

static void tell(const struct command *command, const struct training_result *result)
{
    const struct evaluate_figures *figures = &result->figures;

    tell_end(command, result);
    (void)fprintf(command->out, "  rows       %" PRId64 ", of them held out %" PRId64 " (effective %.0f), broken %" PRId64 "\n",
                  result->rows, result->held_out, figures->effective, result->sampled[0].broken + result->sampled[1].broken);
    (void)fprintf(command->out, "  ROC-AUC    %.4f", figures->auc);
    if (!isnan(result->live_auc)) {
        (void)fprintf(command->out, " (the version before: %.4f)", result->live_auc);
    }
    (void)fprintf(command->out, "\n  PR-AUC     %.4f\n  F1         %.4f\n", figures->pr_auc, figures->f1);
    command_tell_decided(command, figures->decided, figures->agreement);
    tell_change(command, result->changed_at_us);
    (void)fprintf(command->out, "  took       %.1f s\n", result->seconds);
}

static int report(const struct command *command, const struct training_result *result)
{
    enum status status;

    if (result->end == TRAINING_FAILED || result->end == TRAINING_CANCELLED) {
        char too_few[64];
        const char *why = result->sqlstate[0] == '\0' ? status_sentence(result->status) : db_failure(result->status);

        if (result->status == STATUS_STALE) {
            why = "another trainer took the lead meanwhile";
        } else if (result->status == STATUS_TOO_FEW) {
            (void)snprintf(too_few, sizeof too_few, "there are too few samples of a label: it takes %d of each",
                           TRAIN_LABEL_ROWS_MIN);
            why = too_few;
        }
        return command_fail(command, result->reason, why);
    }
    status = STATUS_OK;
    if (command->options[COMMAND_JSON] != NULL) {
        status = tell_json(command, result);
    } else {
        tell(command, result);
    }
    if (status != STATUS_OK) {
        return command_fail(command, "the answer", status_sentence(status));
    }
    return result->end == TRAINING_REFUSED ? COMMAND_REFUSED : PROGRAM_OK;
}

int command_train(struct command *command)
{
    const atomic_bool never = false;
    struct job job = {.training = {.database = &command->settings->database,
                                   .profile = command->profile,
                                   .seed = secret_random_u64(),
                                   .cancelled = &never,
                                   .progress = &job.progress}};
    enum status status;

    if (command->profile->model_kind == MODEL_KIND_NONE) {
        return command_fail(command, command->profile->name, "the profile wants no model");
    }
    if (!command_profile(command, false, &job.training.profile_id)) {
        return PROGRAM_FAILED;
    }
    status = store_read_epoch(command->store, &job.training.epoch);
    if (status != STATUS_OK) {
        return command_fail_store(command, "cannot read the epoch", status);
    }
    store_close(&command->store); /* the run has its own */
    if (!run(&job, command->errors)) {
        return command_fail(command, "no thread for it", status_sentence(STATUS_NO_MEMORY));
    }
    return report(command, &job.result);
}

/* Until the leader has confirmed it: it hears of it at its next turn, one in LEADER_CHECK_MS where the database answers soon. */
static bool is_confirmed(struct command *command, int64_t profile_id)
{
    uint64_t until_ms = clock_ms() + CONFIRMED_MS;

    while (!store_is_cancelled(command->store, profile_id)) {
        if (clock_ms() >= until_ms || !store_alive(command->store)) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return true;
}

int command_cancel(struct command *command)
{
    const char *name = command->arguments[0];
    struct json_writer writer;
    struct buffer line;
    int64_t profile_id;
    enum status status;

    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    status = store_ask_cancel(command->store, profile_id);
    if (status != STATUS_OK) {
        return command_fail_store(command, "cannot ask the leader", status);
    }
    if (!is_confirmed(command, profile_id)) {
        if (!store_alive(command->store)) {
            return command_fail_store(command, "cannot hear the leader", STATUS_UNAVAILABLE);
        }
        (void)fprintf(command->errors, "prismguard-trainer cancel: %s: %s\n", name,
                      "no leader says that it has a training of it under way");
        return COMMAND_REFUSED;
    }
    if (command->options[COMMAND_JSON] != NULL) {
        begin_line(&writer, &line, name, "cancelling");
        status = end_line(command, &writer, &line);
        return status == STATUS_OK ? PROGRAM_OK : command_fail(command, "cannot print it", status_sentence(status));
    }
    (void)fprintf(command->out, "%s: its training is being cancelled\n", name);
    return PROGRAM_OK;
}

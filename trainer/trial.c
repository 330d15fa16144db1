/* trial: the drawn texts through two models, and a rule about what the tally says. */
#include "trainer/trial.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/model.h"
#include "trainer/store_versions.h"

#include <assert.h>
#include <stdlib.h>

enum { LIVE, TRIED }; /* judges of the tally */

struct hearing {
    const struct profile_settings *profile;
    const struct store_standing *standing;
    struct model *models[TALLY_JUDGES]; /* NULL = none that can be read */
    struct tally_row *rows;             /* the newest first; room for TRIAL_ROWS_MAX */
    size_t count;
    size_t counts[TALLY_JUDGES]; /* of them drawn since the version was made: they are in front */
    size_t decided;
    size_t bytes;
    bool cut; /* by TRIAL_BYTES_MAX */
};

static enum status on_text(void *context, const struct store_drawn_text *text)
{
    struct hearing *hearing = context;
    const double middle = (hearing->profile->low + hearing->profile->high) / 2;
    const int64_t made_us[TALLY_JUDGES] = {hearing->standing->live_made_us, hearing->standing->trial_made_us};
    struct tally_row *row = &hearing->rows[hearing->count];

    assert(hearing->count < TRIAL_ROWS_MAX);
    if (!(text->share > 0)) {
        return STATUS_OK; /* a row that is not sound */
    }
    if (hearing->bytes + text->text.count > TRIAL_BYTES_MAX) {
        hearing->cut = true;
        return STATUS_FULL;
    }
    hearing->bytes += text->text.count;
    *row = (struct tally_row){.weight = 1 / text->share, .label = text->label != 0};
    for (int judge = 0; judge < TALLY_JUDGES; judge++) {
        if (hearing->models[judge] != NULL) {
            row->says[judge] = model_score(hearing->models[judge], text->text) >= middle;
            hearing->counts[judge] += text->drawn_us >= made_us[judge];
        }
    }
    hearing->decided += hearing->standing->trial_version > 0 && text->model_version == hearing->standing->trial_version &&
                        text->drawn_us >= made_us[TRIED];
    hearing->count++;
    return STATUS_OK;
}

/* What cannot be read is no reason to stop: there is nothing to score with it. */
static enum status open_model(struct store *store, int64_t profile_id, int64_t version, struct model **out)
{
    struct buffer file;
    enum status status = STATUS_NOT_FOUND;

    if (version == 0) {
        return STATUS_OK;
    }
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    status = store_read_version(store, profile_id, version, &file);
    if (status == STATUS_OK && model_open(out, buffer_view(&file)) == STATUS_NO_MEMORY) {
        status = STATUS_NO_MEMORY;
    }
    buffer_free(&file);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status hear(struct store *store, struct hearing *hearing)
{
    const struct store_standing *standing = hearing->standing;
    const struct store_drawn_reader reader = {on_text, hearing};
    int64_t since_us = standing->live_version == 0 ? standing->trial_made_us : standing->live_made_us;
    enum status status = open_model(store, standing->profile_id, standing->live_version, &hearing->models[LIVE]);

    if (status == STATUS_OK) {
        status = open_model(store, standing->profile_id, standing->trial_version, &hearing->models[TRIED]);
    }
    if (status == STATUS_OK) {
        status = store_read_drawn(store, standing->profile_id, since_us, TRIAL_ROWS_MAX, &reader);
    }
    return status == STATUS_FULL ? STATUS_OK : status;
}

static bool is_behind(const struct tally_drop *drop, double max_regression, double errors)
{
    return drop->value > max_regression + errors * drop->error; /* unknown is not behind */
}

/* "" = it holds. */
static const char *find_fault(const struct hearing *hearing, double errors)
{
    double max_regression = hearing->profile->training.max_regression;
    struct tally_drop precision;
    struct tally_drop recall;

    if (hearing->models[LIVE] == NULL) {
        return "";
    }
    tally_compare(hearing->rows, hearing->counts[TRIED], &precision, &recall);
    return is_behind(&precision, max_regression, errors) ? "trial_precision"
           : is_behind(&recall, max_regression, errors)  ? "trial_recall"
                                                         : "";
}

static void conclude(struct trial_result *result, enum trial_end end, const char *reason)
{
    result->end = end;
    result->reason = reason;
}

static void decide(const struct hearing *hearing, struct trial_result *result)
{
    const struct training_settings *training = &hearing->profile->training;
    size_t count = result->trial.count;
    bool enough = (count >= training->canary_labels || (hearing->cut && count >= TRIAL_EARLY_MIN)) &&
                  result->trial.violations >= TRIAL_VIOLATIONS_MIN && result->decided >= TRIAL_DECIDED_MIN;
    const char *fault = enough || count >= TRIAL_EARLY_MIN ? find_fault(hearing, enough ? TRIAL_ERRORS : TRIAL_ERRORS_EARLY) : "";

    if (!(training->canary > 0)) {
        conclude(result, TRIAL_SET_ASIDE, "trial_off");
    } else if (hearing->models[TRIED] == NULL) {
        conclude(result, TRIAL_REFUSED, "trial_unreadable");
    } else if (fault[0] != '\0') {
        conclude(result, TRIAL_REFUSED, fault);
    } else if (enough) {
        conclude(result, TRIAL_PROMOTED, "");
    } else if (hearing->standing->trial_age_ms >= (int64_t)training->canary_time_ms) {
        conclude(result, TRIAL_SET_ASIDE, "trial_too_few");
    }
}

enum status trial_judge(struct store *store, const struct profile_settings *profile, const struct store_standing *standing,
                        struct trial_result *out)
{
    struct hearing hearing = {.profile = profile, .standing = standing};
    struct trial_result result = {.end = TRIAL_GOES_ON, .reason = ""};
    enum status status = STATUS_NO_MEMORY;

    hearing.rows = calloc(TRIAL_ROWS_MAX, sizeof *hearing.rows);
    if (hearing.rows != NULL) {
        status = hear(store, &hearing);
    }
    if (status == STATUS_OK) {
        tally_figures(hearing.rows, hearing.counts[LIVE], LIVE, &result.live);
        tally_figures(hearing.rows, hearing.counts[TRIED], TRIED, &result.trial);
        tally_figures(hearing.rows, hearing.models[LIVE] == NULL ? 0 : hearing.counts[TRIED], LIVE, &result.beside);
        result.decided = hearing.decided;
        if (standing->trial_version > 0) {
            decide(&hearing, &result);
        }
        *out = result;
    }
    model_close(&hearing.models[LIVE]);
    model_close(&hearing.models[TRIED]);
    free(hearing.rows);
    return status;
}

static void write_rate(struct json_writer *writer, const char *key, const struct tally_rate *rate)
{
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_write_real_member(writer, "value", rate->value);
    json_write_real_member(writer, "low", rate->low);
    json_write_real_member(writer, "high", rate->high);
    json_write_object_end(writer);
}

static void write_figures(struct json_writer *writer, const struct tally_figures *figures)
{
    json_write_integer_member(writer, "labels", (int64_t)figures->count);
    json_write_integer_member(writer, "violations", (int64_t)figures->violations);
    write_rate(writer, "precision", &figures->precision);
    write_rate(writer, "recall", &figures->recall);
}

enum status trial_write_live(const struct trial_result *result, struct buffer *out)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    write_figures(&writer, &result->live);
    json_write_object_end(&writer);
    return writer.status;
}

enum status trial_write(const struct trial_result *result, const struct profile_settings *profile, struct buffer *out)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    write_figures(&writer, &result->trial);
    json_write_integer_member(&writer, "labels_wanted", (int64_t)profile->training.canary_labels);
    json_write_integer_member(&writer, "violations_wanted", TRIAL_VIOLATIONS_MIN);
    json_write_integer_member(&writer, "decided", (int64_t)result->decided);
    json_write_integer_member(&writer, "decided_wanted", TRIAL_DECIDED_MIN);
    write_rate(&writer, "live_precision", &result->beside.precision);
    write_rate(&writer, "live_recall", &result->beside.recall);
    json_write_object_end(&writer);
    return writer.status;
}

const char *trial_end_name(enum trial_end end)
{
    static const char *const names[TRIAL_ENDS] = {"on_trial",  "promoted",    "refused",   "aside",
                                                  "published", "rolled_back", "superseded"};

    assert(end >= 0 && end < TRIAL_ENDS);
    return names[end];
}

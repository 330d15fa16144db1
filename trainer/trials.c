/* trials: a list of profiles with versions in use, walked through turn by turn. */
#include "trainer/trials.h"

#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "trainer/store_versions.h"
#include "trainer/trial.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BOUNDS = 3, STANDS = 2 };

/* How good a version is, as the metrics say it. */
struct stand_series {
    struct series *precision[BOUNDS]; /* the value, and the ends of its interval */
    struct series *recall[BOUNDS];
    struct series *labels;
};

struct place {
    int64_t version; /* that was live when it was last judged */
    int64_t drawn_us;
    int64_t tried;                      /* the version that was on trial at the last look; 0 = none, or its end was told */
    struct trial_result result;         /* of the last judgement */
    int64_t result_version;             /* that was on trial then; 0 = none */
    struct stand_series stands[STANDS]; /* of the live version, and of the one on trial */
    struct series *live_version;
    struct series *trial_version;
    struct series *ends[TRIAL_ENDS];
};

struct trials {
    const struct settings *settings;
    struct metrics *metrics;
    uint64_t next_ms;
    int64_t epoch;  /* in which `change` was looked at; 0 = none */
    int64_t change; /* of `models`, at the last look */
    struct bytes *names;    /* of the profiles that are trained; room for PROFILES_MAX, as in all below */
    size_t *profiles;       /* the index of each in the settings */
    struct place *places;
    size_t name_count;
    struct store_standing *seen; /* at the last look */
    struct store_standing *found; /* at the beginning of the round */
    size_t found_count;
    size_t found_at;
};

static void find_stand(struct stand_series *out, struct metrics *metrics, const char *profile, const char *status)
{
    static const char *const bounds[BOUNDS] = {"value", "low", "high"};
    struct metric_label labels[] = {{"profile", profile}, {"status", status}, {"bound", NULL}};

    for (int bound = 0; bound < BOUNDS; bound++) {
        labels[2].value = bounds[bound];
        out->precision[bound] = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_precision",
                                               "Precision on texts drawn at random, with its interval of 95 per cent.", labels,
                                               3);
        out->recall[bound] = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_recall",
                                            "Recall on texts drawn at random, with its interval of 95 per cent.", labels, 3);
    }
    out->labels = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_drawn_labels",
                                 "Labels of texts drawn at random since the version was made.", labels, 2);
}

static void tell_rate(struct series *const series[BOUNDS], const struct tally_rate *rate)
{
    series_set_real(series[0], rate->value);
    series_set_real(series[1], rate->low);
    series_set_real(series[2], rate->high);
}

static void tell_stand(const struct stand_series *series, const struct tally_figures *figures)
{
    tell_rate(series->precision, &figures->precision);
    tell_rate(series->recall, &figures->recall);
    series_set(series->labels, (int64_t)figures->count);
}

/* Nothing is known of how good its versions are. */
static void tell_no_stands(const struct place *place)
{
    struct tally_figures none;

    tally_figures(NULL, 0, 0, &none);
    for (int stand = 0; stand < STANDS; stand++) {
        tell_stand(&place->stands[stand], &none);
    }
}

static void open_place(struct place *place, struct metrics *metrics, const char *profile)
{
    struct metric_label labels[] = {{"profile", profile}, {"result", NULL}};

    *place = (struct place){.version = 0};
    find_stand(&place->stands[0], metrics, profile, "live");
    find_stand(&place->stands[1], metrics, profile, "canary");
    tell_no_stands(place);
    place->live_version = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_model_version",
                                         "Version that is live in the database; 0 for none, and while it does not lead.", labels,
                                         1);
    place->trial_version = metrics_series(metrics, METRIC_GAUGE, "prismguard_trainer_trial_version",
                                          "Version that is on trial; 0 for none, and while it does not lead.", labels, 1);
    for (int end = TRIAL_PROMOTED; end < TRIAL_ENDS; end++) {
        labels[1].value = trial_end_name((enum trial_end)end);
        place->ends[end] = metrics_series(metrics, METRIC_COUNTER, "prismguard_trainer_trials_total", "Trials by their end.",
                                          labels, 2);
    }
}

void trials_use(struct trials *trials, const struct settings *settings)
{
    assert(settings->profile_count <= PROFILES_MAX);
    /* The series outlive the places: of a profile that gets none now, nobody would tell anything again. */
    trials_leave(trials);
    for (size_t index = 0; index < trials->name_count; index++) {
        tell_no_stands(&trials->places[index]);
    }
    trials->settings = settings;
    trials->next_ms = 0;
    trials->name_count = 0;
    trials->found_count = 0;
    trials->found_at = 0;
    for (size_t index = 0; index < settings->profile_count; index++) {
        const struct profile_settings *profile = &settings->profiles[index];

        if (profile->model_kind != MODEL_KIND_NONE && profile->store == STORE_TEXT) {
            open_place(&trials->places[trials->name_count], trials->metrics, profile->name);
            trials->profiles[trials->name_count] = index;
            trials->names[trials->name_count++] = bytes_of(profile->name);
        }
    }
}

enum status trials_open(struct trials **out, const struct settings *settings, struct metrics *metrics)
{
    struct trials *trials = calloc(1, sizeof *trials);

    if (trials == NULL) {
        return STATUS_NO_MEMORY;
    }
    trials->metrics = metrics;
    trials->names = calloc(PROFILES_MAX, sizeof *trials->names);
    trials->profiles = calloc(PROFILES_MAX, sizeof *trials->profiles);
    trials->places = calloc(PROFILES_MAX, sizeof *trials->places);
    trials->seen = calloc(PROFILES_MAX, sizeof *trials->seen);
    trials->found = calloc(PROFILES_MAX, sizeof *trials->found);
    if (trials->names == NULL || trials->profiles == NULL || trials->places == NULL || trials->seen == NULL ||
        trials->found == NULL) {
        trials_close(&trials);
        return STATUS_NO_MEMORY;
    }
    trials_use(trials, settings);
    *out = trials;
    return STATUS_OK;
}

void trials_close(struct trials **trials)
{
    if (*trials != NULL) {
        free((*trials)->names);
        free((*trials)->profiles);
        free((*trials)->places);
        free((*trials)->seen);
        free((*trials)->found);
        free(*trials);
        *trials = NULL;
    }
}

static enum status note(struct store *store, int64_t epoch, const struct profile_settings *profile,
                        const struct store_standing *standing, const struct trial_result *result)
{
    struct buffer figures;
    enum status status = STATUS_OK;

    buffer_init(&figures, FIGURES_BYTES_MAX);
    if (standing->live_version > 0) {
        status = trial_write_live(result, &figures);
        if (status == STATUS_OK) {
            status = store_note_trial(store, epoch, standing->profile_id, standing->live_version, buffer_view(&figures));
        }
    }
    if (status == STATUS_OK && standing->trial_version > 0) {
        buffer_clear(&figures);
        status = trial_write(result, profile, &figures);
        if (status == STATUS_OK) {
            status = store_note_trial(store, epoch, standing->profile_id, standing->trial_version, buffer_view(&figures));
        }
    }
    buffer_free(&figures);
    return status;
}

static void tell_end(const struct place *place, const char *profile, int64_t version, enum trial_end end, const char *reason,
                     const struct trial_result *result)
{
    series_add(place->ends[end], 1);
    log_event(end == TRIAL_REFUSED || end == TRIAL_SET_ASIDE ? LOG_WARN : LOG_INFO, "trial_done", LOG_TEXT("profile", profile),
              LOG_NUMBER("version", version), LOG_TEXT("status", trial_end_name(end)), LOG_TEXT("reason", reason),
              LOG_NUMBER("labels", result->trial.count), LOG_NUMBER("violations", result->trial.violations),
              LOG_NUMBER("decided", result->decided), LOG_REAL("precision", result->trial.precision.value),
              LOG_REAL("recall", result->trial.recall.value), LOG_REAL("live_precision", result->beside.precision.value),
              LOG_REAL("live_recall", result->beside.recall.value));
}

/* What became of a version that others took off its trial, by what it is now. */
static enum status on_former(void *context, const struct store_version *version)
{
    enum trial_end *end = context;

    if (bytes_equal(version->reason, BYTES("rolled_back"))) {
        *end = TRIAL_ROLLED_BACK;
    } else if (bytes_equal(version->status, BYTES("live")) || bytes_equal(version->status, BYTES("retired"))) {
        *end = TRIAL_PUBLISHED;
    }
    return STATUS_OK;
}

/* A person ended it, or a training that had begun before it. */
static enum status tell_former(struct store *store, struct place *place, const char *profile, int64_t profile_id)
{
    enum trial_end end = TRIAL_SUPERSEDED;
    const struct store_version_reader reader = {on_former, &end};
    struct trial_result unknown = {.end = TRIAL_GOES_ON};
    enum status status = store_show_version(store, profile_id, place->tried, &reader);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    tally_figures(NULL, 0, 0, &unknown.trial);
    tally_figures(NULL, 0, 0, &unknown.beside);
    tell_end(place, profile, place->tried, end, "", place->result_version == place->tried ? &place->result : &unknown);
    place->tried = 0;
    return STATUS_OK;
}

/* Which versions are in use. A trial of another lead is told by whoever led then: nobody knows here who ended it. */
static enum status look(struct trials *trials, struct store *store, int64_t epoch, int64_t change)
{
    size_t count = 0;
    enum status status = store_list_standings(store, trials->names, trials->name_count, trials->seen, &count);

    for (size_t index = 0; index < trials->name_count && epoch != trials->epoch; index++) {
        trials->places[index].tried = 0;
    }
    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        const struct store_standing *standing = &trials->seen[index];
        struct place *place = &trials->places[standing->name];

        series_set(place->live_version, standing->live_version);
        series_set(place->trial_version, standing->trial_version);
        if (place->tried != 0 && place->tried != standing->trial_version) {
            status = tell_former(store, place, trials->settings->profiles[trials->profiles[standing->name]].name,
                                 standing->profile_id);
        }
        if (status == STATUS_OK) {
            place->tried = standing->trial_version;
        }
    }
    if (status == STATUS_OK) {
        trials->epoch = epoch;
        trials->change = change;
    }
    return status;
}

void trials_leave(struct trials *trials)
{
    trials->epoch = 0;
    for (size_t index = 0; index < trials->name_count; index++) {
        series_set(trials->places[index].live_version, 0);
        series_set(trials->places[index].trial_version, 0);
    }
}

/* Others may have ended it just now, or pinned the profile: then it is as they said. */
static enum status end_trial(struct store *store, int64_t epoch, struct place *place,
                             const struct profile_settings *profile, const struct store_standing *standing,
                             const struct trial_result *result)
{
    static const char *const names[TRIAL_ENDS] = {
        [TRIAL_PROMOTED] = "live", [TRIAL_REFUSED] = "refused", [TRIAL_SET_ASIDE] = "candidate"};
    enum status status = store_end_trial(store, epoch, standing->profile_id, standing->trial_version, names[result->end],
                                         result->reason);

    if (status == STATUS_OK) {
        place->tried = 0;
        series_set(place->trial_version, 0); /* what is live now, the next look says */
        tell_end(place, profile->name, standing->trial_version, result->end, result->reason, result);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status tend(struct trials *trials, struct store *store, int64_t epoch, const struct store_standing *standing)
{
    const struct profile_settings *profile = &trials->settings->profiles[trials->profiles[standing->name]];
    struct place *place = &trials->places[standing->name];
    struct trial_result result;
    enum status status;

    if (standing->trial_version == 0 && (standing->live_version == 0 || (standing->live_version == place->version &&
                                                                          standing->drawn_us == place->drawn_us))) {
        return STATUS_OK; /* nothing is in use, or nothing is new */
    }
    status = trial_judge(store, profile, standing, &result);
    if (status == STATUS_OK) {
        place->result = result;
        place->result_version = standing->trial_version;
    }
    if (status == STATUS_OK) {
        status = note(store, epoch, profile, standing, &result);
    }
    if (status == STATUS_OK && result.end != TRIAL_GOES_ON) {
        status = end_trial(store, epoch, place, profile, standing, &result);
    }
    if (status == STATUS_OK) {
        place->version = standing->live_version;
        place->drawn_us = standing->drawn_us;
        tell_stand(&place->stands[0], &result.live);
        tell_stand(&place->stands[1], &result.trial);
    }
    return status;
}

enum status trials_turn(struct trials *trials, struct store *store, int64_t epoch, int64_t change)
{
    uint64_t began_ms = clock_ms();
    enum status status = STATUS_OK;

    if (epoch != trials->epoch || change != trials->change) {
        status = look(trials, store, epoch, change);
    }
    if (status == STATUS_OK && trials->found_at == trials->found_count) {
        if (began_ms < trials->next_ms) {
            return STATUS_OK;
        }
        trials->next_ms = began_ms + trials->settings->trainer.check_every_ms;
        trials->found_at = 0;
        trials->found_count = 0;
        status = store_list_standings(store, trials->names, trials->name_count, trials->found, &trials->found_count);
    }
    while (status == STATUS_OK && trials->found_at < trials->found_count && clock_ms() - began_ms < TRIAL_TURN_MS) {
        status = tend(trials, store, epoch, &trials->found[trials->found_at++]);
    }
    return status;
}

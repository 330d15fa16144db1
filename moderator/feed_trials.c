/* feed_trials: a look at each profile's seat after each reading of the list. */
#include "moderator/feed_trials.h"

#include "proto/log.h"

#include <stdlib.h>

struct feed_trials {
    const struct settings *settings;
    struct live *live;
    const size_t *numbers;
    uint64_t *listed;       /* versions, one a profile; 0 = none */
    struct series *series[]; /* the same */
};

enum status feed_trials_open(struct feed_trials **out, const struct settings *settings, struct live *live, const size_t *numbers,
                             struct metrics *metrics)
{
    struct feed_trials *trials = calloc(1, sizeof *trials + settings->profile_count * sizeof *trials->series);

    if (trials == NULL) {
        return STATUS_NO_MEMORY;
    }
    trials->settings = settings;
    trials->live = live;
    trials->numbers = numbers;
    trials->listed = calloc(settings->profile_count + 1, sizeof *trials->listed);
    if (trials->listed == NULL) {
        feed_trials_close(&trials);
        return STATUS_NO_MEMORY;
    }
    for (size_t profile = 0; profile < settings->profile_count; profile++) {
        const struct metric_label label = {"profile", settings->profiles[profile].name};

        trials->series[profile] = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_trial_version",
                                                 "Version on trial; 0 for none", &label, 1);
    }
    *out = trials;
    return STATUS_OK;
}

void feed_trials_close(struct feed_trials **trials)
{
    if (*trials != NULL) {
        free((*trials)->listed);
        free(*trials);
        *trials = NULL;
    }
}

bool feed_trials_wanted(const struct feed_trials *trials, size_t profile)
{
    return trials->settings->profiles[profile].training.canary > 0;
}

size_t feed_trials_seat(const struct feed_trials *trials, size_t profile)
{
    return live_trial_of(trials->live, trials->numbers[profile]);
}

void feed_trials_took(struct feed_trials *trials, size_t profile, uint64_t version)
{
    series_set(trials->series[profile], (int64_t)version);
}

static void look_at(struct feed_trials *trials, size_t profile)
{
    size_t seat = feed_trials_seat(trials, profile);
    uint64_t version = live_version(trials->live, seat);
    uint64_t listed = feed_trials_wanted(trials, profile) ? trials->listed[profile] : 0;

    if (version == 0 && !live_is_away(trials->live, seat)) {
        return;
    }
    if (listed == 0 || (version != 0 && version != listed)) {
        live_drop(trials->live, seat);
        series_set(trials->series[profile], 0);
        log_event(LOG_INFO, "model_trial_over", LOG_TEXT("profile", trials->settings->profiles[profile].name),
                  LOG_NUMBER("version", version));
    }
}

enum status feed_trials_end(struct feed_trials *trials, struct feed_table *table)
{
    enum status status = feed_table_read_trials(table, trials->listed);

    for (size_t profile = 0; status == STATUS_OK && profile < trials->settings->profile_count; profile++) {
        look_at(trials, profile);
    }
    return status;
}

/* outfit: two judges of one thread, and a series for each kind of verdict of each profile. */
#include "moderator/outfit.h"

#include <assert.h>
#include <stdlib.h>

enum { OUTCOMES = OUTCOME_UNSURE + 1, SOURCES = SOURCE_UNDECIDED + 1 };

enum status outfit_open(struct outfit **out, const struct judge_parts *base, struct pause pause, struct metrics *metrics)
{
    struct judge_parts parts = *base;
    size_t series_count = rules_settings(parts.rules)->profile_count * OUTCOMES * SOURCES;
    struct outfit *outfit = calloc(1, sizeof *outfit + series_count * sizeof *outfit->judged);
    enum status status;

    if (outfit == NULL) {
        return STATUS_NO_MEMORY;
    }
    outfit->metrics = metrics;
    parts.pause = (struct pause){0};
    status = judge_open(&outfit->second, &parts);
    parts.pause = pause;
    if (status == STATUS_OK) {
        status = judge_open(&outfit->judge, &parts);
    }
    if (status != STATUS_OK) {
        outfit_close(outfit);
        return status;
    }
    *out = outfit;
    return STATUS_OK;
}

void outfit_close(struct outfit *outfit)
{
    if (outfit != NULL) {
        judge_close(&outfit->judge);
        judge_close(&outfit->second);
        free(outfit);
    }
}

void outfit_count(struct outfit *outfit, struct bytes name, const struct message_verdict *verdict)
{
    size_t place = 0;
    const struct profile_settings *profile = judge_profile(outfit->judge, name, &place);
    size_t index = (place * OUTCOMES + verdict->outcome) * SOURCES + verdict->source;

    assert(profile != NULL);
    if (outfit->judged[index] == NULL) {
        const struct metric_label labels[] = {
            {"profile", profile->name},
            {"outcome", outcome_name(verdict->outcome)},
            {"source", verdict_source_name(verdict->source)},
        };

        outfit->judged[index] = metrics_series(outfit->metrics, METRIC_COUNTER, "prismguard_moderator_judged_total",
                                               "Texts judged by keywords and the local model", labels, 3);
    }
    series_add(outfit->judged[index], 1);
}

/* outfit: two judges that do not disturb one another, and each verdict counted by what it was. */
#include "support/model.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/outfit.h"
#include "proto/secret.h"

#include <math.h>

static int start(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK ? 0 : -1;
}

struct place {
    struct profile_settings profiles[2];
    struct settings settings;
    struct rules *rules;
    struct live *live;
    struct metrics *metrics;
    struct outfit *outfit;
    unsigned pauses;
};

static bool count_pause(void *context)
{
    struct place *place = context;

    place->pauses++;
    return true;
}

static enum status open_outfit(struct place *place)
{
    const struct judge_parts parts = {
        .rules = place->rules, .live = place->live, .pause = {count_pause, place}}; /* not looked at */

    return outfit_open(&place->outfit, &parts, (struct pause){count_pause, place}, place->metrics);
}

static void open_place(struct place *place, size_t live_profiles)
{
    *place = (struct place){.profiles = {{.name = "default", .model_kind = MODEL_KIND_HASHLINEAR, .low = 0.2, .high = 0.8},
                                         {.name = "other", .low = 0.2, .high = 0.8}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    assert_status(STATUS_OK, live_open(&place->live, live_profiles));
    assert_status(STATUS_OK, metrics_open(&place->metrics));
}

static void close_place(struct place *place)
{
    outfit_close(place->outfit);
    outfit_close(NULL);
    rules_release(&place->rules);
    live_close(&place->live);
    metrics_close(&place->metrics);
}

static int64_t judged(const struct place *place, const char *profile, const char *outcome, const char *source)
{
    const struct metric_label labels[] = {{"profile", profile}, {"outcome", outcome}, {"source", source}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_judged_total", "", labels, 3));
}

static void each_verdict_is_counted_by_profile_outcome_and_source(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 2);
    assert_status(STATUS_OK, open_outfit(&place));
    for (int count = 0; count < 3; count++) {
        outfit_count(place.outfit, BYTES("default"), &(struct message_verdict){.outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD});
    }
    outfit_count(place.outfit, BYTES("other"), &(struct message_verdict){.outcome = OUTCOME_UNSURE, .source = SOURCE_UNDECIDED});
    assert_int_equal(3, judged(&place, "default", "block", "keyword"));
    assert_int_equal(0, judged(&place, "other", "block", "keyword"));
    assert_int_equal(1, judged(&place, "other", "unsure", "undecided"));
    assert_int_equal(0, judged(&place, "default", "allow", "none"));
    close_place(&place);
}

/* Whoever judges in the other's pause must not pause itself. */
static void only_the_first_judge_pauses(void **state)
{
    static char text[MIB];
    const struct message_task_head head = {.kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};
    const struct bytes texts[] = {{text, sizeof text}};
    struct message_verdict verdict;
    struct message_task task;
    struct buffer packed;
    struct place place;

    (void)state;
    memset(text, 'x', sizeof text); /* in steps */
    open_place(&place, 2);
    assert_status(STATUS_OK, open_outfit(&place));
    assert_status(STATUS_OK, live_put(place.live, 0, model_make(0, 0), 1));
    task = task_make(&packed, &head, "default", texts, 1);
    assert_status(STATUS_OK, judge_task(place.outfit->second, &task, &verdict));
    assert_int_equal(0, place.pauses);
    assert_status(STATUS_OK, judge_task(place.outfit->judge, &task, &verdict));
    assert_true(place.pauses > 0);
    buffer_free(&packed);
    close_place(&place);
}

static void what_a_judge_cannot_have_is_told(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, 1); /* room for one of two profiles */
    assert_status(STATUS_FULL, open_outfit(&place));
    assert_null(place.outfit);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verdict_is_counted_by_profile_outcome_and_source),
        cmocka_unit_test(only_the_first_judge_pauses),
        cmocka_unit_test(what_a_judge_cannot_have_is_told),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

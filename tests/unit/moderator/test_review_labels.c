/* test_review_labels: only what an answer says for certain becomes a label, and what was drawn is asked about alone. */
#include "support/own_folder.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/history_writer.h"
#include "moderator/review_labels.h"

#include <stdlib.h>

/* A history whose database is away: labels stay queued, and are counted. */
struct place {
    struct settings settings;
    struct profile_settings profile;
    struct metrics *metrics;
    struct review_profile reviewing;
    struct review_labels labels;
    struct message_task task;
    struct buffer packed;
};

static int open_place(void **state)
{
    static const struct message_task_head head = {.kind = SLOT_REVIEW, .remaining_ms = 1000, .model_version = 3};
    const struct bytes texts[] = {BYTES("a"), BYTES("b"), BYTES("c")};
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    place->profile = (struct profile_settings){.name = "default", .store = STORE_TEXT};
    place->settings = (struct settings){.profiles = &place->profile, .profile_count = 1};
    (void)snprintf(place->settings.database.url, sizeof place->settings.database.url, "host=127.0.0.1 port=1");
    folder_path(&folder, "hash", place->settings.database.hash_key_file);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, history_open(&place->labels.history, &place->settings, NULL, place->metrics, NULL));
    place->reviewing.settings = &place->profile;
    place->labels.recent.profile = &place->reviewing;
    place->task = task_make(&place->packed, &head, "default", texts, 3);
    place->labels.recent.task = &place->task;
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;

    history_close(&place->labels.history);
    metrics_close(&place->metrics);
    buffer_free(&place->packed);
    free(place);
    return 0;
}

static int64_t queued(struct place *place)
{
    return series_value(metrics_series(place->metrics, METRIC_GAUGE, "prismguard_moderator_samples_queued", "", NULL, 0));
}

static void only_a_violation_of_one_text_is_certain(void **state)
{
    const struct bytes texts[] = {BYTES("a"), BYTES("b"), BYTES("c")};
    const struct review_answer passes = {.violation = false};
    const struct review_answer violates = {.violation = true, .category = "hate"};
    struct place *place = *state;

    review_labels_keep(&place->labels, texts, 3, &violates);
    assert_int_equal(0, queued(place));
    review_labels_keep(&place->labels, texts, 1, &violates);
    assert_int_equal(1, queued(place));
    review_labels_keep(&place->labels, texts, 3, &passes);
    assert_int_equal(4, queued(place));
}

static void all_are_drawn_at_a_rate_of_one_and_none_without_a_history(void **state)
{
    struct place *place = *state;
    struct review_labels forgetful = place->labels;
    unsigned char alone[UNSURE_BYTES_MAX] = {0};

    forgetful.history = NULL;
    review_labels_drawn(&place->labels, alone);
    assert_int_equal(0, alone[0]);
    place->profile.review.sample_rate = 1;
    review_labels_drawn(&forgetful, alone);
    assert_int_equal(0, alone[0]);
    review_labels_drawn(&place->labels, alone);
    assert_int_equal(7, alone[0]);
}

/* Why the label that was kept last was asked for; the others are forgotten. */
static enum drawn keep_one(struct place *place, const char *text)
{
    const struct review_answer passes = {.violation = false};
    const struct bytes texts[] = {bytes_of(text)};
    struct history *history = place->labels.history;
    enum drawn drawn = DRAWN_UNSURE;

    review_labels_keep(&place->labels, texts, 1, &passes);
    (void)pthread_mutex_lock(&history->mutex);
    assert_non_null(history->queue.first);
    for (struct history_entry *entry = history->queue.first; entry != NULL; entry = entry->next) {
        drawn = entry->drawn;
    }
    (void)pthread_mutex_unlock(&history->mutex);
    return drawn;
}

/* What a text stands for depends on it (trainer/sample). */
static void a_text_among_several_was_asked_for_because_it_was_drawn(void **state)
{
    struct place *place = *state;

    assert_int_equal(DRAWN_UNSURE, keep_one(place, "a"));
    place->profile.review.sample_rate = 1;
    assert_int_equal(DRAWN_RANDOM, keep_one(place, "a"));
    place->task.segment_count = 1; /* the one that the model was unsure of */
    assert_int_equal(DRAWN_UNSURE, keep_one(place, "a"));
    place->task.head.drawn = DRAWN_RANDOM; /* it was sure of all */
    assert_int_equal(DRAWN_RANDOM, keep_one(place, "a"));
}

static int start(void **state)
{
    (void)make_folder(state);
    folder_write(&folder, "hash", BYTES("a key for hashes\n"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_a_violation_of_one_text_is_certain, open_place, close_place),
        cmocka_unit_test_setup_teardown(all_are_drawn_at_a_rate_of_one_and_none_without_a_history, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_text_among_several_was_asked_for_because_it_was_drawn, open_place, close_place),
    };

    return cmocka_run_group_tests(tests, start, remove_folder);
}

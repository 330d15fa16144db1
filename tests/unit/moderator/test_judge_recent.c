/* test_judge_recent: what a judge knows again: each source of a verdict, what makes it forget, and what it never keeps. */
#include "support/model.h"
#include "support/own_folder.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/judge.h"
#include "proto/clock.h"

enum { TTL_MS = 1000, NOW_MS = 50000, SAMPLES = 2000 };

/* One profile with a keyword; low 0.2, high 0.8. */
struct place {
    struct settings settings;
    struct profile_settings profile;
    struct metrics *metrics;
    struct rules *rules;
    struct live *live;
    struct recent *recent;
    struct judge *judge;
    struct buffer packed;
};

/* As after a reload: what is known stays. */
static void open_judge(struct place *place)
{
    struct judge_parts parts = {.live = place->live, .recent = place->recent};

    judge_close(&place->judge);
    rules_release(&place->rules);
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    assert_status(STATUS_OK, recent_fit(place->recent, &place->settings));
    parts.rules = place->rules;
    assert_status(STATUS_OK, judge_open(&place->judge, &parts));
}

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    clock_freeze(NOW_MS);
    place->settings = (struct settings){.profiles = &place->profile, .profile_count = 1};
    place->profile = (struct profile_settings){.name = "default",
                                               .model_kind = MODEL_KIND_HASHLINEAR,
                                               .low = 0.2,
                                               .high = 0.8,
                                               .keyword_file_count = 1,
                                               .cache = {.entries = 1000, .ttl_ms = TTL_MS}};
    folder_write(&folder, "keywords.txt", BYTES("forbidden\n"));
    folder_write(&folder, "hash", BYTES("a key, so that equal runs draw equally"));
    folder_path(&folder, "keywords.txt", place->profile.keyword_files[0]);
    folder_path(&folder, "hash", place->settings.database.hash_key_file);
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, 1));
    assert_status(STATUS_OK, recent_open(&place->recent, place->live, place->metrics));
    open_judge(place);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;

    clock_freeze(0);
    judge_close(&place->judge);
    rules_release(&place->rules);
    recent_close(&place->recent);
    live_close(&place->live);
    metrics_close(&place->metrics);
    buffer_free(&place->packed);
    free(place);
    return 0;
}

static struct message_verdict judge_texts(struct place *place, const struct bytes *texts, size_t count)
{
    const struct message_task_head head = {.nonce = 5, .sequence = 6, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};
    struct message_verdict verdict;
    struct message_task task;

    buffer_free(&place->packed);
    task = task_make(&place->packed, &head, "default", texts, count);
    assert_status(STATUS_OK, judge_task(place->judge, &task, &verdict));
    return verdict;
}

static struct message_verdict judge_one(struct place *place, const char *text)
{
    struct bytes one = bytes_of(text);

    return judge_texts(place, &one, 1);
}

static void use_model(struct place *place, double probability, uint64_t version)
{
    assert_status(STATUS_OK, live_put(place->live, 0, model_make(model_bias(probability), 0), version));
}

static void add_review(struct place *place, double sample_rate)
{
    (void)snprintf(place->profile.review.url, sizeof place->profile.review.url, "http://reviewer/");
    place->profile.review.sample_rate = sample_rate;
    open_judge(place);
}

/* As the review thread does when a reviewer has said so. */
static void settle(struct place *place, const char *text, const char *category, uint64_t model_version)
{
    const struct print print = recent_print_of(place->recent, bytes_of(text));
    struct recent_finding finding = {.score = (double)NAN, .violation = category != NULL};
    struct recent_basis basis;

    (void)snprintf(finding.category, sizeof finding.category, "%s", category == NULL ? "" : category);
    assert_status(STATUS_OK, recent_basis_of(place->recent, place->rules, 0, RECENT_REVIEWED, &basis));
    basis.model_version = model_version;
    basis.labels_version = recent_labels_version(place->recent, basis.profile);
    recent_keep(place->recent, &basis, &print, clock_ms(), &finding);
}

static int64_t counted(struct place *place, const char *kind, const char *result)
{
    const struct metric_label labels[] = {{"kind", kind}, {"result", result}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_recent_total", "", labels, 2));
}

#define assert_verdict(expected_outcome, expected_source, expected_category, found)                                      \
    do {                                                                                                               \
        struct message_verdict assert_found = (found);                                                                  \
        assert_int_equal(expected_outcome, assert_found.outcome);                                                       \
        assert_string_equal(verdict_source_name(expected_source), verdict_source_name(assert_found.source));            \
        assert_bytes(expected_category, assert_found.category);                                                         \
    } while (0)

static void a_block_by_keyword_is_known_again(void **state)
{
    struct place *place = *state;

    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", judge_one(place, "it is FORBIDDEN"));
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "keyword", judge_one(place, "it is FORBIDDEN"));
    clock_freeze(NOW_MS + TTL_MS);
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", judge_one(place, "it is FORBIDDEN"));
}

static void the_models_verdicts_are_known_again_with_their_score(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.1, 3);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", judge_one(place, "a text"));
    verdict = judge_one(place, "a text");
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", verdict);
    assert_int_equal(3, verdict.model_version);
    assert_true(fabs((double)verdict.score - 0.1) < 0.001);
    use_model(place, 0.9, 4);
    assert_verdict(OUTCOME_BLOCK, SOURCE_MODEL, "violation", judge_one(place, "a text")); /* not what the old model said */
    verdict = judge_one(place, "a text");
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "violation", verdict);
    assert_int_equal(4, verdict.model_version);
    assert_true(fabs((double)verdict.score - 0.9) < 0.001);
}

/* The history of a conversation comes again with each turn. */
static void of_a_conversation_only_the_new_message_is_judged(void **state)
{
    static struct bytes texts[50];
    static char words[50][16];
    struct place *place = *state;

    use_model(place, 0.1, 1);
    for (size_t turn = 0; turn < 50; turn++) {
        (void)snprintf(words[turn], sizeof words[turn], "message %zu", turn);
        texts[turn] = bytes_of(words[turn]);
        assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", judge_texts(place, texts, turn + 1));
        assert_int_equal(turn + 1, counted(place, "judged", "miss"));
    }
    assert_int_equal(49 * 50 / 2, counted(place, "judged", "hit"));
    texts[49] = BYTES("forbidden");
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", judge_texts(place, texts, 50));
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "keyword", judge_texts(place, texts, 50));
}

static void new_keywords_count_for_texts_that_were_known(void **state)
{
    struct place *place = *state;

    use_model(place, 0.1, 1);
    (void)judge_one(place, "a text");
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    folder_write(&folder, "keywords.txt", BYTES("forbidden\na text\n"));
    open_judge(place);
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", judge_one(place, "a text"));
    folder_write(&folder, "keywords.txt", BYTES("forbidden\n"));
    open_judge(place);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text")); /* and the old ones again for theirs */
}

static void new_thresholds_count_for_texts_that_were_known(void **state)
{
    struct place *place = *state;

    use_model(place, 0.6, 1);
    assert_verdict(OUTCOME_BLOCK, SOURCE_MODEL, "violation", judge_one(place, "a text"));
    place->profile.low = 0.7;
    open_judge(place);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text")); /* its score is known, the rule is new */
}

static void what_is_unsure_is_so_each_time_until_a_review_has_settled_it(void **state)
{
    struct bytes texts[] = {BYTES("a text"), BYTES("another")};
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.6, 7);
    add_review(place, 0);
    for (int round = 0; round < 3; round++) {
        verdict = judge_texts(place, texts, 2);
        assert_verdict(OUTCOME_UNSURE, SOURCE_MODEL, "violation", verdict);
        assert_int_equal(OUTCOME_BLOCK, verdict.fallback);
        assert_int_equal(2, message_unsure_end(verdict.unsure));
        assert_true(message_unsure_has(verdict.unsure, 0));
    }
    settle(place, "a text", NULL, 7);
    verdict = judge_texts(place, texts, 2); /* of two one is settled */
    assert_verdict(OUTCOME_UNSURE, SOURCE_MODEL, "violation", verdict);
    assert_false(message_unsure_has(verdict.unsure, 0));
    assert_true(message_unsure_has(verdict.unsure, 1));
    settle(place, "another", NULL, 7);
    verdict = judge_texts(place, texts, 2);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", verdict);
    assert_true(fabs((double)verdict.score - 0.6) < 0.001);
    settle(place, "another", "hate", 7);
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "hate", judge_texts(place, texts, 2));
    clock_freeze(NOW_MS + TTL_MS);
    assert_int_equal(OUTCOME_UNSURE, judge_texts(place, texts, 2).outcome);
}

static void without_a_model_what_is_undecided_is_never_from_the_cache(void **state)
{
    struct place *place = *state;

    for (int round = 0; round < 2; round++) {
        assert_verdict(OUTCOME_ALLOW, SOURCE_UNDECIDED, "", judge_one(place, "a text"));
    }
    place->profile.undecided = UNDECIDED_BLOCK;
    open_judge(place);
    assert_verdict(OUTCOME_BLOCK, SOURCE_UNDECIDED, "undecided", judge_one(place, "a text"));
}

static void what_a_review_said_ends_with_its_model_its_settings_and_at_a_keyword(void **state)
{
    struct place *place = *state;

    use_model(place, 0.6, 7);
    add_review(place, 0);
    settle(place, "a text", NULL, 7);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    use_model(place, 0.6, 8);
    assert_int_equal(OUTCOME_UNSURE, judge_one(place, "a text").outcome);
    settle(place, "a text", NULL, 8);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    place->profile.high = 0.5; /* it would not have been asked any more */
    open_judge(place);
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "violation", judge_one(place, "a text"));
    place->profile.high = 0.8;
    folder_write(&folder, "keywords.txt", BYTES("a text\n"));
    open_judge(place);
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", judge_one(place, "a text")); /* whatever a reviewer said */
}

static void a_sampled_text_is_sampled_until_it_is_settled(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.1, 1);
    add_review(place, 1);
    for (int round = 0; round < 3; round++) {
        verdict = judge_one(place, "a text");
        assert_verdict(OUTCOME_UNSURE, SOURCE_MODEL, "", verdict);
        assert_int_equal(DRAWN_RANDOM, verdict.drawn);
    }
    settle(place, "a text", NULL, 1);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    clock_freeze(NOW_MS + TTL_MS);
    assert_int_equal(OUTCOME_UNSURE, judge_one(place, "a text").outcome);
}

/* A person may have said otherwise: only a review finds out. */
static void a_persons_label_makes_what_was_settled_open_again(void **state)
{
    struct place *place = *state;

    use_model(place, 0.5, 1);
    add_review(place, 0);
    assert_int_equal(OUTCOME_UNSURE, judge_one(place, "a text").outcome);
    settle(place, "a text", NULL, 1);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    recent_labels_changed(place->recent, "default");
    assert_int_equal(OUTCOME_UNSURE, judge_one(place, "a text").outcome);
    settle(place, "a text", "hate", 1);
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "hate", judge_one(place, "a text"));
}

/* Also where the model is sure: what it said of a text that was drawn stands for nothing without the review. */
static void a_sampled_text_that_was_settled_is_sampled_again_after_a_persons_label(void **state)
{
    struct place *place = *state;

    use_model(place, 0.1, 1);
    add_review(place, 1);
    assert_int_equal(OUTCOME_UNSURE, judge_one(place, "a text").outcome);
    settle(place, "a text", NULL, 1);
    for (int round = 0; round < 3; round++) {
        assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "a text"));
    }
    assert_int_equal(1, counted(place, "judged", "miss"));
    recent_labels_changed(place->recent, "default");
    assert_int_equal(DRAWN_RANDOM, judge_one(place, "a text").drawn);
    assert_int_equal(1, counted(place, "judged", "miss"));
}

static void the_sample_rate_is_the_share_of_texts_that_are_judged_anew(void **state)
{
    struct bytes texts[2] = {BYTES("the same each time")};
    struct place *place = *state;
    int sampled_count = 0;

    place->profile.cache.entries = 100000; /* none is pushed out */
    open_judge(place);
    use_model(place, 0.01, 1);
    (void)judge_one(place, "the same each time"); /* with no review yet: in some hours it would be drawn, and not known then */
    add_review(place, 0.25);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", judge_one(place, "the same each time"));
    for (int round = 0; round < SAMPLES; round++) {
        struct message_verdict verdict;
        char words[32];

        (void)snprintf(words, sizeof words, "text %d", round);
        texts[1] = bytes_of(words);
        verdict = judge_texts(place, texts, 2);
        sampled_count += verdict.outcome == OUTCOME_UNSURE;
        if (verdict.outcome == OUTCOME_UNSURE) {
            assert_false(message_unsure_has(verdict.unsure, 0)); /* what is known is not sampled again */
            assert_true(message_unsure_has(verdict.unsure, 1));
        }
        assert_int_equal(OUTCOME_ALLOW, judge_texts(place, texts, 1).outcome);
    }
    assert_in_range(sampled_count, 400, 600); /* five standard deviations */
}

static void without_entries_every_text_is_judged_anew(void **state)
{
    struct place *place = *state;

    place->profile.cache.entries = 0;
    open_judge(place);
    use_model(place, 0.1, 1);
    for (int round = 0; round < 2; round++) {
        assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", judge_one(place, "a text"));
    }
    assert_int_equal(0, counted(place, "judged", "miss"));
}

#define NAME "name-of-16-bytes"

/* A text by its name, with it or (text NULL) without. */
static enum status recall(struct place *place, const char *name, const char *text, struct message_verdict *out)
{
    const struct message_task_head head = {.nonce = 5, .sequence = 6, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};
    struct message_task task;

    buffer_free(&place->packed);
    task_pack_recall(&place->packed, &head, "default", bytes_of(name), text == NULL ? BYTES("") : bytes_of(text));
    assert_status(STATUS_OK, message_read_task(buffer_view(&place->packed), &task));
    return judge_task(place->judge, &task, out);
}

static struct message_verdict recalled(struct place *place, const char *name, const char *text)
{
    struct message_verdict verdict;

    assert_status(STATUS_OK, recall(place, name, text, &verdict));
    return verdict;
}

static void assert_not_known(struct place *place, const char *name)
{
    struct message_verdict verdict;

    assert_status(STATUS_AGAIN, recall(place, name, NULL, &verdict));
}

static void a_text_that_is_left_out_is_judged_as_it_was_known(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.1, 3);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", recalled(place, NAME, "a text"));
    verdict = recalled(place, NAME, NULL);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", verdict);
    assert_int_equal(3, verdict.model_version);
    assert_true(fabs((double)verdict.score - 0.1) < 0.001);
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", recalled(place, "another-name-16b", "it is FORBIDDEN"));
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "keyword", recalled(place, "another-name-16b", NULL));
    /* What is known of a text is known whatever a gateway calls it, once it has come with that name. */
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, "third-name-16byt", "a text"));
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, "third-name-16byt", NULL));
}

static void of_a_text_that_is_left_out_and_not_known_nothing_is_guessed(void **state)
{
    struct place *place = *state;

    use_model(place, 0.1, 3);
    assert_not_known(place, NAME);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", judge_one(place, "a text")); /* without the name */
    assert_not_known(place, NAME);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, NAME, "a text"));
    clock_freeze(NOW_MS + TTL_MS);
    assert_not_known(place, NAME); /* too old */
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", recalled(place, NAME, "a text"));
    place->profile.cache.entries = 0;
    open_judge(place);
    assert_not_known(place, NAME);
}

/* What it was found by has changed: the text has to be looked at again. */
static void new_keywords_and_models_count_for_texts_that_are_left_out(void **state)
{
    struct place *place = *state;

    use_model(place, 0.1, 3);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", recalled(place, NAME, "a text"));
    folder_write(&folder, "keywords.txt", BYTES("forbidden\na text\n"));
    open_judge(place);
    assert_not_known(place, NAME);
    assert_verdict(OUTCOME_BLOCK, SOURCE_KEYWORD, "keyword", recalled(place, NAME, "a text"));
    folder_write(&folder, "keywords.txt", BYTES("forbidden\n"));
    open_judge(place);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, NAME, NULL)); /* as it was */
    use_model(place, 0.9, 4);
    assert_not_known(place, NAME);
    assert_verdict(OUTCOME_BLOCK, SOURCE_MODEL, "violation", recalled(place, NAME, "a text"));
}

static void what_a_review_said_counts_for_a_text_that_is_left_out(void **state)
{
    struct place *place = *state;

    add_review(place, 0);
    use_model(place, 0.1, 3);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", recalled(place, NAME, "a text"));
    settle(place, "a text", "violence", 3);
    assert_verdict(OUTCOME_BLOCK, SOURCE_CACHE, "violence", recalled(place, NAME, NULL));
}

/* Whether it is drawn is told by its words. */
static void a_sampled_text_that_is_left_out_is_wanted_until_it_is_settled(void **state)
{
    struct place *place = *state;

    add_review(place, 1);
    use_model(place, 0.1, 3);
    assert_int_equal(OUTCOME_UNSURE, recalled(place, NAME, "a text").outcome);
    assert_not_known(place, NAME);
    settle(place, "a text", NULL, 3);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, NAME, NULL));
    recent_labels_changed(place->recent, "default");
    assert_not_known(place, NAME);
    assert_int_equal(OUTCOME_UNSURE, recalled(place, NAME, "a text").outcome);
}

/* Which tasks a version on trial decides hangs on their texts. */
static void with_a_version_on_trial_every_text_is_wanted(void **state)
{
    struct place *place = *state;
    size_t trial = live_trial_of(place->live, 0);

    use_model(place, 0.1, 3);
    place->profile.training.canary = 0.5;
    open_judge(place);
    assert_verdict(OUTCOME_ALLOW, SOURCE_MODEL, "", recalled(place, NAME, "a text"));
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, NAME, NULL));
    assert_status(STATUS_OK, live_put(place->live, trial, model_make(model_bias(0.1), 0), 4));
    assert_not_known(place, NAME);
    assert_int_equal(OUTCOME_ALLOW, recalled(place, NAME, "a text").outcome);
    live_drop(place->live, trial);
    assert_verdict(OUTCOME_ALLOW, SOURCE_CACHE, "", recalled(place, NAME, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define JUDGE_TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
        JUDGE_TEST(a_block_by_keyword_is_known_again),
        JUDGE_TEST(the_models_verdicts_are_known_again_with_their_score),
        JUDGE_TEST(of_a_conversation_only_the_new_message_is_judged),
        JUDGE_TEST(new_keywords_count_for_texts_that_were_known),
        JUDGE_TEST(new_thresholds_count_for_texts_that_were_known),
        JUDGE_TEST(what_is_unsure_is_so_each_time_until_a_review_has_settled_it),
        JUDGE_TEST(without_a_model_what_is_undecided_is_never_from_the_cache),
        JUDGE_TEST(what_a_review_said_ends_with_its_model_its_settings_and_at_a_keyword),
        JUDGE_TEST(a_sampled_text_is_sampled_until_it_is_settled),
        JUDGE_TEST(a_persons_label_makes_what_was_settled_open_again),
        JUDGE_TEST(a_sampled_text_that_was_settled_is_sampled_again_after_a_persons_label),
        JUDGE_TEST(a_sampled_text_that_is_left_out_is_wanted_until_it_is_settled),
        JUDGE_TEST(the_sample_rate_is_the_share_of_texts_that_are_judged_anew),
        JUDGE_TEST(without_entries_every_text_is_judged_anew),
        JUDGE_TEST(a_text_that_is_left_out_is_judged_as_it_was_known),
        JUDGE_TEST(of_a_text_that_is_left_out_and_not_known_nothing_is_guessed),
        JUDGE_TEST(new_keywords_and_models_count_for_texts_that_are_left_out),
        JUDGE_TEST(what_a_review_said_counts_for_a_text_that_is_left_out),
        JUDGE_TEST(with_a_version_on_trial_every_text_is_wanted),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

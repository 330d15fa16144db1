/* test_judge: tasks of real frames against real keyword lists and models: each branch, the worst segment, who is reviewed. */
#include "support/model.h"
#include "support/own_folder.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/judge.h"

enum { SAMPLES = 2000 };

static int start(void **state)
{
    (void)make_folder(state);
    folder_write(&folder, "keywords.txt", BYTES("forbidden\n"));
    folder_write(&folder, "hash", BYTES("a key, so that equal runs draw equally"));
    return 0;
}

/* Two profiles: "default" with the keyword and a review, "bare" with neither. */
struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct rules *rules;
    struct live *live;
    struct judge *judge;
    struct buffer packed;
};

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct profile_settings *profile;

    assert_non_null(place);
    place->settings = (struct settings){.profiles = place->profiles, .profile_count = 2};
    folder_path(&folder, "hash", place->settings.database.hash_key_file);
    profile = &place->profiles[0];
    *profile = (struct profile_settings){.name = "default", .model_kind = MODEL_KIND_HASHLINEAR, .low = 0.2, .high = 0.8};
    place->profiles[1] = *profile;
    assert_status(STATUS_OK, bytes_copy(BYTES("bare"), place->profiles[1].name, sizeof place->profiles[1].name));
    assert_status(STATUS_OK, bytes_copy(BYTES("http://reviewer/"), profile->review.url, sizeof profile->review.url));
    folder_path(&folder, "keywords.txt", profile->keyword_files[0]);
    profile->keyword_file_count = 1;
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    assert_status(STATUS_OK, live_open(&place->live, 2));
    const struct judge_parts parts = {.rules = place->rules, .live = place->live};
    assert_status(STATUS_OK, judge_open(&place->judge, &parts));
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;

    judge_close(&place->judge);
    judge_close(&place->judge);
    live_close(&place->live);
    rules_release(&place->rules);
    buffer_free(&place->packed);
    free(place);
    return 0;
}

static enum status judge_texts(struct place *place, const char *profile, const struct bytes *texts, size_t count,
                               struct message_verdict *out)
{
    const struct message_task_head head = {
        .nonce = 5, .sequence = 6, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};
    struct message_task task;

    buffer_free(&place->packed);
    task = task_make(&place->packed, &head, profile, texts, count);
    return judge_task(place->judge, &task, out);
}

static struct message_verdict judge_one(struct place *place, const char *profile, const char *text)
{
    struct bytes texts[] = {bytes_of(text)};
    struct message_verdict verdict;

    assert_status(STATUS_OK, judge_texts(place, profile, texts, 1, &verdict));
    assert_int_equal(5, verdict.nonce);
    assert_int_equal(6, verdict.sequence);
    return verdict;
}

static void use_model(struct place *place, double probability, float weight, uint64_t version)
{
    assert_status(STATUS_OK, live_put(place->live, 0, model_make(model_bias(probability), weight), version));
    assert_status(STATUS_OK, live_put(place->live, 1, model_make(model_bias(probability), weight), version));
}

static void a_keyword_in_any_segment_blocks_whatever_the_model_says(void **state)
{
    struct bytes texts[] = {BYTES("harmless"), BYTES("also harmless"), BYTES("it is FORBIDDEN here")};
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.01, 0, 1);
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 3, &verdict));
    assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
    assert_int_equal(SOURCE_KEYWORD, verdict.source);
    assert_bytes("keyword", verdict.category);
    assert_true(isnan(verdict.score)); /* the model was not asked */
    assert_int_equal(0, verdict.unsure.count);
    assert_status(STATUS_OK, judge_texts(place, "bare", texts, 3, &verdict));
    assert_int_equal(OUTCOME_ALLOW, verdict.outcome); /* the other profile has no such keyword */
}

static void no_segment_or_only_empty_ones_are_no_text(void **state)
{
    struct bytes texts[] = {BYTES(""), BYTES("")};
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.99, 0, 1);
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 0, &verdict));
    assert_int_equal(OUTCOME_ALLOW, verdict.outcome);
    assert_int_equal(SOURCE_NONE, verdict.source);
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 2, &verdict));
    assert_int_equal(SOURCE_NONE, verdict.source);
    assert_int_equal(0, verdict.model_version);
}

static void the_model_decides_outside_its_thresholds(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.05, 0, 3);
    verdict = judge_one(place, "default", "a text");
    assert_int_equal(OUTCOME_ALLOW, verdict.outcome);
    assert_int_equal(SOURCE_MODEL, verdict.source);
    assert_int_equal(3, verdict.model_version);
    assert_true(fabs((double)verdict.score - 0.05) < 0.001);
    use_model(place, 0.95, 0, 4);
    verdict = judge_one(place, "default", "a text");
    assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
    assert_bytes("violation", verdict.category);
    assert_int_equal(4, verdict.model_version);
    assert_int_equal(0, verdict.unsure.count);
}

/* `expected` has a digit for each segment up to the last one that is named. */
static void assert_named(const struct message_verdict *verdict, const char *expected)
{
    assert_int_equal(strlen(expected), message_unsure_end(verdict->unsure));
    for (size_t index = 0; expected[index] != '\0'; index++) {
        assert_int_equal(expected[index] == '1', message_unsure_has(verdict->unsure, index));
    }
}

static void between_the_thresholds_a_review_is_wanted(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.6, 0, 3);
    verdict = judge_one(place, "default", "a text");
    assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
    assert_int_equal(OUTCOME_BLOCK, verdict.fallback);
    assert_int_equal(DRAWN_UNSURE, verdict.drawn);
    assert_named(&verdict, "1");
    verdict = judge_one(place, "bare", "a text");
    assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
    assert_int_equal(SOURCE_MODEL, verdict.source);
    assert_int_equal(0, verdict.unsure.count);
}

static void a_profile_that_wants_no_model_has_none(void **state)
{
    struct place *place = *state;
    struct message_verdict verdict;

    use_model(place, 0.99, 0, 3);
    place->profiles[1].model_kind = MODEL_KIND_NONE;
    verdict = judge_one(place, "bare", "a text");
    assert_int_equal(OUTCOME_ALLOW, verdict.outcome);
    assert_int_equal(SOURCE_UNDECIDED, verdict.source);
    assert_int_equal(0, verdict.model_version);
    assert_true(isnan(verdict.score));
}

/* With a positive weight a longer text scores higher: see model_file_make. */
static void the_worst_segment_decides_and_reviews_see_the_unsure_ones(void **state)
{
    struct bytes texts[] = {BYTES("abcdefghijklmnop qrstuvwxyz"), BYTES("a"), BYTES(""), BYTES("abcdefghijklmnop qrstuvwxyz 0123456789"),
                            BYTES("b")};
    struct place *place = *state;
    struct message_verdict verdict;
    struct model *model = model_make(-4, 0.5f);
    double scores[5];

    for (size_t index = 0; index < 5; index++) {
        scores[index] = model_score(model, texts[index]);
    }
    model_close(&model);
    assert_true(scores[3] > scores[0] && scores[0] > scores[1]);
    place->profiles[0].low = (scores[0] + scores[1]) / 2;
    place->profiles[0].high = (scores[3] + 1) / 2;
    assert_status(STATUS_OK, live_put(place->live, 0, model_make(-4, 0.5f), 9));
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 5, &verdict));
    assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
    assert_true(fabs((double)verdict.score - scores[3]) < 1e-6);
    assert_named(&verdict, "1001");
}

static void without_a_model_every_segment_that_has_text_is_named(void **state)
{
    static struct bytes texts[SEGMENTS_MAX];
    struct place *place = *state;
    struct message_verdict verdict;

    for (size_t index = 0; index < SEGMENTS_MAX; index++) {
        texts[index] = index == 5 ? BYTES("") : BYTES("a text");
    }
    for (size_t count = 1; count <= SEGMENTS_MAX; count = count == 17 ? SEGMENTS_MAX : count + 1) {
        assert_status(STATUS_OK, judge_texts(place, "default", texts, count, &verdict));
        assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
        assert_int_equal(OUTCOME_ALLOW, verdict.fallback);
        assert_int_equal(SOURCE_UNDECIDED, verdict.source);
        assert_int_equal(count == 6 ? 5 : count, message_unsure_end(verdict.unsure));
        for (size_t index = 0; index < count; index++) {
            assert_int_equal(index != 5, message_unsure_has(verdict.unsure, index));
        }
    }
}

static void at_a_rate_of_one_all_segments_are_named(void **state)
{
    struct bytes texts[] = {BYTES("a"), BYTES("abcdefghijklmnop qrstuvwxyz")};
    struct place *place = *state;
    struct message_verdict verdict;

    place->profiles[0].review.sample_rate = 1;
    assert_status(STATUS_OK, live_put(place->live, 0, model_make(-20, 0.5f), 2)); /* both far below low */
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 2, &verdict));
    assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
    assert_int_equal(DRAWN_RANDOM, verdict.drawn);
    assert_int_equal(OUTCOME_ALLOW, verdict.fallback);
    assert_named(&verdict, "11");
}

static void the_sample_rate_is_the_share_of_reviewed_texts(void **state)
{
    struct place *place = *state;
    int sampled_count = 0;

    place->profiles[0].review.sample_rate = 0.25;
    use_model(place, 0.01, 0, 1);
    for (int round = 0; round < SAMPLES; round++) {
        char text[32];

        (void)snprintf(text, sizeof text, "text %d", round);
        sampled_count += judge_one(place, "default", text).outcome == OUTCOME_UNSURE;
    }
    /* Five standard deviations on each side. */
    assert_in_range(sampled_count, 400, 600);
}

/* Each segment is drawn for itself, and one that is unsure makes the whole unsure, whatever was drawn. */
static void drawn_segments_are_named_beside_the_unsure_ones(void **state)
{
    struct place *place = *state;
    int named_count = 0;

    place->profiles[0].review.sample_rate = 0.25;
    place->profiles[0].low = 0.4;
    place->profiles[0].high = 0.999;
    assert_status(STATUS_OK, live_put(place->live, 0, model_make(-4, 0.5f), 2));
    for (int round = 0; round < SAMPLES; round++) {
        char text[4];
        struct bytes texts[] = {BYTES("abcdefghijklmnop qrstuvwxyz 0123456789"), {text, 0}};
        struct message_verdict verdict;

        texts[1].count = (size_t)snprintf(text, sizeof text, "%c%c", 'a' + round % 26, 'a' + round / 26 % 26);
        assert_status(STATUS_OK, judge_texts(place, "default", texts, 2, &verdict));
        assert_int_equal(OUTCOME_UNSURE, verdict.outcome);
        assert_int_equal(DRAWN_UNSURE, verdict.drawn);
        assert_true(message_unsure_has(verdict.unsure, 0));
        named_count += message_unsure_has(verdict.unsure, 1);
    }
    assert_in_range(named_count, 300, 700); /* of 676 texts, three times each: wider than for single ones */
}

/* A quarter of the texts, the same ones each time, by whichever judge; and none by a version whose trial is over. */
static void a_version_on_trial_decides_its_part_of_the_texts(void **state)
{
    struct place *place = *state;
    const struct judge_parts parts = {.rules = place->rules, .live = place->live};
    size_t trial = live_trial_of(place->live, 1);
    struct judge *first = place->judge;
    struct judge *second = NULL;
    int tried_count = 0;

    use_model(place, 0.01, 0, 1);
    assert_status(STATUS_OK, live_put(place->live, trial, model_make(model_bias(0.99), 0), 2));
    assert_int_equal(1, judge_one(place, "bare", "no part is wanted").model_version);
    place->profiles[1].training.canary = 0.25;
    assert_status(STATUS_OK, judge_open(&second, &parts));
    for (int round = 0; round < SAMPLES; round++) {
        struct message_verdict verdict;
        char text[32];

        (void)snprintf(text, sizeof text, "text %d", round);
        verdict = judge_one(place, "bare", text);
        assert_true(verdict.model_version == 1 || verdict.model_version == 2);
        assert_int_equal(verdict.model_version == 2 ? OUTCOME_BLOCK : OUTCOME_ALLOW, verdict.outcome);
        tried_count += verdict.model_version == 2;
        place->judge = second;
        assert_int_equal(verdict.model_version, judge_one(place, "bare", text).model_version);
        place->judge = first;
        assert_int_equal(1, judge_one(place, "default", text).model_version); /* of another profile */
    }
    assert_in_range(tried_count, 400, 600); /* five standard deviations */
    judge_close(&second);
    live_drop(place->live, trial);
    place->profiles[1].training.canary = 1;
    assert_int_equal(1, judge_one(place, "bare", "a text").model_version);
    assert_status(STATUS_OK, live_put(place->live, trial, model_make(model_bias(0.99), 0), 3));
    assert_int_equal(3, judge_one(place, "bare", "a text").model_version);
}

static void an_unknown_profile_is_told(void **state)
{
    struct bytes text = BYTES("a text");
    struct message_verdict verdict = {.sequence = 77};

    assert_status(STATUS_NOT_FOUND, judge_texts(*state, "nobody", &text, 1, &verdict));
    assert_int_equal(77, verdict.sequence);
}

static void a_new_model_is_used_by_the_next_task(void **state)
{
    struct place *place = *state;

    use_model(place, 0.01, 0, 1);
    assert_int_equal(1, judge_one(place, "default", "a text").model_version);
    use_model(place, 0.01, 0, 2);
    assert_int_equal(2, judge_one(place, "default", "a text").model_version);
    use_model(place, 0.01, 0, 3);
    judge_rest(place->judge);
    assert_int_equal(3, judge_one(place, "default", "a text").model_version);
}

enum { HAYSTACK_STEP = 1000 };

/* At every 1,000th character, and over every border of what is looked at in one step. */
static void a_keyword_is_found_at_every_thousandth_character_of_a_mebibyte(void **state)
{
    static const char plain[] = "all is well. ";
    static const char needle[] = "forbidden";
    struct place *place = *state;
    char *text = malloc(MIB);

    assert_non_null(text);
    for (size_t at = 0; at < MIB; at++) {
        text[at] = plain[at % (sizeof plain - 1)];
    }
    for (size_t at = 0; at + sizeof needle < MIB; at += HAYSTACK_STEP) {
        struct bytes texts[] = {{text, MIB}};
        struct message_verdict verdict;
        char kept[sizeof needle];

        memcpy(kept, text + at, sizeof kept);
        memcpy(text + at, needle, sizeof needle - 1);
        assert_status(STATUS_OK, judge_texts(place, "default", texts, 1, &verdict));
        if (verdict.outcome != OUTCOME_BLOCK || verdict.source != SOURCE_KEYWORD) {
            fail_msg("passed over at %zu", at);
        }
        memcpy(text + at, kept, sizeof kept);
    }
    free(text);
}

static bool count_pause(void *context)
{
    ++*(size_t *)context;
    return true;
}

static bool stop_at_pause(void *context)
{
    return --*(size_t *)context > 0;
}

static void a_long_text_pauses_often_and_so_does_its_model(void **state)
{
    struct place *place = *state;
    size_t count = 0;
    const struct judge_parts parts = {.rules = place->rules, .live = place->live, .pause = {count_pause, &count}};
    char *text = calloc(1, MIB);
    struct bytes texts[] = {{text, MIB}};
    struct message_verdict verdict;

    assert_non_null(text);
    memset(text, 'a', MIB);
    use_model(place, 0.01, 0, 1);
    judge_close(&place->judge);
    assert_status(STATUS_OK, judge_open(&place->judge, &parts));
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 1, &verdict));
    assert_true(count >= MIB / OUTLINE_CHUNK_BYTES + MIB / MODEL_BLOCK_CODE_POINTS);
    count = 0;
    assert_status(STATUS_OK, judge_texts(place, "bare", texts, 1, &verdict)); /* no keywords */
    assert_in_range(count, MIB / MODEL_BLOCK_CODE_POINTS, MIB / MODEL_BLOCK_CODE_POINTS + 1);
    free(text);
}

static void a_text_is_given_up_at_any_pause(void **state)
{
    struct place *place = *state;
    size_t pauses = 0;
    struct judge_parts parts = {.rules = place->rules, .live = place->live, .pause = {count_pause, &pauses}};
    struct buffer text;
    struct bytes texts[1];
    struct message_verdict verdict;
    size_t all;

    buffer_init(&text, 64 * KIB);
    while (text.count < 48 * KIB) { /* not ASCII, with symbols for letters: all ways to read it */
        assert_status(STATUS_OK, buffer_append(&text, BYTES("v\xC3\xA9ry h@rm1ess \xD0\xB0 ")));
    }
    texts[0] = buffer_view(&text);
    use_model(place, 0.01, 0, 1);
    judge_close(&place->judge);
    assert_status(STATUS_OK, judge_open(&place->judge, &parts));
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 1, &verdict));
    all = pauses;
    assert_true(all > 20);
    parts.pause.call = stop_at_pause;
    judge_close(&place->judge);
    assert_status(STATUS_OK, judge_open(&place->judge, &parts));
    for (size_t at = 1; at <= all; at++) {
        pauses = at;
        assert_status(STATUS_TIMEOUT, judge_texts(place, "default", texts, 1, &verdict));
        assert_int_equal(0, pauses); /* and none was made after it */
    }
    pauses = all + 1;
    assert_status(STATUS_OK, judge_texts(place, "default", texts, 1, &verdict));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_is_given_up_at_any_pause, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_keyword_is_found_at_every_thousandth_character_of_a_mebibyte, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_long_text_pauses_often_and_so_does_its_model, open_place, close_place),
#define JUDGE_TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
        JUDGE_TEST(a_keyword_in_any_segment_blocks_whatever_the_model_says),
        JUDGE_TEST(no_segment_or_only_empty_ones_are_no_text),
        JUDGE_TEST(the_model_decides_outside_its_thresholds),
        JUDGE_TEST(between_the_thresholds_a_review_is_wanted),
        JUDGE_TEST(a_profile_that_wants_no_model_has_none),
        JUDGE_TEST(the_worst_segment_decides_and_reviews_see_the_unsure_ones),
        JUDGE_TEST(without_a_model_every_segment_that_has_text_is_named),
        JUDGE_TEST(at_a_rate_of_one_all_segments_are_named),
        JUDGE_TEST(drawn_segments_are_named_beside_the_unsure_ones),
        JUDGE_TEST(the_sample_rate_is_the_share_of_reviewed_texts),
        JUDGE_TEST(a_version_on_trial_decides_its_part_of_the_texts),
        JUDGE_TEST(an_unknown_profile_is_told),
        JUDGE_TEST(a_new_model_is_used_by_the_next_task),
    };

    return cmocka_run_group_tests(tests, start, remove_folder);
}

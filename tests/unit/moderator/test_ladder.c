/* test_ladder: each rung, and both sides of each threshold. */
#include "support/unit.h"

#include "moderator/ladder.h"

#include <math.h>

static struct profile_settings profile_of(bool review, enum undecided undecided)
{
    struct profile_settings profile = {.low = 0.25, .high = 0.75, .undecided = undecided};

    if (review) {
        assert_status(STATUS_OK, bytes_copy(BYTES("http://reviewer/"), profile.review.url, sizeof profile.review.url));
    }
    return profile;
}

static struct message_verdict decide(const struct profile_settings *profile, enum ladder_find find, double score, double draw)
{
    /* Everything the ladder must set begins wrong. */
    struct message_verdict verdict = {.outcome = 77, .fallback = 77, .drawn = 77, .source = 77, .category = BYTES("?")};

    ladder_decide(profile, find, score, draw < profile->review.sample_rate, &verdict);
    return verdict;
}

#define assert_verdict(expected_outcome, expected_fallback, expected_drawn, expected_source, expected_category, found)      \
    do {                                                                                                               \
        struct message_verdict assert_found = (found);                                                                  \
        assert_int_equal(expected_outcome, assert_found.outcome);                                                       \
        assert_int_equal(expected_fallback, assert_found.fallback);                                                     \
        assert_int_equal(expected_drawn, assert_found.drawn);                                                           \
        assert_int_equal(expected_source, assert_found.source);                                                         \
        assert_bytes(expected_category, assert_found.category);                                                         \
    } while (0)

static void a_keyword_blocks_and_is_never_sampled(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    profile.review.sample_rate = 1;
    assert_verdict(OUTCOME_BLOCK, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_KEYWORD, "keyword", decide(&profile, LADDER_KEYWORD, 0, 0));
}

static void no_text_is_allowed_and_never_sampled(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_BLOCK);

    (void)state;
    profile.review.sample_rate = 1;
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_NONE, "", decide(&profile, LADDER_NO_TEXT, 0, 0));
}

static void a_score_below_low_allows_and_low_itself_is_unsure(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "", decide(&profile, LADDER_SCORE, 0, 0));
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "",
                   decide(&profile, LADDER_SCORE, nextafter(0.25, 0), 0));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "", decide(&profile, LADDER_SCORE, 0.25, 0));
}

static void a_score_above_high_blocks_and_high_itself_is_unsure(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_UNSURE, SOURCE_MODEL, "violation",
                   decide(&profile, LADDER_SCORE, 0.75, 0));
    assert_verdict(OUTCOME_BLOCK, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "violation",
                   decide(&profile, LADDER_SCORE, nextafter(0.75, 1), 0));
    assert_verdict(OUTCOME_BLOCK, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "violation", decide(&profile, LADDER_SCORE, 1, 0));
}

static void the_fallback_is_the_nearer_side_and_the_middle_blocks(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "",
                   decide(&profile, LADDER_SCORE, nextafter(0.5, 0), 0));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_UNSURE, SOURCE_MODEL, "violation",
                   decide(&profile, LADDER_SCORE, 0.5, 0));
}

static void without_a_model_the_fallback_allows(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "", decide(&profile, LADDER_NO_MODEL, 0, 0));
}

static void undecided_block_and_allow_are_what_they_say(void **state)
{
    struct profile_settings block = profile_of(true, UNDECIDED_BLOCK);
    struct profile_settings allow = profile_of(true, UNDECIDED_ALLOW);

    (void)state;
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_UNSURE, SOURCE_UNDECIDED, "undecided",
                   decide(&block, LADDER_SCORE, 0.3, 0));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_UNSURE, SOURCE_UNDECIDED, "undecided",
                   decide(&block, LADDER_NO_MODEL, 0, 0));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "", decide(&allow, LADDER_SCORE, 0.7, 0));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "", decide(&allow, LADDER_NO_MODEL, 0, 0));
}

static void without_a_review_the_fallback_is_the_verdict(void **state)
{
    struct profile_settings model = profile_of(false, UNDECIDED_MODEL);
    struct profile_settings block = profile_of(false, UNDECIDED_BLOCK);
    struct profile_settings allow = profile_of(false, UNDECIDED_ALLOW);

    (void)state;
    model.review.sample_rate = 1; /* nobody to ask */
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "", decide(&model, LADDER_SCORE, 0.3, 0));
    assert_verdict(OUTCOME_BLOCK, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "violation", decide(&model, LADDER_SCORE, 0.7, 0));
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "", decide(&model, LADDER_NO_MODEL, 0, 0));
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "", decide(&model, LADDER_SCORE, 0.1, 0));
    assert_verdict(OUTCOME_BLOCK, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "undecided",
                   decide(&block, LADDER_NO_MODEL, 0, 0));
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_UNDECIDED, "", decide(&allow, LADDER_SCORE, 0.7, 0));
}

static void sampling_sends_what_the_model_was_sure_of_to_review(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_BLOCK);

    (void)state;
    profile.review.sample_rate = 0.1;
    assert_verdict(OUTCOME_UNSURE, OUTCOME_ALLOW, DRAWN_RANDOM, SOURCE_MODEL, "",
                   decide(&profile, LADDER_SCORE, 0.1, nextafter(0.1, 0)));
    assert_verdict(OUTCOME_ALLOW, OUTCOME_ALLOW, DRAWN_UNSURE, SOURCE_MODEL, "", decide(&profile, LADDER_SCORE, 0.1, 0.1));
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_RANDOM, SOURCE_MODEL, "violation",
                   decide(&profile, LADDER_SCORE, 0.9, 0.05));
    /* An unsure text is unsure whatever was drawn. */
    assert_verdict(OUTCOME_UNSURE, OUTCOME_BLOCK, DRAWN_UNSURE, SOURCE_UNDECIDED, "undecided",
                   decide(&profile, LADDER_SCORE, 0.5, 0.05));
}

static void a_rate_of_zero_samples_nothing_and_of_one_everything(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_int_equal(decide(&profile, LADDER_SCORE, 0.1, 0).outcome, OUTCOME_ALLOW);
    profile.review.sample_rate = 1;
    assert_int_equal(decide(&profile, LADDER_SCORE, 0.1, nextafter(1, 0)).outcome, OUTCOME_UNSURE);
}

static void a_score_that_is_no_number_is_unsure(void **state)
{
    struct profile_settings profile = profile_of(true, UNDECIDED_MODEL);

    (void)state;
    assert_int_equal(decide(&profile, LADDER_SCORE, (double)NAN, 0).outcome, OUTCOME_UNSURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyword_blocks_and_is_never_sampled),
        cmocka_unit_test(no_text_is_allowed_and_never_sampled),
        cmocka_unit_test(a_score_below_low_allows_and_low_itself_is_unsure),
        cmocka_unit_test(a_score_above_high_blocks_and_high_itself_is_unsure),
        cmocka_unit_test(the_fallback_is_the_nearer_side_and_the_middle_blocks),
        cmocka_unit_test(without_a_model_the_fallback_allows),
        cmocka_unit_test(undecided_block_and_allow_are_what_they_say),
        cmocka_unit_test(without_a_review_the_fallback_is_the_verdict),
        cmocka_unit_test(sampling_sends_what_the_model_was_sure_of_to_review),
        cmocka_unit_test(a_rate_of_zero_samples_nothing_and_of_one_everything),
        cmocka_unit_test(a_score_that_is_no_number_is_unsure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

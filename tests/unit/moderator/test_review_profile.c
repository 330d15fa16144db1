/* test_review_profile: prompts and keys from files, their bounds, and what refuses to start. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/review_profile.h"
#include "moderator/review_request.h"

static struct profile_settings settings_of(const char *url)
{
    struct profile_settings settings = {.name = "default", .review = {.model_count = 1}};

    assert_status(STATUS_OK, bytes_copy(bytes_of(url), settings.review.url, sizeof settings.review.url));
    return settings;
}

static const struct private_hosts nobody = {0};

/* Opens, keeps what was told (the caller frees it), closes. */
static enum status open_with(const struct profile_settings *settings, char **told, char *policy, size_t room)
{
    struct review_profile profile = {0};
    struct metrics *metrics = NULL;
    size_t told_count;
    FILE *errors = open_memstream(told, &told_count);
    enum status status;

    assert_non_null(errors);
    assert_status(STATUS_OK, metrics_open(&metrics));
    status = review_profile_open(&profile, settings, &nobody, metrics, errors);
    if (status == STATUS_OK) {
        assert_non_null(profile.target);
        assert_status(STATUS_OK, bytes_copy(profile.policy, policy, room));
        for (int result = 0; result < REVIEW_RESULTS; result++) {
            assert_non_null(profile.results[result]);
        }
    } else {
        assert_null(profile.target);
    }
    review_profile_close(&profile);
    assert_int_equal(0, fclose(errors));
    metrics_close(&metrics);
    return status;
}

static void is_opened(const struct profile_settings *settings, const char *expected_policy)
{
    static char policy[REVIEW_PROMPT_BYTES_MAX + 1];
    char *told = NULL;
    enum status status = open_with(settings, &told, policy, sizeof policy);

    assert_string_equal("", told);
    assert_status(STATUS_OK, status);
    assert_string_equal(expected_policy, policy);
    free(told);
}

static void is_refused(const struct profile_settings *settings, const char *expected)
{
    char policy[1];
    char *told = NULL;

    assert_status(STATUS_MALFORMED, open_with(settings, &told, policy, sizeof policy));
    if (strstr(told, expected) == NULL) {
        fail_msg("expected '%s' in '%s'", expected, told);
    }
    free(told);
}

static void without_a_file_the_default_policy_counts(void **state)
{
    struct profile_settings settings = settings_of("http://reviewer/");
    struct bytes expected = review_request_default_policy();
    char copy[4 * KIB];

    (void)state;
    assert_status(STATUS_OK, bytes_copy(expected, copy, sizeof copy));
    is_opened(&settings, copy);
}

static void the_prompt_file_is_the_policy(void **state)
{
    struct profile_settings settings = settings_of("https://reviewer/");

    folder_write(*state, "prompt.txt", BYTES("No cooking recipes.\n"));
    folder_path(*state, "prompt.txt", settings.review.prompt_file);
    is_opened(&settings, "No cooking recipes.\n");
}

static void a_missing_or_empty_prompt_refuses_to_start(void **state)
{
    struct profile_settings settings = settings_of("http://reviewer/");

    folder_path(*state, "absent.txt", settings.review.prompt_file);
    is_refused(&settings, "absent.txt: prompt of a review: not found");
    folder_write(*state, "empty.txt", (struct bytes){NULL, 0});
    folder_path(*state, "empty.txt", settings.review.prompt_file);
    is_refused(&settings, "empty.txt: prompt of a review: fewer than are needed");
}

static void a_prompt_of_the_bound_is_read_and_one_byte_more_refuses(void **state)
{
    struct profile_settings settings = settings_of("http://reviewer/");
    static char prompt[REVIEW_PROMPT_BYTES_MAX + 2];

    memset(prompt, 'p', REVIEW_PROMPT_BYTES_MAX + 1);
    folder_path(*state, "long.txt", settings.review.prompt_file);
    folder_write(*state, "long.txt", (struct bytes){prompt, REVIEW_PROMPT_BYTES_MAX + 1});
    is_refused(&settings, "long.txt: prompt of a review: larger than its limit");
    folder_write(*state, "long.txt", (struct bytes){prompt, REVIEW_PROMPT_BYTES_MAX});
    prompt[REVIEW_PROMPT_BYTES_MAX] = '\0';
    is_opened(&settings, prompt);
}

static void a_key_that_cannot_be_read_refuses_to_start(void **state)
{
    struct profile_settings settings = settings_of("http://reviewer/");

    folder_path(*state, "no-key", settings.review.key_file);
    is_refused(&settings, "no-key: key of a review: ");
    folder_write(*state, "empty-key", (struct bytes){NULL, 0});
    folder_path(*state, "empty-key", settings.review.key_file);
    is_refused(&settings, "empty-key: key of a review: not well formed");
}

static void an_address_of_another_kind_refuses_to_start(void **state)
{
    struct profile_settings settings = settings_of("gopher://reviewer/");

    (void)state;
    is_refused(&settings, "gopher://reviewer/: address of a review: not well formed");
}

static void every_result_has_a_name(void **state)
{
    (void)state;
    assert_string_equal("allow", review_result_name(REVIEW_ALLOW));
    assert_string_equal("too_large", review_result_name(REVIEW_TOO_LARGE));
    for (int result = 0; result < REVIEW_RESULTS; result++) {
        assert_non_null(review_result_name((enum review_result)result));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_the_default_policy_counts),
        cmocka_unit_test(the_prompt_file_is_the_policy),
        cmocka_unit_test(a_missing_or_empty_prompt_refuses_to_start),
        cmocka_unit_test(a_prompt_of_the_bound_is_read_and_one_byte_more_refuses),
        cmocka_unit_test(a_key_that_cannot_be_read_refuses_to_start),
        cmocka_unit_test(an_address_of_another_kind_refuses_to_start),
        cmocka_unit_test(every_result_has_a_name),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

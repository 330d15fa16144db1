/* test_rules: lists of all profiles, problems of all of them at once, and the last holder frees them. */
#include "moderator/rules.h"

#include "support/settings_text.h"

#include "proto/secret.h"

static const char text[] = "profiles: { one: { keywords: [one.txt] }, two: { keywords: [two.txt] }, bare: {} }\n";

/* The lists lie beside the file: a test's folder has none in it. */
static void open_reading(struct reading *reading)
{
    assert_read(reading, text);
    folder_path(&reading->folder, "one.txt", reading->settings->profiles[0].keyword_files[0]);
    folder_path(&reading->folder, "two.txt", reading->settings->profiles[1].keyword_files[0]);
}

static void every_profile_has_its_list_as_long_as_somebody_holds_them(void **state)
{
    struct reading reading;
    struct rules *rules = NULL;
    struct rules *of_a_judge;

    (void)state;
    open_reading(&reading);
    folder_write(&reading.folder, "one.txt", BYTES("a word\nanother\n"));
    folder_write(&reading.folder, "two.txt", BYTES("a third\n"));
    assert_status(STATUS_OK, rules_open(&rules, reading.settings, stderr));
    rules_own(rules, reading.settings);
    reading.settings = NULL;
    of_a_judge = rules_hold(rules);
    rules_release(&rules);
    assert_null(rules);
    assert_int_equal(3, rules_keyword_count(of_a_judge));
    assert_int_equal(2, keywords_count(rules_keywords(of_a_judge)[0]));
    assert_int_equal(3, rules_settings(of_a_judge)->profile_count);
    rules_release(&of_a_judge); /* the sanitizer sees what is left */
    rules_release(&of_a_judge);
    assert_null(rules_hold(NULL));
    reading_end(&reading);
}

static void a_list_says_what_it_was_read_from_and_a_review_what_it_is_made_from(void **state)
{
    struct reading reading;
    struct rules *before = NULL;
    struct rules *after = NULL;

    (void)state;
    open_reading(&reading);
    folder_write(&reading.folder, "one.txt", BYTES("a word\nanother\n"));
    folder_write(&reading.folder, "two.txt", BYTES("a third\n"));
    assert_status(STATUS_OK, rules_open(&before, reading.settings, stderr));
    assert_status(STATUS_OK, rules_open(&after, reading.settings, stderr));
    for (size_t index = 0; index < 3; index++) {
        assert_memory_equal(keywords_digest(rules_keywords(before)[index]), keywords_digest(rules_keywords(after)[index]),
                            SHA256_BYTES);
        assert_memory_equal(rules_review_digest(before, index), rules_review_digest(after, index), SHA256_BYTES);
    }
    assert_true(rules_review_alike(before, after));
    rules_release(&after);
    folder_write(&reading.folder, "two.txt", BYTES("a fourth\n"));
    (void)snprintf(reading.settings->profiles[2].review.url, PATH_BYTES_MAX, "http://reviewer/");
    assert_status(STATUS_OK, rules_open(&after, reading.settings, stderr));
    assert_memory_equal(keywords_digest(rules_keywords(before)[0]), keywords_digest(rules_keywords(after)[0]), SHA256_BYTES);
    assert_memory_not_equal(keywords_digest(rules_keywords(before)[1]), keywords_digest(rules_keywords(after)[1]), SHA256_BYTES);
    assert_memory_not_equal(rules_review_digest(before, 2), rules_review_digest(after, 2), SHA256_BYTES);
    assert_false(rules_review_alike(before, after));
    rules_release(&after);
    reading.settings->profile_count--;
    assert_status(STATUS_OK, rules_open(&after, reading.settings, stderr));
    assert_false(rules_review_alike(before, after));
    reading.settings->profile_count++;
    rules_release(&after);
    rules_release(&before);
    reading_end(&reading);
}

static void the_digest_of_a_review_changes_with_all_that_it_is_made_from(void **state)
{
    struct reading reading;
    struct profile_settings *profile;
    struct rules *before = NULL;

    (void)state;
    assert_read(&reading, "profiles: { one: { model: { kind: none } } }\n");
    profile = &reading.settings->profiles[0];
    (void)snprintf(profile->review.url, PATH_BYTES_MAX, "http://reviewer/");
    folder_write(&reading.folder, "key", BYTES("one"));
    folder_write(&reading.folder, "prompt", BYTES("a policy"));
    folder_path(&reading.folder, "key", profile->review.key_file);
    folder_path(&reading.folder, "prompt", profile->review.prompt_file);
    assert_status(STATUS_OK, rules_open(&before, reading.settings, stderr));
    for (int change = 0; change < 11; change++) {
        struct rules *after = NULL;

        switch (change) {
        case 0:
            folder_write(&reading.folder, "key", BYTES("two"));
            break;
        case 1:
            folder_write(&reading.folder, "prompt", BYTES("another policy"));
            break;
        case 2:
            profile->store = STORE_HASH;
            break;
        case 3:
            profile->review.concurrency++;
            break;
        case 4:
            (void)snprintf(profile->name, sizeof profile->name, "renamed");
            break;
        case 5:
            profile->low += 0.1;
            break;
        case 6:
            profile->high += 0.1;
            break;
        case 7:
            profile->model_kind = MODEL_KIND_HASHLINEAR;
            break;
        case 8:
            profile->undecided = UNDECIDED_BLOCK; /* the judge's business */
            break;
        case 9:
            profile->review.url[0] = '\0'; /* nothing is made from the rest any more */
            break;
        case 10:
            profile->low += 0.1;
            break;
        }
        assert_status(STATUS_OK, rules_open(&after, reading.settings, stderr));
        assert_int_equal(change == 8 || change == 10, rules_review_alike(before, after));
        rules_release(&before);
        before = after;
    }
    rules_release(&before);
    reading_end(&reading);
}

static void the_problems_of_all_lists_are_told_at_once(void **state)
{
    struct reading reading;
    struct rules *rules = NULL;
    char *told = NULL;
    size_t told_count;
    FILE *errors = open_memstream(&told, &told_count);

    (void)state;
    assert_non_null(errors);
    open_reading(&reading);
    folder_write(&reading.folder, "two.txt", BYTES(""));
    assert_status(STATUS_MALFORMED, rules_open(&rules, reading.settings, errors));
    assert_int_equal(0, fclose(errors));
    assert_null(rules);
    assert_non_null(strstr(told, "one.txt"));
    assert_non_null(strstr(told, "two.txt"));
    free(told);
    reading_end(&reading);
}

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_has_its_list_as_long_as_somebody_holds_them),
        cmocka_unit_test(a_list_says_what_it_was_read_from_and_a_review_what_it_is_made_from),
        cmocka_unit_test(the_digest_of_a_review_changes_with_all_that_it_is_made_from),
        cmocka_unit_test(the_problems_of_all_lists_are_told_at_once),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

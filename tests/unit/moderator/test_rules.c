/* test_rules: lists of all profiles, problems of all of them at once, and the last holder frees them. */
#include "moderator/rules.h"

#include "support/settings_text.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_has_its_list_as_long_as_somebody_holds_them),
        cmocka_unit_test(the_problems_of_all_lists_are_told_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

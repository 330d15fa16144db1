/* Tests of key: the line that is printed lets the printed key in, and no two keys are alike. */
#include "gateway/key.h"

#include "gateway/callers.h"
#include "proto/program.h"
#include "support/settings_text.h"

#include <stdlib.h>

/* What `key NAME` prints; NULL with everything on `errors` when it is refused. */
static char *run(int expected, int argc, char **argv)
{
    char *said = NULL, *told = NULL;
    size_t said_count, told_count;
    FILE *out = open_memstream(&said, &said_count), *errors = open_memstream(&told, &told_count);

    assert_true(out != NULL && errors != NULL);
    assert_int_equal(expected, key_command(argc, argv, out, errors));
    assert_int_equal(0, fclose(out) + fclose(errors));
    assert_int_equal(expected == PROGRAM_OK, said_count > 0);
    assert_int_equal(expected == PROGRAM_OK, told_count == 0);
    free(told);
    return said;
}

static void the_line_lets_the_key_in(void **state)
{
    char *argv[] = {"prismguard-gateway", "key", "team-a"};
    char *said = run(PROGRAM_OK, 3, argv), *again = run(PROGRAM_OK, 3, argv), *key = strstr(said, "pg-");
    char text[512];
    struct reading reading;
    struct metrics *metrics = NULL;
    struct callers *callers = NULL;
    struct caller *caller;

    (void)state;
    assert_non_null(key);
    assert_string_not_equal(said, again);
    assert_non_null(strstr(said, "    - { name: team-a, "));
    (void)snprintf(text, sizeof text, "gateway:\n  keys:\n%s", strstr(said, "    - { name: "));
    assert_read(&reading, text);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, callers_open(&callers, reading.settings, NULL, metrics));
    caller = callers_find(callers, (struct bytes){key, strcspn(key, "\n")});
    assert_non_null(caller);
    assert_bytes("team-a", caller_name(caller));
    callers_close(&callers);
    metrics_close(&metrics);
    reading_end(&reading);
    free(said);
    free(again);
}

static void a_name_that_cannot_be_written_down_is_refused(void **state)
{
    char *argv[] = {"prismguard-gateway", "key", "none", "more"};
    static char *const names[] = {"none", "", "two words", "a,b", "?a"};

    (void)state;
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        argv[2] = names[index];
        free(run(PROGRAM_USAGE, 3, argv));
    }
    argv[2] = "good";
    free(run(PROGRAM_USAGE, 2, argv));
    free(run(PROGRAM_USAGE, 4, argv));
}

static void help_is_no_error_and_no_option_becomes_a_name(void **state)
{
    char *argv[] = {"prismguard-gateway", "key", "--help"};
    char *said = run(PROGRAM_OK, 3, argv);

    (void)state;
    assert_non_null(strstr(said, "usage: prismguard-gateway key NAME\n"));
    assert_null(strstr(said, "sha256"));
    free(said);
    argv[2] = "--hepl";
    free(run(PROGRAM_USAGE, 3, argv));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_lets_the_key_in),
        cmocka_unit_test(a_name_that_cannot_be_written_down_is_refused),
        cmocka_unit_test(help_is_no_error_and_no_option_becomes_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

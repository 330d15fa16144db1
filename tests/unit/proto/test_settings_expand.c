/* test_settings_expand: variables and their defaults, and everything that only looks like one. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings_expand.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_expands(const char *expected, const char *text)
{
    struct buffer out;
    struct bytes at;

    buffer_init(&out, KIB);
    assert_status(STATUS_OK, settings_expand(bytes_of(text), &out, &at));
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
}

static void assert_fails(enum status expected, const char *at_expected, const char *text)
{
    struct buffer out;
    struct bytes at = {NULL, 0};

    buffer_init(&out, KIB);
    assert_status(expected, settings_expand(bytes_of(text), &out, &at));
    assert_bytes(at_expected, at);
    buffer_free(&out);
}

static void a_text_without_variables_stays_as_it_is(void **state)
{
    (void)state;
    assert_expands("", "");
    assert_expands("a", "a");
    assert_expands("$", "$");
    assert_expands("$$a $b }", "$$a $b }");
    assert_expands("a{b}", "a{b}");
}

static void a_variable_is_replaced_wherever_it_stands(void **state)
{
    (void)state;
    assert_expands("value", "${TEST_SET}");
    assert_expands("avalueb$value", "a${TEST_SET}b$${TEST_SET}");
    assert_expands("valuevalue", "${TEST_SET}${TEST_SET}");
    assert_expands("", "${TEST_EMPTY}");
}

static void what_a_variable_holds_is_not_expanded_again(void **state)
{
    (void)state;
    setenv("TEST_SET", "${TEST_EMPTY}", 1);
    assert_expands("${TEST_EMPTY}", "${TEST_SET}");
    setenv("TEST_SET", "value", 1);
}

static void a_default_stands_in_for_what_is_not_set_or_empty(void **state)
{
    (void)state;
    assert_expands("x", "${TEST_NONE:-x}");
    assert_expands("x", "${TEST_EMPTY:-x}");
    assert_expands("value", "${TEST_SET:-x}");
    assert_expands("", "${TEST_NONE:-}");
    assert_expands("a:-b c$", "${TEST_NONE:-a:-b c$}");
}

static void a_variable_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_fails(STATUS_NOT_FOUND, "${TEST_NONE}", "a${TEST_NONE}b");
}

static void what_is_no_variable_is_named(void **state)
{
    (void)state;
    assert_fails(STATUS_MALFORMED, "${", "a${");
    assert_fails(STATUS_MALFORMED, "${TEST_SET", "${TEST_SET");
    assert_fails(STATUS_MALFORMED, "${}", "${}");
    assert_fails(STATUS_MALFORMED, "${1A}", "${1A}x");
    assert_fails(STATUS_MALFORMED, "${a b}", "${a b}");
    assert_fails(STATUS_MALFORMED, "${:-x}", "${:-x}");
    assert_fails(STATUS_MALFORMED, "${TEST_SET:x}", "${TEST_SET:x}");
    assert_fails(STATUS_MALFORMED, "${TEST_SET:}", "${TEST_SET:}");
    assert_fails(STATUS_MALFORMED, "${TEST_SET-x}", "${TEST_SET-x}");
}

static void a_name_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
    char text[300];

    (void)state;
    for (int count = 255; count <= 256; count++) {
        char name[257];

        memset(name, 'N', sizeof name);
        (void)snprintf(text, sizeof text, "${%.*s}", count, name);
        assert_fails(count == 255 ? STATUS_NOT_FOUND : STATUS_MALFORMED, text, text);
    }
}

static void the_bound_of_the_output_holds_on_both_sides(void **state)
{
    struct buffer out;
    struct bytes at;

    (void)state;
    buffer_init(&out, 7);
    assert_status(STATUS_OK, settings_expand(BYTES("a${TEST_SET}b"), &out, &at));
    buffer_clear(&out);
    assert_status(STATUS_TOO_LARGE, settings_expand(BYTES("a${TEST_SET}bc"), &out, &at));
    buffer_clear(&out);
    assert_status(STATUS_TOO_LARGE, settings_expand(BYTES("abc${TEST_SET}"), &out, &at));
    buffer_free(&out);
}

static int prepare(void **state)
{
    (void)state;
    setenv("TEST_SET", "value", 1);
    setenv("TEST_EMPTY", "", 1);
    unsetenv("TEST_NONE");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_variables_stays_as_it_is),
        cmocka_unit_test(a_variable_is_replaced_wherever_it_stands),
        cmocka_unit_test(what_a_variable_holds_is_not_expanded_again),
        cmocka_unit_test(a_default_stands_in_for_what_is_not_set_or_empty),
        cmocka_unit_test(a_variable_that_is_not_there_is_named),
        cmocka_unit_test(what_is_no_variable_is_named),
        cmocka_unit_test(a_name_may_be_as_long_as_its_bound_and_no_longer),
        cmocka_unit_test(the_bound_of_the_output_holds_on_both_sides),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}

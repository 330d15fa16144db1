/* test_settings_path: what a node is called, and where a problem is said to be. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings_path.h"

#include <stdio.h>
#include <stdlib.h>

static struct settings_document *document_of(const char *text)
{
    struct settings_document *document = NULL;
    struct settings_errors errors = {.out = stderr, .file = "f"};

    assert_status(STATUS_OK, settings_document_open(&document, bytes_of(text), &errors));
    return document;
}

static const char sample[] = "gateway:\n  limits:\n    idle: 1s\nroutes:\n  - path: /a\n  - path: /b\n    from: auto\n"
                             "profiles:\n  one:\n    scope: { roles: [user] }\na.b: 1\n'c[]': { '*': 2 }\n";

static void each_node_has_a_path_for_the_table_and_one_for_people(void **state)
{
    static const char *const expected[][2] = {
        {"", ""},
        {"gateway", "gateway"},
        {"gateway.limits", "gateway.limits"},
        {"gateway.limits.idle", "gateway.limits.idle"},
        {"routes", "routes"},
        {"routes[]", "routes[0]"},
        {"routes[].path", "routes[0].path"},
        {"routes[]", "routes[1]"},
        {"routes[].path", "routes[1].path"},
        {"routes[].from", "routes[1].from"},
        {"profiles", "profiles"},
        {"profiles.*", "profiles.one"},
        {"profiles.*.scope", "profiles.one.scope"},
        {"profiles.*.scope.roles", "profiles.one.scope.roles"},
        {"profiles.*.scope.roles[]", "profiles.one.scope.roles[0]"},
        {"?", "a.b"},
        {"?", "c[]"},
        {"?.?", "c[].*"},
    };
    struct settings_document *document = document_of(sample);
    char path[SETTINGS_PATH_BYTES];

    (void)state;
    assert_int_equal(sizeof expected / sizeof expected[0], document->count);
    for (size_t index = 0; index < document->count; index++) {
        settings_path_of(document, index, path);
        assert_string_equal(expected[index][0], path);
        settings_path_shown(document, index, path);
        assert_string_equal(expected[index][1], path);
    }
    settings_document_close(&document);
}

static void a_path_too_long_is_cut(void **state)
{
    char text[1000] = "";
    char path[SETTINGS_PATH_BYTES];
    struct settings_document *document;

    (void)state;
    for (size_t depth = 0; depth < SETTINGS_DEPTH_MAX; depth++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "{ %080d: ", 1);
    }
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "1 %s", "}}}}}}}}");
    document = document_of(text);
    for (size_t index = 0; index < document->count; index++) {
        settings_path_shown(document, index, path);
        assert_true(strlen(path) < sizeof path);
    }
    assert_true(strlen(path) > sizeof path - PROFILE_NAME_BYTES_MAX - 2);
    settings_document_close(&document);
}

static void assert_place(const char *expected, const char *path)
{
    struct settings_document *document = document_of(sample);
    char *told = NULL;
    size_t count;
    struct settings_errors errors = {.out = open_memstream(&told, &count), .file = "f"};

    settings_path_refuse(&errors, document, path, "found %d", 1);
    assert_int_equal(0, fclose(errors.out));
    assert_string_equal(expected, told);
    free(told);
    settings_document_close(&document);
}

static void a_problem_stands_at_its_key_or_the_nearest_section_around_it(void **state)
{
    (void)state;
    assert_place("f:3: gateway.limits.idle: found 1\n", "gateway.limits.idle");
    assert_place("f:2: gateway.limits.total: found 1\n", "gateway.limits.total");
    assert_place("f:2: gateway.limits.idleness: found 1\n", "gateway.limits.idleness");
    assert_place("f:7: routes[1].from: found 1\n", "routes[1].from");
    assert_place("f:6: routes[1].upstream: found 1\n", "routes[1].upstream");
    assert_place("f:4: routes[2].path: found 1\n", "routes[2].path");
    assert_place("f:9: profiles.one.model.low: found 1\n", "profiles.one.model.low");
    assert_place("f: moderation.bind: found 1\n", "moderation.bind");
}

static void a_problem_of_an_overridden_key_stands_at_its_variable(void **state)
{
    (void)state;
    setenv("PRISMGUARD_GATEWAY_LIMITS_IDLE", "1s", 1);
    assert_place("PRISMGUARD_GATEWAY_LIMITS_IDLE: gateway.limits.idle: found 1\n", "gateway.limits.idle");
    assert_place("f:2: gateway.limits.total: found 1\n", "gateway.limits.total");
    unsetenv("PRISMGUARD_GATEWAY_LIMITS_IDLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_has_a_path_for_the_table_and_one_for_people),
        cmocka_unit_test(a_path_too_long_is_cut),
        cmocka_unit_test(a_problem_stands_at_its_key_or_the_nearest_section_around_it),
        cmocka_unit_test(a_problem_of_an_overridden_key_stands_at_its_variable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

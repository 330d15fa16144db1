/* test_settings_walk: what is wrong in a file is told with its line, its key, what was found and what is allowed. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/settings_walk.h"

#define SHA256_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void an_unknown_key_is_told_with_those_allowed_beside_it(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: getaway: unknown key; allowed here are gateway, routes, moderation, profiles, "
                   "moderator, trainer, database, curve, log\n",
                   "getaway: 1\n");
    assert_refused("prismguard.yaml:3: gateway.kees: unknown key; allowed here are listen, trusted_proxies, admin_listen, "
                   "threads, open, keys, "
                   "debug_headers, url_config, url_config_hosts, url_config_floor, allow_private_upstreams, limits\n",
                   "gateway:\n  threads: 2\n  kees:\n    - { name: a }\n");
    assert_refused("prismguard.yaml:2: routes[0].map: unknown key; allowed here are path, upstream, serve, key_file, from, "
                   "to, models, delay_stream_header, moderation\n",
                   "routes:\n  - { map: { a: b }, path: /a, upstream: https://a.example, moderation: none }\n");
    assert_refused("prismguard.yaml:1: profiles.a.training.gate.max: unknown key; allowed here are min_auc, max_regression\n",
                   "profiles: { a: { training: { gate: { max: 1 } } } }\n");
}

static void a_key_that_only_looks_like_a_path_is_unknown(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: gateway.threads: unknown key; allowed here are gateway, routes, moderation, profiles, "
                   "moderator, trainer, database, curve, log\n",
                   "gateway.threads: 2\n");
    assert_refused("prismguard.yaml:1: profiles.a.model.kind: unknown key; allowed here are when_unavailable, undecided, "
                   "observe, responses, unknown, images, scope, keywords, model, review, cache, store, retention, training\n",
                   "profiles: { a: { model.kind: none } }\n");
    assert_refused("prismguard.yaml:1: routes[]: unknown key; allowed here are gateway, routes, moderation, profiles, "
                   "moderator, trainer, database, curve, log\n",
                   "routes[]: { path: /a }\n");
    assert_refused("prismguard.yaml:1: profiles.*: a profile's name is of letters, digits, - and _ (at most 64), and not none\n",
                   "profiles: { \"*\": { store: off } }\n");
}

static void what_stands_below_a_wrong_key_is_not_told_again(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: tables: unknown key; allowed here are gateway, routes, moderation, profiles, moderator, "
                   "trainer, database, curve, log\n",
                   "tables: { dir: [{ a: { b: c } }] }\n");
    assert_refused("prismguard.yaml:1: log: found a list, allowed is a mapping\n", "log: [level, [format]]\n");
}

static void every_wrong_kind_is_told(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:1: found a value, allowed is a mapping\n", "gateway\n");
    assert_refused("prismguard.yaml:1: found a list, allowed is a mapping\n", "- gateway: 1\n");
    assert_refused("prismguard.yaml:1: gateway: found a value, allowed is a mapping\n", "gateway: 127.0.0.1:8080\n");
    assert_refused("prismguard.yaml:1: gateway: found a value, allowed is a mapping\n", "gateway: \"\"\n");
    assert_refused("prismguard.yaml:1: routes: found a mapping, allowed is a list\n", "routes: { path: /a }\n");
    assert_refused("prismguard.yaml:2: routes[0]: found a value, allowed is a mapping\n", "routes:\n  - /a\n");
    assert_refused("prismguard.yaml:2: routes[0]: found a value, allowed is a mapping\n", "routes:\n  -\n");
    assert_refused("prismguard.yaml:1: profiles: found a list, allowed is a mapping\n", "profiles: [default]\n");
    assert_refused("prismguard.yaml:1: profiles.a: found a list, allowed is a mapping\n", "profiles: { a: [b] }\n");
    assert_refused("prismguard.yaml:1: gateway.threads: found a list, allowed is auto or 1 to 64\n", "gateway: { threads: [1] }\n");
    assert_refused("prismguard.yaml:1: gateway.threads: found a mapping, allowed is auto or 1 to 64\n",
                   "gateway: { threads: { a: b } }\n");
    assert_refused("prismguard.yaml:2: gateway.threads: found nothing, allowed is auto or 1 to 64\n", "gateway:\n  threads:\n");
    assert_refused("prismguard.yaml:1: moderator.gateways: found a list or mapping inside the list, allowed is a list of 1 to "
                   "16, each tcp://host:port or ipc://path\n",
                   "moderator: { gateways: [[tcp://127.0.0.1:1]] }\n");
}

static void each_type_tells_its_bad_forms(void **state)
{
    (void)state;
    setenv("CONTROL", "host=a\nb", 1);
    assert_refused("prismguard.yaml:1: gateway.threads: found 'two', allowed is auto or 1 to 64\n"
                   "prismguard.yaml:2: gateway.open: found 'yes', allowed is true or false\n"
                   "prismguard.yaml:3: gateway.listen: found '8080', allowed is host:port, such as 127.0.0.1:8080 or "
                   "[::]:8080, or unix:/path (at most 512 bytes)\n"
                   "prismguard.yaml:4: gateway.admin_listen: found 'on', allowed is off or host:port, such as 127.0.0.1:8080 or "
                   "[::]:8080 (at most 512 bytes)\n"
                   "prismguard.yaml:6: gateway.limits.header_line: found '8KB', allowed is 1KiB to 64KiB (units B, KiB, MiB)\n"
                   "prismguard.yaml:7: gateway.limits.connect: found '5', allowed is 10ms to 1h (units ms, s, m, h, d)\n"
                   "prismguard.yaml:8: gateway.limits.in_flight: found '-1', allowed is 1 to 65536\n",
                   "gateway: { threads: two,\n open: yes,\n listen: 8080,\n admin_listen: on,\n limits: {\n header_line: 8KB,\n"
                   " connect: 5,\n in_flight: -1 } }\n");
    assert_refused("prismguard.yaml:2: profiles.a.model.low: found '.5', allowed is 0 to 1, such as 0.25\n"
                   "prismguard.yaml:3: profiles.a.model.kind: found 'bag', allowed is hashlinear, bow, fasttext or none\n"
                   "prismguard.yaml:4: profiles.a.store: found 'TEXT', allowed is text, hash or off\n"
                   "prismguard.yaml:5: profiles.a.scope.roles: found 'users', allowed is a list of system, user, tool, "
                   "document, assistant, reasoning, tool_def or media_url\n"
                   "prismguard.yaml:6: profiles.a.review.url: found 'api.openai.com', allowed is http:// or https://, host, "
                   "optional port, path and query; no user or fragment (at most 512 bytes)\n"
                   "prismguard.yaml:7: profiles.a.review.models: found 'a b', allowed is a list of 0 to 16, each the name of a "
                   "model\n"
                   "prismguard.yaml:8: profiles.a.keywords: found '', allowed is a list of 0 to 16, each the name of a file\n",
                   "profiles: { a: {\n model: { low: .5,\n kind: bag },\n store: TEXT,\n scope: { roles: [user, users] },\n"
                   " review: { url: api.openai.com,\n models: [a b] },\n keywords: [\"\"] } }\n");
    assert_refused("prismguard.yaml:2: routes[0].path: found 'openai', allowed is a path such as /openai: letters, digits, - . _ "
                   "~, no / at the end (at most 512 bytes)\n"
                   "prismguard.yaml:3: routes[0].upstream: found 'ftp://a', allowed is http:// or https://, host, optional port "
                   "and path; no user, query or fragment (at most 512 bytes)\n"
                   "prismguard.yaml:4: routes[0].moderation: found 'a b', allowed is the name of a profile, or none (at most 64 "
                   "bytes)\n",
                   "routes: [{\n path: openai,\n upstream: ftp://a,\n moderation: a b }]\n");
    assert_refused("prismguard.yaml:1: moderation.bind: found '127.0.0.1:5', allowed is tcp://address:port or ipc://path (at "
                   "most 512 bytes)\n"
                   "prismguard.yaml:2: moderator.gateways: found 0 items, allowed is a list of 1 to 16, each tcp://host:port or "
                   "ipc://path\n"
                   "prismguard.yaml:3: database.url: found '${CONTROL}', allowed is text without control characters (at most 512 bytes)\n",
                   "moderation: { bind: 127.0.0.1:5 }\nmoderator: { gateways: [] }\ndatabase: { url: \"${CONTROL}\" }\n");
    unsetenv("CONTROL");
}

static void what_a_variable_holds_or_what_may_hold_a_password_is_not_shown(void **state)
{
    char huge[PATH_BYTES_MAX + 1];

    (void)state;
    memset(huge, 'h', sizeof huge);
    huge[PATH_BYTES_MAX] = '\0';
    setenv("HUGE", huge, 1);
    setenv("SECRET_URL", "ftp://hidden", 1);
    assert_refused("prismguard.yaml:1: routes[0].upstream: found '${SECRET_URL}', allowed is http:// or https://, host, optional "
                   "port and path; no user, query or fragment (at most 512 bytes)\n",
                   "routes: [{ upstream: \"${SECRET_URL}\", path: /a, moderation: none }]\n");
    assert_refused("prismguard.yaml:1: profiles.a.keywords: found '${SECRET_URL}${HUGE}', allowed is a list of 0 to 16, each the name of "
                   "a file\n",
                   "profiles: { a: { keywords: [a, \"${SECRET_URL}${HUGE}\"] } }\n");
    unsetenv("SECRET_URL");
    unsetenv("HUGE");
    assert_refused("prismguard.yaml:1: routes[0].upstream: found a text (not shown), allowed is http:// or https://, host, "
                   "optional port and path; no user, query or fragment (at most 512 bytes)\n",
                   "routes: [{ upstream: \"https://me:password@a.example\", path: /a, moderation: none }]\n");
    assert_refused("prismguard.yaml:1: routes[0].upstream: found a text (not shown), allowed is http:// or https://, host, "
                   "optional port and path; no user, query or fragment (at most 512 bytes)\n",
                   "routes: [{ upstream: \"https://a.example?secret\", path: /a, moderation: none }]\n");
    assert_refused("prismguard.yaml:1: gateway.threads: found a text (not shown), allowed is auto or 1 to 64\n",
                   "gateway: { threads: c2VjcmV0Cg== }\n");
}

static void a_long_value_is_shown_cut(void **state)
{
    char text[300];
    char expected[400];
    char value[SETTINGS_FOUND_BYTES_MAX + 2];

    (void)state;
    for (size_t count = SETTINGS_FOUND_BYTES_MAX; count <= SETTINGS_FOUND_BYTES_MAX + 1; count++) {
        memset(value, 'v', count);
        value[count] = '\0';
        (void)snprintf(text, sizeof text, "log: { level: %s }\n", value);
        (void)snprintf(expected, sizeof expected,
                       "prismguard.yaml:1: log.level: found '%.*s%s', allowed is debug, info, warn or error\n",
                       SETTINGS_FOUND_BYTES_MAX, value, count > SETTINGS_FOUND_BYTES_MAX ? "..." : "");
        assert_refused(expected, text);
    }
}

static void variables_are_replaced_in_values_and_lists(void **state)
{
    struct reading reading;

    (void)state;
    setenv("TEST_PORT", "81", 1);
    assert_read(&reading, "gateway: { listen: \"127.0.0.1:${TEST_PORT}\", threads: \"${TEST_NONE:-3}\" }\n"
                          "moderator: { gateways: [\"tcp://127.0.0.1:${TEST_PORT}\", \"ipc://${TEST_NONE:-a,b}\"] }\n"
                          "profiles: { a: { keywords: \"a.txt, ${TEST_PORT}.txt\" } }\n");
    assert_string_equal("127.0.0.1:81", reading.settings->gateway.listen);
    assert_int_equal(3, reading.settings->gateway.threads);
    assert_string_equal("tcp://127.0.0.1:81", reading.settings->moderator.gateways.at[0]);
    assert_string_equal("ipc://a,b", reading.settings->moderator.gateways.at[1]);
    assert_int_equal(2, reading.settings->profiles[0].keyword_file_count);
    assert_non_null(strstr(reading.settings->profiles[0].keyword_files[1], "/profiles/a/81.txt"));
    reading_end(&reading);
    unsetenv("TEST_PORT");
}

static void a_variable_that_is_not_there_or_no_variable_is_told(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: gateway.listen: found '${TEST_NONE}', but the environment has no such variable\n",
                   "gateway:\n  listen: \"127.0.0.1:${TEST_NONE}\"\n");
    assert_refused("prismguard.yaml:1: gateway.listen: found '${1}', allowed is ${VARIABLE} or ${VARIABLE:-default}\n"
                   "prismguard.yaml:1: gateway.threads: found '${OPEN', allowed is ${VARIABLE} or ${VARIABLE:-default}\n",
                   "gateway: { listen: \"127.0.0.1:${1}\", threads: \"1${OPEN\" }\n");
}

static void a_value_is_as_long_as_its_bound_after_its_variables_and_no_longer(void **state)
{
    char value[SETTINGS_VALUE_BYTES_MAX + 2];
    struct reading reading;

    (void)state;
    memset(value, 'v', sizeof value);
    value[SETTINGS_VALUE_BYTES_MAX] = '\0';
    setenv("LONG", value, 1);
    assert_refused("prismguard.yaml:1: log.level: found '${LONG}', allowed is debug, info, warn or error\n",
                   "log: { level: \"${LONG}\" }\n");
    assert_refused("prismguard.yaml:1: log.level: longer than 4096 bytes\n", "log: { level: \"${LONG}v\" }\n");
    /* The bound is of one value, not of a list. */
    reading_begin(&reading, BYTES("profiles: { a: { keywords: [\"${LONG}\", \"${LONG}\"] } }\n"));
    without_folder(&reading);
    assert_string_equal("prismguard.yaml:1: profiles.a.keywords: found '${LONG}', allowed is a list of 0 to 16, each the name of "
                        "a file\n",
                        reading.told);
    reading_end(&reading);
    unsetenv("LONG");
}

static void a_list_holds_as_many_as_its_bound_and_not_one_more(void **state)
{
    for (size_t count = ENDPOINTS_MAX; count <= ENDPOINTS_MAX + 1; count++) {
        char text[1000] = "moderator: { gateways: [";
        struct reading reading;

        for (size_t index = 0; index < count; index++) {
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%sipc://%zu", index == 0 ? "" : ", ", index);
        }
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "] }\n");
        reading_begin(&reading, bytes_of(text));
        without_folder(&reading);
        if (count == ENDPOINTS_MAX) {
            assert_string_equal("", reading.told);
            assert_int_equal(count, reading.settings->moderator.gateways.count);
            assert_string_equal("ipc://15", reading.settings->moderator.gateways.at[15]);
        } else {
            assert_string_equal("prismguard.yaml:1: moderator.gateways: found 17 items, allowed is a list of 1 to 16, each "
                                "tcp://host:port or ipc://path\n",
                                reading.told);
        }
        reading_end(&reading);
    }
    (void)state;
}

static void a_caller_needs_a_name_and_a_hash_which_is_not_shown(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:3: gateway.keys[0]: 'sha256' is missing\n"
                   "prismguard.yaml:4: gateway.keys[1]: 'name' is missing\n"
                   "prismguard.yaml:4: gateway.keys[1].sha256: found a text (not shown), allowed is 64 lower-case hexadecimal digits "
                   "(at most 64 bytes)\n"
                   "prismguard.yaml:5: gateway.keys[2]: found a value, allowed is a mapping\n",
                   "gateway:\n  keys:\n    - { name: a }\n    - { sha256: pg-the-key-itself }\n    - a\n");
    assert_refused("prismguard.yaml:1: gateway.keys: found a mapping, allowed is a list\n", "gateway: { keys: { name: a } }\n");
    assert_refused("prismguard.yaml:1: gateway.keys[0].rate: found '50', allowed is off or 1 to 1000000 in a time, such as 50/s "
                   "(units /s, /m, /h)\n",
                   "gateway: { keys: [{ name: a, sha256: " SHA256_A ", rate: 50 }] }\n");
}

static void a_route_needs_its_path(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:3: routes[1]: 'path' is missing\n"
                   "prismguard.yaml:4: routes[2]: 'path' is missing\n",
                   "routes:\n- { path: /a, upstream: https://a.example, moderation: none }\n"
                   "- { upstream: https://a.example, moderation: none }\n- {}\n");
}

static void profile_names_are_words_and_not_none(void **state)
{
    struct reading reading;
    char text[PROFILE_NAME_BYTES_MAX + 20];
    char name[PROFILE_NAME_BYTES_MAX + 2];

    (void)state;
    assert_read(&reading, "profiles: { a-b_C9: }\n");
    assert_string_equal("a-b_C9", reading.settings->profiles[0].name);
    reading_end(&reading);
    assert_refused("prismguard.yaml:1: profiles.none: a profile's name is of letters, digits, - and _ (at most 64), and not none\n"
                   "prismguard.yaml:1: profiles.../a: a profile's name is of letters, digits, - and _ (at most 64), and not none\n",
                   "profiles: { none: , ../a: }\n");
    memset(name, 'n', sizeof name);
    for (size_t count = PROFILE_NAME_BYTES_MAX; count <= PROFILE_NAME_BYTES_MAX + 1; count++) {
        name[count] = '\0';
        (void)snprintf(text, sizeof text, "profiles: { %s: }\n", name);
        reading_begin(&reading, bytes_of(text));
        assert_status(count == PROFILE_NAME_BYTES_MAX ? STATUS_OK : STATUS_MALFORMED, reading.status);
        reading_end(&reading);
        name[count] = 'n';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_key_is_told_with_those_allowed_beside_it),
        cmocka_unit_test(a_key_that_only_looks_like_a_path_is_unknown),
        cmocka_unit_test(what_stands_below_a_wrong_key_is_not_told_again),
        cmocka_unit_test(every_wrong_kind_is_told),
        cmocka_unit_test(each_type_tells_its_bad_forms),
        cmocka_unit_test(what_a_variable_holds_or_what_may_hold_a_password_is_not_shown),
        cmocka_unit_test(a_long_value_is_shown_cut),
        cmocka_unit_test(variables_are_replaced_in_values_and_lists),
        cmocka_unit_test(a_variable_that_is_not_there_or_no_variable_is_told),
        cmocka_unit_test(a_value_is_as_long_as_its_bound_after_its_variables_and_no_longer),
        cmocka_unit_test(a_list_holds_as_many_as_its_bound_and_not_one_more),
        cmocka_unit_test(a_route_needs_its_path),
        cmocka_unit_test(a_caller_needs_a_name_and_a_hash_which_is_not_shown),
        cmocka_unit_test(profile_names_are_words_and_not_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

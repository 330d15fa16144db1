/* test_settings: a file becomes structs: defaults, environment, absolute paths, order of routes, files that cannot be read. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/log.h"

static const char route_and_profile[] = "routes:\n  - { path: /openai, upstream: https://api.openai.com }\nprofiles:\n  default:\n";

static void an_empty_file_is_all_defaults(void **state)
{
    static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "gateway:\nroutes:\nprofiles:\n"};

    (void)state;
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct reading reading;
        const struct settings *settings;

        assert_read(&reading, texts[index]);
        settings = reading.settings;
        assert_string_equal("127.0.0.1:8080", settings->gateway.listen);
        assert_string_equal("127.0.0.1:9090", settings->gateway.admin_listen);
        assert_int_equal(SETTINGS_AUTO, settings->gateway.threads);
        assert_false(settings->gateway.open);
        assert_int_equal(16 * MIB, settings->gateway.limits.request_bytes);
        assert_int_equal(3600000, settings->gateway.limits.total_ms);
        assert_int_equal(0, settings->route_count);
        assert_int_equal(0, settings->profile_count);
        assert_string_equal("", settings->moderator.admin_listen);
        assert_string_equal("/var/lib/prismguard", settings->moderator.state_dir);
        assert_int_equal(64 * MIB, settings->moderator.spool_bytes);
        assert_int_equal(1, settings->moderator.gateways.count);
        assert_string_equal("tcp://127.0.0.1:5555", settings->moderator.gateways.at[0]);
        assert_string_equal("", settings->database.url);
        assert_int_equal(LOG_INFO, settings->log.level);
        assert_int_equal(LOG_FORMAT_JSON, settings->log.format);
        reading_end(&reading);
    }
}

static void the_defaults_written_down_are_the_defaults(void **state)
{
    struct settings *written = NULL;
    struct reading reading;

    (void)state;
    assert_status(STATUS_OK, settings_open(&written, TEST_DATA "/settings/defaults.yaml", stderr));
    assert_read(&reading, route_and_profile);
    assert_memory_equal(&written->gateway, &reading.settings->gateway, sizeof written->gateway);
    assert_memory_equal(&written->moderation, &reading.settings->moderation, sizeof written->moderation);
    assert_memory_equal(&written->moderator, &reading.settings->moderator, sizeof written->moderator);
    assert_memory_equal(&written->trainer, &reading.settings->trainer, sizeof written->trainer);
    assert_memory_equal(&written->database, &reading.settings->database, sizeof written->database);
    assert_memory_equal(&written->log, &reading.settings->log, sizeof written->log);
    assert_int_equal(1, written->route_count);
    assert_int_equal(1, written->profile_count);
    written->routes[0].line = reading.settings->routes[0].line;
    written->profiles[0].line = reading.settings->profiles[0].line;
    assert_memory_equal(&written->routes[0], &reading.settings->routes[0], sizeof written->routes[0]);
    assert_memory_equal(&written->profiles[0], &reading.settings->profiles[0], sizeof written->profiles[0]);
    reading_end(&reading);
    settings_close(&written);
}

static void a_profile_has_its_defaults_and_is_found_by_name(void **state)
{
    struct reading reading;
    const struct profile_settings *profile;

    (void)state;
    assert_read(&reading, "profiles:\n  one: { undecided: block }\n  two:\n    model: { low: 0.3 }\n");
    profile = settings_profile(reading.settings, BYTES("one"));
    assert_int_equal(UNDECIDED_BLOCK, profile->undecided);
    assert_int_equal(2, profile->line);
    profile = settings_profile(reading.settings, BYTES("two"));
    assert_int_equal(UNDECIDED_MODEL, profile->undecided);
    assert_true(profile->low == 0.3 && profile->high == 0.8);
    assert_int_equal(SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT, profile->scope_roles);
    assert_int_equal(200, profile->training.min_samples);
    assert_int_equal(3600000, profile->training.every_ms);
    assert_null(settings_profile(reading.settings, BYTES("on")));
    assert_null(settings_profile(reading.settings, BYTES("three")));
    reading_end(&reading);
}

static void routes_stand_longest_first_and_equal_ones_as_in_the_file(void **state)
{
    struct reading reading;
    static const char *const expected[] = {"/openai/v1", "/openai", "/abcdef", "/a", "/"};

    (void)state;
    assert_read(&reading, "routes:\n"
                          "  - { path: /, upstream: https://a.example, moderation: none }\n"
                          "  - { path: /openai, upstream: https://b.example, moderation: none }\n"
                          "  - { path: /a, upstream: https://c.example, moderation: none }\n"
                          "  - { path: /openai/v1, upstream: https://d.example, moderation: none }\n"
                          "  - { path: /abcdef, upstream: https://e.example, moderation: none }\n");
    assert_int_equal(5, reading.settings->route_count);
    for (size_t index = 0; index < 5; index++) {
        assert_string_equal(expected[index], reading.settings->routes[index].path);
    }
    assert_int_equal(5, reading.settings->routes[0].line);
    assert_string_equal("https://d.example", reading.settings->routes[0].upstream);
    reading_end(&reading);
}

static void the_environment_overrides_the_file(void **state)
{
    struct reading reading;

    (void)state;
    setenv("PRISMGUARD_GATEWAY_LISTEN", "127.0.0.1:1", 1);
    setenv("PRISMGUARD_GATEWAY_LIMITS_IN_FLIGHT", "7", 1);
    setenv("PRISMGUARD_MODERATOR_GATEWAYS", "tcp://127.0.0.1:1, tcp://127.0.0.1:2", 1);
    setenv("PRISMGUARD_DATABASE_URL", "host=/tmp/a ${not_a_variable}", 1);
    assert_read(&reading, "gateway: { listen: 127.0.0.1:2, limits: { in_flight: 8, connections: 9 } }\n");
    assert_string_equal("127.0.0.1:1", reading.settings->gateway.listen);
    assert_int_equal(7, reading.settings->gateway.limits.in_flight);
    assert_int_equal(9, reading.settings->gateway.limits.connections);
    assert_int_equal(2, reading.settings->moderator.gateways.count);
    assert_string_equal("tcp://127.0.0.1:2", reading.settings->moderator.gateways.at[1]);
    assert_string_equal("host=/tmp/a ${not_a_variable}", reading.settings->database.url);
    reading_end(&reading);
    unsetenv("PRISMGUARD_GATEWAY_LISTEN");
    unsetenv("PRISMGUARD_GATEWAY_LIMITS_IN_FLIGHT");
    unsetenv("PRISMGUARD_MODERATOR_GATEWAYS");
    unsetenv("PRISMGUARD_DATABASE_URL");
}

static void a_bad_value_of_the_environment_is_told_by_its_name(void **state)
{
    (void)state;
    setenv("PRISMGUARD_GATEWAY_THREADS", "two", 1);
    assert_refused("PRISMGUARD_GATEWAY_THREADS: gateway.threads: found 'two', allowed is auto or 1 to 64\n", "");
    setenv("PRISMGUARD_GATEWAY_THREADS", "", 1);
    assert_refused("PRISMGUARD_GATEWAY_THREADS: gateway.threads: found '', allowed is auto or 1 to 64\n", "");
    unsetenv("PRISMGUARD_GATEWAY_THREADS");
    setenv("PRISMGUARD_GATEWAY_LISTEN", "0.0.0.0:80", 1); /* good by itself, refused by a check */
    assert_refused("PRISMGUARD_GATEWAY_LISTEN: gateway.listen: found '0.0.0.0:80', which others can reach, and no keys are "
                   "asked for; allowed is a loopback address, keys in 'gateway.keys', or 'gateway.open: true' to let everybody in\n",
                   "gateway: { listen: 127.0.0.1:2 }\n");
    unsetenv("PRISMGUARD_GATEWAY_LISTEN");
}

static void a_strange_variable_is_warned_of_unless_the_file_uses_it(void **state)
{
    struct reading reading;

    (void)state;
    setenv("PRISMGUARD_GATEWAY_LISTNE", "x", 1);
    setenv("PRISMGUARD_PORT", "81", 1);
    reading_begin(&reading, BYTES("gateway: { listen: \"127.0.0.1:${PRISMGUARD_PORT}\" }\n"));
    assert_status(STATUS_OK, reading.status);
    assert_string_equal("", reading.told); /* the log tells, once there is one */
    assert_string_equal("PRISMGUARD_GATEWAY_LISTNE", reading.settings->strange_variables);
    assert_string_equal("127.0.0.1:81", reading.settings->gateway.listen);
    reading_end(&reading);
    unsetenv("PRISMGUARD_GATEWAY_LISTNE");
    unsetenv("PRISMGUARD_PORT");
}

static void variables_of_deploy_local_are_no_strangers_and_many_strangers_have_a_bound(void **state)
{
    struct reading reading;
    char name[64];

    (void)state;
    setenv("PRISMGUARD_PORTS", "18000", 1);
    setenv("PRISMGUARD_VAR", "/tmp/var", 1);
    assert_read(&reading, "");
    assert_string_equal("", reading.settings->strange_variables);
    reading_end(&reading);
    for (int index = 0; index < 100; index++) {
        (void)snprintf(name, sizeof name, "PRISMGUARD_STRANGER_%d", index);
        setenv(name, "x", 1);
    }
    assert_read(&reading, "");
    assert_in_range(strlen(reading.settings->strange_variables), PATH_BYTES_MAX - sizeof name, PATH_BYTES_MAX);
    reading_end(&reading);
    for (int index = 0; index < 100; index++) {
        (void)snprintf(name, sizeof name, "PRISMGUARD_STRANGER_%d", index);
        unsetenv(name);
    }
    unsetenv("PRISMGUARD_PORTS");
    unsetenv("PRISMGUARD_VAR");
}

static void names_of_files_become_absolute(void **state)
{
    struct reading reading;
    char *real;
    char expected[2 * PATH_BYTES_MAX];
    const struct profile_settings *profile;

    (void)state;
    assert_read(&reading, "routes: [{ path: /a, upstream: https://a.example, key_file: a.key }]\n"
                          "profiles:\n  default: { keywords: [k.txt, /etc/k.txt], review: { url: https://r.example, models: [m],\n"
                          "             prompt: p.txt, key_file: r.key } }\n"
                          "database: { password_file: /run/secrets/db, hash_key_file: hash.key }\n"
                          "curve: { dir: keys }\n");
    real = realpath(reading.folder.path, NULL);
    assert_non_null(real);
    profile = &reading.settings->profiles[0];
    (void)snprintf(expected, sizeof expected, "%s/a.key", real);
    assert_string_equal(expected, reading.settings->routes[0].key_file);
    (void)snprintf(expected, sizeof expected, "%s/profiles/default/k.txt", real);
    assert_string_equal(expected, profile->keyword_files[0]);
    assert_string_equal("/etc/k.txt", profile->keyword_files[1]);
    (void)snprintf(expected, sizeof expected, "%s/profiles/default/p.txt", real);
    assert_string_equal(expected, profile->review.prompt_file);
    (void)snprintf(expected, sizeof expected, "%s/r.key", real);
    assert_string_equal(expected, profile->review.key_file);
    assert_string_equal("/run/secrets/db", reading.settings->database.password_file);
    (void)snprintf(expected, sizeof expected, "%s/hash.key", real);
    assert_string_equal(expected, reading.settings->database.hash_key_file);
    (void)snprintf(expected, sizeof expected, "%s/keys", real);
    assert_string_equal(expected, reading.settings->curve.dir);
    free(real);
    reading_end(&reading);
}

static void a_path_too_long_once_it_is_absolute_is_refused(void **state)
{
    char text[PATH_BYTES_MAX + 100];
    char name[PATH_BYTES_MAX + 1];
    struct reading reading;

    (void)state;
    memset(name, 'f', PATH_BYTES_MAX);
    name[PATH_BYTES_MAX] = '\0';
    (void)snprintf(text, sizeof text, "database: { hash_key_file: %s }\n", name);
    reading_begin(&reading, bytes_of(text));
    assert_status(STATUS_MALFORMED, reading.status);
    assert_non_null(strstr(reading.told, ":1: database.hash_key_file: the whole path is longer than 512 bytes: '/"));
    reading_end(&reading);
}

static void a_file_that_is_not_there_is_told(void **state)
{
    struct settings *settings = NULL;
    char *told = NULL;
    size_t count;
    FILE *errors = open_memstream(&told, &count);

    (void)state;
    assert_status(STATUS_IO, settings_open(&settings, "/nonexistent/prismguard.yaml", errors));
    assert_status(STATUS_IO, settings_open(&settings, "/", errors));
    assert_null(settings);
    assert_int_equal(0, fclose(errors));
    assert_string_equal("/nonexistent/prismguard.yaml: cannot be read: No such file or directory\n"
                        "/: cannot be read: Is a directory\n",
                        told);
    free(told);
}

static void a_file_may_be_as_large_as_its_bound_and_no_larger(void **state)
{
    size_t count = SETTINGS_FILE_BYTES_MAX;
    char *text = malloc(count + 1);
    struct reading reading;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', count + 1);
    text[0] = '#';
    reading_begin(&reading, (struct bytes){text, count});
    assert_status(STATUS_OK, reading.status);
    reading_end(&reading);
    reading_begin(&reading, (struct bytes){text, count + 1});
    assert_status(STATUS_TOO_LARGE, reading.status);
    without_folder(&reading);
    assert_string_equal("prismguard.yaml: too large; allowed is 1024 KiB\n", reading.told);
    reading_end(&reading);
    free(text);
}

static void as_many_routes_as_the_bound_are_read_and_not_one_more(void **state)
{
    for (size_t count = ROUTES_MAX; count <= ROUTES_MAX + 1; count++) {
        struct buffer text;
        struct reading reading;

        buffer_init(&text, MIB);
        assert_status(STATUS_OK, buffer_append_text(&text, "routes:\n"));
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_format(&text, "- { path: /r%zu, upstream: https://a.example, moderation: none }\n",
                                                          index));
        }
        reading_begin(&reading, buffer_view(&text));
        without_folder(&reading);
        assert_string_equal(count == ROUTES_MAX ? "" : "prismguard.yaml:1: routes: found 257 routes, allowed is 256\n",
                            reading.told);
        reading_end(&reading);
        buffer_free(&text);
    }
    (void)state;
}

static void as_many_profiles_as_the_bound_are_read_and_not_one_more(void **state)
{
    for (size_t count = PROFILES_MAX; count <= PROFILES_MAX + 1; count++) {
        struct buffer text;
        struct reading reading;

        buffer_init(&text, MIB);
        assert_status(STATUS_OK, buffer_append_text(&text, "profiles:\n"));
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_format(&text, "  p%zu:\n", index));
        }
        reading_begin(&reading, buffer_view(&text));
        without_folder(&reading);
        assert_string_equal(count == PROFILES_MAX ? "" : "prismguard.yaml:1: profiles: found 1025 profiles, allowed is 1024\n",
                            reading.told);
        if (reading.settings != NULL) {
            assert_non_null(settings_profile(reading.settings, BYTES("p1023")));
        }
        reading_end(&reading);
        buffer_free(&text);
    }
    (void)state;
}

static void as_many_keys_as_the_bound_are_read_and_not_one_more(void **state)
{
    for (size_t count = KEYS_MAX; count <= KEYS_MAX + 1; count++) {
        struct buffer text;
        struct reading reading;

        buffer_init(&text, MIB);
        assert_status(STATUS_OK, buffer_append_text(&text, "gateway:\n  keys:\n"));
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_format(&text, "  - { name: k%zu, sha256: %064zx, rate: 50/s, in_flight: 32, "
                                                                 "routes: [/a] }\n", index, index));
        }
        assert_status(STATUS_OK, buffer_append_text(&text, "routes: [{ path: /a, upstream: https://a, moderation: none }]\n"));
        reading_begin(&reading, buffer_view(&text));
        without_folder(&reading);
        assert_string_equal(count == KEYS_MAX ? "" : "prismguard.yaml:4099: too many entries in one list or mapping\n", reading.told);
        if (reading.settings != NULL) {
            assert_int_equal(KEYS_MAX, reading.settings->key_count);
            assert_string_equal("k4095", reading.settings->keys[4095].name);
            assert_int_equal(4098, reading.settings->keys[4095].line);
        }
        reading_end(&reading);
        buffer_free(&text);
    }
    (void)state;
}

static void twenty_problems_are_told_and_then_no_more(void **state)
{
    struct reading reading;
    char text[1000] = "";
    size_t lines = 0;

    (void)state;
    for (size_t index = 0; index < SETTINGS_ERRORS_MAX + 5; index++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "k%zu: 1\n", index);
    }
    reading_begin(&reading, bytes_of(text));
    assert_status(STATUS_MALFORMED, reading.status);
    for (const char *at = reading.told; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(SETTINGS_ERRORS_MAX + 1, lines);
    without_folder(&reading);
    assert_non_null(strstr(reading.told, "prismguard.yaml:20: k19: unknown key"));
    assert_null(strstr(reading.told, "k20"));
    assert_non_null(strstr(reading.told, "prismguard.yaml: more than 20 problems: the rest is not told\n"));
    reading_end(&reading);
}

static void closing_takes_no_settings(void **state)
{
    struct settings *settings = NULL;

    (void)state;
    settings_close(&settings);
    assert_null(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(the_defaults_written_down_are_the_defaults),
        cmocka_unit_test(a_profile_has_its_defaults_and_is_found_by_name),
        cmocka_unit_test(routes_stand_longest_first_and_equal_ones_as_in_the_file),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(a_bad_value_of_the_environment_is_told_by_its_name),
        cmocka_unit_test(a_strange_variable_is_warned_of_unless_the_file_uses_it),
        cmocka_unit_test(variables_of_deploy_local_are_no_strangers_and_many_strangers_have_a_bound),
        cmocka_unit_test(names_of_files_become_absolute),
        cmocka_unit_test(a_path_too_long_once_it_is_absolute_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
        cmocka_unit_test(a_file_may_be_as_large_as_its_bound_and_no_larger),
        cmocka_unit_test(as_many_routes_as_the_bound_are_read_and_not_one_more),
        cmocka_unit_test(as_many_profiles_as_the_bound_are_read_and_not_one_more),
        cmocka_unit_test(as_many_keys_as_the_bound_are_read_and_not_one_more),
        cmocka_unit_test(twenty_problems_are_told_and_then_no_more),
        cmocka_unit_test(closing_takes_no_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

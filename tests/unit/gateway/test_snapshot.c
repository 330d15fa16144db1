/* Tests of snapshot: the last holder frees it, and what cannot be used is told by file and line. */
#include "gateway/snapshot.h"

#include "proto/secret.h"
#include "support/settings_text.h"

static void what_is_owned_lives_as_long_as_somebody_holds_it(void **state)
{
    struct reading reading;
    struct snapshot *snapshot = NULL;
    struct metrics *metrics = NULL;
    struct snapshot *of_a_request;
    const struct route *route;
    struct bytes rest;

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_read(&reading, "routes: [ { path: /a, upstream: 'http://a.test', moderation: one } ]\nprofiles: { one: {} }\n");
    assert_status(STATUS_OK, snapshot_open(&snapshot, reading.settings, NULL, metrics, stderr));
    snapshot_own(snapshot, reading.settings);
    reading.settings = NULL;
    of_a_request = snapshot_hold(snapshot);
    assert_ptr_equal(snapshot, of_a_request);
    snapshot_release(&snapshot);
    assert_null(snapshot);

    assert_status(STATUS_OK, route_find(snapshot_routes(of_a_request), BYTES("/a/b"), &route, &rest));
    assert_string_equal("one", route->profile->name);
    assert_int_equal(1, snapshot_settings(of_a_request)->route_count);
    snapshot_release(&of_a_request); /* the sanitizer sees what is left */
    snapshot_release(&of_a_request);
    reading_end(&reading);
    metrics_close(&metrics);
}

static void a_key_file_that_cannot_be_read_is_told_with_its_line(void **state)
{
    struct reading reading;
    struct snapshot *snapshot = NULL;
    struct metrics *metrics = NULL;
    char *told = NULL;
    size_t told_count;
    FILE *errors = open_memstream(&told, &told_count);

    (void)state;
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_non_null(errors);
    assert_read(&reading, "routes:\n  - { path: /a, upstream: 'http://a.test', moderation: none, key_file: none }\n");
    assert_status(STATUS_IO, snapshot_open(&snapshot, reading.settings, NULL, metrics, errors));
    assert_int_equal(0, fclose(errors));
    assert_null(snapshot);
    assert_non_null(strstr(told, "prismguard.yaml:2: route /a: its profile or key file cannot be used: "));
    free(told);
    reading_end(&reading);
    metrics_close(&metrics);
}

/* The status of opening a snapshot of these settings, and whether this was told. */
static void assert_opens(enum status expected, const char *text, const char *line)
{
    struct reading reading;
    struct snapshot *snapshot = NULL;
    struct metrics *metrics = NULL;
    char *told = NULL;
    size_t told_count;
    FILE *errors = open_memstream(&told, &told_count);

    assert_non_null(errors);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_read(&reading, text);
    assert_status(expected, snapshot_open(&snapshot, reading.settings, NULL, metrics, errors));
    assert_int_equal(0, fclose(errors));
    assert_non_null(strstr(told, line));
    free(told);
    snapshot_release(&snapshot);
    reading_end(&reading);
    metrics_close(&metrics);
}

static void without_a_route_nothing_begins_unless_that_is_said(void **state)
{
    static const char line[] = "prismguard.yaml: routes: missing; ";

    (void)state;
    assert_opens(STATUS_MALFORMED, "", line);
    assert_opens(STATUS_MALFORMED, "routes:\n", line);
    assert_opens(STATUS_MALFORMED, "gateway: { threads: 2 }\n", line);
    assert_opens(STATUS_OK, "routes: []\n", "");
    assert_opens(STATUS_OK, "gateway: { url_config: true, url_config_hosts: [a.test] }\nprofiles: { default: }\n", "");
    assert_opens(STATUS_OK, "routes: [ { path: /a, upstream: 'http://a.test', moderation: none } ]\n", "");
}

static int set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_owned_lives_as_long_as_somebody_holds_it),
        cmocka_unit_test(a_key_file_that_cannot_be_read_is_told_with_its_line),
        cmocka_unit_test(without_a_route_nothing_begins_unless_that_is_said),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}

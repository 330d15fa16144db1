/* Tests of route: the longest prefix, what is left of the path, and paths that are refused. */
#include "gateway/route.h"

#include "proto/secret.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* As settings gives them: longest path first. */
static struct route_settings rows[] = {
    {.path = "/openai/beta/", .upstream = "https://b.test/", .moderation = "none"},
    {.path = "/openai", .upstream = "https://a.test:8443/base", .moderation = "default"},
    {.path = "/", .upstream = "http://c.test", .moderation = "default"},
};
static struct profile_settings profiles[] = {{.name = "default"}};
static struct settings settings = {
    .file = "t.yaml", .route_count = 3, .routes = rows, .profile_count = 1, .profiles = profiles};

static struct routes *open_routes(void)
{
    struct routes *routes = NULL;
    const struct route_settings *bad;

    assert_status(STATUS_OK, routes_open(&routes, &settings, &bad));
    return routes;
}

static void assert_leads_to(const struct routes *routes, const char *path, const char *query, const char *url)
{
    const struct route *route;
    struct bytes rest;
    struct buffer out;

    buffer_init(&out, 1000);
    assert_status(STATUS_OK, route_find(routes, bytes_of(path), &route, &rest));
    assert_status(STATUS_OK, route_url(route, rest, bytes_of(query), false, &out));
    assert_bytes(url, buffer_view(&out));
    buffer_free(&out);
}

static void the_longest_prefix_wins_and_is_taken_off(void **state)
{
    struct routes *routes = open_routes();

    (void)state;
    assert_leads_to(routes, "/openai/v1/chat/completions", "?x=1", "https://a.test:8443/base/v1/chat/completions?x=1");
    assert_leads_to(routes, "/openai/beta/v1", "", "https://b.test/v1");
    assert_leads_to(routes, "/openai/beta", "", "https://b.test/");
    assert_leads_to(routes, "/openai", "?a", "https://a.test:8443/base/?a");
    assert_leads_to(routes, "/v1/models", "", "http://c.test/v1/models");
    assert_leads_to(routes, "/", "", "http://c.test/");
    routes_close(&routes);
    routes_close(&routes);
}

static void a_prefix_ends_where_a_segment_ends(void **state)
{
    struct routes *routes = open_routes();

    (void)state;
    assert_leads_to(routes, "/openaix/v1", "", "http://c.test/openaix/v1");
    assert_leads_to(routes, "/openai/betax", "", "https://a.test:8443/base/betax");
    routes_close(&routes);
}

/* Else it would go by the rules of a shorter prefix to a server that reads it as the longer one. */
static void a_prefix_is_known_however_it_is_written(void **state)
{
    struct routes *routes = open_routes();

    (void)state;
    assert_leads_to(routes, "/%6Fpenai/%76%31", "", "https://a.test:8443/base/%76%31");
    assert_leads_to(routes, "/openai%2dx/v1", "", "http://c.test/openai%2dx/v1");
    assert_leads_to(routes, "//openai///beta//v1", "", "https://b.test//v1");
    assert_leads_to(routes, "/;a=b/openai", "", "https://a.test:8443/base/");
    assert_leads_to(routes, "/openai;a=b/v1;c", "", "https://a.test:8443/base/v1;c");
    assert_leads_to(routes, "/openai;a/beta;b=c;d", "", "https://b.test/");
    assert_leads_to(routes, "/openai%3Ba/v1", "", "http://c.test/openai%3Ba/v1");
    assert_leads_to(routes, "//v1", "", "http://c.test//v1");
    routes_close(&routes);
}

static void a_path_that_fits_no_prefix_is_not_found(void **state)
{
    struct routes *routes;
    const struct route *route;
    struct bytes rest;

    (void)state;
    settings.route_count = 2;
    routes = open_routes();
    settings.route_count = 3;
    assert_status(STATUS_NOT_FOUND, route_find(routes, BYTES("/other"), &route, &rest));
    routes_close(&routes);
}

static void a_path_that_may_mean_another_is_refused(void **state)
{
    static const char *const bad[] = {
        "",          "*",           "a",           "/..",        "/openai/../x", "/openai/.",     "/./openai",
        "/a/..;/b",  "/a/.;x",      "/%2e%2e/x",   "/%2E",       "/a%2fb",       "/a%2Fb",        "/a%5cb",
        "/a\\b",     "/a%00",       "/a%0d%0aX:y", "/a%1f",      "/a%7f",        "/a%252e%252e/", "/%",
    };
    static const char *const good[] = {"/...", "/a..b", "/.well-known/x", "/..a", "/a%20b", "/a%C3%A9", "//a", "/a;b=c"};
    struct routes *routes = open_routes();
    const struct route *route;
    struct bytes rest;

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        if (route_find(routes, bytes_of(bad[index]), &route, &rest) != STATUS_MALFORMED) {
            fail_msg("taken: %s", bad[index]);
        }
    }
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        assert_status(STATUS_OK, route_find(routes, bytes_of(good[index]), &route, &rest));
    }
    routes_close(&routes);
}

static void a_url_beyond_its_bound_is_refused(void **state)
{
    struct routes *routes = open_routes();
    const struct route *route;
    struct bytes rest;
    struct buffer out;

    (void)state;
    assert_status(STATUS_OK, route_find(routes, BYTES("/abc"), &route, &rest));
    buffer_init(&out, strlen("http://c.test/abc?d"));
    assert_status(STATUS_OK, route_url(route, rest, BYTES("?d"), false, &out));
    buffer_clear(&out);
    assert_status(STATUS_TOO_LARGE, route_url(route, rest, BYTES("?de"), false, &out));
    buffer_free(&out);
    routes_close(&routes);
}

static void a_route_speaks_the_dialects_it_says(void **state)
{
    struct routes *routes = open_routes();
    const struct route *route;
    struct bytes rest;

    (void)state;
    assert_status(STATUS_OK, route_find(routes, BYTES("/openai/v1/messages"), &route, &rest));
    rows[1].from = FORMAT_CLAUDE_CHAT | FORMAT_GEMINI_CHAT;
    assert_false(route_speaks(route, DIALECT_OPENAI_CHAT));
    assert_false(route_speaks(route, DIALECT_OPENAI_RESPONSES));
    assert_true(route_speaks(route, DIALECT_CLAUDE_CHAT));
    assert_true(route_speaks(route, DIALECT_GEMINI_CHAT));
    rows[1].from = FORMAT_AUTO;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        assert_true(route_speaks(route, (enum dialect)dialect));
    }
    routes_close(&routes);
}

static void a_route_says_by_which_profile_and_with_which_key(void **state)
{
    char file[] = "/tmp/prismguard-route-XXXXXX";
    int fd = mkstemp(file);
    const struct route *route;
    const struct route_settings *bad;
    struct routes *routes = NULL;
    struct bytes rest;
    struct buffer out;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(7, write(fd, "sk-abc\n", 7));
    assert_int_equal(0, close(fd));
    assert_status(STATUS_OK, bytes_copy(bytes_of(file), rows[1].key_file, sizeof rows[1].key_file));
    routes = open_routes();
    assert_status(STATUS_OK, route_find(routes, BYTES("/openai/x"), &route, &rest));
    assert_ptr_equal(&profiles[0], route->profile);
    assert_bytes("sk-abc", route->key);
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, route_url(route, rest, BYTES("?key=theirs&alt=sse"), false, &out));
    assert_bytes("https://a.test:8443/base/x?alt=sse", buffer_view(&out));
    buffer_free(&out);
    assert_status(STATUS_OK, route_find(routes, BYTES("/openai/beta/x"), &route, &rest));
    assert_null(route->profile);
    assert_int_equal(0, route->key.count);
    routes_close(&routes);
    assert_int_equal(0, unlink(file));
    assert_status(STATUS_IO, routes_open(&routes, &settings, &bad));
    assert_ptr_equal(&rows[1], bad);
    assert_null(routes);
    rows[1].key_file[0] = '\0';
}

static void a_profile_that_does_not_exist_is_told_with_its_route(void **state)
{
    const struct route_settings *bad;
    struct routes *routes = NULL;

    (void)state;
    settings.profile_count = 0;
    assert_status(STATUS_NOT_FOUND, routes_open(&routes, &settings, &bad));
    assert_ptr_equal(&rows[1], bad);
    settings.profile_count = 1;
}

static int set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_wins_and_is_taken_off),
        cmocka_unit_test(a_prefix_ends_where_a_segment_ends),
        cmocka_unit_test(a_prefix_is_known_however_it_is_written),
        cmocka_unit_test(a_path_that_fits_no_prefix_is_not_found),
        cmocka_unit_test(a_path_that_may_mean_another_is_refused),
        cmocka_unit_test(a_url_beyond_its_bound_is_refused),
        cmocka_unit_test(a_route_speaks_the_dialects_it_says),
        cmocka_unit_test(a_route_says_by_which_profile_and_with_which_key),
        cmocka_unit_test(a_profile_that_does_not_exist_is_told_with_its_route),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}

/* Tests of url_config: both forms into policy and target, what a policy may choose, and every URL that may not be called. */
#include "gateway/url_config.h"

#include "gateway/route.h"
#include "support/file.h"

#include <stdlib.h>
#include <yyjson.h>

static struct profile_settings profiles[] = {{.name = "default"}, {.name = "strict"}};
static struct settings settings = {
    .file = "t.yaml",
    .profile_count = 2,
    .profiles = profiles,
    .gateway = {.url_config = true,
                .url_config_floor = "default",
                .url_config_hosts = {4, {"https://upstream.test/v1", "upstream.test:443/openai/", "http://plain.test", "b.test:8443"}}},
};

struct reading {
    struct json json;
    struct buffer decoded;
    struct url_config config;
    struct url_target target;
    struct problem problem;
    enum status status;
};

static void begin(struct reading *reading, const char *path, const char *query)
{
    *reading = (struct reading){0};
    json_init(&reading->json);
    buffer_init(&reading->decoded, 16 * KIB);
    reading->status = url_config_read(&reading->config, &reading->target, &settings, bytes_of(path), bytes_of(query),
                                      &reading->json, &reading->decoded, &reading->problem);
}

static void end(struct reading *reading)
{
    json_free(&reading->json);
    buffer_free(&reading->decoded);
}

static void assert_target(const char *path, const char *query, const char *url, const char *wanted_query)
{
    struct reading reading;

    begin(&reading, path, query);
    if (reading.status != STATUS_OK) {
        fail_msg("%s: %s", path, reading.problem.sentence);
    }
    assert_bytes(url, reading.target.url);
    assert_bytes(wanted_query, reading.target.query);
    end(&reading);
}

static void assert_wrong(const char *path, const char *sentence)
{
    struct reading reading;

    begin(&reading, path, "");
    assert_status(STATUS_MALFORMED, reading.status);
    assert_int_equal(ERROR_CONFIG, reading.problem.kind);
    assert_string_equal(sentence, reading.problem.sentence);
    end(&reading);
}

static void the_forms_are_known_by_their_first_byte(void **state)
{
    (void)state;
    assert_true(url_config_is_form(BYTES("/%7B%7D$https://a/")));
    assert_true(url_config_is_form(BYTES("/%7b")));
    assert_true(url_config_is_form(BYTES("/!A$b")));
    assert_true(url_config_is_form(BYTES("/%21A$b")));
    assert_false(url_config_is_form(BYTES("/openai/v1")));
    assert_false(url_config_is_form(BYTES("/")));
    assert_false(url_config_is_form(BYTES("*")));
    assert_false(url_config_is_form(BYTES("/$https://a/")));
}

static void the_raw_path_is_split_at_its_first_dollar_and_the_url_stays_as_sent(void **state)
{
    (void)state;
    assert_target("/%7B%7D$https://a/v1//x%2Fy/$z", "?key=1&alt=sse", "https://a/v1//x%2Fy/$z", "?key=1&alt=sse");
    assert_target("/%7B%22a%24b%22%3A%22%2525+%22%7D$https://a/", "", "https://a/", "");
    assert_target("/%7B%7D$", "", "", "");
}

static void a_client_that_encodes_the_dollar_is_understood(void **state)
{
    (void)state;
    assert_target("/%7B%7D%24https%3A%2F%2Fa%2Fv1/chat/completions", "", "https://a/v1/chat/completions", "");
    assert_target("/%7B%7D%24https://a/v1%3Fapi-version%3D1", "", "https://a/v1", "?api-version=1");
    assert_target("/%7B%7D%24https://a/%252e", "?q", "https://a/%2e", "?q");
    assert_wrong("/%7B%7D%24https://a/%3Fx%0D%0AHost:", "invalid upstream url: its query is not well formed, or one of two");
    assert_wrong("/%7B%7D%24https://a/%3Fx%22y", "invalid upstream url: its query is not well formed, or one of two");
    assert_wrong("/%7B%7D%24https://a/%3Fx%25zz", "invalid upstream url: its query is not well formed, or one of two");
    assert_wrong("/%7B%7D", "expected {config}${upstream}");
}

static void a_policy_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    assert_wrong("/%7B$https://a/", "Config parse error: not well formed");
    assert_wrong("/%7B%22a%22%3A1%2C%22a%22%3A2%7D$x", "Config parse error: the same name twice");
    assert_wrong("/%7B%FF%7D$x", "Config parse error: not well formed");
    assert_wrong("/%7B%2522a%2522%3A1%7D$x", "Config parse error: not well formed");
    assert_wrong("/%7B%22basic_moderation%22%3A1%7D$x", "Config parse error: basic_moderation: must be an object");
    assert_wrong("/%7B%22smart_moderation%22%3A%7B%22enabled%22%3A1%7D%7D$x", "Config parse error: enabled: must be true or false");
}

/* The policy in the middle of a URL, percent-encoded whole. */
static void begin_policy(struct reading *reading, const char *policy)
{
    struct buffer path;

    buffer_init(&path, 16 * KIB);
    assert_status(STATUS_OK, buffer_append_text(&path, "/"));
    for (const char *at = policy; *at != '\0'; at++) {
        assert_status(STATUS_OK, buffer_append_format(&path, "%%%02X", (unsigned char)*at));
    }
    assert_status(STATUS_OK, buffer_append(&path, (struct bytes){"$https://a/", sizeof "$https://a/"}));
    begin(reading, path.data, "");
    reading->target = (struct url_target){0};
    buffer_free(&path);
}

static void assert_chooses(const char *policy, const struct profile_settings *profile)
{
    struct reading reading;

    begin_policy(&reading, policy);
    if (reading.status != STATUS_OK) {
        fail_msg("%s: %s", policy, reading.problem.sentence);
    }
    assert_ptr_equal(profile, reading.config.profile);
    end(&reading);
}

static void assert_policy_refused(const char *policy, const char *sentence)
{
    struct reading reading;

    begin_policy(&reading, policy);
    assert_status(STATUS_MALFORMED, reading.status);
    assert_string_equal(sentence, reading.problem.sentence);
    end(&reading);
}

static void a_policy_chooses_a_profile_of_the_operator_s_and_nothing_else(void **state)
{
    (void)state;
    assert_chooses("{}", NULL);
    assert_chooses("{\"smart_moderation\":null,\"basic_moderation\":{\"enabled\":true,\"keywords_file\":\"/etc/passwd\"}}", NULL);
    assert_chooses("{\"smart_moderation\":{\"enabled\":false,\"profile\":\"nobody\"}}", NULL);
    assert_chooses("{\"smart_moderation\":{\"enabled\":true}}", &profiles[0]);
    assert_chooses("{\"smart_moderation\":{\"enabled\":true,\"profile\":\"strict\",\"low\":0.99}}", &profiles[1]);
    assert_policy_refused("{\"smart_moderation\":{\"enabled\":true,\"profile\":\"../strict\"}}",
                          "Config parse error: smart_moderation.profile: this gateway has no such profile");
    assert_policy_refused("{\"smart_moderation\":{\"enabled\":true,\"profile\":7}}",
                          "Config parse error: smart_moderation.profile: must be a string");
    assert_policy_refused("{\"smart_moderation\":{\"enabled\":true,\"profile\":\"none\"}}",
                          "Config parse error: smart_moderation.profile: this gateway has no such profile");
}

static void a_policy_may_hold_back_the_head_of_a_stream(void **state)
{
    static const struct {
        const char *policy;
        bool delays;
    } cases[] = {{"{}", false},
                 {"{\"format_transform\":{\"enabled\":true,\"delay_stream_header\":false}}", false},
                 {"{\"format_transform\":{\"enabled\":true,\"delay_stream_header\":true}}", true},
                 {"{\"format_transform\":{\"delay_stream_header\":true}}", true}};
    struct reading reading;

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        begin_policy(&reading, cases[index].policy);
        assert_status(STATUS_OK, reading.status);
        assert_int_equal(cases[index].delays, reading.config.delays_head);
        end(&reading);
    }
    assert_policy_refused("{\"format_transform\":{\"delay_stream_header\":1}}",
                          "Config parse error: delay_stream_header: must be true or false");
}

static void a_policy_is_bounded_to_the_byte(void **state)
{
    static char text[URL_CONFIG_BYTES_MAX + 2];
    struct reading reading;

    (void)state;
    memset(text, ' ', URL_CONFIG_BYTES_MAX);
    text[0] = '{';
    text[1] = '}';
    begin_policy(&reading, text);
    assert_status(STATUS_OK, reading.status);
    end(&reading);
    text[URL_CONFIG_BYTES_MAX] = ' ';
    assert_policy_refused(text, "Config parse error: larger than its limit");
}

static void assert_admits(bool admitted, const char *policy, enum dialect dialect)
{
    struct reading reading;

    begin_policy(&reading, policy);
    assert_status(STATUS_OK, reading.status);
    if ((url_config_admits(&reading.config, dialect, &reading.problem) == STATUS_OK) != admitted) {
        fail_msg("%s", policy);
    }
    end(&reading);
}

static void what_is_not_done_here_is_refused_and_not_left_out(void **state)
{
    (void)state;
    assert_policy_refused("{\"format_transform\":{\"enabled\":true,\"disable_tools\":true}}",
                          "Config parse error: format_transform.disable_tools: is not available here");
    assert_policy_refused("{\"format_transform\":{\"enabled\":true,\"from\":[\"openai_chat\",\"soap\"]}}",
                          "Config parse error: format_transform.from: is no format that is known here");
    assert_admits(true, "{\"format_transform\":{\"to\":\"claude_chat\"}}", DIALECT_OPENAI_CHAT);
    assert_admits(false, "{\"format_transform\":{\"enabled\":true,\"to\":\"claude_chat\"}}", DIALECT_OPENAI_CHAT);
    assert_admits(true, "{\"format_transform\":{\"enabled\":true,\"to\":\"claude_chat\"}}", DIALECT_CLAUDE_CHAT);
    assert_admits(true, "{\"format_transform\":{\"enabled\":true,\"to\":\"pass_through\"}}", DIALECT_OPENAI_CHAT);
    assert_admits(true, "{\"format_transform\":{\"enabled\":true,\"from\":\"claude_chat\",\"to\":\"openai_chat\"}}",
                  DIALECT_OPENAI_CHAT);
    assert_admits(false, "{\"format_transform\":{\"enabled\":true,\"from\":[\"claude_chat\"],\"strict_parse\":true}}",
                  DIALECT_OPENAI_CHAT);
    assert_admits(true, "{\"format_transform\":{\"enabled\":true,\"from\":\"auto\",\"strict_parse\":true}}", DIALECT_GEMINI_CHAT);
}

static void only_variables_that_are_named_for_it_are_looked_at(void **state)
{
    struct reading reading;

    (void)state;
    assert_int_equal(0, setenv("PROXY_CONFIG_STRICT", "{\"smart_moderation\":{\"enabled\":true,\"profile\":\"strict\"}}", 1));
    assert_int_equal(0, setenv("OTHER_SECRET", "{}", 1));
    begin(&reading, "/!PROXY_CONFIG_STRICT$https://a/", "");
    assert_status(STATUS_OK, reading.status);
    assert_ptr_equal(&profiles[1], reading.config.profile);
    end(&reading);
    assert_wrong("/!OTHER_SECRET$https://a/", "Environment variable OTHER_SECRET not found");
    assert_wrong("/!PATH$https://a/", "Environment variable PATH not found");
    assert_wrong("/!PROXY_CONFIG_ABSENT$https://a/", "Environment variable PROXY_CONFIG_ABSENT not found");
    assert_wrong("/!PROXY_CONFIG_STRICT%3D%0A$https://a/", "Environment variable PROXY_CONFIG_STRICT?? not found");
    assert_wrong("/!$https://a/", "Environment variable  not found");
}

static void a_variable_that_cannot_be_read_is_told_at_the_start(void **state)
{
    char *told = NULL;
    size_t count;
    FILE *errors = open_memstream(&told, &count);

    (void)state;
    assert_int_equal(0, setenv("PROXY_CONFIG_STRICT", "{}", 1));
    assert_status(STATUS_OK, url_config_check(&settings, errors));
    assert_int_equal(0, setenv("PROXY_CONFIG_BAD", "{secret", 1));
    assert_status(STATUS_MALFORMED, url_config_check(&settings, errors));
    assert_wrong("/!PROXY_CONFIG_BAD$https://a/", "failed to parse env PROXY_CONFIG_BAD as JSON: not well formed");
    settings.gateway.url_config = false;
    assert_status(STATUS_OK, url_config_check(&settings, errors));
    settings.gateway.url_config = true;
    assert_int_equal(0, unsetenv("PROXY_CONFIG_BAD"));
    assert_int_equal(0, fclose(errors));
    assert_string_equal("t.yaml: gateway.url_config: failed to parse env PROXY_CONFIG_BAD as JSON: not well formed\n", told);
    free(told);
}

static struct routes *open_routes(void)
{
    struct routes *routes = NULL;
    const struct route_settings *bad;

    assert_status(STATUS_OK, routes_open(&routes, &settings, &bad));
    return routes;
}

static void assert_leads_to(const struct routes *routes, const char *url, const char *called)
{
    const struct route *route;
    struct bytes rest;
    struct buffer out;

    buffer_init(&out, KIB);
    assert_status(STATUS_OK, route_find_url(routes, bytes_of(url), &route, &rest));
    assert_status(STATUS_OK, route_url(route, rest, BYTES("?a&key=b"), false, &out));
    assert_bytes(called, buffer_view(&out));
    assert_ptr_equal(&profiles[0], route->profile);
    assert_int_equal(0, route->key.count);
    buffer_free(&out);
}

static void what_is_called_is_the_operator_s_text_and_the_path(void **state)
{
    static const char *const denied[] = {"http://upstream.test/v1", "https://upstream.test:8443/v1", "https://upstream.test/v1x",
                                         "https://upstream.test/", "https://upstream.test/v1%2Fx", "https://plain.test/",
                                         "http://plain.test:8080/", "https://b.test/", "http://b.test:8443/", "https://upstream.test."};
    static const char *const malformed[] = {"", "https://upstream.test/v1/../x", "https://upstream.test/v1/..%2Fx",
                                            "https://upstream.test/v1/x%2f..", "https://upstream.test/v1/%2e%2e/x",
                                            "https://upstream.test/v1/%252e", "https://upstream.test/v1\\x", "https://upstream.test/v1?x",
                                            "https://u@upstream.test/v1", "https:upstream.test/v1", "https:///upstream.test/v1",
                                            "https://upstream.test/v1/\"", "https://upstream.test/v1/{x}", "https://upstream.test/v1/a|b"};
    struct routes *routes = open_routes();
    const struct route *route;
    struct bytes rest;

    (void)state;
    assert_leads_to(routes, "HTTPS://UPSTREAM.test:443/v1/x%2Fy//z", "https://upstream.test/v1/x%2Fy//z?a&key=b");
    assert_leads_to(routes, "https://upstream.test/v1", "https://upstream.test/v1?a&key=b");
    assert_leads_to(routes, "https://upstream.test/openai/x", "https://upstream.test:443/openai/x?a&key=b");
    assert_leads_to(routes, "http://plain.test", "http://plain.test/?a&key=b");
    assert_leads_to(routes, "https://b.test:8443/x", "https://b.test:8443/x?a&key=b");
    for (size_t index = 0; index < sizeof denied / sizeof denied[0]; index++) {
        assert_status(STATUS_DENIED, route_find_url(routes, bytes_of(denied[index]), &route, &rest));
    }
    for (size_t index = 0; index < sizeof malformed / sizeof malformed[0]; index++) {
        assert_status(STATUS_MALFORMED, route_find_url(routes, bytes_of(malformed[index]), &route, &rest));
    }
    routes_close(&routes);
    settings.gateway.url_config = false;
    routes = open_routes();
    settings.gateway.url_config = true;
    assert_status(STATUS_DENIED, route_find_url(routes, BYTES("https://upstream.test/v1"), &route, &rest));
    routes_close(&routes);
}

static void every_url_of_the_collection_has_its_verdict(void **state)
{
    struct bytes file = file_read(TEST_VECTORS "/url", "ssrf.jsonl");
    struct bytes left = file;
    struct routes *routes = open_routes();
    size_t verdicts[2] = {0, 0};

    (void)state;
    while (left.count > 0) {
        struct bytes line = file_next_line(&left);
        yyjson_doc *document = yyjson_read(line.data, line.count, 0);
        yyjson_val *url = yyjson_obj_get(yyjson_doc_get_root(document), "url");
        bool allow = yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "verdict"), "allow");
        struct bytes text = {yyjson_get_str(url), yyjson_get_len(url)};
        ptrdiff_t mark = bytes_find(text, '?');
        const struct route *route;
        struct bytes rest;
        enum status status;

        assert_non_null(url);
        status = route_find_url(routes, mark < 0 ? text : bytes_first(text, (size_t)mark), &route, &rest);
        if ((status == STATUS_OK) != allow) {
            fail_msg("%s: %s", text.data, status_name(status));
        }
        verdicts[allow ? 1 : 0]++;
        yyjson_doc_free(document);
    }
    assert_int_equal(322, verdicts[0]);
    assert_int_equal(6, verdicts[1]);
    routes_close(&routes);
    free((char *)(uintptr_t)file.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_are_known_by_their_first_byte),
        cmocka_unit_test(the_raw_path_is_split_at_its_first_dollar_and_the_url_stays_as_sent),
        cmocka_unit_test(a_client_that_encodes_the_dollar_is_understood),
        cmocka_unit_test(a_policy_that_cannot_be_read_is_told),
        cmocka_unit_test(a_policy_chooses_a_profile_of_the_operator_s_and_nothing_else),
        cmocka_unit_test(a_policy_may_hold_back_the_head_of_a_stream),
        cmocka_unit_test(a_policy_is_bounded_to_the_byte),
        cmocka_unit_test(what_is_not_done_here_is_refused_and_not_left_out),
        cmocka_unit_test(only_variables_that_are_named_for_it_are_looked_at),
        cmocka_unit_test(a_variable_that_cannot_be_read_is_told_at_the_start),
        cmocka_unit_test(what_is_called_is_the_operator_s_text_and_the_path),
        cmocka_unit_test(every_url_of_the_collection_has_its_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

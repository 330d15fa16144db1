/* endpoint: paths and methods to dialects and uses; credentials go where the dialect has them. */
#include "support/unit.h"

#include "gateway/endpoint.h"
#include "proto/limits.h"

static struct fields *fields;
static struct buffer text;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&text, KIB);
    return fields_open(&fields, 4, KIB) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&text);
    fields_close(&fields);
    return 0;
}

static void assert_endpoint(const char *method, const char *path, enum dialect dialect, enum endpoint_use use)
{
    struct endpoint endpoint =
        endpoint_find(bytes_of(method), bytes_of(path), strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0, fields);

    if (endpoint.dialect != dialect || endpoint.use != use) {
        fail_msg("%s %s: dialect %d, use %d", method, path, (int)endpoint.dialect, (int)endpoint.use);
    }
}

static void endpoints_with_text_are_judged_in_the_dialect_of_their_path(void **state)
{
    (void)state;
    assert_endpoint("POST", "/v1/chat/completions", DIALECT_OPENAI_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/chat/completions", DIALECT_OPENAI_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1/responses", DIALECT_OPENAI_RESPONSES, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1/responses/input_tokens", DIALECT_OPENAI_RESPONSES, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1/messages", DIALECT_CLAUDE_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1/messages/count_tokens", DIALECT_CLAUDE_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1beta/models/gemini-3:generateContent", DIALECT_GEMINI_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1/models/gemini-3:streamGenerateContent", DIALECT_GEMINI_CHAT, ENDPOINT_JUDGED);
    assert_endpoint("POST", "/v1alpha/models/gemini-3:countTokens", DIALECT_GEMINI_CHAT, ENDPOINT_JUDGED);
}

static void bodies_of_no_known_shape_are_refused_in_the_dialect_they_seem_to_be_of(void **state)
{
    (void)state;
    assert_endpoint("POST", "/v1/embeddings", DIALECT_OPENAI_CHAT, ENDPOINT_REFUSED);
    assert_endpoint("POST", "/v1/chat/completions/", DIALECT_OPENAI_CHAT, ENDPOINT_REFUSED);
    assert_endpoint("PUT", "/v1/chat/completions", DIALECT_OPENAI_CHAT, ENDPOINT_REFUSED);
    assert_endpoint("POST", "/v1/messages/batches", DIALECT_CLAUDE_CHAT, ENDPOINT_REFUSED);
    assert_endpoint("POST", "/v1/responses/r/compact", DIALECT_OPENAI_RESPONSES, ENDPOINT_REFUSED);
    assert_endpoint("POST", "/v1beta/models/m:embedContent", DIALECT_GEMINI_CHAT, ENDPOINT_REFUSED);
    assert_endpoint("POST", "/v1alpha/models/m%3AgenerateContent", DIALECT_GEMINI_CHAT, ENDPOINT_REFUSED);
    assert_status(STATUS_OK, fields_add(fields, BYTES("Anthropic-Version"), BYTES("2023-06-01")));
    assert_endpoint("POST", "/v1/files", DIALECT_CLAUDE_CHAT, ENDPOINT_REFUSED);
    fields_clear(fields);
    assert_status(STATUS_OK, fields_add(fields, BYTES("x-goog-api-key"), BYTES("k")));
    assert_endpoint("POST", "/v1/files", DIALECT_GEMINI_CHAT, ENDPOINT_REFUSED);
}

static void requests_without_a_body_pass(void **state)
{
    (void)state;
    assert_endpoint("GET", "/v1/responses/resp_1", DIALECT_OPENAI_RESPONSES, ENDPOINT_PASSED);
    assert_endpoint("DELETE", "/v1/responses/resp_1", DIALECT_OPENAI_RESPONSES, ENDPOINT_PASSED);
    assert_endpoint("GET", "/v1/models/gpt", DIALECT_OPENAI_CHAT, ENDPOINT_PASSED);
    assert_endpoint("HEAD", "/v1/models", DIALECT_OPENAI_CHAT, ENDPOINT_PASSED);
    assert_int_equal(ENDPOINT_REFUSED, endpoint_find(BYTES("DELETE"), BYTES("/v1/responses/r"), true, fields).use);
    assert_int_equal(ENDPOINT_REFUSED, endpoint_find(BYTES("PATCH"), BYTES("/v1/responses/r"), false, fields).use);
}

static void the_cancelling_of_a_response_passes_without_a_body_and_nothing_like_it(void **state)
{
    static const char *const others[] = {"/v1/responses/cancel", "/v1/responses//cancel", "/v1/responses/a/b/cancel",
                                         "/v1/fine_tuning/jobs/j/cancel", "/v1/responses/r/cancel/"};

    (void)state;
    assert_int_equal(ENDPOINT_PASSED, endpoint_find(BYTES("POST"), BYTES("/v1/responses/r/cancel"), false, fields).use);
    assert_int_equal(ENDPOINT_REFUSED, endpoint_find(BYTES("POST"), BYTES("/v1/responses/r/cancel"), true, fields).use);
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        assert_int_equal(ENDPOINT_REFUSED, endpoint_find(BYTES("POST"), bytes_of(others[index]), false, fields).use);
    }
}

static void the_list_of_models_is_an_endpoint_of_its_own(void **state)
{
    (void)state;
    assert_endpoint("GET", "/v1/models", DIALECT_OPENAI_CHAT, ENDPOINT_MODELS);
    assert_endpoint("GET", "/v1beta/models", DIALECT_GEMINI_CHAT, ENDPOINT_MODELS);
}

static void a_key_goes_into_the_field_of_its_dialect(void **state)
{
    struct bytes value;

    (void)state;
    assert_status(STATUS_OK, endpoint_add_key(DIALECT_OPENAI_RESPONSES, BYTES("sk-1"), fields, &text));
    assert_true(fields_find(fields, BYTES("authorization"), &value));
    assert_bytes("Bearer sk-1", value);
    assert_status(STATUS_OK, endpoint_add_key(DIALECT_CLAUDE_CHAT, BYTES("sk-2"), fields, &text));
    assert_true(fields_find(fields, BYTES("x-api-key"), &value));
    assert_bytes("sk-2", value);
    assert_status(STATUS_OK, endpoint_add_key(DIALECT_GEMINI_CHAT, BYTES("sk-3"), fields, &text));
    assert_true(fields_find(fields, BYTES("x-goog-api-key"), &value));
    assert_bytes("sk-3", value);
    assert_true(endpoint_may_be_credential(BYTES("X-Api-Key")));
    assert_true(endpoint_may_be_credential(BYTES("X_Api_Key")));
    assert_false(endpoint_may_be_credential(BYTES("anthropic-version")));
}

static void a_key_is_found_however_its_parameter_is_written(void **state)
{
    struct bytes query = BYTES("?a=1&key=one&keys=2&%6bey=two&k%65%79=&key"), value;
    static const char *const expected[] = {"one", "two", "", ""};

    (void)state;
    for (size_t index = 0; index < sizeof expected / sizeof expected[0]; index++) {
        assert_true(endpoint_next_key(&query, &value));
        assert_bytes(expected[index], value);
    }
    assert_false(endpoint_next_key(&query, &value));
}

static void the_key_is_taken_out_of_a_query_and_the_rest_stays(void **state)
{
    static const struct {
        const char *query;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"?", ""},
        {"?alt=sse", "?alt=sse"},
        {"?key=secret", ""},
        {"?key", ""},
        {"?key=secret&alt=sse", "?alt=sse"},
        {"?alt=sse&key=secret&a=b", "?alt=sse&a=b"},
        {"?monkey=1&keys=2", "?monkey=1&keys=2"},
        {"?%6bey=secret&alt=sse", "?alt=sse"},
        {"?%6B%65%79=secret", ""},
        {"?ke%79", ""},
        {"?%6beys=1&%6b=2&%6bey%3D3=4&ke=5&k%6", "?%6beys=1&%6b=2&%6bey%3D3=4&ke=5&k%6"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        buffer_clear(&text);
        assert_status(STATUS_OK, endpoint_append_query_without_key(bytes_of(cases[index].query), &text));
        assert_bytes(cases[index].expected, buffer_view(&text));
    }
}

static void a_stream_is_expected_where_the_path_or_the_edges_of_the_body_say_so(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        bool expected;
    } cases[] = {
        {"/v1beta/models/m:streamGenerateContent", "{}", true},
        {"/v1beta/models/m:generateContent", "{}", false},
        {"/v1/messages", "", false},
        {"/v1/messages", "{\"stream\":true}", true},
        {"/v1/messages", "{\"stream\" :\r\n\ttrue, \"model\": \"m\"}", true},
        {"/v1/messages", "{\"stream\":false}", false},
        {"/v1/messages", "{\"stream\"", false},
        {"/v1/messages", "{\"stream\":tru", false},
        {"/v1/messages", "{\"a\":{\"stream\":null},\"stream\":true}", true},
        {"/v1/messages", "{\"text\":\"\\\"stream\\\":true\"}", false},
        {"/v1/messages", "{\"stream_options\":true}", false},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        if (endpoint_expects_stream(bytes_of(cases[index].path), bytes_of(cases[index].body)) != cases[index].expected) {
            fail_msg("%s %s", cases[index].path, cases[index].body);
        }
    }
}

static void a_long_body_is_looked_at_from_both_ends_only(void **state)
{
    static const struct bytes wish = {"\"stream\":true", 13};
    static char body[4 * STREAM_GUESS_BYTES];
    const struct {
        size_t at;
        bool expected;
    } cases[] = {
        {0, true},
        {STREAM_GUESS_BYTES - wish.count, true},
        {STREAM_GUESS_BYTES - wish.count + 1, false},
        {2 * STREAM_GUESS_BYTES, false},
        {sizeof body - STREAM_GUESS_BYTES - 1, false},
        {sizeof body - STREAM_GUESS_BYTES, true},
        {sizeof body - wish.count, true},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        memset(body, ' ', sizeof body);
        memcpy(body + cases[index].at, wish.data, wish.count);
        assert_int_equal(cases[index].expected, endpoint_expects_stream(BYTES("/"), (struct bytes){body, sizeof body}));
    }
}

static void kept_answers_are_known_however_their_path_is_written(void **state)
{
    static const char *const shown[] = {"/v1/responses/r",         "/v1/responses/r/input_items", "/v1/%72esponses/r",
                                        "/v1/chat/completions/c",  "/v1/chat//completions/c",     "/v1/chat;x/completions/c",
                                        "/v1/chat%2Fcompletions/c", "/v1/chat/completions",       "/v1/conversations/c/items"};
    static const char *const others[] = {"/v1/models", "/v1/files/f/content", "/v1/responsesx/r", "/v1/completions/c"};

    (void)state;
    for (size_t index = 0; index < sizeof shown / sizeof shown[0]; index++) {
        if (!endpoint_shows_answers(bytes_of(shown[index]))) {
            fail_msg("shows no answer: %s", shown[index]);
        }
    }
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        assert_false(endpoint_shows_answers(bytes_of(others[index])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(endpoints_with_text_are_judged_in_the_dialect_of_their_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_of_no_known_shape_are_refused_in_the_dialect_they_seem_to_be_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_without_a_body_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cancelling_of_a_response_passes_without_a_body_and_nothing_like_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_list_of_models_is_an_endpoint_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_goes_into_the_field_of_its_dialect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_found_however_its_parameter_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_key_is_taken_out_of_a_query_and_the_rest_stays, set_up, tear_down),
        cmocka_unit_test(a_stream_is_expected_where_the_path_or_the_edges_of_the_body_say_so),
        cmocka_unit_test(a_long_body_is_looked_at_from_both_ends_only),
        cmocka_unit_test(kept_answers_are_known_however_their_path_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* errors: every kind is a status, a body and a stream event that an official SDK of the dialect understands. */
#include "support/unit.h"

#include "gateway/format/errors.h"
#include "proto/json.h"

#include <yyjson.h>

static struct buffer out;
/* What is said of a request whose id and patience are not known. */
#define TEXT(text, path) (&(struct errors_text){.message = BYTES(text), .param = (path)})

static const struct errors_place nowhere = {{NULL, 0}, 0, false};

static int set_up(void **state)
{
    (void)state;
    buffer_init(&out, 16 * KIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&out);
    return 0;
}

static void a_body_has_the_four_members_in_the_shape_of_the_api(void **state)
{
    (void)state;
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_CHAT, ERROR_INVALID_REQUEST, TEXT("content must be a string",
                                         "messages[3].content"), &out));
    assert_bytes("{\"error\":{\"message\":\"content must be a string\",\"type\":\"invalid_request_error\","
                 "\"param\":\"messages[3].content\",\"code\":null}}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_CHAT, ERROR_BAD_GATEWAY, TEXT("no answer", NULL), &out));
    assert_bytes(
        "{\"error\":{\"message\":\"no answer\",\"type\":\"server_error\",\"param\":null,\"code\":\"bad_gateway\"}}",
        buffer_view(&out));
}

static void a_stream_ends_in_one_event_and_without_done(void **state)
{
    (void)state;
    assert_status(STATUS_OK, errors_stream_event(DIALECT_OPENAI_CHAT, ERROR_TIMEOUT, BYTES("two\nlines"), &nowhere, &out));
    assert_bytes("data: {\"error\":{\"message\":\"two\\nlines\",\"type\":\"server_error\",\"param\":null,"
                 "\"code\":\"timeout\"}}\n\n",
                 buffer_view(&out));
}

static void the_other_dialects_have_their_own_bodies(void **state)
{
    (void)state;
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_RESPONSES, ERROR_CONTENT_FILTER, TEXT("no", "input"), &out));
    assert_bytes("{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\",\"param\":\"input\",\"code\":"
                 "\"content_filter\"}}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_CLAUDE_CHAT, ERROR_OVERLOADED, TEXT("no", "messages"), &out));
    assert_bytes("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"},\"request_id\":null}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_GEMINI_CHAT, ERROR_RATE_LIMIT, TEXT("no", "contents"), &out));
    assert_bytes("{\"error\":{\"code\":429,\"message\":\"no\",\"status\":\"RESOURCE_EXHAUSTED\"}}", buffer_view(&out));
}

static void who_has_a_place_for_it_says_the_request_s_id_and_when_to_come_again(void **state)
{
    const struct errors_text text = {BYTES("no"), NULL, BYTES("id-1"), 34};

    (void)state;
    assert_status(STATUS_OK, errors_body(DIALECT_CLAUDE_CHAT, ERROR_RATE_LIMIT, &text, &out));
    assert_bytes("{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"no\"},\"request_id\":\"id-1\"}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_GEMINI_CHAT, ERROR_RATE_LIMIT, &text, &out));
    assert_bytes("{\"error\":{\"code\":429,\"message\":\"no\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":"
                 "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"34s\"}]}}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_CHAT, ERROR_RATE_LIMIT, &text, &out));
    assert_bytes("{\"error\":{\"message\":\"no\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":"
                 "\"rate_limit_exceeded\"}}",
                 buffer_view(&out));
}

static void the_other_dialects_end_their_streams_in_their_own_events(void **state)
{
    (void)state;
    assert_status(STATUS_OK, errors_stream_event(DIALECT_OPENAI_RESPONSES, ERROR_TIMEOUT, BYTES("late"), &nowhere, &out));
    assert_bytes("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{"
                 "\"id\":\"resp_failed\",\"object\":\"response\",\"created_at\":0,\"status\":\"in_progress\",\"error\":null,"
                 "\"incomplete_details\":null,\"output\":[]}}\n\n"
                 "event: error\ndata: {\"type\":\"error\",\"sequence_number\":1,\"code\":\"timeout\",\"message\":\"late\","
                 "\"param\":null,\"error\":{\"message\":\"late\",\"type\":\"server_error\",\"param\":null,\"code\":"
                 "\"timeout\"}}\n\n"
                 "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":2,\"response\":{"
                 "\"id\":\"resp_failed\",\"object\":\"response\",\"created_at\":0,\"status\":\"failed\",\"error\":{"
                 "\"code\":\"timeout\",\"message\":\"late\"},\"incomplete_details\":null,\"output\":[]}}\n\n",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_stream_event(DIALECT_CLAUDE_CHAT, ERROR_TIMEOUT, BYTES("late"), &nowhere, &out));
    assert_bytes("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\"message\":\"late\"},"
                 "\"request_id\":null}\n\n",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_stream_event(DIALECT_GEMINI_CHAT, ERROR_TIMEOUT, BYTES("late"), &nowhere, &out));
    assert_bytes("{\"error\":{\"code\":504,\"message\":\"late\",\"status\":\"DEADLINE_EXCEEDED\"}}\n\n"
                 "data: {\"error\":{\"code\":504,\"message\":\"late\",\"status\":\"DEADLINE_EXCEEDED\"}}\n\n",
                 buffer_view(&out));
}

static void a_response_that_was_announced_fails_under_its_id_with_the_next_numbers(void **state)
{
    const struct errors_place place = {BYTES("resp_7"), 12, true};

    (void)state;
    assert_status(STATUS_OK, errors_stream_event(DIALECT_OPENAI_RESPONSES, ERROR_BAD_GATEWAY, BYTES("no"), &place, &out));
    assert_bytes("event: error\ndata: {\"type\":\"error\",\"sequence_number\":12,\"code\":\"bad_gateway\",\"message\":\"no\","
                 "\"param\":null,\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"param\":null,\"code\":"
                 "\"bad_gateway\"}}\n\n"
                 "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":13,\"response\":{"
                 "\"id\":\"resp_7\",\"object\":\"response\",\"created_at\":0,\"status\":\"failed\",\"error\":{"
                 "\"code\":\"bad_gateway\",\"message\":\"no\"},\"incomplete_details\":null,\"output\":[]}}\n\n",
                 buffer_view(&out));
}

static void a_policy_that_cannot_be_read_is_told_to_all_in_one_shape(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        buffer_clear(&out);
        assert_int_equal(400, errors_status((enum dialect)dialect, ERROR_CONFIG));
        assert_status(STATUS_OK, errors_body((enum dialect)dialect, ERROR_CONFIG, TEXT("expected {config}${upstream}", NULL), &out));
        assert_bytes("{\"error\":{\"message\":\"expected {config}${upstream}\",\"type\":\"config_error\",\"param\":null,"
                     "\"code\":\"CONFIG_PARSE_ERROR\"}}",
                     buffer_view(&out));
    }
}

static void assert_readable(int dialect, int kind)
{
    unsigned status = errors_status((enum dialect)dialect, (enum error_kind)kind);
    yyjson_doc *document;
    yyjson_val *error;

    assert_in_range(status, 400, 599);
    buffer_clear(&out);
    assert_status(STATUS_OK,
                  errors_body((enum dialect)dialect, (enum error_kind)kind, TEXT("\"m\" \xFF", NULL), &out));
    document = yyjson_read(out.data, out.count, 0);
    assert_non_null(document);
    error = yyjson_obj_get(yyjson_doc_get_root(document), "error");
    assert_string_equal("\"m\" \xEF\xBF\xBD", yyjson_get_str(yyjson_obj_get(error, "message")));
    assert_true(yyjson_is_str(yyjson_obj_get(error, dialect == DIALECT_GEMINI_CHAT && kind != ERROR_CONFIG ? "status" : "type")));
    yyjson_doc_free(document);
}

static void every_kind_is_an_error_status_and_a_readable_body(void **state)
{
    (void)state;
    for (int kind = 0; kind < ERROR_COUNT; kind++) {
        assert_true(strlen(errors_name((enum error_kind)kind)) > 0);
        for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
            assert_readable(dialect, kind);
        }
    }
}

static void the_statuses_are_those_that_clients_act_on(void **state)
{
    (void)state;
    assert_int_equal(400, errors_status(DIALECT_OPENAI_CHAT, ERROR_CONTENT_FILTER));
    assert_int_equal(413, errors_status(DIALECT_OPENAI_CHAT, ERROR_PROMPT_TOO_LONG));
    assert_int_equal(503, errors_status(DIALECT_OPENAI_CHAT, ERROR_MODERATION_UNAVAILABLE));
    assert_int_equal(404, errors_status(DIALECT_OPENAI_CHAT, ERROR_ENDPOINT));
    assert_int_equal(504, errors_status(DIALECT_OPENAI_CHAT, ERROR_TIMEOUT));
    assert_int_equal(529, errors_status(DIALECT_CLAUDE_CHAT, ERROR_MODERATION_BUSY));
    assert_int_equal(503, errors_status(DIALECT_GEMINI_CHAT, ERROR_OVERLOADED));
    assert_string_equal("moderation_busy", errors_name(ERROR_MODERATION_BUSY));
}

static void assert_full_is_left(enum dialect dialect)
{
    struct buffer small;
    size_t body;

    buffer_clear(&out);
    assert_status(STATUS_OK, errors_stream_event(dialect, ERROR_INTERNAL, BYTES("x"), &nowhere, &out));
    body = out.count;
    for (size_t room = 3; room <= body + 3; room++) {
        buffer_init(&small, room);
        assert_status(STATUS_OK, buffer_append(&small, BYTES("abc")));
        assert_status(room == body + 3 ? STATUS_OK : STATUS_TOO_LARGE,
                      errors_stream_event(dialect, ERROR_INTERNAL, BYTES("x"), &nowhere, &small));
        assert_int_equal(room == body + 3 ? room : 3, small.count);
        buffer_free(&small);
    }
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < DIALECT_COUNT; dialect++) {
        assert_full_is_left((enum dialect)dialect);
    }
}

static void a_refusal_names_category_and_decision_within_its_bound(void **state)
{
    struct errors_refusal refusal;
    char category[CATEGORY_BYTES_MAX + 2];

    (void)state;
    errors_refusal(&refusal, "request", BYTES("violence"), BYTES("0123456789abcdef0123456789abcdef"));
    assert_string_equal("MODERATION_BLOCKED: the request was refused (category: violence, decision: "
                        "0123456789abcdef0123456789abcdef)",
                        refusal.text);
    memset(category, 'c', sizeof category);
    errors_refusal(&refusal, "request", (struct bytes){category, sizeof category}, BYTES("0123456789abcdef0123456789abcdef"));
    assert_int_equal(strlen("MODERATION_BLOCKED: the request was refused (category: , decision: )") +
                         CATEGORY_BYTES_MAX + DECISION_ID_BYTES,
                     strlen(refusal.text));
    errors_refusal(&refusal, "request", (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    assert_string_equal("MODERATION_BLOCKED: the request was refused (category: , decision: )", refusal.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_has_the_four_members_in_the_shape_of_the_api, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_ends_in_one_event_and_without_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_other_dialects_have_their_own_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_a_place_for_it_says_the_request_s_id_and_when_to_come_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_other_dialects_end_their_streams_in_their_own_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_response_that_was_announced_fails_under_its_id_with_the_next_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_policy_that_cannot_be_read_is_told_to_all_in_one_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_kind_is_an_error_status_and_a_readable_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_statuses_are_those_that_clients_act_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_left_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_names_category_and_decision_within_its_bound, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

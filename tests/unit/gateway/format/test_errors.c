/* errors: every kind is a status, a body and a stream event that an official SDK of the dialect understands. */
#include "support/unit.h"

#include "gateway/format/errors.h"
#include "proto/json.h"

#include <yyjson.h>

static struct buffer out;

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
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_CHAT, ERROR_INVALID_REQUEST, BYTES("content must be a string"),
                                         "messages[3].content", &out));
    assert_bytes("{\"error\":{\"message\":\"content must be a string\",\"type\":\"invalid_request_error\","
                 "\"param\":\"messages[3].content\",\"code\":null}}",
                 buffer_view(&out));
    buffer_clear(&out);
    assert_status(STATUS_OK, errors_body(DIALECT_OPENAI_CHAT, ERROR_BAD_GATEWAY, BYTES("no answer"), NULL, &out));
    assert_bytes(
        "{\"error\":{\"message\":\"no answer\",\"type\":\"server_error\",\"param\":null,\"code\":\"bad_gateway\"}}",
        buffer_view(&out));
}

static void a_stream_ends_in_one_event_and_without_done(void **state)
{
    (void)state;
    assert_status(STATUS_OK, errors_stream_event(DIALECT_OPENAI_CHAT, ERROR_TIMEOUT, BYTES("two\nlines"), &out));
    assert_bytes("data: {\"error\":{\"message\":\"two\\nlines\",\"type\":\"server_error\",\"param\":null,"
                 "\"code\":\"timeout\"}}\n\n",
                 buffer_view(&out));
}

static void every_kind_is_an_error_status_and_a_readable_body(void **state)
{
    (void)state;
    for (int kind = 0; kind < ERROR_COUNT; kind++) {
        unsigned status = errors_status(DIALECT_OPENAI_CHAT, (enum error_kind)kind);
        yyjson_doc *document;
        yyjson_val *error;

        assert_in_range(status, 400, 599);
        assert_true(strlen(errors_name((enum error_kind)kind)) > 0);
        buffer_clear(&out);
        assert_status(STATUS_OK,
                      errors_body(DIALECT_OPENAI_CHAT, (enum error_kind)kind, BYTES("\"m\" \xFF"), NULL, &out));
        document = yyjson_read(out.data, out.count, 0);
        assert_non_null(document);
        error = yyjson_obj_get(yyjson_doc_get_root(document), "error");
        assert_string_equal("\"m\" \xEF\xBF\xBD", yyjson_get_str(yyjson_obj_get(error, "message")));
        assert_true(yyjson_is_str(yyjson_obj_get(error, "type")));
        assert_true(yyjson_is_null(yyjson_obj_get(error, "param")));
        assert_non_null(yyjson_obj_get(error, "code"));
        yyjson_doc_free(document);
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
    assert_string_equal("moderation_busy", errors_name(ERROR_MODERATION_BUSY));
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    struct buffer small;
    size_t body;

    (void)state;
    assert_status(STATUS_OK, errors_stream_event(DIALECT_OPENAI_CHAT, ERROR_INTERNAL, BYTES("x"), &out));
    body = out.count;
    for (size_t room = 3; room <= body + 3; room++) {
        buffer_init(&small, room);
        assert_status(STATUS_OK, buffer_append(&small, BYTES("abc")));
        assert_status(room == body + 3 ? STATUS_OK : STATUS_TOO_LARGE,
                      errors_stream_event(DIALECT_OPENAI_CHAT, ERROR_INTERNAL, BYTES("x"), &small));
        assert_int_equal(room == body + 3 ? room : 3, small.count);
        buffer_free(&small);
    }
}

static void a_refusal_names_category_and_decision_within_its_bound(void **state)
{
    struct errors_refusal refusal;
    char category[CATEGORY_BYTES_MAX + 2];

    (void)state;
    errors_refusal(&refusal, BYTES("violence"), BYTES("0123456789abcdef0123456789abcdef"));
    assert_string_equal("MODERATION_BLOCKED: the request was refused (category: violence, decision: "
                        "0123456789abcdef0123456789abcdef)",
                        refusal.text);
    memset(category, 'c', sizeof category);
    errors_refusal(&refusal, (struct bytes){category, sizeof category}, BYTES("0123456789abcdef0123456789abcdef"));
    assert_int_equal(strlen("MODERATION_BLOCKED: the request was refused (category: , decision: )") +
                         CATEGORY_BYTES_MAX + DECISION_ID_BYTES,
                     strlen(refusal.text));
    errors_refusal(&refusal, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    assert_string_equal("MODERATION_BLOCKED: the request was refused (category: , decision: )", refusal.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_has_the_four_members_in_the_shape_of_the_api, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_ends_in_one_event_and_without_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_kind_is_an_error_status_and_a_readable_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_statuses_are_those_that_clients_act_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_left_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_names_category_and_decision_within_its_bound, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of request_head: hosts, lengths, codings, expectations and what may stand only once. */
#include "gateway/request_head.h"

#include "proto/limits.h"
#include "support/unit.h"

/* A head of a PUT with these lines ("name: value" each, NULL at the end). */
static enum request_refusal check(struct request_head *head, struct fields *fields, const char *const *lines)
{
    fields_clear(fields);
    for (; *lines != NULL; lines++) {
        struct bytes line = bytes_of(*lines);
        size_t colon = (size_t)bytes_find(line, ':');

        assert_status(STATUS_OK, fields_add(fields, bytes_first(line, colon), bytes_from(line, colon + 2)));
    }
    head->method = BYTES("PUT");
    head->fields = fields;
    return request_head_check(head, MIB);
}

struct fixture {
    struct fields *fields;
    struct request_head head;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_status(STATUS_OK, fields_open(&fixture->fields, 20, 4096));
    fixture->head.target = BYTES("/a?b");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    fields_close(&fixture->fields);
    test_free(fixture);
    return 0;
}

#define assert_check(expected, ...)                                                                                    \
    assert_string_equal(refusal_rule(expected), refusal_rule(check(&fixture->head, fixture->fields,                    \
                                                                   (const char *const[]){__VA_ARGS__, NULL})))

static void a_host_is_a_name_or_an_address_with_an_optional_port(void **state)
{
    static const char *const good[] = {"Host: a",       "Host: a.b-c_d:80", "Host: 127.0.0.1:65535",
                                       "Host: [::1]",   "Host: [::1]:8080", "Host: gw.test:0", "Host: a:", "Host: [::1]:"};
    static const char *const bad[] = {"Host: ",       "Host: a,b",    "Host: u@a",  "Host: a/b",    "Host: :",   "Host: a:x",
                                      "Host: a:65536", "Host: [::1",   "Host: []",   "Host: [::1]x", "Host: :80", "Host: a b",
                                      "Host: a%41",    "Host: [g::1]", "Host: a?b"};
    struct fixture *fixture = *state;

    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        assert_check(REFUSAL_NONE, good[index]);
    }
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_check(REFUSAL_HOST, bad[index]);
    }
}

static void only_http_1_0_may_leave_the_host_out(void **state)
{
    struct fixture *fixture = *state;

    assert_check(REFUSAL_HOST, "X: y");
    assert_check(REFUSAL_HOST, "Host: a", "Host: a");
    fixture->head.http_1_0 = true;
    assert_check(REFUSAL_NONE, "X: y");
    assert_check(REFUSAL_HOST, "Host: a", "Host: a");
}

static void a_target_is_a_path_with_an_optional_query(void **state)
{
    static const char *const bad[] = {"", "a", "*", "//a b", "/a#b", "/\\", "/a\"", "/%4", "/%", "/%g0", "ftp://a/", "http:/a",
                                      "http://", "http:///b", "http://a/ b", "http://a/b#c", "/\x80"};
    struct fixture *fixture = *state;

    assert_check(REFUSAL_NONE, "Host: a");
    assert_bytes("/a", fixture->head.path);
    assert_bytes("?b", fixture->head.query);
    fixture->head.target = BYTES("/%2F~");
    assert_check(REFUSAL_NONE, "Host: a");
    assert_bytes("/%2F~", fixture->head.path);
    assert_bytes("", fixture->head.query);
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        fixture->head.target = bytes_of(bad[index]);
        assert_check(REFUSAL_TARGET, "Host: a");
    }
}

static void a_target_in_absolute_form_agrees_with_the_host(void **state)
{
    static const struct {
        const char *target;
        const char *host;
        enum request_refusal refusal;
        const char *path;
        const char *query;
    } cases[] = {
        {"http://a/b?c", "Host: a", REFUSAL_NONE, "/b", "?c"},
        {"HTTPS://A:443//b", "Host: a:443", REFUSAL_NONE, "//b", ""},
        {"http://[::1]:80", "Host: [::1]:80", REFUSAL_NONE, "/", ""},
        {"http://b/", "Host: a", REFUSAL_HOST, NULL, NULL},
        {"http://a:80/", "Host: a", REFUSAL_HOST, NULL, NULL},
        {"http://u@a/", "Host: a", REFUSAL_HOST, NULL, NULL},
        {"http://u@a/", "Host: u@a", REFUSAL_HOST, NULL, NULL},
        {"http://a?b", "Host: a", REFUSAL_NONE, "/", "?b"},
        {"http://a?b=/c?d", "Host: a", REFUSAL_NONE, "/", "?b=/c?d"},
        {"http://b?@a/", "Host: a", REFUSAL_HOST, NULL, NULL},
        {"http://?a", "Host: a", REFUSAL_TARGET, NULL, NULL},
        {"http://a?%", "Host: a", REFUSAL_TARGET, NULL, NULL},
        {"http://a", "X: y", REFUSAL_HOST, NULL, NULL},
    };
    struct fixture *fixture = *state;

    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        fixture->head.target = bytes_of(cases[index].target);
        assert_check(cases[index].refusal, cases[index].host);
        if (cases[index].path != NULL) {
            assert_bytes(cases[index].path, fixture->head.path);
            assert_bytes(cases[index].query, fixture->head.query);
        }
    }
    fixture->head.http_1_0 = true;
    fixture->head.target = BYTES("http://a/");
    assert_check(REFUSAL_NONE, "X: y");
    fixture->head.target = BYTES("http://u@a/");
    assert_check(REFUSAL_HOST, "X: y");
}

static void what_may_stand_once_may_not_stand_twice(void **state)
{
    static const char *const once[] = {"Authorization: x", "content-type: x",   "CONTENT-ENCODING: x",
                                       "X-Api-Key: x",     "Api-Key: x",        "x-goog-api-key: x", "Anthropic-Version: x"};
    struct fixture *fixture = *state;

    for (size_t index = 0; index < sizeof once / sizeof once[0]; index++) {
        assert_check(REFUSAL_NONE, "Host: a", once[index]);
        assert_check(REFUSAL_DUPLICATE, "Host: a", once[index], once[index]);
    }
    assert_check(REFUSAL_NONE, "Host: a", "Cookie: a=b", "Cookie: c=d");
}

static void the_framing_leaves_no_doubt(void **state)
{
    struct fixture *fixture = *state;

    assert_check(REFUSAL_NONE, "Host: a");
    assert_int_equal(0, fixture->head.body_bytes);
    assert_check(REFUSAL_NONE, "Host: a", "Content-Length: 0");
    assert_int_equal(0, fixture->head.body_bytes);
    assert_check(REFUSAL_NONE, "Host: a", "Content-Length: 17");
    assert_int_equal(17, fixture->head.body_bytes);
    assert_check(REFUSAL_NONE, "Host: a", "Transfer-Encoding: Chunked");
    assert_int_equal(-1, fixture->head.body_bytes);
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: 1", "Content-Length: 1");
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: 1", "Transfer-Encoding: chunked");
    assert_check(REFUSAL_FRAMING, "Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked");
    assert_check(REFUSAL_FRAMING, "Host: a", "Transfer-Encoding: gzip, chunked");
    assert_check(REFUSAL_FRAMING, "Host: a", "Transfer-Encoding: identity");
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: ");
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: 1, 1");
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: 010");
    assert_check(REFUSAL_FRAMING, "Host: a", "Content-Length: 1", "Transfer_Encoding: chunked");
}

static void an_announced_body_may_be_as_large_as_its_bound(void **state)
{
    struct fixture *fixture = *state;

    assert_check(REFUSAL_NONE, "Host: a", "Content-Length: 1048576");
    assert_check(REFUSAL_BODY_SIZE, "Host: a", "Content-Length: 1048577");
    assert_check(REFUSAL_BODY_SIZE, "Host: a", "Content-Length: 99999999999999999999999999");
}

static void a_connection_is_kept_as_the_client_says(void **state)
{
    struct fixture *fixture = *state;

    assert_check(REFUSAL_NONE, "Host: a");
    assert_true(fixture->head.keep_alive);
    assert_check(REFUSAL_NONE, "Host: a", "Connection: x, Close ,y");
    assert_false(fixture->head.keep_alive);
    assert_check(REFUSAL_NONE, "Host: a", "Connection: keep-alive", "Connection: close");
    assert_false(fixture->head.keep_alive);
    fixture->head.http_1_0 = true;
    assert_check(REFUSAL_NONE, "Host: a");
    assert_false(fixture->head.keep_alive);
    assert_check(REFUSAL_NONE, "Host: a", "Connection: Keep-Alive");
    assert_true(fixture->head.keep_alive);
}

static void the_only_expectation_is_a_100(void **state)
{
    struct fixture *fixture = *state;

    assert_check(REFUSAL_NONE, "Host: a", "Content-Length: 1", "Expect: 100-Continue");
    assert_true(fixture->head.wants_continue);
    assert_check(REFUSAL_NONE, "Host: a", "Expect: 100-continue");
    assert_false(fixture->head.wants_continue);
    assert_check(REFUSAL_EXPECT, "Host: a", "Content-Length: 1", "Expect: 200-ok");
    fixture->head.http_1_0 = true;
    assert_check(REFUSAL_NONE, "Host: a", "Content-Length: 1", "Expect: 100-continue");
    assert_false(fixture->head.wants_continue);
}

static void a_taker_that_fails_refuses_the_request(void **state)
{
    (void)state;
    assert_int_equal(REFUSAL_BODY_BUDGET, refusal_of_sink(STATUS_FULL));
    assert_int_equal(REFUSAL_DECODED_SIZE, refusal_of_sink(STATUS_TOO_LARGE));
    assert_int_equal(REFUSAL_DECODING, refusal_of_sink(STATUS_MALFORMED));
    assert_int_equal(REFUSAL_MEMORY, refusal_of_sink(STATUS_NO_MEMORY));
}

static void a_trailer_must_not_say_how_to_read_the_message(void **state)
{
    (void)state;
    assert_true(request_head_forbids_trailer(BYTES("Content-length")));
    assert_true(request_head_forbids_trailer(BYTES("host")));
    assert_true(request_head_forbids_trailer(BYTES("Trailer")));
    assert_true(request_head_forbids_trailer(BYTES("authorization")));
    assert_true(request_head_forbids_trailer(BYTES("Range")));
    assert_true(request_head_forbids_trailer(BYTES("cookie")));
    assert_true(request_head_forbids_trailer(BYTES("If-None-Match")));
    assert_true(request_head_forbids_trailer(BYTES("X-Forwarded-For")));
    assert_false(request_head_forbids_trailer(BYTES("X-Checksum")));
    assert_false(request_head_forbids_trailer(BYTES("Digest")));
    assert_false(request_head_forbids_trailer(BYTES("hosts")));
}

static void a_field_that_does_not_fit_names_its_rule(void **state)
{
    (void)state;
    assert_int_equal(REFUSAL_FIELD, refusal_of_field(STATUS_MALFORMED));
    assert_int_equal(REFUSAL_FIELD_COUNT, refusal_of_field(STATUS_FULL));
    assert_int_equal(REFUSAL_HEADER_SIZE, refusal_of_field(STATUS_TOO_LARGE));
    assert_int_equal(REFUSAL_MEMORY, refusal_of_field(STATUS_NO_MEMORY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_is_a_name_or_an_address_with_an_optional_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_http_1_0_may_leave_the_host_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_target_is_a_path_with_an_optional_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_target_in_absolute_form_agrees_with_the_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_may_stand_once_may_not_stand_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_framing_leaves_no_doubt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_announced_body_may_be_as_large_as_its_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_is_kept_as_the_client_says, set_up, tear_down),
        cmocka_unit_test(a_trailer_must_not_say_how_to_read_the_message),
        cmocka_unit_test(a_field_that_does_not_fit_names_its_rule),
        cmocka_unit_test_setup_teardown(the_only_expectation_is_a_100, set_up, tear_down),
        cmocka_unit_test(a_taker_that_fails_refuses_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

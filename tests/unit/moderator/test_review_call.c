/* test_review_call: real HTTP on loopback: what is sent, and every way in which a call can end. */
#include "support/http_server.h"
#include "support/unit.h"

#include "moderator/review_call.h"
#include "proto/clock.h"
#include "proto/secret.h"

enum { PLACES = 3, TIMEOUT_MS = 20000, ITEMS_MAX = 64 };

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"answer\":42}"

static const struct private_hosts loopback = {.count = 1, .at = {"127.0.0.1"}};

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, review_call_start_library());
    return 0;
}

struct place {
    struct http_server server;
    struct review_target *target;
    struct review_calls *calls;
};

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char url[PATH_BYTES_MAX + 1];

    assert_non_null(place);
    http_server_open(&place->server);
    http_server_url(&place->server, "/v1/chat/completions?x=1", url);
    assert_status(STATUS_OK, review_target_open(&place->target, url, BYTES("the-key"), &loopback));
    assert_status(STATUS_OK, review_calls_open(&place->calls, PLACES));
    assert_in_range(review_calls_items_max(place->calls), 1, ITEMS_MAX);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;

    review_calls_close(&place->calls);
    review_calls_close(&place->calls);
    review_target_close(&place->target);
    review_target_close(&place->target);
    http_server_close(&place->server);
    free(place);
    return 0;
}

static void begin_to(struct place *place, const struct review_target *target, size_t at, const char *text, uint64_t timeout_ms)
{
    struct buffer body;

    buffer_init(&body, 2 * MIB);
    assert_status(STATUS_OK, buffer_append_text(&body, text));
    assert_status(STATUS_OK, review_call_start(place->calls, at, target, &body, timeout_ms));
    assert_null(body.data); /* taken */
}

static void begin(struct place *place, size_t at, const char *text, uint64_t timeout_ms)
{
    begin_to(place, place->target, at, text, timeout_ms);
}

/* One turn as the owner makes it. */
static void turn(struct review_calls *calls)
{
    zmq_pollitem_t items[ITEMS_MAX];
    size_t count = review_calls_poll(calls, items);
    uint64_t now_ms = clock_ms();
    uint64_t due_ms = review_calls_due_ms(calls);
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;

    assert_true(count > 0 || due_ms != UINT64_MAX); /* it waits for something */
    (void)zmq_poll(items, (int)count, wait_ms < 100 ? (long)wait_ms : 100);
    review_calls_turn(calls, items, count);
}

/* The place of the next call that ends. */
static size_t await(struct place *place)
{
    uint64_t end_ms = clock_ms() + 2 * TIMEOUT_MS;
    size_t at;

    while (!review_calls_next(place->calls, &at)) {
        assert_true(clock_ms() < end_ms);
        turn(place->calls);
    }
    return at;
}

static enum status result(struct place *place, size_t at, unsigned *http_status, struct bytes *body)
{
    *http_status = 0;
    *body = (struct bytes){NULL, 0};
    return review_call_result(place->calls, at, http_status, body);
}

static bool holds(const struct buffer *request, const char *text)
{
    return memmem(request->data, request->count, text, strlen(text)) != NULL;
}

static void a_post_is_sent_and_its_answer_read(void **state)
{
    struct place *place = *state;
    struct buffer request;
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin(place, 1, "{\"question\":1}", TIMEOUT_MS);
    assert_int_equal(1, await(place));
    assert_status(STATUS_OK, result(place, 1, &http_status, &body));
    assert_int_equal(200, http_status);
    assert_bytes("{\"answer\":42}", body);
    review_call_end(place->calls, 1);
    http_server_last(&place->server, &request);
    assert_true(bytes_starts_with(buffer_view(&request), BYTES("POST /v1/chat/completions?x=1 HTTP/1.1\r\n")));
    assert_true(bytes_ends_with(buffer_view(&request), BYTES("\r\n\r\n{\"question\":1}")));
    assert_true(holds(&request, "\r\nAuthorization: Bearer the-key\r\n"));
    assert_true(holds(&request, "\r\nContent-Type: application/json\r\n"));
    assert_true(holds(&request, "\r\nContent-Length: 14\r\n"));
    assert_false(holds(&request, "Expect"));
    assert_false(holds(&request, "Accept-Encoding"));
    assert_false(holds(&request, "Cookie"));
    buffer_free(&request);
}

static void without_a_key_no_authorization_is_sent(void **state)
{
    struct place *place = *state;
    struct review_target *target = NULL;
    char url[PATH_BYTES_MAX + 1];
    struct buffer request;

    http_server_url(&place->server, "/", url);
    assert_status(STATUS_OK, review_target_open(&target, url, (struct bytes){NULL, 0}, &loopback));
    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin_to(place, target, 0, "{}", TIMEOUT_MS);
    review_call_end(place->calls, await(place));
    http_server_last(&place->server, &request);
    assert_false(holds(&request, "Authorization"));
    buffer_free(&request);
    review_target_close(&target);
}

static void several_calls_run_at_once_and_connections_are_used_again(void **state)
{
    struct place *place = *state;
    bool ended[PLACES] = {false};
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    for (int round = 0; round < 3; round++) {
        for (size_t at = 0; at < PLACES; at++) {
            begin(place, at, "{}", TIMEOUT_MS);
            ended[at] = false;
        }
        for (size_t count = 0; count < PLACES; count++) {
            size_t at = await(place);

            assert_false(ended[at]);
            ended[at] = true;
            assert_status(STATUS_OK, result(place, at, &http_status, &body));
            review_call_end(place->calls, at);
        }
    }
    assert_int_equal(3 * PLACES, place->server.request_count);
    assert_in_range(place->server.accepted_count, 1, PLACES);
}

static void a_redirect_is_an_answer_like_any_other(void **state)
{
    struct place *place = *state;
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_OK, result(place, 0, &http_status, &body));
    assert_int_equal(302, http_status);
    assert_int_equal(1, place->server.request_count);
    review_call_end(place->calls, 0);
}

static void a_server_that_never_answers_is_a_timeout(void **state)
{
    struct place *place = *state;
    uint64_t started_ms = clock_ms();
    unsigned http_status;
    struct bytes body;

    begin(place, 0, "{}", 200);
    (void)await(place);
    assert_in_range(clock_ms() - started_ms, 150, TIMEOUT_MS);
    assert_status(STATUS_TIMEOUT, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    http_server_await(&place->server, 1, 1); /* it saw the request, and that we left */
}

static void a_connection_that_is_cut_fails_the_call_and_nothing_is_sent_twice(void **state)
{
    struct place *place = *state;
    unsigned http_status;
    struct bytes body;

    /* A first call leaves a connection that the second uses again, and loses. */
    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    review_call_end(place->calls, 0);
    http_server_answer(&place->server, "", HTTP_SERVER_CUT);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_UNAVAILABLE, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    assert_int_equal(2, place->server.request_count);
}

static void an_answer_that_ends_early_fails_the_call(void **state)
{
    struct place *place = *state;
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"answer\"", HTTP_SERVER_CLOSE);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_UNAVAILABLE, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
}

static void nobody_listening_fails_the_call(void **state)
{
    struct place *place = *state;
    struct review_target *target = NULL;
    unsigned http_status;
    struct bytes body;

    assert_status(STATUS_OK, review_target_open(&target, "http://127.0.0.1:1/", (struct bytes){NULL, 0}, &loopback));
    begin_to(place, target, 2, "{}", TIMEOUT_MS);
    assert_int_equal(2, await(place));
    assert_status(STATUS_UNAVAILABLE, result(place, 2, &http_status, &body));
    review_call_end(place->calls, 2);
    review_target_close(&target);
}

/* An answer whose body has `count` bytes; the caller frees it. */
static char *answer_of(size_t count)
{
    char *answer = malloc(count + 128);
    int head;

    assert_non_null(answer);
    head = snprintf(answer, 128, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", count);
    memset(answer + head, 'x', count);
    answer[(size_t)head + count] = '\0';
    return answer;
}

static void an_answer_of_the_bound_is_read_and_one_byte_more_fails(void **state)
{
    struct place *place = *state;
    char *fits = answer_of(REVIEW_ANSWER_BYTES_MAX);
    char *does_not = answer_of(REVIEW_ANSWER_BYTES_MAX + 1);
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, fits, HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_OK, result(place, 0, &http_status, &body));
    assert_int_equal(REVIEW_ANSWER_BYTES_MAX, body.count);
    review_call_end(place->calls, 0);
    http_server_answer(&place->server, does_not, HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_TOO_LARGE, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    http_server_await(&place->server, 2, 1); /* the rest of it is not waited for */
    free(fits);
    free(does_not);
}

static void a_large_question_is_sent_without_asking_first(void **state)
{
    struct place *place = *state;
    char *text = calloc(1, 2 * MIB);
    struct buffer request;

    assert_non_null(text);
    memset(text, 'q', 2 * MIB - 1);
    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin(place, 0, text, TIMEOUT_MS);
    (void)await(place);
    review_call_end(place->calls, 0);
    http_server_last(&place->server, &request);
    assert_true(bytes_ends_with(buffer_view(&request), (struct bytes){text, 2 * MIB - 1}));
    /* Beyond a megabyte libcurl would ask for "100 Continue" and wait a second for it. */
    assert_false(holds(&request, "Expect"));
    buffer_free(&request);
    free(text);
}

static void a_running_call_can_be_ended(void **state)
{
    struct place *place = *state;
    size_t at;

    begin(place, 0, "{}", TIMEOUT_MS);
    while (place->server.request_count == 0) {
        turn(place->calls);
    }
    review_call_end(place->calls, 0);
    http_server_await(&place->server, 1, 1);
    assert_false(review_calls_next(place->calls, &at));
    review_call_end(place->calls, 0); /* a free place may be ended too */
}

static void the_proxy_variables_of_the_environment_are_not_heard(void **state)
{
    struct place *place = *state;
    unsigned http_status;
    struct bytes body;

    assert_int_equal(0, setenv("http_proxy", "http://127.0.0.1:1", 1));
    assert_int_equal(0, setenv("all_proxy", "http://127.0.0.1:1", 1));
    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_OK, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    assert_int_equal(0, unsetenv("http_proxy"));
    assert_int_equal(0, unsetenv("all_proxy"));
}

static void an_address_that_is_not_allowed_is_never_connected_to(void **state)
{
    static const struct private_hosts others = {.count = 1, .at = {"llm.example"}};
    struct place *place = *state;
    struct review_target *target = NULL;
    char url[PATH_BYTES_MAX + 1];
    unsigned http_status;
    struct bytes body;

    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    http_server_url(&place->server, "/", url);
    assert_status(STATUS_OK, review_target_open(&target, url, (struct bytes){NULL, 0}, &others));
    begin_to(place, target, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_DENIED, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    review_target_close(&target);
    /* Where clouds keep their credentials is never allowed. */
    assert_status(STATUS_OK, review_target_open(&target, "http://169.254.169.254/", (struct bytes){NULL, 0},
                                                &(struct private_hosts){.count = 1, .at = {"true"}}));
    begin_to(place, target, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_status(STATUS_DENIED, result(place, 0, &http_status, &body));
    review_call_end(place->calls, 0);
    review_target_close(&target);
    assert_int_equal(0, place->server.accepted_count);
}

static void a_pause_that_the_answer_asks_for_is_told(void **state)
{
    struct place *place = *state;

    http_server_answer(&place->server, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_int_equal(7000, review_call_pause_ms(place->calls, 0));
    review_call_end(place->calls, 0);
    http_server_answer(&place->server, "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n",
                       HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_int_equal(1000 * (int64_t)RETRY_AFTER_S_MAX, review_call_pause_ms(place->calls, 0));
    review_call_end(place->calls, 0);
    http_server_answer(&place->server, ANSWER, HTTP_SERVER_ANSWER);
    begin(place, 0, "{}", TIMEOUT_MS);
    (void)await(place);
    assert_int_equal(0, review_call_pause_ms(place->calls, 0));
    review_call_end(place->calls, 0);
}

static void only_http_addresses_are_targets(void **state)
{
    struct review_target *target = NULL;

    (void)state;
    assert_status(STATUS_MALFORMED, review_target_open(&target, "file:///etc/passwd", (struct bytes){NULL, 0}, &loopback));
    assert_status(STATUS_MALFORMED, review_target_open(&target, "ftp://127.0.0.1/", (struct bytes){NULL, 0}, &loopback));
    assert_status(STATUS_MALFORMED, review_target_open(&target, "", (struct bytes){NULL, 0}, &loopback));
    assert_status(STATUS_MALFORMED, review_target_open(&target, "http://a b/", (struct bytes){NULL, 0}, &loopback));
    assert_null(target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CALL_TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)
        CALL_TEST(a_post_is_sent_and_its_answer_read),
        CALL_TEST(without_a_key_no_authorization_is_sent),
        CALL_TEST(several_calls_run_at_once_and_connections_are_used_again),
        CALL_TEST(a_redirect_is_an_answer_like_any_other),
        CALL_TEST(a_server_that_never_answers_is_a_timeout),
        CALL_TEST(a_connection_that_is_cut_fails_the_call_and_nothing_is_sent_twice),
        CALL_TEST(an_answer_that_ends_early_fails_the_call),
        CALL_TEST(nobody_listening_fails_the_call),
        CALL_TEST(an_answer_of_the_bound_is_read_and_one_byte_more_fails),
        CALL_TEST(a_large_question_is_sent_without_asking_first),
        CALL_TEST(a_running_call_can_be_ended),
        CALL_TEST(the_proxy_variables_of_the_environment_are_not_heard),
        CALL_TEST(an_address_that_is_not_allowed_is_never_connected_to),
        CALL_TEST(a_pause_that_the_answer_asks_for_is_told),
        cmocka_unit_test(only_http_addresses_are_targets),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}

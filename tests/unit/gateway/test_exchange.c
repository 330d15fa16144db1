/* Tests of exchange and loop: a request's whole way, with the test as client, moderator and upstream. */
#include "gateway/exchange.h"

#include "support/visit.h"

#define CHAT "{ \"model\":\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"h\\u0065llo\"}], \"n\": 1.0 }"
#define CHAT_PATH "/openai/v1/chat/completions"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define CLOSE "Connection: close\r\n"
#define CLOSE_JSON CLOSE JSON_TYPE
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: up-1\r\nContent-Length: 7\r\n\r\n{\"a\":1}"

/* A request with this body is refused before anybody is asked. */
static void is_refused(struct visit *visit, const char *path, const char *lines, const char *body, const char *status,
                       const char *part)
{
    visit_post(visit, path, lines, body);
    visit_is_refused(visit, status, part);
}

static void an_allowed_request_is_sent_on_byte_for_byte_and_its_answer_comes_back(void **state)
{
    struct visit *visit = *state;
    struct bytes rest;
    struct segment segment;

    visit_start(visit);
    visit_post(visit, CHAT_PATH "?a=b", CLOSE_JSON, CHAT);
    scripted_task(&visit->slot);
    assert_bytes("default", visit->slot.task.profile);
    rest = visit->slot.task.segments;
    assert_status(STATUS_OK, message_next_segment(&rest, &segment));
    assert_true(bytes_starts_with(segment.text, BYTES("hello")));
    scripted_answer(&visit->slot, OUTCOME_ALLOW);
    visit_arrive(visit, CHAT);
    assert_memory_equal("POST /v1/chat/completions?a=b HTTP/1.1\r\n", visit->asked, 40);
    assert_string_equal(CHAT, strstr(visit->asked, "\r\n\r\n") + 4);
    town_say(visit->upstream, ANSWER);
    visit_hear(visit, "200 ");
    town_holds(visit->answer, "x-prismguard-decision: ");
    town_holds(visit->answer, "X-Request-Id: up-1\r\n");
    assert_string_equal("{\"a\":1}", strstr(visit->answer, "\r\n\r\n") + 4);
    assert_true(town_becomes_idle(&visit->town));
}

static void a_blocked_request_is_refused_and_never_sent(void **state)
{
    struct visit *visit = *state;

    visit_start(visit);
    visit_post(visit, CHAT_PATH, CLOSE_JSON, CHAT);
    visit_judge(visit, OUTCOME_BLOCK);
    visit_is_refused(visit, "400 ", "\"content_filter\"");
    town_holds(visit->answer, "MODERATION_BLOCKED");
    town_holds(visit->answer, "violence");
    assert_null(strstr(visit->answer, "0.875"));
    assert_null(strstr(visit->answer, "hello"));
    assert_true(town_becomes_idle(&visit->town));
}

static void without_a_moderator_a_request_is_refused(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    is_refused(visit, CHAT_PATH, CLOSE_JSON, CHAT, "503 ", "\"moderation_unavailable\"");
    town_holds(visit->answer, "Retry-After: 1\r\n");
}

static void without_a_moderator_a_profile_may_allow(void **state)
{
    struct visit *visit = *state;

    visit->town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town_start(&visit->town);
    visit_post(visit, CHAT_PATH, CLOSE_JSON, CHAT);
    visit_arrive(visit, CHAT);
    assert_int_equal(1, series_value(metrics_series(visit->town.metrics, METRIC_COUNTER,
                                                    "prismguard_gateway_unavailable_allowed_total", "", NULL, 0)));
}

static void what_cannot_be_understood_is_refused_before_anybody_is_asked(void **state)
{
    static const char utf_7[] = CLOSE "Content-Type: application/json; charset=utf-7\r\n";
    struct visit *visit = *state;

    town_start(&visit->town);
    is_refused(visit, CHAT_PATH, CLOSE_JSON, "{", "400 ", "\"invalid_json\"");
    is_refused(visit, CHAT_PATH, CLOSE_JSON, "", "400 ", "\"invalid_json\"");
    is_refused(visit, CHAT_PATH, CLOSE_JSON, "{\"model\":\"m\",\"model\":\"m\",\"messages\":[]}", "400 ", "invalid");
    is_refused(visit, CHAT_PATH, CLOSE_JSON, "{\"model\":\"m\",\"messages\":7}", "400 ", "\"messages\"");
    is_refused(visit, CHAT_PATH, "Content-Encoding: zstd\r\n" CLOSE_JSON, CHAT, "415 ", "Content-Encoding");
    is_refused(visit, CHAT_PATH, CLOSE "Content-Type: text/plain\r\n", CHAT, "415 ", "Content-Type");
    is_refused(visit, CHAT_PATH, utf_7, CHAT, "415 ", "Content-Type");
    is_refused(visit, "/openai/v1/embeddings", CLOSE_JSON, CHAT, "404 ", "\"endpoint_not_supported\"");
    is_refused(visit, "/other/v1/chat/completions", CLOSE_JSON, CHAT, "404 ", "\"endpoint_not_supported\"");
    is_refused(visit, "/openai/../plain", CLOSE_JSON, CHAT, "400 ", "dot segments");
}

/* Who reads the fields otherwise would read another text: what is judged goes on as the JSON that it was read as. */
static void what_is_judged_goes_on_as_json_whatever_it_was_called(void **state)
{
    static const char *const lines[] = {
        CLOSE "Content-Type: Application/JSON;a=\"charset=utf-16\"; charset=UTF-8\r\n",
        CLOSE_JSON "Content-Encoding: identity\r\n",
        CLOSE_JSON "Content-Encoding:\r\n",
        CLOSE,
    };
    struct visit *visit = *state;

    visit_start(visit);
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
        visit_post(visit, CHAT_PATH, lines[index], CHAT);
        visit_judge(visit, OUTCOME_ALLOW);
        visit_arrive(visit, CHAT);
        town_holds(visit->asked, "\r\nContent-Type: application/json\r\n");
        assert_null(strstr(visit->asked, "charset"));
        assert_null(strcasestr(visit->asked, "content-encoding"));
        town_say(visit->upstream, ANSWER);
        visit_hear(visit, "200 ");
    }
}

static void a_head_request_with_content_is_refused(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "HEAD /plain HTTP/1.1\r\nHost: a\r\n" CLOSE "Content-Length: 2\r\n\r\nhi");
    visit_is_refused(visit, "400 ", "");
}

static void methods_that_no_api_has_are_refused(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "TRACE /plain HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n");
    visit_is_refused(visit, "405 ", "Allow: GET, POST");
}

static void what_is_not_http_is_counted_by_its_rule(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "GET / HTTP/1.1\r\n\r\n");
    visit_is_refused(visit, "400 ", "\"invalid_request_error\"");
    assert_int_equal(1, town_counted(&visit->town, "prismguard_gateway_http_rejected_total", "rule", "host"));
}

static void text_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
#define FRAME "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]}"
    enum { BOUND = 1000 };
    struct visit *visit = *state;
    char text[BOUND], body[2 * BOUND];

    memset(text, 'a', sizeof text);
    visit->town.settings.gateway.limits.moderated_text_bytes = BOUND;
    visit_start(visit);
    (void)snprintf(body, sizeof body, FRAME, BOUND, text); /* and a line feed behind it */
    is_refused(visit, CHAT_PATH, CLOSE_JSON, body, "413 ", "\"prompt_too_long\"");
    (void)snprintf(body, sizeof body, FRAME, BOUND - 1, text);
    visit_post(visit, CHAT_PATH, CLOSE_JSON, body);
    visit_judge(visit, OUTCOME_BLOCK);
    visit_is_refused(visit, "400 ", "\"content_filter\"");
}

static void an_unjudged_route_sends_anything_on_and_drops_what_belongs_to_one_hop(void **state)
{
    static const char *const kept_back[] = {"Cookie:", "X-Forwarded-For:", "Forwarded:", "Expect:", "TE:", "Keep-Alive:",
                                            "Proxy-Authorization:", "Host: gateway", "x-prismguard-", "X-Hop:"};
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_post(visit, "/plain/any?x",
               "Content-Encoding: zip\r\nX-Mine: 1\r\nAuthorization: Bearer mine\r\nCookie: a=b\r\nX-Forwarded-For: b\r\n"
               "Forwarded: for=b\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nConnection: X-Hop, Authorization\r\n"
               "X-Hop: 1\r\n"
               "x-prismguard-debug: 1\r\nAccept-Encoding: gzip\r\n",
               "\x01\x02{");
    visit_arrive(visit, "\x01\x02{");
    assert_memory_equal("POST /any?x HTTP/1.1\r\n", visit->asked, 22);
    town_holds(visit->asked, "X-Mine: 1\r\n");
    town_holds(visit->asked, "Authorization: Bearer mine\r\n");
    town_holds(visit->asked, "Content-Encoding: zip\r\n");
    assert_null(strstr(visit->asked, "gzip"));
    for (size_t index = 0; index < sizeof kept_back / sizeof kept_back[0]; index++) {
        assert_null(strstr(visit->asked, kept_back[index]));
    }
}

static void a_request_without_a_body_passes_a_judged_route_unjudged(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "GET /openai/v1/models HTTP/1.1\r\nHost: a\r\n\r\n");
    visit_arrive(visit, "\r\n\r\n");
    assert_memory_equal("GET /v1/models HTTP/1.1\r\n", visit->asked, 25);
}

static void the_key_of_a_route_takes_the_place_of_the_caller_s(void **state)
{
    char file[] = "/tmp/prismguard-key-XXXXXX";
    int fd = mkstemp(file);
    struct visit *visit = *state;

    assert_int_equal(6, write(fd, "sk-op\n", 6));
    assert_int_equal(0, close(fd));
    (void)snprintf(visit->town.routes_settings[1].key_file, PATH_BYTES_MAX, "%s", file);
    town_start(&visit->town);
    assert_int_equal(0, unlink(file));
    visit_post(visit, "/plain/x", "authorization: Bearer mine\r\nX-Api-Key: mine\r\n", "b");
    visit_arrive(visit, "\r\n\r\nb");
    town_holds(visit->asked, "Authorization: Bearer sk-op\r\n");
    assert_null(strstr(visit->asked, "mine"));
}

static void a_client_that_leaves_while_it_is_judged_leaves_nothing_behind(void **state)
{
    struct visit *visit = *state;

    visit_start(visit);
    visit_post(visit, CHAT_PATH, JSON_TYPE, CHAT);
    scripted_task(&visit->slot);
    visit_leave(&visit->client);
    while (admit_in_flight(visit->town.admit) > 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(admit_body_bytes(visit->town.admit) > 0); /* the pool still has the text */
    scripted_answer(&visit->slot, OUTCOME_ALLOW);
    assert_true(town_becomes_idle(&visit->town));
    assert_false(town_upstream_was_called(&visit->town));
}

static void a_client_that_leaves_closes_its_upstream(void **state)
{
    struct visit *visit = *state;
    char byte;

    town_start(&visit->town);
    visit_post(visit, "/plain/x", "", "b");
    visit_arrive(visit, "\r\n\r\nb");
    town_say(visit->upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_true(town_hear(visit->client, visit->answer, "abc"));
    visit_leave(&visit->client);
    assert_true(recv(visit->upstream, &byte, 1, 0) <= 0 && errno != EAGAIN);
    assert_true(town_becomes_idle(&visit->town));
}

static void a_stream_does_not_keep_the_request_it_answers(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_post(visit, "/plain/x", "", "b");
    visit_arrive(visit, "\r\n\r\nb");
    assert_true(admit_body_bytes(visit->town.admit) > 0);
    town_say(visit->upstream,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_true(town_hear(visit->client, visit->answer, "abc"));
    assert_int_equal(1, admit_in_flight(visit->town.admit));
    assert_int_equal(0, admit_body_bytes(visit->town.admit));
    town_say(visit->upstream, "3\r\ndef\r\n0\r\n\r\n");
    assert_true(town_hear(visit->client, visit->answer, "def\r\n0\r\n\r\n"));
    assert_true(town_becomes_idle(&visit->town));
}

static void an_upstream_that_is_not_there_is_a_502_in_the_client_s_dialect(void **state)
{
    struct visit *visit = *state;

    visit_leave(&visit->town.listener);
    town_start(&visit->town);
    visit_post(visit, "/plain/x", CLOSE, "b");
    visit_hear(visit, "502 ");
    town_holds(visit->answer, "\"bad_gateway\"");
    assert_null(strstr(visit->answer, "127.0.0.1"));
}

static void requests_in_flight_have_a_bound(void **state)
{
    struct visit *visit = *state;
    int first;

    visit->town.settings.gateway.limits.in_flight = 1;
    town_start(&visit->town);
    visit_post(visit, "/plain/x", "", "b");
    visit_arrive(visit, "\r\n\r\nb");
    first = visit->client;
    visit->client = -1;
    visit_post(visit, "/plain/x", CLOSE, "b");
    visit_is_refused(visit, "503 ", "\"overloaded\"");
    town_holds(visit->answer, "Retry-After: 1\r\n");
    (void)close(first);
}

static void a_client_that_ends_its_side_within_its_body_hears_so(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "POST /openai/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{\"a");
    assert_int_equal(0, shutdown(visit->client, SHUT_WR));
    visit_is_refused(visit, "400 ", "the client ended its side within the request's body");
    town_holds(visit->answer, "\r\nConnection: close\r\n");
    town_holds(visit->answer, "\"type\":\"error\""); /* in its dialect */
    assert_true(town_becomes_idle(&visit->town));
    assert_int_equal(1, town_counted(&visit->town, "prismguard_gateway_http_rejected_total", "rule", "incomplete"));
}

static void bodies_have_a_bound_together(void **state)
{
    struct visit *visit = *state;
    char body[9 * KIB];

    memset(body, 'a', sizeof body);
    body[sizeof body - 1] = '\0';
    visit->town.settings.gateway.limits.body_budget_bytes = 8 * KIB;
    town_start(&visit->town);
    is_refused(visit, "/plain/x", CLOSE, body, "503 ", "\"overloaded\"");
    assert_true(town_becomes_idle(&visit->town));
    assert_int_equal(1, town_counted(&visit->town, "prismguard_gateway_http_rejected_total", "rule", "body_budget"));
    body[8 * KIB] = '\0';
    visit_post(visit, "/plain/x", "", body);
    visit_arrive(visit, body);
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct visit *visit = *state;

    town_start(&visit->town);
    visit_say(visit, "HEAD /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-1\r\n" CLOSE "\r\n");
    visit_is_refused(visit, "404 ", "x-request-id: mine-1\r\n");
    assert_string_equal("\r\n\r\n", strstr(visit->answer, "\r\n\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VISIT_TEST(an_allowed_request_is_sent_on_byte_for_byte_and_its_answer_comes_back),
        VISIT_TEST(a_blocked_request_is_refused_and_never_sent),
        VISIT_TEST(without_a_moderator_a_request_is_refused),
        VISIT_TEST(without_a_moderator_a_profile_may_allow),
        VISIT_TEST(what_cannot_be_understood_is_refused_before_anybody_is_asked),
        VISIT_TEST(what_is_judged_goes_on_as_json_whatever_it_was_called),
        VISIT_TEST(a_head_request_with_content_is_refused),
        VISIT_TEST(methods_that_no_api_has_are_refused),
        VISIT_TEST(what_is_not_http_is_counted_by_its_rule),
        VISIT_TEST(text_may_be_as_long_as_its_bound_and_no_longer),
        VISIT_TEST(an_unjudged_route_sends_anything_on_and_drops_what_belongs_to_one_hop),
        VISIT_TEST(a_request_without_a_body_passes_a_judged_route_unjudged),
        VISIT_TEST(the_key_of_a_route_takes_the_place_of_the_caller_s),
        VISIT_TEST(a_client_that_leaves_while_it_is_judged_leaves_nothing_behind),
        VISIT_TEST(a_client_that_leaves_closes_its_upstream),
        VISIT_TEST(a_stream_does_not_keep_the_request_it_answers),
        VISIT_TEST(an_upstream_that_is_not_there_is_a_502_in_the_client_s_dialect),
        VISIT_TEST(requests_in_flight_have_a_bound),
        VISIT_TEST(a_client_that_ends_its_side_within_its_body_hears_so),
        VISIT_TEST(bodies_have_a_bound_together),
        VISIT_TEST(an_answer_to_head_has_no_body),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}

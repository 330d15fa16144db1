/* Tests of exchange and loop: a request's whole way, with the test as client, moderator and upstream. */
#include "gateway/exchange.h"

#include "support/town.h"

#define CHAT "{ \"model\":\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"h\\u0065llo\"}], \"n\": 1.0 }"
#define CHAT_PATH "/openai/v1/chat/completions"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define CLOSE_JSON "Connection: close\r\n" JSON_TYPE
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: up-1\r\nContent-Length: 7\r\n\r\n{\"a\":1}"

static char *text_room(void)
{
    char *room = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(room);
    room[0] = '\0';
    return room;
}

/* The value of a counter that the gateway has made already. */
static int64_t counted(struct town *town, const char *name, const char *label, const char *value)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, name, "", &(struct metric_label){label, value}, 1));
}

static bool becomes_idle(struct town *town)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while ((admit_in_flight(town->admit) > 0 || admit_body_bytes(town->admit) > 0) && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    return admit_in_flight(town->admit) == 0 && admit_body_bytes(town->admit) == 0;
}

/* One request that is refused before anybody is asked: its whole answer. */
static char *refused_answer(struct town *town, const char *path, const char *lines, const char *body)
{
    char *room = text_room();
    int client = town_client(town);

    town_post(client, path, lines, body);
    assert_true(town_hear_all(client, room));
    assert_int_equal(0, close(client));
    assert_false(town_upstream_was_called(town));
    return room;
}

static void assert_refused(struct town *town, const char *path, const char *lines, const char *body, const char *status,
                           const char *code)
{
    char *answer = refused_answer(town, path, lines, body);

    if (strncmp(answer + strlen("HTTP/1.1 "), status, 3) != 0 || strstr(answer, code) == NULL) {
        fail_msg("wanted %s %s, got %s", status, code, answer);
    }
    free(answer);
}

static void an_allowed_request_is_sent_on_byte_for_byte_and_its_answer_comes_back(void **state)
{
    struct town town;
    struct scripted slot;
    struct bytes rest;
    struct segment segment;
    char *room = text_room(), *asked = text_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, CHAT_PATH "?a=b", CLOSE_JSON, CHAT);
    scripted_task(&slot);
    assert_bytes("default", slot.task.profile);
    rest = slot.task.segments;
    assert_status(STATUS_OK, message_next_segment(&rest, &segment));
    assert_true(bytes_starts_with(segment.text, BYTES("hello")));
    scripted_answer(&slot, OUTCOME_ALLOW);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, CHAT));
    assert_memory_equal("POST /v1/chat/completions?a=b HTTP/1.1\r\n", asked, 40);
    assert_string_equal(CHAT, strstr(asked, "\r\n\r\n") + 4);
    town_say(upstream, ANSWER);
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 200 ", room, 13);
    assert_non_null(strstr(room, "x-prismguard-decision: "));
    assert_non_null(strstr(room, "X-Request-Id: up-1\r\n"));
    assert_string_equal("{\"a\":1}", strstr(room, "\r\n\r\n") + 4);
    assert_true(becomes_idle(&town));
    (void)close(client);
    (void)close(upstream);
    scripted_close(&slot);
    town_close(&town);
    free(room);
    free(asked);
}

static void a_blocked_request_is_refused_and_never_sent(void **state)
{
    struct town town;
    struct scripted slot;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, CHAT_PATH, CLOSE_JSON, CHAT);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    assert_non_null(strstr(room, "\"content_filter\""));
    assert_non_null(strstr(room, "MODERATION_BLOCKED"));
    assert_non_null(strstr(room, "violence"));
    assert_null(strstr(room, "0.875"));
    assert_null(strstr(room, "hello"));
    assert_false(town_upstream_was_called(&town));
    assert_true(becomes_idle(&town));
    (void)close(client);
    scripted_close(&slot);
    town_close(&town);
    free(room);
}

static void without_a_moderator_the_profile_decides(void **state)
{
    struct town town;
    char *asked = text_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, CHAT, "503", "\"moderation_unavailable\"");
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, CHAT, "503", "Retry-After: 1\r\n");
    town_close(&town);

    town_init(&town);
    town.profile.when_unavailable = WHEN_UNAVAILABLE_ALLOW;
    town_start(&town);
    client = town_client(&town);
    town_post(client, CHAT_PATH, CLOSE_JSON, CHAT);
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, CHAT));
    assert_int_equal(1, series_value(metrics_series(town.metrics, METRIC_COUNTER,
                                                    "prismguard_gateway_unavailable_allowed_total", "", NULL, 0)));
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(asked);
}

static void what_cannot_be_understood_is_refused_before_anybody_is_asked(void **state)
{
    struct town town;

    (void)state;
    town_open(&town);
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, "{", "400", "\"invalid_json\"");
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, "", "400", "\"invalid_json\"");
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, "{\"model\":\"m\",\"model\":\"m\",\"messages\":[]}", "400", "invalid");
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, "{\"model\":\"m\",\"messages\":7}", "400", "\"messages\"");
    assert_refused(&town, CHAT_PATH, "Content-Encoding: zstd\r\n" CLOSE_JSON, CHAT, "415", "Content-Encoding");
    assert_refused(&town, CHAT_PATH, "Connection: close\r\nContent-Type: text/plain\r\n", CHAT, "415", "Content-Type");
    assert_refused(&town, CHAT_PATH, "Connection: close\r\nContent-Type: application/json; charset=utf-7\r\n", CHAT, "415",
                   "Content-Type");
    assert_refused(&town, "/openai/v1/embeddings", CLOSE_JSON, CHAT, "404", "\"endpoint_not_supported\"");
    assert_refused(&town, "/other/v1/chat/completions", CLOSE_JSON, CHAT, "404", "\"endpoint_not_supported\"");
    assert_refused(&town, "/openai/../plain", CLOSE_JSON, CHAT, "400", "dot segments");
    town_close(&town);
}

/* Who reads the fields otherwise would read another text: what is judged goes on as the JSON that it was read as. */
static void what_is_judged_goes_on_as_json_whatever_it_was_called(void **state)
{
    static const char *const lines[] = {
        "Connection: close\r\nContent-Type: Application/JSON;a=\"charset=utf-16\"; charset=UTF-8\r\n",
        "Connection: close\r\nContent-Type: application/json\r\nContent-Encoding: identity\r\n",
        "Connection: close\r\nContent-Type: application/json\r\nContent-Encoding:\r\n",
        "Connection: close\r\n",
    };
    struct town town;
    struct scripted slot;
    char *asked = text_room();

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
        int client = town_client(&town);
        int upstream;

        town_post(client, CHAT_PATH, lines[index], CHAT);
        scripted_task(&slot);
        scripted_answer(&slot, OUTCOME_ALLOW);
        upstream = town_upstream(&town);
        assert_true(town_hear(upstream, asked, CHAT));
        assert_non_null(strstr(asked, "\r\nContent-Type: application/json\r\n"));
        assert_null(strstr(asked, "charset"));
        assert_null(strcasestr(asked, "content-encoding"));
        town_say(upstream, ANSWER);
        assert_true(town_hear_all(client, asked));
        (void)close(client);
        (void)close(upstream);
    }
    scripted_close(&slot);
    town_close(&town);
    free(asked);
}

static void a_head_request_with_content_is_refused(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "HEAD /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    assert_false(town_upstream_was_called(&town));
    (void)close(client);
    town_close(&town);
    free(room);
}

static void methods_that_no_api_has_are_refused(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "TRACE /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 405 ", room, 13);
    assert_non_null(strstr(room, "Allow: GET, POST"));
    (void)close(client);
    town_close(&town);
    free(room);
}

static void what_is_not_http_is_counted_by_its_rule(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "GET / HTTP/1.1\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    assert_non_null(strstr(room, "\"invalid_request_error\""));
    assert_int_equal(1, counted(&town, "prismguard_gateway_http_rejected_total", "rule", "host"));
    (void)close(client);
    town_close(&town);
    free(room);
}

static void text_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
#define FRAME "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]}"
    struct town town;
    struct scripted slot;
    char *text = malloc(2048), *body = malloc(4096), *room = text_room();
    size_t bound = 1000;
    int client;

    (void)state;
    memset(text, 'a', 2048);
    town_init(&town);
    town.settings.gateway.limits.moderated_text_bytes = bound;
    town_start(&town);
    town_moderator(&town, &slot);
    (void)snprintf(body, 4096, FRAME, (int)bound, text); /* and a line feed behind it */
    assert_refused(&town, CHAT_PATH, CLOSE_JSON, body, "413", "\"prompt_too_long\"");
    client = town_client(&town);
    (void)snprintf(body, 4096, FRAME, (int)bound - 1, text);
    town_post(client, CHAT_PATH, CLOSE_JSON, body);
    scripted_task(&slot);
    scripted_answer(&slot, OUTCOME_BLOCK);
    assert_true(town_hear_all(client, room));
    assert_non_null(strstr(room, "\"content_filter\""));
    (void)close(client);
    scripted_close(&slot);
    town_close(&town);
    free(text);
    free(body);
    free(room);
}

static void an_unjudged_route_sends_anything_on_and_drops_what_belongs_to_one_hop(void **state)
{
    static const char *const kept_back[] = {"Cookie:", "X-Forwarded-For:", "Forwarded:", "Expect:", "TE:", "Keep-Alive:",
                                            "Proxy-Authorization:", "Host: gateway", "x-prismguard-", "X-Hop:"};
    struct town town;
    char *asked = text_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_post(client, "/plain/any?x",
              "Content-Encoding: zip\r\nX-Mine: 1\r\nAuthorization: Bearer mine\r\nCookie: a=b\r\nX-Forwarded-For: b\r\n"
              "Forwarded: for=b\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nConnection: X-Hop, Authorization\r\n"
              "X-Hop: 1\r\n"
              "x-prismguard-debug: 1\r\nAccept-Encoding: gzip\r\n",
              "\x01\x02{");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\x01\x02{"));
    assert_memory_equal("POST /any?x HTTP/1.1\r\n", asked, 22);
    assert_non_null(strstr(asked, "X-Mine: 1\r\n"));
    assert_non_null(strstr(asked, "Authorization: Bearer mine\r\n"));
    assert_non_null(strstr(asked, "Content-Encoding: zip\r\n"));
    assert_null(strstr(asked, "gzip"));
    for (size_t index = 0; index < sizeof kept_back / sizeof kept_back[0]; index++) {
        assert_null(strstr(asked, kept_back[index]));
    }
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(asked);
}

static void a_request_without_a_body_passes_a_judged_route_unjudged(void **state)
{
    struct town town;
    char *asked = text_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "GET /openai/v1/models HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    assert_memory_equal("GET /v1/models HTTP/1.1\r\n", asked, 25);
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(asked);
}

static void the_key_of_a_route_takes_the_place_of_the_caller_s(void **state)
{
    char file[] = "/tmp/prismguard-key-XXXXXX";
    int fd = mkstemp(file);
    struct town town;
    char *asked = text_room();
    int client, upstream;

    (void)state;
    assert_int_equal(6, write(fd, "sk-op\n", 6));
    assert_int_equal(0, close(fd));
    town_init(&town);
    (void)snprintf(town.routes_settings[1].key_file, PATH_BYTES_MAX, "%s", file);
    town_start(&town);
    client = town_client(&town);
    town_post(client, "/plain/x", "authorization: Bearer mine\r\nX-Api-Key: mine\r\n", "b");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\nb"));
    assert_non_null(strstr(asked, "Authorization: Bearer sk-op\r\n"));
    assert_null(strstr(asked, "mine"));
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    assert_int_equal(0, unlink(file));
    free(asked);
}

static void a_client_that_leaves_while_it_is_judged_leaves_nothing_behind(void **state)
{
    struct town town;
    struct scripted slot;
    int client;

    (void)state;
    town_open(&town);
    town_moderator(&town, &slot);
    client = town_client(&town);
    town_post(client, CHAT_PATH, JSON_TYPE, CHAT);
    scripted_task(&slot);
    assert_int_equal(0, close(client));
    while (admit_in_flight(town.admit) > 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(admit_body_bytes(town.admit) > 0); /* the pool still has the text */
    scripted_answer(&slot, OUTCOME_ALLOW);
    assert_true(becomes_idle(&town));
    assert_false(town_upstream_was_called(&town));
    scripted_close(&slot);
    town_close(&town);
}

static void a_client_that_leaves_closes_its_upstream(void **state)
{
    struct town town;
    char *room = text_room(), *asked = text_room();
    char byte;
    int client, upstream;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_post(client, "/plain/x", "", "b");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\nb"));
    town_say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_true(town_hear(client, room, "abc"));
    assert_int_equal(0, close(client));
    assert_true(recv(upstream, &byte, 1, 0) <= 0 && errno != EAGAIN);
    assert_true(becomes_idle(&town));
    (void)close(upstream);
    town_close(&town);
    free(room);
    free(asked);
}

static void a_stream_does_not_keep_the_request_it_answers(void **state)
{
    struct town town;
    char *room = text_room(), *asked = text_room();
    int client, upstream;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_post(client, "/plain/x", "", "b");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\nb"));
    assert_true(admit_body_bytes(town.admit) > 0);
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_true(town_hear(client, room, "abc"));
    assert_int_equal(1, admit_in_flight(town.admit));
    assert_int_equal(0, admit_body_bytes(town.admit));
    town_say(upstream, "3\r\ndef\r\n0\r\n\r\n");
    assert_true(town_hear(client, room, "def\r\n0\r\n\r\n"));
    assert_true(becomes_idle(&town));
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
    free(asked);
}

static void an_upstream_that_is_not_there_is_a_502_in_the_client_s_dialect(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_init(&town);
    (void)close(town.listener);
    town_start(&town);
    client = town_client(&town);
    town_post(client, "/plain/x", "Connection: close\r\n", "b");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 502 ", room, 13);
    assert_non_null(strstr(room, "\"bad_gateway\""));
    assert_null(strstr(room, "127.0.0.1"));
    (void)close(client);
    town.listener = -1;
    town_close(&town);
    free(room);
}

static void requests_in_flight_have_a_bound(void **state)
{
    struct town town;
    char *asked = text_room(), *room = text_room();
    int first, second, upstream;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.in_flight = 1;
    town_start(&town);
    first = town_client(&town);
    town_post(first, "/plain/x", "", "b");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, asked, "\r\n\r\nb"));
    second = town_client(&town);
    town_post(second, "/plain/x", "Connection: close\r\n", "b");
    assert_true(town_hear_all(second, room));
    assert_memory_equal("HTTP/1.1 503 ", room, 13);
    assert_non_null(strstr(room, "\"overloaded\""));
    assert_non_null(strstr(room, "Retry-After: 1\r\n"));
    (void)close(first);
    (void)close(second);
    (void)close(upstream);
    town_close(&town);
    free(asked);
    free(room);
}

static void a_client_that_ends_its_side_within_its_body_hears_so(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "POST /openai/v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{\"a");
    assert_int_equal(0, shutdown(client, SHUT_WR));
    assert_true(town_hear_all(client, room)); /* without a reset */
    assert_memory_equal("HTTP/1.1 400 ", room, 13);
    assert_non_null(strstr(room, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(room, "\"type\":\"error\"")); /* in its dialect */
    assert_non_null(strstr(room, "the client ended its side within the request's body"));
    assert_true(becomes_idle(&town));
    assert_int_equal(1, counted(&town, "prismguard_gateway_http_rejected_total", "rule", "incomplete"));
    assert_false(town_upstream_was_called(&town));
    (void)close(client);
    town_close(&town);
    free(room);
}

static void bodies_have_a_bound_together(void **state)
{
    struct town town;
    char *body = malloc(9 * KIB);

    (void)state;
    memset(body, 'a', 9 * KIB);
    body[9 * KIB - 1] = '\0';
    town_init(&town);
    town.settings.gateway.limits.body_budget_bytes = 8 * KIB;
    town_start(&town);
    assert_refused(&town, "/plain/x", "Connection: close\r\n", body, "503", "\"overloaded\"");
    assert_true(becomes_idle(&town));
    assert_int_equal(1, counted(&town, "prismguard_gateway_http_rejected_total", "rule", "body_budget"));
    body[8 * KIB] = '\0';
    {
        int client = town_client(&town);
        char *asked = text_room();
        int upstream;

        town_post(client, "/plain/x", "", body);
        upstream = town_upstream(&town);
        assert_true(town_hear(upstream, asked, body));
        (void)close(client);
        (void)close(upstream);
        free(asked);
    }
    free(body);
    town_close(&town);
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct town town;
    char *room = text_room();
    int client;

    (void)state;
    town_open(&town);
    client = town_client(&town);
    town_say(client, "HEAD /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_memory_equal("HTTP/1.1 404 ", room, 13);
    assert_non_null(strstr(room, "x-request-id: mine-1\r\n"));
    assert_string_equal("\r\n\r\n", strstr(room, "\r\n\r\n"));
    (void)close(client);
    town_close(&town);
    free(room);
}

static int set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allowed_request_is_sent_on_byte_for_byte_and_its_answer_comes_back),
        cmocka_unit_test(a_blocked_request_is_refused_and_never_sent),
        cmocka_unit_test(without_a_moderator_the_profile_decides),
        cmocka_unit_test(what_cannot_be_understood_is_refused_before_anybody_is_asked),
        cmocka_unit_test(what_is_judged_goes_on_as_json_whatever_it_was_called),
        cmocka_unit_test(a_head_request_with_content_is_refused),
        cmocka_unit_test(methods_that_no_api_has_are_refused),
        cmocka_unit_test(what_is_not_http_is_counted_by_its_rule),
        cmocka_unit_test(text_may_be_as_long_as_its_bound_and_no_longer),
        cmocka_unit_test(an_unjudged_route_sends_anything_on_and_drops_what_belongs_to_one_hop),
        cmocka_unit_test(a_request_without_a_body_passes_a_judged_route_unjudged),
        cmocka_unit_test(the_key_of_a_route_takes_the_place_of_the_caller_s),
        cmocka_unit_test(a_client_that_leaves_while_it_is_judged_leaves_nothing_behind),
        cmocka_unit_test(a_client_that_leaves_closes_its_upstream),
        cmocka_unit_test(a_stream_does_not_keep_the_request_it_answers),
        cmocka_unit_test(an_upstream_that_is_not_there_is_a_502_in_the_client_s_dialect),
        cmocka_unit_test(requests_in_flight_have_a_bound),
        cmocka_unit_test(a_client_that_ends_its_side_within_its_body_hears_so),
        cmocka_unit_test(bodies_have_a_bound_together),
        cmocka_unit_test(an_answer_to_head_has_no_body),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}

/* Tests of exchange_answer (its ids): the ids that every answer carries, and the dialect of refusals that have no exchange. */
#include "gateway/exchange.h"

#include "support/town.h"

/* The answer to a request that no upstream sees. */
static char *answer_to(struct town *town, const char *request)
{
    char *room = town_room();
    int client = town_client(town);

    town_say(client, request);
    assert_true(town_hear_all(client, room));
    (void)close(client);
    assert_false(town_upstream_was_called(town));
    return room;
}

/* The answer to a request that an upstream answers; what that was asked is in `asked`. */
static char *relayed_answer(struct town *town, const char *request, const char *answer, char *asked)
{
    char *room = town_room();
    int client = town_client(town), upstream;

    town_say(client, request);
    upstream = town_upstream(town);
    assert_true(town_hear(upstream, asked, "\r\n\r\n"));
    town_say(upstream, answer);
    assert_true(town_hear_all(client, room));
    (void)close(client);
    (void)close(upstream);
    return room;
}

static void an_answer_without_an_id_gets_the_decision_or_the_caller_s_own(void **state)
{
    static const char bare[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct town town;
    char *asked = town_room(), *room, *decision;
    char line[128];

    (void)state;
    town_open(&town);
    room = relayed_answer(&town, "GET /plain/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", bare, asked);
    decision = strstr(room, "x-prismguard-decision: ");
    assert_non_null(decision);
    (void)snprintf(line, sizeof line, "x-request-id: %.32s\r\n", decision + strlen("x-prismguard-decision: "));
    town_holds(room, line);
    free(room);
    room = relayed_answer(&town, "GET /plain/v1/x HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n", bare,
                          asked);
    town_holds(room, "x-request-id: mine\r\n");
    free(room);
    town_close(&town);
    free(asked);
}

static void an_id_of_the_upstream_stays_the_only_one(void **state)
{
    struct town town;
    char *asked = town_room(), *room;

    (void)state;
    town_open(&town);
    room = relayed_answer(&town, "GET /plain/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nX-Request-ID: theirs\r\nContent-Length: 2\r\n\r\n{}", asked);
    town_holds(room, "X-Request-ID: theirs\r\n");
    assert_null(strstr(room, "x-request-id"));
    free(room);
    town_close(&town);
    free(asked);
}

static void anthropic_s_sdk_finds_the_id_under_its_own_name(void **state)
{
    struct town town;
    char *asked = town_room(), *room;

    (void)state;
    town_open(&town);
    room = relayed_answer(&town,
                          "GET /plain/v1/messages/batches HTTP/1.1\r\nHost: a\r\nx-request-id: mine\r\nanthropic-version: 1\r\n"
                          "Connection: close\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", asked);
    town_holds(room, "\r\nx-request-id: mine\r\nrequest-id: mine\r\n");
    free(room);
    room = relayed_answer(&town, "GET /plain/v1/messages/batches HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nrequest-id: theirs\r\nContent-Length: 2\r\n\r\n{}", asked);
    town_holds(room, "\r\nrequest-id: theirs\r\n");
    assert_null(strstr(strstr(room, "request-id: theirs") + 1, "\r\nrequest-id"));
    free(room);
    room = answer_to(&town, "GET /nowhere/v1/messages/batches HTTP/1.1\r\nHost: a\r\nx-request-id: mine\r\nConnection: close\r\n\r\n");
    town_holds(room, "\r\nrequest-id: mine\r\n");
    town_holds(room, "\"request_id\":\"mine\"}");
    free(room);
    town_close(&town);
    free(asked);
}

static void a_request_that_is_refused_before_its_head_is_told_so_in_the_dialect_of_its_path(void **state)
{
    static const struct {
        const char *request;
        const char *part;
    } cases[] = {
        {"POST /openai/v1/messages HTTP/1.1\r\n\r\n", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\""},
        {"POST /openai/v1/messages?beta=true HTTP/1.1\r\nBad Name: x\r\n\r\n", "{\"type\":\"error\","},
        {"POST /openai/v1beta/models/m:generateContent HTTP/1.1\r\n\r\n", "\"status\":\"INVALID_ARGUMENT\""},
        {"POST /openai/v1/chat/completions HTTP/1.1\r\n\r\n", "\"type\":\"invalid_request_error\",\"param\":null"},
        {"POST /openai/v1/messages HTTP/3.1\r\n\r\n", "\"type\":\"invalid_request_error\",\"param\":null"},
        {"nothing\r\n\r\n", "\"type\":\"invalid_request_error\",\"param\":null"},
    };
    struct town town;

    (void)state;
    town_open(&town);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char *room = answer_to(&town, cases[index].request);

        town_holds(room, cases[index].part);
        free(room);
    }
    town_close(&town);
}

static void the_cancelling_of_a_response_reaches_the_upstream_when_it_brings_no_body(void **state)
{
    struct town town;
    char *asked = town_room(), *room;

    (void)state;
    town_open(&town);
    room = relayed_answer(&town, "POST /openai/v1/responses/resp_1/cancel HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
                                 "Connection: close\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", asked);
    town_holds(room, "HTTP/1.1 200 ");
    town_holds(asked, "POST /v1/responses/resp_1/cancel HTTP/1.1\r\n");
    town_holds(asked, "Content-Length: 0\r\n");
    free(room);
    room = answer_to(&town, "POST /openai/v1/responses/resp_1/cancel HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                            "Connection: close\r\n\r\n{}");
    town_holds(room, "HTTP/1.1 404 ");
    free(room);
    town_close(&town);
    free(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_without_an_id_gets_the_decision_or_the_caller_s_own),
        cmocka_unit_test(an_id_of_the_upstream_stays_the_only_one),
        cmocka_unit_test(anthropic_s_sdk_finds_the_id_under_its_own_name),
        cmocka_unit_test(a_request_that_is_refused_before_its_head_is_told_so_in_the_dialect_of_its_path),
        cmocka_unit_test(the_cancelling_of_a_response_reaches_the_upstream_when_it_brings_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

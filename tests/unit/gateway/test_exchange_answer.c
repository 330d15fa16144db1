/* Tests of exchange_answer: what is counted about an answer: its status in bounded words, the kind of error, how a stream ended. */
#include "gateway/exchange.h"

#include "support/town.h"

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define EVENT "9\r\ndata: 1\n\n\r\n"

static int64_t answers(struct town *town, const char *status)
{
    const struct metric_label labels[] = {{"route", "/plain"}, {"status", status}, {"source", "unjudged"}};

    return series_value(metrics_series(town->metrics, METRIC_COUNTER, "prismguard_gateway_requests_total", "", labels, 3));
}

static int64_t ended(struct town *town, const char *end)
{
    return town_counted(town, "prismguard_gateway_streams_ended_total", "end", end);
}

/* What is counted at the end of a request is there once its place in flight is free. */
static void await_idle(struct town *town)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while (admit_in_flight(town->admit) > 0 && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(0, admit_in_flight(town->admit));
}

/* A request whose upstream has said `answer`; both ends are open. */
static void ask(struct town *town, const char *answer, int *client, int *upstream)
{
    char *asked = calloc(1, TOWN_TEXT_BYTES_MAX);

    assert_non_null(asked);
    *client = town_client(town);
    town_post(*client, "/plain/x", "Connection: close\r\n", "b");
    *upstream = town_upstream(town);
    assert_true(town_hear(*upstream, asked, "\r\n\r\nb"));
    town_say(*upstream, answer);
    free(asked);
}

static void a_status_that_nobody_uses_is_counted_by_its_class(void **state)
{
    static const struct {
        const char *answered;
        const char *counted;
    } cases[] = {{"200", "200"}, {"206", "206"}, {"207", "2xx"}, {"308", "308"}, {"309", "3xx"}, {"431", "431"},
                 {"432", "4xx"}, {"499", "499"}, {"504", "504"}, {"505", "5xx"}, {"529", "529"}};
    struct town town;

    (void)state;
    town_open(&town);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
        char answer[96];
        int client, upstream;

        assert_non_null(room);
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 %s X\r\nContent-Length: 2\r\n\r\n{}", cases[index].answered);
        ask(&town, answer, &client, &upstream);
        assert_true(town_hear_all(client, room));
        assert_memory_equal(cases[index].answered, room + strlen("HTTP/1.1 "), 3);
        await_idle(&town);
        assert_int_equal(1, answers(&town, cases[index].counted));
        (void)close(client);
        (void)close(upstream);
        free(room);
    }
    town_close(&town);
}

static void an_error_of_the_gateway_is_counted_by_its_kind(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client;

    (void)state;
    assert_non_null(room);
    town_open(&town);
    client = town_client(&town);
    town_post(client, "/nowhere", "Connection: close\r\n", "{}");
    assert_true(town_hear_all(client, room));
    (void)close(client);
    client = town_client(&town);
    town_say(client, "GET / HTTP/9.9\r\n\r\n");
    assert_true(town_hear_all(client, room));
    (void)close(client);
    await_idle(&town);
    assert_int_equal(1, town_counted(&town, "prismguard_gateway_errors_total", "error", "endpoint_not_supported"));
    assert_int_equal(1, town_counted(&town, "prismguard_gateway_errors_total", "error", "invalid_request"));
    assert_int_equal(0, town_counted(&town, "prismguard_gateway_errors_total", "error", "overloaded"));
    town_close(&town);
    free(room);
}

static void a_stream_is_counted_by_how_it_ended(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    char byte;
    int client, upstream;

    (void)state;
    assert_non_null(room);
    town_open(&town);
    ask(&town, STREAM_HEAD EVENT "0\r\n\r\n", &client, &upstream);
    assert_true(town_hear_all(client, room));
    await_idle(&town);
    assert_int_equal(1, ended(&town, "complete"));
    (void)close(client);
    (void)close(upstream);

    room[0] = '\0';
    ask(&town, STREAM_HEAD EVENT, &client, &upstream);
    assert_true(town_hear(client, room, "data: 1"));
    assert_int_equal(0, close(client));
    assert_true(recv(upstream, &byte, 1, 0) <= 0);
    await_idle(&town);
    assert_int_equal(1, ended(&town, "client_left"));
    (void)close(upstream);

    ask(&town, STREAM_HEAD EVENT, &client, &upstream);
    (void)close(upstream);
    (void)town_hear_all(client, room);
    await_idle(&town);
    assert_int_equal(1, ended(&town, "broken"));
    assert_int_equal(1, ended(&town, "complete"));
    assert_int_equal(1, ended(&town, "client_left"));
    (void)close(client);
    town_close(&town);
    free(room);
}

static void an_answer_that_is_no_stream_ends_no_stream(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client, upstream;

    (void)state;
    assert_non_null(room);
    town_open(&town);
    ask(&town, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", &client, &upstream);
    assert_true(town_hear_all(client, room));
    await_idle(&town);
    assert_int_equal(0, ended(&town, "complete"));
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_that_nobody_uses_is_counted_by_its_class),
        cmocka_unit_test(an_error_of_the_gateway_is_counted_by_its_kind),
        cmocka_unit_test(a_stream_is_counted_by_how_it_ended),
        cmocka_unit_test(an_answer_that_is_no_stream_ends_no_stream),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* relay: bytes pass at once and untouched, a slow client pauses its upstream in flat memory, and no broken end looks clean. */
#include "gateway/relay.h"

#include "support/client_world.h"
#include "support/heap.h"
#include "support/server.h"

#include <signal.h>

enum { REPLIES_BYTES_MAX = 256 * KIB };

/* One upstream, one relay, and what was told about it. */
struct rig {
    struct world *world;
    struct gateway_settings settings;
    struct hosts *hosts;
    struct upstream *upstream;
    struct relay_series series;
    struct fields *request_fields;
    struct fields *added;
    struct server *server;
    struct reply reply;
    struct relay *relay;
    struct relay_result result;
    unsigned dones;
    unsigned requests_gone;
    enum dialect dialect; /* of the client */
    bool delay_head;
    bool upstream_closed;
};

static struct rig rig; /* cmocka's state is the world's */

static void relay_request_gone(void *context)
{
    assert_ptr_equal(&rig, context);
    assert_int_equal(0, rig.dones);
    rig.requests_gone++;
}

static void relay_done(void *context, const struct relay_result *result)
{
    assert_ptr_equal(&rig, context);
    rig.dones++;
    rig.result = *result;
    relay_close(&rig.relay);
    if (rig.result.end == RELAY_FAILED_BEFORE) {
        assert_status(STATUS_OK, connection_write(rig.world->connection, BYTES("nothing came")));
        connection_answer_done(rig.world->connection, false);
    }
}

static void start_relay(struct world *world)
{
    const struct request_head *head = connection_head(world->connection);
    const struct relay_options options = {&rig.settings.limits, &rig.series, rig.dialect, rig.added, relay_request_gone,
                                          relay_done, &rig, rig.delay_head};
    char url[64];
    const struct transfer_request request = {
        .method = head->method,
        .url = {url, (size_t)snprintf(url, sizeof url, "http://127.0.0.1:%u/", rig.server->port)},
        .fields = rig.request_fields,
    };

    reply_init(&rig.reply, world->connection, head->http_1_0, bytes_equal(head->method, BYTES("HEAD")),
               connection_may_keep(world->connection));
    assert_status(STATUS_OK, relay_open(&rig.relay, rig.upstream, &request, &rig.reply, &options));
    assert_int_equal(0, rig.dones);
}

static void client_gone(void *exchange)
{
    ((struct world *)exchange)->gone++;
    relay_close(&rig.relay);
}

static void upstream_is_closed(void *context)
{
    (void)context;
    rig.upstream_closed = true;
}

static int open_rig(void **state)
{
    struct world *world;

    (void)signal(SIGPIPE, SIG_IGN);
    if (world_open(state) != 0) {
        return -1;
    }
    world = *state;
    world->complete = start_relay;
    world->events.gone = client_gone;
    memset(&rig, 0, sizeof rig);
    rig.world = world;
    rig.settings.allow_private_upstreams = (struct private_hosts){1, {"true"}};
    rig.settings.limits = world->limits;
    rig.settings.limits.response_bytes = 1000;
    rig.settings.limits.upstream_connections = 10;
    rig.settings.limits.upstream_idle = 2;
    rig.settings.limits.resolve_ms = rig.settings.limits.connect_ms = rig.settings.limits.first_byte_ms = 20000;
    rig.settings.limits.idle_ms = rig.settings.limits.total_ms = rig.settings.limits.total_plain_ms = 20000;
    relay_series_find(&rig.series, world->metrics);
    assert_status(STATUS_OK, fields_open(&rig.request_fields, 10, 1000));
    assert_status(STATUS_OK, fields_open(&rig.added, 10, 1000));
    assert_status(STATUS_OK, hosts_open(&rig.hosts, rig.settings.limits.upstream_connections));
    assert_status(STATUS_OK, upstream_open(&rig.upstream, &world->uv, &rig.settings, &(struct upstream_part){rig.hosts, 0, 1},
                                           world->metrics));
    return 0;
}

static int close_rig(void **state)
{
    struct world *world = *state;

    relay_close(&rig.relay);
    upstream_close(rig.upstream, upstream_is_closed, NULL);
    turn_until(rig.upstream_closed);
    hosts_close(&rig.hosts);
    if (rig.server != NULL) {
        server_close(rig.server);
    }
    fields_close(&rig.request_fields);
    fields_close(&rig.added);
    assert_int_equal(0, series_value(rig.series.streams));
    return world_close(state);
}

/* Answers each connection's request with a text and closes. */
static void send_text(struct server_connection *connection, void *context)
{
    if (server_read_request(connection)) {
        (void)server_write_text(connection, context);
    }
}

static char text_room[REPLIES_BYTES_MAX];

/* A server that says `text`, and a client that asks it. */
static void ask(struct world *world, const char *request, const char *text)
{
    assert_true(strlen(text) < sizeof text_room);
    memcpy(text_room, text, strlen(text) + 1);
    rig.server = server_open(send_text, text_room);
    connect_client(world);
    say(world, request);
}

static const char get[] = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";

/* The loop turns until the relay has ended; it may sleep. */
static void await_done(struct world *world)
{
    for (int turn = 0; turn < TURNS_MAX && rig.dones == 0; turn++) {
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
        (void)poll(NULL, 0, turn % 8 == 0 ? 1 : 0); /* gives the server's thread its turn; nothing depends on how long */
    }
    assert_int_equal(1, rig.dones);
}

/* All that the client hears until `end` stands at its end, or the connection ends. */
static const char *hear_until(struct world *world, const char *end)
{
    static char heard[REPLIES_BYTES_MAX + 1];
    size_t count = 0;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        ssize_t more = recv(world->client, heard + count, REPLIES_BYTES_MAX - count, 0);

        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
        count += more > 0 ? (size_t)more : 0;
        heard[count] = '\0';
        if (more == 0 || (end != NULL && count >= strlen(end) && strcmp(heard + count - strlen(end), end) == 0)) {
            break;
        }
        (void)poll(NULL, 0, turn % 8 == 0 ? 1 : 0);
    }
    return heard;
}

#define assert_has(whole, part)                                                                                        \
    do {                                                                                                               \
        if (strstr((whole), (part)) == NULL) {                                                                         \
            fail_msg("'%s' is not in '%s'", (part), (whole));                                                          \
        }                                                                                                              \
    } while (0)
#define assert_has_not(whole, part)                                                                                    \
    do {                                                                                                               \
        if (strstr((whole), (part)) != NULL) {                                                                         \
            fail_msg("'%s' is in '%s'", (part), (whole));                                                              \
        }                                                                                                              \
    } while (0)

static int64_t failures(enum transfer_failure failure)
{
    return series_value(rig.series.failures[failure]);
}

static void an_answer_passes_untouched_with_its_end_to_end_fields(void **state)
{
    struct world *world = *state;
    const char *heard;

    assert_status(STATUS_OK, fields_add(rig.added, BYTES("x-prismguard-decision"), BYTES("d1")));
    ask(world, get,
        "HTTP/1.1 201 Made\r\nContent-Type: application/json\r\nContent-Length: 7\r\nX-Request-Id: r1\r\nX-Twice: 1\r\n"
        "X-Twice: 2\r\nSet-Cookie: a=b\r\nStrict-Transport-Security: max-age=1\r\nAlt-Svc: h3\r\nKeep-Alive: timeout=5\r\n"
        "Connection: X-Request-Id\r\nUpgrade: h2c\r\nX-Prismguard-Decision: forged\r\nContent-Encoding: gzip\r\n\r\n{\"a\":1}");
    heard = hear_until(world, "{\"a\":1}");
    assert_int_equal(0, strncmp(heard, "HTTP/1.1 201 Created\r\n", 22));
    assert_has(heard, "Content-Type: application/json\r\n");
    assert_has(heard, "X-Request-Id: r1\r\n");
    assert_has(heard, "X-Twice: 1\r\nX-Twice: 2\r\n");
    assert_has(heard, "Content-Encoding: gzip\r\n");
    assert_has(heard, "x-prismguard-decision: d1\r\n");
    assert_has(heard, "Content-Length: 7\r\n");
    assert_has(heard, "\r\n\r\n{\"a\":1}");
    assert_has_not(heard, "Set-Cookie");
    assert_has_not(heard, "Strict");
    assert_has_not(heard, "Alt-Svc");
    assert_has_not(heard, "Keep-Alive");
    assert_has_not(heard, "Connection");
    assert_has_not(heard, "Upgrade");
    assert_has_not(heard, "forged");
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_int_equal(201, rig.result.status);
    assert_int_equal(7, rig.result.body_bytes);
    assert_false(rig.result.stream);
    assert_true(rig.result.first_byte_us > 0);
    assert_true(is_silent(world)); /* kept for the next request */
    assert_int_equal(7, series_value(rig.series.bytes));
}

static void answers_without_a_body_have_none(void **state)
{
    struct world *world = *state;

    ask(world, "HEAD / HTTP/1.1\r\nHost: t\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
    assert_has(hear_until(world, "\r\n\r\n"), "Content-Length: 5000000\r\n"); /* more than an answer may have */
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_true(is_silent(world));
}

/* A stream that says one event and the next one only when it is told to. */
static void send_two_events(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                                      "9\r\ndata: 1\n\n\r\n")) {
        sem_wait(&connection->server->event);
        (void)server_write_text(connection, "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    }
}

static void each_event_passes_as_it_comes(void **state)
{
    struct world *world = *state;
    const char *heard;

    rig.server = server_open(send_two_events, NULL);
    connect_client(world);
    say(world, get);
    heard = hear_until(world, "9\r\ndata: 1\n\n\r\n");
    assert_has(heard, "Transfer-Encoding: chunked\r\n");
    assert_has(heard, "9\r\ndata: 1\n\n\r\n");
    assert_int_equal(0, rig.dones);
    assert_int_equal(1, series_value(rig.series.streams));
    server_tell(rig.server);
    assert_string_equal("9\r\ndata: 2\n\n\r\n0\r\n\r\n", hear_until(world, "0\r\n\r\n"));
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_true(rig.result.stream);
    assert_int_equal(18, rig.result.body_bytes);
}

enum { FLOOD_BYTES = 48 * MIB };

/* A stream without a blank line. */
static void flood(struct server_connection *connection, void *context)
{
    static char piece[65536];

    (void)context;
    memset(piece, 'x', sizeof piece);
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                      "Content-Length: 50331656\r\n\r\ndata: ")) {
        for (size_t sent = 0; sent < FLOOD_BYTES && server_write(connection, (struct bytes){piece, sizeof piece});) {
            sent += sizeof piece;
        }
        (void)server_write_text(connection, "\n\n");
    }
}

static void a_slow_client_pauses_its_upstream_in_flat_memory(void **state)
{
    struct world *world = *state;
    size_t heap_bytes, most_bytes = 0, most_unsent = 0;
    static char piece[65536];
    uint64_t heard = 0;

    rig.server = server_open(flood, NULL);
    connect_client(world);
    turn_a_while(world);
    heap_bytes = heap_live_bytes();
    say(world, get);
    while (rig.dones == 0 || heard < FLOOD_BYTES) {
        ssize_t more;

        /* Reads only after many turns without: as slow as a client can be. */
        for (int turn = 0; turn < 20; turn++) {
            (void)uv_run(&world->uv, UV_RUN_NOWAIT);
        }
        if (world->connection != NULL && rig.dones == 0) {
            size_t unsent = connection_unsent(world->connection);

            most_unsent = unsent > most_unsent ? unsent : most_unsent;
        }
        most_bytes = heap_live_bytes() > most_bytes ? heap_live_bytes() : most_bytes;
        more = recv(world->client, piece, sizeof piece, 0);
        if (more == 0) {
            break;
        }
        heard += more > 0 ? (uint64_t)more : 0;
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    }
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_int_equal(FLOOD_BYTES + 8, rig.result.body_bytes);
    assert_true(heard >= FLOOD_BYTES);
    assert_true(rig.result.pauses > 10);
    assert_int_equal(rig.result.pauses, series_value(rig.series.pauses));
    assert_in_range(most_unsent, 64 * KIB - UPSTREAM_CHUNK_BYTES, 64 * KIB + 16);
    /* Two buffers of the connection, which grow by doubling; the server's head; libcurl's buffers. */
    assert_in_range(most_bytes - heap_bytes, 0, SERVER_HEAD_BYTES + 512 * KIB);
}

static void wait_for_end(struct server_connection *connection, void *context)
{
    if (server_read_request(connection) && server_write_text(connection, context)) {
        server_await_close(connection);
        server_tell(connection->server);
    }
}

static char begun_stream[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "9\r\ndata: 1\n\n\r\n";

static void a_client_that_leaves_closes_its_upstream_in_the_same_turn(void **state)
{
    struct world *world = *state;

    rig.server = server_open(wait_for_end, begun_stream);
    connect_client(world);
    say(world, get);
    (void)hear_until(world, "data: 1\n\n\r\n");
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->gone == 1);
    (void)uv_run(&world->uv, UV_RUN_NOWAIT); /* the end of that turn is the next one's beginning */
    sem_wait(&rig.server->event);
    assert_int_equal(0, rig.dones);
    assert_int_equal(0, series_value(rig.series.streams));
    assert_int_equal(9, series_value(rig.series.bytes));
}

static const char broken_event[] = "data: {\"error\":{\"message\":\"upstream stream ended unexpectedly\",\"type\":\"server_error\","
                                   "\"param\":null,\"code\":\"bad_gateway\"}}\n\n";

/* A broken stream of `body`, in one chunk: what the client hears behind the head. */
static void expect_broken(struct world *world, const char *fields, const char *body, const char *gap, bool event)
{
    char text[512], expected[512];
    const char *heard;

    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n%zx\r\n%s\r\n", fields, strlen(body), body);
    ask(world, get, text);
    heard = hear_until(world, NULL);
    if (event) {
        (void)snprintf(expected, sizeof expected, "\r\n\r\n%zx\r\n%s\r\n%zx\r\n%s%s\r\n", strlen(body), body,
                       strlen(gap) + strlen(broken_event), gap, broken_event);
    } else {
        (void)snprintf(expected, sizeof expected, "\r\n\r\n%zx\r\n%s\r\n", strlen(body), body);
    }
    assert_non_null(strstr(heard, "\r\n\r\n"));
    assert_string_equal(expected, strstr(heard, "\r\n\r\n")); /* and no last chunk */
    await_done(world);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(TRANSFER_BROKEN, rig.result.failure);
    assert_int_equal(1, failures(TRANSFER_BROKEN));
}

#define STREAM_FIELDS "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"

static void a_stream_that_dies_between_events_gets_one_error_event(void **state)
{
    expect_broken(*state, STREAM_FIELDS, "data: 1\n\n", "", true);
}

static void a_stream_that_dies_inside_a_line_gets_it_on_a_fresh_line(void **state)
{
    expect_broken(*state, STREAM_FIELDS, "data: 1\n\ndata: {\"a", "\n\n", true);
}

static void a_stream_that_dies_behind_a_line_gets_it_behind_a_blank_one(void **state)
{
    expect_broken(*state, STREAM_FIELDS, "data: 1\n", "\n", true);
}

static void a_compressed_stream_that_dies_only_breaks(void **state)
{
    expect_broken(*state, STREAM_FIELDS "Content-Encoding: gzip\r\n", "data: 1\n\n", "", false);
}

static void an_answer_that_is_no_stream_only_breaks(void **state)
{
    expect_broken(*state, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", "{\"a\":", "", false);
}

static void an_answer_shorter_than_its_length_only_breaks(void **state)
{
    struct world *world = *state;
    const char *heard;

    ask(world, get, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    heard = hear_until(world, NULL);
    assert_has(heard, "Content-Length: 9\r\n");
    assert_has(heard, "\r\n\r\nhello");
    await_done(world);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
}

static void a_client_of_http_1_0_hears_of_a_broken_end_by_a_reset(void **state)
{
    struct world *world = *state;

    ask(world, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    await_done(world);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(ECONNRESET, hear_end(world));
}

/* An event stream that only the close ends, and whether that is a clean end. */
static void expect_close_delimited(struct world *world, const char *body, bool clean)
{
    char text[512];
    const char *heard;

    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s", body);
    ask(world, get, text);
    heard = hear_until(world, clean ? "0\r\n\r\n" : NULL);
    await_done(world);
    assert_int_equal(clean ? RELAY_COMPLETE : RELAY_FAILED_AFTER, rig.result.end);
    if (clean) {
        assert_has_not(heard, "error");
    } else {
        assert_has(heard, broken_event);
        assert_has_not(heard, "\r\n0\r\n");
    }
}

static void a_stream_ended_by_the_close_between_two_events_is_broken(void **state)
{
    expect_close_delimited(*state, "data: 1\n\n", false);
}

static void a_stream_ended_by_the_close_behind_an_error_is_left_as_it_is(void **state)
{
    struct world *world = *state;

    ask(world, get, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"error\":{}}\n\n");
    assert_has(hear_until(world, "0\r\n\r\n"), "data: {\"error\":{}}\n\n\r\n0\r\n\r\n");
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
}

/* A stream of `dialect` that the close ends, with the mark of its end and without it. */
static void expect_mark(struct world *world, enum dialect dialect, const char *body, bool clean)
{
    char text[1024];

    rig.dialect = dialect;
    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n%s", body);
    ask(world, get, text);
    assert_has(hear_until(world, clean ? "0\r\n\r\n" : NULL), clean ? "\r\n0\r\n" : "upstream stream ended unexpectedly");
    await_done(world);
    assert_int_equal(clean ? RELAY_COMPLETE : RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(clean ? 0 : 1, failures(TRANSFER_BROKEN));
}

static void message_stop_ends_a_stream_of_claude(void **state)
{
    expect_mark(*state, DIALECT_CLAUDE_CHAT, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true);
}

static void a_stream_of_claude_without_it_is_broken(void **state)
{
    expect_mark(*state, DIALECT_CLAUDE_CHAT, "data: {\"type\":\"message_delta\",\"x\":\"message_stop\"}\n\n", false);
}

static void finish_reason_ends_a_stream_of_gemini(void **state)
{
    expect_mark(*state, DIALECT_GEMINI_CHAT, "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n", true);
}

static void a_stream_of_gemini_without_it_is_broken(void **state)
{
    expect_mark(*state, DIALECT_GEMINI_CHAT,
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"finishReason\"}]}}]}\n\n", false);
}

static void response_completed_ends_a_stream_of_responses(void **state)
{
    expect_mark(*state, DIALECT_OPENAI_RESPONSES, "data: {\"type\":\"response.completed\"}\n\n", true);
}

static void a_response_that_breaks_off_fails_under_its_id_with_the_next_number(void **state)
{
    struct world *world = *state;
    const char *heard;

    rig.dialect = DIALECT_OPENAI_RESPONSES;
    ask(world, get, "HTTP/1.1 200 OK\r\n" STREAM_FIELDS "\r\n"
                    "55\r\ndata: {\"type\":\"response.created\",\"sequence_number\":4,\"response\":{\"id\":\"resp_9\"}}\n\n\r\n");
    heard = hear_until(world, NULL);
    await_done(world);
    assert_has(heard, "data: {\"type\":\"error\",\"sequence_number\":5,");
    assert_has(heard, "data: {\"type\":\"response.failed\",\"sequence_number\":6,\"response\":{\"id\":\"resp_9\",");
    assert_has_not(heard, "resp_failed");
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
}

/* Gemini's stream in a list that breaks off: what the client has is JSON, with an error as its last value. */
static void expect_list(struct world *world, const char *body, const char *closed)
{
    char text[1024], expected[1024];

    rig.dialect = DIALECT_GEMINI_CHAT;
    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s", body);
    (void)snprintf(expected, sizeof expected,
                   "%s{\"error\":{\"code\":502,\"message\":\"upstream stream ended unexpectedly\",\"status\":\"INTERNAL\"}}]\r\n",
                   closed);
    ask(world, get, text);
    assert_has(hear_until(world, NULL), expected);
    await_done(world);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(1, failures(TRANSFER_BROKEN));
}

static void a_list_that_breaks_between_values_ends_with_an_error(void **state)
{
    expect_list(*state, "[{\"candidates\":[]}", ",\n");
}

static void a_list_that_breaks_behind_a_comma_ends_with_an_error(void **state)
{
    expect_list(*state, "[{\"candidates\":[]},\r\n", "\r\n");
}

static void a_list_that_breaks_inside_a_value_has_it_closed(void **state)
{
    expect_list(*state, "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel", "\"}]}}]},\n");
}

static void a_plain_answer_of_gemini_that_a_close_ends_is_none(void **state)
{
    struct world *world = *state;

    rig.dialect = DIALECT_GEMINI_CHAT;
    ask(world, get, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"candidates\":[]}");
    assert_has(hear_until(world, "0\r\n\r\n"), "{\"candidates\":[]}");
    await_done(world);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
}

/* A stream whose one event has `bytes`, its line ends included, against a bound of 64 KiB: what is heard of it. */
static const char *ask_for_event(struct world *world, enum dialect dialect, size_t bytes, const char *end)
{
    static char text[128 * KIB];
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                                           "\r\n%zx\r\n", bytes);

    rig.dialect = dialect;
    memset(text + head, 'x', bytes);
    memcpy(text + head, "data: ", 6);
    memcpy(text + head + bytes - 2, "\n\n\r\n0\r\n\r\n", 10);
    ask(world, get, text);
    return hear_until(world, end);
}

static void an_event_may_have_its_bound(void **state)
{
    assert_has_not(ask_for_event(*state, DIALECT_OPENAI_RESPONSES, 64 * KIB, "\r\n0\r\n\r\n"), "error");
    await_done(*state);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
}

static void an_event_above_its_bound_ends_its_stream_with_an_error(void **state)
{
    const char *heard = ask_for_event(*state, DIALECT_OPENAI_RESPONSES, 64 * KIB + 1, NULL);

    await_done(*state);
    assert_has(heard, "the upstream sent more than it may");
    assert_has(heard, "event: response.failed\n");
    assert_has_not(heard, "\r\n0\r\n");
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(TRANSFER_TOO_LARGE, rig.result.failure);
    assert_int_equal(1, failures(TRANSFER_TOO_LARGE));
}

/* A stream of chat whose head waits: `body` in chunks of a byte, ended well or not. */
static const char *ask_with_delay(struct world *world, const char *fields, const char *body, const char *last, const char *end)
{
    static char text[64 * KIB];
    size_t at = (size_t)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n" STREAM_FIELDS "%s\r\n", fields);

    for (; *body != '\0'; body++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "1\r\n%c\r\n", *body);
    }
    (void)snprintf(text + at, sizeof text - at, "%s", last);
    rig.delay_head = true;
    ask(world, get, text);
    return hear_until(world, end);
}

static void a_head_that_waits_comes_with_all_that_was_held(void **state)
{
    const char *heard = ask_with_delay(*state, "X-A: b\r\n", "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n"
                                                            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n!", "0\r\n\r\n",
                                       "0\r\n\r\n");

    assert_has(heard, "X-A: b\r\n");
    assert_has(heard, "\r\n\r\n5d\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":"
                      "\"x\"}}]}\n\n\r\n1\r\n!\r\n0\r\n\r\n");
    await_done(*state);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_int_equal(94, rig.result.body_bytes);
    assert_int_equal(1, rig.requests_gone);
}

static void expect_no_start(struct world *world, const char *body, const char *last, enum transfer_failure failure)
{
    assert_string_equal("nothing came", ask_with_delay(world, "Retry-After: 7\r\n", body, last, NULL));
    assert_int_equal(RELAY_FAILED_BEFORE, rig.result.end);
    assert_int_equal(failure, rig.result.failure);
    assert_int_equal(1, failures(failure));
    assert_int_equal(7, rig.result.retry_after_s);
}

static void a_stream_that_ends_before_content_has_failed_before_its_head(void **state)
{
    expect_no_start(*state, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", "0\r\n\r\n", TRANSFER_EMPTY);
}

static void ask_for_a_pause(struct world *world, unsigned long seconds, unsigned expected_s)
{
    char field[64];

    (void)snprintf(field, sizeof field, "Retry-After: %lu\r\n", seconds);
    (void)ask_with_delay(world, field, "", "0\r\n\r\n", NULL);
    assert_int_equal(expected_s, rig.result.retry_after_s);
}

static void a_pause_of_the_bound_is_passed_on(void **state)
{
    ask_for_a_pause(*state, RETRY_AFTER_S_MAX, RETRY_AFTER_S_MAX);
}

static void a_longer_pause_is_not_passed_on(void **state)
{
    ask_for_a_pause(*state, RETRY_AFTER_S_MAX + 1, 0);
}

static void an_empty_stream_has_failed_before_its_head(void **state)
{
    expect_no_start(*state, "", "0\r\n\r\n", TRANSFER_EMPTY);
}

static void a_stream_that_breaks_before_content_has_failed_before_its_head(void **state)
{
    expect_no_start(*state, ": ping\n\n", "", TRANSFER_BROKEN);
}

static void a_stream_that_begins_with_an_error_has_failed_as_that_says(void **state)
{
    expect_no_start(*state, "data: {\"error\":{\"type\":\"x\",\"code\":\"insufficient_quota\"}}\n\n", "0\r\n\r\n", TRANSFER_REFUSED);
    assert_int_equal(ERROR_RATE_LIMIT, rig.result.refusal);
}

/* As many bytes without content as a client may have unsent: 32 KiB here. */
static void a_head_waits_for_so_many_bytes(struct world *world, size_t bytes, bool begins)
{
    static char text[64 * KIB];
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 60000\r\n\r\n");

    rig.settings.limits.relay_buffer_bytes = 2 * UPSTREAM_CHUNK_BYTES;
    rig.delay_head = true;
    memset(text + head, ':', bytes);
    text[(size_t)head + bytes] = '\0';
    ask(world, get, text);
    assert_has(hear_until(world, NULL), begins ? "HTTP/1.1 200 OK" : "nothing came");
    await_done(world);
    assert_int_equal(begins ? RELAY_FAILED_AFTER : RELAY_FAILED_BEFORE, rig.result.end);
}

static void a_head_waits_while_less_than_its_bound_has_come(void **state)
{
    a_head_waits_for_so_many_bytes(*state, 32 * KIB - 1, false);
}

static void a_head_waits_no_longer_than_its_bound(void **state)
{
    a_head_waits_for_so_many_bytes(*state, 32 * KIB, true);
}

static void the_time_to_end_while_a_head_waits_leaves_the_answer_to_others(void **state)
{
    struct world *world = *state;

    rig.delay_head = true;
    rig.server = server_open(wait_for_end, begun_stream);
    connect_client(world);
    say(world, get);
    turn_until(series_value(rig.series.streams) == 1);
    relay_end_now(rig.relay);
    assert_int_equal(RELAY_FAILED_BEFORE, rig.result.end);
    assert_string_equal("nothing came", hear_until(world, NULL));
    sem_wait(&rig.server->event);
}

static void an_event_that_nobody_looks_into_has_no_bound(void **state)
{
    assert_has_not(ask_for_event(*state, DIALECT_OPENAI_CHAT, 64 * KIB + 1, "\r\n0\r\n\r\n"), "error");
    await_done(*state);
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
}

static void a_stream_ended_by_the_close_inside_an_event_is_broken(void **state)
{
    expect_close_delimited(*state, "data: 1\n\ndata: {\"a\"", false);
}

static void a_stream_ended_by_the_close_behind_done_is_whole(void **state)
{
    expect_close_delimited(*state, "data: 1\n\ndata: [DONE]\n", true);
}

static void a_stream_ended_by_the_close_with_a_line_too_few_is_broken(void **state)
{
    expect_close_delimited(*state, "data: 1\n\ndata: DONE]\r\n", false);
}

static void a_stream_that_announced_its_length_has_room_for_its_error(void **state)
{
    struct world *world = *state;
    const char *heard;

    ask(world, get, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n");
    heard = hear_until(world, NULL);
    await_done(world);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_has(heard, broken_event);
    assert_has_not(heard, "Content-Length");
    assert_has_not(heard, "\r\n0\r\n");
}

static void an_upstream_that_fails_before_its_head_leaves_the_answer_to_others(void **state)
{
    struct world *world = *state;

    ask(world, get, "HTTP/1.1 999 Nonsense\r\n\r\n");
    assert_string_equal("nothing came", hear_until(world, NULL));
    assert_int_equal(RELAY_FAILED_BEFORE, rig.result.end);
    assert_int_equal(TRANSFER_BROKEN, rig.result.failure);
    assert_int_equal(0, rig.result.status);
    assert_int_equal(0, rig.result.first_byte_us);
    assert_int_equal(1, failures(TRANSFER_BROKEN));
}

/* An answer of `bytes`, announced or not, against a bound of 1 000. */
static void ask_for_bytes(struct world *world, size_t bytes, bool announced, const char *type)
{
    static char body[2001];
    char text[2500];

    memset(body, 'b', bytes);
    body[bytes] = '\0';
    (void)snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s%s: %zu\r\n\r\n%s", type,
                   announced ? "Content-Length" : "X-Length", bytes, body);
    ask(world, get, text);
    await_done(world);
}

static void a_plain_answer_may_have_its_bound(void **state)
{
    ask_for_bytes(*state, 1000, true, "");
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_int_equal(0, rig.requests_gone);
}

static void a_plain_answer_that_announces_more_is_refused_before_its_head(void **state)
{
    ask_for_bytes(*state, 1001, true, "");
    assert_int_equal(RELAY_FAILED_BEFORE, rig.result.end);
    assert_int_equal(TRANSFER_TOO_LARGE, rig.result.failure);
    assert_int_equal(200, rig.result.status);
}

static void a_plain_answer_of_unknown_length_may_have_its_bound(void **state)
{
    ask_for_bytes(*state, 1000, false, "");
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
}

static void a_plain_answer_that_grows_beyond_it_breaks(void **state)
{
    ask_for_bytes(*state, 1001, false, "");
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(TRANSFER_TOO_LARGE, rig.result.failure);
    assert_true(rig.result.body_bytes <= 1000);
}

static void a_stream_has_no_such_bound(void **state)
{
    ask_for_bytes(*state, 2000, true, "Content-Type: text/event-stream\r\n");
    assert_int_equal(RELAY_COMPLETE, rig.result.end);
    assert_int_equal(1, rig.requests_gone);
}

static void the_time_to_end_ends_a_stream_with_an_event(void **state)
{
    struct world *world = *state;
    const char *heard;

    rig.server = server_open(wait_for_end, begun_stream);
    connect_client(world);
    say(world, get);
    (void)hear_until(world, "data: 1\n\n\r\n");
    relay_end_now(rig.relay);
    assert_int_equal(1, rig.dones);
    assert_int_equal(RELAY_FAILED_AFTER, rig.result.end);
    assert_int_equal(TRANSFER_DRAIN, rig.result.failure);
    heard = hear_until(world, NULL);
    assert_has(heard, "\"message\":\"the gateway is being shut down\"");
    assert_has(heard, "\"code\":\"overloaded\"");
    assert_has_not(heard, "\r\n0\r\n");
    sem_wait(&rig.server->event); /* the upstream is closed */
}

static void the_time_to_end_before_a_head_leaves_the_answer_to_others(void **state)
{
    struct world *world = *state;
    static char nothing[] = "";

    rig.server = server_open(wait_for_end, nothing);
    connect_client(world);
    say(world, get);
    turn_until(rig.relay != NULL && atomic_load(&rig.server->requests) == 1);
    relay_end_now(rig.relay);
    assert_int_equal(RELAY_FAILED_BEFORE, rig.result.end);
    assert_string_equal("nothing came", hear_until(world, NULL));
}

static void an_upstream_that_falls_silent_in_a_stream_is_named(void **state)
{
    struct world *world = *state;

    rig.settings.limits.idle_ms = 50;
    rig.server = server_open(wait_for_end, begun_stream);
    connect_client(world);
    say(world, get);
    assert_has(hear_until(world, NULL), "\"message\":\"upstream idle timeout\"");
    await_done(world);
    assert_int_equal(TRANSFER_IDLE, rig.result.failure);
    assert_int_equal(1, failures(TRANSFER_IDLE));
}

#define rig_test(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(an_answer_passes_untouched_with_its_end_to_end_fields),
        rig_test(answers_without_a_body_have_none),
        rig_test(each_event_passes_as_it_comes),
        rig_test(a_slow_client_pauses_its_upstream_in_flat_memory),
        rig_test(a_client_that_leaves_closes_its_upstream_in_the_same_turn),
        rig_test(a_stream_that_dies_between_events_gets_one_error_event),
        rig_test(a_stream_that_dies_inside_a_line_gets_it_on_a_fresh_line),
        rig_test(a_stream_that_dies_behind_a_line_gets_it_behind_a_blank_one),
        rig_test(a_compressed_stream_that_dies_only_breaks),
        rig_test(an_answer_that_is_no_stream_only_breaks),
        rig_test(an_answer_shorter_than_its_length_only_breaks),
        rig_test(a_client_of_http_1_0_hears_of_a_broken_end_by_a_reset),
        rig_test(a_stream_ended_by_the_close_between_two_events_is_broken),
        rig_test(a_stream_ended_by_the_close_behind_an_error_is_left_as_it_is),
        rig_test(message_stop_ends_a_stream_of_claude),
        rig_test(a_stream_of_claude_without_it_is_broken),
        rig_test(finish_reason_ends_a_stream_of_gemini),
        rig_test(a_stream_of_gemini_without_it_is_broken),
        rig_test(response_completed_ends_a_stream_of_responses),
        rig_test(a_response_that_breaks_off_fails_under_its_id_with_the_next_number),
        rig_test(a_list_that_breaks_between_values_ends_with_an_error),
        rig_test(a_list_that_breaks_behind_a_comma_ends_with_an_error),
        rig_test(a_list_that_breaks_inside_a_value_has_it_closed),
        rig_test(a_plain_answer_of_gemini_that_a_close_ends_is_none),
        rig_test(an_event_may_have_its_bound),
        rig_test(an_event_above_its_bound_ends_its_stream_with_an_error),
        rig_test(an_event_that_nobody_looks_into_has_no_bound),
        rig_test(a_head_that_waits_comes_with_all_that_was_held),
        rig_test(a_stream_that_ends_before_content_has_failed_before_its_head),
        rig_test(a_pause_of_the_bound_is_passed_on),
        rig_test(a_longer_pause_is_not_passed_on),
        rig_test(an_empty_stream_has_failed_before_its_head),
        rig_test(a_stream_that_breaks_before_content_has_failed_before_its_head),
        rig_test(a_stream_that_begins_with_an_error_has_failed_as_that_says),
        rig_test(a_head_waits_while_less_than_its_bound_has_come),
        rig_test(a_head_waits_no_longer_than_its_bound),
        rig_test(the_time_to_end_while_a_head_waits_leaves_the_answer_to_others),
        rig_test(a_stream_ended_by_the_close_inside_an_event_is_broken),
        rig_test(a_stream_that_announced_its_length_has_room_for_its_error),
        rig_test(a_stream_ended_by_the_close_behind_done_is_whole),
        rig_test(a_stream_ended_by_the_close_with_a_line_too_few_is_broken),
        rig_test(an_upstream_that_fails_before_its_head_leaves_the_answer_to_others),
        rig_test(a_plain_answer_may_have_its_bound),
        rig_test(a_plain_answer_that_announces_more_is_refused_before_its_head),
        rig_test(a_plain_answer_of_unknown_length_may_have_its_bound),
        rig_test(a_plain_answer_that_grows_beyond_it_breaks),
        rig_test(a_stream_has_no_such_bound),
        rig_test(the_time_to_end_ends_a_stream_with_an_event),
        rig_test(the_time_to_end_before_a_head_leaves_the_answer_to_others),
        rig_test(an_upstream_that_falls_silent_in_a_stream_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

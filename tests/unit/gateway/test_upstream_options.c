/* upstream_options: what goes out is what was asked for, and nothing that libcurl would add by itself. */
#include "support/transfer.h"

#include "proto/clock.h"
#include "proto/limits.h"

static const struct bytes no_body = {NULL, 0};

/* Answers each request with its head (without the body) as the body. */
static void echo_head(struct server_connection *connection, void *context)
{
    char head[128];

    (void)context;
    while (server_read_request(connection)) {
        (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                       strstr(connection->head, "HEAD ") == connection->head ? 0 : strlen(connection->head));
        (void)server_write_text(connection, head);
        if (strstr(connection->head, "HEAD ") != connection->head) {
            (void)server_write_text(connection, connection->head);
        }
    }
}

static void exchange(struct record *record, struct world *world, const struct server *server, const char *method,
                     const char *path, struct bytes body)
{
    record_init(record, world);
    assert_status(STATUS_OK, record_start(record, server->port, method, path, body));
    record_await(record);
    assert_int_equal(TRANSFER_OK, record->failure);
}

/* The request line, our Host and what follows it. */
static void expect_head(const struct record *record, const char *line, unsigned port, const char *fields)
{
    char expected[1024];

    (void)snprintf(expected, sizeof expected, "%s\r\nHost: 127.0.0.1:%u\r\n%s\r\n", line, port, fields);
    assert_bytes(expected, buffer_view(&record->body));
}

static void a_get_carries_host_and_identity_and_nothing_else(void **state)
{
    struct server *server = server_open(echo_head, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    exchange(&record, &world, server, "GET", "/v1/../a%2fb?q=1", no_body);
    expect_head(&record, "GET /v1/../a%2fb?q=1 HTTP/1.1", server->port, "Accept-Encoding: identity\r\n");
    record_close(&record, server);
}

static void methods_and_bodies_do_not_rub_off_on_the_next_request(void **state)
{
    static const struct {
        const char *method;
        const char *body; /* NULL: none */
        const char *framing;
    } cases[] = {
        {"POST", "{}", "Content-Length: 2\r\n"}, {"GET", NULL, ""},
        {"PUT", "abc", "Content-Length: 3\r\n"}, {"HEAD", NULL, NULL},
        {"DELETE", NULL, ""},                    {"DELETE", "x", "Content-Length: 1\r\n"},
        {"HEAD", NULL, NULL},                    {"POST", NULL, "Content-Length: 0\r\n"},
        {"POST", "", "Content-Length: 0\r\n"},   {"PATCH", "{}", "Content-Length: 2\r\n"},
        {"OPTIONS", NULL, ""},                   {"POST", "{\"a\":1}", "Content-Length: 7\r\n"},
    };
    struct server *server = server_open(echo_head, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct record record;
        char line[64];
        char fields[128];

        exchange(&record, &world, server, cases[index].method, "/v1/x",
                 cases[index].body == NULL ? no_body : bytes_of(cases[index].body));
        if (cases[index].framing == NULL) {
            assert_int_equal(0, record.body_bytes);
        } else {
            (void)snprintf(line, sizeof line, "%s /v1/x HTTP/1.1", cases[index].method);
            (void)snprintf(fields, sizeof fields, "Accept-Encoding: identity\r\n%s", cases[index].framing);
            expect_head(&record, line, server->port, fields);
        }
        record_free(&record);
    }
    world_close(&world);
    server_close(server);
}

static void given_fields_go_out_as_they_are_and_ours_are_made_here(void **state)
{
    static const char *const given[][2] = {
        {"Authorization", "Bearer k"}, {"Content-Type", "application/json"}, {"X-Empty", ""},
        {"X-Twice", "1"},              {"X-Twice", "2"},                     {"User-Agent", "OpenAI/Python"},
        {"Accept", "text/event-stream"}, {"X-Semi", ";a:b;"},
        /* made here, or of one hop */
        {"Host", "evil"},              {"Content-Length", "999"},            {"Accept-Encoding", "gzip"},
        {"Expect", "100-continue"},    {"Connection", "close"},              {"Transfer-Encoding", "chunked"},
        {"TE", "trailers"},            {"Upgrade", "h2c"},
    };
    struct server *server = server_open(echo_head, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    fields_close(&world.no_fields);
    assert_status(STATUS_OK, fields_open(&world.no_fields, 50, 10000));
    for (size_t index = 0; index < sizeof given / sizeof given[0]; index++) {
        assert_status(STATUS_OK,
                      fields_add(world.no_fields, bytes_of(given[index][0]), bytes_of(given[index][1])));
    }
    exchange(&record, &world, server, "POST", "/", BYTES("{}"));
    expect_head(&record, "POST / HTTP/1.1", server->port,
                "Authorization: Bearer k\r\nContent-Type: application/json\r\nX-Empty:\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
                "User-Agent: OpenAI/Python\r\nAccept: text/event-stream\r\nX-Semi: ;a:b;\r\nAccept-Encoding: identity\r\n"
                "Content-Length: 2\r\n");
    record_close(&record, server);
}

static void a_large_body_is_sent_without_waiting_to_be_asked(void **state)
{
    struct server *server = server_open(echo_head, NULL);
    struct world world;
    struct record record;
    struct bytes body = {calloc(1, 2 << 20), 2 << 20};
    uint64_t began_ms;

    (void)state;
    world_open(&world);
    began_ms = clock_ms();
    exchange(&record, &world, server, "POST", "/", body);
    assert_true(clock_ms() - began_ms < 900); /* libcurl waits a second for "100 Continue" */
    assert_null(memmem(record.body.data, record.body.count, "Expect", 6));
    assert_int_equal(2 << 20, server->connections[0].body_bytes);
    record_close(&record, server);
    free((char *)(uintptr_t)body.data);
}

/* Answers the first request of a connection and dies after reading the second. */
static void answer_once_then_die(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) {
        (void)server_read_request(connection);
    }
}

static void a_post_is_never_sent_twice_when_a_reused_connection_dies(void **state)
{
    struct bytes large = {calloc(1, UPSTREAM_SMALL_BODY_BYTES + 1), UPSTREAM_SMALL_BODY_BYTES + 1};
    const struct bytes bodies[] = {{"{}", 2}, large, {NULL, 0}};

    (void)state;
    for (size_t index = 0; index < 3; index++) {
        struct server *server = server_open(answer_once_then_die, NULL);
        struct world world;
        struct record record;

        world_open(&world);
        exchange(&record, &world, server, "GET", "/", no_body);
        record_free(&record);
        record_init(&record, &world);
        assert_status(STATUS_OK, record_start(&record, server->port, "POST", "/", bodies[index]));
        record_await(&record);
        assert_int_equal(TRANSFER_BROKEN, record.failure);
        assert_int_equal(0, record.heads);
        assert_true(record.sent_any);
        record_free(&record);
        world_close(&world);
        assert_int_equal(2, atomic_load(&server->requests));
        server_close(server);
    }
    free((char *)(uintptr_t)large.data);
}

static void a_get_is_sent_again_when_a_reused_connection_dies(void **state)
{
    struct server *server = server_open(answer_once_then_die, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    for (int times = 0; times < 2; times++) {
        exchange(&record, &world, server, "GET", "/", no_body);
        record_free(&record);
    }
    world_close(&world);
    assert_int_equal(3, atomic_load(&server->requests));
    server_close(server);
}

/* Answers with the body of the request. */
static void echo_body(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_head(connection)) {
        size_t length = server_length(connection->head);
        char head[96];
        size_t have = connection->left_bytes < length ? connection->left_bytes : length;

        (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", length);
        (void)server_write_text(connection, head);
        (void)server_write(connection, (struct bytes){connection->head + connection->head_bytes, have});
        connection->left_bytes = 0;
        while (have < length) {
            char piece[4096];
            ssize_t got = recv(connection->descriptor, piece, sizeof piece, 0);

            if (got <= 0) {
                return;
            }
            (void)server_write(connection, (struct bytes){piece, (size_t)got});
            have += (size_t)got;
        }
    }
}

static void bodies_small_and_large_arrive_as_they_are(void **state)
{
    static const size_t sizes[] = {0, 1, UPSTREAM_SMALL_BODY_BYTES, UPSTREAM_SMALL_BODY_BYTES + 1, 10, 100000, 2};
    struct server *server = server_open(echo_body, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        char *text = malloc(sizes[index] + 1);
        struct record record;

        for (size_t at = 0; at < sizes[index]; at++) {
            text[at] = (char)(at * 7 + at / 251 + index); /* NUL and all */
        }
        exchange(&record, &world, server, index % 2 == 0 ? "POST" : "PUT", "/", (struct bytes){text, sizes[index]});
        assert_int_equal(sizes[index], record.body.count);
        assert_memory_equal(text, sizes[index] == 0 ? "" : record.body.data, sizes[index]);
        record_free(&record);
        free(text);
    }
    world_close(&world);
    assert_int_equal(1, atomic_load(&server->accepted));
    server_close(server);
}

static void bad_methods_and_bodies_are_refused_before_anything_is_sent(void **state)
{
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    assert_status(STATUS_MALFORMED, record_start(&record, 1, "", "/", no_body));
    assert_status(STATUS_MALFORMED, record_start(&record, 1, "GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", "/", no_body));
    assert_status(STATUS_MALFORMED, record_start(&record, 1, "get", "/", no_body));
    assert_status(STATUS_MALFORMED, record_start(&record, 1, "HEAD", "/", BYTES("x")));
    record_free(&record);
    world_close(&world);
}

static void the_environment_names_no_proxy(void **state)
{
    struct server *server = server_open(echo_head, NULL);
    struct world world;
    struct record record;

    (void)state;
    assert_int_equal(0, setenv("http_proxy", "http://127.0.0.1:1", 1));
    assert_int_equal(0, setenv("ALL_PROXY", "http://127.0.0.1:1", 1));
    world_open(&world);
    exchange(&record, &world, server, "GET", "/", no_body);
    record_close(&record, server);
    assert_int_equal(0, unsetenv("http_proxy"));
    assert_int_equal(0, unsetenv("ALL_PROXY"));
}

/* The largest part in which an answer of 12 KiB comes. */
static size_t largest_part(struct world *world, const struct server *server, bool expects_stream)
{
    static char url[12 * KIB];
    struct transfer_request request = {.method = BYTES("GET"), .fields = world->no_fields, .expects_stream = expects_stream};
    struct record record;
    int count = snprintf(url, sizeof url, "http://127.0.0.1:%u/%0*d", server->port, (int)sizeof url - 64, 0);

    request.url = (struct bytes){url, (size_t)count};
    record_init(&record, world);
    assert_status(STATUS_OK, record_request(&record, &request));
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_true(record.body_bytes > (uint64_t)count - 64);
    record_free(&record);
    return record.chunk_bytes_max;
}

static void an_expected_stream_is_read_in_small_pieces_and_the_next_answer_on_its_handle_is_not(void **state)
{
    struct server *server = server_open(echo_head, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    for (int round = 0; round < 2; round++) {
        assert_in_range(largest_part(&world, server, false), UPSTREAM_STREAM_READ_BYTES + 1, UPSTREAM_READ_BYTES);
        assert_in_range(largest_part(&world, server, true), 1, UPSTREAM_STREAM_READ_BYTES);
    }
    world_close(&world);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_carries_host_and_identity_and_nothing_else),
        cmocka_unit_test(an_expected_stream_is_read_in_small_pieces_and_the_next_answer_on_its_handle_is_not),
        cmocka_unit_test(methods_and_bodies_do_not_rub_off_on_the_next_request),
        cmocka_unit_test(given_fields_go_out_as_they_are_and_ours_are_made_here),
        cmocka_unit_test(a_large_body_is_sent_without_waiting_to_be_asked),
        cmocka_unit_test(a_post_is_never_sent_twice_when_a_reused_connection_dies),
        cmocka_unit_test(a_get_is_sent_again_when_a_reused_connection_dies),
        cmocka_unit_test(bodies_small_and_large_arrive_as_they_are),
        cmocka_unit_test(bad_methods_and_bodies_are_refused_before_anything_is_sent),
        cmocka_unit_test(the_environment_names_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

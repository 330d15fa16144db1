/* upstream_transfer: pause and resume with flat memory, cancel in the same turn, each timer with its own name, no event
 * from inside a call. */
#include "support/heap.h"
#include "support/transfer.h"

#include "proto/clock.h"

static const struct bytes no_body = {NULL, 0};

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void a_get_and_a_post_come_back_whole(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    record_get(&record, &world, server->port, "/v1/models");
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(200, record.status);
    assert_bytes("{}", buffer_view(&record.body));
    assert_true(record.sent_any);
    record_free(&record);
    record_init(&record, &world);
    assert_status(STATUS_OK, record_start(&record, server->port, "POST", "/v1/chat/completions", BYTES("{\"a\":1}")));
    assert_int_equal(0, record.dones);
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(7, server->connections[0].body_bytes);
    record_close(&record, server);
}

enum { LARGE_BYTES = 64 << 20 };

/* Position-dependent bytes, so that a chunk twice or never is seen. */
static unsigned char byte_at(uint64_t position)
{
    return (unsigned char)(position ^ (position >> 8) ^ (position >> 16));
}

static void send_large(struct server_connection *connection, void *context)
{
    static const size_t piece_bytes = 65536;
    char *piece = malloc(piece_bytes);
    uint64_t sent = 0;

    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")) {
        while (sent < LARGE_BYTES) {
            for (size_t index = 0; index < piece_bytes; index++) {
                piece[index] = (char)byte_at(sent + index);
            }
            if (!server_write(connection, (struct bytes){piece, piece_bytes})) {
                break;
            }
            sent += piece_bytes;
        }
    }
    free(piece);
}

struct slow_reader {
    size_t room_bytes; /* what it takes before it says no */
    size_t taken_bytes;
    unsigned pauses;
    size_t heap_bytes_max;
    uv_timer_t later;
};

static void resume_later(uv_timer_t *timer)
{
    struct record *record = timer->data;
    struct slow_reader *reader = record->more;

    reader->taken_bytes = 0;
    record_resume(record);
    record_resume(record); /* twice is as good as once */
}

static bool read_slowly(struct record *record, struct bytes chunk)
{
    struct slow_reader *reader = record->more;
    size_t heap_bytes;

    if (reader->taken_bytes + chunk.count > reader->room_bytes) {
        heap_bytes = heap_live_bytes();
        reader->heap_bytes_max = heap_bytes > reader->heap_bytes_max ? heap_bytes : reader->heap_bytes_max;
        reader->pauses++;
        uv_timer_start(&reader->later, resume_later, reader->pauses % 16 == 0 ? 1 : 0, 0);
        return false;
    }
    for (size_t index = 0; index < chunk.count; index++) {
        assert_int_equal(byte_at(record->body_bytes + index), (unsigned char)chunk.data[index]);
    }
    reader->taken_bytes += chunk.count;
    return true;
}

static void sixty_four_mebibytes_pass_a_slow_reader_in_flat_memory(void **state)
{
    struct server *server = server_open(send_large, NULL);
    struct slow_reader reader = {.room_bytes = 65536};
    struct world world;
    struct record record;
    size_t heap_bytes;

    (void)state;
    record_open(&record, &world);
    uv_timer_init(&world.loop, &reader.later);
    reader.later.data = &record;
    record.body.max = 0; /* keeps nothing */
    record.on_body = read_slowly;
    record.more = &reader;
    heap_bytes = heap_live_bytes();
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(LARGE_BYTES, record.body_bytes);
    assert_true(reader.pauses >= LARGE_BYTES / 65536 - 1);
    assert_true(record.chunk_bytes_max <= UPSTREAM_CHUNK_BYTES);
    /* The server's head and piece; libcurl's handle and its buffers, and one paused chunk. */
    assert_in_range(reader.heap_bytes_max - heap_bytes, 0, SERVER_HEAD_BYTES + 65536 + 128 * 1024);
    uv_close((uv_handle_t *)&reader.later, NULL);
    record_close(&record, server);
}

/* A head and the beginning of a body; then the script waits for the client to close. */
static void begin_stream(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n")) {
        server_await_close(connection);
        server_tell(connection->server);
    }
}

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static void answer_with_streams(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, STREAM_HEAD "9\r\ndata: a\n\n\r\n0\r\n\r\n");
    }
}

/* A large body is seldom read when its answer is there already. */
static void answer_too_early(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_head(connection)) {
        (void)server_write_text(connection, STREAM_HEAD "9\r\ndata: a\n\n\r\n");
        server_await_close(connection);
    }
}

static void free_what_is_ours_again(struct record *record)
{
    if (record->request_gone) {
        free(record->more); /* the sanitizer would see who still reads it */
        record->more = NULL;
    }
}

/* One POST of so many bytes; says whether the body was given back with the head. */
static bool is_given_back(struct world *world, const struct server *server, size_t body_bytes,
                          bool (*on_body)(struct record *record, struct bytes chunk))
{
    struct record record;
    bool gone;

    record_init(&record, world);
    record.more = calloc(1, body_bytes);
    assert_non_null(record.more);
    record.on_head = free_what_is_ours_again;
    record.on_body = on_body;
    assert_status(STATUS_OK, record_start(&record, server->port, "POST", "/", (struct bytes){record.more, body_bytes}));
    if (on_body == NULL) {
        record_await(&record);
        assert_int_equal(TRANSFER_OK, record.failure);
        assert_bytes("data: a\n\n", buffer_view(&record.body));
    } else {
        (void)uv_run(&world->loop, UV_RUN_DEFAULT); /* until on_body stops it */
        record_cancel(&record);
    }
    gone = record.request_gone;
    assert_true(gone == (record.more == NULL));
    if (record.more != NULL) {
        (void)uv_run(&world->loop, UV_RUN_NOWAIT); /* the cancel */
        free(record.more);
    }
    record_free(&record);
    return gone;
}

static bool stop_at_body(struct record *record, struct bytes chunk);

static void a_stream_gives_its_request_back_when_all_of_it_has_been_sent(void **state)
{
    struct server *streams = server_open(answer_with_streams, NULL);
    struct server *hasty = server_open(answer_too_early, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    for (int round = 0; round < 3; round++) { /* on one handle, and on one connection */
        assert_true(is_given_back(&world, streams, 100, NULL));
        assert_true(is_given_back(&world, streams, UPSTREAM_SMALL_BODY_BYTES, NULL));
        assert_true(is_given_back(&world, streams, 4 * UPSTREAM_SMALL_BODY_BYTES, NULL));
    }
    assert_false(is_given_back(&world, hasty, LARGE_BYTES, stop_at_body));
    world_close(&world);
    server_close(streams);
    server_close(hasty);
}

static bool stop_at_body(struct record *record, struct bytes chunk)
{
    (void)chunk;
    uv_stop(&record->world->loop);
    return true;
}

/* Runs until the event that stops the loop. */
static void run_until_stopped(struct world *world)
{
    (void)uv_run(&world->loop, UV_RUN_DEFAULT);
}

static void a_cancel_closes_the_upstream_at_the_end_of_the_turn(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    record.on_body = stop_at_body;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    run_until_stopped(&world);
    assert_int_equal(1, record.heads);
    record_cancel(&record);
    record_cancel(&record); /* takes NULL */
    (void)uv_run(&world.loop, UV_RUN_NOWAIT); /* one turn */
    sem_wait(&server->event);
    assert_int_equal(1, atomic_load(&server->closed));
    assert_int_equal(0, record.dones);
    record_close(&record, server);
}

static bool cancel_at_body(struct record *record, struct bytes chunk)
{
    (void)chunk;
    record_cancel(record);
    uv_stop(&record->world->loop);
    return record->more != NULL;
}

static void cancel_at_head(struct record *record)
{
    record_cancel(record);
    uv_stop(&record->world->loop);
}

static void a_transfer_may_be_cancelled_from_inside_its_events(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct server *server = server_open(begin_stream, NULL);
        struct world world;
        struct record record;

        record_open(&record, &world);
        record.on_body = cancel_at_body;
        record.on_head = way == 2 ? cancel_at_head : NULL;
        record.more = way == 1 ? &record : NULL;
        assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
        run_until_stopped(&world);
        sem_wait(&server->event); /* within the turn: nothing has turned the loop since */
        assert_int_equal(0, record.dones);
        assert_int_equal(way == 1 ? 1 : 0, record.chunks);
        record_close(&record, server);
    }
}

static void cancel_at_done(struct record *record)
{
    record_cancel(record);
}

static void a_cancel_in_done_is_harmless_and_done_may_start_the_next(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    record.on_done = cancel_at_done;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    record_close(&record, server);
}

static bool cancel_second_time(struct record *record, struct bytes chunk)
{
    struct slow_reader *reader = record->more;

    (void)chunk;
    if (reader->pauses++ == 0) {
        uv_timer_start(&reader->later, resume_later, 0, 0);
        return false;
    }
    record_cancel(record);
    uv_stop(&record->world->loop);
    return true;
}

static void a_resumed_transfer_may_be_cancelled_while_it_resumes(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct slow_reader reader = {.room_bytes = 0};
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    uv_timer_init(&world.loop, &reader.later);
    reader.later.data = &record;
    record.on_body = cancel_second_time;
    record.more = &reader;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    run_until_stopped(&world);
    sem_wait(&server->event);
    assert_int_equal(0, record.dones);
    assert_int_equal(2, reader.pauses);
    uv_close((uv_handle_t *)&reader.later, NULL);
    record_close(&record, server);
}

static void a_transfer_may_be_cancelled_before_anything_happened(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    assert_false(transfer_sent_any(record.transfer));
    assert_int_equal(0, transfer_first_byte_us(record.transfer));
    record_cancel(&record);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_int_equal(0, record.dones);
    record_free(&record);
    world_close(&world);
    assert_int_equal(0, atomic_load(&server->accepted));
    server_close(server);
}

static void a_refused_connect_is_told_as_such(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    unsigned port = server->port;
    struct world world;
    struct record record;

    (void)state;
    server_close(server);
    world_open(&world);
    record_get(&record, &world, port, "/");
    assert_int_equal(TRANSFER_CONNECT, record.failure);
    assert_int_equal(0, record.heads);
    assert_false(record.sent_any);
    assert_int_equal(0, record.first_byte_us);
    record_free(&record);
    world_close(&world);
}

static void bytes_that_are_no_tls_fail_the_connect_and_carry_no_request(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct world world;
    struct record record;
    char url[64];
    struct transfer_request request = {.method = BYTES("POST"), .has_body = true, .body = BYTES("secret")};

    (void)state;
    record_open(&record, &world);
    world.settings.limits.connect_ms = 200; /* the server waits for the end of a request head that never comes */
    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "https://127.0.0.1:%u/", server->port)};
    request.fields = world.no_fields;
    assert_status(STATUS_OK, record_request(&record, &request));
    record_await(&record);
    assert_int_equal(TRANSFER_CONNECT, record.failure);
    assert_false(record.sent_any);
    record_free(&record);
    world_close(&world);
    assert_int_equal(0, atomic_load(&server->requests));
    server_close(server);
}

/* Reads the request and says nothing. */
static void stay_silent(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        server_await_close(connection);
    }
}

static void expect_timeout(struct world *world, void (*script)(struct server_connection *connection, void *context),
                           enum transfer_failure failure, unsigned heads, uint64_t limit_ms)
{
    struct server *server = server_open(script, NULL);
    struct record record;
    uint64_t began_ms = clock_ms();

    world_start(world);
    record_get(&record, world, server->port, "/");
    assert_string_equal(transfer_failure_name(failure), transfer_failure_name(record.failure));
    assert_int_equal(heads, record.heads);
    assert_true(clock_ms() - began_ms + 5 >= limit_ms); /* the loop's clock is that coarse */
    assert_true(clock_ms() - began_ms < limit_ms + 5000);
    record_free(&record);
    world_close(world);
    assert_int_equal(1, atomic_load(&server->requests));
    server_close(server);
}

static void an_upstream_that_does_not_answer_is_cut(void **state)
{
    struct world world;

    (void)state;
    world_settings(&world);
    world.settings.limits.first_byte_ms = 150;
    expect_timeout(&world, stay_silent, TRANSFER_FIRST_BYTE, 0, 150);
}

static void an_upstream_that_falls_silent_is_cut(void **state)
{
    struct world world;

    (void)state;
    world_settings(&world);
    world.settings.limits.idle_ms = 150;
    expect_timeout(&world, begin_stream, TRANSFER_IDLE, 1, 150);
}

static void an_alarm_comes_once_and_the_transfer_goes_on(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct world world;
    struct record record;
    uint64_t began_ms;

    (void)state;
    world_settings(&world);
    world.settings.limits.idle_ms = 300;
    world_start(&world);
    record_init(&record, &world);
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", (struct bytes){NULL, 0}));
    while (record.heads == 0) {
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    }
    began_ms = clock_ms();
    transfer_set_alarm(record.transfer, 50);
    while (record.alarms == 0) {
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    }
    assert_true(clock_ms() - began_ms + 5 >= 50);
    assert_int_equal(0, record.dones);
    record_await(&record);
    assert_int_equal(TRANSFER_IDLE, record.failure);
    assert_int_equal(1, record.alarms);
    record_close(&record, server);
}

/* A byte each few milliseconds until the client closes. */
static void drip(struct server_connection *connection, void *context)
{
    struct pollfd closed = {.fd = connection->descriptor, .events = POLLIN};

    if (!server_read_request(connection) || !server_write_text(connection, context)) {
        return;
    }
    while (poll(&closed, 1, 10) == 0 && server_write_text(connection, "1\r\n:\r\n")) {
    }
}

static void drip_stream(struct server_connection *connection, void *context)
{
    char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    (void)context;
    drip(connection, head);
}

static void drip_plain(struct server_connection *connection, void *context)
{
    char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    (void)context;
    drip(connection, head);
}

static void an_answer_that_never_ends_is_cut_and_its_bytes_are_no_silence(void **state)
{
    struct world world;

    (void)state;
    world_settings(&world);
    world.settings.limits.idle_ms = 100;
    world.settings.limits.total_ms = 400;
    expect_timeout(&world, drip_stream, TRANSFER_TOTAL, 1, 400);
    world_settings(&world);
    world.settings.limits.idle_ms = 100;
    world.settings.limits.total_plain_ms = 300;
    expect_timeout(&world, drip_plain, TRANSFER_TOTAL, 1, 300);
}

/* A connect that is neither taken nor refused: the queue of a listener that nobody serves is full. */
static void a_connect_that_takes_too_long_is_cut(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fillers[8];
    struct world world;
    struct record record;

    (void)state;
    assert_int_equal(0, bind(listener, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(listener, 0));
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&address, &size));
    for (size_t index = 0; index < 8; index++) {
        fillers[index] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[index], (struct sockaddr *)&address, sizeof address);
    }
    world_settings(&world);
    world.settings.limits.connect_ms = 150;
    world_start(&world);
    record_get(&record, &world, ntohs(address.sin_port), "/");
    assert_int_equal(TRANSFER_CONNECT, record.failure);
    assert_false(record.sent_any);
    record_free(&record);
    world_close(&world);
    for (size_t index = 0; index < 8; index++) {
        close(fillers[index]);
    }
    close(listener);
}

static bool pause_at_body(struct record *record, struct bytes chunk)
{
    struct slow_reader *reader = record->more;

    (void)chunk;
    if (reader->pauses++ == 0) {
        uv_timer_start(&reader->later, resume_later, 300, 0);
        return false;
    }
    return true;
}

static void a_transfer_that_we_have_paused_is_not_silent(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct slow_reader reader = {.room_bytes = 0};
    struct world world;
    struct record record;
    uint64_t began_ms = clock_ms();

    (void)state;
    world_settings(&world);
    world.settings.limits.idle_ms = 100;
    world_start(&world);
    record_init(&record, &world);
    uv_timer_init(&world.loop, &reader.later);
    reader.later.data = &record;
    record.on_body = pause_at_body;
    record.more = &reader;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    record_await(&record);
    assert_int_equal(TRANSFER_IDLE, record.failure); /* after the pause, when nothing came for 100 ms */
    assert_int_equal(9, record.body_bytes);
    assert_true(clock_ms() - began_ms >= 395);
    uv_close((uv_handle_t *)&reader.later, NULL);
    record_close(&record, server);
}

static void the_total_time_runs_while_a_transfer_is_paused(void **state)
{
    struct server *server = server_open(begin_stream, NULL);
    struct slow_reader reader = {.room_bytes = 0, .pauses = 0};
    struct world world;
    struct record record;

    (void)state;
    world_settings(&world);
    world.settings.limits.total_ms = 150;
    world_start(&world);
    record_init(&record, &world);
    uv_timer_init(&world.loop, &reader.later);
    reader.later.data = &record;
    record.on_body = pause_at_body;
    record.more = &reader;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    record_await(&record);
    assert_int_equal(TRANSFER_TOTAL, record.failure);
    assert_int_equal(0, record.body_bytes);
    uv_close((uv_handle_t *)&reader.later, NULL);
    record_close(&record, server);
}

static void begin_and_reset(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")) {
        sem_wait(&connection->server->event);
        server_reset(connection);
    }
}

static bool tell_server_at_body(struct record *record, struct bytes chunk)
{
    (void)chunk;
    server_tell(record->more);
    return true;
}

static void a_reset_in_the_middle_is_broken(void **state)
{
    struct server *server = server_open(begin_and_reset, NULL);
    struct world world;
    struct record record;

    (void)state;
    record_open(&record, &world);
    record.on_body = tell_server_at_body;
    record.more = server;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    record_await(&record);
    assert_int_equal(TRANSFER_BROKEN, record.failure);
    assert_bytes("{}", buffer_view(&record.body));
    record_close(&record, server);
}

static void a_name_that_does_not_resolve_fails_without_a_connect(void **state)
{
    struct world world;
    struct record record;
    struct transfer_request request = {.method = BYTES("GET"), .url = BYTES("http://nothing.invalid/")};

    (void)state;
    world_open(&world);
    request.fields = world.no_fields;
    for (int times = 0; times < 2; times++) { /* looked up, and known to be missing */
        record_init(&record, &world);
        assert_status(STATUS_OK, record_request(&record, &request));
        assert_int_equal(0, record.dones);
        record_await(&record);
        assert_int_equal(TRANSFER_RESOLVE, record.failure);
        record_free(&record);
    }
    assert_int_equal(0, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total"));
    world_close(&world);
}

static void wait_for_post(uv_work_t *work)
{
    sem_wait(work->data);
}

static void work_ended(uv_work_t *work, int status)
{
    (void)work;
    (void)status;
}

static void a_look_up_that_takes_too_long_is_cut(void **state)
{
    struct world world;
    struct record record;
    struct transfer_request request = {.method = BYTES("GET"), .url = BYTES("http://localhost/")};
    uv_work_t work[4];
    sem_t open;

    (void)state;
    sem_init(&open, 0, 0);
    world_settings(&world);
    world.settings.limits.resolve_ms = 100;
    world_start(&world);
    for (size_t index = 0; index < 4; index++) { /* all threads of libuv */
        work[index].data = &open;
        assert_int_equal(0, uv_queue_work(&world.loop, &work[index], wait_for_post, work_ended));
    }
    record_init(&record, &world);
    request.fields = world.no_fields;
    assert_status(STATUS_OK, record_request(&record, &request));
    record_await(&record);
    assert_int_equal(TRANSFER_RESOLVE, record.failure);
    for (size_t index = 0; index < 4; index++) {
        sem_post(&open);
    }
    record_free(&record);
    world_close(&world);
    sem_destroy(&open);
}

static void names_go_by_the_resolver_and_carry_themselves_as_host(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    char url[64];
    struct transfer_request request = {.method = BYTES("GET")};

    (void)state;
    world_open(&world);
    request.fields = world.no_fields;
    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://localhost:%u/", server->port)};
    for (int times = 0; times < 3; times++) {
        struct record record;

        record_init(&record, &world);
        assert_status(STATUS_OK, record_request(&record, &request));
        record_await(&record);
        assert_int_equal(TRANSFER_OK, record.failure);
        record_free(&record);
    }
    assert_int_equal(1, atomic_load(&server->accepted));
    assert_non_null(strstr(server->connections[0].head, "\r\nHost: localhost:"));
    world_close(&world);
    server_close(server);
}

static void a_private_address_is_refused_with_no_connect(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"};
    struct server *server = server_open(answer_ok, NULL);
    struct world world;

    (void)state;
    world_settings(&world);
    world.settings.allow_private_upstreams = (struct private_hosts){1, {"false"}};
    world_start(&world);
    for (size_t index = 0; index < sizeof hosts / sizeof hosts[0]; index++) {
        char url[64];
        struct transfer_request request = {.method = BYTES("GET"), .fields = world.no_fields};
        struct record record;

        request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://%s:%u/", hosts[index], server->port)};
        record_init(&record, &world);
        assert_status(STATUS_OK, record_request(&record, &request));
        record_await(&record);
        assert_string_equal("forbidden", transfer_failure_name(record.failure));
        record_free(&record);
    }
    assert_int_equal(0, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total"));
    world_close(&world);
    assert_int_equal(0, atomic_load(&server->accepted));
    server_close(server);
}

/* One that the operator has named may be there, and opens nothing for the others. */
static void a_named_host_alone_may_have_a_private_address(void **state)
{
    static const struct {
        const char *host;
        const char *end;
    } cases[] = {{"127.0.0.1", "forbidden"}, {"localhost", "ok"}, {"0x7f.1", "forbidden"}, {"LOCALHOST", "ok"}};
    struct server *server = server_open(answer_ok, NULL);
    struct world world;

    (void)state;
    world_settings(&world);
    world.settings.allow_private_upstreams = (struct private_hosts){2, {"llm", "localhost"}};
    world_start(&world);
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        char url[64];
        struct transfer_request request = {.method = BYTES("GET"), .fields = world.no_fields};
        struct record record;

        request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://%s:%u/", cases[index].host, server->port)};
        record_init(&record, &world);
        assert_status(STATUS_OK, record_request(&record, &request));
        record_await(&record);
        assert_string_equal(cases[index].end, transfer_failure_name(record.failure));
        record_free(&record);
    }
    world_close(&world);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_and_a_post_come_back_whole),
        cmocka_unit_test(sixty_four_mebibytes_pass_a_slow_reader_in_flat_memory),
        cmocka_unit_test(a_stream_gives_its_request_back_when_all_of_it_has_been_sent),
        cmocka_unit_test(a_cancel_closes_the_upstream_at_the_end_of_the_turn),
        cmocka_unit_test(a_transfer_may_be_cancelled_from_inside_its_events),
        cmocka_unit_test(a_cancel_in_done_is_harmless_and_done_may_start_the_next),
        cmocka_unit_test(a_resumed_transfer_may_be_cancelled_while_it_resumes),
        cmocka_unit_test(a_transfer_may_be_cancelled_before_anything_happened),
        cmocka_unit_test(a_refused_connect_is_told_as_such),
        cmocka_unit_test(bytes_that_are_no_tls_fail_the_connect_and_carry_no_request),
        cmocka_unit_test(an_upstream_that_does_not_answer_is_cut),
        cmocka_unit_test(an_upstream_that_falls_silent_is_cut),
        cmocka_unit_test(an_alarm_comes_once_and_the_transfer_goes_on),
        cmocka_unit_test(an_answer_that_never_ends_is_cut_and_its_bytes_are_no_silence),
        cmocka_unit_test(a_connect_that_takes_too_long_is_cut),
        cmocka_unit_test(a_transfer_that_we_have_paused_is_not_silent),
        cmocka_unit_test(the_total_time_runs_while_a_transfer_is_paused),
        cmocka_unit_test(a_reset_in_the_middle_is_broken),
        cmocka_unit_test(a_name_that_does_not_resolve_fails_without_a_connect),
        cmocka_unit_test(a_look_up_that_takes_too_long_is_cut),
        cmocka_unit_test(names_go_by_the_resolver_and_carry_themselves_as_host),
        cmocka_unit_test(a_private_address_is_refused_with_no_connect),
        cmocka_unit_test(a_named_host_alone_may_have_a_private_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

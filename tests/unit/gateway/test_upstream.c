/* upstream: opening, closing in every state, many transfers at once, and bounds on what is kept for reuse. */
#include "support/heap.h"
#include "support/transfer.h"

#include "gateway/upstream_inside.h"

static const struct bytes no_body = {NULL, 0};

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void begin_answer(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}");
        server_await_close(connection);
    }
}

static void opening_and_closing_leaves_nothing(void **state)
{
    struct world world;

    (void)state;
    for (int times = 0; times < 3; times++) {
        world_open(&world);
        world_close(&world);
    }
}

static bool stop_at_body(struct record *record, struct bytes chunk)
{
    (void)chunk;
    uv_stop(&record->world->loop);
    return record->more == NULL;
}

static void closing_cancels_what_runs_without_an_event(void **state)
{
    struct server *server = server_open(begin_answer, NULL);
    struct world world;
    struct record records[4];
    struct transfer_request unknown = {.method = BYTES("GET"), .url = BYTES("http://localhost:1/")};

    (void)state;
    world_open(&world);
    unknown.fields = world.no_fields;
    for (size_t index = 0; index < 4; index++) {
        record_init(&records[index], &world);
    }
    records[0].on_body = stop_at_body; /* answering */
    assert_status(STATUS_OK, record_start(&records[0], server->port, "GET", "/", no_body));
    (void)uv_run(&world.loop, UV_RUN_DEFAULT);
    records[1].on_body = stop_at_body; /* paused */
    records[1].more = &world;
    assert_status(STATUS_OK, record_start(&records[1], server->port, "GET", "/", no_body));
    (void)uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_status(STATUS_OK, record_start(&records[2], server->port, "GET", "/", no_body)); /* not begun */
    assert_status(STATUS_OK, record_request(&records[3], &unknown));                        /* resolving */
    world_close(&world);
    for (size_t index = 0; index < 4; index++) {
        assert_int_equal(0, records[index].dones);
        record_free(&records[index]);
    }
    assert_int_equal(2, atomic_load(&server->requests));
    server_close(server);
}

/* So many at once, all of which end well; how many handles are kept for the next ones. */
static size_t handles_kept_of(size_t count)
{
    struct server *server = server_open(answer_ok, NULL);
    struct record *records = calloc(count, sizeof *records);
    struct world world;
    size_t kept;

    world_open(&world);
    for (size_t index = 0; index < count; index++) {
        record_init(&records[index], &world);
        records[index].body.max = 16;
        assert_status(STATUS_OK, record_start(&records[index], server->port, "POST", "/", BYTES("{}")));
    }
    for (size_t index = 0; index < count; index++) {
        record_await(&records[index]);
        assert_int_equal(TRANSFER_OK, records[index].failure);
        assert_bytes("{}", buffer_view(&records[index].body));
        record_free(&records[index]);
    }
    kept = world.upstream->spare.count;
    assert_int_equal(count, atomic_load(&server->requests));
    world_close(&world);
    server_close(server);
    free(records);
    return kept;
}

static void many_at_once_all_end_and_few_handles_are_kept(void **state)
{
    (void)state;
    assert_int_equal(UPSTREAM_HANDLES_IDLE_MAX - 1, handles_kept_of(UPSTREAM_HANDLES_IDLE_MAX - 1));
    assert_int_equal(UPSTREAM_HANDLES_IDLE_MAX, handles_kept_of(UPSTREAM_HANDLES_IDLE_MAX));
    assert_int_equal(UPSTREAM_HANDLES_IDLE_MAX, handles_kept_of(UPSTREAM_HANDLES_IDLE_MAX + 1));
    assert_int_equal(UPSTREAM_HANDLES_IDLE_MAX, handles_kept_of(3 * UPSTREAM_HANDLES_IDLE_MAX));
}

static void start_again(struct record *record)
{
    struct server *server = record->more;

    if (atomic_load(&server->requests) < 500) {
        record->heads = record->dones = 0;
        buffer_clear(&record->body);
        fields_clear(record->fields);
        assert_status(STATUS_OK, record_start(record, server->port, "POST", "/", BYTES("{}")));
    }
}

static void five_hundred_in_a_row_from_inside_done_keep_memory_flat(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct record record;
    size_t heap_bytes;

    (void)state;
    world_open(&world);
    record_get(&record, &world, server->port, "/");
    record_free(&record);
    heap_bytes = heap_live_bytes();
    record_init(&record, &world);
    record.on_done = start_again;
    record.more = server;
    assert_status(STATUS_OK, record_start(&record, server->port, "POST", "/", BYTES("{}")));
    record_await(&record);
    record_free(&record);
    assert_in_range(heap_live_bytes(), 0, heap_bytes + 16 * 1024);
    assert_int_equal(1, atomic_load(&server->accepted));
    world_close(&world);
    server_close(server);
}

static void a_large_request_head_is_not_kept_with_its_handle(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct record record;
    char *path = calloc(1, UPSTREAM_SPARE_BYTES + 2);
    char *url = calloc(1, UPSTREAM_SPARE_BYTES + 100);
    struct transfer_request request = {.method = BYTES("GET")};

    (void)state;
    world_open(&world);
    memset(path, 'x', UPSTREAM_SPARE_BYTES);
    (void)snprintf(url, UPSTREAM_SPARE_BYTES + 100, "http://127.0.0.1:%u/%s", server->port, path);
    request.url = bytes_of(url);
    request.fields = world.no_fields;
    record_init(&record, &world);
    assert_status(STATUS_OK, record_request(&record, &request));
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_int_equal(1, world.upstream->spare.count);
    assert_int_equal(0, TAILQ_FIRST(&world.upstream->spares)->text.room);
    record_close(&record, server);
    free(path);
    free(url);
}

static void every_failure_has_a_name(void **state)
{
    (void)state;
    for (int failure = TRANSFER_OK; failure <= TRANSFER_TOO_LARGE; failure++) {
        assert_true(strlen(transfer_failure_name((enum transfer_failure)failure)) >= 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_and_closing_leaves_nothing),
        cmocka_unit_test(closing_cancels_what_runs_without_an_event),
        cmocka_unit_test(many_at_once_all_end_and_few_handles_are_kept),
        cmocka_unit_test(five_hundred_in_a_row_from_inside_done_keep_memory_flat),
        cmocka_unit_test(a_large_request_head_is_not_kept_with_its_handle),
        cmocka_unit_test(every_failure_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

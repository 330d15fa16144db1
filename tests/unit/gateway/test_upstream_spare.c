/* upstream_spare: handles are used again, the last one first; those that nobody needs go, and their memory with them. */
#include "support/heap.h"
#include "support/transfer.h"

#include "gateway/upstream_inside.h"

enum { MANY = 20, HANDLE_BYTES_MIN = 3 * 1024 /* libcurl's alone has more */ };

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

/* So many requests at once, all of which end well. */
static void ask_at_once(struct world *world, struct server *server, size_t count)
{
    struct record records[MANY];

    for (size_t index = 0; index < count; index++) {
        record_init(&records[index], world);
        assert_status(STATUS_OK, record_start(&records[index], server->port, "POST", "/", BYTES("{}")));
    }
    for (size_t index = 0; index < count; index++) {
        record_await(&records[index]);
        assert_int_equal(TRANSFER_OK, records[index].failure);
        record_free(&records[index]);
    }
}

static uint64_t begin_period(struct world *world)
{
    uint64_t now_ms = clock_ms() + SPARE_LOOK_MS;

    clock_freeze(now_ms);
    upstream_tick(world->upstream);
    return now_ms;
}

static int64_t told(const struct world *world)
{
    return series_value(metrics_series(world->metrics, METRIC_GAUGE, "prismguard_gateway_spare", "",
                                       &(struct metric_label){"what", "transfers"}, 1));
}

static void those_that_a_period_did_not_need_are_freed(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    size_t heap_bytes;
    uint64_t now_ms;

    (void)state;
    world_open(&world);
    ask_at_once(&world, server, MANY);
    now_ms = begin_period(&world);
    assert_int_equal(MANY, told(&world));
    clock_freeze(now_ms + SPARE_LOOK_MS - 1);
    upstream_tick(world.upstream);
    assert_int_equal(MANY, told(&world));
    heap_bytes = heap_live_bytes();
    ask_at_once(&world, server, 2);
    clock_freeze(now_ms + SPARE_LOOK_MS);
    upstream_tick(world.upstream);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT); /* their timers close */
    assert_int_equal(2, told(&world));
    assert_in_range(heap_live_bytes(), 0, heap_bytes - (MANY - 2) * HANDLE_BYTES_MIN);
    ask_at_once(&world, server, 1);
    world_close(&world);
    server_close(server);
}

static void the_last_one_used_is_used_next(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    const struct transfer *first;

    (void)state;
    world_open(&world);
    ask_at_once(&world, server, 3);
    first = TAILQ_FIRST(&world.upstream->spares);
    ask_at_once(&world, server, 1);
    assert_ptr_equal(first, TAILQ_FIRST(&world.upstream->spares));
    assert_int_equal(3, world.upstream->spare.count);
    world_close(&world);
    server_close(server);
}

static void closing_frees_them_all(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    ask_at_once(&world, server, MANY);
    upstream_spare_free(world.upstream);
    assert_null(upstream_spare_take(world.upstream));
    assert_int_equal(0, told(&world));
    world_close(&world);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_a_period_did_not_need_are_freed),
        cmocka_unit_test(the_last_one_used_is_used_next),
        cmocka_unit_test(closing_frees_them_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

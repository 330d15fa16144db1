/* upstream_options: how old a connection may grow. libcurl reads the clock itself: this program's clock_gettime stands before the
 * C library's, and what is asked through it is later than it is. */
#include "support/transfer.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

static _Atomic long later_s;

int clock_gettime(clockid_t which, struct timespec *out)
{
    long failed = syscall(SYS_clock_gettime, which, out);

    if (failed == 0 && which != CLOCK_REALTIME) {
        out->tv_sec += atomic_load(&later_s);
    }
    return (int)failed;
}

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void ask(struct world *world, const struct server *server)
{
    struct record record;

    uv_update_time(&world->loop); /* its timers begin now, not before the leap */
    record_init(&record, world);
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", (struct bytes){NULL, 0}));
    record_await(&record);
    assert_int_equal(TRANSFER_OK, record.failure);
    record_free(&record);
}

static int64_t connects(const struct world *world)
{
    return world_count(world, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total");
}

static void a_connection_of_the_bound_is_used_again_and_an_older_one_is_not(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;

    (void)state;
    world_open(&world);
    ask(&world, server);
    for (long age_s = 100; age_s < UPSTREAM_LIFETIME_S; age_s += 100) { /* never idle for longer than libcurl keeps it */
        atomic_store(&later_s, age_s);
        ask(&world, server);
    }
    atomic_store(&later_s, UPSTREAM_LIFETIME_S - 1);
    ask(&world, server);
    assert_int_equal(1, connects(&world));
    atomic_store(&later_s, UPSTREAM_LIFETIME_S + 1);
    ask(&world, server);
    assert_int_equal(2, connects(&world));
    ask(&world, server); /* the new one is young */
    assert_int_equal(2, connects(&world));
    assert_int_equal(2, atomic_load(&server->accepted));
    world_close(&world);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_of_the_bound_is_used_again_and_an_older_one_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* resolve: one look-up a name, answers kept for their time, every table with its end, no address that is not vetted. */
#include "support/unit.h"

#include "gateway/resolve.h"
#include "proto/limits.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

/* A name for us, an address for the system's resolver: answered without asking a name server. */
#define ADDRESS_NAME "0x7f.0.0.0x%zx"

struct world {
    uv_loop_t loop;
    struct metrics *metrics;
    struct resolver *resolver;
    bool allow_private;
};

struct asker {
    struct resolve_wait wait;
    unsigned calls;
    enum status status;
    char addresses[512];
};

static void on_found(void *context, enum status status, struct bytes addresses)
{
    struct asker *asker = context;

    asker->calls++;
    asker->status = status;
    assert_status(STATUS_OK, bytes_copy(addresses, asker->addresses, sizeof asker->addresses));
}

static void world_open(struct world *world, bool allow_private)
{
    assert_int_equal(0, uv_loop_init(&world->loop));
    assert_status(STATUS_OK, metrics_open(&world->metrics));
    assert_status(STATUS_OK, resolver_open(&world->resolver, &world->loop, world->metrics));
    world->allow_private = allow_private;
}

static void world_close(struct world *world)
{
    resolver_close(&world->resolver);
    resolver_close(&world->resolver);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&world->loop));
    metrics_close(&world->metrics);
}

static int64_t times(const struct world *world, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(
        metrics_series(world->metrics, METRIC_COUNTER, "prismguard_gateway_resolve_total", "", &label, 1));
}

static enum status ask(struct world *world, struct asker *asker, const char *host, struct bytes *out)
{
    asker->wait.found = on_found;
    asker->wait.context = asker;
    return resolve_name(world->resolver, bytes_of(host), world->allow_private, &asker->wait, out);
}

/* Turns the loop until the asker has its answer. */
static void await(struct world *world, const struct asker *asker)
{
    while (asker->calls == 0) {
        assert_int_not_equal(0, uv_run(&world->loop, UV_RUN_ONCE) + (int)asker->calls);
    }
}

/* All threads of libuv wait in here, so that a look-up stays in its queue as long as a test wants. */
struct gate {
    sem_t open;
    sem_t inside;
    uv_work_t work[4];
};

static void wait_in_gate(uv_work_t *work)
{
    struct gate *gate = work->data;

    sem_post(&gate->inside);
    sem_wait(&gate->open);
}

static void left_gate(uv_work_t *work, int status)
{
    (void)work;
    (void)status;
}

static void gate_close(struct gate *gate, uv_loop_t *loop)
{
    sem_init(&gate->open, 0, 0);
    sem_init(&gate->inside, 0, 0);
    for (size_t index = 0; index < 4; index++) {
        gate->work[index].data = gate;
        assert_int_equal(0, uv_queue_work(loop, &gate->work[index], wait_in_gate, left_gate));
    }
    for (size_t index = 0; index < 4; index++) {
        sem_wait(&gate->inside);
    }
}

static void gate_open(struct gate *gate, uv_loop_t *loop)
{
    for (size_t index = 0; index < 4; index++) {
        sem_post(&gate->open);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    sem_destroy(&gate->open);
    sem_destroy(&gate->inside);
}

static void an_address_in_text_is_checked_without_a_look_up(void **state)
{
    struct world world;
    struct asker asker = {0};
    struct bytes out;

    (void)state;
    world_open(&world, false);
    assert_status(STATUS_OK, ask(&world, &asker, "93.184.215.14", &out));
    assert_bytes("93.184.215.14", out);
    assert_status(STATUS_OK, ask(&world, &asker, "[2606:4700::1111]", &out));
    assert_bytes("[2606:4700::1111]", out);
    assert_status(STATUS_DENIED, ask(&world, &asker, "127.0.0.1", &out));
    assert_status(STATUS_DENIED, ask(&world, &asker, "[::1]", &out));
    assert_status(STATUS_DENIED, ask(&world, &asker, "[::ffff:169.254.169.254]", &out));
    assert_status(STATUS_DENIED, ask(&world, &asker, "[fe80::1%lo]", &out));
    assert_status(STATUS_DENIED, ask(&world, &asker, "[nonsense]", &out));
    assert_int_equal(0, times(&world, "lookup"));
    assert_int_equal(5, times(&world, "denied"));
    assert_null(asker.wait.entry);
    world_close(&world);
}

static void a_name_is_looked_up_once_and_then_known(void **state)
{
    struct world world;
    struct asker first = {0};
    struct asker second = {0};
    struct bytes out;

    (void)state;
    world_open(&world, true);
    assert_status(STATUS_AGAIN, ask(&world, &first, "localhost", &out));
    assert_status(STATUS_AGAIN, ask(&world, &second, "LOCALHOST", &out));
    assert_int_equal(0, first.calls);
    await(&world, &first);
    assert_status(STATUS_OK, first.status);
    assert_non_null(strstr(first.addresses, "127.0.0.1"));
    assert_int_equal(1, second.calls);
    assert_string_equal(first.addresses, second.addresses);
    assert_status(STATUS_OK, ask(&world, &first, "localhost", &out));
    assert_int_equal(strlen(first.addresses), out.count);
    assert_memory_equal(first.addresses, out.data, out.count);
    assert_int_equal(1, times(&world, "lookup"));
    assert_int_equal(1, times(&world, "cached"));
    world_close(&world);
}

static void a_name_with_refused_addresses_only_is_denied(void **state)
{
    struct world world;
    struct asker asker = {0};
    struct bytes out;

    (void)state;
    world_open(&world, false);
    assert_status(STATUS_AGAIN, ask(&world, &asker, "localhost", &out));
    await(&world, &asker);
    assert_status(STATUS_DENIED, asker.status);
    assert_string_equal("", asker.addresses);
    assert_status(STATUS_DENIED, ask(&world, &asker, "localhost", &out));
    /* Numbers that only the system's resolver understands pass the same guard. */
    asker.calls = 0;
    assert_status(STATUS_AGAIN, ask(&world, &asker, "0x7f.1", &out));
    await(&world, &asker);
    assert_status(STATUS_DENIED, asker.status);
    world_close(&world);
}

static void close_timer(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_missing_name_is_remembered_for_its_time_only(void **state)
{
    struct world world;
    struct asker asker = {0};
    struct bytes out;
    uv_timer_t later;

    (void)state;
    world_open(&world, true);
    assert_status(STATUS_AGAIN, ask(&world, &asker, "nothing.invalid", &out));
    await(&world, &asker);
    assert_status(STATUS_NOT_FOUND, asker.status);
    assert_status(STATUS_NOT_FOUND, ask(&world, &asker, "nothing.invalid", &out));
    assert_int_equal(1, times(&world, "lookup"));
    uv_timer_init(&world.loop, &later);
    uv_timer_start(&later, close_timer, RESOLVE_MISSING_TTL_MS, 0);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    asker.calls = 0;
    assert_status(STATUS_AGAIN, ask(&world, &asker, "nothing.invalid", &out));
    await(&world, &asker);
    assert_int_equal(2, times(&world, "lookup"));
    world_close(&world);
}

static void a_name_longer_than_a_name_can_be_is_not_found(void **state)
{
    struct world world;
    struct asker asker = {0};
    struct bytes out;
    char name[HOST_NAME_BYTES_MAX + 2];

    (void)state;
    world_open(&world, true);
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_status(STATUS_NOT_FOUND, ask(&world, &asker, name, &out));
    name[sizeof name - 2] = '\0';
    assert_status(STATUS_AGAIN, ask(&world, &asker, name, &out));
    await(&world, &asker);
    assert_status(STATUS_NOT_FOUND, asker.status);
    world_close(&world);
}

static void one_who_forgets_is_not_called(void **state)
{
    struct world world;
    struct asker askers[3] = {{.calls = 0}};
    struct bytes out;

    (void)state;
    world_open(&world, true);
    for (size_t forget = 0; forget < 3; forget++) {
        struct gate gate;
        char name[32];

        (void)snprintf(name, sizeof name, ADDRESS_NAME, forget);
        memset(askers, 0, sizeof askers);
        gate_close(&gate, &world.loop);
        for (size_t index = 0; index < 3; index++) {
            assert_status(STATUS_AGAIN, ask(&world, &askers[index], name, &out));
        }
        resolve_forget(&askers[forget].wait);
        resolve_forget(&askers[forget].wait);
        gate_open(&gate, &world.loop);
        for (size_t index = 0; index < 3; index++) {
            assert_int_equal(index == forget ? 0 : 1, askers[index].calls);
        }
    }
    world_close(&world);
}

static void the_waiters_of_one_name_are_bounded(void **state)
{
    struct world world;
    struct asker *askers = calloc(RESOLVE_WAITERS_MAX + 1, sizeof *askers);
    struct bytes out;
    struct gate gate;

    (void)state;
    world_open(&world, true);
    gate_close(&gate, &world.loop);
    for (size_t index = 0; index < RESOLVE_WAITERS_MAX; index++) {
        assert_status(STATUS_AGAIN, ask(&world, &askers[index], "localhost", &out));
    }
    assert_status(STATUS_FULL, ask(&world, &askers[RESOLVE_WAITERS_MAX], "localhost", &out));
    assert_int_equal(1, times(&world, "full"));
    resolve_forget(&askers[5].wait);
    assert_status(STATUS_AGAIN, ask(&world, &askers[RESOLVE_WAITERS_MAX], "localhost", &out));
    gate_open(&gate, &world.loop);
    assert_int_equal(0, askers[5].calls);
    assert_int_equal(1, askers[RESOLVE_WAITERS_MAX].calls);
    assert_int_equal(1, times(&world, "lookup"));
    world_close(&world);
    free(askers);
}

static void the_names_in_flight_are_bounded_and_old_answers_give_way(void **state)
{
    struct world world;
    struct asker *askers = calloc(RESOLVE_NAMES_MAX + 1, sizeof *askers);
    struct bytes out;
    struct gate gate;
    char name[32];

    (void)state;
    world_open(&world, true);
    gate_close(&gate, &world.loop);
    for (size_t index = 0; index < RESOLVE_NAMES_MAX; index++) {
        (void)snprintf(name, sizeof name, ADDRESS_NAME, index);
        assert_status(STATUS_AGAIN, ask(&world, &askers[index], name, &out));
    }
    assert_status(STATUS_FULL, ask(&world, &askers[RESOLVE_NAMES_MAX], "localhost", &out));
    gate_open(&gate, &world.loop);
    for (size_t index = 0; index < RESOLVE_NAMES_MAX; index++) {
        assert_int_equal(1, askers[index].calls);
    }
    assert_status(STATUS_AGAIN, ask(&world, &askers[RESOLVE_NAMES_MAX], "localhost", &out));
    await(&world, &askers[RESOLVE_NAMES_MAX]);
    assert_status(STATUS_OK, askers[RESOLVE_NAMES_MAX].status);
    world_close(&world);
    free(askers);
}

static void closing_leaves_a_running_look_up_to_the_loop(void **state)
{
    struct world world;
    struct asker asker = {0};
    struct bytes out;
    struct gate gate;

    (void)state;
    world_open(&world, true);
    assert_status(STATUS_AGAIN, ask(&world, &asker, "localhost", &out)); /* may be running in a thread by now */
    gate_close(&gate, &world.loop);
    resolve_forget(&asker.wait);
    asker.calls = 0;
    assert_int_not_equal(STATUS_OK, ask(&world, &asker, "nothing.invalid", &out));
    resolve_forget(&asker.wait);
    resolver_close(&world.resolver);
    gate_open(&gate, &world.loop);
    assert_int_equal(0, asker.calls);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_in_text_is_checked_without_a_look_up),
        cmocka_unit_test(a_name_is_looked_up_once_and_then_known),
        cmocka_unit_test(a_name_with_refused_addresses_only_is_denied),
        cmocka_unit_test(a_missing_name_is_remembered_for_its_time_only),
        cmocka_unit_test(a_name_longer_than_a_name_can_be_is_not_found),
        cmocka_unit_test(one_who_forgets_is_not_called),
        cmocka_unit_test(the_waiters_of_one_name_are_bounded),
        cmocka_unit_test(the_names_in_flight_are_bounded_and_old_answers_give_way),
        cmocka_unit_test(closing_leaves_a_running_look_up_to_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

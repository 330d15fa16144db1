/* Tests of connection_rest: what a client sends while its connection rests is heard when the time is over, and not before. */
#include "gateway/connection_rest.h"

#include "gateway/connection_inside.h"
#include "support/client_world.h"

#define GET "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

static void refuse_and_rest(struct world *world)
{
    connection_rest(world->connection, REST_S_MAX);
    connection_rest(world->connection, 1); /* twice is once */
    send_answer(world, "refused");
}

static void the_next_request_is_heard_after_the_rest(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    world->complete = refuse_and_rest;
    connect_client(world);
    say(world, GET GET); /* the second comes with it */
    assert_hears("refused");
    say(world, GET);
    assert_true(is_silent(world));
    world->complete = NULL;
    world->answer = "ok";
    clock_freeze(1000 + 1000 * REST_S_MAX - 1);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    assert_int_equal(1, world->heads);
    clock_freeze(1000 + 1000 * REST_S_MAX);
    connection_set_tick(world->set);
    assert_hears("okok");
    assert_int_equal(3, world->heads);
}

static void rest_a_second(struct world *world)
{
    connection_rest(world->connection, 1);
    send_answer(world, "refused");
}

/* They end in the order of their times, not of their beginnings. */
static void each_rests_as_long_as_it_was_told(void **state)
{
    struct world *world = *state;
    int longer;

    clock_freeze(1000);
    world->complete = refuse_and_rest;
    connect_client(world);
    say(world, GET);
    assert_hears("refused");
    longer = world->client;
    world->complete = rest_a_second;
    connect_client(world);
    say(world, GET);
    assert_hears("refused");
    say(world, GET);
    world->complete = NULL;
    world->answer = "ok";
    clock_freeze(2000);
    connection_set_tick(world->set);
    assert_hears("ok");
    assert_int_equal(0, close(longer));
    turn_a_while(world);
    assert_int_equal(0, world->closed); /* it is not heard */
    clock_freeze(1000 + 1000 * REST_S_MAX);
    connection_set_tick(world->set);
    turn_until(world->closed == 1);
}

/* Its idle time begins when its client may come back. */
static void a_connection_that_rests_is_not_idle(void **state)
{
    struct world *world = *state;
    uint64_t rested_ms = 1000 + 1000 * REST_S_MAX;

    world->limits.keep_alive_ms = 1000;
    clock_freeze(1000);
    connection_set_tick(world->set);
    world->complete = refuse_and_rest;
    connect_client(world);
    say(world, GET);
    assert_hears("refused");
    for (uint64_t now_ms = 2000; now_ms <= rested_ms; now_ms += 500) {
        clock_freeze(now_ms);
        connection_set_tick(world->set);
    }
    clock_freeze(rested_ms + 999);
    connection_set_tick(world->set);
    turn_a_while(world);
    assert_int_equal(0, world->closed);
    clock_freeze(rested_ms + 1000);
    connection_set_tick(world->set);
    assert_int_equal(0, hear_end(world));
    turn_until(world->closed == 1);
}

static void a_connection_that_rests_may_be_closed(void **state)
{
    struct world *world = *state;

    world->complete = refuse_and_rest;
    connect_client(world);
    say(world, GET);
    assert_hears("refused");
    turn_a_while(world);
    assert_true(connection_set_close_idle(world->set));
    assert_int_equal(0, hear_end(world));
    turn_until(world->closed == 1);
    connection_set_tick(world->set); /* nobody is in the list any more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_request_is_heard_after_the_rest, world_open, world_close),
        cmocka_unit_test_setup_teardown(each_rests_as_long_as_it_was_told, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_connection_that_rests_is_not_idle, world_open, world_close),
        cmocka_unit_test_setup_teardown(a_connection_that_rests_may_be_closed, world_open, world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

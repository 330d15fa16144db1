/* Tests of connection_rest: what a client sends while its connection rests is heard after PACE_REST_MS, and not before. */
#include "gateway/connection_rest.h"

#include "gateway/connection_inside.h"
#include "support/client_world.h"

#define GET "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

static void refuse_and_rest(struct world *world)
{
    connection_rest(world->connection);
    connection_rest(world->connection); /* twice is once */
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
    clock_freeze(1000 + PACE_REST_MS - 1);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    assert_int_equal(1, world->heads);
    clock_freeze(1000 + PACE_REST_MS);
    connection_set_tick(world->set);
    assert_hears("okok");
    assert_int_equal(3, world->heads);
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
        cmocka_unit_test_setup_teardown(a_connection_that_rests_may_be_closed, world_open, world_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of connection_hunger: a body waits for the budget, goes on when there is room, and is refused at its second. */
#include "gateway/connection_hunger.h"

#include "gateway/connection_inside.h"
#include "support/client_world.h"

#define HEAD_OF_A_BODY "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 40000\r\n\r\n"

enum { BODY_BYTES = 40000 };

/* A client that has sent a body for which there is no room. */
static void begin(struct world *world)
{
    char *body = test_malloc(BODY_BYTES);

    memset(body, 'b', BODY_BYTES);
    world->room = STATUS_FULL;
    world->answer = "ok";
    clock_freeze(1000);
    connect_client(world);
    say(world, HEAD_OF_A_BODY);
    turn_until(world->heads == 1);
    assert_int_equal(BODY_BYTES, send(world->client, body, BODY_BYTES, MSG_NOSIGNAL));
    turn_until(world->connection->is_hungry);
    test_free(body);
}

static void it_waits_unread_and_goes_on_when_there_is_room(void **state)
{
    struct world *world = *state;

    begin(world);
    assert_int_equal(0, world->body.count);
    assert_true(world->connection->is_hungry);
    assert_false(world->connection->reading);
    assert_in_range(world->connection->ahead.count, 1, READ_AHEAD_BYTES_MAX);
    clock_freeze(1999);
    connection_set_tick(world->set);
    assert_int_equal(0, world->body.count);
    world->room = STATUS_OK;
    connection_set_tick(world->set);
    assert_false(world->connection->is_hungry);
    assert_hears("ok");
    assert_int_equal(BODY_BYTES, world->body.count);
    assert_int_equal(REFUSAL_NONE, world->refusal);
}

static void it_is_refused_after_its_wait(void **state)
{
    struct world *world = *state;

    begin(world);
    clock_freeze(1000 + BODY_BUDGET_WAIT_MS - 1);
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_NONE, world->refusal);
    clock_freeze(1000 + BODY_BUDGET_WAIT_MS);
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_BODY_BUDGET, world->refusal);
    assert_hears("refused");
    assert_int_equal(0, world->completes);
}

static void the_body_timer_goes_on(void **state)
{
    struct world *world = *state;

    world->limits.body_time_ms = 500;
    connection_set_use_limits(world->set);
    begin(world);
    clock_freeze(1500);
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_BODY_TIME, world->refusal);
    assert_hears("refused");
}

static void a_client_that_is_cut_while_it_waits_leaves_the_list(void **state)
{
    struct world *world = *state;

    begin(world);
    connection_set_abort(world->set);
    turn_until(world->closed == 1);
    assert_int_equal(0, world->set->hungry.count);
}

static void a_small_body_that_came_with_its_head_waits_too(void **state)
{
    struct world *world = *state;

    world->room = STATUS_FULL;
    world->answer = "ok";
    connect_client(world);
    say(world, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbodyGET /a HTTP/1.1\r\nHost: t\r\n\r\n");
    turn_until(world->heads == 1 && world->connection->is_hungry);
    world->room = STATUS_OK;
    connection_set_tick(world->set);
    assert_hears("okok");
    assert_int_equal(2, world->completes);
}

/* More of it may have come than is kept ahead: that is thrown away, and never costs the client its answer. */
static void a_body_that_is_refused_in_one_large_part_hears_its_answer(void **state)
{
    struct world *world = *state;
    char *body = test_malloc(BODY_BYTES);

    memset(body, 'b', BODY_BYTES);
    world->body.max = 1000;
    connect_client(world);
    say(world, HEAD_OF_A_BODY);
    turn_until(world->heads == 1);
    assert_int_equal(BODY_BYTES, send(world->client, body, BODY_BYTES, MSG_NOSIGNAL));
    assert_hears("refused");
    assert_int_equal(0, world->completes);
    test_free(body);
}

int main(void)
{
#define with_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        with_world(it_waits_unread_and_goes_on_when_there_is_room),
        with_world(it_is_refused_after_its_wait),
        with_world(the_body_timer_goes_on),
        with_world(a_client_that_is_cut_while_it_waits_leaves_the_list),
        with_world(a_small_body_that_came_with_its_head_waits_too),
        with_world(a_body_that_is_refused_in_one_large_part_hears_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

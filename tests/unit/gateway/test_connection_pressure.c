/* Tests of connection_pressure: keep-alive under pressure, who gives way, which answer is cut, and the bound of an address. */
#include "gateway/connection_pressure.h"

#include "gateway/connection_inside.h"
#include "gateway/connection_rest.h"
#include "support/client_world.h"

#define GET "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

static void look_again(struct world *world)
{
    overload_sample(admit_overload(world->admit));
    connection_set_tick(world->set);
}

static void idle_connections_are_kept_shorter_from_85_to_80_percent(void **state)
{
    struct world *world = *state;
    struct account *bodies = admit_bodies(world->admit);
    uint64_t hundredth = bodies->limit_bytes / 100 + 1; /* what is told is rounded down */

    assert_status(STATUS_OK, account_charge(bodies, 84 * hundredth));
    look_again(world);
    assert_int_equal(30000, world->set->roster.limit_ms[IDLE]);
    assert_status(STATUS_OK, account_charge(bodies, hundredth));
    look_again(world);
    assert_int_equal(OVERLOAD_KEEP_ALIVE_MS, world->set->roster.limit_ms[IDLE]);
    account_release(bodies, 5 * hundredth);
    look_again(world);
    assert_int_equal(OVERLOAD_KEEP_ALIVE_MS, world->set->roster.limit_ms[IDLE]);
    account_release(bodies, hundredth);
    look_again(world);
    assert_int_equal(30000, world->set->roster.limit_ms[IDLE]);
    account_release(bodies, 79 * hundredth);
}

static void a_silent_connection_gives_way_after_a_second_and_a_busy_one_never(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    clock_freeze(1000 + SILENT_MS - 1);
    assert_false(connection_set_close_idle(world->set));
    clock_freeze(1000 + SILENT_MS);
    assert_true(connection_set_close_idle(world->set));
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, close(world->client));
    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    clock_freeze(100000);
    assert_false(connection_set_close_idle(world->set));
}

static void a_silent_connection_whose_request_has_just_come_does_not_give_way(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    clock_freeze(1000 + SILENT_MS);
    say(world, GET); /* and the loop has not looked */
    assert_false(connection_set_close_idle(world->set));
    world->answer = "ok";
    assert_hears("ok");
}

static void keep_and_rest(struct world *world)
{
    connection_rest(world->connection, 1);
    send_answer(world, "ok");
}

/* A close over bytes that nobody has read is a reset, which takes the client's request, and may take the answer before it. */
static void who_has_sent_a_request_is_not_closed_as_idle(void **state)
{
    struct world *world = *state;

    world->limits.keep_alive_ms = 1000;
    clock_freeze(1000);
    connection_set_tick(world->set);
    world->complete = keep_and_rest;
    connect_client(world);
    say(world, GET);
    assert_hears("ok");
    say(world, GET); /* while it rests */
    turn_a_while(world);
    assert_false(connection_set_close_idle(world->set));
    rest_end(world->connection); /* and before the loop has looked at it again, */
    clock_freeze(2000);
    connection_set_tick(world->set); /* its idle time is over */
    world->complete = NULL;
    world->answer = "ok";
    connection_feed(world->connection);
    assert_hears("ok");
    assert_true(connection_set_close_idle(world->set));
    assert_int_equal(0, hear_end(world));
    turn_until(world->closed == 1);
}

static void so_many_that_have_sent_a_request_are_passed_over(void **state)
{
    struct world *world = *state;
    int clients[CLOSE_IDLE_LOOKS + 1];

    clock_freeze(1000);
    world->behind_proxy = true;
    world->complete = keep_and_rest;
    for (int index = 0; index <= CLOSE_IDLE_LOOKS; index++) {
        connect_client(world);
        clients[index] = world->client;
        say(world, GET);
        assert_hears("ok");
        if (index < CLOSE_IDLE_LOOKS) {
            say(world, GET);
        }
    }
    turn_a_while(world);
    assert_false(connection_set_close_idle(world->set));
    assert_true(connection_set_close_idle(world->set)); /* it is the first now */
    assert_int_equal(0, hear_end(world));
    turn_until(world->closed == 1);
    for (int index = 0; index <= CLOSE_IDLE_LOOKS; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    world->client = -1;
}

/* A client that asks and then takes nothing, with so many bytes unsent. */
static struct connection *stall(struct world *world, size_t bytes, int *client)
{
    int heads = world->heads;
    char *chunk = test_calloc(1, 1024);

    connect_client(world);
    say(world, GET);
    turn_until(world->heads == heads + 1);
    while (connection_unsent(world->connection) < bytes) {
        assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){chunk, 1024}));
        connection_set_turn(world->set);
        if (connection_unsent(world->connection) >= bytes) {
            turn_a_while(world); /* what the kernel takes late, it takes now */
        }
    }
    test_free(chunk);
    *client = world->client;
    world->client = -1;
    return world->connection;
}

static void the_answer_that_holds_most_is_cut_when_little_is_left(void **state)
{
    struct world *world = *state;
    struct account *unsent = admit_unsent(world->admit);
    uint64_t high = unsent->limit_bytes / 8 * 7;
    struct connection *small, *large;
    uint64_t filler;
    int clients[2];

    clock_freeze(1000);
    small = stall(world, 8 * KIB, &clients[0]);
    large = stall(world, 60 * KIB, &clients[1]);
    assert_true(out_held(&large->out) < 60 * KIB + 2 * CORK_BYTES); /* grown by steps, not twofold */
    filler = high - account_bytes(unsent);
    assert_status(STATUS_OK, account_charge(unsent, filler));
    connection_set_turn(world->set);
    assert_int_equal(0, world->gone); /* at the mark */
    assert_status(STATUS_OK, account_charge(unsent, 1));
    connection_set_turn(world->set);
    assert_int_equal(1, world->gone);
    assert_int_equal(CLOSING, large->member.state);
    assert_int_not_equal(CLOSING, small->member.state);
    connection_set_turn(world->set);
    assert_int_equal(1, world->gone); /* what is closing counts as given back */
    turn_until(world->closed == 1);
    account_release(unsent, filler + 1);
    for (int index = 0; index < 2; index++) {
        assert_int_equal(0, close(clients[index]));
    }
}

static void an_answer_that_stands_still_is_cut_before_a_larger_one_that_moves(void **state)
{
    struct world *world = *state;
    struct account *unsent = admit_unsent(world->admit);
    struct connection *standing, *moving;
    uint64_t filler;
    int clients[2];

    clock_freeze(1000);
    standing = stall(world, 8 * KIB, &clients[0]);
    clock_freeze(1000 + STANDING_MS);
    moving = stall(world, 60 * KIB, &clients[1]);
    standing->out.seen_taken = UINT64_MAX; /* whatever the kernel's acknowledgements do meanwhile */
    filler = unsent->limit_bytes / 8 * 7 + 1 - account_bytes(unsent);
    assert_status(STATUS_OK, account_charge(unsent, filler));
    connection_set_turn(world->set);
    assert_int_equal(CLOSING, standing->member.state);
    assert_int_not_equal(CLOSING, moving->member.state);
    turn_until(world->closed == 1);
    account_release(unsent, filler);
    for (int index = 0; index < 2; index++) {
        assert_int_equal(0, close(clients[index]));
    }
}

static void overload_cuts_the_largest_that_stands_still_once_a_sample(void **state)
{
    struct world *world = *state;
    struct overload *overload = admit_overload(world->admit);
    struct connection *small, *large, *moving;
    int clients[3];

    clock_freeze(1000);
    small = stall(world, 8 * KIB, &clients[0]);
    large = stall(world, 30 * KIB, &clients[1]);
    clock_freeze(1000 + STANDING_MS);
    moving = stall(world, 60 * KIB, &clients[2]);
    small->out.seen_taken = large->out.seen_taken = UINT64_MAX; /* whatever the kernel's acknowledgements do meanwhile */
    overload_tell(overload, SIGNAL_MEMORY, 98);
    look_again(world);
    assert_int_equal(0, world->gone);
    overload_tell(overload, SIGNAL_MEMORY, 99);
    look_again(world);
    connection_set_tick(world->set); /* the same sample */
    assert_int_equal(1, world->gone);
    assert_int_equal(CLOSING, large->member.state);
    turn_until(world->closed == 1);
    look_again(world);
    assert_int_equal(2, world->gone);
    assert_int_equal(CLOSING, small->member.state);
    turn_until(world->closed == 2);
    look_again(world); /* none stands still */
    assert_int_equal(2, world->gone);
    assert_int_not_equal(CLOSING, moving->member.state);
    for (int index = 0; index < 3; index++) {
        assert_int_equal(0, close(clients[index]));
    }
}

static void behind_a_proxy_the_address_does_not_count(void **state)
{
    struct world *world = *state;
    int clients[4 + ADDRESS_SPARE_CONNECTIONS];

    world->behind_proxy = true;
    for (size_t index = 0; index < sizeof clients / sizeof clients[0]; index++) {
        connect_client(world);
        clients[index] = world->client;
        assert_int_equal(REFUSAL_NONE, world->refusal);
    }
    assert_int_equal(0, addresses_count(admit_addresses(world->admit)));
    for (size_t index = 0; index < sizeof clients / sizeof clients[0]; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    world->client = -1;
}

static void a_write_for_which_no_byte_is_left_cuts_its_own_client(void **state)
{
    struct world *world = *state;
    struct account *unsent = admit_unsent(world->admit);
    uint64_t filler;

    connect_client(world);
    say(world, GET);
    turn_until(world->heads == 1);
    filler = unsent->limit_bytes - account_bytes(unsent);
    assert_status(STATUS_OK, account_charge(unsent, filler));
    assert_status(STATUS_CLOSED, connection_write(world->connection, BYTES("x")));
    turn_until(world->gone == 1);
    account_release(unsent, filler);
}

static void an_address_has_a_bound_of_connections(void **state)
{
    enum { LIMIT = 3, TOLD = LIMIT + ADDRESS_SPARE_CONNECTIONS };
    struct world *world = *state;
    int clients[TOLD];

    for (int index = 0; index < TOLD; index++) {
        world->refusal = REFUSAL_NONE;
        connect_client(world);
        clients[index] = world->client;
        assert_int_equal(index < LIMIT ? REFUSAL_NONE : REFUSAL_ADDRESS, world->refusal);
    }
    assert_hears("refused");
    world->refusal = REFUSAL_NONE;
    connect_client(world);
    assert_int_equal(REFUSAL_ADDRESS, world->refusal);
    turn_until(world->closed == 1); /* no wait for the client, */
    say(world, GET); /* which sends after its end, */
    say(world, GET); /* and again, where a reset would be heard, */
    assert_hears("refused");
    assert_int_equal(0, hear_end(world)); /* and hears no reset, */
    assert_int_equal(1, addresses_count(admit_addresses(world->admit))); /* and no place */
    assert_int_equal(0, close(world->client));
    for (int index = 0; index < TOLD; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    world->client = -1;
    turn_until(world->closed == TOLD + 1);
    assert_int_equal(0, addresses_count(admit_addresses(world->admit)));
    world->answer = "ok";
    connect_client(world);
    say(world, GET);
    assert_hears("ok");
}

int main(void)
{
#define with_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        with_world(idle_connections_are_kept_shorter_from_85_to_80_percent),
        with_world(a_silent_connection_gives_way_after_a_second_and_a_busy_one_never),
        with_world(a_silent_connection_whose_request_has_just_come_does_not_give_way),
        with_world(who_has_sent_a_request_is_not_closed_as_idle),
        with_world(so_many_that_have_sent_a_request_are_passed_over),
        with_world(the_answer_that_holds_most_is_cut_when_little_is_left),
        with_world(an_answer_that_stands_still_is_cut_before_a_larger_one_that_moves),
        with_world(overload_cuts_the_largest_that_stands_still_once_a_sample),
        with_world(an_address_has_a_bound_of_connections),
        with_world(behind_a_proxy_the_address_does_not_count),
        with_world(a_write_for_which_no_byte_is_left_cuts_its_own_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of connection and connection_set over real loopback sockets. */
#include "gateway/connection.h"

#include "gateway/connection_inside.h"
#include "gateway/connection_set.h"
#include "support/client_world.h"

#define GET "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n"

static void a_connection_is_kept_for_request_after_request(void **state)
{
    struct world *world = *state;

    connect_client(world);
    world->answer = "one";
    say(world, GET);
    assert_hears("one");
    world->answer = "two";
    say(world, POST "body");
    assert_hears("two");
    assert_bytes("body", buffer_view(&world->body));
    assert_int_equal(0, world->closed);
    assert_int_equal(2, world->completes);
}

static void pipelined_requests_are_answered_one_after_the_other(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, POST "abcd" GET GET);
    turn_until(world->completes == 1);
    turn_a_while(world);
    assert_int_equal(1, world->heads); /* the next one waits for the answer */
    send_answer(world, "1");
    turn_until(world->completes == 2);
    world->answer = "2";
    send_answer(world, "2");
    assert_hears("122");
    assert_int_equal(3, world->completes);
}

static void a_request_that_comes_in_pieces_is_complete_with_its_last_byte(void **state)
{
    struct world *world = *state;

    connect_client(world);
    for (const char *at = POST "abcd"; *at != '\0'; at++) {
        assert_int_equal(0, world->completes);
        assert_int_equal(1, send(world->client, at, 1, MSG_NOSIGNAL));
        turn_a_while(world);
    }
    assert_int_equal(1, world->completes);
    assert_bytes("abcd", buffer_view(&world->body));
}

static void a_body_that_is_held_goes_on_when_it_may(void **state)
{
    struct world *world = *state;

    world->hold = true;
    world->answer = "ok";
    connect_client(world);
    say(world, POST "ab");
    turn_until(world->heads == 1);
    say(world, "cd" POST "efgh");
    turn_a_while(world);
    assert_int_equal(0, world->body.count); /* not what came with the head, nor what came later */
    world->hold = false;
    connection_go_on(world->connection);
    assert_hears("okok");
    assert_int_equal(2, world->heads);
    assert_bytes("efgh", buffer_view(&world->body));
}

/* Its socket stays watched: to leave and come back costs two calls of the kernel. */
static void a_client_that_is_held_is_read_ahead_and_may_end_its_side(void **state)
{
    struct world *world = *state;

    world->hold = true;
    connect_client(world);
    say(world, POST "ab");
    turn_until(world->heads == 1);
    assert_true(world->connection->reading);
    say(world, "cd");
    turn_until(world->connection->ahead.count == 4);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_a_while(world);
    assert_int_equal(0, world->gone);
    assert_int_equal(REFUSAL_NONE, world->refusal);
    connection_go_on(world->connection);
    turn_until(world->completes == 1);
    assert_bytes("abcd", buffer_view(&world->body));
    send_answer(world, "1");
    assert_hears("1");
    assert_int_equal(0, hear_end(world));
}

static void a_client_that_is_held_is_read_ahead_up_to_a_bound(void **state)
{
    struct world *world = *state;
    char *big = calloc(1, MIB);

    world->hold = true;
    connect_client(world);
    say(world, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    turn_until(world->heads == 1);
    for (int turns = 0; turns < 200; turns++) {
        (void)send(world->client, big, MIB, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(READ_AHEAD_BYTES_MAX, world->connection->ahead.count);
    assert_false(world->connection->reading);
    assert_int_equal(0, world->gone);
    free(big);
}

static void a_client_that_is_held_and_resets_is_told(void **state)
{
    static const struct linger at_once = {.l_onoff = 1};
    struct world *world = *state;

    world->hold = true;
    connect_client(world);
    say(world, POST "abcd");
    turn_until(world->heads == 1);
    assert_int_equal(0, setsockopt(world->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->gone == 1);
    turn_until(world->closed == 1);
}

static void a_body_that_is_held_keeps_to_the_body_time(void **state)
{
    struct world *world = *state;

    world->hold = true;
    clock_freeze(1000);
    connect_client(world);
    say(world, POST "abcd");
    turn_until(world->heads == 1);
    clock_freeze(20999);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(21000);
    connection_set_tick(world->set);
    assert_hears("refused");
    assert_int_equal(REFUSAL_BODY_TIME, world->refusal);
    assert_int_equal(0, hear_end(world));
}

static void a_client_that_leaves_is_told_in_the_turn_that_sees_it(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_status(STATUS_OK, connection_write(world->connection, BYTES("begun")));
    assert_hears("begun");
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->gone == 1);
    turn_until(world->closed == 1);
}

static void a_client_that_breaks_off_before_its_answer_is_told_in_the_turn_that_sees_it(void **state)
{
    struct world *world = *state;
    struct linger reset = {.l_onoff = 1};

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_int_equal(0, setsockopt(world->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->gone == 1);
    turn_until(world->closed == 1);
}

static void a_client_that_ends_its_side_after_its_request_is_answered_and_closed(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    say(world, GET);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    for (uint64_t now_ms = 1000; now_ms < 600000; now_ms += HALF_CLOSED_PROBE_MS) {
        clock_freeze(now_ms);
        connection_set_tick(world->set);
        turn_a_while(world);
        if (now_ms > 1000) {
            assert_hears("HTTP/1.1 100 Continue\r\n\r\n");
        } else {
            assert_true(is_silent(world));
        }
    }
    assert_int_equal(0, world->gone);
    send_answer(world, "the answer");
    assert_hears("the answer");
    assert_int_equal(0, hear_end(world));
    turn_until(world->closed == 1);
}

static void what_was_pipelined_before_a_client_ended_its_side_is_answered_too(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET POST "abcd" GET);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    send_answer(world, "1");
    turn_until(world->completes == 2);
    assert_bytes("abcd", buffer_view(&world->body));
    assert_hears("1");
    turn_a_while(world);
    assert_true(connection_may_keep(world->connection)); /* the last one is still to come */
    send_answer(world, "2");
    turn_until(world->completes == 3);
    assert_false(connection_may_keep(world->connection));
    send_answer(world, "3");
    assert_hears("23");
    assert_int_equal(0, hear_end(world)); /* no reset */
    assert_int_equal(0, world->gone);
    turn_until(world->closed == 1);
}

static void what_was_pipelined_is_answered_too_where_answers_come_at_once(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET GET GET GET);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    world->answer = "ok";
    send_answer(world, "1");
    assert_hears("1okokok");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(4, world->completes);
    turn_until(world->closed == 1);
}

static void a_client_that_left_behind_what_it_pipelined_is_found_out(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    say(world, GET GET GET);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    send_answer(world, "1");
    assert_hears("1");
    turn_until(world->completes == 2);
    assert_int_equal(0, close(world->client));
    world->client = -1;
    for (int probe = 1; probe <= 2; probe++) {
        turn_a_while(world);
        assert_int_equal(0, world->gone);
        clock_freeze(1000 + (uint64_t)probe * HALF_CLOSED_PROBE_MS);
        connection_set_tick(world->set);
    }
    turn_until(world->gone == 1);
    turn_until(world->closed == 1);
    assert_int_equal(2, world->completes); /* the third is not asked for any more */
}

/* As if it had come alone: nobody hears of a head that has no end, and a body's is missed. */
static void what_was_pipelined_without_its_end_ends_the_connection(void **state)
{
    struct world *world = *state;
    static const char *const parts[] = {"\r\n", "GET /a HT", "GET /a HTTP/1.1\r\nHost: t\r\n", POST, POST "abc"};

    for (size_t index = 0; index < sizeof parts / sizeof parts[0]; index++) {
        bool misses_body = index >= 3;

        world->completes = 0;
        world->refusal = REFUSAL_NONE;
        connect_client(world);
        say(world, GET);
        say(world, parts[index]);
        assert_int_equal(0, shutdown(world->client, SHUT_WR));
        turn_until(world->completes == 1);
        turn_a_while(world);
        send_answer(world, "1");
        assert_hears(misses_body ? "1refused" : "1");
        assert_int_equal(0, hear_end(world));
        turn_until(world->closed == (int)index + 1);
        assert_int_equal(misses_body ? REFUSAL_INCOMPLETE : REFUSAL_NONE, world->refusal);
        assert_int_equal(1, world->completes);
        assert_int_equal(0, close(world->client));
        world->client = -1;
    }
}

static void a_pipelined_body_that_is_held_is_read_when_it_may_though_its_client_ended(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET POST "abcd");
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    world->hold = true;
    send_answer(world, "1");
    turn_until(world->heads == 2);
    turn_a_while(world);
    assert_int_equal(1, world->completes);
    assert_int_equal(REFUSAL_NONE, world->refusal);
    connection_go_on(world->connection);
    turn_until(world->completes == 2);
    assert_bytes("abcd", buffer_view(&world->body));
    send_answer(world, "2");
    assert_hears("12");
    assert_int_equal(0, hear_end(world));
}

static void a_client_that_left_before_its_answer_is_found_out(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_a_while(world);
    assert_int_equal(0, world->gone);
    clock_freeze(1000 + HALF_CLOSED_PROBE_MS);
    connection_set_tick(world->set);
    turn_a_while(world);
    clock_freeze(1000 + 2 * HALF_CLOSED_PROBE_MS);
    connection_set_tick(world->set);
    turn_until(world->gone == 1);
    turn_until(world->closed == 1);
}

static void a_client_of_http_1_0_that_ends_its_side_has_left(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, "GET / HTTP/1.0\r\n\r\n");
    turn_until(world->completes == 1);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->gone == 1);
}

static void a_drain_that_is_over_ends_who_waits_with_one_side(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    turn_until(world->completes == 1);
    turn_a_while(world);
    connection_set_drain(world->set);
    connection_set_end_now(world->set);
    assert_int_equal(1, world->ended_now);
}

static void a_client_that_leaves_within_its_body_is_told(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, POST "ab");
    turn_until(world->body.count == 2);
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->closed == 1);
    assert_int_equal(REFUSAL_INCOMPLETE, world->refusal);
    assert_int_equal(0, world->completes);
}

static void a_client_that_breaks_off_within_its_body_is_told(void **state)
{
    struct world *world = *state;
    struct linger reset = {.l_onoff = 1};

    connect_client(world);
    say(world, POST "ab");
    turn_until(world->body.count == 2);
    assert_int_equal(0, setsockopt(world->client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->gone == 1);
    assert_int_equal(REFUSAL_NONE, world->refusal);
}

static void a_client_that_ends_its_side_within_its_body_hears_so(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, POST "ab");
    turn_until(world->body.count == 2);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    assert_hears("refused");
    assert_int_equal(0, hear_end(world)); /* no reset */
    assert_int_equal(REFUSAL_INCOMPLETE, world->refusal);
    assert_int_equal(0, world->gone);
    assert_int_equal(0, world->completes);
}

static void a_client_that_only_ends_its_side_still_gets_an_answer_on_its_way(void **state)
{
    struct world *world = *state;
    char *big = malloc(128 * KIB);

    connect_client(world);
    memset(big, 'x', 128 * KIB);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){big, 128 * KIB}));
    connection_answer_done(world->connection, true);
    assert_int_equal(0, shutdown(world->client, SHUT_WR));
    assert_int_equal(128 * KIB, hear(world, big, 128 * KIB).count);
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, world->gone);
    free(big);
}

static int64_t closed_by(struct world *world, const char *reason)
{
    return series_value(metrics_series(world->metrics, METRIC_COUNTER, "prismguard_gateway_connections_closed_total",
                                       "Client connections closed, by what closed them",
                                       &(struct metric_label){"reason", reason}, 1));
}

static void a_silent_client_is_closed_at_the_header_time(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    clock_freeze(10999);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(11000);
    connection_set_tick(world->set);
    assert_int_equal(0, hear_end(world));
    assert_int_equal(REFUSAL_NONE, world->refusal);
    assert_int_equal(1, closed_by(world, "header_time"));
}

/* A plain close would be a reset, and no answer. */
static void a_head_that_has_just_come_is_refused_at_the_header_time(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    clock_freeze(11000);
    say(world, "GET / HTTP/1.1\r\n"); /* and the loop has not looked */
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_HEADER_TIME, world->refusal);
    assert_hears("refused");
    assert_int_equal(0, hear_end(world));
}

static void a_head_that_drips_is_refused_at_the_header_time(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    say(world, "GET / HTTP/1.1\r\n");
    turn_a_while(world);
    clock_freeze(10999);
    say(world, "X: y\r\n");
    turn_a_while(world);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(11000);
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_HEADER_TIME, world->refusal);
    assert_hears("refused");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->closed == 1);
    assert_int_equal(1, closed_by(world, "header_time"));
    assert_int_equal(0, closed_by(world, "answer"));
}

static void a_body_that_drips_is_refused_at_the_body_time(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    say(world, POST "a");
    turn_until(world->heads == 1);
    clock_freeze(20999);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(21000);
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_BODY_TIME, world->refusal);
    assert_hears("refused");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->closed == 1);
    assert_int_equal(1, closed_by(world, "body_time"));
}

/* At the rate, one byte below it, and with nothing at all before it counts. */
static void a_body_below_its_rate_is_refused_and_one_at_it_is_not(void **state)
{
    struct world *world = *state;

    world->limits.body_rate_bytes = 2;
    clock_freeze(1000);
    connect_client(world);
    say(world, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n");
    turn_until(world->heads == 1);
    clock_freeze(1000 + BODY_RATE_AFTER_MS); /* nothing has come, and nothing had to */
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    say(world, "ab");
    turn_until(world->body.count == 2);
    clock_freeze(1000 + BODY_RATE_AFTER_MS + 1499); /* 2.998 are due: two are enough */
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    say(world, "c");
    turn_until(world->body.count == 3);
    clock_freeze(1000 + BODY_RATE_AFTER_MS + 1500);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(1000 + BODY_RATE_AFTER_MS + 2000); /* four are due, three have come */
    connection_set_tick(world->set);
    assert_int_equal(REFUSAL_BODY_RATE, world->refusal);
    assert_hears("refused");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, close(world->client));
    world->client = -1;
    turn_until(world->closed == 1);
    assert_int_equal(1, closed_by(world, "body_rate"));
}

static void a_body_that_is_held_needs_no_rate(void **state)
{
    struct world *world = *state;

    world->limits.body_rate_bytes = 2;
    world->hold = true;
    clock_freeze(1000);
    connect_client(world);
    say(world, "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n");
    turn_until(world->heads == 1);
    clock_freeze(1000 + BODY_RATE_AFTER_MS + 2000);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
}

static void an_idle_connection_is_closed_at_its_time_and_one_that_asks_again_is_not(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    world->answer = "ok";
    say(world, GET);
    assert_hears("ok");
    clock_freeze(30999);
    connection_set_tick(world->set);
    say(world, GET);
    assert_hears("ok");
    clock_freeze(31000);
    connection_set_tick(world->set);
    assert_true(is_silent(world));
    clock_freeze(60999);
    connection_set_tick(world->set);
    assert_int_equal(0, hear_end(world));
    assert_int_equal(1, closed_by(world, "idle"));
}

/* More than the kernel's buffers of a loopback connection take. */
static void fill(struct world *world)
{
    char *big = calloc(1, 64 * KIB);
    int turns = TURNS_MAX;

    do {
        if (connection_unsent(world->connection) == 0) {
            assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){big, 64 * KIB}));
        }
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
        connection_set_turn(world->set);
    } while (connection_unsent(world->connection) == 0 && turns-- > 0);
    assert_true(connection_unsent(world->connection) > 0);
    free(big);
}

static int64_t unsent(struct world *world)
{
    connection_set_tick(world->set);
    return series_value(metrics_series(world->metrics, METRIC_GAUGE, "prismguard_gateway_unsent_bytes", "", NULL, 0));
}

static void a_client_that_does_not_read_is_cut_and_one_that_reads_slowly_is_not(void **state)
{
    struct world *world = *state;
    char *room = malloc(TEXT_BYTES_MAX);

    clock_freeze(1000);
    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_int_equal(0, unsent(world));
    fill(world);
    assert_int_equal(connection_unsent(world->connection), unsent(world));
    /* It reads: however long it takes, it is served. */
    for (uint64_t now_ms = 2000; now_ms <= 20000; now_ms += 1001) {
        size_t before = connection_unsent(world->connection);

        clock_freeze(now_ms);
        turn_until(((void)recv(world->client, room, TEXT_BYTES_MAX, MSG_DONTWAIT), connection_unsent(world->connection) < before));
        fill(world);
        connection_set_tick(world->set);
        assert_int_equal(0, world->gone);
    }
    for (uint64_t now_ms = 20000; now_ms <= 27500; now_ms += 500) {
        clock_freeze(now_ms);
        connection_set_tick(world->set);
    }
    assert_int_equal(0, world->gone);
    for (uint64_t now_ms = 28000; now_ms <= 32000; now_ms += 500) {
        clock_freeze(now_ms);
        connection_set_tick(world->set);
    }
    assert_int_equal(1, world->gone);
    assert_int_equal(0, unsent(world));
    turn_until(world->closed == 1);
    assert_int_equal(1, closed_by(world, "write_stall"));
    free(room);
}

/* How much a socket takes is the kernel's: of one of these clients, each with more before it, a part of the last write. */
static void what_the_socket_did_not_take_is_all_that_is_held(void **state)
{
    struct world *world = *state;
    char first[16 * KIB] = {0};
    size_t unsent = 0;

    for (int clients = 1; unsent == 0 || unsent > 64 * KIB - OUT_FIT_BYTES; clients++) {
        assert_true(clients <= 4);
        if (world->client >= 0) {
            assert_int_equal(0, close(world->client));
            turn_until(world->closed == clients - 1);
        }
        connect_client(world);
        say(world, GET);
        turn_until(world->completes == clients);
        for (int more = 1; more < clients; more++) {
            assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){first, sizeof first}));
            turn_until(connection_unsent(world->connection) == 0);
        }
        fill(world);
        unsent = connection_unsent(world->connection);
    }
    assert_in_range(account_bytes(admit_unsent(world->admit)), unsent, unsent + OUT_FIT_BYTES);
}

static void nobody_writes_past_the_bound_of_a_connection(void **state)
{
    struct world *world = *state;
    size_t bound = world->limits.relay_buffer_bytes + UPSTREAM_CHUNK_BYTES + REPLY_HEAD_BYTES_MAX;
    char *big = calloc(1, bound + 1);
    size_t unsent;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    fill(world);
    unsent = connection_unsent(world->connection);
    assert_status(STATUS_TOO_LARGE, connection_write(world->connection, (struct bytes){big, bound - unsent + 1}));
    assert_int_equal(unsent, connection_unsent(world->connection));
    assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){big, bound - unsent}));
    assert_status(STATUS_TOO_LARGE, connection_write(world->connection, BYTES("x")));
    free(big);
}

static void whoever_would_pass_the_relay_buffer_waits_until_half_of_it_is_taken(void **state)
{
    struct world *world = *state;
    size_t buffer = world->limits.relay_buffer_bytes;
    char *big = calloc(1, buffer);

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_false(connection_is_full(world->connection, UPSTREAM_CHUNK_BYTES));
    fill(world);
    if (connection_unsent(world->connection) < buffer / 2) {
        assert_status(STATUS_OK, connection_write(world->connection, (struct bytes){big, buffer / 2 - connection_unsent(world->connection)}));
    }
    if (connection_unsent(world->connection) == buffer / 2) {
        assert_false(connection_is_full(world->connection, buffer));
        assert_status(STATUS_OK, connection_write(world->connection, BYTES("x")));
    }
    assert_true(connection_unsent(world->connection) < buffer);
    assert_false(connection_is_full(world->connection, buffer - connection_unsent(world->connection)));
    assert_true(connection_is_full(world->connection, buffer - connection_unsent(world->connection) + 1));
    free(big);
}

static void who_waits_for_room_is_called_once_at_low_water(void **state)
{
    struct world *world = *state;
    char *room = malloc(TEXT_BYTES_MAX);
    int turns = TURNS_MAX;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    fill(world);
    connection_when_drained(world->connection, 1000, on_drained, world);
    turn_a_while(world);
    assert_int_equal(0, world->drained);
    while (world->drained == 0 && turns-- > 0) {
        (void)recv(world->client, room, TEXT_BYTES_MAX, 0);
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(1, world->drained);
    assert_true(connection_unsent(world->connection) <= 1000);
    turn_a_while(world);
    assert_int_equal(1, world->drained);
    connection_when_drained(world->connection, 1000, on_drained, world);
    assert_int_equal(1, world->drained); /* never from inside */
    connection_when_drained(world->connection, 0, NULL, NULL);
    turn_a_while(world);
    assert_int_equal(1, world->drained);
    free(room);
}

static void small_pieces_of_one_turn_leave_together_and_do_not_wait_for_another(void **state)
{
    struct world *world = *state;
    char room[16];
    int wanted;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    wanted = world->turns_wanted;
    assert_status(STATUS_OK, connection_write(world->connection, BYTES("head")));
    assert_int_equal(wanted + 1, world->turns_wanted); /* the loop must not sleep on it */
    assert_status(STATUS_OK, connection_write(world->connection, BYTES("body")));
    assert_true(recv(world->client, room, sizeof room, 0) < 0);
    connection_set_turn(world->set);
    assert_int_equal(8, recv(world->client, room, sizeof room, 0));
}

static void a_client_that_waits_for_a_100_gets_it_when_its_body_is_wanted(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_hears("HTTP/1.1 100 Continue\r\n\r\n");
    world->answer = "ok";
    say(world, "abcd");
    assert_hears("ok");
    world->answer_at_head = true;
    say(world, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_hears("ok");
    assert_int_equal(0, hear_end(world));
}

static void an_answer_before_the_body_reaches_a_client_that_is_still_sending(void **state)
{
    struct world *world = *state;
    char *big = calloc(1, MIB);
    size_t sent = 0;

    connect_client(world);
    world->answer = "no";
    world->answer_at_head = true;
    say(world, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1048576\r\n\r\n");
    for (int turn = 0; sent < MIB && turn < TURNS_MAX; turn++) {
        ssize_t more = send(world->client, big + sent, MIB - sent, MSG_NOSIGNAL);

        sent += more > 0 ? (size_t)more : 0;
        assert_true(more > 0 || errno == EAGAIN);
        turn_once(world, turn);
    }
    assert_int_equal(MIB, sent);
    assert_hears("no");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, world->completes);
    free(big);
}

static void a_client_that_never_ends_an_early_answer_is_closed(void **state)
{
    struct world *world = *state;

    clock_freeze(1000);
    connect_client(world);
    world->answer = "no";
    world->answer_at_head = true;
    say(world, POST);
    assert_hears("no");
    clock_freeze(1000 + LINGER_MS - 1);
    connection_set_tick(world->set);
    turn_a_while(world);
    assert_int_equal(0, world->closed);
    clock_freeze(1000 + LINGER_MS);
    connection_set_tick(world->set);
    turn_until(world->closed == 1);
}

static void a_client_that_sends_on_after_an_early_answer_is_read_up_to_a_bound(void **state)
{
    struct world *world = *state;
    char *big = calloc(1, MIB);
    size_t sent = 0;

    connect_client(world);
    world->answer = "no";
    world->answer_at_head = true;
    say(world, "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_hears("no");
    turn_until(world->connection->member.state == LINGER);
    for (int turn = 0; sent < LINGER_BYTES_MAX && turn < TURNS_MAX; turn++) {
        ssize_t more = send(world->client, big, LINGER_BYTES_MAX - sent < MIB ? LINGER_BYTES_MAX - sent : MIB, MSG_NOSIGNAL);

        sent += more > 0 ? (size_t)more : 0;
        turn_once(world, turn);
    }
    assert_int_equal(LINGER_BYTES_MAX, sent);
    turn_until(world->connection->lingered_bytes == LINGER_BYTES_MAX);
    assert_int_equal(0, world->closed);
    say(world, "x");
    turn_until(world->closed == 1);
    free(big);
}

static void a_broken_answer_ends_with_a_reset_after_its_bytes(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_status(STATUS_OK, connection_write(world->connection, BYTES("half")));
    connection_break(world->connection);
    assert_hears("half");
    assert_int_equal(ECONNRESET, hear_end(world));
    assert_int_equal(0, world->gone);
}

static void a_client_is_read_ahead_up_to_a_bound(void **state)
{
    struct world *world = *state;
    char *big = calloc(1, MIB);

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    for (int index = 0; index < 200; index++) {
        (void)send(world->client, big, MIB, MSG_NOSIGNAL);
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(READ_AHEAD_BYTES_MAX, world->connection->ahead.count);
    assert_false(world->connection->reading);
    send_answer(world, "1"); /* what is ahead is no request */
    turn_until(world->refusal != REFUSAL_NONE);
    free(big);
}

static void a_connection_has_a_bound_of_requests(void **state)
{
    struct world *world = *state;

    world->limits.connection_requests = 2;
    connect_client(world);
    world->answer = "ok";
    say(world, GET GET GET);
    assert_hears("okok");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(2, world->completes);
}

static void what_is_not_http_is_refused_and_closed(void **state)
{
    struct world *world = *state;

    connect_client(world);
    world->answer = "ok";
    say(world, GET "nonsense\r\n\r\n");
    assert_hears("okrefused");
    assert_int_equal(0, hear_end(world));
    assert_string_equal("method", refusal_rule(world->refusal));
}

static void one_connection_too_many_hears_why(void **state)
{
    struct world *world = *state;

    world->greeting = REFUSAL_CONNECTIONS;
    connect_client(world);
    assert_int_equal(REFUSAL_CONNECTIONS, world->refusal);
    say(world, GET);
    assert_hears("refused");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, world->heads);
}

static void a_lead_holds_answers_to_what_they_said_and_lets_none_say_it_anew(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_true(connection_may_keep(world->connection));
    send_answer(world, "kept"); /* before the lead: the client may send another */
    connection_set_lead(world->set);
    assert_false(connection_set_is_over(world->set));
    assert_hears("kept");
    say(world, GET);
    turn_until(world->completes == 2);
    assert_false(connection_may_keep(world->connection));
    send_answer(world, "last");
    assert_hears("last");
    assert_int_equal(0, hear_end(world));
    assert_true(connection_set_is_over(world->set));
}

static void a_drain_closes_idle_connections_and_ends_others_with_their_answer(void **state)
{
    struct world *world = *state;
    int idle;

    connect_client(world);
    idle = world->client;
    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    connection_set_drain(world->set);
    turn_until(world->closed == 1);
    assert_int_equal(1, connection_set_count(world->set));
    assert_false(connection_may_keep(world->connection));
    connection_set_end_now(world->set);
    assert_int_equal(1, world->ended_now);
    send_answer(world, "last");
    assert_hears("last");
    assert_int_equal(0, hear_end(world));
    assert_int_equal(0, close(idle));
}

static void the_address_of_a_client_is_known(void **state)
{
    struct world *world = *state;

    connect_client(world);
    say(world, GET);
    turn_until(world->completes == 1);
    assert_bytes("127.0.0.1", connection_address(world->connection));
    assert_int_equal(DATE_BYTES, connection_date(world->connection).count);
}

int main(void)
{
#define in_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
    const struct CMUnitTest tests[] = {
        in_world(a_connection_is_kept_for_request_after_request),
        in_world(pipelined_requests_are_answered_one_after_the_other),
        in_world(a_request_that_comes_in_pieces_is_complete_with_its_last_byte),
        in_world(a_body_that_is_held_goes_on_when_it_may),
        in_world(a_client_that_is_held_is_read_ahead_and_may_end_its_side),
        in_world(a_client_that_is_held_is_read_ahead_up_to_a_bound),
        in_world(a_client_that_is_held_and_resets_is_told),
        in_world(a_body_that_is_held_keeps_to_the_body_time),
        in_world(a_client_that_leaves_is_told_in_the_turn_that_sees_it),
        in_world(a_client_that_breaks_off_before_its_answer_is_told_in_the_turn_that_sees_it),
        in_world(a_client_that_ends_its_side_after_its_request_is_answered_and_closed),
        in_world(what_was_pipelined_before_a_client_ended_its_side_is_answered_too),
        in_world(what_was_pipelined_is_answered_too_where_answers_come_at_once),
        in_world(a_client_that_left_behind_what_it_pipelined_is_found_out),
        in_world(what_was_pipelined_without_its_end_ends_the_connection),
        in_world(a_pipelined_body_that_is_held_is_read_when_it_may_though_its_client_ended),
        in_world(a_client_that_left_before_its_answer_is_found_out),
        in_world(a_client_of_http_1_0_that_ends_its_side_has_left),
        in_world(a_drain_that_is_over_ends_who_waits_with_one_side),
        in_world(a_client_that_leaves_within_its_body_is_told),
        in_world(a_client_that_breaks_off_within_its_body_is_told),
        in_world(a_client_that_ends_its_side_within_its_body_hears_so),
        in_world(a_client_that_only_ends_its_side_still_gets_an_answer_on_its_way),
        in_world(a_silent_client_is_closed_at_the_header_time),
        in_world(a_head_that_has_just_come_is_refused_at_the_header_time),
        in_world(a_head_that_drips_is_refused_at_the_header_time),
        in_world(a_body_that_drips_is_refused_at_the_body_time),
        in_world(a_body_below_its_rate_is_refused_and_one_at_it_is_not),
        in_world(a_body_that_is_held_needs_no_rate),
        in_world(an_idle_connection_is_closed_at_its_time_and_one_that_asks_again_is_not),
        in_world(a_client_that_does_not_read_is_cut_and_one_that_reads_slowly_is_not),
        in_world(what_the_socket_did_not_take_is_all_that_is_held),
        in_world(nobody_writes_past_the_bound_of_a_connection),
        in_world(whoever_would_pass_the_relay_buffer_waits_until_half_of_it_is_taken),
        in_world(who_waits_for_room_is_called_once_at_low_water),
        in_world(small_pieces_of_one_turn_leave_together_and_do_not_wait_for_another),
        in_world(a_client_that_waits_for_a_100_gets_it_when_its_body_is_wanted),
        in_world(an_answer_before_the_body_reaches_a_client_that_is_still_sending),
        in_world(a_client_that_never_ends_an_early_answer_is_closed),
        in_world(a_client_that_sends_on_after_an_early_answer_is_read_up_to_a_bound),
        in_world(a_broken_answer_ends_with_a_reset_after_its_bytes),
        in_world(a_client_is_read_ahead_up_to_a_bound),
        in_world(a_connection_has_a_bound_of_requests),
        in_world(what_is_not_http_is_refused_and_closed),
        in_world(one_connection_too_many_hears_why),
        in_world(a_lead_holds_answers_to_what_they_said_and_lets_none_say_it_anew),
        in_world(a_drain_closes_idle_connections_and_ends_others_with_their_answer),
        in_world(the_address_of_a_client_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

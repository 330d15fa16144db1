/* Tests of loop: it turns, and it ends as it should with nothing, idle clients, running answers and endless ones. */
#include "gateway/loop.h"

#include "support/town.h"

static void a_loop_shows_that_it_turns_until_it_ends(void **state)
{
    struct town town;
    const struct pulse *pulse;
    uint64_t beats;

    (void)state;
    town_open(&town);
    pulse = loop_pulse(town.loop);
    assert_true(pulse_is_expected(pulse));
    beats = pulse_count(pulse);
    while (pulse_count(pulse) < beats + 2) {
        (void)poll(NULL, 0, 1);
    }
    loop_drain(town.loop);
    loop_join(town.loop);
    assert_false(pulse_is_expected(pulse));
    town_close(&town);
}

static void a_loop_that_was_never_started_closes(void **state)
{
    struct town town;
    struct loop_options options;

    (void)state;
    town_open(&town);
    options = (struct loop_options){0, 1, town.snapshot, town.admit, town.metrics};
    {
        struct loop *second = NULL;

        assert_status(STATUS_OK, loop_open(&second, &options, &town.address));
        loop_close(&second);
        loop_close(&second);
    }
    town_close(&town);
}

static void a_port_that_is_taken_is_told(void **state)
{
    struct town town;
    struct loop_options options;
    struct loop *loop = NULL;
    struct server_address address;
    char listen_at[32];
    unsigned port;
    int taken;

    (void)state;
    town_open(&town);
    taken = town_listen(&port);
    (void)snprintf(listen_at, sizeof listen_at, "127.0.0.1:%u", port);
    assert_status(STATUS_OK, server_address(&address, listen_at));
    options = (struct loop_options){0, 1, town.snapshot, town.admit, town.metrics};
    assert_status(STATUS_IN_USE, loop_open(&loop, &options, &address));
    assert_null(loop);
    (void)close(taken);
    town_close(&town);
}

static void a_drain_closes_idle_clients_and_takes_no_new_ones(void **state)
{
    struct town town;
    char byte;
    int idle;

    (void)state;
    town_open(&town);
    idle = town_client(&town);
    while (admit_connections(town.admit) == 0) {
        (void)poll(NULL, 0, 1);
    }
    loop_drain(town.loop);
    assert_int_equal(0, recv(idle, &byte, 1, 0));
    loop_join(town.loop);
    (void)close(idle);
    town_close(&town);
}

/* A client in the middle of an event stream. */
static void open_stream(struct town *town, int *client, int *upstream, char *room)
{
    char *asked = malloc(TOWN_TEXT_BYTES_MAX);

    asked[0] = '\0';
    *client = town_client(town);
    town_post(*client, "/plain/x", "", "b");
    *upstream = town_upstream(town);
    assert_true(town_hear(*upstream, asked, "\r\n\r\nb"));
    town_say(*upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "9\r\ndata: a\n\n\r\n");
    assert_true(town_hear(*client, room, "data: a\n\n"));
    free(asked);
}

static void a_drain_lets_a_running_answer_end(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client, upstream;

    (void)state;
    town_open(&town);
    open_stream(&town, &client, &upstream, room);
    loop_drain(town.loop);
    town_say(upstream, "9\r\ndata: b\n\n\r\n0\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_non_null(strstr(room, "data: b\n\n\r\n0\r\n\r\n"));
    loop_join(town.loop);
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

static void an_answer_that_outlives_the_drain_ends_with_an_error_event(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client, upstream;

    (void)state;
    town_init(&town);
    town.settings.gateway.limits.drain_ms = 200;
    town_start(&town);
    open_stream(&town, &client, &upstream, room);
    loop_drain(town.loop);
    (void)town_hear_all(client, room);
    assert_non_null(strstr(room, "data: {\"error\""));
    assert_null(strstr(room, "\r\n0\r\n\r\n"));
    loop_join(town.loop);
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

static void who_connects_while_a_drain_lasts_hears_503(void **state)
{
    struct town town;
    char *room = calloc(2, TOWN_TEXT_BYTES_MAX);
    char *told = room + TOWN_TEXT_BYTES_MAX;
    int client, upstream, late;

    (void)state;
    town_open(&town);
    open_stream(&town, &client, &upstream, room);
    loop_drain(town.loop);
    do { /* until it has heard of it, it serves */
        late = town_client(&town);
        town_say(late, "GET /nothing HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        told[0] = '\0';
        assert_true(town_hear_all(late, told));
        (void)close(late);
    } while (strstr(told, "HTTP/1.1 404 ") == told);
    assert_ptr_equal(told, strstr(told, "HTTP/1.1 503 "));
    assert_non_null(strstr(told, "\r\nRetry-After: "));
    assert_non_null(strstr(told, "\r\nConnection: close\r\n"));
    town_say(upstream, "9\r\ndata: b\n\n\r\n0\r\n\r\n");
    assert_true(town_hear_all(client, room));
    assert_non_null(strstr(room, "data: b\n\n\r\n0\r\n\r\n"));
    loop_join(town.loop); /* with the last answer, long before the drain's time */
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

/* The upstream hears of `path` and answers; the client gets it. */
static void assert_served(struct town *town, const char *path)
{
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client = town_client(town);
    int upstream;

    town_post(client, path, "", "b");
    upstream = town_upstream(town);
    assert_true(town_hear(upstream, room, "\r\n\r\nb"));
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    room[0] = '\0';
    assert_true(town_hear(client, room, "\r\n\r\nok"));
    (void)close(client);
    (void)close(upstream);
    free(room);
}

/* Those who were told hold their connections open, and have not sent all that they announced. */
static void who_was_told_does_not_keep_the_others_coming(void **state)
{
    enum { CLIENTS = 32 };
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int told[CLIENTS];
    int client, upstream;
    int count = 0;

    (void)state;
    town_open(&town);
    open_stream(&town, &client, &upstream, room);
    loop_drain(town.loop);
    town_say(upstream, "9\r\ndata: b\n\n\r\n0\r\n\r\n");
    for (bool refused = false; !refused; count++) {
        assert_in_range(count, 0, CLIENTS - 1); /* each would keep the listener open for LINGER_MS more */
        told[count] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        refused = connect(told[count], (const struct sockaddr *)&town.address.socket, town.address.socket_bytes) != 0;
        if (!refused) {
            (void)send(told[count], "POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9\r\n\r\n", 53, MSG_NOSIGNAL);
            (void)poll(NULL, 0, LOOP_TICK_MS);
        }
    }
    while (count > 0) {
        (void)close(told[--count]);
    }
    loop_join(town.loop);
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

static void a_loop_that_leads_serves_all_but_keeps_no_connection(void **state)
{
    struct town town;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int idle;

    (void)state;
    town_open(&town);
    idle = town_client(&town);
    while (admit_connections(town.admit) == 0) {
        (void)poll(NULL, 0, 1);
    }
    loop_lead(town.loop);
    loop_lead(town.loop);
    for (int count = 0; count < 3; count++) {
        assert_served(&town, "/plain/x");
    }
    town_say(idle, "GET /nothing HTTP/1.1\r\nHost: gateway\r\n\r\n"); /* it was not closed */
    assert_true(town_hear_all(idle, room));
    assert_ptr_equal(room, strstr(room, "HTTP/1.1 404 "));
    assert_non_null(strstr(room, "\r\nConnection: close\r\n"));
    loop_drain(town.loop);
    loop_join(town.loop);
    (void)close(idle);
    town_close(&town);
    free(room);
}

static void a_new_snapshot_serves_new_requests_and_leaves_running_ones_theirs(void **state)
{
    struct town town;
    struct settings settings;
    struct route_settings routes[sizeof town.routes_settings / sizeof town.routes_settings[0]];
    struct snapshot *next = NULL;
    char *room = calloc(1, TOWN_TEXT_BYTES_MAX);
    int client, upstream, idle;
    char byte;

    (void)state;
    town_open(&town);
    open_stream(&town, &client, &upstream, room);
    settings = town.settings;
    memcpy(routes, town.routes_settings, sizeof routes);
    (void)snprintf(routes[1].path, sizeof routes[1].path, "/moved");
    settings.routes = routes;
    settings.gateway.limits.header_time_ms = 200;
    assert_status(STATUS_OK, snapshot_open(&next, &settings, town.snapshot, town.metrics, stderr));
    loop_use_snapshot(town.loop, next);
    loop_use_snapshot(town.loop, next); /* before the first was taken, or after: either way none is lost */
    snapshot_release(&next);
    snapshot_release(&town.snapshot); /* the stream holds it still */

    assert_served(&town, "/moved/x");
    idle = town_client(&town);
    assert_int_equal(0, recv(idle, &byte, 1, 0)); /* by the new header_time: the old one is longer than the test waits */
    town_say(upstream, "9\r\ndata: b\n\n\r\n0\r\n\r\n");
    assert_true(town_hear(client, room, "data: b\n\n\r\n0\r\n\r\n"));
    (void)close(idle);
    (void)close(client);
    (void)close(upstream);
    town_close(&town);
    free(room);
}

static void a_snapshot_that_no_turn_took_is_let_go_with_the_loop(void **state)
{
    struct town town;
    struct loop_options options;
    struct loop *second = NULL;

    (void)state;
    town_open(&town);
    options = (struct loop_options){0, 1, town.snapshot, town.admit, town.metrics};
    assert_status(STATUS_OK, loop_open(&second, &options, &town.address));
    loop_use_snapshot(second, town.snapshot);
    loop_close(&second);
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_shows_that_it_turns_until_it_ends),
        cmocka_unit_test(a_loop_that_was_never_started_closes),
        cmocka_unit_test(a_port_that_is_taken_is_told),
        cmocka_unit_test(a_drain_closes_idle_clients_and_takes_no_new_ones),
        cmocka_unit_test(a_drain_lets_a_running_answer_end),
        cmocka_unit_test(a_new_snapshot_serves_new_requests_and_leaves_running_ones_theirs),
        cmocka_unit_test(a_snapshot_that_no_turn_took_is_let_go_with_the_loop),
        cmocka_unit_test(who_connects_while_a_drain_lasts_hears_503),
        cmocka_unit_test(who_was_told_does_not_keep_the_others_coming),
        cmocka_unit_test(a_loop_that_leads_serves_all_but_keeps_no_connection),
        cmocka_unit_test(an_answer_that_outlives_the_drain_ends_with_an_error_event),
    };

    return cmocka_run_group_tests(tests, town_set_up, NULL);
}

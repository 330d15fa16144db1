/* Tests of exchange_admit and exchange_wait together: requests that come in one turn of the loop, and more than it begins. A turn
 * begins where libuv waits for sockets: this program's epoll_wait stands before the C library's, with a gate. */
#include "gateway/exchange.h"

#include "support/stall.h"
#include "support/town.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>

static sem_t arrived, passes;      /* of the loop, at the gate before its turns */
static atomic_bool has_gate;

static bool is_loop(void)
{
    char name[16] = "";

    return pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, "loop") == 0;
}

int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask)
{
    if (atomic_load(&has_gate) && is_loop()) {
        (void)sem_post(&arrived);
        (void)sem_wait(&passes);
    }
    return (int)syscall(SYS_epoll_pwait, epoll, events, room, timeout_ms, mask, (size_t)_NSIG / 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout_ms)
{
    return epoll_pwait(epoll, events, room, timeout_ms, NULL);
}

/* When it returns the loop stands at the gate. */
static void close_gate(void)
{
    assert_int_equal(0, sem_init(&arrived, 0, 0));
    assert_int_equal(0, sem_init(&passes, 0, 0));
    atomic_store(&has_gate, true);
    (void)sem_wait(&arrived);
}

/* One turn, with all that came before. */
static void let_turn(void)
{
    (void)sem_post(&passes);
    (void)sem_wait(&arrived);
}

static void open_gate(void)
{
    atomic_store(&has_gate, false);
    (void)sem_post(&passes);
}

static int64_t paced(const struct town *town)
{
    return series_value(metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_paced", "", NULL, 0));
}

/* Clients whose requests come in one turn of the loop, each from an address of its own as a trusted proxy names it. */
static void open_crowd(struct town *town, int *clients, int count, uint64_t in_flight)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    town_init(town);
    town->settings.gateway.limits.connections = town->settings.gateway.limits.connections_per_address = 256;
    town->settings.gateway.limits.in_flight = in_flight;
    town->settings.gateway.limits.upstream_connections = 256;
    town->settings.gateway.trusted_proxy_count = 1;
    (void)snprintf(town->settings.gateway.trusted_proxies[0], sizeof town->settings.gateway.trusted_proxies[0], "127.0.0.1");
    town_start(town);
    for (int index = 0; index < count; index++) {
        clients[index] = town_client(town);
    }
    while (admit_connections(town->admit) != (uint64_t)count && clock_ms() < end_ms) { /* one more while it looks for it */
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(count, admit_connections(town->admit));
}

static void say_from(int client, const char *path, const char *address)
{
    char request[256];

    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %s\r\n\r\n", path, address);
    town_say(client, request);
}

/* More than one turn begins, of one caller, and after them one of another: it goes to the upstream long before its time of coming
 * would have it. */
static void a_burst_of_one_caller_does_not_delay_another(void **state)
{
    enum { BURST = PACE_BEGINS + 16, COUNT = BURST + 1 };
    int clients[COUNT], upstreams[COUNT], at = -1;
    char *asked = town_room();
    struct town town;

    (void)state;
    open_crowd(&town, clients, COUNT, 128);
    stall_begin("loop");
    for (int index = 0; index < BURST; index++) {
        say_from(clients[index], "/plain/burst", "192.0.2.1");
    }
    say_from(clients[BURST], "/plain/single", "192.0.2.2");
    stall_end();
    for (int index = 0; index < COUNT; index++) {
        upstreams[index] = town_upstream(&town);
        asked[0] = '\0';
        assert_true(town_hear(upstreams[index], asked, "\r\n\r\n"));
        at = strstr(asked, "GET /single ") != NULL ? index : at;
    }
    assert_in_range(at, PACE_BEGINS, PACE_BEGINS + 1);
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
        (void)close(upstreams[index]);
    }
    free(asked);
    town_close(&town);
}

/* While requests wait, half of the places are for those who have no more than their share. */
static void a_burst_leaves_places_to_others(void **state)
{
    enum { PLACES = 3 * PACE_BEGINS, BURST = PACE_BEGINS + PLACES / 2, COUNT = BURST + 2 };
    const int own = PLACES / PACE_SHARE_PART - 1; /* beside the other's */
    int clients[COUNT];
    char *room = town_room();
    struct town town;

    (void)state;
    open_crowd(&town, clients, COUNT, PLACES);
    stall_begin("loop");
    say_from(clients[0], "/plain/other", "192.0.2.2");
    for (int index = 1; index <= BURST; index++) {
        say_from(clients[index], "/plain/burst", "192.0.2.1");
    }
    say_from(clients[BURST + 1], "/plain/other", "192.0.2.2");
    stall_end();
    for (int index = own + 1; index <= BURST; index++) {
        room[0] = '\0';
        assert_true(town_hear(clients[index], room, "overloaded\"}}"));
        town_holds(room, "the gateway is overloaded");
    }
    while (admit_in_flight(town.admit) != (uint64_t)own + 2) { /* both others, too */
        (void)poll(NULL, 0, 1);
    }
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
    }
    free(room);
    town_close(&town);
}

/* A connection is not heard for a while when it is the processor that is short. */
static void who_is_turned_away_for_want_of_time_rests(void **state)
{
    enum { PLACES = PACE_BEGINS + 8, COUNT = PLACES + 1 };
    int clients[COUNT];
    char *room = town_room();
    uint64_t begun_ms;
    struct town town;

    (void)state;
    open_crowd(&town, clients, COUNT, PLACES);
    stall_begin("loop");
    for (int index = 0; index < COUNT; index++) {
        say_from(clients[index], "/plain/x", "192.0.2.1");
    }
    begun_ms = clock_ms();
    stall_end();
    assert_true(town_hear(clients[PLACES], room, "overloaded\"}}"));
    town_holds(room, "as many requests in flight as it may");
    assert_true(clock_ms() - begun_ms < 1000 * RETRY_AFTER_S);
    town_post(clients[PLACES], "/nowhere", "", "b");
    room[0] = '\0';
    assert_true(town_hear(clients[PLACES], room, "HTTP/1.1 404 "));
    assert_true(clock_ms() - begun_ms >= 1000 * RETRY_AFTER_S);
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
    }
    free(room);
    town_close(&town);
}

/* A line of PACE_LINE that has stood for so long; then a further request of its caller, and one of another: how many wait. */
static int64_t waiting_after(uint64_t stood_ms)
{
    enum { BURST = 2 * PACE_BEGINS + PACE_LINE, COUNT = BURST + 2 };
    const uint64_t now_ms = clock_ms();
    int clients[COUNT];
    struct town town;
    int64_t waiting;

    open_crowd(&town, clients, COUNT, 4 * COUNT);
    clock_freeze(now_ms);
    close_gate();
    for (int index = 0; index < BURST; index++) {
        say_from(clients[index], "/plain/burst", "192.0.2.1");
    }
    let_turn();
    assert_int_equal(PACE_LINE, paced(&town));
    clock_freeze(now_ms + stood_ms);
    say_from(clients[BURST], "/plain/burst", "192.0.2.1");
    say_from(clients[BURST + 1], "/plain/other", "192.0.2.2");
    let_turn();
    waiting = paced(&town) + PACE_BEGINS - PACE_LINE;
    if (waiting == 1) {
        char *room = town_room();

        open_gate();
        assert_true(town_hear(clients[BURST], room, "overloaded\"}}"));
        town_holds(room, "the gateway is overloaded");
        free(room);
    } else {
        open_gate();
    }
    clock_freeze(0);
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
    }
    town_close(&town);
    return waiting;
}

/* Who has a fair share or more does not wait in a long line of a full loop; others do, and all do in a burst. */
static void the_line_of_a_full_loop_is_short(void **state)
{
    (void)state;
    assert_int_equal(2, waiting_after(PACE_STANDING_MS - 1));
    assert_int_equal(1, waiting_after(PACE_STANDING_MS));
}

/* A stream of which the client takes nothing, until some of it waits in the gateway. */
static void stall_stream(const struct town *town, int upstream)
{
    struct series *unsent = metrics_series(town->metrics, METRIC_GAUGE, "prismguard_gateway_unsent_bytes", "", NULL, 0);
    char comment[KIB];

    memset(comment, ':', sizeof comment);
    town_say(upstream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    while (series_value(unsent) == 0) {
        struct pollfd item = {.fd = upstream, .events = POLLOUT};

        if (poll(&item, 1, 1) == 1) {
            (void)!send(upstream, comment, sizeof comment, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
}

static int64_t overloaded(const struct town *town)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, "prismguard_gateway_errors_total", "",
                                       &(struct metric_label){"error", "overloaded"}, 1));
}

/* The answer to one that was turned away. */
static void assert_told(int client)
{
    char *room = town_room();
    const char *field;

    assert_true(town_hear(client, room, "overloaded\"}}"));
    town_holds(room, "HTTP/1.1 503 ");
    town_holds(room, "the gateway is overloaded");
    field = strstr(room, "\r\nRetry-After: ");
    assert_non_null(field);
    assert_in_range(strtoul(field + strlen("\r\nRetry-After: "), NULL, 10), 1, RETRY_AFTER_S + OVERLOAD_RETRY_SPREAD_S - 1);
    free(room);
}

/* Of what comes in a turn it begins PACE_BEGINS, and as many at its end; so does the next at its end, and a few are left that have
 * waited for so long when the loop looks at its line. */
static void assert_refused_after(uint64_t waited_ms, int refused)
{
    enum { LEFT = 4, COUNT = 3 * PACE_BEGINS + LEFT };
    const uint64_t now_ms = clock_ms();
    int clients[COUNT];
    struct town town;

    open_crowd(&town, clients, COUNT, 4 * COUNT);
    clock_freeze(now_ms);
    close_gate();
    for (int index = 0; index < COUNT; index++) {
        say_from(clients[index], "/plain/x", "192.0.2.1");
    }
    let_turn();
    assert_int_equal(LEFT, paced(&town) - PACE_BEGINS);
    clock_freeze(now_ms + waited_ms);
    (void)poll(NULL, 0, 2 * LOOP_TICK_MS); /* the look is due, and comes after what the turn begins */
    let_turn();
    assert_int_equal(LEFT - refused, paced(&town));
    open_gate();
    while (paced(&town) > 0) {
        (void)poll(NULL, 0, 1);
    }
    for (int index = COUNT - refused; index < COUNT; index++) {
        assert_told(clients[index]);
    }
    assert_int_equal(refused, overloaded(&town));
    assert_int_equal(COUNT - refused, admit_in_flight(town.admit));
    clock_freeze(0);
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
    }
    town_close(&town);
}

static void who_has_waited_in_line_for_a_second_is_refused(void **state)
{
    (void)state;
    assert_refused_after(PACE_WAIT_MAX_MS - 1, 0);
    assert_refused_after(PACE_WAIT_MAX_MS, 4);
}

/* It holds its place in flight for as long as its client likes, and none of what a turn begins at once and at its end. */
static void a_stream_that_stalls_makes_nobody_wait(void **state)
{
    enum { COUNT = 1 + 2 * PACE_BEGINS };
    int clients[COUNT], upstream;
    char *room = town_room();
    struct town town;

    (void)state;
    open_crowd(&town, clients, COUNT, 4 * COUNT);
    say_from(clients[0], "/plain/stream", "192.0.2.1");
    upstream = town_upstream(&town);
    assert_true(town_hear(upstream, room, "\r\n\r\n"));
    stall_stream(&town, upstream);
    close_gate();
    for (int index = 1; index < COUNT; index++) {
        say_from(clients[index], "/plain/x", "192.0.2.1");
    }
    let_turn();
    assert_int_equal(0, paced(&town));
    assert_int_equal(COUNT, admit_in_flight(town.admit));
    open_gate();
    for (int index = 0; index < COUNT; index++) {
        (void)close(clients[index]);
    }
    (void)close(upstream);
    free(room);
    town_close(&town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_one_caller_does_not_delay_another),
        cmocka_unit_test(a_burst_leaves_places_to_others),
        cmocka_unit_test(who_is_turned_away_for_want_of_time_rests),
        cmocka_unit_test(the_line_of_a_full_loop_is_short),
        cmocka_unit_test(who_has_waited_in_line_for_a_second_is_refused),
        cmocka_unit_test(a_stream_that_stalls_makes_nobody_wait),
    };
    return cmocka_run_group_tests(tests, town_set_up, NULL);
}

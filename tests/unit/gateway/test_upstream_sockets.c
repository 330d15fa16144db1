/* upstream_sockets: connections are reused and bounded, watched with few system calls, and no socket that libcurl closes
 * behind our back is left in the loop. */
#include "support/transfer.h"

#include "gateway/upstream_inside.h"

static const struct bytes no_body = {NULL, 0};

static void answer_ok(struct server_connection *connection, void *context)
{
    (void)context;
    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
    server_tell(connection->server);
}

enum { MANY = 40 };

/* Answers when all of MANY have asked, so that no answered one lends its connection to one that has still to connect. */
static void answer_when_all_asked(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        while (atomic_load(&connection->server->requests) < MANY) {
            (void)poll(NULL, 0, 1);
        }
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        server_await_close(connection);
    }
    server_tell(connection->server);
}

static int64_t connections(const struct world *world)
{
    return world_count(world, METRIC_GAUGE, "prismguard_gateway_upstream_connections");
}

static int64_t idle(const struct world *world)
{
    return world_count(world, METRIC_GAUGE, "prismguard_gateway_upstream_idle");
}

static void one_after_another_share_one_connection_and_one_handle(void **state)
{
    struct server *server = server_open(answer_ok, NULL);
    struct world world;
    struct transfer *first = NULL;

    (void)state;
    world_open(&world);
    for (int times = 0; times < 200; times++) {
        struct record record;

        record_init(&record, &world);
        assert_status(STATUS_OK, record_start(&record, server->port, times % 2 == 0 ? "GET" : "POST", "/",
                                              times % 2 == 0 ? no_body : BYTES("{}")));
        first = first == NULL ? record.transfer : first;
        assert_ptr_equal(first, record.transfer);
        record_await(&record);
        assert_int_equal(TRANSFER_OK, record.failure);
        record_free(&record);
    }
    assert_int_equal(1, atomic_load(&server->accepted));
    assert_int_equal(200, atomic_load(&server->requests));
    assert_int_equal(1, connections(&world));
    (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_int_equal(1, idle(&world));
    assert_int_equal(1, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total"));
    world_close(&world);
    server_close(server);
}

/* The client's end of a connection to this port. */
static int descriptor_to(unsigned port)
{
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        struct sockaddr_in peer = {0};
        socklen_t bytes = sizeof peer;

        if (getpeername(descriptor, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port) {
            return descriptor;
        }
    }
    return -1;
}

static void the_kernel_takes_so_much_of_an_answer_and_no_more(void **state)
{
    static const uint64_t sizes[] = {16 * KIB, 64 * KIB};

    (void)state;
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        struct server *server = server_open(answer_ok, NULL);
        struct world world;
        struct record record;
        socklen_t size = sizeof(int);
        int held = 0;

        world_settings(&world);
        world.settings.limits.upstream_buffer_bytes = sizes[index];
        world_start(&world);
        record_init(&record, &world);
        assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
        record_await(&record);
        assert_int_equal(TRANSFER_OK, record.failure);
        /* Not what the system begins with, and grows by itself: a size that was set doubles and stays. */
        assert_int_equal(0, getsockopt(descriptor_to(server->port), SOL_SOCKET, SO_RCVBUF, &held, &size));
        assert_int_equal(2 * sizes[index], held);
        record_close(&record, server);
    }
}

static void await_all(struct record *records, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        record_await(&records[index]);
        assert_string_equal("ok", transfer_failure_name(records[index].failure));
        record_free(&records[index]);
    }
}

static void many_at_once_have_a_connection_each_and_only_some_stay(void **state)
{
    static const unsigned idle_counts[] = {8, 1, 0};

    (void)state;
    for (size_t round = 0; round < 3; round++) {
        struct server *server = server_open(answer_when_all_asked, NULL);
        struct world world;
        struct record records[MANY];

        world_settings(&world);
        world.settings.limits.upstream_idle = idle_counts[round];
        world_start(&world);
        for (size_t index = 0; index < MANY; index++) {
            record_init(&records[index], &world);
            assert_status(STATUS_OK, record_start(&records[index], server->port, "GET", "/", no_body));
        }
        await_all(records, MANY);
        assert_int_equal(MANY, atomic_load(&server->accepted));
        for (size_t index = idle_counts[round]; index < MANY; index++) {
            sem_wait(&server->event); /* the others see their end */
        }
        assert_int_equal(idle_counts[round], connections(&world));
        world_close(&world);
        server_close(server);
    }
}

static void keep_waiting(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        server_await_close(connection);
    }
}

static void the_connections_of_a_host_are_bounded(void **state)
{
    struct server *server = server_open(keep_waiting, NULL);
    struct world world;
    struct record records[4];

    (void)state;
    world_settings(&world);
    world.settings.limits.upstream_connections = 3;
    world_start(&world);
    for (size_t index = 0; index < 4; index++) {
        record_init(&records[index], &world);
        assert_status(index < 3 ? STATUS_OK : STATUS_FULL,
                      record_start(&records[index], server->port, "GET", "/", no_body));
    }
    assert_int_equal(1, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_full_total"));
    record_cancel(&records[1]);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_status(STATUS_OK, record_start(&records[3], server->port, "GET", "/", no_body));
    for (size_t index = 0; index < 4; index++) {
        record_free(&records[index]);
    }
    world_close(&world); /* cancels the three that still run */
    server_close(server);
}

/* Two loops of one process. */
static void two_worlds(struct world *first, struct world *second, uint64_t connections, uint64_t idle)
{
    world_settings(first);
    first->settings.limits.upstream_connections = connections;
    first->settings.limits.upstream_idle = idle;
    first->part.loops = 2;
    world_start(first);
    world_settings(second);
    second->settings.limits = first->settings.limits;
    second->part = (struct upstream_part){first->part.hosts, 1, 2};
    world_start(second);
}

static void the_connections_of_a_host_are_bounded_over_all_loops(void **state)
{
    struct server *server = server_open(keep_waiting, NULL);
    struct world first, second;
    struct record records[4], extra;

    (void)state;
    two_worlds(&first, &second, 4, 4);
    for (size_t index = 0; index < 4; index++) {
        record_init(&records[index], index % 2 == 0 ? &first : &second);
        assert_status(STATUS_OK, record_start(&records[index], server->port, "GET", "/", no_body));
    }
    record_init(&extra, &second);
    assert_status(STATUS_FULL, record_start(&extra, server->port, "GET", "/", no_body));
    extra.world = &first;
    assert_status(STATUS_FULL, record_start(&extra, server->port, "GET", "/", no_body));
    record_cancel(&records[0]);
    (void)uv_run(&first.loop, UV_RUN_NOWAIT);
    extra.world = &second; /* what one loop gives back another may take */
    assert_status(STATUS_OK, record_start(&extra, server->port, "GET", "/", no_body));
    for (size_t index = 0; index < 4; index++) {
        record_free(&records[index]);
    }
    record_free(&extra);
    world_close(&second);
    world_close(&first);
    server_close(server);
}

static void idle_connections_are_bounded_over_all_loops(void **state)
{
    static const unsigned idle_counts[] = {5, 1, 0};

    (void)state;
    for (size_t round = 0; round < 3; round++) {
        struct server *server = server_open(answer_ok, NULL);
        struct world worlds[2];
        struct record records[2 * MANY];

        two_worlds(&worlds[0], &worlds[1], 2 * MANY, idle_counts[round]);
        for (size_t index = 0; index < 2 * MANY; index++) {
            record_init(&records[index], &worlds[index / MANY]);
            assert_status(STATUS_OK, record_start(&records[index], server->port, "GET", "/", no_body));
        }
        await_all(records, 2 * MANY);
        for (size_t index = idle_counts[round]; index < 2 * MANY; index++) {
            sem_wait(&server->event); /* the others see their end */
        }
        assert_int_equal(idle_counts[round], connections(&worlds[0]) + connections(&worlds[1]));
        world_close(&worlds[1]);
        world_close(&worlds[0]);
        server_close(server);
    }
}

/* Answers one request and closes. */
static void answer_and_close(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
}

static void count_turn(uv_check_t *check)
{
    (*(unsigned *)check->data)++;
}

static void end_wait(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void an_idle_connection_that_its_upstream_closes_keeps_nobody_busy(void **state)
{
    struct server *server = server_open(answer_and_close, NULL);
    struct world world;
    struct record record;
    uv_check_t check;
    uv_timer_t timer;
    unsigned turns = 0;

    (void)state;
    world_open(&world);
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_OK, record.failure);
    record_free(&record);
    uv_check_init(&world.loop, &check);
    check.data = &turns;
    uv_check_start(&check, count_turn);
    uv_timer_init(&world.loop, &timer);
    uv_timer_start(&timer, end_wait, 100, 0);
    (void)uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_in_range(turns, 1, 5);
    record_get(&record, &world, server->port, "/"); /* and the dead one is not used again */
    assert_int_equal(TRANSFER_OK, record.failure);
    record_free(&record);
    uv_close((uv_handle_t *)&check, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    world_close(&world);
    server_close(server);
}

/* What a server sends when it is told to, though nobody has asked. */
struct unasked {
    sem_t go;
    size_t answers;
};

static void answer_and_go_on(struct server_connection *connection, void *context)
{
    struct unasked *unasked = context;

    while (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        if (atomic_load(&connection->server->requests) == 1) {
            bool open = true;

            (void)sem_wait(&unasked->go);
            for (size_t times = 0; times < unasked->answers && open; times++) {
                open = server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
                if (times == 0) {
                    server_tell(connection->server);
                }
            }
        }
    }
}

static void ask_over_what_nobody_asked_for(size_t answers)
{
    struct unasked unasked = {.answers = answers};
    struct server *server;
    struct world world;
    struct record record;

    assert_int_equal(0, sem_init(&unasked.go, 0, 0));
    server = server_open(answer_and_go_on, &unasked);
    world_open(&world);
    record_get(&record, &world, server->port, "/");
    record_free(&record);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_int_equal(1, idle(&world));
    (void)sem_post(&unasked.go);
    sem_wait(&server->event);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_int_equal(1, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_unasked_total"));
    record_get(&record, &world, server->port, "/");
    assert_int_equal(TRANSFER_OK, record.failure);
    assert_bytes("{}", buffer_view(&record.body));
    assert_int_equal(2, atomic_load(&server->accepted));
    record_close(&record, server);
    (void)sem_destroy(&unasked.go);
}

static void what_comes_over_an_idle_connection_answers_nobody(void **state)
{
    (void)state;
    ask_over_what_nobody_asked_for(1);
}

static void more_than_is_taken_out_of_an_idle_connection_answers_nobody_either(void **state)
{
    (void)state;
    ask_over_what_nobody_asked_for((size_t)16 * UPSTREAM_UNASKED_BYTES_MAX);
}

/* Says so before, so that nobody tries to use the connection again. */
static void answer_and_say_goodbye(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection)) {
        (void)server_write_text(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
    }
}

/* A flood that the reader pauses at once. */
static void flood(struct server_connection *connection, void *context)
{
    static char piece[65536];

    (void)context;
    if (server_read_request(connection) && server_write_text(connection, "HTTP/1.1 200 OK\r\n\r\n")) {
        while (server_write(connection, (struct bytes){piece, sizeof piece})) {
        }
    }
}

static bool take_nothing(struct record *record, struct bytes chunk)
{
    (void)record;
    (void)chunk;
    return false;
}

static void a_paused_transfer_keeps_nobody_busy(void **state)
{
    struct server *server = server_open(flood, NULL);
    struct world world;
    struct record record;
    uv_check_t check;
    uv_timer_t timer;
    unsigned turns = 0;

    (void)state;
    record_open(&record, &world);
    record.on_body = take_nothing;
    assert_status(STATUS_OK, record_start(&record, server->port, "GET", "/", no_body));
    uv_check_init(&world.loop, &check);
    check.data = &turns;
    uv_check_start(&check, count_turn);
    uv_timer_init(&world.loop, &timer);
    uv_timer_start(&timer, end_wait, 150, 0);
    (void)uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_in_range(turns, 1, 15);
    assert_int_equal(1, connections(&world));
    assert_int_equal(0, idle(&world)); /* it waits for its client, not for a request */
    uv_close((uv_handle_t *)&check, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    record_close(&record, server);
}

/* A listener on `address` with the server's port whose queue is full: connects to it neither succeed nor fail. */
struct black_hole {
    int listener;
    int fillers[4];
};

static void black_hole_open(struct black_hole *hole, const char *text, unsigned port)
{
    struct sockaddr_in narrow = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 wide = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_wide = strchr(text, ':') != NULL;
    struct sockaddr *address = is_wide ? (struct sockaddr *)&wide : (struct sockaddr *)&narrow;
    socklen_t size = is_wide ? sizeof wide : sizeof narrow;

    assert_int_equal(1, inet_pton(address->sa_family, text, is_wide ? (void *)&wide.sin6_addr : (void *)&narrow.sin_addr));
    hole->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(hole->listener, address, size));
    assert_int_equal(0, listen(hole->listener, 0));
    for (size_t index = 0; index < 4; index++) {
        hole->fillers[index] = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(hole->fillers[index], address, size);
    }
}

static void black_hole_close(struct black_hole *hole)
{
    for (size_t index = 0; index < 4; index++) {
        (void)close(hole->fillers[index]);
    }
    (void)close(hole->listener);
}

/* A GET of a name whose addresses are `addresses`, whatever the system's resolver says. */
static void get_by_addresses(struct record *record, struct world *world, unsigned port, const char *addresses)
{
    char url[64];
    struct transfer_request request = {.method = BYTES("GET"), .fields = world->no_fields};

    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://localhost:%u/", port)};
    record_init(record, world);
    assert_status(STATUS_OK, record_request(record, &request));
    while (record->transfer->phase == PHASE_RESOLVING) {
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    if (record->transfer->phase == PHASE_READY) {
        struct transfer *transfer = record->transfer;

        assert_status(STATUS_OK, upstream_options_way(transfer, bytes_of(addresses)));
        assert_status(STATUS_OK, upstream_options_attempt(transfer, world->settings.limits.connect_ms));
    }
    record_await(record);
}

/* The name is known to the resolver, so that the next transfer is ready as soon as it has begun. */
static void learn_name(struct world *world, const struct server *server)
{
    struct record record;

    get_by_addresses(&record, world, server->port, "127.0.0.1");
    record_free(&record);
}

static void an_address_that_refuses_or_hangs_gives_way_to_the_next(void **state)
{
    static const char *const lists[] = {
        "127.0.0.3,127.0.0.1",            /* refused, then taken: the same number of a socket */
        "127.0.0.2,127.0.0.1",            /* hangs for half the time, then taken */
        "127.0.0.3,127.0.0.2,127.0.0.1",
        "[::1],127.0.0.1",                /* the second begins while the first hangs, and wins */
        "[::1],127.0.0.3,127.0.0.1",
    };
    struct server *server = server_open(answer_and_say_goodbye, NULL);
    struct black_hole holes[2];
    struct world world;

    (void)state;
    black_hole_open(&holes[0], "127.0.0.2", server->port);
    black_hole_open(&holes[1], "::1", server->port);
    world_settings(&world);
    world.settings.limits.connect_ms = 1200;
    world_start(&world);
    learn_name(&world, server);
    for (size_t index = 0; index < sizeof lists / sizeof lists[0]; index++) {
        struct record record;

        get_by_addresses(&record, &world, server->port, lists[index]);
        if (record.failure != TRANSFER_OK) {
            fail_msg("%s: %s", lists[index], transfer_failure_name(record.failure));
        }
        record_free(&record);
    }
    world_close(&world);
    black_hole_close(&holes[0]);
    black_hole_close(&holes[1]);
    server_close(server);
}

static void addresses_that_all_hang_are_cut_by_the_connect_time(void **state)
{
    struct server *server = server_open(answer_and_say_goodbye, NULL);
    struct black_hole holes[2];
    struct world world;
    struct record record;

    (void)state;
    black_hole_open(&holes[0], "127.0.0.2", server->port);
    black_hole_open(&holes[1], "::1", server->port);
    world_settings(&world);
    world.settings.limits.connect_ms = 400;
    world_start(&world);
    learn_name(&world, server);
    for (int times = 0; times < 3; times++) {
        get_by_addresses(&record, &world, server->port, "[::1],127.0.0.2");
        assert_string_equal("connect", transfer_failure_name(record.failure));
        assert_false(record.sent_any);
        record_free(&record);
    }
    get_by_addresses(&record, &world, server->port, "127.0.0.1"); /* nothing was left behind */
    assert_string_equal("ok", transfer_failure_name(record.failure));
    record_free(&record);
    world_close(&world);
    black_hole_close(&holes[0]);
    black_hole_close(&holes[1]);
    server_close(server);
}

static void the_guard_is_asked_again_at_the_very_address(void **state)
{
    struct server *server = server_open(answer_and_say_goodbye, NULL);
    struct world world;
    struct record record;

    (void)state;
    world_open(&world);
    learn_name(&world, server);
    get_by_addresses(&record, &world, server->port, "169.254.169.254"); /* as if a name server had changed its mind */
    assert_string_equal("forbidden", transfer_failure_name(record.failure));
    assert_int_equal(1, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_addresses_refused_total"));
    record_free(&record);
    get_by_addresses(&record, &world, server->port, "169.254.169.254,127.0.0.1"); /* and no other is tried */
    assert_string_equal("forbidden", transfer_failure_name(record.failure));
    record_free(&record);
    world_close(&world);
    assert_int_equal(1, atomic_load(&server->requests));
    server_close(server);
}

/* Answers the first request of a connection and dies after reading the second. */
static void answer_once_then_die(struct server_connection *connection, void *context)
{
    (void)context;
    if (server_read_request(connection) &&
        server_write_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) {
        (void)server_read_request(connection);
    }
}

static void a_second_try_that_hangs_leaves_no_socket_in_the_loop(void **state)
{
    struct server *server = server_open(answer_once_then_die, NULL);
    struct black_hole hole;
    struct world world;
    struct record record;

    (void)state;
    black_hole_open(&hole, "127.0.0.2", server->port);
    world_settings(&world);
    world.settings.limits.connect_ms = 300;
    world_start(&world);
    learn_name(&world, server);
    get_by_addresses(&record, &world, server->port, "127.0.0.2"); /* over the connection that is there, which dies */
    assert_string_equal("broken", transfer_failure_name(record.failure));
    assert_true(record.sent_any);
    assert_int_equal(2, atomic_load(&server->requests));
    assert_int_equal(2, world_count(&world, METRIC_COUNTER, "prismguard_gateway_upstream_connects_total"));
    assert_int_equal(0, connections(&world));
    record_free(&record);
    world_close(&world);
    black_hole_close(&hole);
    server_close(server);
}

/* The first socket that the loop knows of. */
static int watched_socket(const struct upstream *upstream)
{
    for (size_t index = 0; index < upstream->watches_room; index++) {
        if (upstream->watches[index] != NULL) {
            return (int)index;
        }
    }
    return -1;
}

/* libcurl closes a socket without a word and the next one gets its number: here the test does it to libcurl. */
static void a_number_that_comes_back_is_watched_anew(void **state)
{
    struct server *server = server_open(answer_and_say_goodbye, NULL);
    struct curl_sockaddr address = {.family = AF_INET, .socktype = SOCK_STREAM, .protocol = IPPROTO_TCP};
    struct sockaddr_in real = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct black_hole hole;
    struct world world;
    struct record record;
    char url[64];
    struct transfer_request request = {.method = BYTES("GET")};
    int before = -1;

    (void)state;
    black_hole_open(&hole, "127.0.0.2", server->port);
    world_settings(&world);
    world.settings.limits.connect_ms = 2000;
    world_start(&world);
    record_init(&record, &world);
    request.fields = world.no_fields;
    request.url = (struct bytes){url, (size_t)snprintf(url, sizeof url, "http://127.0.0.2:%u/", server->port)};
    assert_status(STATUS_OK, record_request(&record, &request));
    /* libcurl looks again by itself after this time; only the loop may tell it before. */
    assert_int_equal(CURLE_OK, curl_easy_setopt(record.transfer->easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 60000L));
    while ((before = watched_socket(world.upstream)) < 0) {
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    (void)uv_run(&world.loop, UV_RUN_NOWAIT); /* it is in epoll's set now */
    real.sin_port = htons((uint16_t)server->port);
    memcpy(&address.addr, &real, sizeof real);
    assert_int_equal(0, close(before));
    assert_int_equal(before, upstream_socket_open(record.transfer, CURLSOCKTYPE_IPCXN, &address));
    (void)connect(before, (struct sockaddr *)&real, sizeof real);
    record_await(&record);
    assert_string_equal("ok", transfer_failure_name(record.failure));
    record_free(&record);
    world_close(&world);
    black_hole_close(&hole);
    server_close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_another_share_one_connection_and_one_handle),
        cmocka_unit_test(the_kernel_takes_so_much_of_an_answer_and_no_more),
        cmocka_unit_test(many_at_once_have_a_connection_each_and_only_some_stay),
        cmocka_unit_test(the_connections_of_a_host_are_bounded),
        cmocka_unit_test(the_connections_of_a_host_are_bounded_over_all_loops),
        cmocka_unit_test(idle_connections_are_bounded_over_all_loops),
        cmocka_unit_test(an_idle_connection_that_its_upstream_closes_keeps_nobody_busy),
        cmocka_unit_test(what_comes_over_an_idle_connection_answers_nobody),
        cmocka_unit_test(more_than_is_taken_out_of_an_idle_connection_answers_nobody_either),
        cmocka_unit_test(a_paused_transfer_keeps_nobody_busy),
        cmocka_unit_test(an_address_that_refuses_or_hangs_gives_way_to_the_next),
        cmocka_unit_test(addresses_that_all_hang_are_cut_by_the_connect_time),
        cmocka_unit_test(the_guard_is_asked_again_at_the_very_address),
        cmocka_unit_test(a_second_try_that_hangs_leaves_no_socket_in_the_loop),
        cmocka_unit_test(a_number_that_comes_back_is_watched_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

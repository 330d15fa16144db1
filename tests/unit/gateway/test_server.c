/* Tests of server: addresses, ports that are shared by loops, and what happens when there is no room. */
#include "gateway/server.h"

#include "proto/secret.h"
#include "support/client_world.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

struct fixture {
    struct world *world;
    struct admit *admit;
    struct pace *pace;
    struct server *server;
    struct server_address address;
};

static void on_server_room(void *context)
{
    struct fixture *fixture = context;

    fixture->world->closed++;
    admit_connection_end(fixture->admit);
    if (fixture->server != NULL) {
        server_room(fixture->server);
    }
}

static void on_server_turn(void *context)
{
    ((struct fixture *)context)->world->turns_wanted++;
}

static int set_up(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);

    assert_int_equal(0, world_open((void **)&fixture->world));
    fixture->world->limits.connections = 1;
    fixture->world->answer = "ok";
    fixture->world->events.closed = on_server_room;
    fixture->world->events.turn_wanted = on_server_turn;
    fixture->world->events.owner = fixture;
    assert_status(STATUS_OK, admit_open(&fixture->admit, &fixture->world->limits, fixture->world->metrics));
    assert_status(STATUS_OK, secret_start());
    assert_status(STATUS_OK, pace_open(&fixture->pace, fixture->world->metrics));
    assert_status(STATUS_OK, server_address(&fixture->address, "127.0.0.1:0"));
    assert_status(STATUS_OK, server_open(&fixture->server, &fixture->world->uv, &fixture->address, fixture->world->set,
                                         fixture->admit, fixture->pace));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    server_close(&fixture->server);
    server_close(&fixture->server);
    fixture->world->accepted = 0;
    connection_set_abort(fixture->world->set);
    for (int turn = 0; turn < 100; turn++) {
        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(0, admit_connections(fixture->admit));
    fixture->world->closed = 0;
    assert_int_equal(0, world_close((void **)&fixture->world));
    pace_close(&fixture->pace);
    admit_close(&fixture->admit);
    test_free(fixture);
    return 0;
}

/* A client of its own; the fixture's server accepts it when it has room. */
static int connect_to(const struct server_address *address)
{
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, connect(fd, (const struct sockaddr *)&address->socket, address->socket_bytes));
    assert_true(fcntl(fd, F_SETFL, O_NONBLOCK) >= 0);
    assert_int_equal(27, send(fd, "GET / HTTP/1.1\r\nHost: t\r\n\r\n", 27, MSG_NOSIGNAL));
    return fd;
}

static bool hears(struct fixture *fixture, int fd, const char *text)
{
    char room[64];
    size_t heard = 0;

    for (int turn = 0; turn < 2000 && heard < strlen(text); turn++) {
        ssize_t more = recv(fd, room + heard, sizeof room - heard, 0);

        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
        heard += more > 0 ? (size_t)more : 0;
    }
    return heard == strlen(text) && memcmp(room, text, heard) == 0;
}

static void turn_until_empty(struct fixture *fixture)
{
    for (int turn = 0; turn < TURNS_MAX && admit_connections(fixture->admit) > 0; turn++) {
        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    }
}

static void an_address_is_a_host_and_a_port(void **state)
{
    static const char *const good[][2] = {{"127.0.0.1:80", "127.0.0.1:80"}, {"[::1]:8080", "[::1]:8080"},
                                          {"0.0.0.0:0", "0.0.0.0:0"}};
    static const char *const bad[] = {"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999999", "[::1"};
    struct server_address address;
    struct buffer text;

    (void)state;
    buffer_init(&text, 100);
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        buffer_clear(&text);
        assert_status(STATUS_OK, server_address(&address, good[index][0]));
        assert_status(STATUS_OK, server_address_text(&address, &text));
        assert_bytes(good[index][1], buffer_view(&text));
    }
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_int_not_equal(STATUS_OK, server_address(&address, bad[index]));
    }
    buffer_free(&text);
}

static void two_loops_share_a_port_that_was_picked_by_the_first(void **state)
{
    struct fixture *fixture = *state;
    struct server *second = NULL;
    struct server_address address = fixture->address;
    struct buffer before, after;

    buffer_init(&before, 100);
    buffer_init(&after, 100);
    assert_status(STATUS_OK, server_address_text(&address, &before));
    assert_false(bytes_ends_with(buffer_view(&before), BYTES(":0")));
    assert_status(STATUS_OK, server_open(&second, &fixture->world->uv, &address, fixture->world->set, fixture->admit,
                                         fixture->pace));
    assert_status(STATUS_OK, server_address_text(&address, &after));
    assert_true(bytes_equal(buffer_view(&before), buffer_view(&after)));
    server_close(&second);
    buffer_free(&before);
    buffer_free(&after);
}

/* What the kernel was told: of a listening socket it shows the bound as what is not acknowledged (tcp_diag does the same). */
static void so_many_may_wait_to_be_accepted(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_in own;
    struct tcp_info info = {0};
    socklen_t bytes = 0;
    int allowed = 0;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");

    assert_non_null(file);
    assert_int_equal(1, fscanf(file, "%d", &allowed));
    assert_int_equal(0, fclose(file));
    for (int fd = 3; fd < 256 && bytes == 0; fd++) {
        socklen_t own_bytes = sizeof own;

        if (getsockname(fd, (struct sockaddr *)&own, &own_bytes) == 0 && own.sin_family == AF_INET &&
            own.sin_port == ((struct sockaddr_in *)&fixture->address.socket)->sin_port) {
            bytes = sizeof info;
            assert_int_equal(0, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes));
        }
    }
    assert_int_not_equal(0, bytes);
    assert_int_equal(allowed < LISTEN_BACKLOG ? allowed : LISTEN_BACKLOG, info.tcpi_sacked);
}

static void an_address_where_somebody_listens_is_not_vacant(void **state)
{
    struct fixture *fixture = *state;
    struct server_address address;

    assert_status(STATUS_IN_USE, server_vacant(&fixture->address));
    assert_status(STATUS_OK, server_address(&address, "127.0.0.1:0"));
    assert_status(STATUS_OK, server_vacant(&address));
    assert_status(STATUS_OK, server_address(&address, "unix:/tmp/nobody-listens-here"));
    assert_status(STATUS_OK, server_vacant(&address));
    assert_status(STATUS_OK, server_address(&address, "192.0.2.1:8080"));
    assert_status(STATUS_NOT_FOUND, server_vacant(&address));
}

static void an_address_of_another_machine_cannot_be_had(void **state)
{
    struct fixture *fixture = *state;
    struct server *server = NULL;
    struct server_address address;

    assert_status(STATUS_OK, server_address(&address, "192.0.2.1:0"));
    assert_status(STATUS_NOT_FOUND, server_open(&server, &fixture->world->uv, &address, fixture->world->set, fixture->admit,
                                                fixture->pace));
    assert_null(server);
}

static void beyond_the_bound_a_connection_is_told_and_then_left_waiting_for_room(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    int served, waiting;
    int told[SPARE_CONNECTIONS];

    world->answer = NULL; /* busy */
    served = connect_to(&fixture->address);
    turn_until(world->completes == 1);
    for (int index = 0; index < SPARE_CONNECTIONS; index++) {
        told[index] = connect_to(&fixture->address);
        assert_true(hears(fixture, told[index], "refused"));
        assert_int_equal(REFUSAL_CONNECTIONS, fixture->world->refusal);
    }
    waiting = connect_to(&fixture->address);
    assert_false(hears(fixture, waiting, "refused"));
    assert_int_equal(1 + SPARE_CONNECTIONS, admit_connections(fixture->admit));
    send_answer(world, "ok");
    assert_true(hears(fixture, served, "ok"));
    assert_int_equal(0, close(served));
    assert_true(hears(fixture, waiting, "refused"));
    assert_int_equal(0, close(waiting));
    for (int index = 0; index < SPARE_CONNECTIONS; index++) {
        assert_int_equal(0, close(told[index]));
    }
    turn_until_empty(fixture);
    world->answer = "ok";
    served = connect_to(&fixture->address);
    assert_true(hears(fixture, served, "ok"));
    assert_int_equal(0, close(served));
}

static void who_connects_at_the_end_is_told_and_nobody_gives_a_place(void **state)
{
    struct fixture *fixture = *state;
    int idle = connect_to(&fixture->address);
    int late[2];
    char byte;

    assert_true(hears(fixture, idle, "ok"));
    server_end(fixture->server);
    for (int index = 0; index < 2; index++) {
        late[index] = connect_to(&fixture->address);
        assert_true(hears(fixture, late[index], "refused"));
        assert_int_equal(REFUSAL_ENDING, fixture->world->refusal);
    }
    assert_int_equal(-1, recv(idle, &byte, 1, MSG_DONTWAIT)); /* not closed */
    assert_int_equal(EAGAIN, errno);
    for (int index = 0; index < 2; index++) {
        assert_int_equal(0, close(late[index]));
    }
    assert_int_equal(0, close(idle));
    turn_until_empty(fixture);
}

static void an_idle_connection_gives_its_place_to_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct world *world = fixture->world;
    int idle = connect_to(&fixture->address);
    int next;
    char byte;

    assert_true(hears(fixture, idle, "ok"));
    next = connect_to(&fixture->address);
    assert_true(hears(fixture, next, "ok"));
    assert_int_equal(REFUSAL_NONE, world->refusal);
    assert_int_equal(0, recv(idle, &byte, 1, 0)); /* closed */
    turn_until(admit_connections(fixture->admit) == 1);
    assert_int_equal(0, close(idle));
    assert_int_equal(0, close(next));
}

static void a_full_loop_takes_few_connections_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    int clients[PACE_ACCEPTS + 1];

    pace_crowd(fixture->pace);
    pace_tick(fixture->pace, 0, 100); /* it did not sleep */
    clock_freeze(1000);
    fixture->world->answer = NULL;
    for (int index = 0; index < PACE_ACCEPTS + 1; index++) {
        clients[index] = connect_to(&fixture->address);
    }
    for (int turn = 0; turn < 20; turn++) {
        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(PACE_ACCEPTS, admit_connections(fixture->admit));
    clock_freeze(1000 + ACCEPT_PAUSE_MS);
    server_room(fixture->server);
    assert_int_equal(PACE_ACCEPTS + 1, admit_connections(fixture->admit));
    clock_freeze(0);
    for (int index = 0; index < PACE_ACCEPTS + 1; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    turn_until_empty(fixture);
}

static void connections_wait_while_requests_do(void **state)
{
    struct fixture *fixture = *state;
    struct pace_member member = {0};
    int client = connect_to(&fixture->address);

    pace_stand(fixture->pace, &member, BYTES("a"), clock_ms());
    for (int turn = 0; turn < 20; turn++) {
        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(0, admit_connections(fixture->admit));
    pace_leave(fixture->pace, &member);
    server_room(fixture->server);
    assert_true(hears(fixture, client, "ok"));
    assert_int_equal(0, close(client));
}

static void under_overload_connections_wait_in_the_queue(void **state)
{
    struct fixture *fixture = *state;
    struct overload *overload = admit_overload(fixture->admit);
    int waiting;

    overload_tell(overload, SIGNAL_DESCRIPTORS, 97);
    overload_sample(overload);
    waiting = connect_to(&fixture->address);
    assert_false(hears(fixture, waiting, "ok"));
    server_room(fixture->server); /* as a tick does: it still waits */
    assert_int_equal(0, admit_connections(fixture->admit));
    overload_tell(overload, SIGNAL_DESCRIPTORS, 91);
    overload_sample(overload);
    server_room(fixture->server);
    assert_true(hears(fixture, waiting, "ok"));
    assert_int_equal(0, close(waiting));
}

static void without_descriptors_it_pauses_and_goes_on_by_itself(void **state)
{
    struct fixture *fixture = *state;
    int waiting = connect_to(&fixture->address);
    struct rlimit limit, none;

    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &limit));
    none = (struct rlimit){3, limit.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
    clock_freeze(1000);
    for (int turn = 0; turn < 20; turn++) {
        (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &limit));
    assert_int_equal(0, admit_connections(fixture->admit));
    clock_freeze(1000 + ACCEPT_PAUSE_MS - 1);
    server_room(fixture->server);
    assert_false(hears(fixture, waiting, "ok"));
    clock_freeze(1000 + ACCEPT_PAUSE_MS);
    server_room(fixture->server); /* as a tick does */
    assert_true(hears(fixture, waiting, "ok"));
    clock_freeze(0);
    assert_int_equal(0, close(waiting));
}

static void a_turn_takes_so_many_connections_and_the_next_the_rest(void **state)
{
    struct fixture *fixture = *state;
    int clients[ACCEPT_TURN_MAX + 1];

    fixture->world->answer = NULL;
    for (int index = 0; index < ACCEPT_TURN_MAX + 1; index++) {
        clients[index] = connect_to(&fixture->address);
    }
    (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    assert_int_equal(ACCEPT_TURN_MAX, admit_connections(fixture->admit));
    (void)uv_run(&fixture->world->uv, UV_RUN_NOWAIT);
    assert_int_equal(ACCEPT_TURN_MAX + 1, admit_connections(fixture->admit));
    for (int index = 0; index < ACCEPT_TURN_MAX + 1; index++) {
        assert_int_equal(0, close(clients[index]));
    }
    turn_until_empty(fixture);
}

/* This process's end of the connection. */
static int accepted_from(int client)
{
    struct sockaddr_in name, peer;
    socklen_t bytes = sizeof name;

    assert_int_equal(0, getsockname(client, (struct sockaddr *)&name, &bytes));
    for (int fd = 0; fd < 1024; fd++) {
        bytes = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 && peer.sin_family == AF_INET && peer.sin_port == name.sin_port) {
            return fd;
        }
    }
    return -1;
}

static void the_kernel_keeps_little_for_a_client_that_reads_nothing(void **state)
{
    static const char part[16 * KIB];
    struct fixture *fixture = *state;
    int client = connect_to(&fixture->address);
    int unsent_bytes = 0;
    size_t taken = 0;
    int fd;

    assert_true(hears(fixture, client, "ok"));
    fd = accepted_from(client);
    for (ssize_t more = 1; more > 0; taken += more > 0 ? (size_t)more : 0) {
        more = send(fd, part, sizeof part, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    assert_int_equal(EAGAIN, errno);
    assert_int_equal(0, ioctl(fd, SIOCOUTQNSD, &unsent_bytes));
    assert_in_range(unsent_bytes, 1, SOCKET_UNSENT_BYTES + sizeof part);
    assert_true(taken > SOCKET_UNSENT_BYTES); /* and what the client's side has room for */
    assert_int_equal(0, close(client));
    turn_until_empty(fixture);
}

int main(void)
{
#define with_server(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_server(an_address_is_a_host_and_a_port),
        with_server(two_loops_share_a_port_that_was_picked_by_the_first),
        with_server(so_many_may_wait_to_be_accepted),
        with_server(an_address_where_somebody_listens_is_not_vacant),
        with_server(an_address_of_another_machine_cannot_be_had),
        with_server(who_connects_at_the_end_is_told_and_nobody_gives_a_place),
        with_server(the_kernel_keeps_little_for_a_client_that_reads_nothing),
        with_server(an_idle_connection_gives_its_place_to_the_next),
        with_server(a_full_loop_takes_few_connections_at_a_time),
        with_server(connections_wait_while_requests_do),
        with_server(under_overload_connections_wait_in_the_queue),
        with_server(a_turn_takes_so_many_connections_and_the_next_the_rest),
        with_server(without_descriptors_it_pauses_and_goes_on_by_itself),
        with_server(beyond_the_bound_a_connection_is_told_and_then_left_waiting_for_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

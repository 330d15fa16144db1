/* Tests of lingering: a socket stays until its client, its time or its place ends, and its client never hears a reset before. */
#include "gateway/lingering.h"

#include "proto/clock.h"
#include "support/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct metrics *metrics;
    struct lingering lingering;
    int listener;
    struct sockaddr_in address;
};

static int set_up(void **state)
{
    struct fixture *fixture = test_malloc(sizeof *fixture);
    socklen_t bytes = sizeof fixture->address;

    fixture->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(fixture->listener, (const struct sockaddr *)&fixture->address, bytes));
    assert_int_equal(0, listen(fixture->listener, 2 * LINGERING_MAX));
    assert_int_equal(0, getsockname(fixture->listener, (struct sockaddr *)&fixture->address, &bytes));
    assert_status(STATUS_OK, metrics_open(&fixture->metrics));
    lingering_open(&fixture->lingering, fixture->metrics);
    clock_freeze(1000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    clock_freeze(0);
    lingering_close(&fixture->lingering);
    assert_int_equal(0, fixture->lingering.count);
    metrics_close(&fixture->metrics);
    (void)close(fixture->listener);
    test_free(fixture);
    return 0;
}

/* A client whose other end lingers from now on. */
static int linger(struct fixture *fixture)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, connect(client, (const struct sockaddr *)&fixture->address, sizeof fixture->address));
    lingering_take(&fixture->lingering, accept(fixture->listener, NULL, NULL));
    return client;
}

static int64_t ended(const struct fixture *fixture, enum lingering_end end)
{
    return series_value(fixture->lingering.ended[end]);
}

/* On loopback what one end does is known at the other when the call returns. */
static void assert_open(int client)
{
    char byte;

    assert_int_equal(1, send(client, "x", 1, MSG_NOSIGNAL));
    assert_int_equal(1, send(client, "x", 1, MSG_NOSIGNAL)); /* a reset would be told here */
    assert_int_equal(0, recv(client, &byte, 1, 0)); /* our side has ended */
}

static void a_client_that_ends_its_side_ends_it(void **state)
{
    struct fixture *fixture = *state;
    int client = linger(fixture);

    assert_open(client);
    lingering_tick(&fixture->lingering);
    assert_int_equal(1, fixture->lingering.count);
    assert_open(client);
    assert_int_equal(0, close(client));
    lingering_tick(&fixture->lingering); /* reads what was sent, */
    lingering_tick(&fixture->lingering); /* and the end */
    assert_int_equal(0, fixture->lingering.count);
    assert_int_equal(1, ended(fixture, LINGERED_CLIENT));
}

static void it_has_its_time_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    int client = linger(fixture);

    clock_freeze(1000 + LINGER_MS - 1);
    lingering_tick(&fixture->lingering);
    assert_open(client);
    clock_freeze(1000 + LINGER_MS);
    lingering_tick(&fixture->lingering);
    assert_int_equal(0, fixture->lingering.count);
    assert_int_equal(1, ended(fixture, LINGERED_TIME));
    (void)send(client, "x", 1, MSG_NOSIGNAL); /* answered by a reset */
    assert_int_equal(-1, send(client, "x", 1, MSG_NOSIGNAL));
    assert_int_equal(EPIPE, errno);
    assert_int_equal(0, close(client));
}

static void beyond_its_bound_the_oldest_goes(void **state)
{
    struct fixture *fixture = *state;
    int clients[LINGERING_MAX + 1];
    char byte;

    for (int index = 0; index < LINGERING_MAX; index++) {
        clients[index] = linger(fixture);
    }
    assert_int_equal(0, ended(fixture, LINGERED_ROOM));
    for (int index = 0; index < LINGERING_MAX; index++) {
        assert_open(clients[index]);
    }
    clients[LINGERING_MAX] = linger(fixture);
    assert_int_equal(LINGERING_MAX, fixture->lingering.count);
    assert_int_equal(1, ended(fixture, LINGERED_ROOM));
    assert_int_equal(0, recv(clients[0], &byte, 1, 0)); /* what it had sent was read: an end, and no reset */
    for (int index = 1; index <= LINGERING_MAX; index++) {
        assert_open(clients[index]);
    }
    for (int index = 0; index <= LINGERING_MAX; index++) {
        assert_int_equal(0, close(clients[index]));
    }
}

int main(void)
{
#define with_list(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        with_list(a_client_that_ends_its_side_ends_it),
        with_list(it_has_its_time_and_no_more),
        with_list(beyond_its_bound_the_oldest_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

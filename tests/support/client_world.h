/* client_world: a connection set on a loop, an owner that records what it is told, and a client on a real loopback socket.
 *
 * One thread is the loop and the client in turn, so that a test sees every turn. For tests of gateway/{connection,reply,server}.
 */
#ifndef TESTS_SUPPORT_CLIENT_WORLD_H
#define TESTS_SUPPORT_CLIENT_WORLD_H

#include "support/unit.h"

#include "gateway/connection.h"
#include "gateway/connection_set.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS_MAX = 20000, TURNS_BUSY = 1000, TEXT_BYTES_MAX = 4 * MIB };

/* What the owner of the connections was told, and what it is to do. */
struct world {
    uv_loop_t uv;
    int listening;
    uv_poll_t listener;
    uv_check_t check;
    struct limit_settings limits;
    struct metrics *metrics;
    struct admit *admit;
    struct connection_events events;
    struct connection_set *set;
    struct connection *connection; /* of the last head */
    struct buffer body;
    enum request_refusal refusal;  /* the last one */
    enum request_refusal greeting; /* for the next to be accepted */
    enum status room;              /* for a body's bytes */
    const char *answer;            /* sent when the request is complete; NULL: not now */
    void (*complete)(struct world *world); /* called instead, when set */
    bool answer_at_head;
    bool hold; /* the body */
    bool behind_proxy; /* the clients are */
    int accepted;
    int heads;
    int completes;
    int gone;
    int ended_now;
    int closed;
    int drained;
    int turns_wanted;
    int client;
};

static inline void send_answer(struct world *world, const char *text)
{
    assert_status(STATUS_OK, connection_write(world->connection, bytes_of(text)));
    connection_answer_done(world->connection, true);
}

static inline void *on_head(void *context, struct connection *connection)
{
    struct world *world = context;

    world->heads++;
    world->connection = connection;
    buffer_clear(&world->body);
    if (world->answer_at_head) {
        send_answer(world, world->answer);
        return NULL;
    }
    if (world->hold) {
        connection_hold(connection);
    }
    return world;
}

static inline enum status on_room(void *exchange, size_t bytes)
{
    assert_true(bytes > 0);
    return ((struct world *)exchange)->room;
}

static inline enum status on_body(void *exchange, struct bytes part)
{
    struct world *world = exchange;

    return buffer_append(&world->body, part);
}

static inline void on_complete(void *exchange)
{
    struct world *world = exchange;

    world->completes++;
    if (world->complete != NULL) {
        world->complete(world);
    } else if (world->answer != NULL) {
        send_answer(world, world->answer);
    }
}

static inline void on_refused(void *context, struct connection *connection, void *exchange, enum request_refusal refusal)
{
    struct world *world = context;

    assert_true(exchange == NULL || exchange == world);
    world->refusal = refusal;
    assert_status(STATUS_OK, connection_write(connection, BYTES("refused")));
    connection_answer_done(connection, false);
}

static inline void on_gone(void *exchange)
{
    ((struct world *)exchange)->gone++;
}

static inline void on_end_now(void *exchange)
{
    ((struct world *)exchange)->ended_now++;
}

static inline bool on_is_proxy(void *context, struct bytes address)
{
    return ((struct world *)context)->behind_proxy && bytes_equal(address, BYTES("127.0.0.1"));
}

static inline void on_closed(void *context)
{
    ((struct world *)context)->closed++;
}

/* The test turns the loop without sleeping. */
static inline void on_turn_wanted(void *owner)
{
    ((struct world *)owner)->turns_wanted++;
}

static inline void on_drained(void *context)
{
    ((struct world *)context)->drained++;
}

static inline void on_connection(uv_poll_t *listener, int result, int events)
{
    struct world *world = listener->data;
    int client = accept4(world->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    assert_int_equal(0, result);
    assert_int_equal(UV_READABLE, events);
    assert_true(client >= 0);
    assert_status(STATUS_OK, connection_set_accept(world->set, client, world->greeting));
    world->accepted++;
}

static inline void on_check(uv_check_t *check)
{
    connection_set_turn(((struct world *)check->data)->set);
}

static inline int world_open(void **state)
{
    struct world *world = test_calloc(1, sizeof *world);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    world->limits = (struct limit_settings){.connection_requests = 100, .keep_alive_ms = 30000, .header_line_bytes = 1024,
        .header_bytes = 4096, .header_fields = 20, .request_bytes = MIB, .header_time_ms = 10000, .body_time_ms = 20000,
        .write_stall_ms = 8000, .relay_buffer_bytes = 64 * KIB, .upstream_buffer_bytes = 128 * KIB, .sse_event_bytes = 64 * KIB};
    world->limits.connections = 64;
    world->limits.connections_per_address = 3;
    world->limits.in_flight = 64;
    world->limits.body_budget_bytes = world->limits.stream_budget_bytes = 64 * MIB;
    world->events = (struct connection_events){on_head, on_room, on_body,   on_complete,    on_refused, on_gone,
                                               on_end_now, on_is_proxy, world, on_closed, on_turn_wanted, world};
    world->client = -1;
    buffer_init(&world->body, MIB);
    assert_status(STATUS_OK, metrics_open(&world->metrics));
    assert_int_equal(0, uv_loop_init(&world->uv));
    assert_status(STATUS_OK, admit_open(&world->admit, &world->limits, world->metrics));
    assert_status(STATUS_OK, connection_set_open(&world->set, &world->uv, &world->limits, world->admit, world->metrics,
                                                 &world->events));
    world->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(0, bind(world->listening, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(world->listening, 16));
    assert_int_equal(0, uv_poll_init(&world->uv, &world->listener, world->listening));
    assert_int_equal(0, uv_poll_start(&world->listener, UV_READABLE, on_connection));
    assert_int_equal(0, uv_check_init(&world->uv, &world->check));
    assert_int_equal(0, uv_check_start(&world->check, on_check));
    world->listener.data = world->check.data = world;
    *state = world;
    return 0;
}

static inline int world_close(void **state)
{
    struct world *world = *state;

    clock_freeze(0);
    if (world->client >= 0) {
        (void)close(world->client);
    }
    connection_set_abort(world->set);
    uv_close((uv_handle_t *)&world->listener, NULL);
    uv_close((uv_handle_t *)&world->check, NULL);
    assert_int_equal(0, uv_run(&world->uv, UV_RUN_DEFAULT));
    assert_int_equal(world->accepted, world->closed);
    assert_int_equal(0, uv_loop_close(&world->uv));
    assert_int_equal(0, close(world->listening));
    connection_set_close(&world->set);
    admit_close(&world->admit); /* nothing is charged any more */
    metrics_close(&world->metrics);
    buffer_free(&world->body);
    test_free(world);
    return 0;
}

/* One turn of the loop; after many in vain each also gives the threads of servers their time, which a busy machine needs. */
static inline void turn_once(struct world *world, int turns_before)
{
    (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    if (turns_before >= TURNS_BUSY) {
        (void)poll(NULL, 0, 1);
    }
}

/* Turns the loop until `condition` is true; the bound is far beyond what loopback needs. */
#define turn_until(condition)                                                                                          \
    do {                                                                                                               \
        for (int turns_made = 0; turns_made < TURNS_MAX && !(condition); turns_made++) {                               \
            turn_once(world, turns_made);                                                                              \
        }                                                                                                              \
        assert_true(condition);                                                                                        \
    } while (0)

static inline void turn_a_while(struct world *world)
{
    for (int turn = 0; turn < 50; turn++) {
        (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    }
}

static inline void connect_client(struct world *world)
{
    struct sockaddr_in address;
    socklen_t count = sizeof address;
    int before = world->accepted;

    assert_int_equal(0, getsockname(world->listening, (struct sockaddr *)&address, &count));
    world->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, connect(world->client, (const struct sockaddr *)&address, sizeof address));
    assert_true(fcntl(world->client, F_SETFL, O_NONBLOCK) >= 0);
    turn_until(world->accepted == before + 1);
}

static inline void say(struct world *world, const char *text)
{
    assert_int_equal(strlen(text), send(world->client, text, strlen(text), MSG_NOSIGNAL));
}

/* What the client can read until `count` bytes are there. */
static inline struct bytes hear(struct world *world, char *room, size_t count)
{
    size_t heard = 0;

    for (int turn = 0; turn < TURNS_MAX && heard < count; turn++) {
        ssize_t more = recv(world->client, room + heard, count - heard, 0);

        turn_once(world, turn);
        heard += more > 0 ? (size_t)more : 0;
    }
    return (struct bytes){room, heard};
}

#define assert_hears(text)                                                                                             \
    do {                                                                                                               \
        char heard_room[256];                                                                                          \
        assert_bytes(text, hear(world, heard_room, strlen(text)));                                                     \
    } while (0)

/* 0 = end of stream, else errno. */
static inline int hear_end(struct world *world)
{
    char byte[4096];
    ssize_t count = -1;

    errno = EAGAIN;
    for (int turn = 0; turn < TURNS_MAX && ((count < 0 && errno == EAGAIN) || count > 0); turn++) {
        turn_once(world, turn);
        count = recv(world->client, byte, sizeof byte, 0);
    }
    return count == 0 ? 0 : errno;
}

static inline bool is_silent(struct world *world)
{
    char byte;

    turn_a_while(world);
    return recv(world->client, &byte, 1, 0) < 0 && errno == EAGAIN;
}

#endif

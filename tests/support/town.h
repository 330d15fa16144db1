/* town: a gateway's loop and pool in their own threads; the test is client, moderator and upstream in turn, on real sockets.
 *
 * Routes: /openai is judged by profile `default`, /plain is not; both lead to the test's own listening socket. /moderations
 * serves OpenAI's moderation endpoint by the same profile.
 */
#ifndef TESTS_SUPPORT_TOWN_H
#define TESTS_SUPPORT_TOWN_H

#include "support/slots.h"

#include "gateway/loop.h"
#include "proto/secret.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOWN_WAIT_MS = 10000, TOWN_TEXT_BYTES_MAX = 256 * KIB };

struct town {
    struct settings settings;
    struct route_settings routes_settings[3];
    struct profile_settings profile;
    struct metrics *metrics;
    struct snapshot *snapshot;
    struct admit *admit;
    struct pool *pool;
    struct loop *loop;
    struct server_address address;
    int listener; /* of the upstream */
    bool drained;
};

/* For cmocka_run_group_tests. */
static inline int town_set_up(void **state)
{
    (void)state;
    return secret_start() == STATUS_OK && wire_start() == STATUS_OK ? 0 : -1;
}

/* For what is heard; empty. The caller frees it. */
static inline char *town_room(void)
{
    char *room = malloc(TOWN_TEXT_BYTES_MAX);

    assert_non_null(room);
    room[0] = '\0';
    return room;
}

static inline void town_holds(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("wanted %s in %s", part, text);
    }
}

static inline void town_wake(void *context, size_t loop_index)
{
    struct town *town = context;

    assert_int_equal(0, loop_index);
    loop_wake(town->loop);
}

static inline int town_listen(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(0, bind(fd, (const struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(fd, 64));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&address, &bytes));
    *port = ntohs(address.sin_port);
    return fd;
}

/* What a test may change before town_start. */
static inline void town_init(struct town *town)
{
    unsigned port;

    *town = (struct town){0};
    (void)signal(SIGPIPE, SIG_IGN); /* as a service does */
    town->listener = town_listen(&port);
    town->settings.gateway = (struct gateway_settings){
        .threads = 1,
        .allow_private_upstreams = {1, {"true"}},
        .limits = {.connections = 64, .connections_per_address = 64, .connection_requests = 100, .keep_alive_ms = 30000,
                   .header_line_bytes = 8 * KIB, .stream_budget_bytes = 16 * MIB,
                   .header_bytes = 32 * KIB, .header_fields = 100, .request_bytes = MIB, .moderated_text_bytes = 64 * KIB,
                   .body_budget_bytes = 8 * MIB, .in_flight = 16, .decoders = 4, .header_time_ms = 10000, .body_time_ms = 30000,
                   .write_stall_ms = 30000, .relay_buffer_bytes = 64 * KIB, .response_bytes = MIB, .sse_event_bytes = MIB,
                   .upstream_buffer_bytes = 64 * KIB, .upstream_connections = 16, .upstream_idle = 16, .resolve_ms = 2000, .connect_ms = 5000,
                   .first_byte_ms = 10000, .idle_ms = 10000, .total_plain_ms = 20000, .total_ms = 20000, .drain_ms = 10000}};
    for (size_t index = 0; index < 2; index++) {
        struct route_settings *route = &town->routes_settings[index];

        route->from = FORMAT_AUTO;
        (void)snprintf(route->path, sizeof route->path, "%s", index == 0 ? "/openai" : "/plain");
        (void)snprintf(route->upstream, sizeof route->upstream, "http://127.0.0.1:%u", port);
        (void)snprintf(route->moderation, sizeof route->moderation, "%s", index == 0 ? "default" : "none");
    }
    town->routes_settings[2] = (struct route_settings){
        .path = "/moderations", .serve = SERVE_MODERATIONS, .from = FORMAT_AUTO, .moderation = "default"};
    town->profile = (struct profile_settings){.name = "default", .scope_roles = SCOPE_SYSTEM | SCOPE_USER};
    town->settings.moderation = (struct pool_settings){.bind = "tcp://127.0.0.1:*", .queue_jobs = 64, .queue_bytes = MIB,
        .queue_age_ms = 10000, .deadline_local_ms = 10000, .deadline_review_ms = 10000, .peers = 16};
}

static inline void town_start(struct town *town)
{
    struct loop_options options = {0};
    struct pool_options pool_options = {0};

    town->settings.routes = town->routes_settings;
    town->settings.route_count = 3;
    if (town->settings.profiles == NULL) {
        town->settings.profiles = &town->profile;
        town->settings.profile_count = 1;
    }
    assert_status(STATUS_OK, metrics_open(&town->metrics));
    assert_status(STATUS_OK, snapshot_open(&town->snapshot, &town->settings, NULL, town->metrics, stderr));
    assert_status(STATUS_OK, admit_open(&town->admit, &town->settings.gateway.limits, town->metrics));
    assert_status(STATUS_OK, server_address(&town->address, "127.0.0.1:0"));
    options = (struct loop_options){0, 1, town->snapshot, town->admit, town->metrics};
    assert_status(STATUS_OK, loop_open(&town->loop, &options, &town->address));
    pool_options = (struct pool_options){.settings = &town->settings.moderation,
                                         .text_bytes_max = town->settings.gateway.limits.moderated_text_bytes,
                                         .loop_count = 1,
                                         .loop_jobs_max = 1024,
                                         .metrics = town->metrics,
                                         .batch_tasks_max = 1, /* a slot has one task at a time: tests tell by slots how many are out */
                                         .wake = town_wake,
                                         .context = town};
    assert_status(STATUS_OK, pool_open(&town->pool, &pool_options));
    assert_status(STATUS_OK, loop_start(town->loop, town->pool));
}

static inline void town_open(struct town *town)
{
    town_init(town);
    town_start(town);
}

/* Ends as main() does; nothing may be left in the budgets. */
static inline void town_close(struct town *town)
{
    loop_drain(town->loop);
    loop_join(town->loop);
    pool_close(&town->pool);
    loop_close(&town->loop);
    assert_int_equal(0, admit_in_flight(town->admit));
    assert_int_equal(0, admit_connections(town->admit));
    snapshot_release(&town->snapshot);
    admit_close(&town->admit);
    metrics_close(&town->metrics);
    (void)close(town->listener);
}

/* The value of a counter that the gateway has made already. */
static inline int64_t town_counted(struct town *town, const char *name, const char *label, const char *value)
{
    return series_value(metrics_series(town->metrics, METRIC_COUNTER, name, "", &(struct metric_label){label, value}, 1));
}

/* Whether every request comes to its end, and gives back what it held. */
static inline bool town_becomes_idle(struct town *town)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;

    while ((admit_in_flight(town->admit) > 0 || admit_body_bytes(town->admit) > 0) && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    return admit_in_flight(town->admit) == 0 && admit_body_bytes(town->admit) == 0;
}

static inline void town_set_timeout(int fd)
{
    struct timeval wait = {.tv_sec = TOWN_WAIT_MS / 1000};

    assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
}

/* A moderator with one local slot; the pool knows of it. */
static inline void town_moderator(struct town *town, struct scripted *slot)
{
    uint64_t end_ms = clock_ms() + TOWN_WAIT_MS;
    const char *why;

    scripted_open(slot, pool_endpoint(town->pool), SLOT_LOCAL, "");
    while (!pool_ready(town->pool, &why) && clock_ms() < end_ms) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(pool_ready(town->pool, &why));
}

static inline int town_client(struct town *town)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, connect(fd, (const struct sockaddr *)&town->address.socket, town->address.socket_bytes));
    town_set_timeout(fd);
    return fd;
}

static inline void town_say(int fd, const char *text)
{
    assert_int_equal(strlen(text), send(fd, text, strlen(text), MSG_NOSIGNAL));
}

/* "POST path" with these further field lines (each with its CR LF) and this body. */
static inline void town_post(int fd, const char *path, const char *lines, const char *body)
{
    struct buffer text;

    buffer_init(&text, 4 * MIB);
    assert_status(STATUS_OK, buffer_append_format(&text, "POST %s HTTP/1.1\r\nHost: gateway\r\n%sContent-Length: %zu\r\n\r\n%s",
                                                  path, lines, strlen(body), body));
    assert_int_equal(text.count, send(fd, text.data, text.count, MSG_NOSIGNAL));
    buffer_free(&text);
}

/* Appends what comes until `end` is there; false when the other side ended or nothing came any more. */
static inline bool town_hear(int fd, char *room, const char *end)
{
    size_t count = strlen(room);

    while (strstr(room, end) == NULL) {
        ssize_t more = recv(fd, room + count, TOWN_TEXT_BYTES_MAX - 1 - count, 0);

        if (more <= 0) {
            return false;
        }
        count += (size_t)more;
        room[count] = '\0';
    }
    return true;
}

/* All that comes until the connection ends; false when it ended with a reset. */
static inline bool town_hear_all(int fd, char *room)
{
    size_t count = strlen(room);
    ssize_t more;

    while ((more = recv(fd, room + count, TOWN_TEXT_BYTES_MAX - 1 - count, 0)) > 0) {
        count += (size_t)more;
        room[count] = '\0';
    }
    return more == 0;
}

/* The next connection to the upstream, or -1 when none comes. */
static inline int town_upstream(struct town *town)
{
    struct pollfd item = {.fd = town->listener, .events = POLLIN};
    int fd = poll(&item, 1, TOWN_WAIT_MS) == 1 ? accept(town->listener, NULL, NULL) : -1;

    assert_true(fd >= 0);
    town_set_timeout(fd);
    return fd;
}

static inline bool town_upstream_was_called(struct town *town)
{
    struct pollfd item = {.fd = town->listener, .events = POLLIN};

    return poll(&item, 1, 0) == 1;
}

#endif

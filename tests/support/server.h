/* server: a small TCP server on loopback for tests: a thread that accepts, a thread a connection, a script in C.
 *
 * The script runs for each connection and returns when it is done with it; the connection closes then. It may use cmocka's
 * assertions as little as any other thread: use assert(). Counters are atomics that the test reads at any time.
 */
#ifndef TESTS_SUPPORT_SERVER_H
#define TESTS_SUPPORT_SERVER_H

#include "support/unit.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVER_CONNECTIONS_MAX = 512, SERVER_HEAD_BYTES = 256 * 1024 };

struct server;

struct server_connection {
    struct server *server;
    pthread_t thread;
    int descriptor;
    unsigned number; /* 0 is the first */
    size_t head_bytes;
    size_t body_bytes; /* of the last request */
    size_t left_bytes; /* read and not yet used, at head + head_bytes */
    char *head;        /* of the last request, terminated after its empty line */
};

struct server {
    int listener;
    unsigned port;
    pthread_t thread;
    void (*script)(struct server_connection *connection, void *context);
    void *context;
    atomic_uint accepted;
    atomic_uint requests; /* read whole */
    atomic_uint closed;   /* by the client, seen by server_await_close */
    sem_t event;          /* posted by a script with server_tell */
    struct server_connection connections[SERVER_CONNECTIONS_MAX];
};

static inline void *server_run_connection(void *argument)
{
    struct server_connection *connection = argument;

    connection->server->script(connection, connection->server->context);
    (void)shutdown(connection->descriptor, SHUT_RDWR);
    return NULL;
}

static inline void *server_run(void *argument)
{
    struct server *server = argument;

    for (;;) {
        int descriptor = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        unsigned number = atomic_load(&server->accepted);
        struct server_connection *connection;
        int one = 1;

        if (descriptor < 0) {
            return NULL;
        }
        assert(number < SERVER_CONNECTIONS_MAX);
        connection = &server->connections[number];
        connection->server = server;
        connection->descriptor = descriptor;
        connection->number = number;
        connection->head = malloc(SERVER_HEAD_BYTES);
        assert(connection->head != NULL);
        (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&connection->thread, NULL, server_run_connection, connection) != 0) {
            abort();
        }
        atomic_fetch_add(&server->accepted, 1);
    }
}

static inline struct server *server_open(void (*script)(struct server_connection *connection, void *context),
                                         void *context)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    assert_non_null(server);
    server->script = script;
    server->context = context;
    assert_int_equal(0, sem_init(&server->event, 0, 0));
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(0, bind(server->listener, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(server->listener, 511));
    assert_int_equal(0, getsockname(server->listener, (struct sockaddr *)&address, &size));
    server->port = ntohs(address.sin_port);
    assert_int_equal(0, pthread_create(&server->thread, NULL, server_run, server));
    return server;
}

/* Waits for every script; the client must have closed its connections, or the scripts must end by themselves. */
static inline void server_close(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    (void)close(server->listener);
    for (unsigned index = 0; index < atomic_load(&server->accepted); index++) {
        struct server_connection *connection = &server->connections[index];

        pthread_join(connection->thread, NULL);
        (void)close(connection->descriptor);
        free(connection->head);
    }
    sem_destroy(&server->event);
    free(server);
}

static inline void server_tell(struct server *server)
{
    sem_post(&server->event);
}

static inline bool server_write(struct server_connection *connection, struct bytes bytes)
{
    while (bytes.count > 0) {
        ssize_t sent = send(connection->descriptor, bytes.data, bytes.count, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        bytes = bytes_from(bytes, (size_t)sent);
    }
    return true;
}

static inline bool server_write_text(struct server_connection *connection, const char *text)
{
    return server_write(connection, bytes_of(text));
}

/* The value of Content-Length in a terminated head, 0 when there is none. */
static inline size_t server_length(const char *head)
{
    const char *field = strcasestr(head, "\r\nContent-Length:");

    return field == NULL ? 0 : (size_t)strtoull(field + 17, NULL, 10);
}

/* Reads until the head of a request is whole; false at the end of the connection. */
static inline bool server_read_head(struct server_connection *connection)
{
    char *head = connection->head;
    size_t count = connection->left_bytes;

    memmove(head, head + connection->head_bytes, count);
    connection->head_bytes = 0;
    for (;;) {
        char *end = memmem(head, count, "\r\n\r\n", 4);
        ssize_t got;

        if (end != NULL) {
            connection->head_bytes = (size_t)(end - head) + 4;
            connection->left_bytes = count - connection->head_bytes;
            return true;
        }
        assert(count < SERVER_HEAD_BYTES);
        got = recv(connection->descriptor, head + count, SERVER_HEAD_BYTES - count, 0);
        if (got <= 0) {
            return false;
        }
        count += (size_t)got;
    }
}

/* Reads a head and its body (by Content-Length; the bytes are forgotten). */
static inline bool server_read_request(struct server_connection *connection)
{
    static const char end = '\0';
    char piece[65536];
    size_t length;
    char kept;

    if (!server_read_head(connection)) {
        return false;
    }
    kept = connection->head[connection->head_bytes];
    connection->head[connection->head_bytes] = end;
    length = server_length(connection->head);
    connection->body_bytes = length;
    if (connection->left_bytes > length) { /* the next request's beginning */
        connection->head[connection->head_bytes] = kept;
        memmove(connection->head + connection->head_bytes, connection->head + connection->head_bytes + length,
                connection->left_bytes - length);
        connection->left_bytes -= length;
        atomic_fetch_add(&connection->server->requests, 1);
        return true;
    }
    length -= connection->left_bytes;
    connection->left_bytes = 0;
    while (length > 0) {
        ssize_t got = recv(connection->descriptor, piece, length < sizeof piece ? length : sizeof piece, 0);

        if (got <= 0) {
            return false;
        }
        length -= (size_t)got;
    }
    atomic_fetch_add(&connection->server->requests, 1);
    return true;
}

/* Reads until the client closes. */
static inline void server_await_close(struct server_connection *connection)
{
    char piece[4096];

    while (recv(connection->descriptor, piece, sizeof piece, 0) > 0) {
    }
    atomic_fetch_add(&connection->server->closed, 1);
}

/* The connection ends with a reset and not with an end of file. */
static inline void server_reset(struct server_connection *connection)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    (void)setsockopt(connection->descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)connect(connection->descriptor, &none, sizeof none); /* dissolves it at once, the descriptor stays ours */
}

#endif

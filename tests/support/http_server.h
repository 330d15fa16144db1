/* http_server: a real HTTP server on loopback for tests: takes whole requests and answers each as it was told last.
 *
 *   http_server_open(&server);                     one thread, several connections, keep-alive as the client wants
 *   http_server_answer(&server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", HTTP_SERVER_ANSWER);
 *   http_server_url(&server, "/v1", url);
 *   http_server_await(&server, 1);                 until so many requests have come in whole
 *   http_server_last(&server, &request);           the newest, head and body, copied
 *   http_server_script(&server, answers, 3);       the next three get these in turn, and later ones the last of them
 *   http_server_hold(&server, true);               requests come in, and nobody is answered until it is false
 *   http_server_count(&server, "\"model\":\"a\"")   how often that stands in all requests together
 */
#ifndef TESTS_SUPPORT_HTTP_SERVER_H
#define TESTS_SUPPORT_HTTP_SERVER_H

#include "support/unit.h"

#include "proto/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_SERVER_CONNECTIONS = 16, HTTP_SERVER_REQUEST_BYTES_MAX = 4 * MIB, HTTP_SERVER_PATIENCE_S = 20 };

enum http_server_mode {
    HTTP_SERVER_ANSWER, /* answer and keep the connection */
    HTTP_SERVER_HANG,   /* never answer */
    HTTP_SERVER_CUT,    /* close instead of answering */
    HTTP_SERVER_CLOSE,  /* answer, then close */
};

struct http_server_connection {
    int socket; /* -1 = free */
    struct buffer in;
};

struct http_server {
    int listener;
    int stop;
    unsigned port;
    pthread_t thread;
    struct http_server_connection connections[HTTP_SERVER_CONNECTIONS];
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    const char *answer; /* a literal */
    const char *const *script; /* answers that come before it */
    size_t script_count;
    bool held;
    enum http_server_mode mode;
    unsigned accepted_count;
    unsigned request_count;
    unsigned closed_count; /* by the client */
    struct buffer last;
    struct buffer all; /* as far as it holds them */
};

/* The bytes of the first whole request in `in`, or 0. */
static inline size_t http_server_whole(struct bytes in)
{
    const char *end = in.count == 0 ? NULL : memmem(in.data, in.count, "\r\n\r\n", 4);
    const char *length;
    size_t head;
    size_t body = 0;

    if (end == NULL) {
        return 0;
    }
    head = (size_t)(end - in.data) + 4;
    length = memmem(in.data, head, "Content-Length: ", 16);
    if (length != NULL) {
        body = strtoul(length + 16, NULL, 10);
    }
    return in.count >= head + body ? head + body : 0;
}

static inline void http_server_drop(struct http_server_connection *connection)
{
    (void)close(connection->socket);
    connection->socket = -1;
    buffer_free(&connection->in);
}

static inline void http_server_send(int socket, const char *data, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(socket, data, count, MSG_NOSIGNAL);

        if (sent <= 0) {
            return; /* the client has gone; some tests want just that */
        }
        data += sent;
        count -= (size_t)sent;
    }
}

/* Every whole request that `connection` has brought. */
static inline void http_server_serve(struct http_server *server, struct http_server_connection *connection)
{
    size_t count;

    while (connection->socket >= 0 && (count = http_server_whole(buffer_view(&connection->in))) > 0) {
        enum http_server_mode mode;
        const char *answer;

        (void)pthread_mutex_lock(&server->mutex);
        buffer_clear(&server->last);
        assert_status(STATUS_OK, buffer_append(&server->last, bytes_first(buffer_view(&connection->in), count)));
        if (buffer_append(&server->all, bytes_first(buffer_view(&connection->in), count)) != STATUS_OK) {
            buffer_clear(&server->all);
        }
        server->request_count++;
        (void)pthread_cond_broadcast(&server->changed);
        while (server->held) {
            (void)pthread_cond_wait(&server->changed, &server->mutex);
        }
        mode = server->mode;
        answer = server->answer;
        if (server->script_count > 0) {
            server->answer = answer = *server->script++;
            server->script_count--;
        }
        (void)pthread_mutex_unlock(&server->mutex);
        buffer_consume(&connection->in, count);
        if (mode == HTTP_SERVER_ANSWER || mode == HTTP_SERVER_CLOSE) {
            http_server_send(connection->socket, answer, strlen(answer));
        }
        if (mode == HTTP_SERVER_CUT || mode == HTTP_SERVER_CLOSE) {
            http_server_drop(connection);
        }
    }
}

static inline void http_server_read(struct http_server *server, struct http_server_connection *connection)
{
    char *at;
    ssize_t got;

    assert_status(STATUS_OK, buffer_reserve(&connection->in, 64 * KIB, &at));
    got = recv(connection->socket, at, 64 * KIB, 0);
    if (got > 0) {
        buffer_used(&connection->in, (size_t)got);
        http_server_serve(server, connection);
        return;
    }
    http_server_drop(connection);
    (void)pthread_mutex_lock(&server->mutex);
    server->closed_count++;
    (void)pthread_cond_broadcast(&server->changed);
    (void)pthread_mutex_unlock(&server->mutex);
}

static inline void http_server_accept(struct http_server *server)
{
    size_t free_place = 0;

    while (server->connections[free_place].socket >= 0) {
        free_place++;
        assert_true(free_place < HTTP_SERVER_CONNECTIONS);
    }
    server->connections[free_place].socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server->connections[free_place].socket >= 0);
    buffer_init(&server->connections[free_place].in, HTTP_SERVER_REQUEST_BYTES_MAX);
    (void)pthread_mutex_lock(&server->mutex);
    server->accepted_count++;
    (void)pthread_mutex_unlock(&server->mutex);
}

static inline void *http_server_run(void *context)
{
    struct http_server *server = context;
    struct pollfd items[HTTP_SERVER_CONNECTIONS + 2];

    for (;;) {
        items[0] = (struct pollfd){.fd = server->stop, .events = POLLIN};
        items[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        for (size_t place = 0; place < HTTP_SERVER_CONNECTIONS; place++) {
            items[2 + place] = (struct pollfd){.fd = server->connections[place].socket, .events = POLLIN};
        }
        (void)poll(items, HTTP_SERVER_CONNECTIONS + 2, -1);
        if (items[0].revents != 0) {
            return NULL;
        }
        for (size_t place = 0; place < HTTP_SERVER_CONNECTIONS; place++) {
            if (items[2 + place].fd >= 0 && items[2 + place].revents != 0) {
                http_server_read(server, &server->connections[place]);
            }
        }
        if (items[1].revents != 0) {
            http_server_accept(server);
        }
    }
}

static inline void http_server_open(struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t room = sizeof address;

    *server = (struct http_server){.answer = "", .mode = HTTP_SERVER_HANG};
    for (size_t place = 0; place < HTTP_SERVER_CONNECTIONS; place++) {
        server->connections[place].socket = -1;
    }
    (void)pthread_mutex_init(&server->mutex, NULL);
    (void)pthread_cond_init(&server->changed, NULL);
    buffer_init(&server->last, HTTP_SERVER_REQUEST_BYTES_MAX);
    buffer_init(&server->all, HTTP_SERVER_REQUEST_BYTES_MAX);
    server->stop = eventfd(0, EFD_CLOEXEC);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->stop >= 0 && server->listener >= 0);
    assert_int_equal(0, bind(server->listener, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(server->listener, HTTP_SERVER_CONNECTIONS));
    assert_int_equal(0, getsockname(server->listener, (struct sockaddr *)&address, &room));
    server->port = ntohs(address.sin_port);
    assert_int_equal(0, pthread_create(&server->thread, NULL, http_server_run, server));
}

static inline void http_server_hold(struct http_server *server, bool held);

static inline void http_server_close(struct http_server *server)
{
    http_server_hold(server, false);
    assert_int_equal(0, eventfd_write(server->stop, 1));
    assert_int_equal(0, pthread_join(server->thread, NULL));
    for (size_t place = 0; place < HTTP_SERVER_CONNECTIONS; place++) {
        if (server->connections[place].socket >= 0) {
            http_server_drop(&server->connections[place]);
        }
    }
    (void)close(server->listener);
    (void)close(server->stop);
    buffer_free(&server->last);
    buffer_free(&server->all);
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->mutex);
}

/* What the next requests get. `answer` is whole: status line, fields, body. */
static inline void http_server_answer(struct http_server *server, const char *answer, enum http_server_mode mode)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->answer = answer;
    server->mode = mode;
    (void)pthread_mutex_unlock(&server->mutex);
}

/* `answers` is borrowed until they are used up. */
static inline void http_server_script(struct http_server *server, const char *const *answers, size_t count)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->script = answers;
    server->script_count = count;
    server->mode = HTTP_SERVER_ANSWER;
    (void)pthread_mutex_unlock(&server->mutex);
}

static inline void http_server_hold(struct http_server *server, bool held)
{
    (void)pthread_mutex_lock(&server->mutex);
    server->held = held;
    (void)pthread_cond_broadcast(&server->changed);
    (void)pthread_mutex_unlock(&server->mutex);
}

static inline unsigned http_server_count(struct http_server *server, const char *text)
{
    unsigned count = 0;

    (void)pthread_mutex_lock(&server->mutex);
    for (struct bytes rest = buffer_view(&server->all); rest.count > 0;) {
        const char *found = memmem(rest.data, rest.count, text, strlen(text));

        count += found != NULL;
        rest = found == NULL ? (struct bytes){NULL, 0} : bytes_from(rest, (size_t)(found - rest.data) + 1);
    }
    (void)pthread_mutex_unlock(&server->mutex);
    return count;
}

/* Into `out` of PATH_BYTES_MAX + 1. */
static inline void http_server_url(const struct http_server *server, const char *path, char *out)
{
    (void)snprintf(out, PATH_BYTES_MAX + 1, "http://127.0.0.1:%u%s", server->port, path);
}

/* Until so many requests came in, or so many connections were closed by the client. */
static inline void http_server_await(struct http_server *server, unsigned requests, unsigned closed)
{
    struct timespec until;
    int result = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HTTP_SERVER_PATIENCE_S;
    (void)pthread_mutex_lock(&server->mutex);
    while (result == 0 && (server->request_count < requests || server->closed_count < closed)) {
        result = pthread_cond_timedwait(&server->changed, &server->mutex, &until);
    }
    (void)pthread_mutex_unlock(&server->mutex);
    assert_int_equal(0, result);
}

/* A copy of the last request; the caller frees it. */
static inline void http_server_last(struct http_server *server, struct buffer *out)
{
    buffer_init(out, HTTP_SERVER_REQUEST_BYTES_MAX);
    (void)pthread_mutex_lock(&server->mutex);
    assert_status(STATUS_OK, buffer_append(out, buffer_view(&server->last)));
    (void)pthread_mutex_unlock(&server->mutex);
}

#endif

/* server: a loop's own listening socket. */
#include "gateway/server.h"

#include "gateway/server_unix.h"
#include "proto/address.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct server {
    uv_poll_t readable; /* first: libuv gives it back */
    int socket;
    struct connection_set *set;
    struct admit *admit;
    const struct pace *pace;
    bool listens; /* looks at its socket; else those who connect wait */
    uint64_t pauses_until_ms;
    bool ending;
};

enum status server_address(struct server_address *out, const char *listen)
{
    out->is_shared = false;
    if (bytes_starts_with(bytes_of(listen), BYTES("unix:"))) {
        return unix_address(out, bytes_from(bytes_of(listen), strlen("unix:")));
    }
    return address_find(listen, &out->socket, &out->socket_bytes);
}

static uint16_t port_of(const struct server_address *address)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->socket;

    return name->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)name)->sin6_port
                                       : ((const struct sockaddr_in *)name)->sin_port;
}

enum status server_vacant(const struct server_address *address)
{
    int yes = 1;
    int error = 0;
    int fd;

    if (address->socket.ss_family == AF_UNIX || port_of(address) == 0) {
        return STATUS_OK;
    }
    fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return address_status(errno);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) != 0) {
        error = errno;
    }
    (void)close(fd);
    return error == 0 ? STATUS_OK : address_status(error);
}

enum status server_address_text(const struct server_address *address, struct buffer *out)
{
    const struct sockaddr *socket_address = (const struct sockaddr *)&address->socket;
    bool six = address->socket.ss_family == AF_INET6;
    uint16_t port = port_of(address);
    char name[INET6_ADDRSTRLEN];

    if (address->socket.ss_family == AF_UNIX) {
        return buffer_append_format(out, "unix:%s", ((const struct sockaddr_un *)socket_address)->sun_path);
    }
    if (uv_ip_name(socket_address, name, sizeof name) != 0) {
        return STATUS_TOO_LARGE;
    }
    return buffer_append_format(out, six ? "[%s]:%u" : "%s:%u", name, ntohs(port));
}

static void on_readable(uv_poll_t *readable, int status, int events);

static void set_listening(struct server *server, bool listens)
{
    if (listens != server->listens) {
        server->listens = listens;
        if (!listens) {
            (void)uv_poll_stop(&server->readable);
        } else if (uv_poll_start(&server->readable, UV_READABLE, on_readable) != 0) {
            server->listens = false; /* the next tick tries again */
        }
    }
}

/* Whether the process is too short of everything to take connections. */
static bool is_paused(struct server *server)
{
    if (overload_stage(admit_overload(server->admit)) < OVERLOAD_ACCEPT) {
        return clock_ms() < server->pauses_until_ms;
    }
    if (server->listens) {
        overload_count(admit_overload(server->admit), OVERLOAD_ACCEPT);
    }
    return true;
}

/* A descriptor; -1 when there is no more to accept now. */
static int accept_one(struct server *server)
{
    int fd;

    do {
        fd = accept4(server->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0 && errno != EAGAIN) {
        /* EMFILE, ENFILE, ENOBUFS, ENOMEM: without a pause the socket would stay readable and the loop busy with it. */
        server->pauses_until_ms = clock_ms() + ACCEPT_PAUSE_MS;
        set_listening(server, false);
        log_event_limited(LOG_WARN, "accept_failed", LOG_TEXT("reason", uv_err_name(-errno)));
    }
    return fd;
}

/* Who finds no place has that of an idle one of this loop, which is closed in the same turn. */
static enum request_refusal greeting(struct server *server, bool has_place)
{
    if (server->ending) {
        return REFUSAL_ENDING;
    }
    return has_place || connection_set_close_idle(server->set) ? REFUSAL_NONE : REFUSAL_CONNECTIONS;
}

static void serve(struct server *server, int fd, bool has_place)
{
    enum status status = connection_set_accept(server->set, fd, greeting(server, has_place));

    if (status != STATUS_OK) {
        log_event_limited(LOG_WARN, "accept_failed", LOG_TEXT("reason", status_sentence(status)));
    }
}

/* Accepts until nobody waits or there is no place; and looks again in the next turn when many wait. */
static void take(struct server *server)
{
    int most = pace_accepts(server->pace, clock_ms());

    for (int count = 0; count < most; count++) {
        enum status room = is_paused(server) ? STATUS_AGAIN : admit_connection(server->admit);
        int fd;

        set_listening(server, room != STATUS_AGAIN);
        if (room == STATUS_AGAIN) {
            return;
        }
        fd = accept_one(server);
        if (fd < 0) {
            admit_connection_end(server->admit);
            return;
        }
        serve(server, fd, room == STATUS_OK);
    }
    if (most == 0) { /* the turn in which nobody waits any more takes them */
        set_listening(server, false);
    }
    if (pace_accepts_slowly(server->pace, clock_ms())) { /* a connection costs as much as a request, which would have to wait */
        server->pauses_until_ms = clock_ms() + ACCEPT_PAUSE_MS;
        set_listening(server, false);
    }
}

static void on_readable(uv_poll_t *readable, int status, int events)
{
    (void)status; /* accept4 tells */
    (void)events;
    take((struct server *)readable);
}

void server_room(struct server *server)
{
    if (!server->listens) {
        take(server);
    }
}

/* A socket that is bound beside those of the other loops; -1 and errno. What is accepted has its bound on what the kernel keeps
 * for a client that reads nothing: left to itself that is 4 MiB, which a container is charged for. */
static int bind_socket(struct server_address *address)
{
    int yes = 1;
    int unsent_bytes = SOCKET_UNSENT_BYTES;
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes) != 0 ||
        bind(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)&address->socket, &address->socket_bytes) != 0) {
        int error = errno;

        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

enum status server_open(struct server **out, uv_loop_t *loop, struct server_address *address, struct connection_set *set,
                        struct admit *admit, const struct pace *pace)
{
    struct server *server = calloc(1, sizeof *server);
    int fd = address->socket.ss_family == AF_UNIX ? unix_socket(address) : bind_socket(address);
    int error = fd < 0 ? errno : 0;

    if (server == NULL || (fd >= 0 && uv_poll_init(loop, &server->readable, fd) != 0)) {
        error = ENOMEM;
    }
    if (error != 0) {
        free(server);
        if (fd >= 0) {
            (void)close(fd);
        }
        return error == ENOMEM ? STATUS_NO_MEMORY : address_status(error);
    }
    server->set = set;
    server->admit = admit;
    server->pace = pace;
    server->socket = fd;
    if (listen(fd, LISTEN_BACKLOG) != 0) {
        error = errno;
        server_close(&server);
        return address_status(error);
    }
    set_listening(server, true);
    *out = server;
    return STATUS_OK;
}

void server_end(struct server *server)
{
    server->ending = true;
}

static void on_closed(uv_handle_t *handle)
{
    struct server *server = (struct server *)handle;

    (void)close(server->socket);
    free(server);
}

void server_close(struct server **server)
{
    if (*server != NULL) {
        uv_close((uv_handle_t *)&(*server)->readable, on_closed);
        *server = NULL;
    }
}

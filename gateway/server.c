/* server: a loop's own listening socket. */
#include "gateway/server.h"

#include "gateway/server_unix.h"
#include "proto/address.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct server {
    uv_tcp_t socket; /* first: libuv gives it back */
    struct connection_set *set;
    struct admit *admit;
    bool one_waits; /* libuv holds it and accepts no other until we take it */
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

/* Accepts, or lets it wait: libuv asks for no other until this one is taken. Who finds no place has that of an idle one of this
 * loop, which is closed in the same turn. */
static void take(struct server *server)
{
    enum status room = admit_connection(server->admit);
    enum status status;

    server->one_waits = room == STATUS_AGAIN;
    if (server->one_waits) {
        return;
    }
    if (room == STATUS_FULL && connection_set_close_idle(server->set)) {
        room = STATUS_OK;
    }
    status = connection_set_accept(server->set, (uv_stream_t *)&server->socket,
                                   room == STATUS_OK ? REFUSAL_NONE : REFUSAL_CONNECTIONS);
    if (status != STATUS_OK) {
        log_event_limited(LOG_WARN, "accept_failed", LOG_STATUS("status", status));
    }
}

static void on_connection(uv_stream_t *stream, int result)
{
    if (result == 0) {
        take((struct server *)stream);
    } else {
        log_event_limited(LOG_WARN, "accept_failed", LOG_TEXT("reason", uv_err_name(result)));
    }
}

void server_room(struct server *server)
{
    if (server->one_waits) {
        take(server);
    }
}

/* A socket that is bound beside those of the other loops; -1 and errno. */
static int bind_socket(struct server_address *address)
{
    int yes = 1;
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
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
                        struct admit *admit)
{
    struct server *server = calloc(1, sizeof *server);
    enum status status;
    int result;
    int fd;

    if (server == NULL || uv_tcp_init(loop, &server->socket) != 0) {
        free(server);
        return STATUS_NO_MEMORY;
    }
    server->set = set;
    server->admit = admit;
    fd = address->socket.ss_family == AF_UNIX ? unix_socket(address) : bind_socket(address);
    if (fd < 0 || uv_tcp_open(&server->socket, fd) != 0) {
        status = fd < 0 ? address_status(errno) : STATUS_IO;
        if (fd >= 0) {
            (void)close(fd);
        }
        server_close(&server);
        return status;
    }
    result = uv_listen((uv_stream_t *)&server->socket, LISTEN_BACKLOG, on_connection);
    if (result != 0) {
        server_close(&server);
        return address_status(-result);
    }
    *out = server;
    return STATUS_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void server_close(struct server **server)
{
    if (*server != NULL) {
        uv_close((uv_handle_t *)&(*server)->socket, on_closed);
        *server = NULL;
    }
}

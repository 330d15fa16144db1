/* admin: one thread, a listening socket, sixteen places; each place reads one request, writes one answer, and closes. */
#include "proto/admin.h"

#include "proto/address.h"
#include "proto/bytes.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/metrics_process.h"
#include "proto/thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POLL_END = 0,      /* the eventfd that ends the thread */
    POLL_LISTENER = 1, /* only watched while a place is free, and not right after a failed accept */
    POLL_PLACES = 2,
    PATH_ROOM = 64, /* longer paths are none of ours */
};

/* One place: state is told by fd and out: fd < 0 free; out empty = reading; else writing. */
struct place {
    int fd;
    uint64_t deadline_ms;
    llhttp_t parser;
    char path[PATH_ROOM];
    size_t path_count;
    size_t read_bytes;
    bool complete;
    struct buffer out;
    size_t written;
};

struct admin {
    int listener;
    uint64_t accept_after_ms; /* the process had no descriptor left: the listener rests until then */
    int end;
    int reserve; /* a descriptor held back, so that one can be answered when the process has none left; -1 = given */
    unsigned port;
    pthread_t thread;
    bool started;
    struct metrics *metrics;
    struct metrics_process *process;
    struct admin_hooks hooks;
    llhttp_settings_t callbacks;
    struct place places[ADMIN_CONNECTIONS_MAX];
};

static int on_url(llhttp_t *parser, const char *at, size_t count)
{
    struct place *place = parser->data;

    if (count >= PATH_ROOM - place->path_count) {
        count = PATH_ROOM - 1 - place->path_count; /* a path cut here matches none of ours */
    }
    memcpy(place->path + place->path_count, at, count);
    place->path_count += count;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct place *place = parser->data;

    place->complete = true;
    return HPE_PAUSED; /* one request a connection */
}

static void hold_back(struct admin *admin)
{
    if (admin->reserve < 0) {
        admin->reserve = fcntl(admin->end, F_DUPFD_CLOEXEC, 0);
    }
}

static void place_close(struct admin *admin, struct place *place)
{
    (void)close(place->fd);
    place->fd = -1;
    buffer_free(&place->out);
    hold_back(admin);
}

static enum status answer(struct place *place, const char *status, const char *type, struct bytes body)
{
    enum status made = buffer_append_format(&place->out,
                                            "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                                            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                                            status, type, body.count);

    if (made == STATUS_OK && place->parser.method != HTTP_HEAD) {
        made = buffer_append(&place->out, body);
    }
    return made;
}

static enum status answer_json(struct place *place, const char *status, const char *text)
{
    return answer(place, status, "application/json", bytes_of(text));
}

/* A good state may have a note for its `why`, NULL = none. */
static enum status answer_state(struct place *place, bool good, const char *name, const char *why)
{
    char text[256];
    int length;

    if (good && why != NULL) {
        length = snprintf(text, sizeof text, "{\"status\":\"%s\",\"note\":\"%s\"}\n", name, why);
    } else if (good) {
        length = snprintf(text, sizeof text, "{\"status\":\"%s\"}\n", name);
    } else {
        length = snprintf(text, sizeof text, "{\"status\":\"not %s\",\"reason\":\"%s\"}\n", name, why);
    }
    assert(length > 0 && (size_t)length < sizeof text); /* reasons are short literals of ours */
    return answer_json(place, good ? "200 OK" : "503 Service Unavailable", text);
}

static enum status answer_metrics(struct admin *admin, struct place *place)
{
    struct buffer text;
    enum status status;

    buffer_init(&text, METRICS_TEXT_BYTES_MAX);
    if (admin->hooks.refresh != NULL) {
        admin->hooks.refresh(admin->hooks.context);
    }
    metrics_process_refresh(admin->process);
    status = metrics_print(admin->metrics, &text);
    if (status == STATUS_OK) {
        status = answer(place, "200 OK", "text/plain; version=0.0.4; charset=utf-8", buffer_view(&text));
    }
    buffer_free(&text);
    return status;
}

static enum status answer_request(struct admin *admin, struct place *place)
{
    const char *why = "";
    bool good;

    place->path[place->path_count] = '\0';
    if (place->parser.method != HTTP_GET && place->parser.method != HTTP_HEAD) {
        return answer_json(place, "405 Method Not Allowed", "{\"error\":\"only GET here\"}\n");
    }
    if (strcmp(place->path, "/healthz") == 0) {
        good = admin->hooks.alive(admin->hooks.context, &why);
        return answer_state(place, good, "ok", good ? NULL : why);
    }
    if (strcmp(place->path, "/readyz") == 0) {
        good = admin->hooks.ready(admin->hooks.context, &why);
        if (good) {
            why = admin->hooks.note == NULL ? NULL : admin->hooks.note(admin->hooks.context);
        }
        return answer_state(place, good, "ready", why);
    }
    if (strcmp(place->path, "/metrics") == 0) {
        return answer_metrics(admin, place);
    }
    return answer_json(place, "404 Not Found", "{\"error\":\"there are /healthz, /readyz and /metrics\"}\n");
}

/* false: the place is done and must be closed. */
static bool place_write(struct place *place)
{
    struct bytes left = bytes_from(buffer_view(&place->out), place->written);
    ssize_t sent = send(place->fd, left.data, left.count, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    place->written += (size_t)sent;
    return place->written < place->out.count;
}

static bool place_read(struct admin *admin, struct place *place)
{
    char chunk[KIB];
    ssize_t count = recv(place->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    llhttp_errno_t error;
    enum status status;

    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (count == 0) {
        return false;
    }
    place->read_bytes += (size_t)count;
    error = llhttp_execute(&place->parser, chunk, (size_t)count);
    if (place->complete) {
        status = answer_request(admin, place);
    } else if (error != HPE_OK) {
        status = answer_json(place, "400 Bad Request", "{\"error\":\"not a request\"}\n");
    } else if (place->read_bytes > ADMIN_REQUEST_BYTES_MAX) {
        status = answer_json(place, "431 Request Header Fields Too Large", "{\"error\":\"too large\"}\n");
    } else {
        return true;
    }
    return status == STATUS_OK && place_write(place);
}

/* With the reserve's place among the descriptors where there is no other. */
static int accept_socket(struct admin *admin)
{
    int fd = accept4(admin->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && admin->reserve >= 0) {
        (void)close(admin->reserve);
        admin->reserve = -1;
        fd = accept4(admin->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    return fd;
}

static void accept_one(struct admin *admin, struct place *place, uint64_t now_ms)
{
    int fd = accept_socket(admin);

    if (fd < 0) {
        /* Without a rest a lack of descriptors would keep the listener readable and this thread spinning. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            admin->accept_after_ms = now_ms + ADMIN_ACCEPT_PAUSE_MS;
        }
        return;
    }
    *place = (struct place){.fd = fd, .deadline_ms = now_ms + ADMIN_REQUEST_MS};
    buffer_init(&place->out, METRICS_TEXT_BYTES_MAX + KIB);
    llhttp_init(&place->parser, HTTP_REQUEST, &admin->callbacks);
    place->parser.data = place;
}

/* Which sockets to watch and until when; returns the place that the next connection would take, or NULL. */
static struct place *fill_watch(struct admin *admin, struct pollfd watch[], uint64_t now_ms, uint64_t *deadline_ms)
{
    struct place *spare = NULL;
    bool rests = now_ms < admin->accept_after_ms;

    watch[POLL_END] = (struct pollfd){.fd = admin->end, .events = POLLIN};
    for (size_t index = 0; index < ADMIN_CONNECTIONS_MAX; index++) {
        struct place *place = &admin->places[index];

        watch[POLL_PLACES + index] = (struct pollfd){.fd = place->fd, .events = place->out.count > 0 ? POLLOUT : POLLIN};
        if (place->fd < 0) {
            spare = place;
        } else if (place->deadline_ms < *deadline_ms) {
            *deadline_ms = place->deadline_ms;
        }
    }
    if (rests && admin->accept_after_ms < *deadline_ms) {
        *deadline_ms = admin->accept_after_ms;
    }
    watch[POLL_LISTENER] = (struct pollfd){.fd = spare == NULL || rests ? -1 : admin->listener, .events = POLLIN};
    return spare;
}

static void serve_places(struct admin *admin, const struct pollfd watch[], uint64_t now_ms)
{
    for (size_t index = 0; index < ADMIN_CONNECTIONS_MAX; index++) {
        struct place *place = &admin->places[index];
        bool keep = true;

        if (place->fd < 0) {
            continue;
        }
        if (now_ms >= place->deadline_ms) {
            keep = false;
        } else if (watch[POLL_PLACES + index].revents != 0) {
            keep = place->out.count > 0 ? place_write(place) : place_read(admin, place);
        }
        if (!keep) {
            place_close(admin, place);
        }
    }
}

static void *admin_run(void *argument)
{
    struct admin *admin = argument;
    struct pollfd watch[POLL_PLACES + ADMIN_CONNECTIONS_MAX];

    for (;;) {
        uint64_t now_ms = clock_ms();
        uint64_t deadline_ms = now_ms + ADMIN_REQUEST_MS;
        struct place *spare = fill_watch(admin, watch, now_ms, &deadline_ms);
        int wait_ms = deadline_ms > now_ms ? (int)(deadline_ms - now_ms) : 0;

        if (poll(watch, POLL_PLACES + ADMIN_CONNECTIONS_MAX, wait_ms) < 0) {
            continue; /* a signal; nothing else can fail here */
        }
        if (watch[POLL_END].revents != 0) {
            return NULL;
        }
        now_ms = clock_ms();
        serve_places(admin, watch, now_ms);
        if (watch[POLL_LISTENER].revents != 0) {
            accept_one(admin, spare, now_ms);
        }
    }
}

/* "host:port" or "[::1]:port" into a listening socket. */
static enum status listen_on(const char *listen_text, int *out_fd, unsigned *out_port)
{
    struct sockaddr_storage bound;
    socklen_t bound_bytes;
    enum status status = address_find(listen_text, &bound, &bound_bytes);
    int one = 1;
    int fd;

    if (status != STATUS_OK) {
        return status;
    }
    fd = socket(bound.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&bound, bound_bytes) != 0 || listen(fd, ADMIN_CONNECTIONS_MAX) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0) {
        status = address_status(errno);
        if (fd >= 0) {
            (void)close(fd);
        }
        return status;
    }
    *out_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    *out_fd = fd;
    return STATUS_OK;
}

enum status admin_open(struct admin **out, const char *listen, struct metrics *metrics, const struct admin_hooks *hooks)
{
    struct admin *admin = calloc(1, sizeof *admin);
    enum status status;

    assert(hooks->alive != NULL && hooks->ready != NULL);
    if (admin == NULL) {
        return STATUS_NO_MEMORY;
    }
    admin->listener = admin->end = admin->reserve = -1;
    admin->metrics = metrics;
    admin->hooks = *hooks;
    for (size_t index = 0; index < ADMIN_CONNECTIONS_MAX; index++) {
        admin->places[index].fd = -1;
    }
    llhttp_settings_init(&admin->callbacks);
    admin->callbacks.on_url = on_url;
    admin->callbacks.on_message_complete = on_complete;
    status = metrics_process_open(&admin->process, metrics);
    if (status == STATUS_OK) {
        status = listen_on(listen, &admin->listener, &admin->port);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    admin->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (admin->end >= 0) {
        hold_back(admin);
    }
    if (admin->end < 0 || pthread_create(&admin->thread, NULL, admin_run, admin) != 0) {
        status = STATUS_IO;
        goto fail;
    }
    admin->started = true;
    *out = admin;
    return STATUS_OK;
fail:
    admin_close(&admin);
    return status;
}

unsigned admin_port(const struct admin *admin)
{
    return admin->port;
}

void admin_close(struct admin **admin)
{
    struct admin *closing = *admin;

    if (closing == NULL) {
        return;
    }
    if (closing->started) {
        thread_end(closing->thread, closing->end);
    }
    for (size_t index = 0; index < ADMIN_CONNECTIONS_MAX; index++) {
        if (closing->places[index].fd >= 0) {
            place_close(closing, &closing->places[index]);
        }
    }
    if (closing->listener >= 0) {
        (void)close(closing->listener);
    }
    if (closing->end >= 0) {
        (void)close(closing->end);
    }
    if (closing->reserve >= 0) {
        (void)close(closing->reserve);
    }
    metrics_process_close(&closing->process);
    free(closing);
    *admin = NULL;
}

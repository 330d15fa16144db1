/* upstream_sockets: libcurl's multi_socket interface on libuv, with as few changes of the watched events as can be.
 *
 * Each change of what a uv_poll handle watches costs two system calls, so libcurl's wishes are collected and compared at the
 * end of the turn: a wish that came and went within the turn costs nothing, and a connection that falls idle stays watched
 * for reading, ready for its next transfer. What happens on an idle one (the upstream closes it, or sends what nobody asked
 * for, which would answer the next request) makes it end here; libcurl finds out when it tries to reuse it.
 *
 * A trap of libcurl 7.88: a socket whose connect was given up is closed without the close callback, its number may be given
 * to the next socket at once, and then no callback tells of the change. So a watch begins with the first wish, ends with
 * CURL_POLL_REMOVE unless the socket surely carries a live connection, and begins anew when its number comes back.
 */
#include "gateway/upstream_inside.h"

#include "proto/address_guard.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(CURL_POLL_IN == (int)UV_READABLE && CURL_POLL_OUT == (int)UV_WRITABLE, "one set of bits for both");
_Static_assert(CURL_CSELECT_IN == (int)UV_READABLE && CURL_CSELECT_OUT == (int)UV_WRITABLE, "and for what happened");

struct watch {
    uv_poll_t poll;
    struct upstream *upstream;
    curl_socket_t descriptor;
    int wanted;  /* by libcurl; 0 = idle or paused */
    int watched; /* by the loop; 0 = not watched */
    bool paused; /* libcurl wants nothing of it because its transfer is paused */
    bool changed;
    TAILQ_ENTRY(watch) change; /* in `changed` of upstream */
};

static void watch_change(struct watch *watch)
{
    if (!watch->changed) {
        watch->changed = true;
        TAILQ_INSERT_TAIL(&watch->upstream->changed, watch, change);
    }
}

static struct watch *watch_of(const struct upstream *upstream, curl_socket_t descriptor)
{
    return descriptor >= 0 && (size_t)descriptor < upstream->watches_room ? upstream->watches[descriptor] : NULL;
}

static void run(struct upstream *upstream, curl_socket_t descriptor, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(upstream->multi, descriptor, events, &running);

    assert(code == CURLM_OK || code == CURLM_OUT_OF_MEMORY);
    (void)code;
    upstream_collect(upstream);
}

/* Nobody reads this connection again. What has come is taken out of it, so that libcurl, which looks before it reuses one, finds
 * the end and no bytes; what may come still, past the bound, meets a connection that cannot be written to. */
static void end_idle(struct watch *watch)
{
    char bytes[512];
    size_t unasked = 0;
    ssize_t count;

    while (unasked < UPSTREAM_UNASKED_BYTES_MAX && (count = recv(watch->descriptor, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        unasked += (size_t)count;
    }
    (void)shutdown(watch->descriptor, SHUT_RDWR);
    series_add(watch->upstream->unasked, unasked > 0 ? 1 : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int what = events & (UV_READABLE | UV_WRITABLE);

    if (status < 0) {
        /* libuv has stopped the handle; if libcurl still wants the socket then, the end of the turn watches it again. */
        what = CURL_CSELECT_ERR;
        watch->watched = 0;
        watch_change(watch);
    }
    if (watch->wanted != 0) {
        run(watch->upstream, watch->descriptor, what);
    } else if (watch->watched != 0) {
        watch->watched = 0;
        (void)uv_poll_stop(poll);
        if (!watch->paused) {
            end_idle(watch);
        }
    }
}

/* Room for a descriptor in the table: at most what the process may have open. */
static enum status watches_reserve(struct upstream *upstream, curl_socket_t descriptor)
{
    size_t room = upstream->watches_room == 0 ? 64 : upstream->watches_room;
    struct watch **watches;

    while (room <= (size_t)descriptor) {
        room *= 2;
    }
    if (room == upstream->watches_room) {
        return STATUS_OK;
    }
    watches = realloc(upstream->watches, room * sizeof *watches);
    if (watches == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = upstream->watches_room; index < room; index++) {
        watches[index] = NULL;
    }
    upstream->watches = watches;
    upstream->watches_room = room;
    return STATUS_OK;
}

static enum status watch_open(struct upstream *upstream, curl_socket_t descriptor, struct watch **out)
{
    struct watch *watch;

    if (watches_reserve(upstream, descriptor) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (uv_poll_init(upstream->loop, &watch->poll, descriptor) != 0) {
        free(watch);
        return STATUS_IO;
    }
    watch->poll.data = watch;
    watch->upstream = upstream;
    watch->descriptor = descriptor;
    assert(upstream->watches[descriptor] == NULL);
    upstream->watches[descriptor] = watch;
    upstream->handles++;
    upstream->watch_count++;
    series_add(upstream->connections, 1);
    *out = watch;
    return STATUS_OK;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct upstream *upstream = watch->upstream;

    free(watch);
    upstream_handle_closed(upstream);
}

static void watch_close(struct watch *watch)
{
    struct upstream *upstream = watch->upstream;

    upstream->watches[watch->descriptor] = NULL;
    if (watch->changed) {
        TAILQ_REMOVE(&upstream->changed, watch, change);
    }
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed); /* watches no more from now on */
    upstream->watch_count--;
    series_add(upstream->connections, -1);
}

/* Whether the socket that libcurl lets go of carries a connection that stands: the only one that the transfer has opened, or
 * one from before. Of several, one has won and the others may be closed already. */
static bool is_alive(const struct transfer *transfer)
{
    return transfer != NULL && transfer->phase >= PHASE_ASKING && !transfer_is_ending(transfer) && transfer->opened <= 1;
}

static int on_socket(CURL *easy, curl_socket_t descriptor, int what, void *context, void *ignored)
{
    struct upstream *upstream = context;
    struct watch *watch = watch_of(upstream, descriptor);
    struct transfer *transfer = NULL;

    (void)ignored;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL && !is_alive(transfer)) {
            watch_close(watch);
        } else if (watch != NULL) {
            watch->wanted = 0;
            watch->paused = transfer->phase == PHASE_PAUSED;
            watch_change(watch);
        }
        return 0;
    }
    if (watch == NULL && watch_open(upstream, descriptor, &watch) != STATUS_OK) {
        transfer_fail(transfer, TRANSFER_CONNECT); /* an error from here would end every transfer of the loop */
        return 0;
    }
    watch->wanted = what;
    watch->paused = false;
    watch_change(watch);
    return 0;
}

void upstream_sockets_apply(struct upstream *upstream)
{
    while (!TAILQ_EMPTY(&upstream->changed)) {
        struct watch *watch = TAILQ_FIRST(&upstream->changed);
        int target = watch->wanted;

        TAILQ_REMOVE(&upstream->changed, watch, change);
        watch->changed = false;
        if (target == 0 && watch->watched != 0) {
            target = UV_READABLE; /* stays watched; never for writing, an idle socket is always ready for that */
        }
        if (target != watch->watched) {
            int code = uv_poll_start(&watch->poll, target, on_poll);

            assert(code == 0);
            (void)code;
            watch->watched = target;
        }
    }
}

static void on_curl_timer(uv_timer_t *timer)
{
    struct upstream *upstream = timer->data;

    upstream->curl_due = true; /* the end of this turn runs it */
}

/* libcurl says when it wants to be called: never, now, or in a while. */
static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct upstream *upstream = context;

    (void)multi;
    if (timeout_ms > 0) {
        (void)uv_timer_start(&upstream->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0);
    } else {
        (void)uv_timer_stop(&upstream->curl_timer);
    }
    upstream->curl_due = timeout_ms == 0;
    return 0;
}

void upstream_sockets_run_due(struct upstream *upstream)
{
    if (upstream->curl_due) {
        upstream->curl_due = false;
        run(upstream, CURL_SOCKET_TIMEOUT, 0);
    }
}

void upstream_sockets_wake(struct upstream *upstream)
{
    (void)uv_timer_start(&upstream->curl_timer, on_curl_timer, 0, 0);
}

/* Left to itself the kernel takes megabytes of an answer that nobody reads, which a container is charged for. -1 and errno. */
static int open_bounded(const struct upstream *upstream, const struct curl_sockaddr *address)
{
    int received_bytes = (int)upstream->limits->upstream_buffer_bytes;
    int descriptor = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);

    if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &received_bytes, sizeof received_bytes) != 0) {
        (void)close(descriptor);
        return -1;
    }
    return descriptor;
}

curl_socket_t upstream_socket_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    struct upstream *upstream = transfer->upstream;
    struct watch *watch;
    int descriptor;

    (void)purpose;
    /* Asked once more at the very address: whatever a name server or libcurl's parser did in between. */
    if (!address_guard_allows(&address->addr, transfer->host->allow_private)) {
        series_add(upstream->refused, 1);
        transfer->failure = TRANSFER_FORBIDDEN;
        return CURL_SOCKET_BAD;
    }
    descriptor = open_bounded(upstream, address);
    if (descriptor < 0) {
        return CURL_SOCKET_BAD;
    }
    watch = watch_of(upstream, descriptor);
    if (watch != NULL) { /* of a socket that libcurl has closed: what the loop knows of it is gone */
        (void)uv_poll_stop(&watch->poll);
        watch->watched = 0;
        watch_change(watch);
    }
    if (transfer->phase == PHASE_ASKING) {
        transfer_enter(transfer, PHASE_CONNECTING); /* once more: a reused connection was dead */
    }
    transfer->opened++;
    series_add(upstream->connects, 1);
    return descriptor;
}

int upstream_socket_close(void *context, curl_socket_t descriptor)
{
    struct watch *watch = watch_of(context, descriptor);

    if (watch != NULL) {
        watch_close(watch);
    }
    return close(descriptor);
}

/* libcurl compares when a connection falls idle, while its transfer is still counted: hence one less. Nought would mean no
 * bound; where none may stay, CURLOPT_FORBID_REUSE sees to it. */
void upstream_sockets_bound(struct upstream *upstream)
{
    uint64_t idle = upstream->idle_max * (upstream->host_count > 0 ? upstream->host_count : 1);
    uint64_t bound = upstream->attached_count + idle;

    (void)curl_multi_setopt(upstream->multi, CURLMOPT_MAXCONNECTS, bound > 1 ? (long)bound - 1 : 1L);
}

enum status upstream_sockets_open(struct upstream *upstream)
{
    CURLM *multi = upstream->multi;
    bool set = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, upstream) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_TIMERDATA, upstream) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                                 (long)upstream->limits->upstream_connections) == CURLM_OK;

    return set ? STATUS_OK : STATUS_NO_MEMORY;
}

void upstream_sockets_free(struct upstream *upstream)
{
    free(upstream->watches);
}

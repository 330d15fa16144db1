/* wire_zap: answers libzmq's question "may this key come in?" on inproc, out of a list that can be swapped. */
#include "proto/wire_zap.h"

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/thread.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_CHECK_ID "check" /* our own question; libzmq's are numbers */

/* Frames of a request behind the empty delimiter that REP takes away, and of a reply (RFC 27, section 4). */
enum {
    ZAP_VERSION,
    ZAP_REQUEST_ID,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_IDENTITY,
    ZAP_MECHANISM,
    ZAP_CREDENTIALS,
    ZAP_REQUEST_FRAMES,
    ZAP_REPLY_FRAMES = 6,
    ZAP_STATUS = 2,
    ZAP_CHECK_MS = 1000,
    LINE_ROOM = 256,
};

struct wire_zap {
    zsock_t *socket; /* the thread's, once it runs */
    int end;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards keys */
    struct wire_zap_keys keys;
    _Atomic uint64_t denied;
    _Atomic(struct series *) series; /* counts the same; NULL until there are metrics */
};

enum status wire_zap_read_keys(struct wire_zap_keys *out, const char *file)
{
    struct wire_zap_keys keys = {0};
    char line[LINE_ROOM];
    enum status status = STATUS_OK;
    FILE *stream = fopen(file, "re");

    if (stream == NULL) {
        return STATUS_IO;
    }
    while (status == STATUS_OK && fgets(line, sizeof line, stream) != NULL) {
        size_t count = strcspn(line, " \t\r\n");

        if (count == 0 || line[0] == '#') {
            continue;
        }
        if (count != CURVE_KEY_TEXT_BYTES || line[count + strspn(line + count, " \t\r\n")] != '\0') {
            status = STATUS_MALFORMED;
            break;
        }
        line[count] = '\0';
        if (keys.count == CURVE_KEYS_MAX) {
            status = STATUS_FULL;
        } else if (zmq_z85_decode(keys.at[keys.count], line) == NULL) {
            status = STATUS_MALFORMED;
        } else {
            keys.count++;
        }
    }
    if (status == STATUS_OK && ferror(stream)) {
        status = STATUS_IO;
    }
    (void)fclose(stream);
    if (status == STATUS_OK && keys.count == 0) {
        status = STATUS_MALFORMED;
    }
    if (status == STATUS_OK) {
        *out = keys;
    }
    return status;
}

bool wire_zap_admits(const struct wire_zap_keys *keys, const uint8_t key[CURVE_KEY_BYTES])
{
    for (size_t index = 0; index < keys->count; index++) {
        if (memcmp(keys->at[index], key, CURVE_KEY_BYTES) == 0) { /* public keys: no secret to leak by time */
            return true;
        }
    }
    return false;
}

static bool frame_is(zframe_t *frame, const char *text)
{
    return zframe_size(frame) == strlen(text) && memcmp(zframe_data(frame), text, strlen(text)) == 0;
}

static bool admits_request(struct wire_zap *zap, zframe_t *const frames[ZAP_REQUEST_FRAMES])
{
    bool admitted;

    if (!frame_is(frames[ZAP_VERSION], "1.0") || !frame_is(frames[ZAP_DOMAIN], WIRE_ZAP_DOMAIN) ||
        !frame_is(frames[ZAP_MECHANISM], "CURVE") || zframe_size(frames[ZAP_CREDENTIALS]) != CURVE_KEY_BYTES) {
        return false;
    }
    (void)pthread_mutex_lock(&zap->lock);
    admitted = wire_zap_admits(&zap->keys, zframe_data(frames[ZAP_CREDENTIALS]));
    (void)pthread_mutex_unlock(&zap->lock);
    return admitted;
}

/* One request, one reply. A message that is no request gets a refusal too: REP must answer before it can go on. */
static void answer(struct wire_zap *zap, zmsg_t *request)
{
    zframe_t *frames[ZAP_REQUEST_FRAMES] = {NULL};
    zmsg_t *reply = zmsg_new();
    bool whole = zmsg_size(request) == ZAP_REQUEST_FRAMES;
    bool admitted = false;

    assert(reply != NULL);
    for (size_t index = 0; whole && index < ZAP_REQUEST_FRAMES; index++) {
        frames[index] = index == 0 ? zmsg_first(request) : zmsg_next(request);
    }
    if (whole) {
        admitted = admits_request(zap, frames);
    }
    if (!admitted && !(whole && frame_is(frames[ZAP_REQUEST_ID], ZAP_CHECK_ID))) {
        struct series *series = atomic_load_explicit(&zap->series, memory_order_acquire);

        (void)atomic_fetch_add_explicit(&zap->denied, 1, memory_order_relaxed);
        if (series != NULL) {
            series_add(series, 1);
        }
    }
    zmsg_addstr(reply, "1.0");
    if (whole) {
        zmsg_addmem(reply, zframe_data(frames[ZAP_REQUEST_ID]), zframe_size(frames[ZAP_REQUEST_ID]));
    } else {
        zmsg_addstr(reply, "");
    }
    zmsg_addstr(reply, admitted ? "200" : "400");
    zmsg_addstr(reply, admitted ? "OK" : "no access");
    zmsg_addstr(reply, ""); /* user id */
    zmsg_addstr(reply, ""); /* metadata */
    if (zmsg_send(&reply, zap->socket) != 0) {
        abort(); /* without an answer libzmq would let the next ones in */
    }
}

static void *zap_run(void *argument)
{
    struct wire_zap *zap = argument;
    zmq_pollitem_t items[] = {{zsock_resolve(zap->socket), 0, ZMQ_POLLIN, 0}, {NULL, zap->end, ZMQ_POLLIN, 0}};

    for (;;) {
        zmsg_t *request;

        if (zmq_poll(items, 2, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            abort();
        }
        if (items[1].revents != 0) {
            return NULL;
        }
        request = zmsg_recv(zap->socket);
        if (request == NULL) {
            abort();
        }
        answer(zap, request);
        zmsg_destroy(&request);
    }
}

enum status wire_zap_open(struct wire_zap **out, const struct wire_zap_keys *keys)
{
    struct wire_zap *zap = calloc(1, sizeof *zap);
    enum status status;

    if (zap == NULL) {
        return STATUS_NO_MEMORY;
    }
    zap->end = -1;
    (void)pthread_mutex_init(&zap->lock, NULL);
    zap->keys = *keys;
    zap->socket = zsock_new(ZMQ_REP);
    zap->end = eventfd(0, EFD_CLOEXEC);
    if (zap->socket == NULL || zap->end < 0) {
        status = STATUS_IO;
        goto fail;
    }
    if (zmq_bind(zsock_resolve(zap->socket), ZAP_ENDPOINT) != 0) {
        status = errno == EADDRINUSE ? STATUS_CONFLICT : STATUS_IO;
        goto fail;
    }
    if (pthread_create(&zap->thread, NULL, zap_run, zap) != 0) {
        status = STATUS_NO_MEMORY;
        goto fail;
    }
    zap->started = true;
    *out = zap;
    return STATUS_OK;
fail:
    wire_zap_close(&zap);
    return status;
}

void wire_zap_use(struct wire_zap *zap, const struct wire_zap_keys *keys)
{
    (void)pthread_mutex_lock(&zap->lock);
    zap->keys = *keys;
    (void)pthread_mutex_unlock(&zap->lock);
}

bool wire_zap_answers(const struct wire_zap *zap)
{
    static const uint8_t nobody[CURVE_KEY_BYTES];
    zsock_t *socket = zsock_new(ZMQ_REQ);
    bool refused = false;
    zmsg_t *reply;

    (void)zap; /* there is one a process, and it is asked as libzmq asks it */
    if (socket == NULL) {
        return false;
    }
    zsock_set_linger(socket, 0);
    zsock_set_rcvtimeo(socket, ZAP_CHECK_MS);
    zsock_set_sndtimeo(socket, ZAP_CHECK_MS);
    if (zmq_connect(zsock_resolve(socket), ZAP_ENDPOINT) == 0 &&
        zsock_send(socket, "ssssssb", "1.0", ZAP_CHECK_ID, WIRE_ZAP_DOMAIN, "127.0.0.1", "", "CURVE", nobody,
                   sizeof nobody) == 0 &&
        (reply = zmsg_recv(socket)) != NULL) {
        zframe_t *status = NULL;

        if (zmsg_size(reply) == ZAP_REPLY_FRAMES) {
            status = zmsg_first(reply);
            for (size_t index = 0; index < ZAP_STATUS; index++) {
                status = zmsg_next(reply);
            }
        }
        refused = status != NULL && frame_is(status, "400");
        zmsg_destroy(&reply);
    }
    zsock_destroy(&socket);
    return refused;
}

void wire_zap_count(struct wire_zap *zap, struct series *series)
{
    atomic_store_explicit(&zap->series, series, memory_order_release);
}

uint64_t wire_zap_denied(const struct wire_zap *zap)
{
    return atomic_load_explicit(&zap->denied, memory_order_relaxed);
}

void wire_zap_close(struct wire_zap **zap)
{
    struct wire_zap *closing = *zap;

    if (closing == NULL) {
        return;
    }
    if (closing->started) {
        thread_end(closing->thread, closing->end);
    }
    zsock_destroy(&closing->socket);
    if (closing->end >= 0) {
        (void)close(closing->end);
    }
    (void)pthread_mutex_destroy(&closing->lock);
    free(closing);
    *zap = NULL;
}

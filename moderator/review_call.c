/* review_call: libcurl's multi_socket interface under zmq_poll. */
#include "moderator/review_call.h"

#include "proto/address_guard.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A call can wait for two addresses at once and for its resolver. */
enum { SOCKETS_PER_CALL = 4 };

struct review_target {
    char url[PATH_BYTES_MAX + 1];
    bool allow_private;
    struct curl_slist *fields; /* of every request; holds the key */
};

enum call_state { CALL_FREE, CALL_RUNNING, CALL_ENDED };

struct call {
    enum call_state state;
    bool told; /* by review_calls_next */
    bool denied; /* an address was refused */
    CURL *easy;
    const struct review_target *target; /* borrowed */
    CURLcode result; /* when ENDED */
    struct buffer body;
    size_t sent; /* of body */
    struct buffer answer;
};

struct watched {
    curl_socket_t socket;
    short events; /* of zmq_poll */
};

struct review_calls {
    CURLM *multi;
    uint64_t due_ms;
    size_t watched_count;
    struct watched *watched; /* room * SOCKETS_PER_CALL */
    size_t room;
    struct call calls[];
};

enum status review_call_start_library(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status add_field(struct curl_slist **fields, const char *field)
{
    struct curl_slist *longer = curl_slist_append(*fields, field);

    if (longer == NULL) {
        return STATUS_NO_MEMORY;
    }
    *fields = longer;
    return STATUS_OK;
}

static enum status add_key(struct curl_slist **fields, struct bytes key)
{
    char field[SECRET_BYTES_MAX + sizeof "Authorization: Bearer "];
    enum status status;

    if (key.count == 0) {
        return STATUS_OK;
    }
    (void)snprintf(field, sizeof field, "Authorization: Bearer %.*s", (int)key.count, key.data);
    status = add_field(fields, field);
    explicit_bzero(field, sizeof field);
    return status;
}

/* The URL as libcurl will read it. STATUS_MALFORMED: it has no host, or another scheme. */
static enum status read_url(struct review_target *target, const struct private_hosts *hosts)
{
    CURLU *url = curl_url();
    char *host = NULL;
    enum status status = STATUS_MALFORMED;

    if (url == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (curl_url_set(url, CURLUPART_URL, target->url, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        target->allow_private = settings_allows_private(hosts, bytes_of(host));
        status = STATUS_OK;
    }
    curl_free(host);
    curl_url_cleanup(url);
    return status;
}

enum status review_target_open(struct review_target **out, const char *url, struct bytes key, const struct private_hosts *hosts)
{
    struct review_target *target = calloc(1, sizeof *target);
    enum status status;

    assert(out != NULL && key.count <= SECRET_BYTES_MAX);
    if (target == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = bytes_copy(bytes_of(url), target->url, sizeof target->url);
    if (status == STATUS_OK && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        status = STATUS_MALFORMED;
    }
    if (status == STATUS_OK) {
        status = read_url(target, hosts);
    }
    if (status == STATUS_OK) {
        status = add_field(&target->fields, "Content-Type: application/json");
    }
    if (status == STATUS_OK) {
        status = add_field(&target->fields, "Accept: application/json, text/event-stream");
    }
    if (status == STATUS_OK) {
        status = add_field(&target->fields, "Expect:"); /* libcurl would wait a second for "100 Continue" */
    }
    if (status == STATUS_OK) {
        status = add_key(&target->fields, key);
    }
    if (status != STATUS_OK) {
        review_target_close(&target);
        return status;
    }
    *out = target;
    return STATUS_OK;
}

void review_target_close(struct review_target **target)
{
    assert(target != NULL);
    if (*target == NULL) {
        return;
    }
    for (struct curl_slist *field = (*target)->fields; field != NULL; field = field->next) {
        explicit_bzero(field->data, strlen(field->data));
    }
    curl_slist_free_all((*target)->fields);
    free(*target);
    *target = NULL;
}

static int on_timer(CURLM *multi, long wait_ms, void *context)
{
    struct review_calls *calls = context;

    (void)multi;
    calls->due_ms = wait_ms < 0 ? UINT64_MAX : clock_ms() + (uint64_t)wait_ms;
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
    struct review_calls *calls = context;
    size_t at = 0;

    (void)easy;
    (void)socket_context;
    while (at < calls->watched_count && calls->watched[at].socket != socket) {
        at++;
    }
    if (what == CURL_POLL_REMOVE) {
        if (at < calls->watched_count) {
            calls->watched[at] = calls->watched[--calls->watched_count];
        }
        return 0;
    }
    if (at == calls->watched_count) {
        if (calls->watched_count == calls->room * SOCKETS_PER_CALL) {
            return -1; /* the call fails */
        }
        calls->watched_count++;
    }
    calls->watched[at] = (struct watched){
        .socket = socket,
        .events = (short)((what & CURL_POLL_IN ? ZMQ_POLLIN : 0) | (what & CURL_POLL_OUT ? ZMQ_POLLOUT : 0)),
    };
    return 0;
}

enum status review_calls_open(struct review_calls **out, size_t room)
{
    struct review_calls *calls = calloc(1, sizeof *calls + room * sizeof *calls->calls);

    assert(out != NULL && room > 0);
    if (calls == NULL) {
        return STATUS_NO_MEMORY;
    }
    calls->room = room;
    calls->due_ms = UINT64_MAX;
    calls->watched = calloc(room * SOCKETS_PER_CALL, sizeof *calls->watched);
    calls->multi = curl_multi_init();
    if (calls->watched == NULL || calls->multi == NULL ||
        curl_multi_setopt(calls->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(calls->multi, CURLMOPT_TIMERDATA, calls) != CURLM_OK ||
        curl_multi_setopt(calls->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(calls->multi, CURLMOPT_SOCKETDATA, calls) != CURLM_OK ||
        curl_multi_setopt(calls->multi, CURLMOPT_MAXCONNECTS, (long)room) != CURLM_OK) {
        review_calls_close(&calls);
        return STATUS_NO_MEMORY;
    }
    *out = calls;
    return STATUS_OK;
}

void review_calls_close(struct review_calls **calls)
{
    assert(calls != NULL);
    if (*calls == NULL) {
        return;
    }
    for (size_t place = 0; place < (*calls)->room; place++) {
        review_call_end(*calls, place);
    }
    (void)curl_multi_cleanup((*calls)->multi);
    free((*calls)->watched);
    free(*calls);
    *calls = NULL;
}

static size_t on_read(char *out, size_t size, size_t items, void *context)
{
    struct call *call = context;
    struct bytes more = bytes_first(bytes_from(buffer_view(&call->body), call->sent), size * items);

    if (more.count > 0) {
        memcpy(out, more.data, more.count);
    }
    call->sent += more.count;
    return more.count;
}

/* To rewind would be to send the POST a second time. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    (void)context;
    (void)offset;
    (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static size_t on_write(char *data, size_t size, size_t items, void *context)
{
    struct call *call = context;

    if (buffer_append(&call->answer, (struct bytes){data, size * items}) != STATUS_OK) {
        return 0; /* CURLE_WRITE_ERROR */
    }
    return size * items;
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = context;

    (void)purpose;
    if (!address_guard_allows(&address->addr, call->target->allow_private)) {
        call->denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* libcurl copies what it needs; only `call` and the target's fields are lent. */
static bool set_options(struct call *call, uint64_t timeout_ms)
{
    const struct review_target *target = call->target;
    CURL *easy = call->easy;

    return curl_easy_setopt(easy, CURLOPT_URL, target->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, target->fields) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.count) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK;
}

enum status review_call_start(struct review_calls *calls, size_t place, const struct review_target *target,
                              struct buffer *body, uint64_t timeout_ms)
{
    struct call *call = &calls->calls[place];

    assert(place < calls->room && call->state == CALL_FREE && timeout_ms > 0);
    *call = (struct call){.state = CALL_RUNNING, .body = *body, .target = target, .easy = curl_easy_init()};
    buffer_init(&call->answer, REVIEW_ANSWER_BYTES_MAX);
    if (call->easy == NULL || !set_options(call, timeout_ms) ||
        curl_multi_add_handle(calls->multi, call->easy) != CURLM_OK) {
        curl_easy_cleanup(call->easy);
        *call = (struct call){.state = CALL_FREE};
        return STATUS_NO_MEMORY;
    }
    buffer_init(body, body->max);
    return STATUS_OK;
}

size_t review_calls_items_max(const struct review_calls *calls)
{
    return calls->room * SOCKETS_PER_CALL;
}

size_t review_calls_poll(const struct review_calls *calls, zmq_pollitem_t *items)
{
    for (size_t index = 0; index < calls->watched_count; index++) {
        items[index] = (zmq_pollitem_t){.fd = calls->watched[index].socket,
                                        .events = (short)(calls->watched[index].events | ZMQ_POLLERR)};
    }
    return calls->watched_count;
}

uint64_t review_calls_due_ms(const struct review_calls *calls)
{
    return calls->due_ms;
}

void review_calls_turn(struct review_calls *calls, const zmq_pollitem_t *items, size_t count)
{
    CURLMsg *message;
    int running;
    int waiting;

    for (size_t index = 0; index < count; index++) {
        int mask = (items[index].revents & ZMQ_POLLIN ? CURL_CSELECT_IN : 0) |
                   (items[index].revents & ZMQ_POLLOUT ? CURL_CSELECT_OUT : 0) |
                   (items[index].revents & ZMQ_POLLERR ? CURL_CSELECT_ERR : 0);

        if (mask != 0) {
            (void)curl_multi_socket_action(calls->multi, items[index].fd, mask, &running);
        }
    }
    if (clock_ms() >= calls->due_ms) {
        calls->due_ms = UINT64_MAX; /* on_timer sets the next one */
        (void)curl_multi_socket_action(calls->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    while ((message = curl_multi_info_read(calls->multi, &waiting)) != NULL) {
        struct call *call = NULL;

        if (message->msg == CURLMSG_DONE && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK) {
            call->state = CALL_ENDED;
            call->result = message->data.result;
        }
    }
}

bool review_calls_next(struct review_calls *calls, size_t *out_place)
{
    for (size_t place = 0; place < calls->room; place++) {
        struct call *call = &calls->calls[place];

        if (call->state == CALL_ENDED && !call->told) {
            call->told = true;
            *out_place = place;
            return true;
        }
    }
    return false;
}

enum status review_call_result(const struct review_calls *calls, size_t place, unsigned *out_http_status, struct bytes *out_body)
{
    const struct call *call = &calls->calls[place];
    long http_status = 0;

    assert(place < calls->room && call->state == CALL_ENDED);
    switch (call->result) {
    case CURLE_OK:
        break;
    case CURLE_OPERATION_TIMEDOUT:
        return STATUS_TIMEOUT;
    case CURLE_WRITE_ERROR:
        return STATUS_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY:
        return STATUS_NO_MEMORY;
    default:
        return call->denied ? STATUS_DENIED : STATUS_UNAVAILABLE;
    }
    if (curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &http_status) != CURLE_OK || http_status < 0) {
        return STATUS_UNAVAILABLE;
    }
    *out_http_status = (unsigned)http_status;
    *out_body = buffer_view(&call->answer);
    return STATUS_OK;
}

uint64_t review_call_pause_ms(const struct review_calls *calls, size_t place)
{
    const struct call *call = &calls->calls[place];
    curl_off_t pause_s = 0;

    assert(place < calls->room && call->state == CALL_ENDED);
    if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &pause_s) != CURLE_OK || pause_s <= 0) {
        return 0;
    }
    return 1000 * (uint64_t)(pause_s < RETRY_AFTER_S_MAX ? pause_s : RETRY_AFTER_S_MAX);
}

void review_call_end(struct review_calls *calls, size_t place)
{
    struct call *call = &calls->calls[place];

    assert(place < calls->room);
    if (call->state == CALL_FREE) {
        return;
    }
    (void)curl_multi_remove_handle(calls->multi, call->easy);
    curl_easy_cleanup(call->easy);
    buffer_free(&call->body);
    buffer_free(&call->answer);
    *call = (struct call){.state = CALL_FREE};
}

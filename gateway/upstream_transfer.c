/* upstream_transfer: the life of a transfer from start to its one end, and its timers. */
#include "gateway/upstream_inside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *transfer_failure_name(enum transfer_failure failure)
{
    static const char *const names[] = {
        [TRANSFER_OK] = "ok",
        [TRANSFER_RESOLVE] = "resolve",
        [TRANSFER_FORBIDDEN] = "forbidden",
        [TRANSFER_CONNECT] = "connect",
        [TRANSFER_FIRST_BYTE] = "first_byte",
        [TRANSFER_IDLE] = "idle",
        [TRANSFER_TOTAL] = "total",
        [TRANSFER_BROKEN] = "broken",
        [TRANSFER_TOO_LARGE] = "too_large",
        [TRANSFER_DRAIN] = "drain",
        [TRANSFER_EMPTY] = "empty",
        [TRANSFER_REFUSED] = "refused",
        [TRANSFER_NO_ROOM] = "no_room",
    };

    assert((size_t)failure < sizeof names / sizeof names[0]);
    return names[failure];
}

/* When the transfer has had its time: for its phase, or all in all. An upstream that we have paused cannot be silent. */
static uint64_t deadline_of(const struct transfer *transfer)
{
    uint64_t until_ms = transfer->total_until_ms;

    if (transfer->phase <= PHASE_ASKING) {
        until_ms = transfer->phase_until_ms;
    } else if (transfer->phase == PHASE_ANSWERING) {
        until_ms = transfer->progress_ms + transfer->upstream->limits->idle_ms;
    }
    return until_ms < transfer->total_until_ms ? until_ms : transfer->total_until_ms;
}

/* When there is something to do: a deadline, or an alarm before it. */
static uint64_t waking_of(const struct transfer *transfer)
{
    uint64_t until_ms = deadline_of(transfer);

    return transfer->alarm_ms != 0 && transfer->alarm_ms < until_ms ? transfer->alarm_ms : until_ms;
}

/* What to call it when that has passed. */
static enum transfer_failure lateness_of(const struct transfer *transfer)
{
    if (uv_now(transfer->upstream->loop) >= transfer->total_until_ms) {
        return TRANSFER_TOTAL;
    }
    if (transfer->phase == PHASE_CONNECTING) { /* the second time, a connection has died with the request */
        return transfer->asked_us == 0 ? TRANSFER_CONNECT : TRANSFER_BROKEN;
    }
    return transfer->phase == PHASE_RESOLVING ? TRANSFER_RESOLVE
           : transfer->phase == PHASE_ASKING  ? TRANSFER_FIRST_BYTE
                                              : TRANSFER_IDLE;
}

/* The timer is not moved by each byte: it asks, when it fires, whether there was one. */
static void on_timer(uv_timer_t *timer)
{
    struct transfer *transfer = timer->data;
    uint64_t now_ms = uv_now(transfer->upstream->loop);

    if (now_ms >= deadline_of(transfer)) {
        transfer_fail(transfer, lateness_of(transfer));
    } else if (transfer->alarm_ms != 0 && now_ms >= transfer->alarm_ms) {
        transfer->alarm_ms = 0;
        (void)uv_timer_start(timer, on_timer, deadline_of(transfer) - now_ms, 0);
        transfer->events.alarm(transfer->events.context); /* which may cancel */
    } else {
        (void)uv_timer_start(timer, on_timer, waking_of(transfer) - now_ms, 0);
    }
}

void transfer_set_alarm(struct transfer *transfer, uint64_t delay_ms)
{
    uint64_t now_ms = uv_now(transfer->upstream->loop);

    assert(transfer->events.alarm != NULL);
    if (!transfer_is_ending(transfer)) {
        transfer->alarm_ms = now_ms + delay_ms;
        transfer_enter(transfer, transfer->phase);
    }
}

void transfer_enter(struct transfer *transfer, enum phase phase)
{
    const struct limit_settings *limits = transfer->upstream->limits;
    uint64_t now_ms = uv_now(transfer->upstream->loop);
    uint64_t until_ms;

    transfer->phase = phase;
    if (transfer_is_ending(transfer)) {
        (void)uv_timer_stop(&transfer->timer);
        return;
    }
    if (phase == PHASE_RESOLVING) {
        transfer->phase_until_ms = now_ms + limits->resolve_ms;
    } else if (phase == PHASE_READY && transfer->attempt == 0) {
        transfer->phase_until_ms = now_ms + limits->connect_ms; /* for all attempts together */
    } else if (phase == PHASE_ASKING) {
        transfer->phase_until_ms = now_ms + limits->first_byte_ms;
    }
    transfer->progress_ms = now_ms;
    until_ms = waking_of(transfer);
    (void)uv_timer_start(&transfer->timer, on_timer, until_ms > now_ms ? until_ms - now_ms : 0, 0);
}

void transfer_queue(struct transfer *transfer)
{
    if (!transfer->queued) {
        transfer->queued = true;
        TAILQ_INSERT_TAIL(&transfer->upstream->turn, transfer, turn);
        uv_ref((uv_handle_t *)&transfer->upstream->turn_end); /* the loop has a reason to turn once more */
    }
}

void transfer_unqueue(struct transfer *transfer)
{
    if (transfer->queued) {
        transfer->queued = false;
        TAILQ_REMOVE(&transfer->upstream->turn, transfer, turn);
    }
}

void transfer_fail(struct transfer *transfer, enum transfer_failure failure)
{
    if (transfer->failure == TRANSFER_OK) {
        transfer->failure = failure;
    }
    transfer_enter(transfer, PHASE_FAILED);
    transfer_queue(transfer);
}

static void on_transfer_closed(uv_handle_t *handle)
{
    struct transfer *transfer = handle->data;
    struct upstream *upstream = transfer->upstream;

    free(transfer);
    upstream_handle_closed(upstream);
}

/* Everything but the timer and the memory it lives in. */
static void free_parts(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->url);
    fields_close(&transfer->fields);
    buffer_free(&transfer->text);
    free(transfer->lines);
}

void transfer_free(struct transfer *transfer)
{
    free_parts(transfer);
    uv_close((uv_handle_t *)&transfer->timer, on_transfer_closed);
}

/* What a transfer needs for its next request: the fields empty, and a handle of libcurl. */
static enum status renew(struct transfer *transfer)
{
    enum status status = fields_renew(&transfer->fields, UPSTREAM_FIELDS_MAX, UPSTREAM_FIELDS_BYTES_MAX);

    if (transfer->upstream->handles_answer_once) {
        curl_easy_cleanup(transfer->easy); /* takes NULL */
        transfer->easy = NULL;
    }
    if (status == STATUS_OK && transfer->easy == NULL) {
        transfer->easy = curl_easy_init();
        status = transfer->easy == NULL ? STATUS_NO_MEMORY : upstream_options_init(transfer);
    }
    return status;
}

static enum status make(struct upstream *upstream, struct transfer **out)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    enum status status;

    if (transfer == NULL) {
        return STATUS_NO_MEMORY;
    }
    transfer->upstream = upstream;
    buffer_init(&transfer->text, UPSTREAM_REQUEST_HEAD_BYTES_MAX);
    status = renew(transfer);
    if (status != STATUS_OK) {
        goto fail;
    }
    (void)uv_timer_init(upstream->loop, &transfer->timer);
    transfer->timer.data = transfer;
    upstream->handles++;
    *out = transfer;
    return STATUS_OK;

fail:
    free_parts(transfer);
    free(transfer);
    return status;
}

static enum status take(struct upstream *upstream, struct transfer **out)
{
    struct transfer *transfer = upstream_spare_take(upstream);

    if (transfer == NULL) {
        return make(upstream, out);
    }
    if (renew(transfer) != STATUS_OK) {
        transfer_free(transfer);
        return STATUS_NO_MEMORY;
    }
    *out = transfer;
    return STATUS_OK;
}

static void remove_from_libcurl(struct transfer *transfer)
{
    if (transfer->attached) {
        CURLMcode code = curl_multi_remove_handle(transfer->upstream->multi, transfer->easy);

        assert(code == CURLM_OK);
        (void)code;
        transfer->attached = false;
        transfer->upstream->attached_count--;
        upstream_sockets_bound(transfer->upstream);
    }
}

void transfer_detach(struct transfer *transfer)
{
    resolve_forget(&transfer->wait);
    transfer_unqueue(transfer);
    remove_from_libcurl(transfer);
    upstream_options_arrived(transfer);
    transfer->host->busy--;
    host_give_back(transfer->host->all);
    TAILQ_REMOVE(&transfer->upstream->active, transfer, place);
}

static void finish(struct transfer *transfer, enum transfer_failure failure)
{
    bool tell = transfer->phase != PHASE_CANCELLED;

    transfer_detach(transfer);
    transfer_enter(transfer, PHASE_OVER);
    if (tell) {
        transfer->events.done(transfer->events.context, failure);
    }
    upstream_spare_keep(transfer);
}

/* What libcurl's code means, in the phase the transfer was in. */
static enum transfer_failure failure_of(const struct transfer *transfer, CURLcode code)
{
    bool whole_head = transfer->part == ANSWER_BODY;

    if (transfer->failure != TRANSFER_OK && code != CURLE_OK) {
        return transfer->failure;
    }
    if (code == CURLE_OK) {
        return upstream_answer_is_whole(transfer) ? TRANSFER_OK : TRANSFER_BROKEN;
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        return TRANSFER_RESOLVE;
    }
    if (transfer->phase == PHASE_CONNECTING && transfer->asked_us == 0) {
        return TRANSFER_CONNECT;
    }
    /* A line of a head above libcurl's own bound is "out of memory" for it. */
    return code == CURLE_OUT_OF_MEMORY && !whole_head ? TRANSFER_TOO_LARGE : TRANSFER_BROKEN;
}

/* A connect that was refused or took its part of the time gives way to the next addresses of the name. */
static bool try_next_address(struct transfer *transfer, CURLcode code)
{
    uint64_t now_ms = uv_now(transfer->upstream->loop);

    if (transfer->phase != PHASE_CONNECTING || transfer->asked_us != 0 || transfer->failure != TRANSFER_OK ||
        (code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT)) {
        return false;
    }
    transfer->attempt++;
    if (upstream_options_attempt(transfer, transfer->phase_until_ms > now_ms ? transfer->phase_until_ms - now_ms : 0) !=
        STATUS_OK) {
        return false;
    }
    remove_from_libcurl(transfer);
    transfer_enter(transfer, PHASE_READY);
    transfer_queue(transfer);
    return true;
}

void transfer_conclude(struct transfer *transfer, CURLcode code)
{
    if (!try_next_address(transfer, code)) {
        finish(transfer, failure_of(transfer, code));
    }
}

static void attach(struct transfer *transfer)
{
    struct upstream *upstream = transfer->upstream;

    if (curl_multi_add_handle(upstream->multi, transfer->easy) != CURLM_OK) {
        finish(transfer, TRANSFER_CONNECT);
        return;
    }
    transfer->attached = true;
    upstream->attached_count++;
    upstream_sockets_bound(upstream);
    transfer->opened = 0;
    transfer_enter(transfer, PHASE_CONNECTING);
}

/* libcurl calls the body event from inside curl_easy_pause; a refusal there is not told by a message of its own. */
static void resume(struct transfer *transfer)
{
    CURLcode code;

    transfer_enter(transfer, PHASE_ANSWERING);
    code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) {
        transfer_conclude(transfer, code);
    }
}

void transfer_step(struct transfer *transfer)
{
    if (transfer->phase == PHASE_READY) {
        attach(transfer);
    } else if (transfer->phase == PHASE_RESUMING) {
        resume(transfer);
    } else if (transfer_is_ending(transfer)) {
        finish(transfer, transfer->failure);
    }
}

/* The look-up has ended one way or the other. */
static void take_addresses(struct transfer *transfer, enum status status, struct bytes addresses)
{
    if (status == STATUS_OK) {
        status = upstream_options_way(transfer, addresses);
    }
    if (status == STATUS_OK) {
        status = upstream_options_attempt(transfer, transfer->upstream->limits->connect_ms);
    }
    if (status == STATUS_OK) {
        transfer_enter(transfer, PHASE_READY);
        transfer_queue(transfer);
    } else {
        transfer_fail(transfer, status == STATUS_DENIED ? TRANSFER_FORBIDDEN : TRANSFER_RESOLVE);
    }
}

static void on_found(void *context, enum status status, struct bytes addresses)
{
    take_addresses(context, status, addresses);
}

static void begin(struct transfer *transfer, struct upstream_host *host, const struct transfer_events *events)
{
    struct upstream *upstream = transfer->upstream;
    const struct limit_settings *limits = upstream->limits;
    uint64_t longest_ms = limits->total_ms > limits->total_plain_ms ? limits->total_ms : limits->total_plain_ms;
    struct bytes addresses;
    enum status status;

    transfer->events = *events;
    transfer->host = host;
    host->busy++;
    transfer->failure = TRANSFER_OK;
    transfer->started_us = clock_us();
    transfer->started_ms = uv_now(upstream->loop);
    transfer->total_until_ms = transfer->started_ms + longest_ms; /* the head will tell which of the two it is */
    transfer->alarm_ms = 0;
    transfer->asked_us = 0;
    transfer->attempt = 0;
    transfer->first_byte_us = 0;
    upstream_answer_begin(transfer);
    TAILQ_INSERT_TAIL(&upstream->active, transfer, place);
    transfer->wait.found = on_found;
    transfer->wait.context = transfer;
    transfer_enter(transfer, PHASE_RESOLVING);
    status = resolve_name(upstream->resolver, bytes_of(host->origin.name), host->allow_private, &transfer->wait, &addresses);
    if (status != STATUS_AGAIN) {
        take_addresses(transfer, status, addresses);
    }
}

bool transfer_drop_request(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    bool is_copied = transfer->body.count <= UPSTREAM_SMALL_BODY_BYTES && transfer->body.count > 0;
    curl_off_t sent_bytes = 0;

    if (curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent_bytes) != CURLE_OK || sent_bytes < 0 ||
        (uint64_t)sent_bytes < transfer->body.count ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL) != CURLE_OK ||
        (is_copied && curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL) != CURLE_OK)) {
        return false;
    }
    transfer->body = (struct bytes){NULL, 0};
    buffer_free(&transfer->text);
    free(transfer->lines);
    transfer->lines = NULL;
    transfer->lines_room = 0;
    return true;
}

enum status transfer_start(struct transfer **out, struct upstream *upstream, const struct transfer_request *request,
                           const struct transfer_events *events)
{
    struct upstream_host *host;
    struct transfer *transfer;
    enum status status = upstream_hosts_find(upstream, request->url, &host);

    if (status != STATUS_OK) {
        return status;
    }
    status = host_take(host->all);
    if (status != STATUS_OK) {
        series_add(upstream->full, 1);
        return status;
    }
    status = take(upstream, &transfer);
    if (status != STATUS_OK) {
        host_give_back(host->all);
        return status;
    }
    status = upstream_options_set(transfer, request);
    if (status != STATUS_OK) {
        host_give_back(host->all);
        upstream_spare_keep(transfer);
        return status;
    }
    begin(transfer, host, events);
    *out = transfer;
    return STATUS_OK;
}

void transfer_resume(struct transfer *transfer)
{
    if (transfer->phase == PHASE_PAUSED) {
        transfer_enter(transfer, PHASE_RESUMING);
        transfer_queue(transfer);
    }
}

void transfer_cancel(struct transfer **transfer)
{
    if (*transfer != NULL && (*transfer)->phase != PHASE_OVER) {
        assert((*transfer)->phase != PHASE_SPARE);
        transfer_enter(*transfer, PHASE_CANCELLED);
        transfer_queue(*transfer);
    }
    *transfer = NULL;
}

bool transfer_sent_any(const struct transfer *transfer)
{
    long sent_bytes = 0;

    if (transfer->asked_us != 0) {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
    }
    return sent_bytes > 0;
}

uint64_t transfer_first_byte_us(const struct transfer *transfer)
{
    return transfer->first_byte_us;
}

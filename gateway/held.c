/* held: gathers a plain answer within its bound and the account's, and writes it out piece by piece when it is released. */
#include "gateway/held.h"

#include "gateway/relay_fields.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>

struct held {
    struct held_options options;
    struct transfer *transfer; /* NULL once it is gone */
    struct fields *fields;     /* of the head, as they go to the client */
    struct buffer body;        /* charged to the account */
    size_t sent_bytes;
    bool ended; /* `done` was told */
    struct relay_result result;
};

/* What is told, told once; the owner may close it inside. */
static void end(struct held *held, enum relay_end how, enum transfer_failure failure)
{
    assert(!held->ended);
    if (failure != TRANSFER_OK) {
        series_add(held->options.series->failures[failure], 1);
        account_free(held->options.account, &held->body);
    }
    if (held->transfer != NULL) {
        transfer_cancel(&held->transfer);
    }
    held->ended = true;
    held->result.end = how;
    held->result.failure = failure;
    held->options.done(held->options.context, &held->result);
}

static void fail(struct held *held, enum transfer_failure failure)
{
    end(held, RELAY_FAILED_BEFORE, failure);
}

static void on_head(void *context, const struct transfer_head *head)
{
    struct held *held = context;
    uint64_t bytes_max = held->options.limits->response_bytes;

    held->result.status = head->status;
    held->result.first_byte_us = transfer_first_byte_us(held->transfer);
    if (head->stream && head->status < 300) {
        fail(held, TRANSFER_BROKEN);
        return;
    }
    if (head->body_bytes > 0 && (uint64_t)head->body_bytes > bytes_max) {
        fail(held, TRANSFER_TOO_LARGE);
        return;
    }
    if (relay_fields_open(&held->fields, head->fields, held->options.add_fields) != STATUS_OK) {
        fail(held, TRANSFER_TOO_LARGE);
        return;
    }
    buffer_init(&held->body, head->body_bytes > 0 ? (size_t)head->body_bytes : (size_t)bytes_max);
}

static bool on_body(void *context, struct bytes chunk)
{
    struct held *held = context;
    enum status status = account_reserve(held->options.account, &held->body, chunk.count);

    if (status == STATUS_OK) {
        status = buffer_append(&held->body, chunk);
    }
    if (status != STATUS_OK) {
        fail(held, status == STATUS_TOO_LARGE ? TRANSFER_TOO_LARGE : TRANSFER_NO_ROOM);
    }
    return true;
}

static void on_done(void *context, enum transfer_failure failure)
{
    struct held *held = context;

    held->transfer = NULL; /* gone with this call */
    if (failure == TRANSFER_OK && held->fields == NULL) {
        failure = TRANSFER_BROKEN; /* no head came */
    }
    end(held, failure == TRANSFER_OK ? RELAY_COMPLETE : RELAY_FAILED_BEFORE, failure);
}

enum status held_open(struct held **out, struct upstream *upstream, const struct transfer_request *request,
                      const struct held_options *options)
{
    struct held *held = calloc(1, sizeof *held);
    const struct transfer_events events = {.head = on_head, .body = on_body, .done = on_done, .context = held};
    enum status status;

    assert(options->done != NULL && options->series != NULL && options->account != NULL);
    if (held == NULL) {
        return STATUS_NO_MEMORY;
    }
    held->options = *options;
    status = transfer_start(&held->transfer, upstream, request, &events);
    if (status != STATUS_OK) {
        free(held);
        return status;
    }
    *out = held;
    return STATUS_OK;
}

void held_close(struct held **held)
{
    struct held *closing = *held;

    if (closing == NULL) {
        return;
    }
    if (closing->transfer != NULL) {
        transfer_cancel(&closing->transfer);
    }
    series_add(closing->options.series->bytes, (int64_t)closing->sent_bytes);
    account_free(closing->options.account, &closing->body);
    fields_close(&closing->fields);
    free(closing);
    *held = NULL;
}

const struct relay_result *held_so_far(const struct held *held)
{
    return &held->result;
}

struct bytes held_body(const struct held *held)
{
    return buffer_view(&held->body);
}

void held_cut_repeats(struct held *held, struct json *json)
{
    assert(held->ended && held->sent_bytes == 0);
    held->body.count = json_cut_repeats(json, held->body.data);
}

enum status held_send(struct held *held, struct reply *reply)
{
    enum status status = STATUS_OK;

    assert(held->ended && held->result.end == RELAY_COMPLETE);
    if (!reply->head_written) {
        status = reply_head(reply, held->result.status, held->fields, (int64_t)held->body.count);
    }
    while (status == STATUS_OK && held->sent_bytes < held->body.count) {
        struct bytes piece = bytes_first(bytes_from(buffer_view(&held->body), held->sent_bytes), UPSTREAM_CHUNK_BYTES);

        if (connection_is_full(reply->connection, piece.count)) {
            return STATUS_AGAIN;
        }
        status = reply_body(reply, piece);
        held->sent_bytes += status == STATUS_OK ? piece.count : 0;
        held->result.body_bytes = held->sent_bytes;
    }
    return status == STATUS_OK ? reply_end(reply) : status;
}

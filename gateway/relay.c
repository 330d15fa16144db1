/* relay: passes an answer on as it comes, pauses its upstream for a slow client, and tells a broken end from a clean one. */
#include "gateway/relay.h"

#include "gateway/format/errors.h"
#include "gateway/glance.h"
#include "gateway/relay_fields.h"
#include "proto/sse.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum relay_state {
    RELAY_WAITING, /* for the upstream's head: nothing was written */
    RELAY_HOLDING, /* the head has come, and waits with what follows for content: nothing was written */
    RELAY_FLOWING, /* the head was written; the body passes */
    RELAY_PAUSED,  /* as flowing; the upstream waits for the client */
    RELAY_ENDED,   /* `done` was told: the relay is only still there to be closed */
};

struct relay {
    enum relay_state state;
    struct transfer *transfer; /* NULL once it is gone */
    struct reply *reply;
    struct relay_options options;
    struct sse_boundary boundary; /* streams: where an error event may begin */
    struct glance *glance;        /* what it has shown; NULL: that is not asked for */
    bool until_close;             /* nothing but the close of its connection ends the upstream's answer */
    bool encoded;                 /* gzip and the like: nothing of ours can be written into it */
    struct fields *held_fields;   /* of an answer whose head waits, as they go to the client */
    struct buffer held;           /* what came behind that head */
    enum glance_form form;        /* what is looked into once the head is written */
    struct relay_result result;
};

void relay_series_find(struct relay_series *out, struct metrics *metrics)
{
    out->streams = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_streams", "Event streams that are being relayed",
                                  NULL, 0);
    out->pauses = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_relay_pauses_total",
                                 "Times an upstream was paused because its client had relay_buffer unsent", NULL, 0);
    out->bytes = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_relay_bytes_total",
                                "Bytes of answers passed to clients", NULL, 0);
    for (size_t index = 0; index < TRANSFER_FAILURES; index++) {
        const struct metric_label why = {"why", transfer_failure_name((enum transfer_failure)index)};

        out->failures[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_upstream_failures_total",
                                              "Answers that were missing or incomplete, by reason", &why, 1);
    }
}

/* What is told, told once; the owner may close the relay inside. */
static void end(struct relay *relay, enum relay_end how, enum transfer_failure failure)
{
    const struct relay_series *series = relay->options.series;

    assert(relay->state != RELAY_ENDED);
    if (relay->result.stream && relay->state != RELAY_WAITING) {
        series_add(series->streams, -1);
    }
    series_add(series->bytes, (int64_t)relay->result.body_bytes);
    if (failure != TRANSFER_OK) {
        series_add(series->failures[failure], 1);
    }
    if (relay->transfer != NULL) {
        transfer_cancel(&relay->transfer);
    }
    connection_when_drained(relay->reply->connection, 0, NULL, NULL);
    relay->state = RELAY_ENDED;
    relay->result.end = how;
    relay->result.failure = failure;
    relay->options.done(relay->options.context, &relay->result);
}

/* Why a stream broke, for its client; the message is static. */
static struct bytes told_of(enum transfer_failure failure, enum error_kind *kind)
{
    switch (failure) {
    case TRANSFER_IDLE:
        *kind = ERROR_TIMEOUT;
        return BYTES("upstream idle timeout");
    case TRANSFER_TOTAL:
        *kind = ERROR_TIMEOUT;
        return BYTES("the stream took longer than it may");
    case TRANSFER_DRAIN:
        *kind = ERROR_OVERLOADED;
        return BYTES("the gateway is being shut down");
    case TRANSFER_TOO_LARGE:
        *kind = ERROR_BAD_GATEWAY;
        return BYTES("the upstream sent more than it may");
    default:
        *kind = ERROR_BAD_GATEWAY;
        return BYTES("upstream stream ended unexpectedly");
    }
}

/* What the client is told of a stream that broke (spec/wire-formats.md section 4.5). */
static void write_error_event(struct relay *relay, enum transfer_failure failure)
{
    const struct glance *glance = relay->glance;
    struct errors_place place = {{NULL, 0}, 0, false};
    enum error_kind kind = ERROR_BAD_GATEWAY;
    struct bytes message = told_of(failure, &kind);
    struct buffer event;
    enum status status;

    if (glance != NULL) {
        place = (struct errors_place){glance_response_id(glance), glance->next_sequence, glance->created};
    }
    buffer_init(&event, ERROR_EVENT_BYTES_MAX);
    status = buffer_append(&event, sse_boundary_gap(&relay->boundary));
    if (status == STATUS_OK) {
        status = errors_stream_event(relay->options.dialect, kind, message, &place, &event);
    }
    if (status == STATUS_OK) {
        status = reply_body(relay->reply, buffer_view(&event));
    }
    (void)status; /* a client that is gone, or a length that leaves no room: the break below says it all */
    buffer_free(&event);
}

/* The same for Gemini's stream in a list: the values that were sent are closed, an error is the last one. */
static void write_error_value(struct relay *relay, enum transfer_failure failure)
{
    enum error_kind kind = ERROR_BAD_GATEWAY;
    struct bytes message = told_of(failure, &kind);
    struct buffer value;
    bool again = false;
    enum status status;

    buffer_init(&value, ERROR_EVENT_BYTES_MAX);
    status = skim_close(&relay->glance->skim, &value, &again);
    if (status == STATUS_OK && again) {
        status = buffer_append(&value, BYTES(",\n"));
    }
    if (status == STATUS_OK) {
        status = errors_body(relay->options.dialect, kind, &(struct errors_text){.message = message}, &value);
    }
    if (status == STATUS_OK) {
        status = buffer_append(&value, BYTES("]"));
    }
    if (status == STATUS_OK) {
        status = reply_body(relay->reply, buffer_view(&value));
    }
    (void)status; /* as above */
    buffer_free(&value);
}

static bool is_open_list(const struct relay *relay)
{
    return relay->glance != NULL && relay->glance->form == GLANCE_LIST && relay->glance->skim.depth > 0;
}

/* The answer cannot be completed: before its head the exchange answers, after it only a break is left. */
static void fail(struct relay *relay, enum transfer_failure failure)
{
    if (relay->state == RELAY_WAITING || relay->state == RELAY_HOLDING) {
        end(relay, RELAY_FAILED_BEFORE, failure);
        return;
    }
    if (relay->result.stream && !relay->encoded) {
        write_error_event(relay, failure);
    } else if (is_open_list(relay)) {
        write_error_value(relay, failure);
    }
    reply_break(relay->reply);
    end(relay, RELAY_FAILED_AFTER, failure);
}

static enum status write_head(struct relay *relay, const struct transfer_head *head)
{
    struct fields *fields = NULL;
    enum status status = relay_fields_open(&fields, head->fields, relay->options.add_fields);
    /* A stream's length would leave no room for the error event of a broken end. */
    bool has_length = !head->stream || relay->encoded || relay->reply->head_only;

    if (status == STATUS_OK) {
        status = reply_head(relay->reply, head->status, fields, has_length ? head->body_bytes : -1);
    }
    fields_close(&fields);
    return status;
}

static bool is_encoded(const struct fields *fields)
{
    struct bytes coding;

    return fields_find(fields, BYTES("content-encoding"), &coding) && !bytes_equal_nocase(coding, BYTES("identity"));
}

/* How the answer is to be looked into. A stream of responses, because its error must name it; one that only a close ends,
 * because nothing else tells whether it is whole; a list of Gemini's, because an error must be one of its values. */
static enum glance_form form_of(const struct relay *relay, const struct transfer_head *head)
{
    struct bytes type;

    if (relay->encoded || relay->reply->head_only || head->status >= 300) {
        return GLANCE_NONE;
    }
    if (head->stream) {
        return relay->until_close || relay->options.dialect == DIALECT_OPENAI_RESPONSES ? GLANCE_EVENTS : GLANCE_NONE;
    }
    if (relay->options.dialect != DIALECT_GEMINI_CHAT || !fields_find(head->fields, BYTES("content-type"), &type)) {
        return GLANCE_NONE;
    }
    return bytes_equal_nocase(bytes_first(type, 16), BYTES("application/json")) ? GLANCE_LIST : GLANCE_NONE;
}

static enum status look(struct relay *relay, enum glance_form form)
{
    return glance_open(&relay->glance, form, relay->options.dialect, relay->options.limits->sse_event_bytes);
}

static void begin_stream(struct relay *relay, const struct transfer_head *head)
{
    if (head->stream) {
        series_add(relay->options.series->streams, 1);
    }
    if (head->request_gone && relay->options.request_gone != NULL) {
        relay->options.request_gone(relay->options.context);
    }
}

static bool is_to_wait(const struct relay *relay, const struct transfer_head *head)
{
    return relay->options.delay_head && head->stream && head->status < 300 && !relay->encoded && !relay->reply->head_only;
}

static void hold_head(struct relay *relay, const struct transfer_head *head)
{
    unsigned long long seconds;
    struct bytes value;

    if (relay_fields_open(&relay->held_fields, head->fields, relay->options.add_fields) != STATUS_OK ||
        look(relay, GLANCE_EVENTS) != STATUS_OK) {
        relay->result.stream = false; /* it has not begun */
        fail(relay, TRANSFER_TOO_LARGE);
        return;
    }
    if (fields_find(head->fields, BYTES("retry-after"), &value) &&
        bytes_number(value, RETRY_AFTER_S_MAX, &seconds) == STATUS_OK) {
        relay->result.retry_after_s = (unsigned)seconds;
    }
    relay->state = RELAY_HOLDING;
    begin_stream(relay, head);
    transfer_set_alarm(relay->transfer, DELAY_MS);
}

static void on_head(void *context, const struct transfer_head *head)
{
    struct relay *relay = context;
    enum status status;

    assert(relay->state == RELAY_WAITING);
    relay->result.status = head->status;
    relay->result.first_byte_us = transfer_first_byte_us(relay->transfer);
    if (!head->stream && !relay->reply->head_only && head->body_bytes > 0 &&
        (uint64_t)head->body_bytes > relay->options.limits->response_bytes) {
        fail(relay, TRANSFER_TOO_LARGE);
        return;
    }
    relay->result.stream = head->stream;
    relay->until_close = head->until_close && !relay->reply->head_only;
    relay->encoded = is_encoded(head->fields);
    relay->form = form_of(relay, head);
    if (is_to_wait(relay, head)) {
        hold_head(relay, head);
        return;
    }
    status = look(relay, relay->form);
    if (status == STATUS_OK) {
        status = write_head(relay, head);
    }
    if (status != STATUS_OK && status != STATUS_CLOSED && !relay->reply->head_written) {
        fail(relay, TRANSFER_TOO_LARGE);
        return;
    }
    relay->state = RELAY_FLOWING;
    begin_stream(relay, head);
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        fail(relay, TRANSFER_TOO_LARGE); /* a head that filled the connection's bound */
    }
}

/* The client has taken half of what it owed: on with it. */
static void on_drained(void *context)
{
    struct relay *relay = context;

    if (relay->state == RELAY_PAUSED) {
        relay->state = RELAY_FLOWING;
        transfer_resume(relay->transfer);
    }
}

static void pause_upstream(struct relay *relay)
{
    uint64_t high_bytes = relay->options.limits->relay_buffer_bytes;

    relay->state = RELAY_PAUSED;
    relay->result.pauses++;
    series_add(relay->options.series->pauses, 1);
    connection_when_drained(relay->reply->connection, (size_t)(high_bytes / 2), on_drained, relay);
}

/* A stream that only the close of its connection ends has died, unless it has said that it ends: a death between two events
 * looks like an end to everybody (spec/wire-formats.md section 4.5). */
static bool is_cut(struct relay *relay)
{
    struct glance *glance = relay->glance;

    if (!relay->until_close || glance == NULL || glance->form == GLANCE_NONE ||
        (glance->form == GLANCE_LIST && glance->skim.depth == 0)) {
        return false;
    }
    glance_finish(glance);
    return !glance->ended && !glance->failed;
}

/* A part of the body to the client. False: the relay has ended, and may be gone. */
static bool pass(struct relay *relay, struct bytes chunk)
{
    enum status status = reply_body(relay->reply, chunk);

    if (status != STATUS_OK && status != STATUS_CLOSED) { /* gone: the connection tells the exchange, which closes us */
        fail(relay, TRANSFER_BROKEN);                     /* more bytes than the announced length */
        return false;
    }
    relay->result.body_bytes += chunk.count;
    sse_boundary_follow(&relay->boundary, chunk);
    return true;
}

/* The head need not wait any more. As pass(). */
static bool let_go(struct relay *relay)
{
    struct buffer held = relay->held;
    bool passed;
    enum status status = reply_head(relay->reply, relay->result.status, relay->held_fields, -1);

    if (status != STATUS_OK && status != STATUS_CLOSED && !relay->reply->head_written) {
        fail(relay, TRANSFER_TOO_LARGE);
        return false;
    }
    relay->state = RELAY_FLOWING;
    if (relay->form == GLANCE_NONE) {
        glance_close(&relay->glance);
    }
    fields_close(&relay->held_fields);
    buffer_init(&relay->held, 0);
    passed = pass(relay, buffer_view(&held));
    buffer_free(&held);
    return passed;
}

static void on_alarm(void *context)
{
    struct relay *relay = context;

    if (relay->state == RELAY_HOLDING) {
        (void)let_go(relay);
    }
}

/* As much as one client may have unsent. */
static size_t held_bytes_max(const struct relay *relay)
{
    uint64_t high_bytes = relay->options.limits->relay_buffer_bytes;

    return high_bytes < DELAY_BYTES_MAX ? (size_t)high_bytes : DELAY_BYTES_MAX;
}

static void hold_body(struct relay *relay, struct bytes chunk)
{
    relay->held.max = held_bytes_max(relay) + UPSTREAM_CHUNK_BYTES;
    if (buffer_append(&relay->held, chunk) != STATUS_OK || glance_follow(relay->glance, chunk) != STATUS_OK) {
        fail(relay, TRANSFER_TOO_LARGE);
    } else if (relay->glance->content || relay->held.count >= held_bytes_max(relay)) {
        (void)let_go(relay);
    } else if (relay->glance->failed) {
        relay->result.refusal = relay->glance->error;
        fail(relay, TRANSFER_REFUSED);
    }
}

static bool on_body(void *context, struct bytes chunk)
{
    struct relay *relay = context;

    if (relay->state == RELAY_HOLDING) {
        hold_body(relay, chunk);
        return true;
    }
    assert(relay->state == RELAY_FLOWING || relay->state == RELAY_PAUSED);
    if (connection_is_full(relay->reply->connection, chunk.count)) {
        if (relay->state == RELAY_FLOWING) {
            pause_upstream(relay);
        }
        return false;
    }
    relay->state = RELAY_FLOWING;
    if (!relay->result.stream && relay->result.body_bytes + chunk.count > relay->options.limits->response_bytes) {
        fail(relay, TRANSFER_TOO_LARGE);
    } else if (pass(relay, chunk) && glance_follow(relay->glance, chunk) != STATUS_OK) {
        fail(relay, TRANSFER_TOO_LARGE);
    }
    return true;
}

/* The upstream ended well while its head still waits: true when there is content to be passed on. */
static bool has_begun(struct relay *relay)
{
    glance_finish(relay->glance);
    if (relay->glance->content) {
        return true;
    }
    relay->result.refusal = relay->glance->error;
    fail(relay, relay->glance->failed ? TRANSFER_REFUSED : TRANSFER_EMPTY);
    return false;
}

static void on_done(void *context, enum transfer_failure failure)
{
    struct relay *relay = context;
    enum status status;

    relay->transfer = NULL; /* gone with this call */
    if (failure == TRANSFER_OK && relay->state == RELAY_HOLDING) {
        if (!has_begun(relay) || !let_go(relay)) {
            return;
        }
    }
    if (failure == TRANSFER_OK && (relay->state == RELAY_WAITING || is_cut(relay))) {
        failure = TRANSFER_BROKEN; /* no head came, or not all of a stream */
    }
    if (failure != TRANSFER_OK) {
        fail(relay, failure);
        return;
    }
    status = reply_end(relay->reply);
    if (status != STATUS_OK && status != STATUS_CLOSED) { /* bytes of the length are missing, or no room for the end */
        fail(relay, TRANSFER_BROKEN);
        return;
    }
    end(relay, RELAY_COMPLETE, TRANSFER_OK);
}

enum status relay_open(struct relay **out, struct upstream *upstream, const struct transfer_request *request,
                       struct reply *reply, const struct relay_options *options)
{
    struct relay *relay = calloc(1, sizeof *relay);
    struct transfer_events events = {.head = on_head, .body = on_body, .done = on_done, .context = relay, .alarm = on_alarm};
    enum status status;

    assert(options->done != NULL && options->series != NULL);
    if (relay == NULL) {
        return STATUS_NO_MEMORY;
    }
    relay->reply = reply;
    relay->options = *options;
    status = transfer_start(&relay->transfer, upstream, request, &events);
    if (status != STATUS_OK) {
        free(relay);
        return status;
    }
    *out = relay;
    return STATUS_OK;
}

const struct relay_result *relay_so_far(const struct relay *relay)
{
    return &relay->result;
}

void relay_close(struct relay **relay)
{
    struct relay *closing = *relay;

    if (closing == NULL) {
        return;
    }
    if (closing->state != RELAY_ENDED) {
        if (closing->result.stream && closing->state != RELAY_WAITING) {
            series_add(closing->options.series->streams, -1);
        }
        series_add(closing->options.series->bytes, (int64_t)closing->result.body_bytes);
        transfer_cancel(&closing->transfer);
    }
    glance_close(&closing->glance);
    fields_close(&closing->held_fields);
    buffer_free(&closing->held);
    free(closing);
    *relay = NULL;
}

void relay_end_now(struct relay *relay)
{
    fail(relay, TRANSFER_DRAIN);
}

/* exchange: the driver of the steps, and what makes it go on: connections, verdicts. */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum step (*run)(struct exchange *exchange);
} steps[STEP_COUNT] = {
    [STEP_HEAD] = {"head", exchange_head},
    [STEP_IDENTIFY] = {"identify", exchange_identify},
    [STEP_ROUTE] = {"route", exchange_route},
    [STEP_ADMIT] = {"admit", exchange_admit},
    [STEP_PACE] = {"pace", exchange_pace},
    [STEP_DECODER] = {"decoder", exchange_decoder},
    [STEP_READ] = {"read", exchange_read},
    [STEP_BODY] = {"body", exchange_body},
    [STEP_MODELS] = {"models", exchange_models},
    [STEP_OPTIONS] = {"options", exchange_options},
    [STEP_JUDGE] = {"judge", exchange_judge},
    [STEP_OBEY] = {"obey", exchange_obey},
    [STEP_ALLOWED] = {"allowed", exchange_allowed},
    [STEP_INPUTS] = {"inputs", exchange_inputs},
    [STEP_ASK] = {"ask", exchange_ask},
    [STEP_RESULTS] = {"results", exchange_results},
    [STEP_CONNECT] = {"connect", exchange_connect},
    [STEP_HOLD] = {"hold", exchange_hold_on},
    [STEP_WEIGH] = {"weigh", exchange_weigh},
    [STEP_RELEASE] = {"release", exchange_release},
    [STEP_RELAY] = {"relay", exchange_relay},
    [STEP_REFUSE] = {"refuse", exchange_refuse},
    [STEP_FINISH] = {"finish", exchange_finish},
};

void exchange_drop_body(struct exchange *exchange)
{
    account_free(admit_bodies(exchange->home->admit), &exchange->body);
}

/* Gives an exchange back; its lists of fields are kept for the next one. */
static void give_back(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;

    assert(exchange->job == NULL && exchange->relay == NULL);
    exchange_leave(exchange);
    snapshot_release(&exchange->snapshot);
    exchange_step_out(exchange);
    pace_leave(home->pace, &exchange->paced);
    exchange_held_close(exchange);
    exchange_decode_close(exchange);
    exchange_moderations_close(exchange);
    exchange_drop_body(exchange);
    buffer_free(&exchange->form);
    home->live_count--;
    exchange_spare_keep(exchange);
}

bool exchange_go(struct exchange *exchange, enum step step)
{
    while (step < STEP_COUNT) {
        exchange->step = step;
        step = steps[step].run(exchange);
    }
    if (step == STEP_END) {
        give_back(exchange);
    }
    return step != STEP_END;
}

static void *on_head(void *context, struct connection *connection)
{
    struct exchanges *home = context;
    struct exchange *exchange = exchange_spare_take(home);

    if (exchange == NULL) {
        exchange_reject_early(home, connection, REFUSAL_MEMORY);
        return NULL;
    }
    exchange->connection = connection;
    exchange->snapshot = snapshot_hold(home->snapshot);
    exchange->head = connection_head(connection);
    exchange->method = exchange->head->method;
    forwarded_address(snapshot_proxies(exchange->snapshot), connection_address(connection), exchange->head->fields,
                      exchange->address);
    exchange->begun_us = clock_us();
    exchange->source = SOURCE_NAME_REFUSED;
    exchange->end = "complete";
    secret_decision_id(&home->ids, exchange->decision);
    buffer_init(&exchange->body, home->limits->request_bytes);
    buffer_init(&exchange->coded, READ_BUFFER_BYTES);
    buffer_init(&exchange->form, home->limits->header_line_bytes);
    buffer_clear(&exchange->url);
    home->live_count++;
    return exchange_go(exchange, STEP_HEAD) ? exchange : NULL;
}

/* The buffer's room is the process's budget's, charged before it grows; its bound is the length that the head announced. What
 * comes out of a decoder nobody can tell before: it is charged as it comes. Who waits for room has all that he needs but a copy
 * of the text: he comes before those who are still being read. */
static enum status on_room(void *context, size_t bytes)
{
    struct exchange *exchange = context;
    struct buffer *body = &exchange->body;
    size_t left;

    if (exchange->coding != CODING_NONE || exchange->turned_away) {
        return STATUS_OK;
    }
    if (body->room == 0 && exchange->head->body_bytes > 0) {
        body->max = (size_t)exchange->head->body_bytes;
    }
    left = body->max - body->count;
    bytes = bytes < left ? bytes : left;
    if (bytes > body->room - body->count && exchange_must_queue(exchange)) {
        return STATUS_FULL;
    }
    return account_reserve(admit_bodies(exchange->home->admit), body, bytes);
}

enum status exchange_keep(void *context, struct bytes part)
{
    struct exchange *exchange = context;
    enum status status = account_reserve(admit_bodies(exchange->home->admit), &exchange->body, part.count);

    if (status == STATUS_OK) {
        status = buffer_append(&exchange->body, part);
        exchange->body_bytes = exchange->body.count;
    }
    return status;
}

static enum status on_body(void *context, struct bytes part)
{
    struct exchange *exchange = context;

    if (exchange->turned_away) {
        return STATUS_OK; /* nobody wants it */
    }
    return exchange->coding == CODING_NONE ? exchange_keep(exchange, part) : exchange_decode(exchange, part);
}

static void on_complete(void *context)
{
    struct exchange *exchange = context;

    assert(exchange->step == STEP_READ || exchange->turned_away);
    exchange->read_us = clock_us() - exchange->begun_us;
    exchange->is_whole = true;
    if (exchange->turned_away) {
        (void)exchange_go(exchange, exchange_problem(exchange, exchange->why, exchange->status, exchange->why_sentence));
    } else if (exchange->wait == WAIT_NONE) { /* else exchange_decode_on goes on */
        (void)exchange_go(exchange, exchange->coding == CODING_NONE ? exchange->after_read : exchange_decoded(exchange));
    }
}

static void on_refused(void *context, struct connection *connection, void *current, enum request_refusal refusal)
{
    struct exchange *exchange = current;

    if (exchange == NULL) {
        exchange_reject_early(context, connection, refusal);
    } else if (exchange->step == STEP_PACE && refusal == REFUSAL_BODY_TIME) {
        (void)exchange_go(exchange, exchange_shed(exchange)); /* nobody had time for it */
    } else if (exchange->step == STEP_DECODER && refusal == REFUSAL_BODY_TIME) {
        (void)exchange_go(exchange, exchange_rejected(exchange, REFUSAL_DECODERS)); /* the time went by for want of one */
    } else if (exchange->starved_ms != 0 && refusal == REFUSAL_BODY_TIME) {
        (void)exchange_go(exchange, exchange_rejected(exchange, REFUSAL_BODY_BUDGET)); /* for want of room */
    } else {
        (void)exchange_go(exchange, exchange_rejected(exchange, refusal));
    }
}

/* The pool keeps the job until it comes back; nobody waits for it any more. */
static void let_go(struct exchange *exchange)
{
    if (exchange->step == STEP_JUDGE && exchange->job != NULL) {
        exchange->job->owner = NULL;
        pool_abandon(exchange->home->pool, exchange->job);
        exchange->job = NULL;
    }
    exchange_moderations_let_go(exchange);
    if (exchange->relay != NULL) {
        exchange->relayed = *relay_so_far(exchange->relay);
        relay_close(&exchange->relay);
    }
    exchange_held_close(exchange);
}

static void on_gone(void *context)
{
    struct exchange *exchange = context;

    exchange->connection = NULL;
    exchange->end = "client_left";
    exchange->status = exchange->status == 0 ? STATUS_CLIENT_LEFT : exchange->status;
    let_go(exchange);
    (void)exchange_go(exchange, STEP_FINISH);
}

static void on_end_now(void *context)
{
    struct exchange *exchange = context;

    if (exchange->step == STEP_RELAY) {
        relay_end_now(exchange->relay);
        return;
    }
    if (exchange->step == STEP_RESULTS || exchange->step == STEP_RELEASE) { /* its head is on the way: only a break is left */
        exchange->end = "shutdown";
        reply_break(&exchange->reply);
        (void)exchange_go(exchange, STEP_FINISH);
        return;
    }
    let_go(exchange);
    (void)exchange_go(exchange, exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is being shut down"));
}

static bool on_is_proxy(void *context, struct bytes address)
{
    const struct exchanges *home = context;

    return forwarded_trusts(snapshot_proxies(home->snapshot), address);
}

struct connection_events exchanges_events(struct exchanges *exchanges)
{
    return (struct connection_events){
        .head = on_head,
        .room = on_room,
        .body = on_body,
        .complete = on_complete,
        .refused = on_refused,
        .gone = on_gone,
        .end_now = on_end_now,
        .is_proxy = on_is_proxy,
        .context = exchanges,
    };
}

void exchange_judged(struct job *job)
{
    struct exchange *exchange = job->owner;
    enum step step = STEP_OBEY;

    if (exchange != NULL && exchange->answering) {
        exchange->answer_us = clock_us() - exchange->answer_begun_us;
    } else if (exchange != NULL) {
        exchange->judge_us = clock_us() - exchange->begun_us - exchange->read_us;
    }
    if (exchange != NULL && exchange->moderations != NULL) {
        step = exchange_input_judged(exchange, job);
    } else if (exchange != NULL) {
        assert(exchange->step == STEP_JUDGE && exchange->job == job);
        exchange->job = NULL;
        exchange->verdict = job->result;
    }
    job_close(&job);
    if (exchange != NULL) {
        (void)exchange_go(exchange, step);
    }
}

static struct series *stage_series(struct metrics *metrics, const char *stage)
{
    return metrics_series(metrics, METRIC_HISTOGRAM, "prismguard_gateway_request_seconds",
                          "Time of requests by stage: the body's arrival, the verdict, the upstream's head, all of it; and of "
                          "those that were turned away",
                          &(struct metric_label){"stage", stage}, 1);
}

static void open_refusal_series(struct exchange_metrics *series, struct metrics *metrics)
{
    for (enum request_refusal refusal = REFUSAL_NONE + 1; refusal < REFUSAL_COUNT; refusal++) {
        series->rejected[refusal] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_http_rejected_total",
                                                   "Requests that broke a rule of HTTP or a bound, by rule",
                                                   &(struct metric_label){"rule", refusal_rule(refusal)}, 1);
    }
    for (enum error_kind kind = 0; kind < ERROR_COUNT; kind++) {
        series->errors[kind] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_errors_total",
                                              "Answers of the gateway's own that say why not, by kind of error",
                                              &(struct metric_label){"error", errors_name(kind)}, 1);
    }
    for (size_t end = 0; end < STREAM_ENDS; end++) {
        series->stream_ends[end] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_streams_ended_total",
                                                  "Event streams that have ended, by how",
                                                  &(struct metric_label){"end", exchange_stream_end_name(end)}, 1);
    }
}

static void open_series(struct exchanges *exchanges)
{
    struct metrics *metrics = exchanges->metrics;

    relay_series_find(&exchanges->relays, metrics);
    exchanges->series.read = stage_series(metrics, "read");
    exchanges->series.judge = stage_series(metrics, "judge");
    exchanges->series.answer = stage_series(metrics, "answer");
    exchanges->series.first_byte = stage_series(metrics, "first_byte");
    exchanges->series.total = stage_series(metrics, "total");
    exchanges->series.refused = stage_series(metrics, "refused");
    for (size_t kind = 0; kind < UNJUDGED_KINDS; kind++) {
        exchanges->series.unjudged[kind] =
            metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_unjudged_total",
                           "What was let through without being judged, by kind",
                           &(struct metric_label){"kind", unjudged_name((enum unjudged_kind)kind)}, 1);
    }
    exchanges->series.unavailable =
        metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_unavailable_allowed_total",
                       "Requests let through without a verdict, because their profile allows it", NULL, 0);
    open_refusal_series(&exchanges->series, metrics);
    exchange_decode_series(&exchanges->series, metrics);
    exchange_slices_series(&exchanges->series, metrics);
    exchange_answer_series(&exchanges->series, metrics);
    exchanges->series.waits_room = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_text_waits_total",
                                                  "Requests whose text had to wait for room in the body budget", NULL, 0);
}

enum status exchanges_open(struct exchanges **out, const struct exchange_services *services)
{
    struct exchanges *exchanges = calloc(1, sizeof *exchanges);
    enum status status;

    if (exchanges == NULL) {
        return STATUS_NO_MEMORY;
    }
    exchanges->snapshot = snapshot_hold(services->snapshot);
    exchanges->limits = services->limits;
    exchanges->admit = services->admit;
    exchanges->metrics = services->metrics;
    exchanges->upstream = services->upstream;
    exchanges->pace = services->pace;
    exchanges->loop_index = services->loop_index;
    for (enum wait wait = WAIT_NONE; wait < WAIT_COUNT; wait++) {
        TAILQ_INIT(&exchanges->waiting[wait]);
    }
    exchanges->turn_bytes = TURN_BYTES;
    TAILQ_INIT(&exchanges->spares);
    spare_init(&exchanges->spare, "exchanges", services->metrics);
    json_init(&exchanges->json);
    json_init(&exchanges->slices.json);
    buffer_init(&exchanges->scratch, SCRATCH_BYTES_MAX);
    status = fields_open(&exchanges->early, ADDED_FIELDS_MAX, ADDED_BYTES_MAX);
    if (status != STATUS_OK) {
        exchanges_close(&exchanges);
        return status;
    }
    open_series(exchanges);
    *out = exchanges;
    return STATUS_OK;
}

void exchanges_use_snapshot(struct exchanges *exchanges, struct snapshot *snapshot)
{
    snapshot_release(&exchanges->snapshot);
    exchanges->snapshot = snapshot_hold(snapshot);
    /* Its routes may come to lie where those of the old one did. */
    memset(exchanges->answers, 0, sizeof exchanges->answers);
}

void exchanges_use_pool(struct exchanges *exchanges, struct pool *pool)
{
    exchanges->pool = pool;
}

void exchanges_close(struct exchanges **exchanges)
{
    if (*exchanges == NULL) {
        return;
    }
    assert((*exchanges)->live_count == 0);
    exchange_spare_free(*exchanges);
    snapshot_release(&(*exchanges)->snapshot);
    fields_close(&(*exchanges)->early);
    json_free(&(*exchanges)->json);
    json_free(&(*exchanges)->slices.json);
    buffer_free(&(*exchanges)->scratch);
    free(*exchanges);
    *exchanges = NULL;
}

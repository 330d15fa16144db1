/* exchange_answer: answers of our own, and what is written down about a request. */
#include "gateway/exchange_inside.h"

#include "gateway/endpoint.h"
#include "gateway/format/models.h"
#include "gateway/trace.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum step exchange_problem(struct exchange *exchange, enum error_kind kind, unsigned status, const char *sentence)
{
    problem_set(&exchange->home->problem, kind, "", sentence);
    exchange->status = status;
    exchange->why = kind;
    exchange->why_sentence = sentence;
    return STEP_REFUSE;
}

/* Which kind of error a refusal of HTTP is in a dialect; its status is the rule's. */
static enum error_kind kind_of(enum request_refusal refusal)
{
    switch (refusal_status(refusal)) {
    case 413:
        return ERROR_TOO_LARGE;
    case 429:
        return ERROR_RATE_LIMIT;
    case 503:
        return ERROR_OVERLOADED;
    default:
        return ERROR_INVALID_REQUEST;
    }
}

/* Counts it, and writes it down once a second for each rule. */
static void tell_rejected(const struct exchanges *home, enum request_refusal refusal, struct bytes client)
{
    series_add(home->series.rejected[refusal], 1);
    log_event_limited_each(refusal, REFUSAL_COUNT, LOG_INFO, "http_rejected", LOG_TEXT("rule", refusal_rule(refusal)),
                           LOG_NUMBER("status", refusal_status(refusal)), LOG_BYTES("client", client));
}

enum step exchange_rejected(struct exchange *exchange, enum request_refusal refusal)
{
    tell_rejected(exchange->home, refusal, bytes_of(exchange->address));
    return exchange_problem(exchange, kind_of(refusal), refusal_status(refusal), refusal_sentence(refusal));
}

/* When to come again, in seconds: what is known, else with every 503; 0: nothing is said. */
static unsigned retry_after_of(unsigned status, unsigned known_s)
{
    return known_s == 0 && (status == 503 || status == STATUS_OVERLOADED_CLAUDE) ? RETRY_AFTER_S : known_s;
}

enum step exchange_unreadable(struct exchange *exchange)
{
    enum error_kind kind = exchange->home->problem.kind;

    log_event_limited_each(kind, ERROR_COUNT, LOG_INFO, "body_refused", LOG_TEXT("error", errors_name(kind)),
                           LOG_BYTES("key", exchange_caller_name(exchange)), LOG_TEXT("client", exchange->address));
    return STEP_REFUSE;
}

enum step exchange_full(struct exchange *exchange, enum exchange_limit limit)
{
    static const struct {
        const char *name;
        enum error_kind kind;
        const char *sentence;
    } limits[LIMIT_COUNT] = {
        [LIMIT_IN_FLIGHT] = {"in_flight", ERROR_OVERLOADED, "the gateway has as many requests in flight as it may"},
        [LIMIT_OVERLOAD] = {"overload", ERROR_OVERLOADED, "the gateway is overloaded"},
        [LIMIT_KEY_RATE] = {"key_rate", ERROR_RATE_LIMIT, "the key has made as many requests as it may in this time"},
        [LIMIT_KEY_IN_FLIGHT] = {"key_in_flight", ERROR_RATE_LIMIT, "the key has as many requests in flight as it may"},
        [LIMIT_QUEUE] = {"queue", ERROR_MODERATION_BUSY, "too many requests wait for moderation"},
        [LIMIT_UPSTREAM] = {"upstream_connections", ERROR_OVERLOADED, "the upstream has as many requests as it may"},
    };

    log_event_limited_each(limit, LIMIT_COUNT, LOG_WARN, "limit_met", LOG_TEXT("limit", limits[limit].name),
                           LOG_BYTES("key", exchange_caller_name(exchange)), LOG_TEXT("client", exchange->address));
    return exchange_problem(exchange, limits[limit].kind, 0, limits[limit].sentence);
}

/* A whole answer in JSON; `body` is the scratch buffer. A failure means that the client is gone or memory is: the
 * connection is closed either way. */
static void answer(struct reply *reply, unsigned status, unsigned retry_after_s, struct bytes body, struct fields *fields)
{
    enum status written = fields_add(fields, BYTES("Content-Type"), BYTES("application/json"));
    char seconds[12];

    if (written == STATUS_OK && retry_after_s > 0) {
        (void)snprintf(seconds, sizeof seconds, "%u", retry_after_s);
        written = fields_add(fields, BYTES("Retry-After"), bytes_of(seconds));
    }
    if (written == STATUS_OK) {
        written = reply_head(reply, status, fields, (int64_t)body.count);
    }
    if (written == STATUS_OK) {
        written = reply_body(reply, body);
    }
    if (written == STATUS_OK) {
        written = reply_end(reply);
    }
    if (written != STATUS_OK) {
        connection_finish(reply->connection);
    }
}

/* An error in the client's dialect. */
static void answer_problem(struct exchanges *home, struct reply *reply, unsigned status, unsigned retry_after_s,
                           const struct problem *problem, enum dialect dialect, struct fields *fields)
{
    struct buffer *body = &home->scratch;
    struct errors_text text = {.message = bytes_of(problem->sentence),
                               .param = problem_param(problem),
                               .retry_after_s = retry_after_of(status, retry_after_s)};

    (void)fields_find(fields, BYTES("x-request-id"), &text.request_id);
    buffer_clear(body);
    if (errors_body(dialect, problem->kind, &text, body) == STATUS_OK) {
        answer(reply, status, text.retry_after_s, buffer_view(body), fields);
    } else {
        connection_finish(reply->connection);
    }
}

enum status exchange_add_ids(struct exchange *exchange)
{
    struct bytes decision = bytes_of(exchange->decision);
    struct bytes id = decision;
    char unjudged[UNJUDGED_TEXT_ROOM];
    enum status status;

    (void)trace_request_id(exchange->head->fields, &id);
    fields_clear(exchange->added);
    status = fields_add(exchange->added, BYTES("x-prismguard-decision"), decision);
    if (status == STATUS_OK) {
        status = fields_add(exchange->added, BYTES("x-request-id"), id);
    }
    if (status == STATUS_OK && exchange->dialect == DIALECT_CLAUDE_CHAT) { /* Anthropic's SDKs read this one */
        status = fields_add(exchange->added, BYTES("request-id"), id);
    }
    unjudged_write(&exchange->unjudged, unjudged);
    if (status == STATUS_OK && unjudged[0] != '\0') {
        status = fields_add(exchange->added, BYTES("x-prismguard-unjudged"), bytes_of(unjudged));
    }
    return status == STATUS_OK ? exchange_add_debug(exchange) : status;
}

void exchange_count_unjudged(const struct exchange *exchange)
{
    for (size_t kind = 0; kind < UNJUDGED_KINDS; kind++) {
        series_add(exchange->home->series.unjudged[kind], (int64_t)exchange->unjudged.counts[kind]);
    }
}

/* What a 401 and a 405 must say, and a 415 ought to (RFC 9110 sections 11.6.1, 15.5.6 and 12.5.3). */
static enum status add_what_is_due(struct exchange *exchange)
{
    bool post_only = exchange->route != NULL && exchange->route->settings->serve == SERVE_MODERATIONS;

    if (exchange->status == 415 && exchange->coding == CODING_OTHER) {
        return fields_add(exchange->added, BYTES("Accept-Encoding"), BYTES("gzip, deflate, br"));
    }
    if (exchange->status == 401) {
        return fields_add(exchange->added, BYTES("WWW-Authenticate"), BYTES("Bearer"));
    }
    if (exchange->status != 405) {
        return STATUS_OK;
    }
    return fields_add(exchange->added, BYTES("Allow"),
                      post_only ? BYTES("POST") : BYTES(EXCHANGE_METHODS));
}

enum step exchange_refuse(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    bool head_only = bytes_equal(head->method, BYTES("HEAD"));

    if (exchange->status == 0) {
        exchange->status = errors_status(exchange->dialect, exchange->home->problem.kind);
    }
    if (exchange->relayed.failure == TRANSFER_OK) {
        exchange->end = "refused";
    }
    exchange->error = errors_name(exchange->home->problem.kind);
    series_add(exchange->home->series.errors[exchange->home->problem.kind], 1);
    reply_init(&exchange->reply, exchange->connection, head->http_1_0, head_only,
               connection_may_keep(exchange->connection));
    if (exchange_add_ids(exchange) == STATUS_OK && add_what_is_due(exchange) == STATUS_OK) {
        answer_problem(exchange->home, &exchange->reply, exchange->status, exchange->retry_after_s, &exchange->home->problem,
                       exchange->dialect, exchange->added);
    } else {
        connection_finish(exchange->connection);
    }
    return STEP_FINISH;
}

enum step exchange_models(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    struct buffer *body = &exchange->home->scratch;

    buffer_clear(body);
    if (models_list(exchange->dialect, exchange->route->settings, body) != STATUS_OK || exchange_add_ids(exchange) != STATUS_OK) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    exchange->status = 200;
    reply_init(&exchange->reply, exchange->connection, head->http_1_0, false, connection_may_keep(exchange->connection));
    answer(&exchange->reply, exchange->status, 0, buffer_view(body), exchange->added);
    return STEP_FINISH;
}

void exchange_reject_early(struct exchanges *home, struct connection *connection, enum request_refusal refusal)
{
    struct problem problem;
    struct reply reply;
    enum dialect dialect;

    tell_rejected(home, refusal, connection_address(connection));
    series_add(home->series.errors[kind_of(refusal)], 1);
    problem_set(&problem, kind_of(refusal), "", refusal_sentence(refusal));
    reply_init(&reply, connection, false, false, false);
    fields_clear(home->early);
    dialect = endpoint_dialect(connection_path(connection), home->early); /* by its path alone: no field is checked */
    answer_problem(home, &reply, refusal_status(refusal), refusal == REFUSAL_ADDRESS ? RETRY_AFTER_S : 0, &problem, dialect,
                   home->early);
}

static const char *route_name(const struct exchange *exchange)
{
    return exchange->route == NULL ? "none" : exchange->route->settings->path;
}

/* As a label value. An upstream may answer with any number of three digits: those that nobody uses are counted by their class. */
static void status_label(unsigned status, char out[STATUS_LABEL_ROOM])
{
    bool known = (status >= 200 && status <= 206) || (status >= 300 && status <= 308) || (status >= 400 && status <= 431) ||
                 status == STATUS_CLIENT_LEFT || (status >= 500 && status <= 504) || status == STATUS_OVERLOADED_CLAUDE;

    if (known) {
        (void)snprintf(out, STATUS_LABEL_ROOM, "%u", status);
    } else {
        (void)snprintf(out, STATUS_LABEL_ROOM, "%uxx", status / 100 % 10);
    }
}

static struct series *find_answer_series(struct exchange *exchange)
{
    char status[STATUS_LABEL_ROOM];

    status_label(exchange->status, status);
    return metrics_series(exchange->home->metrics, METRIC_COUNTER, "prismguard_gateway_requests_total",
                          "Requests by route, status of the answer, and what decided",
                          (const struct metric_label[]){{"route", route_name(exchange)},
                                                        {"status", status},
                                                        {"source", exchange->source}},
                          3);
}

/* The series of an answer of this kind. `source` is compared by its address: it is one of a few literals. */
static struct series *answer_series(struct exchange *exchange)
{
    uintptr_t mixed = (uintptr_t)exchange->route / sizeof(struct route) + exchange->status + (uintptr_t)exchange->source;
    struct answer_series *slot = &exchange->home->answers[mixed % ANSWER_SERIES];

    if (exchange->snapshot != exchange->home->snapshot) {
        return find_answer_series(exchange); /* the last ones by routes that were replaced */
    }
    if (slot->series == NULL || slot->route != exchange->route || slot->status != exchange->status ||
        slot->source != exchange->source) {
        slot->series = find_answer_series(exchange);
        slot->route = exchange->route;
        slot->status = exchange->status;
        slot->source = exchange->source;
    }
    return slot->series;
}

const char *exchange_stream_end_name(size_t end)
{
    return end == STREAM_CLIENT_LEFT ? "client_left"
           : end == TRANSFER_OK      ? "complete"
                                     : transfer_failure_name((enum transfer_failure)end);
}

static void count_stream(const struct exchange *exchange)
{
    size_t end = exchange->connection == NULL ? (size_t)STREAM_CLIENT_LEFT : (size_t)exchange->relayed.failure;

    if (exchange->relayed.stream) {
        series_add(exchange->home->series.stream_ends[end], 1);
    }
}

static const char *outcome_of(const struct exchange *exchange)
{
    return exchange->has_verdict ? outcome_name(exchange->verdict.outcome) : "none";
}

/* One line a request. Counts, times and names of ours; never a text. */
static void write_down(const struct exchange *exchange, uint64_t total_us)
{
    const struct job_result *verdict = &exchange->verdict;
    char unjudged[UNJUDGED_TEXT_ROOM];

    unjudged_write(&exchange->unjudged, unjudged);
    log_event(LOG_INFO, "request_done", LOG_TEXT("decision", exchange->decision),
              LOG_BYTES("method", exchange->method), LOG_BYTES("key", exchange_caller_name(exchange)),
              LOG_TEXT("client", exchange->address),
              LOG_TEXT("route", route_name(exchange)),
              LOG_NUMBER("status", exchange->status), LOG_TEXT("outcome", outcome_of(exchange)),
              LOG_TEXT("source", exchange->source), LOG_TEXT("category", verdict->category),
              LOG_TEXT("would", exchange->would),
              LOG_TEXT("error", exchange->error), LOG_NUMBER("retries", verdict->retries),
              LOG_REAL("score", exchange->has_verdict ? (double)verdict->score : (double)NAN),
              LOG_NUMBER("model_version", verdict->model_version), LOG_NUMBER("segments", exchange->segment_count),
              LOG_NUMBER("text_bytes", exchange->text_bytes), LOG_TEXT("unjudged", unjudged),
              LOG_NUMBER("body_bytes", exchange->body_bytes),
              LOG_NUMBER("answer_bytes", exchange->relayed.body_bytes), LOG_NUMBER("read_us", exchange->read_us),
              LOG_NUMBER("judge_us", exchange->judge_us),
              LOG_TEXT("answer", exchange_fate_name(exchange)), LOG_NUMBER("answer_us", exchange->answer_us),
              LOG_NUMBER("first_byte_us", exchange->relayed.first_byte_us),
              LOG_NUMBER("total_us", total_us), LOG_NUMBER("stream", exchange->relayed.stream),
              LOG_TEXT("end", exchange->end));
}

enum step exchange_finish(struct exchange *exchange)
{
    const struct exchange_metrics *series = &exchange->home->series;
    uint64_t total_us = clock_us() - exchange->begun_us;

    assert(exchange->status != 0);
    series_add(answer_series(exchange), 1);
    count_stream(exchange);
    exchange_count_answer(exchange);
    series_observe(series->read, (double)exchange->read_us / 1e6);
    if (exchange->relayed.first_byte_us > 0) {
        series_observe(series->first_byte, (double)exchange->relayed.first_byte_us / 1e6);
    }
    if (exchange->turned_away) {
        series_observe(series->refused, (double)(total_us - exchange->read_us + exchange->waited_us) / 1e6);
    }
    series_observe(series->total, (double)total_us / 1e6);
    write_down(exchange, total_us);
    return STEP_END;
}

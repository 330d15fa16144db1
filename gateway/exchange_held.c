/* exchange_held: answers that are judged before they are released: held whole, read, judged by each profile that wants it.
 *
 *   connect -> hold -> weigh -> judge -> obey -> allowed -> release -> finish
 *                        ^------- next profile ----'
 *
 * A plain answer of a judged request whose profile says `responses: true`, and what shows an answer that is kept. A stream that
 * was asked for is relayed unjudged and counted; an error of the upstream's passes. Memory: the answer is charged to the body
 * budget until its last byte was written, and its text once more while it is with the pool. (To judge streams, exchange_holds and
 * what follows STEP_HOLD are where they would part from relay.)
 */
#include "gateway/exchange_inside.h"

#include "gateway/format/answer.h"
#include "gateway/format/extract.h"
#include "proto/clock.h"
#include "proto/log.h"

#include <assert.h>
#include <string.h>

/* Whose words an answer is made of does not matter: all of it is told to the client. */
enum { ANSWER_SCOPE = SCOPE_SYSTEM | SCOPE_USER | SCOPE_TOOL | SCOPE_DOCUMENT | SCOPE_ASSISTANT | SCOPE_REASONING };

static bool wants_answers(const struct profile_settings *profile)
{
    return profile != NULL && profile->responses;
}

static const char *const fates[ANSWER_FATES] = {
    [ANSWER_ALLOWED] = "allowed",       [ANSWER_BLOCKED] = "blocked", [ANSWER_UNAVAILABLE] = "unavailable",
    [ANSWER_UNREADABLE] = "unreadable", [ANSWER_PASSED] = "passed",   [ANSWER_STREAMED] = "streamed",
};

void exchange_count_answer(const struct exchange *exchange)
{
    if (exchange->answering && exchange->connection != NULL) {
        series_add(exchange->home->series.answers[exchange->fate], 1);
    }
}

const char *exchange_fate_name(const struct exchange *exchange)
{
    return exchange->answering ? fates[exchange->fate] : NULL;
}

/* A stream of an answer that is kept is asked for in the query. */
static bool asks_for_stream(const struct exchange *exchange)
{
    const struct bytes wish = BYTES("stream=true");

    return exchange->streams ||
           (exchange->query.count > 0 && memmem(exchange->query.data, exchange->query.count, wish.data, wish.count) != NULL);
}

bool exchange_holds(struct exchange *exchange)
{
    const struct profile_settings *first = exchange->route->profile;
    const struct profile_settings *second = exchange->named_profile == first ? NULL : exchange->named_profile;

    if (!(exchange->judged || exchange->shows_answers) || !(wants_answers(first) || wants_answers(second))) {
        return false;
    }
    if (asks_for_stream(exchange)) {
        series_add(exchange->home->series.answers[ANSWER_STREAMED], 1);
        return false;
    }
    exchange->profile = wants_answers(first) ? first : second;
    exchange->next_profile = wants_answers(first) && wants_answers(second) ? second : NULL;
    return true;
}

/* All of the answer is there, or none will be. */
static void on_held(void *context, const struct relay_result *result)
{
    struct exchange *exchange = context;

    if (result->end != RELAY_COMPLETE) {
        exchange_held_close(exchange); /* *result goes with it */
        (void)exchange_go(exchange, exchange_failed(exchange));
        return;
    }
    exchange->relayed = *result;
    exchange_drop_body(exchange);
    exchange->asked = (struct asked){exchange->verdict, exchange->has_verdict, exchange->source};
    exchange->answering = true;
    exchange->fate = ANSWER_ALLOWED;
    if (result->status >= 300 || held_body(exchange->held).count == 0) {
        exchange->fate = ANSWER_PASSED;
        (void)exchange_go(exchange, STEP_RELEASE);
    } else {
        (void)exchange_go(exchange, STEP_WEIGH);
    }
}

enum status exchange_hold(struct exchange *exchange, const struct transfer_request *request)
{
    const struct held_options options = {
        .limits = exchange->home->limits,
        .series = &exchange->home->relays,
        .account = admit_bodies(exchange->home->admit),
        .add_fields = exchange->added,
        .done = on_held,
        .context = exchange,
    };
    enum status status = held_open(&exchange->held, exchange->home->upstream, request, &options);

    if (status == STATUS_OK) {
        series_add(exchange->home->series.held, 1);
    }
    return status;
}

enum step exchange_hold_on(struct exchange *exchange)
{
    (void)exchange;
    return STEP_WAIT; /* for on_held */
}

void exchange_held_close(struct exchange *exchange)
{
    if (exchange->held != NULL) {
        series_add(exchange->home->series.held, -1);
        exchange->relayed = *held_so_far(exchange->held);
        held_close(&exchange->held);
    }
}

static enum status add_segment(void *context, const struct segment *segment)
{
    struct exchange *exchange = context;

    return job_add(exchange->job, segment);
}

/* Packs the answer's text into the job. */
static enum status pack_answer(struct exchange *exchange, struct json *json, struct extract_result *out)
{
    const struct extract_options options = {
        .scope_roles = ANSWER_SCOPE,
        .images = exchange->profile->observe ? IMAGES_ALLOW : exchange->profile->images,
        .text_bytes_max = exchange->home->limits->moderated_text_bytes,
        .add = add_segment,
        .context = exchange,
    };
    struct extract *extract = NULL;
    enum status status = extract_open(&extract, &options);

    if (status == STATUS_OK) {
        status = answer_read(exchange->dialect, json, held_body(exchange->held), extract, out);
    }
    extract_close(&extract);
    return status;
}

/* What cannot be read cannot be judged, and is not released; a profile that observes lets it go. */
static enum step unreadable(struct exchange *exchange, enum status status)
{
    exchange_step_out(exchange);
    if (status == STATUS_NO_MEMORY) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    exchange->fate = ANSWER_UNREADABLE;
    log_event_limited(LOG_WARN, "answer_unreadable", LOG_TEXT("decision", exchange->decision),
                      LOG_TEXT("route", exchange->route->settings->path), LOG_STATUS("status", status));
    if (exchange->profile->observe) {
        return STEP_ALLOWED;
    }
    exchange->source = SOURCE_NAME_REFUSED;
    return exchange_problem(exchange, ERROR_BAD_GATEWAY, 0, "the upstream's answer cannot be judged");
}

/* Of a key that the answer's object has twice the last one counts (spec/wire-formats.md section 0). A client might take another:
 * the last one alone is judged and sent. */
static enum step keep_the_last(struct exchange *exchange, struct json *json)
{
    job_close(&exchange->job);
    held_cut_repeats(exchange->held, json);
    exchange_slices_again(exchange);
    return STEP_WEIGH;
}

enum step exchange_weigh(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;
    struct extract_result extracted;
    struct json *json;
    uint64_t bytes;
    enum status status;

    if (exchange_must_queue(exchange)) {
        return exchange_await_room(exchange, 0);
    }
    status = exchange_read_json(exchange, &json);
    if (status != STATUS_OK) {
        return status == STATUS_AGAIN ? STEP_WAIT : unreadable(exchange, status); /* for exchanges_turn */
    }
    status = exchange_open_job(exchange);
    if (status != STATUS_OK) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    status = pack_answer(exchange, json, &extracted);
    if (status == STATUS_DUPLICATE && json->has_repeats) {
        return keep_the_last(exchange, json);
    }
    bytes = exchange->job->body.room;
    if (status == STATUS_OK && extracted.segment_count > 0) {
        status = job_charge(exchange->job, admit_bodies(home->admit)) == STATUS_OK ? STATUS_OK : STATUS_AGAIN;
    }
    if (status != STATUS_OK || extracted.segment_count == 0) {
        job_close(&exchange->job);
    }
    if (status == STATUS_AGAIN) {
        return exchange_await_room(exchange, bytes);
    }
    if (status != STATUS_OK) {
        return unreadable(exchange, status);
    }
    exchange_step_out(exchange);
    exchange->answer_begun_us = clock_us();
    return exchange->job == NULL ? STEP_ALLOWED : STEP_JUDGE;
}

/* The client has taken half of what it owed. */
static void on_drained(void *context)
{
    (void)exchange_go(context, STEP_RELEASE);
}

enum step exchange_release(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    enum status status;

    if (!exchange->reply.head_written) {
        exchange->verdict = exchange->asked.verdict; /* the log's line tells of the request */
        exchange->has_verdict = exchange->asked.has_verdict;
        exchange->source = exchange->asked.source;
        exchange->status = exchange->relayed.status;
        reply_init(&exchange->reply, exchange->connection, head->http_1_0, bytes_equal(head->method, BYTES("HEAD")),
                   connection_may_keep(exchange->connection));
    }
    status = held_send(exchange->held, &exchange->reply);
    if (status == STATUS_AGAIN) {
        connection_when_drained(exchange->connection, (size_t)(exchange->home->limits->relay_buffer_bytes / 2), on_drained,
                                exchange);
        return STEP_WAIT;
    }
    if (status != STATUS_OK) { /* the client is gone, or memory is */
        reply_break(&exchange->reply);
    }
    exchange_held_close(exchange);
    return STEP_FINISH;
}

void exchange_answer_series(struct exchange_metrics *series, struct metrics *metrics)
{
    for (enum answer_fate fate = 0; fate < ANSWER_FATES; fate++) {
        series->answers[fate] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_answers_total",
                                               "Answers of upstreams where a profile wants them judged, by what came of them",
                                               &(struct metric_label){"fate", fates[fate]}, 1);
    }
    series->held = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_answers_held",
                                  "Answers of upstreams that are held until they have been judged and sent", NULL, 0);
}

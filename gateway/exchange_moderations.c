/* exchange_moderations: a route that serves OpenAI's moderation endpoint: each input a job, a bounded number of them at once.
 *
 *   body -> inputs -> ask <-> (verdicts) -> results -> finish        one input without a verdict: the whole request is a 503
 *
 * The texts of all inputs are packed once, one behind the other, and lent to a job when its turn comes: what waits costs its
 * bytes and no job. The answer is written result by result, as fast as the client takes it.
 *
 *   texts:  [ head | text ] [ head | text ] ...
 *             ^ a piece: role and length
 */
#include "gateway/exchange_inside.h"

#include "gateway/format/body.h"
#include "gateway/format/extract.h"
#include "gateway/format/moderations_answer.h"
#include "gateway/format/moderations_request.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece_head {
    uint32_t bytes;
    uint8_t role;
};

struct moderations {
    struct buffer texts;
    size_t taken_bytes; /* of them, by jobs */
    bool is_list;       /* each piece is an input; else all of them are one */
    struct moderations_result *results;
    size_t input_count;
    size_t asked_count;
    struct {
        struct job *job; /* the pool's; NULL = free */
        size_t input;
    } live[MODERATION_JOBS_MAX];
    size_t live_count;
    size_t unjudged_count; /* inputs let through without a verdict */
    size_t charged_bytes;  /* of the process's body budget */
    size_t written_count;
};

void exchange_moderations_let_go(struct exchange *exchange)
{
    struct moderations *moderations = exchange->moderations;

    for (size_t slot = 0; moderations != NULL && slot < MODERATION_JOBS_MAX; slot++) {
        struct job *job = moderations->live[slot].job;

        if (job != NULL) {
            job->owner = NULL;
            pool_abandon(exchange->home->pool, job);
            moderations->live[slot].job = NULL;
            moderations->live_count--;
        }
    }
}

void exchange_moderations_close(struct exchange *exchange)
{
    struct moderations *moderations = exchange->moderations;

    if (moderations != NULL) {
        assert(moderations->live_count == 0);
        account_release(admit_bodies(exchange->home->admit), moderations->charged_bytes);
        buffer_free(&moderations->texts);
        free(moderations->results);
        free(moderations);
        exchange->moderations = NULL;
    }
}

static enum status add_piece(void *context, const struct segment *segment)
{
    struct moderations *moderations = context;
    const struct piece_head head = {(uint32_t)segment->text.count, segment->role};
    enum status status = buffer_append(&moderations->texts, (struct bytes){(const char *)&head, sizeof head});

    return status == STATUS_OK ? buffer_append(&moderations->texts, segment->text) : status;
}

/* The next piece; the texts hold one. */
static struct segment next_piece(struct moderations *moderations)
{
    struct bytes rest = bytes_from(buffer_view(&moderations->texts), moderations->taken_bytes);
    struct piece_head head;

    assert(rest.count > sizeof head);
    memcpy(&head, rest.data, sizeof head);
    moderations->taken_bytes += sizeof head + head.bytes;
    return (struct segment){head.role, bytes_first(bytes_from(rest, sizeof head), head.bytes)};
}

static bool has_pieces(const struct moderations *moderations)
{
    return moderations->taken_bytes < moderations->texts.count;
}

/* Reads the body into pieces. On a failure the exchange's problem says what to answer. */
static enum status read_inputs(struct exchange *exchange, struct json *json, struct moderations *moderations)
{
    struct exchanges *home = exchange->home;
    const struct extract_options options = {
        .scope_roles = SCOPE_USER | SCOPE_DOCUMENT, /* whose words an input is, the profile's scope does not know */
        .text_bytes_max = home->limits->moderated_text_bytes,
        .add = add_piece,
        .context = moderations,
    };
    const struct extract_result *extracted;
    struct extract *extract = NULL;
    struct body body;
    enum status status = extract_open(&extract, &options);

    if (status != STATUS_OK) {
        problem_set(&exchange->home->problem, ERROR_OVERLOADED, "", "the gateway is out of memory");
        return status;
    }
    status = body_walk(moderations_request_walk, json, buffer_view(&exchange->body), UNKNOWN_BLOCK, extract, &body,
                       &exchange->home->problem);
    if (status == STATUS_OK) {
        extracted = &body.extracted;
        exchange->segment_count = extracted->segment_count;
        exchange->text_bytes = extracted->text_bytes;
        moderations->is_list = moderations_request_is_list(json);
        moderations->input_count = moderations->is_list ? extracted->segment_count : 1;
        exchange->unjudged = unjudged_of(extracted);
    }
    extract_close(&extract);
    return status;
}

enum step exchange_inputs(struct exchange *exchange)
{
    uint64_t text_bytes_max = exchange->home->limits->moderated_text_bytes;
    struct moderations *moderations;
    struct json *json;
    enum status status;
    size_t bytes;

    if (exchange_must_queue(exchange)) {
        return exchange_await_room(exchange, 0);
    }
    status = exchange_read_json(exchange, &json);
    if (status != STATUS_OK) {
        return status == STATUS_AGAIN ? STEP_WAIT : exchange_unreadable(exchange); /* for exchanges_turn */
    }
    moderations = calloc(1, sizeof *moderations);
    if (moderations == NULL) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    exchange->moderations = moderations;
    buffer_init(&moderations->texts, text_bytes_max + MODERATION_INPUTS_MAX * sizeof(struct piece_head));
    if (read_inputs(exchange, json, moderations) != STATUS_OK) {
        return exchange_unreadable(exchange);
    }
    bytes = moderations->texts.room + moderations->input_count * sizeof moderations->results[0];
    if (account_charge(admit_bodies(exchange->home->admit), bytes) != STATUS_OK) {
        exchange_moderations_close(exchange); /* they are read again when there is room */
        return exchange_await_room(exchange, bytes);
    }
    exchange_step_out(exchange);
    moderations->charged_bytes = bytes;
    moderations->results = calloc(moderations->input_count, sizeof moderations->results[0]);
    if (moderations->results == NULL) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    return STEP_ASK;
}

/* A job with the text of the next input. STATUS_AGAIN when the body budget has no room for its `*bytes`: it stays the next. */
static enum status open_job(struct exchange *exchange, struct job **out, size_t *bytes)
{
    struct exchanges *home = exchange->home;
    struct moderations *moderations = exchange->moderations;
    size_t taken_bytes = moderations->taken_bytes;
    struct job *job = NULL;
    enum status status = job_open(&job, home->loop_index, exchange, exchange->route->profile,
                                  exchange_caller_name(exchange), home->limits->moderated_text_bytes);

    if (status != STATUS_OK) {
        return status;
    }
    job->snapshot = snapshot_hold(exchange->snapshot);
    job_set_caller(job, exchange_turn_name(exchange));
    do {
        struct segment piece = next_piece(moderations);

        status = job_add(job, &piece);
    } while (status == STATUS_OK && !moderations->is_list && has_pieces(moderations));
    if (status == STATUS_OK) {
        *bytes = job->body.room;
        status = job_charge(job, admit_bodies(home->admit)) == STATUS_OK ? STATUS_OK : STATUS_AGAIN;
    }
    if (status != STATUS_OK) {
        moderations->taken_bytes = taken_bytes;
        job_close(&job);
        return status;
    }
    *out = job;
    return STATUS_OK;
}

static void keep_live(struct moderations *moderations, struct job *job)
{
    size_t slot = 0;

    while (moderations->live[slot].job != NULL) {
        slot++;
        assert(slot < MODERATION_JOBS_MAX);
    }
    moderations->live[slot].job = job;
    moderations->live[slot].input = moderations->asked_count++;
    moderations->live_count++;
}

/* Nobody waits for the others any more. */
static enum step give_up(struct exchange *exchange, enum step step)
{
    exchange_moderations_let_go(exchange);
    return step;
}

enum step exchange_ask(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;
    struct moderations *moderations = exchange->moderations;

    while (moderations->asked_count < moderations->input_count && moderations->live_count < MODERATION_JOBS_MAX) {
        struct job *job = NULL;
        size_t bytes = 0;
        enum status status;

        if (clock_us() - exchange->begun_us > home->limits->total_plain_ms * 1000) {
            return give_up(exchange, exchange_problem(exchange, ERROR_TIMEOUT, 0,
                                                      "the inputs took longer to judge than an answer may"));
        }
        status = open_job(exchange, &job, &bytes);
        if (status == STATUS_AGAIN) { /* what is with the pool gives its room back */
            return moderations->live_count > 0 ? STEP_WAIT : exchange_await_room(exchange, bytes);
        }
        if (status != STATUS_OK) {
            return give_up(exchange, exchange_rejected(exchange, status == STATUS_FULL ? REFUSAL_BODY_BUDGET : REFUSAL_MEMORY));
        }
        exchange_step_out(exchange);
        if (pool_submit(home->pool, job) != STATUS_OK) {
            job_close(&job);
            return give_up(exchange, exchange_full(exchange, LIMIT_QUEUE));
        }
        keep_live(moderations, job);
    }
    if (moderations->live_count > 0) {
        return STEP_WAIT; /* for exchange_judged */
    }
    series_observe(home->series.judge, (double)exchange->judge_us / 1e6);
    return STEP_RESULTS;
}

/* Takes the job out of the live ones: which input's it is. */
static size_t take_live(struct moderations *moderations, const struct job *job)
{
    size_t slot = 0;

    while (moderations->live[slot].job != job) {
        slot++;
        assert(slot < MODERATION_JOBS_MAX);
    }
    moderations->live[slot].job = NULL;
    moderations->live_count--;
    return moderations->live[slot].input;
}

/* The log's line tells of the first input that is flagged; without one, of the first verdict. */
static void take_verdict(struct exchange *exchange, const struct job *job, struct moderations_result *result)
{
    const struct job_result *verdict = &job->result;
    struct bytes category = job_category(job);

    result->judged = true;
    result->flagged = verdict->outcome == OUTCOME_BLOCK;
    result->category_bytes = (unsigned char)category.count;
    memcpy(result->category, verdict->category, category.count);
    if (!exchange->has_verdict || (result->flagged && exchange->verdict.outcome != OUTCOME_BLOCK)) {
        exchange->has_verdict = true;
        exchange->verdict = *verdict;
        if (exchange->moderations->unjudged_count == 0) {
            exchange->source = verdict_source_name(verdict->source);
        }
    }
}

enum step exchange_input_judged(struct exchange *exchange, const struct job *job)
{
    struct moderations *moderations = exchange->moderations;
    size_t input = take_live(moderations, job);
    enum step step = STEP_ASK;

    assert(exchange->step == STEP_ASK);
    if (job->result.status == STATUS_OK) {
        take_verdict(exchange, job, &moderations->results[input]);
        return STEP_ASK;
    }
    /* The request is counted and logged once, however many of its inputs have no verdict. */
    if (moderations->unjudged_count == 0 || job->result.status == STATUS_FULL) {
        step = exchange_obey_silence(exchange, job->result.status, STEP_ASK);
    }
    if (step == STEP_ASK) {
        moderations->unjudged_count++;
    } else {
        series_observe(exchange->home->series.judge, (double)exchange->judge_us / 1e6);
        exchange_moderations_let_go(exchange);
    }
    return step;
}

/* A part of the answer, from the scratch buffer. */
static enum status send_piece(struct exchange *exchange, enum status status)
{
    struct bytes piece = buffer_view(&exchange->home->scratch);

    exchange->relayed.body_bytes += piece.count;
    return status == STATUS_OK ? reply_body(&exchange->reply, piece) : status;
}

static enum status begin_results(struct exchange *exchange)
{
    const struct request_head *head = exchange->head;
    struct buffer *scratch = &exchange->home->scratch;
    enum status status;

    exchange->unjudged.counts[UNJUDGED_TEXTS] = exchange->moderations->unjudged_count;
    exchange_count_unjudged(exchange);
    status = exchange_add_ids(exchange);
    exchange->status = 200;
    reply_init(&exchange->reply, exchange->connection, head->http_1_0, false, connection_may_keep(exchange->connection));
    if (status == STATUS_OK) {
        status = fields_add(exchange->added, BYTES("Content-Type"), BYTES("application/json"));
    }
    if (status == STATUS_OK) {
        status = reply_head(&exchange->reply, exchange->status, exchange->added, -1);
    }
    buffer_clear(scratch);
    if (status == STATUS_OK) {
        status = moderations_answer_begin(bytes_of(exchange->decision), scratch);
    }
    return send_piece(exchange, status);
}

/* The client has taken half of what it owed. */
static void on_drained(void *context)
{
    (void)exchange_go(context, STEP_RESULTS);
}

enum step exchange_results(struct exchange *exchange)
{
    struct moderations *moderations = exchange->moderations;
    struct buffer *scratch = &exchange->home->scratch;
    uint64_t high_bytes = exchange->home->limits->relay_buffer_bytes;
    enum status status = exchange->reply.head_written ? STATUS_OK : begin_results(exchange);

    while (status == STATUS_OK && moderations->written_count < moderations->input_count) {
        size_t index = moderations->written_count;

        if (connection_unsent(exchange->connection) >= high_bytes) {
            connection_when_drained(exchange->connection, (size_t)(high_bytes / 2), on_drained, exchange);
            return STEP_WAIT;
        }
        buffer_clear(scratch);
        status = send_piece(exchange, moderations_answer_result(&moderations->results[index], index, scratch));
        moderations->written_count++;
    }
    buffer_clear(scratch);
    if (status == STATUS_OK) {
        status = send_piece(exchange, moderations_answer_end(scratch));
    }
    if (status == STATUS_OK) {
        status = reply_end(&exchange->reply);
    }
    if (status != STATUS_OK) { /* the client is gone, or memory is */
        reply_break(&exchange->reply);
    }
    return STEP_FINISH;
}

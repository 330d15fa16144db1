/* exchange_text: the words of a body into a job, copied once and charged to the body budget. */
#include "gateway/exchange_inside.h"

#include "gateway/format/body.h"
#include "gateway/format/extract.h"

static enum status add_segment(void *context, const struct segment *segment)
{
    struct exchange *exchange = context;

    return job_add(exchange->job, segment);
}

/* Reads the body and packs its text into the job. On a failure *problem says what to answer. */
static enum status pack_text(struct exchange *exchange, struct json *json, struct problem *problem)
{
    const struct profile_settings *profile = exchange->profile;
    struct extract_options options = {
        .scope_roles = profile->scope_roles,
        .since = profile->scope_since,
        .images = profile->observe ? IMAGES_ALLOW : profile->images,
        .text_bytes_max = exchange->home->limits->moderated_text_bytes,
        .add = add_segment,
        .context = exchange,
    };
    struct extract *extract = NULL;
    struct body body;
    enum status status = extract_open(&extract, &options);

    if (status != STATUS_OK) {
        problem_set(problem, ERROR_OVERLOADED, "", "the gateway is out of memory");
        return status;
    }
    status = body_read(exchange->dialect, json, buffer_view(&exchange->body),
                       profile->observe ? UNKNOWN_SCAN : profile->unknown, extract, &body, problem);
    if (status == STATUS_OK) {
        exchange->streams = body.stream || bytes_ends_with(exchange->head->path, BYTES(":streamGenerateContent"));
        exchange->segment_count = body.extracted.segment_count;
        exchange->text_bytes = body.extracted.text_bytes;
        exchange->unjudged = unjudged_of(&body.extracted);
    }
    extract_close(&extract);
    return status;
}

/* The pool keeps the text until the verdict, also when the client leaves: it has an account of its own. A copy without room is
 * not kept: it is made again when there is some. */
static enum step charge_text(struct exchange *exchange)
{
    uint64_t bytes = exchange->job->body.room;

    if (job_charge(exchange->job, admit_bodies(exchange->home->admit)) != STATUS_OK) {
        job_close(&exchange->job);
        return exchange_await_room(exchange, bytes);
    }
    exchange_step_out(exchange);
    return STEP_JUDGE;
}

enum status exchange_open_job(struct exchange *exchange)
{
    enum status status = job_open(&exchange->job, exchange->home->loop_index, exchange, exchange->profile,
                                  exchange_caller_name(exchange), exchange->home->limits->moderated_text_bytes);

    if (status == STATUS_OK) {
        exchange->job->snapshot = snapshot_hold(exchange->snapshot);
        job_set_caller(exchange->job, exchange_turn_name(exchange));
    }
    return status;
}

enum step exchange_body(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;
    struct json *json;
    enum status status;

    if (exchange_must_queue(exchange)) {
        return exchange_await_room(exchange, 0);
    }
    status = exchange_read_json(exchange, &json);
    if (status != STATUS_OK) {
        return status == STATUS_AGAIN ? STEP_WAIT : exchange_unreadable(exchange); /* for exchanges_turn */
    }
    status = exchange_open_job(exchange);
    if (status != STATUS_OK) {
        return exchange_problem(exchange, ERROR_OVERLOADED, 0, "the gateway is out of memory");
    }
    status = pack_text(exchange, json, &home->problem);
    if (status != STATUS_OK) {
        job_close(&exchange->job);
        return exchange_unreadable(exchange);
    }
    if (exchange->streams && !exchange->has_verdict && exchange_is_shed(exchange, true)) {
        job_close(&exchange->job);
        return exchange_shed(exchange);
    }
    if (exchange->segment_count == 0) { /* nothing in scope */
        job_close(&exchange->job);
        exchange_step_out(exchange);
        exchange->source = verdict_source_name(SOURCE_NONE);
        return STEP_ALLOWED;
    }
    return charge_text(exchange);
}

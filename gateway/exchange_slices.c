/* exchange_slices: large documents are read as JSON in slices, one of a loop after the other, others have their turn in between.
 *
 *   body, inputs, weigh: exchange_read_json --AGAIN--> line JSON --(slices, at the end of the loop's turns)--> the step once more
 *
 * The first of those that wait for room, whose text has to be packed once more, keeps its place while it is read, before the
 * line JSON.
 */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"
#include "gateway/format/answer.h"
#include "gateway/format/body.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>

/* The request's body, or the upstream's answer to it. */
static struct bytes document_of(const struct exchange *exchange)
{
    return exchange->answering ? held_body(exchange->held) : buffer_view(&exchange->body);
}

enum status exchange_read_json(struct exchange *exchange, struct json **out)
{
    struct exchanges *home = exchange->home;
    struct slices *slices = &home->slices;

    if (slices->ended == exchange) {
        if (slices->status != STATUS_OK && !exchange->answering) {
            body_explain_json(&slices->json, slices->status, &home->problem);
        }
        *out = &slices->json;
        return slices->status;
    }
    if (document_of(exchange).count <= JSON_SLICE_BYTES) {
        *out = &home->json;
        return STATUS_OK;
    }
    if (exchange->wait == WAIT_ROOM) {
        assert(slices->first == NULL || slices->first == exchange);
        slices->first = exchange;
    } else {
        exchange_stand(exchange, WAIT_JSON);
        connection_want_turn(exchange->connection);
    }
    return STATUS_AGAIN;
}

/* The document is lent to the step that waited for it. */
static void end(struct exchanges *exchanges, struct exchange *exchange, enum status status)
{
    struct slices *slices = &exchanges->slices;

    slices->reading = NULL;
    slices->ended = exchange;
    if (exchange->wait == WAIT_ROOM) {
        slices->first = NULL;
    } else {
        exchange_step_out(exchange);
    }
    slices->status = status;
    slices->json.is_read = status == STATUS_OK;
    (void)exchange_go(exchange, exchange->step);
    slices->ended = NULL;
    slices->json.is_read = false;
    json_shed(&slices->json);
}

static struct exchange *next_of(const struct exchanges *exchanges)
{
    const struct slices *slices = &exchanges->slices;

    if (slices->reading != NULL) {
        return slices->reading;
    }
    return slices->first != NULL ? slices->first : TAILQ_FIRST(&exchanges->waiting[WAIT_JSON]);
}

static void begin(struct slices *slices, struct exchange *exchange)
{
    if (exchange->answering) {
        answer_reader_begin(exchange->dialect, &slices->reader, &slices->json, document_of(exchange));
    } else {
        json_reader_begin(&slices->reader, &slices->json, document_of(exchange), JSON_REFUSE_DUPLICATES);
    }
    slices->reading = exchange;
}

void exchange_slices_turn(struct exchanges *exchanges)
{
    struct slices *slices = &exchanges->slices;
    struct exchange *exchange = next_of(exchanges);
    uint64_t end_us = exchange == NULL ? 0 : clock_us() + TURN_US;
    size_t left = TURN_BYTES;

    while (exchange != NULL && left > 0 && clock_us() < end_us) {
        enum status status;

        if (slices->reading != exchange) {
            begin(slices, exchange);
        }
        status = json_reader_go_on(&slices->reader, JSON_SLICE_BYTES);
        left -= JSON_SLICE_BYTES;
        if (status != STATUS_AGAIN) {
            end(exchanges, exchange, status);
        }
        exchange = next_of(exchanges);
    }
    if (exchange != NULL) {
        series_add(exchanges->series.turns_read, 1);
        exchanges->wants_turn = true;
    }
}

void exchange_slices_again(struct exchange *exchange)
{
    struct slices *slices = &exchange->home->slices;

    if (slices->ended == exchange) {
        slices->ended = NULL;
    }
}

void exchange_slices_forget(struct exchange *exchange)
{
    struct slices *slices = &exchange->home->slices;

    if (slices->reading == exchange) {
        slices->reading = NULL;
        json_shed(&slices->json);
    }
    if (slices->first == exchange) {
        slices->first = NULL;
    }
}

void exchange_slices_series(struct exchange_metrics *series, struct metrics *metrics)
{
    series->turns_read = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_json_turns_total",
                                        "Turns of loops that left a large document half read as JSON for a later turn", NULL, 0);
}

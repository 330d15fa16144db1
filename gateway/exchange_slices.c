/* exchange_slices: large bodies are read as JSON in slices, one of a loop after the other, and others have their turn in between.
 *
 *   body, inputs: exchange_read_json --AGAIN--> line JSON --(slices, at the end of the loop's turns)--> body, inputs once more
 *
 * One whose text has waited for room keeps its place there: it is read again at once.
 */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"
#include "gateway/format/body.h"
#include "proto/clock.h"
#include "proto/limits.h"

enum status exchange_read_json(struct exchange *exchange, struct json **out)
{
    struct exchanges *home = exchange->home;
    struct slices *slices = &home->slices;

    if (slices->ended == exchange) {
        if (slices->status != STATUS_OK) {
            body_explain_json(&slices->json, slices->status, &home->problem);
            return slices->status;
        }
        *out = &slices->json;
        return STATUS_OK;
    }
    if (exchange->body.count > JSON_SLICE_BYTES && exchange->wait != WAIT_ROOM) {
        exchange_stand(exchange, WAIT_JSON);
        return STATUS_AGAIN;
    }
    *out = &home->json;
    return STATUS_OK;
}

/* The document is lent to the step that waited for it. */
static void end(struct exchanges *exchanges, struct exchange *exchange, enum status status)
{
    struct slices *slices = &exchanges->slices;

    slices->reading = NULL;
    slices->ended = exchange;
    exchange_step_out(exchange);
    slices->status = status;
    slices->json.is_read = status == STATUS_OK;
    (void)exchange_go(exchange, exchange->step);
    slices->ended = NULL;
    slices->json.is_read = false;
    json_shed(&slices->json);
}

void exchange_slices_turn(struct exchanges *exchanges)
{
    struct slices *slices = &exchanges->slices;
    struct exchange *exchange = TAILQ_FIRST(&exchanges->waiting[WAIT_JSON]);
    uint64_t end_us = exchange == NULL ? 0 : clock_us() + TURN_US;
    size_t left = TURN_BYTES;

    while (exchange != NULL && left > 0 && clock_us() < end_us) {
        enum status status;

        if (slices->reading != exchange) {
            json_reader_begin(&slices->reader, &slices->json, buffer_view(&exchange->body), JSON_REFUSE_DUPLICATES);
            slices->reading = exchange;
        }
        status = json_reader_go_on(&slices->reader, JSON_SLICE_BYTES);
        left -= JSON_SLICE_BYTES;
        if (status != STATUS_AGAIN) {
            end(exchanges, exchange, status);
        }
        exchange = TAILQ_FIRST(&exchanges->waiting[WAIT_JSON]);
    }
    if (exchange != NULL) {
        series_add(exchanges->series.turns_read, 1);
        exchanges->wants_turn = true;
    }
}

void exchange_slices_forget(struct exchange *exchange)
{
    struct slices *slices = &exchange->home->slices;

    if (slices->reading == exchange) {
        slices->reading = NULL;
        json_shed(&slices->json);
    }
}

void exchange_slices_series(struct exchange_metrics *series, struct metrics *metrics)
{
    series->turns_read = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_json_turns_total",
                                        "Turns of loops that left a large body half read as JSON for a later turn", NULL, 0);
}

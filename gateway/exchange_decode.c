/* exchange_decode: compressed bodies: each has a decoder, of a bounded number of them, or waits for one.
 *
 *   admit -> decoder --------------------> read -> (decoded in slices, at the end of the loop's turns) -> body, inputs
 *               \-> waits; its socket is -/     \-> 400, 413
 *                   not read; 503 when the body's time is over
 */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"
#include "proto/clock.h"
#include "proto/limits.h"

static bool is_brotli(const struct exchange *exchange)
{
    return exchange->coding == CODING_BROTLI;
}

/* STATUS_FULL when all are in use. */
static enum status open_decoder(struct exchange *exchange)
{
    const struct inflate_sink sink = {exchange_keep, exchange};
    struct exchanges *home = exchange->home;
    enum status status = admit_decoder(home->admit, is_brotli(exchange));

    if (status != STATUS_OK) {
        return status;
    }
    status = inflate_open(&exchange->inflate, exchange->coding, home->limits->request_bytes, &sink);
    if (status != STATUS_OK) {
        admit_decoder_end(home->admit, is_brotli(exchange));
    }
    return status;
}

bool exchange_take_decoder(struct exchange *exchange)
{
    return open_decoder(exchange) == STATUS_OK; /* want of memory is waited out like want of a place */
}

enum step exchange_decoder(struct exchange *exchange)
{
    enum wait wait = is_brotli(exchange) ? WAIT_BROTLI : WAIT_DECODER;

    if (exchange->coding == CODING_NONE || exchange->head->body_bytes == 0) {
        return STEP_READ;
    }
    if (TAILQ_EMPTY(&exchange->home->waiting[wait]) && exchange_take_decoder(exchange)) {
        return STEP_READ;
    }
    exchange_stand(exchange, wait);
    connection_hold(exchange->connection);
    return STEP_WAIT; /* for exchanges_tick */
}

/* Room for one step's output, as the body's buffer would grow. */
static bool has_room(const struct exchange *exchange)
{
    const struct buffer *body = &exchange->body;
    size_t left = body->max - body->count, room = body->room;

    return buffer_room_for(body, left < INFLATE_CHUNK_BYTES ? left : INFLATE_CHUNK_BYTES, &room) != STATUS_OK ||
           room == body->room || exchange_has_room(exchange, room - body->room);
}

/* Decodes from the front of *in, a slice at most: 155 bytes may stand for 16 MiB, and others have their turn in between.
 * STATUS_AGAIN: that was not all. */
static enum status decode_slice(struct exchange *exchange, struct bytes *in)
{
    struct exchanges *home = exchange->home;
    uint64_t slice = home->turn_bytes < DECODE_SLICE_BYTES ? home->turn_bytes : DECODE_SLICE_BYTES;
    size_t end = exchange->body.count + (size_t)slice;
    struct bytes part = bytes_first(*in, DECODE_SLICE_CODED_BYTES);
    size_t given = part.count;
    enum status status = STATUS_AGAIN;

    home->turn_bytes -= slice;
    while (status == STATUS_AGAIN && exchange->body.count < end && has_room(exchange)) {
        status = inflate_write(exchange->inflate, &part, INFLATE_CHUNK_BYTES);
    }
    home->turn_bytes += exchange->body.count < end ? end - exchange->body.count : 0;
    if (status != STATUS_AGAIN || exchange->body.count >= end) {
        exchange->starved_ms = 0;
    } else if (exchange->starved_ms == 0) {
        exchange->starved_ms = clock_ms();
    }
    *in = bytes_from(*in, given - part.count);
    return status == STATUS_OK && in->count > 0 ? STATUS_AGAIN : status;
}

enum status exchange_decode(struct exchange *exchange, struct bytes part)
{
    exchange->coded_bytes += part.count;
    if (exchange->wait == WAIT_NONE) {
        exchange_stand(exchange, WAIT_TURN);
        connection_hold(exchange->connection);
    }
    return buffer_append(&exchange->coded, part);
}

void exchange_decode_on(struct exchange *exchange)
{
    struct bytes rest = bytes_from(buffer_view(&exchange->coded), exchange->coded_at);
    enum status status = decode_slice(exchange, &rest);

    exchange_step_out(exchange);
    exchange->coded_at = exchange->coded.count - rest.count;
    if (status == STATUS_AGAIN) {
        exchange_stand(exchange, WAIT_TURN);
        series_add(exchange->home->series.turns_decoded, exchange->starved_ms == 0 ? 1 : 0);
        return;
    }
    buffer_free(&exchange->coded);
    exchange->coded_at = 0;
    connection_go_on(exchange->connection);
    if (status != STATUS_OK) {
        (void)exchange_go(exchange, exchange_rejected(exchange, refusal_of_sink(status)));
    } else if (exchange->is_whole) {
        exchange->read_us = clock_us() - exchange->begun_us;
        (void)exchange_go(exchange, exchange_decoded(exchange));
    }
}

enum step exchange_decoded(struct exchange *exchange)
{
    enum status status = exchange->inflate == NULL ? STATUS_MALFORMED : inflate_end(exchange->inflate);

    exchange_decode_close(exchange);
    if (status != STATUS_OK) {
        return exchange_rejected(exchange, REFUSAL_DECODING);
    }
    series_add(exchange->home->series.decoded_bodies[exchange->coding], 1);
    return exchange->after_read;
}

void exchange_decode_close(struct exchange *exchange)
{
    const struct exchange_metrics *series = &exchange->home->series;

    buffer_free(&exchange->coded);
    if (exchange->inflate != NULL) {
        series_add(series->coded_bytes[exchange->coding], (int64_t)exchange->coded_bytes);
        series_add(series->decoded_bytes[exchange->coding], (int64_t)exchange->body.count);
        inflate_close(&exchange->inflate);
        admit_decoder_end(exchange->home->admit, is_brotli(exchange));
    }
}

void exchange_decode_series(struct exchange_metrics *series, struct metrics *metrics)
{
    series->turns_decoded = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_decode_turns_total",
                                           "Times that a body's decoding went on in a later turn of its loop", NULL, 0);
    for (enum coding coding = CODING_GZIP; coding <= CODING_BROTLI; coding++) {
        const struct metric_label label = {"coding", coding_name(coding)};

        series->decoded_bodies[coding] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_bodies_decoded_total",
                                                        "Compressed request bodies that were decoded whole", &label, 1);
        series->coded_bytes[coding] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_coded_bytes_total",
                                                     "Bytes of compressed request bodies as they came", &label, 1);
        series->decoded_bytes[coding] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_decoded_bytes_total",
                                                       "Bytes that came out of them", &label, 1);
    }
}

/* exchange_decode: compressed bodies: each has a decoder, of a bounded number of them, or waits for one.
 *
 *   admit -> decoder --------------------> read -> (decoded part by part) -> body, inputs
 *               \-> waits; its socket is -/     \-> 400, 413
 *                   not read; 503 when the body's time is over
 */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"

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

static struct exchange_wait *wait_of(struct exchange *exchange)
{
    return &exchange->home->waiting[is_brotli(exchange)];
}

enum step exchange_decoder(struct exchange *exchange)
{
    struct exchange_wait *wait = wait_of(exchange);

    if (exchange->coding == CODING_NONE || exchange->head->body_bytes == 0) {
        return STEP_READ;
    }
    if (TAILQ_EMPTY(wait) && open_decoder(exchange) == STATUS_OK) {
        return STEP_READ;
    }
    TAILQ_INSERT_TAIL(wait, exchange, in_wait);
    exchange->waits = true;
    connection_hold(exchange->connection);
    return STEP_WAIT; /* for exchanges_tick */
}

static void stop_waiting(struct exchange *exchange)
{
    TAILQ_REMOVE(wait_of(exchange), exchange, in_wait);
    exchange->waits = false;
}

void exchanges_tick(struct exchanges *exchanges)
{
    for (size_t kind = 0; kind < sizeof exchanges->waiting / sizeof exchanges->waiting[0]; kind++) {
        struct exchange *exchange;

        /* Decoders may come free in any loop: asking is all that there is. Want of memory is waited out like want of a place. */
        while ((exchange = TAILQ_FIRST(&exchanges->waiting[kind])) != NULL && open_decoder(exchange) == STATUS_OK) {
            stop_waiting(exchange);
            (void)exchange_go(exchange, STEP_READ);
            connection_go_on(exchange->connection);
        }
    }
}

enum status exchange_decode(struct exchange *exchange, struct bytes part)
{
    exchange->coded_bytes += part.count;
    return inflate_write(exchange->inflate, part);
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

    if (exchange->waits) {
        stop_waiting(exchange);
    }
    if (exchange->inflate != NULL) {
        series_add(series->coded_bytes[exchange->coding], (int64_t)exchange->coded_bytes);
        series_add(series->decoded_bytes[exchange->coding], (int64_t)exchange->body.count);
        inflate_close(&exchange->inflate);
        admit_decoder_end(exchange->home->admit, is_brotli(exchange));
    }
}

void exchange_decode_series(struct exchange_metrics *series, struct metrics *metrics)
{
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

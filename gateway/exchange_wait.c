/* exchange_wait: the lines in which exchanges of a loop wait, the longest waiting first, and who is served when.
 *
 *   line      waits for                                 served by          at its limit
 *   (pace)    its turn, with all of its request         exchanges_turn     503 after PACE_WAIT_MAX_MS
 *   DECODER   a decoder, of all or of brotli's          exchanges_tick     503 when the body's time is over
 *   TURN      the rest of its body to be decoded        exchanges_turn     503 when the budget has no room for so long
 *   ROOM      the body budget, for a copy of its text   exchanges_turn     503 after BODY_BUDGET_WAIT_MS, or the body's time
 *   JSON      its large body, or answer, to be read     exchanges_turn     none: those before it are read on in each turn
 *
 * A small one never overtakes a large one that waits for room. What a turn decodes and reads is bounded (TURN_BYTES), so that
 * the other clients of the loop are served in between.
 */
#include "gateway/exchange.h"

#include "gateway/exchange_inside.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <assert.h>
#include <stddef.h>

void exchange_stand(struct exchange *exchange, enum wait wait)
{
    assert(exchange->wait == WAIT_NONE && wait > WAIT_NONE && wait < WAIT_COUNT);
    TAILQ_INSERT_TAIL(&exchange->home->waiting[wait], exchange, in_wait);
    exchange->wait = wait;
    exchange->waits_ms = clock_ms();
    exchange->home->wants_turn =
        exchange->home->wants_turn || (wait == WAIT_TURN && exchange->starved_ms == 0) || wait == WAIT_JSON;
}

void exchange_step_out(struct exchange *exchange)
{
    if (exchange->wait != WAIT_NONE) {
        TAILQ_REMOVE(&exchange->home->waiting[exchange->wait], exchange, in_wait);
        exchange_slices_forget(exchange);
        exchange->wait = WAIT_NONE;
    }
}

static struct account *budget(const struct exchange *exchange)
{
    return admit_bodies(exchange->home->admit);
}

bool exchange_has_room(const struct exchange *exchange, uint64_t bytes)
{
    return TAILQ_EMPTY(&exchange->home->waiting[WAIT_ROOM]) && account_has_room(budget(exchange), bytes);
}

bool exchange_must_queue(const struct exchange *exchange)
{
    return exchange->wait != WAIT_ROOM && !TAILQ_EMPTY(&exchange->home->waiting[WAIT_ROOM]);
}

enum step exchange_await_room(struct exchange *exchange, uint64_t bytes)
{
    if (bytes > budget(exchange)->limit_bytes - exchange->body.room) {
        return exchange_rejected(exchange, REFUSAL_BODY_BUDGET);
    }
    exchange->wanted_bytes = bytes;
    if (exchange->wait != WAIT_ROOM) {
        exchange_stand(exchange, WAIT_ROOM);
        series_add(exchange->home->series.waits_room, 1);
    }
    return STEP_WAIT; /* for exchanges_turn */
}

/* As many as the turn has bytes and time for; each goes to the end of the line, or out of it. Brotli fills its window in one go,
 * whatever is asked of it. */
static void decode_on(struct exchanges *exchanges)
{
    const struct exchange *exchange;
    uint64_t end_us = clock_us() + TURN_US;
    size_t count = 0;

    TAILQ_FOREACH(exchange, &exchanges->waiting[WAIT_TURN], in_wait) {
        count++;
    }
    while (count > 0 && exchanges->turn_bytes > 0 && clock_us() < end_us) {
        exchange_decode_on(TAILQ_FIRST(&exchanges->waiting[WAIT_TURN]));
        count--;
    }
    exchanges->wants_turn = exchanges->wants_turn || count > 0;
}

/* The first in line is tried again where it may fit, and stays the first where it does not. */
static void give_room(struct exchanges *exchanges)
{
    struct exchange *exchange;

    while ((exchange = TAILQ_FIRST(&exchanges->waiting[WAIT_ROOM])) != NULL && exchange != exchanges->slices.first &&
           account_has_room(budget(exchange), exchange->wanted_bytes)) {
        if (exchanges->turn_bytes == 0) {
            exchanges->wants_turn = true;
            return;
        }
        exchanges->turn_bytes -= exchange->body.count < exchanges->turn_bytes ? exchange->body.count : exchanges->turn_bytes;
        if (exchange_go(exchange, exchange->step) && exchange->wait == WAIT_ROOM) {
            return;
        }
    }
}

static struct exchange *paced_exchange(struct pace_member *member)
{
    return (struct exchange *)((char *)member - offsetof(struct exchange, paced));
}

static void begin_next(struct exchanges *exchanges)
{
    struct pace_member *member;

    pace_turn(exchanges->pace, clock_ms());
    exchange_tell_judging(exchanges);
    while ((member = pace_next(exchanges->pace)) != NULL) {
        struct exchange *exchange = paced_exchange(member);

        connection_go_on(exchange->connection);
        (void)exchange_go(exchange, STEP_DECODER);
        exchange_tell_judging(exchanges);
    }
    exchanges->wants_turn = exchanges->wants_turn || pace_goes_on(exchanges->pace);
}

void exchanges_turn(struct exchanges *exchanges)
{
    exchanges->wants_turn = false;
    begin_next(exchanges);
    give_room(exchanges);
    decode_on(exchanges);
    exchange_slices_turn(exchanges);
    exchanges->turn_bytes = TURN_BYTES;
    json_shed(&exchanges->json);
}

bool exchanges_want_turn(const struct exchanges *exchanges)
{
    return exchanges->wants_turn;
}

/* Decoders may come free in any loop: asking is all that there is. */
static void give_decoders(struct exchanges *exchanges, enum wait wait)
{
    struct exchange *exchange;

    while ((exchange = TAILQ_FIRST(&exchanges->waiting[wait])) != NULL && exchange_take_decoder(exchange)) {
        exchange_step_out(exchange);
        (void)exchange_go(exchange, STEP_READ);
        connection_go_on(exchange->connection);
    }
}

static bool is_overdue(const struct exchange *exchange, uint64_t now_ms)
{
    uint64_t since_ms = exchange->wait == WAIT_TURN ? exchange->starved_ms : exchange->waits_ms;
    uint64_t waited_ms = since_ms == 0 ? 0 : now_ms - since_ms;

    return waited_ms >= BODY_BUDGET_WAIT_MS ||
           (waited_ms > 0 && exchange->read_us / 1000 + waited_ms >= exchange->home->limits->body_time_ms);
}

/* Those that the budget had no room for in their time. */
static void refuse_overdue(struct exchanges *exchanges, enum wait wait)
{
    struct exchange *exchange = TAILQ_FIRST(&exchanges->waiting[wait]);
    uint64_t now_ms = clock_ms();

    while (exchange != NULL) {
        struct exchange *next = TAILQ_NEXT(exchange, in_wait);

        if (is_overdue(exchange, now_ms)) {
            exchange_step_out(exchange);
            connection_go_on(exchange->connection);
            (void)exchange_go(exchange, exchange_rejected(exchange, REFUSAL_BODY_BUDGET));
        }
        exchange = next;
    }
}

static void refuse_those_who_waited(struct exchanges *exchanges)
{
    struct pace_member *member;

    while ((member = pace_overdue(exchanges->pace, clock_ms())) != NULL) {
        struct exchange *exchange = paced_exchange(member);

        connection_go_on(exchange->connection);
        (void)exchange_go(exchange, exchange_waited_too_long(exchange));
    }
}

void exchanges_tick(struct exchanges *exchanges)
{
    refuse_those_who_waited(exchanges);
    give_decoders(exchanges, WAIT_DECODER);
    give_decoders(exchanges, WAIT_BROTLI);
    refuse_overdue(exchanges, WAIT_TURN);
    refuse_overdue(exchanges, WAIT_ROOM);
    exchange_spare_tick(exchanges);
}

/* exchange_admit: who asks, whether it may, and whether there is room; and which of the caller's fields go no further. */
#include "gateway/exchange_inside.h"

#include "gateway/endpoint.h"
#include "gateway/trace.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <string.h>

static const struct callers *callers_of(const struct exchange *exchange)
{
    return snapshot_callers(exchange->snapshot);
}

/* A value of a query, its percent-encoding undone into `room`; nothing when it is too long for a key. */
static struct bytes decode(struct bytes value, char room[CREDENTIAL_BYTES_MAX])
{
    size_t count = 0;

    for (size_t at = 0; at < value.count; at++, count++) {
        int escaped = bytes_escaped(bytes_from(value, at));

        if (count == CREDENTIAL_BYTES_MAX) {
            return (struct bytes){NULL, 0};
        }
        room[count] = escaped >= 0 ? (char)escaped : value.data[at];
        at += escaped >= 0 ? 2 : 0;
    }
    return (struct bytes){room, count};
}

/* Whose credential is in the query (Gemini's way); `*seen` is one of nobody's. Lends `room`. */
static struct caller *find_in_query(const struct exchange *exchange, struct bytes query, char room[CREDENTIAL_BYTES_MAX],
                                    struct bytes *seen)
{
    struct bytes value;

    while (endpoint_next_key(&query, &value)) {
        struct caller *caller = callers_find(callers_of(exchange), decode(value, room));

        if (caller != NULL) {
            return caller;
        }
        *seen = value.count > 0 ? value : *seen;
    }
    return NULL;
}

/* The first credential that is one of ours says who it is: others may stand beside it for the upstream. */
static struct caller *find_caller(const struct exchange *exchange, struct bytes *seen)
{
    const struct fields *fields = exchange->head->fields;
    char room[CREDENTIAL_BYTES_MAX];

    for (size_t index = 0; index < fields_count(fields); index++) {
        struct bytes credential;

        if (endpoint_credential(fields_at(fields, index), &credential)) {
            struct caller *caller = callers_find(callers_of(exchange), credential);

            if (caller != NULL) {
                return caller;
            }
            *seen = credential;
        }
    }
    return find_in_query(exchange, exchange->head->query, room, seen);
}

enum step exchange_identify(struct exchange *exchange)
{
    struct bytes seen = {NULL, 0};

    if (!callers_are_known(callers_of(exchange))) {
        return STEP_ROUTE;
    }
    exchange->dialect = endpoint_dialect(exchange->head->path, exchange->head->fields);
    exchange->caller = find_caller(exchange, &seen);
    if (exchange->caller != NULL) {
        return STEP_ROUTE;
    }
    callers_count_stranger(callers_of(exchange), seen.count > 0);
    if (seen.count == 0) {
        return exchange_problem(exchange, ERROR_AUTH, 0,
                                "a key of this gateway is needed, in Authorization: Bearer, x-api-key, x-goog-api-key, api-key "
                                "or ?key=");
    }
    exchange->stranger[0] = '?'; /* no name begins so */
    callers_digest(callers_of(exchange), seen, exchange->stranger + 1);
    return exchange_problem(exchange, ERROR_AUTH, 0, "the key is none of this gateway's");
}

struct bytes exchange_caller_name(const struct exchange *exchange)
{
    if (exchange->caller != NULL) {
        return caller_name(exchange->caller);
    }
    return exchange->stranger[0] != '\0' ? bytes_of(exchange->stranger) : (struct bytes){NULL, 0};
}

struct bytes exchange_turn_name(const struct exchange *exchange)
{
    if (exchange->caller != NULL) {
        return caller_name(exchange->caller);
    }
    return bytes_of(exchange->address);
}

/* Takes a place of the client's address. Whoever stands behind a trusted proxy that names nobody is not counted at all. */
static enum status enter_client(struct exchange *exchange)
{
    struct addresses *clients = admit_clients(exchange->home->admit);
    enum status status = STATUS_MALFORMED;

    if (!forwarded_trusts(snapshot_proxies(exchange->snapshot), bytes_of(exchange->address))) {
        status = addresses_enter_text(clients, exchange->address, &exchange->client);
    }
    exchange->has_client = status == STATUS_OK || status == STATUS_FULL;
    return status == STATUS_MALFORMED ? STATUS_OK : status;
}

/* What the caller has of all: its key's, or its address's where no keys are asked for. */
static struct overload_share share_of(const struct exchange *exchange)
{
    const struct admit *admit = exchange->home->admit;
    struct overload_share share = {.own = 1, .all = admit_in_flight(admit), .callers = 1};

    if (exchange->caller != NULL) {
        share.own = caller_in_flight(exchange->caller) + (exchange->entered ? 0 : 1);
        share.callers = callers_in_flight(callers_of(exchange)) + (share.own == 1 && !exchange->entered ? 1 : 0);
    } else if (exchange->has_client) {
        share.own = addresses_held(admit_clients(admit), exchange->client);
        share.callers = addresses_count(admit_clients(admit));
    }
    return share;
}

bool exchange_is_shed(struct exchange *exchange, bool is_stream)
{
    struct overload *overload = admit_overload(exchange->home->admit);
    struct overload_share share;

    if (overload_stage(overload) < (is_stream ? OVERLOAD_STREAMS : OVERLOAD_REQUESTS)) {
        return false;
    }
    share = share_of(exchange);
    return overload_refuses(overload, is_stream, &share);
}

enum step exchange_shed(struct exchange *exchange)
{
    exchange->retry_after_s = overload_retry_after_s();
    return exchange_full(exchange, LIMIT_OVERLOAD);
}

static bool has_no_time(const struct exchanges *home)
{
    return pace_is_held(home->pace) || pace_is_full(home->pace, clock_ms());
}

/* While the loop has no time for all: whether its caller's others have waited for too long already, or its caller has its share
 * and the line is long, or it has more and others would find no place. */
static bool would_wait_too_long(const struct exchange *exchange)
{
    const struct exchanges *home = exchange->home;
    struct overload_share share;

    if (!pace_is_held(home->pace)) {
        return false;
    }
    if (pace_is_late(home->pace, exchange_turn_name(exchange), clock_ms())) {
        return true;
    }
    share = share_of(exchange);
    if (pace_is_long(home->pace, clock_ms()) && share.own * share.callers >= share.all) {
        return true;
    }
    return admit_in_flight(home->admit) > home->limits->in_flight / PACE_SHARE_PART && overload_is_over_share(&share);
}

/* The places of the process and of the client's address, then overload, and last the caller's own place, which costs it a turn of
 * its rate. */
static enum step find_room(struct exchange *exchange)
{
    struct exchanges *home = exchange->home;
    enum caller_result result = CALLER_ADMITTED;

    if (admit_request(home->admit) != STATUS_OK) {
        pace_crowd(home->pace);
        exchange->retry_after_s = has_no_time(home) ? overload_retry_after_s() : 0;
        return exchange_full(exchange, LIMIT_IN_FLIGHT);
    }
    exchange->admitted = true;
    if (enter_client(exchange) != STATUS_OK) {
        exchange->retry_after_s = RETRY_AFTER_S;
        return exchange_rejected(exchange, REFUSAL_ADDRESS);
    }
    if (exchange_is_shed(exchange, false) || would_wait_too_long(exchange)) {
        return exchange_shed(exchange);
    }
    if (exchange->caller != NULL) {
        result = caller_enter(exchange->caller, clock_us(), &exchange->retry_after_s);
        exchange->entered = result == CALLER_ADMITTED;
    }
    if (result == CALLER_ADMITTED) {
        return STEP_PACE;
    }
    return exchange_full(exchange, result == CALLER_RATE ? LIMIT_KEY_RATE : LIMIT_KEY_IN_FLIGHT);
}

/* A short body that follows at once is read and thrown away first: then the connection can be kept, and another costs more than
 * the refusal. */
static bool has_short_body(const struct request_head *head)
{
    return head->body_bytes > 0 && head->body_bytes <= TURNED_AWAY_BODY_BYTES_MAX && !head->wants_continue;
}

/* As long as its client was told to stay away, and no longer than the gateway tells anybody for want of time. */
static unsigned rest_s(unsigned retry_after_s)
{
    unsigned seconds = retry_after_s == 0 ? RETRY_AFTER_S : retry_after_s;

    return seconds < REST_S_MAX ? seconds : REST_S_MAX;
}

/* The connection of one for which there is no time is not heard for a while. */
static enum step turn_away(struct exchange *exchange)
{
    exchange->turned_away = true;
    exchange_leave(exchange);
    if (has_no_time(exchange->home)) {
        connection_rest(exchange->connection, rest_s(exchange->retry_after_s));
    }
    return has_short_body(exchange->head) ? STEP_WAIT : STEP_REFUSE; /* for the connection's `complete` */
}

enum step exchange_admit(struct exchange *exchange)
{
    enum step step = find_room(exchange);

    return step == STEP_REFUSE ? turn_away(exchange) : step;
}

void exchange_tell_judging(struct exchanges *home)
{
    pace_judging(home->pace, home->pool == NULL ? 0 : pool_judging(home->pool, home->loop_index));
}

enum step exchange_pace(struct exchange *exchange)
{
    exchange_tell_judging(exchange->home);
    if (pace_begin(exchange->home->pace)) {
        return STEP_DECODER;
    }
    pace_stand(exchange->home->pace, &exchange->paced, exchange_turn_name(exchange), clock_ms());
    connection_hold(exchange->connection);
    return STEP_WAIT; /* for exchanges_turn */
}

enum step exchange_waited_too_long(struct exchange *exchange)
{
    pace_leave(exchange->home->pace, &exchange->paced);
    exchange->waited_us = clock_us() - exchange->begun_us;
    (void)exchange_shed(exchange);
    return turn_away(exchange);
}

void exchange_leave(struct exchange *exchange)
{
    if (exchange->entered) {
        caller_leave(exchange->caller);
    }
    exchange->entered = false;
    if (exchange->has_client) {
        addresses_leave(admit_clients(exchange->home->admit), exchange->client);
    }
    exchange->has_client = false;
    if (exchange->admitted) {
        admit_request_end(exchange->home->admit);
    }
    exchange->admitted = false;
}

bool exchange_query_has_own_key(const struct exchange *exchange)
{
    char room[CREDENTIAL_BYTES_MAX];
    struct bytes seen;

    return exchange->caller != NULL && find_in_query(exchange, exchange->query, room, &seen) != NULL;
}

/* Fields of the caller that are not the upstream's business, beside those of one hop; those by which some servers take another
 * method, path or client than what was routed, judged and counted; and "Proxy", which CGI takes for a setting of its own. */
static bool is_kept_back(struct bytes name)
{
    static const struct bytes names[] = {
        {"host", 4},             {"accept-encoding", 15},     {"cookie", 6},           {"cookie2", 7},
        {"expect", 6},           {"forwarded", 9},            {"x-real-ip", 9},        {"x-client-ip", 11},
        {"via", 3},              {"x-http-method", 13},       {"x-method", 8},         {"x-http-method-override", 22},
        {"x-rewrite-url", 13},   {"x-method-override", 17},   {"true-client-ip", 14},  {"cf-connecting-ip", 16},
        {"proxy", 5},            {"x-cluster-client-ip", 19}, {"fastly-client-ip", 16}, {"x-host", 6},
    };
    static const struct bytes prefixes[] = {{"x-forwarded-", 12}, {"x-original-", 11}, {"x-prismguard-", 13}};

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (fields_is_alike(name, names[index])) {
            return true;
        }
    }
    for (size_t index = 0; index < sizeof prefixes / sizeof prefixes[0]; index++) {
        if (fields_is_alike(bytes_first(name, prefixes[index].count), prefixes[index])) {
            return true;
        }
    }
    return false;
}

/* A key of ours is nobody else's business, whatever scheme a client has put before it. */
static bool has_our_key(const struct exchange *exchange, struct field field)
{
    struct bytes credential = field.value;
    size_t at = credential.count;

    while (at > 0 && field.value.data[at - 1] != ' ' && field.value.data[at - 1] != '\t') {
        at--;
    }
    (void)endpoint_credential(field, &credential);
    return callers_find(callers_of(exchange), credential) != NULL ||
           (at > 0 && callers_find(callers_of(exchange), bytes_from(field.value, at)) != NULL);
}

bool exchange_may_forward(const struct exchange *exchange, struct field field)
{
    if (reply_is_hop_field(field.name) || is_kept_back(field.name) ||
        fields_is_named_one_hop(exchange->head->fields, field.name) || !trace_may_pass(exchange->head->fields, field)) {
        return false;
    }
    if (!endpoint_may_be_credential(field.name)) {
        return true;
    }
    return exchange->route->key.count == 0 && (exchange->caller == NULL || !has_our_key(exchange, field));
}

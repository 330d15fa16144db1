/* connection_set: all client connections of a loop together. */
#include "gateway/connection_set.h"

#include "gateway/connection.h"
#include "gateway/connection_hunger.h"
#include "gateway/connection_inside.h"
#include "gateway/connection_pressure.h"
#include "gateway/connection_rest.h"
#include "gateway/forwarded.h"
#include "proto/clock.h"
#include "proto/log.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const reasons[REASON_COUNT] = {
    [BY_CLIENT] = "client",           [BY_ANSWER] = "answer",           [BY_IDLE] = "idle",   [BY_HEADER_TIME] = "header_time",
    [BY_BODY_TIME] = "body_time",     [BY_BODY_RATE] = "body_rate",
    [BY_WRITE_STALL] = "write_stall", [BY_BROKEN_ANSWER] = "broken",    [BY_DRAIN] = "drain",
    [BY_PRESSURE] = "pressure",       [BY_STREAM_BUDGET] = "stream_budget", [BY_ADDRESS] = "address",
    [BY_OVERLOAD] = "overload",
};

enum { STALL_LOOKS = 8 }; /* a stall is seen to an eighth of its time */

static void write_date(struct connection_set *set)
{
    time_t second = (time_t)(clock_wall_us() / 1000000);
    struct tm parts;

    if (second != set->date_second && gmtime_r(&second, &parts) != NULL) {
        size_t count = strftime(set->date, sizeof set->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);

        assert(count == DATE_BYTES);
        set->date_second = second;
    }
}

void connection_count_end(const struct connection *connection, enum close_reason reason)
{
    series_add(connection->home->closed[reason], 1);
    switch (reason) {
    case BY_HEADER_TIME:
    case BY_BODY_TIME:
    case BY_BODY_RATE:
    case BY_WRITE_STALL:
    case BY_PRESSURE:
    case BY_STREAM_BUDGET:
    case BY_OVERLOAD:
    case BY_ADDRESS:
        log_event_limited_each(reason, REASON_COUNT, LOG_WARN, "connection_limit", LOG_TEXT("reason", reasons[reason]),
                               LOG_TEXT("client", connection->address));
        break;
    default:
        break;
    }
}

struct connection *connection_of(struct roster_member *member)
{
    return (struct connection *)((char *)member - offsetof(struct connection, member));
}

/* What is known of one of them: connection.h. */
size_t connection_unsent(const struct connection *connection)
{
    return out_unsent(&connection->out);
}

bool connection_is_full(const struct connection *connection, size_t more)
{
    uint64_t high_bytes = connection->home->limits->relay_buffer_bytes;
    size_t unsent_bytes = out_unsent(&connection->out);

    return unsent_bytes > high_bytes / 2 && unsent_bytes + more > high_bytes;
}

bool connection_has_unread(const struct connection *connection)
{
    uv_os_fd_t descriptor;
    char byte;

    return connection->ahead.count > 0 || (uv_fileno((const uv_handle_t *)&connection->socket, &descriptor) == 0 &&
                                           recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
}

void connection_hold(struct connection *connection)
{
    assert((enum connection_state)connection->member.state == BODY);
    connection->held = true;
}

bool connection_may_keep(const struct connection *connection)
{
    bool may_ask = !connection->ended || connection->ahead.count + connection->in_hand_bytes > 0;

    return request_is_complete(connection->request) && request_head(connection->request)->keep_alive && may_ask &&
           connection->home->life == SET_SERVES && connection->requests < connection->home->limits->connection_requests;
}

const struct request_head *connection_head(const struct connection *connection)
{
    return request_head(connection->request);
}

void connection_forget_text(struct connection *connection)
{
    request_forget_text(connection->request);
}

struct bytes connection_path(const struct connection *connection)
{
    struct bytes target = request_target(connection->request);
    ptrdiff_t mark = bytes_find(target, '?');

    return mark < 0 ? target : bytes_first(target, (size_t)mark);
}

struct bytes connection_address(const struct connection *connection)
{
    return bytes_of(connection->address);
}

struct bytes connection_date(const struct connection *connection)
{
    return (struct bytes){connection->home->date, DATE_BYTES};
}

void connection_set_use_limits(struct connection_set *set)
{
    const struct limit_settings *limits = set->limits;

    set->roster.limit_ms[HEAD] = limits->header_time_ms;
    set->roster.limit_ms[IDLE] = limits->keep_alive_ms; /* pressure_tick shortens it */
    set->roster.limit_ms[BODY] = limits->body_time_ms;
    set->stalls.limit_ms[WATCH_STALL] = limits->write_stall_ms / STALL_LOOKS + 1;
}

enum status connection_set_open(struct connection_set **out, uv_loop_t *loop, const struct limit_settings *limits,
                                struct admit *admit, struct metrics *metrics, const struct connection_events *events)
{
    struct connection_set *set = calloc(1, sizeof *set);

    if (set == NULL) {
        return STATUS_NO_MEMORY;
    }
    set->loop = loop;
    set->limits = limits;
    set->admit = admit;
    set->events = events;
    set->request_limits = (struct request_limits){
        .line_bytes = limits->header_line_bytes,
        .header_bytes = limits->header_bytes,
        .fields = limits->header_fields,
        .body_bytes = limits->request_bytes,
    };
    for (enum close_reason reason = 0; reason < REASON_COUNT; reason++) {
        set->closed[reason] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_connections_closed_total",
                                             "Client connections closed, by what closed them",
                                             &(struct metric_label){"reason", reasons[reason]}, 1);
    }
    set->unsent = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_unsent_bytes",
                                 "Bytes of answers that wait for their clients to take them", NULL, 0);
    roster_init(&set->roster);
    set->roster.limit_ms[LINGER] = LINGER_MS;
    set->roster.limit_ms[HALF] = HALF_CLOSED_PROBE_MS;
    roster_init(&set->stalls);
    roster_init(&set->hungry);
    lingering_open(&set->lingering, metrics);
    roster_init(&set->resting);
    for (unsigned seconds = 1; seconds <= REST_S_MAX; seconds++) {
        set->resting.limit_ms[RESTS + seconds - 1] = seconds * 1000;
    }
    connection_set_use_limits(set);
    write_date(set);
    *out = set;
    return STATUS_OK;
}

static void tell_unsent(struct connection_set *set, int64_t bytes)
{
    series_add(set->unsent, bytes - set->unsent_told);
    set->unsent_told = bytes;
}

void connection_set_close(struct connection_set **set)
{
    if (*set != NULL) {
        assert((*set)->roster.count == 0);
        lingering_close(&(*set)->lingering);
        tell_unsent(*set, 0);
        free(*set);
        *set = NULL;
    }
}

/* As text, without its port; false when it has none that we know. */
static bool name_peer(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    if (address->sa_family == AF_UNIX) {
        (void)snprintf(out, INET6_ADDRSTRLEN, "%s", FORWARDED_UNIX);
        return true;
    }
    return uv_ip_name(address, out, INET6_ADDRSTRLEN) == 0;
}

/* Whether its address is a client's: on a unix socket all have the same, and it is none; behind a trusted proxy are many, whose
 * requests are counted instead (exchange_admit). */
static bool counts_alone(const struct connection *connection, sa_family_t family)
{
    const struct connection_events *events = connection->home->events;

    return family != AF_UNIX && !events->is_proxy(events->context, bytes_of(connection->address));
}

/* Starts reading, or tells a connection that it is one too many, of all or of its address's. */
static void greet(struct connection *connection, enum request_refusal refusal)
{
    struct sockaddr_storage address;
    int count = sizeof address;

    (void)uv_tcp_nodelay(&connection->socket, 1); /* an event of a stream must not wait for the one before it */
    if (uv_tcp_getpeername(&connection->socket, (struct sockaddr *)&address, &count) != 0 ||
        !name_peer((const struct sockaddr *)&address, connection->address)) {
        connection_close(connection, BY_CLIENT, true);
        return;
    }
    if (refusal == REFUSAL_NONE && counts_alone(connection, address.ss_family)) {
        enum status status =
            addresses_enter(admit_addresses(connection->home->admit), (const struct sockaddr *)&address, &connection->place);

        connection->has_place = status != STATUS_AGAIN;
        connection->reason = status == STATUS_AGAIN ? BY_ADDRESS : connection->reason;
        refusal = status == STATUS_OK ? REFUSAL_NONE : REFUSAL_ADDRESS;
    }
    if (refusal != REFUSAL_NONE) {
        connection_refuse(connection, refusal);
    }
    connection_update_reading(connection);
}

enum status connection_set_accept(struct connection_set *set, int socket, enum request_refusal refusal)
{
    struct connection *connection;
    enum status status = connection_begin(&connection, set);

    if (status == STATUS_OK && uv_tcp_open(&connection->socket, socket) != 0) {
        connection_close(connection, BY_CLIENT, false);
        status = STATUS_IO;
    }
    if (status == STATUS_OK) {
        greet(connection, refusal);
    } else {
        (void)close(socket);
    }
    return status;
}

static struct connection *watched_connection(const struct roster_member *member)
{
    return (struct connection *)((uintptr_t)member - offsetof(struct connection, watch));
}

void connection_unwatch(struct connection *connection)
{
    if (connection->watched) {
        roster_leave(&connection->home->stalls, &connection->watch);
        connection->watched = false;
    }
}

void connection_watch_stall(struct connection *connection)
{
    if (out_unsent(&connection->out) == 0) {
        connection_unwatch(connection);
    } else if (!connection->watched) {
        (void)out_moved(&connection->out);
        connection->moved_ms = clock_ms();
        connection->watched = true;
        roster_join(&connection->home->stalls, &connection->watch, WATCH_STALL, connection->moved_ms);
    }
}

/* For all members of the set's list of unsent ones, a few times in each write_stall. */
static void look_at_stall(struct roster_member *member)
{
    struct connection *connection = watched_connection(member);
    uint64_t now_ms = clock_ms();

    if (out_unsent(&connection->out) == 0) {
        connection_unwatch(connection);
        return;
    }
    if (out_moved(&connection->out)) {
        connection->moved_ms = now_ms;
    }
    if (now_ms - connection->moved_ms >= connection->home->limits->write_stall_ms) {
        connection_lose(connection, BY_WRITE_STALL);
    } else {
        roster_enter(&connection->home->stalls, member, WATCH_STALL, now_ms);
    }
}

static void expired(struct roster_member *member)
{
    struct connection *connection = connection_of(member);

    switch (connection->member.state) {
    case HEAD:
        connection->reason = BY_HEADER_TIME;
        if (request_begun(connection->request) || connection_has_unread(connection)) {
            connection_refuse(connection, REFUSAL_HEADER_TIME);
        } else {
            connection_close(connection, BY_HEADER_TIME, false);
        }
        break;
    case BODY:
        connection->reason = BY_BODY_TIME;
        connection_refuse(connection, REFUSAL_BODY_TIME);
        break;
    case IDLE:
        if (connection->rests || connection_has_unread(connection)) {
            roster_enter(&connection->home->roster, &connection->member, IDLE, clock_ms());
        } else {
            connection_close(connection, BY_IDLE, false);
        }
        break;
    case HALF:
        connection_probe(connection);
        break;
    default: /* LINGER; the other states have no limit here */
        connection_close(connection, connection->reason, true);
        break;
    }
}

/* A body must have brought `rate` bytes for each second beyond the first BODY_RATE_AFTER_MS. The oldest stand first: at the first
 * that is too young the look is over. */
static void look_at_rates(struct connection_set *set, uint64_t now_ms)
{
    uint64_t rate = set->limits->body_rate_bytes;
    struct roster_member *member = rate == 0 ? NULL : roster_oldest(&set->roster, BODY);

    while (member != NULL && now_ms - member->since_ms > BODY_RATE_AFTER_MS) {
        struct connection *connection = connection_of(member);
        uint64_t due = (now_ms - member->since_ms - BODY_RATE_AFTER_MS) * rate / 1000;
        bool is_read = !connection->is_hungry && !connection->held; /* else it is us who keep it waiting */

        member = TAILQ_NEXT(member, in_state);
        if (is_read && request_body_read(connection->request) < due) {
            connection->reason = BY_BODY_RATE;
            connection_refuse(connection, REFUSAL_BODY_RATE);
        }
    }
}

void connection_set_turn(struct connection_set *set)
{
    pressure_relieve(set);
    roster_turn(&set->roster, connection_settle);
}

/* What the tick before has left is good enough for a gauge, and costs nothing where bytes move. */
static void count_unsent(struct connection_set *set)
{
    const struct roster_member *member;
    size_t bytes = 0;

    TAILQ_FOREACH(member, &set->stalls.states[WATCH_STALL], in_state) {
        bytes += out_unsent(&watched_connection(member)->out);
    }
    tell_unsent(set, (int64_t)bytes);
}

void connection_set_tick(struct connection_set *set)
{
    uint64_t now_ms = clock_ms();

    write_date(set);
    roster_tick(&set->roster, now_ms, expired);
    look_at_rates(set, now_ms);
    roster_tick(&set->stalls, now_ms, look_at_stall);
    count_unsent(set);
    lingering_tick(&set->lingering);
    hunger_tick(set);
    rest_tick(set);
    pressure_tick(set);
}

size_t connection_set_count(const struct connection_set *set)
{
    return set->roster.count;
}

/* Calls `end` for each member of a state's list that is there now; it may change its state or not. */
static void for_each(struct connection_set *set, enum connection_state state, void (*end)(struct connection *connection))
{
    struct roster_member *member = roster_oldest(&set->roster, state);

    while (member != NULL) {
        struct roster_member *next = TAILQ_NEXT(member, in_state);

        end(connection_of(member));
        member = next;
    }
}

static void close_idle(struct connection *connection)
{
    if (!request_begun(connection->request)) {
        connection_close(connection, BY_DRAIN, false);
    }
}

static void end_exchange(struct connection *connection)
{
    if (connection->exchange != NULL) {
        connection->home->events->end_now(connection->exchange);
    }
}

static void cut(struct connection *connection)
{
    connection_lose(connection, BY_DRAIN);
}

void connection_set_lead(struct connection_set *set)
{
    set->life = SET_LEADS;
}

bool connection_set_is_over(const struct connection_set *set)
{
    for (enum connection_state state = HEAD; state < CLOSING; state++) {
        if (state != LINGER && roster_oldest(&set->roster, state) != NULL) {
            return false;
        }
    }
    return true;
}

void connection_set_drain(struct connection_set *set)
{
    set->life = SET_DRAINS;
    for_each(set, IDLE, close_idle);
    for_each(set, HEAD, close_idle);
}

void connection_set_end_now(struct connection_set *set)
{
    for_each(set, HEAD, cut);
    for_each(set, BODY, cut);
    for_each(set, LINGER, cut);
    for_each(set, BUSY, end_exchange);
    for_each(set, HALF, end_exchange);
}

void connection_set_abort(struct connection_set *set)
{
    for (enum connection_state state = HEAD; state < CLOSING; state++) {
        for_each(set, state, cut);
    }
}

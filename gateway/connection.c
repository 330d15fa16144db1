/* connection: the life of a client's socket, from accept to close. */
#include "gateway/connection.h"

#include "gateway/connection_hunger.h"
#include "gateway/connection_inside.h"
#include "gateway/connection_rest.h"
#include "proto/clock.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static enum connection_state state_of(const struct connection *connection)
{
    return (enum connection_state)connection->member.state;
}

/* The only function that changes the state. */
static void enter(struct connection *connection, enum connection_state state)
{
    roster_enter(&connection->home->roster, &connection->member, state, clock_ms());
}

void connection_want_turn(struct connection *connection)
{
    struct connection_set *home = connection->home;

    if (TAILQ_EMPTY(&home->roster.turn)) {
        home->events->turn_wanted(home->events->owner);
    }
    roster_want_turn(&home->roster, &connection->member);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = (struct connection *)handle;
    struct connection_set *home = connection->home;

    roster_leave(&home->roster, &connection->member);
    home->leaving_bytes -= connection->leaving_bytes;
    if (connection->has_place) {
        addresses_leave(admit_addresses(home->admit), connection->place);
    }
    out_free(&connection->out);
    buffer_free(&connection->ahead);
    request_close(&connection->request);
    free(connection);
    home->events->closed(home->events->owner);
}

void connection_close(struct connection *connection, enum close_reason reason, bool reset)
{
    if (state_of(connection) == CLOSING) {
        return;
    }
    enter(connection, CLOSING);
    connection_unwatch(connection);
    hunger_end(connection);
    rest_end(connection);
    connection->drained = NULL;
    connection->leaving_bytes = out_held(&connection->out);
    connection->home->leaving_bytes += connection->leaving_bytes;
    connection_count_end(connection, reason);
    /* A reset is refused by libuv once the write side has been shut down; then closing says it too. */
    if (!reset || uv_tcp_close_reset(&connection->socket, on_closed) != 0) {
        uv_close((uv_handle_t *)&connection->socket, on_closed);
    }
}

/* The client left or must be cut: closes, and tells the exchange in the same turn. A client between two requests misses
 * nothing, so that its connection needs no reset. */
void connection_lose(struct connection *connection, enum close_reason reason)
{
    void *exchange = connection->exchange;

    connection->exchange = NULL;
    connection_close(connection, reason, state_of(connection) != IDLE && state_of(connection) != HEAD);
    if (exchange != NULL) {
        connection->home->events->gone(exchange);
    }
}

/* For callers that may not be called back: connections_turn does the rest. */
static void mark_lost(struct connection *connection, enum close_reason reason)
{
    if (state_of(connection) != CLOSING) {
        connection->reason = reason;
        enter(connection, LOST);
        connection_want_turn(connection);
    }
}

/* Whether the answer at hand has been given up or is only being sent. */
static bool is_over(const struct connection *connection)
{
    return state_of(connection) == LOST || state_of(connection) == CLOSING || state_of(connection) == LINGER;
}

void connection_refuse(struct connection *connection, enum request_refusal refusal)
{
    const struct connection_events *events = connection->home->events;
    void *exchange = connection->exchange;

    hunger_end(connection);
    connection->exchange = NULL;
    connection->held = false;
    enter(connection, BUSY);
    events->refused(events->context, connection, exchange, refusal);
}

/* An interim answer, which is no part of the answer at hand. */
static void say_continue(struct connection *connection)
{
    if (out_append(&connection->out, &BYTES("HTTP/1.1 100 Continue\r\n\r\n"), 1) != STATUS_OK) {
        mark_lost(connection, BY_CLIENT);
    }
    connection_want_turn(connection);
}

/* A head has come. A client that waits for a 100 gets it when the exchange wants the body and none of it is here. */
static void begin_exchange(struct connection *connection, bool body_has_come)
{
    const struct connection_events *events = connection->home->events;
    void *exchange;

    enter(connection, BODY);
    connection->requests++;
    connection->answering = false;
    exchange = events->head(events->context, connection);
    connection->exchange = exchange;
    assert(exchange != NULL || state_of(connection) != BODY);
    if (state_of(connection) == BODY && request_head(connection->request)->wants_continue && !body_has_come) {
        say_continue(connection);
    }
}

static bool is_reading_request(const struct connection *connection)
{
    return state_of(connection) == HEAD || state_of(connection) == IDLE || state_of(connection) == BODY;
}

/* Gives bytes to the parser until they are used or an exchange is at work; keeps what is left for later. */
static void consume(struct connection *connection, struct bytes in)
{
    while (is_reading_request(connection) && !connection->held) {
        enum request_progress progress;
        size_t used;

        if (state_of(connection) == BODY && !hunger_feeds(connection, in.count)) {
            hunger_begin(connection);
            break;
        }
        progress = request_read(connection->request, in, &used);
        in = bytes_from(in, used);
        connection->in_hand_bytes = in.count;
        if (state_of(connection) == IDLE && request_begun(connection->request)) {
            enter(connection, HEAD);
        }
        if (progress == REQUEST_HEAD) {
            begin_exchange(connection, in.count > 0);
        } else if (progress == REQUEST_DONE) {
            enter(connection, BUSY);
            connection->home->events->complete(connection->exchange);
        } else if (progress == REQUEST_REFUSED) {
            connection_refuse(connection, request_refusal(connection->request));
            return; /* what is left of it is no request, and may be more than is kept ahead */
        } else {
            return;
        }
    }
    connection->in_hand_bytes = 0;
    if (!is_over(connection) && buffer_append(&connection->ahead, in) != STATUS_OK) {
        mark_lost(connection, BY_CLIENT); /* no memory for what comes before its time */
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct connection *connection = (struct connection *)handle;
    size_t room = hunger_read_room(connection);

    (void)suggested;
    *out = uv_buf_init(connection->home->read_buffer, (unsigned)room);
}

/* Whether a client that has ended its side can be told from one that left: by an interim answer, while nothing else is on its
 * way to it (RFC 9110 section 15.2; HTTP/1.0 knows none). */
static bool can_be_probed(const struct connection *connection)
{
    return state_of(connection) == BUSY && !connection->answering && !request_head(connection->request)->http_1_0;
}

/* The client will send no more: it left, or it waits for its answer or the rest of one (RFC 9112 section 9.6). */
static void end_of_input(struct connection *connection, bool broken)
{
    connection->ended = true;
    if (state_of(connection) == BODY && connection->held && !broken) {
        return; /* what came before is read once the exchange goes on */
    }
    if (state_of(connection) == SENDING && !broken) {
        connection->after = connection->after == AFTER_KEEP && connection->ahead.count == 0 ? AFTER_CLOSE : connection->after;
        connection_want_turn(connection);
    } else if (!broken && can_be_probed(connection)) {
        enter(connection, HALF);
    } else if (state_of(connection) == LINGER) {
        connection_close(connection, connection->reason, false);
    } else if (!broken && state_of(connection) == BODY) { /* whether it has left shows when it is told */
        connection_refuse(connection, REFUSAL_INCOMPLETE);
    } else {
        connection_lose(connection, BY_CLIENT);
    }
}

/* The kernel of a client that left has refused the last probe, or will refuse this one. */
void connection_probe(struct connection *connection)
{
    struct pollfd socket = {.fd = -1};

    if (uv_fileno((uv_handle_t *)&connection->socket, &socket.fd) != 0 || poll(&socket, 1, 0) != 0) {
        connection_lose(connection, BY_CLIENT);
    } else {
        enter(connection, HALF);
        say_continue(connection);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)stream;
    struct bytes in = {buffer->base, count > 0 ? (size_t)count : 0};

    if (count < 0) {
        end_of_input(connection, count != UV_EOF);
    } else if (state_of(connection) == LINGER) {
        connection->lingered_bytes += in.count;
        if (connection->lingered_bytes > LINGER_BYTES_MAX) {
            connection_close(connection, connection->reason, true);
        }
    } else if (is_reading_request(connection)) {
        consume(connection, in);
    } else if (!is_over(connection) && buffer_append(&connection->ahead, in) != STATUS_OK) {
        connection_lose(connection, BY_CLIENT);
    }
    connection_update_reading(connection);
}

/* The one place where reading starts and stops: a client may be one request and a small bound ahead. */
void connection_update_reading(struct connection *connection)
{
    bool ahead_has_room = connection->ahead.count < READ_AHEAD_BYTES_MAX;
    bool wanted = false;

    switch (state_of(connection)) {
    case BODY:
        wanted = !connection->is_hungry && (!connection->held || ahead_has_room);
        break;
    case HEAD:
    case IDLE:
        wanted = !connection->rests;
        break;
    case LINGER:
        wanted = true;
        break;
    case BUSY:
    case SENDING:
        wanted = ahead_has_room;
        break;
    case HALF:
    case LOST:
    case CLOSING:
        break;
    }
    wanted = wanted && !connection->ended;
    if (wanted == connection->reading || state_of(connection) == CLOSING) {
        return;
    }
    connection->reading = wanted;
    if (!wanted) {
        (void)uv_read_stop((uv_stream_t *)&connection->socket);
    } else if (uv_read_start((uv_stream_t *)&connection->socket, on_alloc, on_read) != 0) {
        mark_lost(connection, BY_CLIENT);
    }
}

/* What was kept ahead of a client that has ended its side has been read: it waits for an answer, or has sent no whole request. */
static void meet_end(struct connection *connection)
{
    bool waits = connection->held || connection->is_hungry || connection->rests;
    bool is_asking = state_of(connection) == BUSY && !connection->answering;

    if (connection->ended && !waits && (is_reading_request(connection) || is_asking)) {
        end_of_input(connection, false);
    }
}

void connection_feed(struct connection *connection)
{
    struct buffer ahead = connection->ahead;

    if ((ahead.count > 0 || state_of(connection) == BODY) && !connection->rests) {
        buffer_init(&connection->ahead, ahead.max);
        consume(connection, buffer_view(&ahead));
        buffer_free(&ahead);
    }
    meet_end(connection);
    connection_update_reading(connection);
}

static void on_shutdown(uv_shutdown_t *shutdown, int result)
{
    (void)shutdown;
    (void)result; /* the linger timer closes whatever became of it */
}

/* One that has no place among those of its address goes with its answer, in the turn that took it: its socket alone lingers. */
static void leave_at_once(struct connection *connection)
{
    uv_os_fd_t descriptor;
    int own = uv_fileno((uv_handle_t *)&connection->socket, &descriptor) == 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1;

    if (own >= 0) { /* else no descriptor is left */
        lingering_take(&connection->home->lingering, own);
    }
    connection_close(connection, BY_ADDRESS, false);
}

/* The answer has gone before its request had come whole: a plain close would answer late bytes with a reset, which takes
 * the answer away from the client (RFC 9112 section 9.6). */
static void linger(struct connection *connection)
{
    buffer_free(&connection->ahead);
    if (connection->ended || uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->socket, on_shutdown) != 0) {
        connection_close(connection, connection->reason, false);
        return;
    }
    enter(connection, LINGER);
}

static void next_request(struct connection *connection)
{
    request_reset(connection->request);
    enter(connection, IDLE);
    connection_feed(connection);
}

static void after_answer(struct connection *connection)
{
    if (connection->after == AFTER_KEEP && connection->home->life != SET_DRAINS) {
        next_request(connection);
    } else if (connection->after == AFTER_RESET) {
        connection_close(connection, BY_BROKEN_ANSWER, true);
    } else if (request_is_complete(connection->request) && connection->ahead.count == 0) {
        connection_close(connection, connection->reason, false);
    } else if (connection->reason == BY_ADDRESS) {
        leave_at_once(connection);
    } else {
        linger(connection);
    }
}

void connection_settle(struct roster_member *member)
{
    struct connection *connection = connection_of(member);
    void (*drained)(void *context) = connection->drained;

    if (state_of(connection) == CLOSING) {
        return;
    }
    if (state_of(connection) == LOST || out_flush(&connection->out) != STATUS_OK) {
        connection_lose(connection, state_of(connection) == LOST ? connection->reason : BY_CLIENT);
        return;
    }
    if (state_of(connection) == BODY && !connection->held && !connection->is_hungry) {
        connection_feed(connection);
    }
    if (state_of(connection) == CLOSING) {
        return;
    }
    connection_watch_stall(connection);
    if (drained != NULL && out_unsent(&connection->out) <= connection->low_bytes) {
        connection->drained = NULL;
        drained(connection->drained_context);
    }
    if (state_of(connection) == SENDING && out_unsent(&connection->out) == 0) {
        after_answer(connection);
    }
    connection_update_reading(connection);
}

static void on_sent(struct connection_out *out, enum status status)
{
    struct connection *connection = (struct connection *)((char *)out - offsetof(struct connection, out));

    if (status != STATUS_OK) {
        mark_lost(connection, BY_CLIENT);
    }
    connection_want_turn(connection);
}

static enum status pass_body(void *context, struct bytes part)
{
    struct connection *connection = context;

    return connection->home->events->body(connection->exchange, part);
}

enum status connection_begin(struct connection **out, struct connection_set *home)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct request_sink sink = {pass_body, connection};
    enum status status;

    if (connection == NULL || uv_tcp_init(home->loop, &connection->socket) != 0) {
        free(connection);
        home->events->closed(home->events->owner);
        return STATUS_NO_MEMORY;
    }
    /* From here on the socket is libuv's until on_closed, which frees all of it. */
    connection->home = home;
    connection->reason = BY_ANSWER;
    roster_join(&home->roster, &connection->member, HEAD, clock_ms());
    buffer_init(&connection->ahead, READ_AHEAD_BYTES_MAX);
    out_init(&connection->out, (uv_stream_t *)&connection->socket, admit_unsent(home->admit),
             home->limits->relay_buffer_bytes + UPSTREAM_CHUNK_BYTES + REPLY_HEAD_BYTES_MAX, on_sent);
    status = request_open(&connection->request, &home->request_limits, &sink);
    if (status != STATUS_OK) {
        connection_close(connection, BY_CLIENT, true);
        return status;
    }
    *out = connection;
    return STATUS_OK;
}

void connection_go_on(struct connection *connection)
{
    connection->held = false;
    connection_want_turn(connection);
}

enum status connection_write_pieces(struct connection *connection, const struct bytes *pieces, size_t count)
{
    enum status status;

    if (state_of(connection) == LOST || state_of(connection) == CLOSING) {
        return STATUS_CLOSED;
    }
    connection->answering = true;
    if (state_of(connection) == HALF) {
        enter(connection, BUSY);
    }
    status = out_append(&connection->out, pieces, count);
    if (status == STATUS_FULL || status == STATUS_CLOSED) {
        mark_lost(connection, status == STATUS_FULL ? BY_STREAM_BUDGET : BY_CLIENT);
        status = STATUS_CLOSED;
    }
    connection_want_turn(connection);
    return status;
}

void connection_when_drained(struct connection *connection, size_t low_bytes, void (*drained)(void *context),
                             void *context)
{
    connection->drained = drained;
    connection->drained_context = context;
    connection->low_bytes = low_bytes;
    if (drained != NULL) {
        connection_want_turn(connection);
    }
}

static void end_answer(struct connection *connection, enum connection_after after)
{
    connection->exchange = NULL;
    connection->drained = NULL;
    if (!is_over(connection)) {
        connection->after = after;
        enter(connection, SENDING);
        connection_want_turn(connection);
    }
}

void connection_answer_done(struct connection *connection, bool keep_alive)
{
    end_answer(connection, keep_alive && connection_may_keep(connection) ? AFTER_KEEP : AFTER_CLOSE);
}

void connection_finish(struct connection *connection)
{
    end_answer(connection, AFTER_CLOSE);
}

void connection_break(struct connection *connection)
{
    end_answer(connection, AFTER_RESET);
}

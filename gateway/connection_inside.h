/* connection_inside: what connection.c and connection_set.c share and nobody else sees.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_CONNECTION_INSIDE_H
#define GATEWAY_CONNECTION_INSIDE_H

#include "gateway/admit.h"
#include "gateway/connection_out.h"
#include "gateway/lingering.h"
#include "gateway/request.h"
#include "gateway/roster.h"
#include "proto/limits.h"
#include "proto/metrics.h"
#include "proto/settings.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <time.h>
#include <uv.h>

struct connection_events;

enum connection_state { HEAD, IDLE, BODY, BUSY, HALF, SENDING, LINGER, LOST, CLOSING };

/* What follows when the last byte of the answer has gone. */
enum connection_after { AFTER_KEEP, AFTER_CLOSE, AFTER_RESET };

/* Why a connection ended; the names are label values of prismguard_gateway_connections_closed_total. */
enum close_reason {
    BY_CLIENT,
    BY_ANSWER,
    BY_IDLE,
    BY_HEADER_TIME,
    BY_BODY_TIME,
    BY_BODY_RATE,
    BY_WRITE_STALL,
    BY_BROKEN_ANSWER,
    BY_DRAIN,
    BY_PRESSURE,      /* idle, and another one wanted its place */
    BY_STREAM_BUDGET, /* the unsent bytes of all answers met their limit */
    BY_OVERLOAD,      /* its client took nothing, and the process was short of memory */
    BY_ADDRESS,       /* its address had too many, refused ones included: it went with its answer */
    REASON_COUNT
};

enum { DATE_BYTES = 29, WATCH_STALL = 0, WAIT_FOR_BUDGET = 0, RESTS = 0 };

struct connection {
    uv_tcp_t socket; /* first: libuv gives it back */
    struct connection_set *home;
    struct roster_member member; /* its state is enum connection_state */
    struct roster_member watch;  /* in home->stalls while bytes are unsent */
    struct roster_member hunger; /* in home->hungry while its body waits for the budget */
    struct roster_member rest;   /* in home->resting while it is not heard */
    bool watched;
    bool is_hungry;
    bool rests;
    bool reading; /* libuv reads */
    bool ended;   /* the client will send no more */
    bool answering; /* a byte of the answer at hand has been written */
    bool held;    /* the exchange is not ready for the body */
    enum connection_after after;
    enum close_reason reason; /* of the end that is on its way; at first BY_ANSWER */
    struct request *request;
    void *exchange;
    uint64_t requests;
    uint64_t moved_ms; /* the socket took bytes, or nothing was unsent */
    uint64_t lingered_bytes;
    struct buffer ahead; /* bytes of the next request, or of a body that is held or waits; charged with the connection */
    size_t in_hand_bytes; /* of what is being read, those behind the request at hand */
    uint32_t place;      /* of its address */
    bool has_place;
    size_t leaving_bytes; /* what it held when it was closed */
    struct connection_out out;
    void (*drained)(void *context);
    void *drained_context;
    size_t low_bytes;
    uv_shutdown_t shutdown;
    char address[INET6_ADDRSTRLEN];
};

/* An answer that said keep-alive is held to it while the set leads. */
enum set_life { SET_SERVES, SET_LEADS, SET_DRAINS };

struct connection_set {
    uv_loop_t *loop;
    const struct limit_settings *limits;
    const struct connection_events *events;
    struct request_limits request_limits;
    struct series *closed[REASON_COUNT];
    struct series *unsent; /* gauge of the process: `unsent_told` of it is this set's */
    int64_t unsent_told;
    struct roster roster;
    struct roster stalls;
    struct roster hungry;
    struct roster resting;
    struct lingering lingering;
    struct admit *admit;
    size_t leaving_bytes; /* held by connections that are closing */
    uint64_t cut_sample; /* of overload, in which one was cut last */
    enum set_life life;
    time_t date_second;
    char date[DATE_BYTES + 1];
    char read_buffer[READ_BUFFER_BYTES];
};

/* Without its socket yet; the connection owns itself until it is closed. On failure `closed` comes too. */
MUST_CHECK enum status connection_begin(struct connection **out, struct connection_set *home);

/* The one place where reading starts and stops. */
void connection_update_reading(struct connection *connection);

/* The end of a turn for one that asked for it. */
void connection_settle(struct roster_member *member);

/* While bytes are unsent somebody looks at whether they move; and nobody does any more. */
void connection_watch_stall(struct connection *connection);
void connection_unwatch(struct connection *connection);

/* Goes on with what was kept ahead. */
void connection_feed(struct connection *connection);

/* Lets the exchange answer for a request that will not be taken. */
void connection_refuse(struct connection *connection, enum request_refusal refusal);

/* One more has ended, for this reason: counts it, and logs it where a limit ended it. */
void connection_count_end(const struct connection *connection, enum close_reason reason);

/* Whether its client has sent what nobody has taken: a close now would answer it with a reset. */
bool connection_has_unread(const struct connection *connection);

/* Closes, with a reset or without; the exchange is not told. */
void connection_close(struct connection *connection, enum close_reason reason, bool reset);

/* Asks a client in HALF whether it is still there; closes and tells the exchange when it left. */
void connection_probe(struct connection *connection);

/* Closes and tells the exchange. */
void connection_lose(struct connection *connection, enum close_reason reason);

struct connection *connection_of(struct roster_member *member);

#endif

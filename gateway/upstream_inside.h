/* upstream_inside: what the files of upstream share: a transfer with its phases, a host, a loop's side of libcurl.
 *
 *   upstream          opening and closing, the work at the end of a turn
 *   upstream_transfer the life of one transfer, its timers
 *   upstream_sockets  libcurl's sockets and timer on the loop
 *   upstream_options  a request into an easy handle
 *   upstream_answer   the lines of an answer's head, checked and bounded
 *   upstream_hosts    the record of a URL's host; connections in use
 *   upstream_spare    transfers that are kept for the next request
 *   upstream_origin   scheme, host and port of a URL
 *
 * libcurl is entered from two places only: a socket's event and the end of a turn (uv_prepare). Everything else, a start, a
 * resume, a cancel, a timer, marks the transfer and puts it into the turn's queue; so no caller is ever inside libcurl
 * when it asks for something, but for events, which libcurl calls and which may ask for anything.
 *
 *   RESOLVING > READY > CONNECTING > ASKING > ANSWERING <> PAUSED > RESUMING      FAILED, CANCELLED > OVER > SPARE
 *                ^ added to libcurl at the end of the turn       ^ at the end of the turn
 */
#ifndef GATEWAY_UPSTREAM_INSIDE_H
#define GATEWAY_UPSTREAM_INSIDE_H

#include "gateway/chunks.h"
#include "gateway/resolve.h"
#include "gateway/spare.h"
#include "gateway/upstream.h"
#include "gateway/upstream_origin.h"
#include "proto/clock.h"
#include "proto/limits.h"

#include <curl/curl.h>
#include <sys/queue.h>

/* From PHASE_FAILED on, libcurl's callbacks touch nothing any more and answer with an error. */
enum phase {
    PHASE_RESOLVING,
    PHASE_READY, /* the addresses are known; libcurl gets it at the end of the turn */
    PHASE_CONNECTING,
    PHASE_ASKING, /* the request goes or went out, no head yet */
    PHASE_ANSWERING,
    PHASE_PAUSED,
    PHASE_RESUMING,  /* marked; goes on at the end of the turn */
    PHASE_FAILED,    /* `failure` is known; told at the end of the turn */
    PHASE_CANCELLED, /* by its owner: no event any more */
    PHASE_OVER,      /* `done` is being called */
    PHASE_SPARE,     /* in the pool */
};

enum answer_part { ANSWER_STATUS_LINE, ANSWER_FIELDS, ANSWER_BODY };

struct upstream_host {
    char key[ORIGIN_BYTES_MAX]; /* scheme and authority as the URL has them, lower case */
    struct upstream_origin origin;
    bool allow_private; /* the operator has named it */
    struct host *all;   /* the same for all loops; held */
    size_t busy; /* transfers that run, of this loop */
    uint64_t used_ms;
};

/* Where a transfer connects to: what the look-up found, and what libcurl is told of it for the attempt at hand. Until it has. */
struct upstream_way {
    struct curl_slist resolve; /* one node: the line */
    size_t addresses_bytes;
    size_t line_room;
    char texts[]; /* the addresses, and behind them the line: "+host:port:[IPv6],IPv4" */
};

struct transfer {
    struct upstream *upstream;
    TAILQ_ENTRY(transfer) place; /* in `active` or `spares` */
    TAILQ_ENTRY(transfer) turn;  /* in the turn's queue when `queued` */
    bool queued;
    bool attached; /* libcurl has it */
    enum phase phase;
    enum transfer_failure failure;
    CURL *easy;
    struct transfer_events events;
    struct upstream_host *host;
    struct resolve_wait wait;

    uv_timer_t timer;
    uint64_t started_ms; /* of the loop's clock, as the deadlines are */
    uint64_t phase_until_ms;
    uint64_t total_until_ms;
    uint64_t alarm_ms; /* 0 = none */
    uint64_t progress_ms; /* when the last byte of the answer came */
    uint64_t started_us;
    uint64_t asked_us;      /* when the connection stood, 0 = not yet */
    uint64_t first_byte_us; /* until the head, 0 = none yet */

    /* The request. libcurl borrows the text until the transfer ends. */
    struct bytes body;
    size_t body_at;
    struct buffer text; /* method, URL, field lines and a small body, each terminated */
    bool repeatable;    /* may be sent again when a reused connection died */
    bool head_only;     /* HEAD: its answer has no body */
    struct curl_slist *lines; /* nodes that point into `text` */
    size_t lines_room;
    size_t line_count;
    CURLU *url; /* of the text, until connected: a text that libcurl reads itself it also writes anew, byte by byte */
    struct upstream_way *way; /* NULL before the look-up has ended, and once connected */
    unsigned attempt; /* to connect; 0 is the first */
    unsigned opened;  /* sockets, in this attempt */

    /* The answer. */
    enum answer_part part;
    unsigned status;
    bool http_1_0;
    bool chunked;  /* its body is read by `chunks` */
    bool head_due; /* told when the body has begun as it should */
    struct chunks chunks;
    size_t chunks_taken; /* of the bytes that libcurl hands over again after a pause, what has been read */
    unsigned interim_count;
    size_t trailer_bytes;
    struct fields *fields;
};

struct watch; /* upstream_sockets: a socket of libcurl's on the loop */
TAILQ_HEAD(transfer_list, transfer);
TAILQ_HEAD(watch_list, watch);

struct upstream {
    uv_loop_t *loop;
    const struct limit_settings *limits;
    struct hosts *all_hosts;
    uint64_t idle_max; /* connections that may wait for a request, for each host of this loop: its share */
    const struct private_hosts *private_hosts;
    bool handles_answer_once; /* of this libcurl: upstream_open */
    CURLM *multi;
    CURLSH *share; /* TLS sessions: each transfer may resume those of all, and holds no list of its own */
    struct resolver *resolver;
    uv_prepare_t turn_end;
    uv_timer_t curl_timer;
    bool curl_due; /* libcurl wants to be called for its timer in this turn */
    struct transfer_list active;
    struct transfer_list spares; /* the last one used first */
    struct transfer_list turn;
    size_t attached_count; /* transfers that libcurl has */
    struct spare spare; /* their count */
    size_t host_count;
    struct upstream_host *hosts[UPSTREAM_HOSTS_MAX];
    struct watch **watches; /* by descriptor */
    size_t watches_room;
    struct watch_list changed;
    size_t handles; /* of libuv, not yet closed */
    void (*closed)(void *context); /* set: closing */
    void *closed_context;
    struct series *connects;
    struct series *connections;
    struct series *idle; /* gauge of the process: `idle_told` of it is this loop's */
    size_t idle_told;
    size_t watch_count;
    struct series *refused;
    struct series *unasked;
    struct series *full;
};

/* upstream.c: ends what libcurl has finished. */
void upstream_collect(struct upstream *upstream);
/* One handle of libuv less; frees the closing upstream at the last. */
void upstream_handle_closed(struct upstream *upstream);

/* upstream_transfer.c: the one place that changes a phase; gives the timer its new deadline. */
void transfer_enter(struct transfer *transfer, enum phase phase);
/* Into the turn's queue, once; and out of it. */
void transfer_queue(struct transfer *transfer);
void transfer_unqueue(struct transfer *transfer);
/* What its phase wants at the end of the turn. */
void transfer_step(struct transfer *transfer);
/* The failure it will end with, unless an earlier one is known; libcurl ends it when a callback returns an error. */
void transfer_fail(struct transfer *transfer, enum transfer_failure failure);
/* libcurl has finished it: tells its owner and gives it back. */
void transfer_conclude(struct transfer *transfer, CURLcode code);
/* Out of libcurl and of every queue: its connection closes unless the answer was complete. */
void transfer_detach(struct transfer *transfer);
/* Frees a detached or spare one; its memory goes when its timer has closed. */
void transfer_free(struct transfer *transfer);
/* A stream may last for an hour and is never asked for again: gives back what its request holds, if all of it has been sent. */
bool transfer_drop_request(struct transfer *transfer);
static inline bool transfer_is_ending(const struct transfer *transfer)
{
    return transfer->phase >= PHASE_FAILED;
}

/* upstream.c: tells the gauge how many connections wait for a transfer. */
void upstream_count_idle(struct upstream *upstream);

/* upstream_sockets.c: STATUS_NO_MEMORY. Sets the multi handle's callbacks and bounds. */
MUST_CHECK enum status upstream_sockets_open(struct upstream *upstream);
void upstream_sockets_free(struct upstream *upstream);
/* libcurl's timer, when it is due; and another turn without waiting. */
void upstream_sockets_run_due(struct upstream *upstream);
void upstream_sockets_wake(struct upstream *upstream);
/* Tells the loop what libcurl wants to hear of its sockets from now on. */
void upstream_sockets_apply(struct upstream *upstream);
/* How many connections libcurl may keep: those in use and the idle ones. */
void upstream_sockets_bound(struct upstream *upstream);
curl_socket_t upstream_socket_open(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
int upstream_socket_close(void *upstream, curl_socket_t descriptor);

/* upstream_options.c: what is the same for every request, once a handle. */
MUST_CHECK enum status upstream_options_init(struct transfer *transfer);
/* What `request` asks for. STATUS_MALFORMED, STATUS_NO_MEMORY. */
MUST_CHECK enum status upstream_options_set(struct transfer *transfer, const struct transfer_request *request);
/* Takes the addresses of resolve_name (copied) for all attempts to connect. STATUS_NO_MEMORY. */
MUST_CHECK enum status upstream_options_way(struct transfer *transfer, struct bytes addresses);
/* It is connected, or over: frees them and what was read of the URL. Harmless when there are none. */
void upstream_options_arrived(struct transfer *transfer);
/* The addresses of the next attempt to connect, at most one of each family, and its part of the time that is left. libcurl
 * 7.88 races two families well, but of two addresses of one family it tries the second only when some timer wakes it.
 * STATUS_NOT_FOUND when no address or no time is left, STATUS_NO_MEMORY. */
MUST_CHECK enum status upstream_options_attempt(struct transfer *transfer, uint64_t left_ms);

/* upstream_answer.c: what an answer begins with; and whether all that its framing promised has come. */
void upstream_answer_begin(struct transfer *transfer);
bool upstream_answer_is_whole(const struct transfer *transfer);
/* libcurl's callbacks for a line of a head and a part of a body; `context` is the transfer. */
size_t upstream_answer_line(char *data, size_t size, size_t count, void *context);
size_t upstream_answer_body(char *data, size_t size, size_t count, void *context);

/* upstream_spare.c: a transfer from before, or NULL; keeps one that has ended, or frees it; frees all. */
struct transfer *upstream_spare_take(struct upstream *upstream);
void upstream_spare_keep(struct transfer *transfer);
void upstream_spare_free(struct upstream *upstream);

/* upstream_hosts.c: the record of a URL's scheme, host and port; lent until the transfers that use it have ended.
 * STATUS_MALFORMED, STATUS_FULL, STATUS_NO_MEMORY. */
MUST_CHECK enum status upstream_hosts_find(struct upstream *upstream, struct bytes url, struct upstream_host **out);
void upstream_hosts_free(struct upstream *upstream);

#endif

/* exchange_inside: what the files of exchange share and nobody else sees.
 *
 * Thread: the loop's.
 */
#ifndef GATEWAY_EXCHANGE_INSIDE_H
#define GATEWAY_EXCHANGE_INSIDE_H

#include "gateway/admit.h"
#include "gateway/connection.h"
#include "gateway/endpoint.h"
#include "gateway/fields.h"
#include "gateway/format/problem.h"
#include "gateway/held.h"
#include "gateway/format/unjudged.h"
#include "gateway/inflate.h"
#include "gateway/pace.h"
#include "gateway/pool.h"
#include "gateway/relay.h"
#include "gateway/reply.h"
#include "gateway/route.h"
#include "gateway/snapshot.h"
#include "gateway/spare.h"
#include "gateway/upstream.h"
#include "proto/json.h"
#include "proto/metrics.h"
#include "proto/secret.h"
#include "proto/settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum step {
    STEP_HEAD,
    STEP_IDENTIFY,
    STEP_ROUTE,
    STEP_ADMIT,
    STEP_PACE,
    STEP_DECODER,
    STEP_READ,
    STEP_BODY,
    STEP_MODELS,
    STEP_OPTIONS,
    STEP_JUDGE,
    STEP_OBEY,
    STEP_ALLOWED,
    STEP_INPUTS,
    STEP_ASK,
    STEP_RESULTS,
    STEP_CONNECT,
    STEP_HOLD,
    STEP_WEIGH,
    STEP_RELEASE,
    STEP_RELAY,
    STEP_REFUSE,
    STEP_FINISH,
    STEP_COUNT,
    STEP_WAIT = STEP_COUNT, /* an event goes on */
    STEP_END,               /* the exchange is gone */
};

/* What decided, for the log and the metrics, where no verdict did. */
#define SOURCE_NAME_UNJUDGED "unjudged"       /* the route is not moderated, or the request brings no text */
#define SOURCE_NAME_REFUSED "refused"         /* refused before it could be judged */
#define SOURCE_NAME_UNAVAILABLE "unavailable" /* no verdict */

/* What a profile that observes would have done. */
#define WOULD_BLOCK "block"
#define WOULD_MISS "unavailable" /* no verdict */

/* What became of an upstream's answer where a profile wants it judged. */
enum answer_fate {
    ANSWER_ALLOWED,
    ANSWER_BLOCKED,
    ANSWER_UNAVAILABLE, /* there was no verdict */
    ANSWER_UNREADABLE,
    ANSWER_PASSED,   /* an error of the upstream's, or empty */
    ANSWER_STREAMED, /* not judged, as it is a stream */
    ANSWER_FATES,
};

/* What was found out about a request, while its answer is judged. */
struct asked {
    struct job_result verdict;
    bool has_verdict;
    const char *source;
};

/* What an exchange waits for in line (exchange_wait.c). */
enum wait {
    WAIT_NONE,
    WAIT_DECODER, /* a free one */
    WAIT_BROTLI,  /* the same of brotli's */
    WAIT_TURN,    /* its next turn: there is more to decode */
    WAIT_ROOM,    /* room in the body budget for its text */
    WAIT_JSON,    /* its large body, or answer, to be read */
    WAIT_COUNT,
};

struct exchange {
    struct exchanges *home;
    TAILQ_ENTRY(exchange) in_spare; /* in home->spares */
    struct connection *connection; /* NULL when the client is gone */
    enum step step;
    char decision[DECISION_ID_BYTES + 1];
    uint64_t begun_us;

    const struct request_head *head; /* lent by the connection until the answer is done */
    struct bytes method;             /* static */
    struct snapshot *snapshot;       /* holds route and profile */
    const struct route *route;       /* NULL until it is found */
    struct bytes rest;               /* of the path; lent by the head, or by `form` */
    struct bytes query;              /* the same */
    struct buffer form;              /* of a URL form of PrismGuard: what was decoded of the path */
    const struct profile_settings *profile;      /* that judges; NULL: nothing is judged */
    const struct profile_settings *next_profile; /* that judges after it; NULL: none does */
    const struct profile_settings *named_profile; /* by a URL form, beside the route's; NULL: none */
    enum dialect dialect;
    bool admitted;        /* holds a place of limits.in_flight */
    char address[INET6_ADDRSTRLEN]; /* the client's, as told by the proxies we trust; "unix" where nobody knows */
    struct caller *caller; /* lent by the snapshot; NULL: no key is asked for, or none was known */
    bool entered;         /* holds a place of the caller's */
    bool has_client;      /* holds `client`, */
    uint32_t client;      /* a place of the client's address */
    bool turned_away;     /* at the door, for want of room */
    char stranger[CALLER_DIGEST_DIGITS + 2]; /* '?' and the digest of a key that is not known; "" = none */
    unsigned retry_after_s; /* of a 429 */
    bool judged;          /* the body is to be judged */
    enum step after_read; /* what the request is for */

    enum coding coding;      /* of a body that is to be read; CODING_NONE: as it comes */
    struct inflate *inflate; /* from `decoder` to the body's last byte */
    size_t coded_bytes;
    struct buffer coded; /* that came, and is not decoded yet from `coded_at` on: at most one read of a socket */
    size_t coded_at;
    bool is_whole;       /* the body's last byte has come */

    TAILQ_ENTRY(exchange) in_wait; /* in home->waiting[wait] */
    enum wait wait;
    uint64_t waits_ms;     /* since when */
    uint64_t starved_ms;   /* since when the budget has no room for what is decoded; 0 = it has */
    uint64_t wanted_bytes; /* of the budget; 0 = not known */
    struct pace_member paced; /* while it stands in the loop's line */
    uint64_t waited_us;       /* there, in vain */

    struct buffer body;  /* decoded; charged to the process's body budget */
    size_t body_bytes;   /* that came; the buffer may be gone */
    uint64_t read_us;

    struct job *job; /* ours, or the pool's while the step is judge */
    struct job_result verdict;
    bool has_verdict;
    const char *source;
    const char *would; /* NULL: nothing but what was done */
    bool delays_head; /* of a stream, by the policy in the URL */
    bool streams; /* the body, or its path, asks for a stream; known once it was read to be judged */
    size_t segment_count;
    size_t text_bytes;
    struct unjudged unjudged; /* known when the body was read */
    uint64_t judge_us;
    struct moderations *moderations; /* of a route that serves the moderation endpoint, from inputs on */

    struct buffer url;
    struct fields *forwarded; /* to the upstream */
    struct fields *added;     /* to the client */
    struct reply reply;
    struct relay *relay;
    struct relay_result relayed;

    bool shows_answers;   /* not judged itself, but its answer may be one that is kept */
    struct held *held;    /* the answer, instead of `relay`, where it is judged */
    bool answering;       /* the request has been judged, and its answer is: all of it is there */
    enum answer_fate fate; /* the same */
    struct asked asked;
    uint64_t answer_begun_us, answer_us;

    unsigned status;  /* of the answer, 0 = none */
    const char *end;  /* in one word, for the log */
    const char *error; /* what the client was told, for the log; NULL = no error of ours */
    enum error_kind why;      /* it is refused, once its body has come: home->problem is another's then */
    const char *why_sentence; /* static */
};

/* How a stream can end: whole, by the client, or as a transfer fails. */
enum { STREAM_CLIENT_LEFT = TRANSFER_FAILURES, STREAM_ENDS };

TAILQ_HEAD(exchange_list, exchange);

struct exchange_metrics {
    struct series *read;
    struct series *judge;
    struct series *first_byte;
    struct series *total;
    struct series *refused;
    struct series *unjudged[UNJUDGED_KINDS];
    struct series *unavailable; /* let through without a verdict, because the profile says so */
    struct series *rejected[REFUSAL_COUNT];
    struct series *errors[ERROR_COUNT];
    struct series *stream_ends[STREAM_ENDS];
    struct series *decoded_bodies[CODING_COUNT];
    struct series *coded_bytes[CODING_COUNT];
    struct series *decoded_bytes[CODING_COUNT];
    struct series *turns_decoded;
    struct series *turns_read;
    struct series *answers[ANSWER_FATES];
    struct series *held;       /* gauge */
    struct series *answer;     /* time until the verdict on an answer */
    struct series *waits_room;
};

/* The series of answers that were met last, by routes of the current snapshot: a look-up in the registry takes a lock, this
 * does not. */
struct answer_series {
    const struct route *route;
    unsigned status;
    const char *source;
    struct series *series;
};

enum {
    ANSWER_SERIES = 64,
    STATUS_CLIENT_LEFT = 499, /* in the log only: no answer was sent */
    STATUS_OVERLOADED_CLAUDE = 529,
    STATUS_LABEL_ROOM = 12,
};

/* The large document, a body or an answer, that is read as JSON over several turns of the loop. */
struct slices {
    struct json json;
    struct json_reader reader;
    struct exchange *reading; /* whose it is; NULL = nobody's */
    struct exchange *first;   /* of the line ROOM, to be read before those of the line JSON; NULL = it need not */
    struct exchange *ended;   /* who is called with it; NULL = nobody */
    enum status status;       /* with which the reading ended */
};

struct exchanges {
    struct snapshot *snapshot; /* of requests to come */
    const struct limit_settings *limits;
    struct admit *admit;
    struct metrics *metrics;
    struct upstream *upstream;
    struct pace *pace;
    struct pool *pool;
    size_t loop_index;
    struct json json;      /* of the body at hand: parsed and extracted in one call */
    struct slices slices;
    struct fields *early;  /* of an answer without an exchange */
    struct buffer scratch; /* an error's body, a field's value */
    struct secret_ids ids;
    struct problem problem; /* from the step that finds it to STEP_REFUSE, which follows at once */
    struct exchange_metrics series;
    struct relay_series relays;
    struct answer_series answers[ANSWER_SERIES];
    struct exchange_list waiting[WAIT_COUNT]; /* the longest first */
    uint64_t turn_bytes; /* that may still be decoded, or read once more, before others have their turn */
    bool wants_turn;     /* there is more to do than this turn may */
    struct exchange_list spares; /* that have ended, the last one first */
    struct spare spare;          /* their count */
    size_t live_count;
};

/* exchange_slices.c: the body as JSON, for body_read and body_walk, or the answer, for answer_read. STATUS_AGAIN: the step waits,
 * and is run again when it has been read; else of a body the problem says what to answer. Then: a turn of the reading; one that
 * does not wait for it any more. */
MUST_CHECK enum status exchange_read_json(struct exchange *exchange, struct json **out);
void exchange_slices_turn(struct exchanges *exchanges);
void exchange_slices_forget(struct exchange *exchange);
/* The document that was lent is another now: it is read once more. */
void exchange_slices_again(struct exchange *exchange);
void exchange_slices_series(struct exchange_metrics *series, struct metrics *metrics);

/* exchange_spare.c: one that is empty but for room in its lists, or NULL; keeps one that has ended, or frees it; frees those that
 * nobody needed for SPARE_LOOK_MS; frees all. */
struct exchange *exchange_spare_take(struct exchanges *home);
void exchange_spare_keep(struct exchange *exchange);
void exchange_spare_tick(struct exchanges *home);
void exchange_spare_free(struct exchanges *home);

/* Frees the request's body and its share of the process's budget. */
void exchange_drop_body(struct exchange *exchange);

/* Runs step after step until one waits or ends. False when the exchange has ended: it is not to be used any more. */
bool exchange_go(struct exchange *exchange, enum step step);

/* The steps. */
enum step exchange_head(struct exchange *exchange);
enum step exchange_route(struct exchange *exchange);
enum step exchange_identify(struct exchange *exchange);
enum step exchange_admit(struct exchange *exchange);
enum step exchange_pace(struct exchange *exchange);
enum step exchange_decoder(struct exchange *exchange);
enum step exchange_read(struct exchange *exchange);
enum step exchange_body(struct exchange *exchange);
enum step exchange_models(struct exchange *exchange);
enum step exchange_options(struct exchange *exchange);
enum step exchange_judge(struct exchange *exchange);
enum step exchange_obey(struct exchange *exchange);
enum step exchange_allowed(struct exchange *exchange);
enum step exchange_inputs(struct exchange *exchange);
enum step exchange_ask(struct exchange *exchange);
enum step exchange_results(struct exchange *exchange);
enum step exchange_connect(struct exchange *exchange);
enum step exchange_hold_on(struct exchange *exchange);
enum step exchange_weigh(struct exchange *exchange);
enum step exchange_release(struct exchange *exchange);
enum step exchange_relay(struct exchange *exchange);
enum step exchange_refuse(struct exchange *exchange);
enum step exchange_finish(struct exchange *exchange);

/* exchange_hops.c: the step after the choice of an upstream that is not judged; and the field for it where the caller has one. */
enum step exchange_choose_hops(struct exchange *exchange);
MUST_CHECK enum status exchange_forward_hops(struct exchange *exchange);

/* Methods that are passed on: what an Allow field says. */
#define EXCHANGE_METHODS "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"

/* Who asks, for the log: the key's name, '?' and a digest for a key that is not known, or nothing. */
struct bytes exchange_caller_name(const struct exchange *exchange);

/* By whose turn its texts wait for a moderator: the key's name, or the client's address where no keys are asked for. */
struct bytes exchange_turn_name(const struct exchange *exchange);

/* Whether overload asks to refuse this request; it has its place in flight. */
bool exchange_is_shed(struct exchange *exchange, bool is_stream);

/* Says so; the next step. */
enum step exchange_shed(struct exchange *exchange);

/* The same for one that stands in the loop's line. */
enum step exchange_waited_too_long(struct exchange *exchange);

/* exchange_admit.c: the pace learns how many texts are with moderators. */
void exchange_tell_judging(struct exchanges *home);

/* Gives back the places that exchange_admit took. The snapshot is still held. */
void exchange_leave(struct exchange *exchange);

/* Whether a field of the request may go to the upstream: none of one hop, no cookie, no address of the client, no key of this
 * gateway, and no credential at all where the route has its own. */
bool exchange_may_forward(const struct exchange *exchange, struct field field);

/* Whether a parameter of the query holds a key of this gateway, which the upstream must not see. */
bool exchange_query_has_own_key(const struct exchange *exchange);

/* "complete", "client_left", "idle", ...; for the log and the metrics. Static. */
const char *exchange_stream_end_name(size_t end);

/* The next bytes of the body, decoded. Statuses of struct request_sink. */
MUST_CHECK enum status exchange_keep(void *exchange, struct bytes part);

/* The same of a compressed one: kept, and the connection held, until it is decoded. */
MUST_CHECK enum status exchange_decode(struct exchange *exchange, struct bytes part);

/* Decodes a slice of that; the exchange stands in WAIT_TURN, and is the last there or out of it then. */
void exchange_decode_on(struct exchange *exchange);

/* The body's last byte has come, and all of it is decoded: the step that follows. */
enum step exchange_decoded(struct exchange *exchange);

/* A decoder for one that waits for it. False when there is none. */
bool exchange_take_decoder(struct exchange *exchange);

/* Gives the decoder back. */
void exchange_decode_close(struct exchange *exchange);

/* To the end of a line, in which it stays until exchange_step_out. */
void exchange_stand(struct exchange *exchange, enum wait wait);

/* Out of the line in which it stands, if it does. */
void exchange_step_out(struct exchange *exchange);

/* Whether there is room for so many bytes more, and nobody waits for it. */
bool exchange_has_room(const struct exchange *exchange, uint64_t bytes);

/* Whether others were there before: exchange_await_room comes first then. */
bool exchange_must_queue(const struct exchange *exchange);

/* Its text needs so many bytes of the budget (0 = not known): the same step is taken again when they are there, or the request is
 * refused after BODY_BUDGET_WAIT_MS; at once when the budget would never have them. Returns the next step. */
enum step exchange_await_room(struct exchange *exchange, uint64_t bytes);

void exchange_decode_series(struct exchange_metrics *series, struct metrics *metrics);

/* The route of a URL form of PrismGuard (exchange_url.c). Returns the next step. */
enum step exchange_route_url(struct exchange *exchange);

/* What is to be done with a request on its route, once it is read. Returns the next step. */
enum step exchange_choose(struct exchange *exchange, struct endpoint endpoint);

/* Says what is wrong, in home->problem; the next step is STEP_REFUSE, which is returned. `status` 0 = the kind's own. */
enum step exchange_problem(struct exchange *exchange, enum error_kind kind, unsigned status, const char *sentence);

/* The same for a budget of the process, of a key, of the pool or of an upstream that has no room: written down once a second for
 * each. */
enum exchange_limit {
    LIMIT_IN_FLIGHT,
    LIMIT_OVERLOAD,
    LIMIT_KEY_RATE,
    LIMIT_KEY_IN_FLIGHT,
    LIMIT_QUEUE,
    LIMIT_UPSTREAM,
    LIMIT_COUNT
};
enum step exchange_full(struct exchange *exchange, enum exchange_limit limit);

/* A body that cannot be read, for the reason in home->problem; written down once a second for each kind. Returns STEP_REFUSE. */
enum step exchange_unreadable(struct exchange *exchange);

/* The same as exchange_problem for a rule of HTTP. */
enum step exchange_rejected(struct exchange *exchange, enum request_refusal refusal);

/* No verdict, and why: refuses, or counts it and goes on with `allowed` where the profile says so. */
enum step exchange_obey_silence(struct exchange *exchange, enum status why, enum step allowed);

/* The verdict on one of several inputs; the job stays the caller's. Returns the next step. */
enum step exchange_input_judged(struct exchange *exchange, const struct job *job);

/* Nobody waits for the inputs that the pool has. */
void exchange_moderations_let_go(struct exchange *exchange);

/* Gives back what exchange_inputs took; none of the inputs may be the pool's. */
void exchange_moderations_close(struct exchange *exchange);

/* Into `added`, anew, what every answer carries: the decision to ask about, an id that the SDKs show ("request_id"): the
 * caller's own, or the decision, and what of the request was not judged. Statuses of fields_add. */
MUST_CHECK enum status exchange_add_ids(struct exchange *exchange);

/* The request goes on: counts what of it was not judged. */
void exchange_count_unjudged(const struct exchange *exchange);

/* Adds, where the settings want it, how the request was judged. Statuses of fields_add. */
MUST_CHECK enum status exchange_add_debug(struct exchange *exchange);

/* A job for the profile that judges, with no text in it yet. Statuses of job_open. */
MUST_CHECK enum status exchange_open_job(struct exchange *exchange);

/* Whether the answer is to be judged before it is released: sets the profiles that judge it. */
bool exchange_holds(struct exchange *exchange);

/* Begins the transfer of such an answer. Statuses of held_open. */
MUST_CHECK enum status exchange_hold(struct exchange *exchange, const struct transfer_request *request);

/* Gives the answer back, and keeps what came of it in `relayed`; nothing where there is none. */
void exchange_held_close(struct exchange *exchange);

/* There is no answer, as `relayed` says: writes it down. Returns the next step. */
enum step exchange_failed(struct exchange *exchange);

/* Counts what became of the answer. */
void exchange_count_answer(const struct exchange *exchange);

/* "allowed", ...; NULL where no answer was held. Static. */
const char *exchange_fate_name(const struct exchange *exchange);

void exchange_answer_series(struct exchange_metrics *series, struct metrics *metrics);

/* Answers a connection whose request has no exchange. */
void exchange_reject_early(struct exchanges *home, struct connection *connection, enum request_refusal refusal);

#endif

/* overload: how short of everything the process is, in stages, and what is given up at each: the cheapest first.
 *
 *   stage        enter  leave below   what is given up
 *   keep_alive    85 %      80 %      idle connections are kept for OVERLOAD_KEEP_ALIVE_MS only
 *   streams       92 %      87 %      new streams of callers that have more than their fair share in flight: 503
 *   requests      95 %      90 %      all new requests of those; above OVERLOAD_ALL_PERCENT everybody's: 503
 *   accept        97 %      92 %      connections wait in the kernel's queue
 *   stalled       99 %      94 %      in each sample the stream that holds most, of those whose clients take nothing, is cut
 *
 * Never given up: the admin port, what is in flight, verdicts that were earned, ends of streams. A signal goes no further than
 * what it gives up can help: refusing requests shortens the queue of the pool, cutting streams does not.
 *
 *   signal        100 % is                                                 goes up to
 *   bodies        limits.body_budget                                       requests
 *   unsent        what limits.stream_budget leaves to answers (7/8)        stalled
 *   connections   limits.connections and its spare ones: there idle ones give way, and others hear 503     keep_alive
 *   requests      limits.in_flight: there they hear 503                    streams
 *   queue         moderation.queue's age, of the text that waits longest   requests
 *   lag           OVERLOAD_LAG_MAX_MS of a loop's lag; 100 ms are 85 %     accept
 *   descriptors   the process's limit                                      accept
 *   memory        the container's limit                                    stalled
 *
 * The stage is the highest of any signal, sampled each OVERLOAD_SAMPLE_MS (spec/reliability.md D). A stage that holds for a
 * quarter of a second would refuse what there is room for long before its end: so a refusal looks once more at the signals that
 * can be read at once, and is one only while they are still above the mark for leaving.
 *
 * Thread: overload_sample for one; the rest any.
 */
#ifndef GATEWAY_OVERLOAD_H
#define GATEWAY_OVERLOAD_H

#include "proto/account.h"
#include "proto/metrics.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

/* enumerator, its name in logs and metrics, percent to enter */
#define OVERLOAD_STAGE_TABLE(row)                                                                                      \
    row(OVERLOAD_NONE, "none", 0)                                                                                      \
    row(OVERLOAD_KEEP_ALIVE, "keep_alive", 85)                                                                         \
    row(OVERLOAD_STREAMS, "streams", 92)                                                                               \
    row(OVERLOAD_REQUESTS, "requests", 95)                                                                             \
    row(OVERLOAD_ACCEPT, "accept", 97)                                                                                 \
    row(OVERLOAD_STALLED, "stalled", 99)

enum overload_stage {
#define OVERLOAD_STAGE_ROW(enumerator, name, percent) enumerator,
    OVERLOAD_STAGE_TABLE(OVERLOAD_STAGE_ROW)
#undef OVERLOAD_STAGE_ROW
    OVERLOAD_STAGES
};

/* enumerator, its name in logs and metrics, the last stage it reaches */
#define OVERLOAD_SIGNAL_TABLE(row)                                                                                     \
    row(SIGNAL_BODIES, "bodies", OVERLOAD_REQUESTS)                                                                    \
    row(SIGNAL_UNSENT, "unsent", OVERLOAD_STALLED)                                                                     \
    row(SIGNAL_CONNECTIONS, "connections", OVERLOAD_KEEP_ALIVE)                                                        \
    row(SIGNAL_REQUESTS, "requests", OVERLOAD_STREAMS)                                                                 \
    row(SIGNAL_QUEUE, "queue", OVERLOAD_REQUESTS)                                                                      \
    row(SIGNAL_LAG, "lag", OVERLOAD_ACCEPT)                                                                            \
    row(SIGNAL_DESCRIPTORS, "descriptors", OVERLOAD_ACCEPT)                                                            \
    row(SIGNAL_MEMORY, "memory", OVERLOAD_STALLED)

enum overload_signal {
#define OVERLOAD_SIGNAL_ROW(enumerator, name, last) enumerator,
    OVERLOAD_SIGNAL_TABLE(OVERLOAD_SIGNAL_ROW)
#undef OVERLOAD_SIGNAL_ROW
    OVERLOAD_SIGNALS
};

/* How much of the process one caller has, the request at hand included. */
struct overload_share {
    uint64_t own;     /* its requests in flight */
    uint64_t all;     /* everybody's */
    uint64_t callers; /* that have any */
};

struct overload;

/* `metrics` is borrowed until overload_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status overload_open(struct overload **out, struct metrics *metrics);
void overload_close(struct overload **overload);

/* The signal is how much of `whole_bytes` this account holds, always as it is now. Borrowed until overload_close. Before any
 * other thread is there. */
void overload_use_account(struct overload *overload, enum overload_signal signal, const struct account *account,
                          uint64_t whole_bytes);

/* How high another signal is. */
void overload_tell(struct overload *overload, enum overload_signal signal, unsigned percent);

/* For SIGNAL_LAG. */
unsigned overload_lag_percent(uint64_t lag_ms);

/* `part` of `whole`, in percent; 0 of nothing. */
unsigned overload_percent(uint64_t part, uint64_t whole);

/* Finds the stage; logs a change (rate limited), and sets the gauges. */
void overload_sample(struct overload *overload);

enum overload_stage overload_stage(const struct overload *overload);

/* Samples so far: who does something once a sample asks. */
uint64_t overload_samples(const struct overload *overload);

/* Whether it is more than everybody has on average: never who has least. */
bool overload_is_over_share(const struct overload_share *share);

/* Whether to refuse a new request (is_stream: that is known to ask for a stream) of a caller with this share. Not below
 * OVERLOAD_STREAMS: ask overload_stage first, it costs nothing. A refusal is counted. */
bool overload_refuses(struct overload *overload, bool is_stream, const struct overload_share *share);

/* One more was given up at this stage: connections left waiting, streams cut. */
void overload_count(struct overload *overload, enum overload_stage stage);

/* Seconds after which a refused one may come back, for Retry-After: not all at once. */
unsigned overload_retry_after_s(void);

#endif

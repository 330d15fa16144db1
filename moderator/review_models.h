/* review_models: which of a profile's reviewing models is asked next, and which are left alone for a while.
 *
 *   CLOSED ──REVIEW_CIRCUIT_FAILURES in a row within REVIEW_CIRCUIT_MS──> OPEN ──its time passes, picked──> PROBING
 *     ^                                                                    ^                                  │
 *     └──────────────────────────── it answered ───────────────────────────┼──────────────────────────────────┤
 *                                                                          └──────── it failed again ─────────┘
 *
 * OPEN lasts REVIEW_OPEN_MS, doubled with each failed probe up to REVIEW_OPEN_MAX_MS, with jitter; PROBING is one call, and
 * nobody else asks that model meanwhile. A failure is what says something of the model and not of the text: no answer in time,
 * a broken connection, 401, 408, 429, 5xx. Any other answer, a bad one too, is a sign of life: else a caller could shut off the
 * reviews of all with a text that no reviewer answers well.
 *
 * A model that asked for a pause (Retry-After) rests until then, bounded by REVIEW_REST_MAX_MS; resting is no failure.
 *
 * Thread: one at a time. Time is the caller's clock_ms().
 */
#ifndef MODERATOR_REVIEW_MODELS_H
#define MODERATOR_REVIEW_MODELS_H

#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum review_circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_PROBING };

struct review_model {
    enum review_circuit circuit;
    uint64_t failed_ms[REVIEW_CIRCUIT_FAILURES]; /* the last ones, in a ring; 0 = none */
    size_t failed_next;
    unsigned opened_count; /* since it last answered */
    uint64_t due_ms;       /* OPEN: when it may be probed */
    uint64_t rests_ms;     /* it is not asked before */
};

struct review_models {
    size_t count; /* 1 to MODELS_MAX */
    struct review_model at[MODELS_MAX];
};

/* How a call to a model ended. */
enum review_call_end { CALL_ANSWERED, CALL_FAILED, CALL_ABANDONED /* by us, before it said anything */ };

/* All closed. */
void review_models_init(struct review_models *models, size_t count);

/* Chooses at random (`random`: any number) among those not in `tried` (a bit each) that may be asked, else among all that may;
 * each pick must be followed by review_models_ended. STATUS_AGAIN: those that could be asked rest, the first until *out_at_ms.
 * STATUS_UNAVAILABLE: every circuit is open. */
MUST_CHECK enum status review_models_pick(struct review_models *models, uint32_t tried, uint64_t random, uint64_t now_ms,
                                          size_t *out_model, uint64_t *out_at_ms);

/* `pause_ms` is what the answer asked for, 0 = nothing. Returns whether the circuit opened or closed by it. */
bool review_models_ended(struct review_models *models, size_t model, enum review_call_end end, uint64_t pause_ms,
                         uint64_t now_ms);

/* Whether an HTTP status other than 200 says something of the model. */
bool review_models_blames(unsigned http_status);

/* How many circuits are not closed. */
size_t review_models_open_count(const struct review_models *models);

#endif

/* review: the thread that asks reviewing LLMs: review slots on one side, HTTP calls on the other, in one poll.
 *
 *   gateway ──TASK (review)──> slot n ──POST──> LLM ──answer──> strict verdict ──VERDICT──> slot n
 *                                                      └─> labels to history
 *
 * For every profile with a review and every gateway address it holds review.concurrency slots; a slot has at most one call. A
 * call ends with the shorter of review.timeout and the task's own time. Whatever is not a strict verdict (a refusal, a timeout,
 * an HTTP error, too much text) is answered with OUTCOME_UNSURE: the gateway then does what the first verdict's fallback says.
 *
 * A label is kept only when the answer says for certain which text it is about: no violation labels every text reviewed, a
 * violation labels the text when there was only one.
 *
 * Thread: its own; open and close main.
 */
#ifndef MODERATOR_REVIEW_H
#define MODERATOR_REVIEW_H

#include "moderator/history.h"
#include "moderator/lookup.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

struct review;

/* Borrowed until review_close. */
struct review_parts {
    const struct settings *settings;
    struct metrics *metrics;
    struct lookup *gateways; /* every address of moderator.gateways */
    struct history *history; /* NULL: labels are not kept */
    struct bytes identity;   /* of this process, in every READY */
    const struct wire_security *security; /* NULL: no CURVE */
};

/* Whether any profile has a review, so that there is anything to open. */
bool review_wanted(const struct settings *settings);

/* Reads prompts and keys (a problem is a line on `errors`, and STATUS_MALFORMED), and starts the thread. STATUS_NO_MEMORY,
 * STATUS_UNAVAILABLE. After review_call_start_library(). */
MUST_CHECK enum status review_open(struct review **out, const struct review_parts *parts, FILE *errors);

/* Begins to leave without waiting for it: every slot says BYE when it next may; calls that run may still end, for at most
 * REVIEW_DRAIN_MS. */
void review_leave(struct review *review);

/* Leaves, and waits until the thread has ended. */
void review_close(struct review **review);

#endif

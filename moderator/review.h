/* review: the thread that asks reviewing LLMs: review slots on one side, HTTP calls on the other, in one poll.
 *
 *   gateway ──TASK (review)──> slot n ──joins──> flight ──POST──> LLM ──answer──> strict verdict ──VERDICT──> slots that joined
 *                                                  └─ earlier labels from history        └─> labels to history
 *
 * For every profile with a review and every gateway address it holds review.concurrency slots; a slot has at most one task, and
 * a review at most one call at a time (moderator/review_flights). Nothing queues: the gateway sends a task to an idle slot or
 * does without. A review ends REVIEW_MARGIN_MS before the task's own time. Whatever is not a strict verdict (a refusal, a
 * timeout, an HTTP error, too much text) is answered with OUTCOME_UNSURE: the gateway then does what the first verdict's
 * fallback says.
 *
 * Thread: its own; open and close main.
 */
#ifndef MODERATOR_REVIEW_H
#define MODERATOR_REVIEW_H

#include "moderator/history.h"
#include "moderator/lookup.h"
#include "moderator/recent.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdio.h>

struct review;

/* Borrowed until review_close. */
struct review_parts {
    struct rules *rules; /* their settings, and what they say that reviews are made from */
    struct recent *recent; /* NULL: nothing is known of late, and nothing kept */
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

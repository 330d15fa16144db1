/* worker: the threads that judge: each holds `slots` local slots for every gateway address and judges what they receive.
 *
 *   thread 0: zmq_poll over [stop, addresses, slot, slot, ...] -> judge -> VERDICT     all share keywords and live models, and
 *   thread 1: the same                                                                 nothing else but counters
 *
 * Leaving: every slot says BYE to whatever it is sent next (at most SLOT_LEAVE_MS later), and to long tasks that wait their turn.
 */
#ifndef MODERATOR_WORKER_H
#define MODERATOR_WORKER_H

#include "moderator/judge.h"
#include "moderator/lookup.h"
#include "proto/metrics.h"
#include "proto/status.h"

struct worker;

/* Borrowed until worker_close, but for the rules: worker_open alone looks at their settings, for threads and slots. */
struct worker_parts {
    struct judge_parts judge;
    struct metrics *metrics;
    struct lookup *gateways;              /* every address of moderator.gateways */
    struct bytes identity;                /* of this process, in every READY */
    const struct wire_security *security; /* NULL: no CURVE */
};

/* Starts the threads (settings.moderator.threads, or one a core). STATUS_NO_MEMORY, STATUS_UNAVAILABLE. */
MUST_CHECK enum status worker_open(struct worker **out, const struct worker_parts *parts);

/* From its next task on every thread judges by these rules; on failure none does: statuses of judge_open. The main thread. */
MUST_CHECK enum status worker_use_rules(struct worker *worker, struct rules *rules);

/* Begins to leave without waiting for it. */
void worker_leave(struct worker *worker);

/* Leaves, and waits until all threads have ended. */
void worker_close(struct worker **worker);

/* clock_ms() of the last frame that any thread heard of a gateway; 0 = none yet. Thread: any. */
uint64_t worker_heard_ms(const struct worker *worker);

#endif

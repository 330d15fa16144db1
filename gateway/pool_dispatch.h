/* pool_dispatch: the walk of a job: to a local slot, perhaps to a review slot, and back; the ROUTER's side of PROTOCOL.md.
 *
 *   submit ──> send a local TASK ──> VERDICT allow, block ───────────────────────────> finish
 *     │ no idle slot    │ late, BUSY, slot gone          │ unsure
 *     ▼                 └──> once more, elsewhere        ▼
 *   queue ── aged ──> finish          send a review TASK, or resolve at once ──> answer, deadline ──> finish
 *
 * Knows nothing of threads and loops: gateway/pool brings jobs and the time, and takes finished jobs by `finish`.
 * Thread: the pool's.
 */
#ifndef GATEWAY_POOL_DISPATCH_H
#define GATEWAY_POOL_DISPATCH_H

#include "gateway/job.h"
#include "gateway/pool.h"
#include "proto/status.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct pool_dispatch;

/* Lends `wire` (a bound WIRE_POOL) and what the options lend until pool_dispatch_close. `finish` gives a job back, with its
 * result; it is called from within the functions below. */
MUST_CHECK enum status pool_dispatch_open(struct pool_dispatch **out, const struct pool_options *options, struct wire *wire,
                                          void (*finish)(void *context, struct job *job), void *context);

/* Holds no job any more: pool_dispatch_stop() came before, or none was submitted. */
void pool_dispatch_close(struct pool_dispatch **dispatch);

/* Gives the texts of a job their names, so that they need not be sent each time (gateway/pool_recall). Thread: the job's loop. */
void pool_dispatch_name(const struct pool_dispatch *dispatch, struct job *job);

/* So many jobs are submitted next, with nothing between them: they share idle slots when they are more than those. */
void pool_dispatch_expect(struct pool_dispatch *dispatch, size_t count);

/* Takes the job until it is finished, which may be at once. */
void pool_dispatch_submit(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* Reads what the slots sent, at most POOL_TURN_FRAMES messages, and gives idle slots the jobs that wait. True when there
 * may be more. */
bool pool_dispatch_receive(struct pool_dispatch *dispatch, uint64_t now_ms);

/* Finishes the waiting jobs that have been abandoned. */
void pool_dispatch_sweep(struct pool_dispatch *dispatch, uint64_t now_ms);

/* Does what is due: deadlines, ages, PINGs, probes, silence. */
void pool_dispatch_tick(struct pool_dispatch *dispatch, uint64_t now_ms);

/* When the next thing is due; UINT64_MAX for never. */
uint64_t pool_dispatch_due_ms(const struct pool_dispatch *dispatch);

/* Reviews under way. */
size_t pool_dispatch_review_count(const struct pool_dispatch *dispatch);

/* Since when a job waits for its first attempt; UINT64_MAX when none does. Long texts do not count: that they wait for one
 * another says nothing of how short of moderators the gateway is. */
uint64_t pool_dispatch_oldest_ms(const struct pool_dispatch *dispatch);

/* Finishes all that is held, and all that will be submitted, with STATUS_UNAVAILABLE. */
void pool_dispatch_stop(struct pool_dispatch *dispatch, uint64_t now_ms);

/* Known local slots. Any thread. */
size_t pool_dispatch_slot_count(const struct pool_dispatch *dispatch);

#endif

/* pool: asks moderators: one thread owns the ROUTER, the slots, the queue and every deadline.
 *
 *   loop 0 ──ring──>┐                    ┌──ring──> loop 0
 *   loop 1 ──ring──>┤ pool thread, ROUTER ├──ring──> loop 1     no lock: bounded single-producer rings of job pointers
 *                   └─ eventfd            └─ wake(context, loop index)
 *
 * A job goes to the least recently used idle local slot, or waits in one bounded, aged queue, fair between callers. A verdict
 * allow or block is the end; unsure goes on to an idle review slot of the job's profile, or is resolved by the verdict's
 * fallback. A moderator that gives no verdict costs one more attempt, at another one. Every job comes back exactly once:
 * judged, or with the reason why not (gateway/job.h).
 *
 * Where more short texts wait than slots are idle, a slot gets its share of them in one message (TASKS), up to BATCH_TASKS_MAX
 * and BATCH_BYTES_MAX; what is asked once more is asked alone.
 *
 * A long text (LONG_TEXT_BYTES) goes to a slot only while others have less than half of the slots; until then it waits, and the
 * short ones behind it do not.
 *
 * Bounds: moderation.peers slots; moderation.queue jobs, bytes and age; loop_jobs_max jobs of one loop at a time. Rule: the
 * wire is PROTOCOL.md.
 */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include "gateway/job.h"
#include "gateway/pulse.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"
#include "proto/wire_security.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

struct pool_options {
    const struct pool_settings *settings; /* lent until pool_close */
    uint64_t text_bytes_max;              /* limits.moderated_text: a moderator that takes less is refused */
    size_t loop_count;
    size_t loop_jobs_max; /* of one loop at a time: what may be in flight, with all its jobs; rings take the next power of two */
    struct metrics *metrics; /* lent until pool_close */
    const struct wire_security *security; /* NULL: no CURVE, and so loopback only; lent until pool_close */

    /* Called by the pool's thread when jobs are ready to be taken by that loop; must not wait (uv_async_send). May be called
     * until pool_close has returned: what it wakes must live as long. */
    void (*wake)(void *context, size_t loop_index);
    void *context;

    /* For tests; 0 = what proto/limits.h says. */
    uint64_t ping_idle_ms;
    uint64_t silence_ms;
    uint64_t probe_busy_ms;
    size_t batch_tasks_max;
};

/* Binds settings->bind and starts the thread; wire_start() and secret_start() come first. STATUS_DENIED (an endpoint beyond
 * loopback without security), STATUS_MALFORMED, STATUS_IO, STATUS_NO_MEMORY, STATUS_FULL. Any thread. */
MUST_CHECK enum status pool_open(struct pool **out, const struct pool_options *options);

/* From now on every job, held or new, comes back with STATUS_UNAVAILABLE. Any thread. */
void pool_stop(struct pool *pool);

/* Stops, ends the thread, closes the jobs that were not taken. No loop may use the pool any more. Takes NULL. */
void pool_close(struct pool **pool);

/* Takes the job on STATUS_OK; it comes back through pool_take. STATUS_FULL: loop_jobs_max jobs of this loop are out; the job
 * stays the caller's. Thread: the job's loop. */
MUST_CHECK enum status pool_submit(struct pool *pool, struct job *job);

/* The next job that has come back, the caller's again; NULL when there is none now. Thread: that loop. */
struct job *pool_take(struct pool *pool, size_t loop_index);

/* Nobody waits for this job any more. It still comes back: at once when it was waiting (and is then never sent), else with
 * the answer under way; no review is asked for it. Thread: the job's loop, while the pool has the job. */
void pool_abandon(struct pool *pool, struct job *job);

/* Can a text be judged now? False while no local slot is known; `why` is then a static sentence, else untouched. Any thread. */
bool pool_ready(const struct pool *pool, const char **why);

/* Beats each POOL_TURN_MS at least, until pool_close. Lent until then. */
struct pulse *pool_pulse(struct pool *pool);

/* How many jobs of this loop wait for a verdict of the local judge, or less: reviews of all loops are taken off. Thread: that
 * loop. */
size_t pool_judging(const struct pool *pool, size_t loop_index);

/* How long the text has waited that waits longest for its first attempt, of those that are not long; 0 when none does. Any
 * thread. */
uint64_t pool_waited_ms(const struct pool *pool);

/* The endpoint really bound. Lends until pool_close. Any thread. */
const char *pool_endpoint(const struct pool *pool);

#endif

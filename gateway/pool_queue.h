/* pool_queue: the jobs that wait for a slot, fair between callers, bounded in jobs, bytes and age; and those that wait for
 * their second attempt, which come first and are bounded by what may be in flight (each had a slot before).
 *
 *   turns:   caller A ──> caller B ──> caller C        each gives its oldest job, then goes to the end
 *              a1 a2 a3     b1           c1 c2
 *   by age:  a1 a2 b1 c1 a3 c2                         the first that is too old, whosever it is
 *
 * Long texts are passed over as long as moderators have as many of them as they may: nobody who stands behind one waits for it.
 *
 * A caller is a key, or a client's address where there are no keys (job_set_caller). When the queue is full the newest job of
 * the caller that has most of it makes room, unless the new one's caller is that one itself. All waiting of the pool happens
 * here. Thread: the pool's.
 */
#ifndef GATEWAY_POOL_QUEUE_H
#define GATEWAY_POOL_QUEUE_H

#include "gateway/job.h"
#include "proto/account.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_caller;

/* Jobs by age, whosever they are. */
struct queue_line {
    struct job *oldest;
    struct job *newest;
    size_t count;
};

enum { QUEUE_SHORT, QUEUE_LONG, QUEUE_LINES }; /* by job->is_long */

struct pool_queue {
    struct queue_line lines[QUEUE_LINES];
    struct queue_caller *callers;  /* count_max of them: each that is in use has a job */
    struct queue_caller *unused;
    struct queue_caller *turn;     /* the next one's */
    struct queue_caller *last_turn;
    struct queue_caller **buckets; /* by number */
    size_t bucket_mask;
    struct queue_line retries[SLOT_REVIEW + 1]; /* those that wait for another moderator, or for a review slot */
    size_t count;
    size_t bytes; /* of packed bodies */
    size_t count_max;
    size_t bytes_max;
    uint64_t age_ms;
    struct account account; /* of those bytes, for people: they are charged to the bodies' budget too */
    struct series *gauges[SLOT_REVIEW + 1];
    struct series *bytes_gauge;
    struct series *ages;
};

/* The bounds are moderation.queue. Lends `metrics`. STATUS_NO_MEMORY. */
MUST_CHECK enum status pool_queue_open(struct pool_queue *queue, const struct pool_settings *settings, struct metrics *metrics);

/* It is empty, or was never opened. */
void pool_queue_close(struct pool_queue *queue);

/* STATUS_FULL: this job would be one too many, or its bytes would. */
MUST_CHECK enum status pool_queue_push(struct pool_queue *queue, struct job *job, uint64_t now_ms);

/* The newest job of the caller that has most (of what `job` finds full: jobs or bytes), taken out to make room for `job`;
 * NULL when that caller is the job's own, with the job counted: then `job` is the one to refuse. */
struct job *pool_queue_pop_greediest(struct pool_queue *queue, const struct job *job, uint64_t now_ms);

/* The oldest job of the caller whose turn it is, `with_long` ones or without; NULL when no such one waits. */
struct job *pool_queue_peek(const struct pool_queue *queue, bool with_long);

/* A job that waits for another moderator, or for a slot of this kind, until its give_up_ms. */
void pool_queue_push_retry(struct pool_queue *queue, struct job *job, enum slot_kind kind, uint64_t now_ms);

/* How many wait for a review slot of this profile, up to and with `job`; all of them where it is NULL. */
size_t pool_queue_reviews(const struct pool_queue *queue, const struct profile_settings *profile, const struct job *job);

/* Takes a job of queue->retries[kind] out. */
void pool_queue_take_retry(struct pool_queue *queue, struct job *job, enum slot_kind kind, uint64_t now_ms);

/* The first give_up_ms among them; UINT64_MAX when none waits. */
uint64_t pool_queue_retry_due_ms(const struct pool_queue *queue);

/* Takes a job that waits out: its caller has had its turn. */
struct job *pool_queue_take(struct pool_queue *queue, struct job *job, uint64_t now_ms);

/* The next one of any kind, taken out; NULL when none waits. */
struct job *pool_queue_pop(struct pool_queue *queue, uint64_t now_ms);

/* The job that has waited longest, whosever it is, taken out, but only when it has waited for the whole age. */
struct job *pool_queue_pop_aged(struct pool_queue *queue, uint64_t now_ms);

/* Any job that has been abandoned, taken out; NULL when there is none. */
struct job *pool_queue_pop_abandoned(struct pool_queue *queue, uint64_t now_ms);

/* When the first one is aged; UINT64_MAX when none waits. */
uint64_t pool_queue_aged_at_ms(const struct pool_queue *queue);

#endif

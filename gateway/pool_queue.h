/* pool_queue: the jobs that wait for a slot: first in, first out, bounded in jobs, bytes and age; and those that wait for
 * their second attempt, which come first and are bounded by what may be in flight (each had a slot before).
 *
 * All waiting of the pool happens here. Fairness between keys will join behind these functions.
 * Thread: the pool's.
 */
#ifndef GATEWAY_POOL_QUEUE_H
#define GATEWAY_POOL_QUEUE_H

#include "gateway/job.h"
#include "proto/metrics.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

struct pool_queue {
    struct job *first; /* has waited longest */
    struct job *last;
    struct job *retries; /* in no order */
    size_t retry_count;
    size_t count;
    size_t bytes; /* of packed bodies */
    size_t count_max;
    size_t bytes_max;
    uint64_t age_ms;
    struct series *gauge;
    struct series *ages;
};

/* The bounds are moderation.queue. Needs no closing: it must be empty at the end. Lends `metrics`. */
void pool_queue_init(struct pool_queue *queue, const struct pool_settings *settings, struct metrics *metrics);

/* STATUS_FULL: this job would be one too many, or its bytes would. */
MUST_CHECK enum status pool_queue_push(struct pool_queue *queue, struct job *job, uint64_t now_ms);

/* A job that waits for another moderator, until its give_up_ms. */
void pool_queue_push_retry(struct pool_queue *queue, struct job *job, uint64_t now_ms);

/* Takes a job of queue->retries out. */
void pool_queue_take_retry(struct pool_queue *queue, struct job *job, uint64_t now_ms);

/* The first give_up_ms among them; UINT64_MAX when none waits. */
uint64_t pool_queue_retry_due_ms(const struct pool_queue *queue);

/* The job that has waited longest, taken out; NULL when none waits. */
struct job *pool_queue_pop(struct pool_queue *queue, uint64_t now_ms);

/* The same, but only when it has waited for the whole age. */
struct job *pool_queue_pop_aged(struct pool_queue *queue, uint64_t now_ms);

/* Any job that has been abandoned, taken out; NULL when there is none. */
struct job *pool_queue_pop_abandoned(struct pool_queue *queue, uint64_t now_ms);

/* When the first one is aged; UINT64_MAX when none waits. */
uint64_t pool_queue_aged_at_ms(const struct pool_queue *queue);

#endif

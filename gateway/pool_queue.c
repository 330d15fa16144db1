/* pool_queue: a doubly linked list of jobs with its sums. */
#include "gateway/pool_queue.h"

#include <assert.h>

void pool_queue_init(struct pool_queue *queue, const struct pool_settings *settings, struct metrics *metrics)
{
    const struct metric_label local = {"kind", "local"}; /* reviews do not wait: no idle slot, no review */

    *queue = (struct pool_queue){.count_max = settings->queue_jobs,
                                 .bytes_max = settings->queue_bytes,
                                 .age_ms = settings->queue_age_ms};
    queue->gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_queue_jobs",
                                  "Jobs that wait for a slot.", &local, 1);
    queue->ages = metrics_series(metrics, METRIC_HISTOGRAM, "prismguard_gateway_pool_queue_age_seconds",
                                 "How long a job had waited when it left the queue.", NULL, 0);
}

enum status pool_queue_push(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    if (queue->count >= queue->count_max || job->body.count > queue->bytes_max - queue->bytes) {
        return STATUS_FULL;
    }
    job->next = NULL;
    job->previous = queue->last;
    *(queue->last == NULL ? &queue->first : &queue->last->next) = job;
    queue->last = job;
    job->queued_ms = now_ms;
    queue->count++;
    queue->bytes += job->body.count;
    series_add(queue->gauge, 1);
    return STATUS_OK;
}

static struct job *take_out(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    assert(queue->count > 0 && queue->bytes >= job->body.count);
    *(job->previous == NULL ? &queue->first : &job->previous->next) = job->next;
    *(job->next == NULL ? &queue->last : &job->next->previous) = job->previous;
    queue->count--;
    queue->bytes -= job->body.count;
    series_add(queue->gauge, -1);
    series_observe(queue->ages, (double)(now_ms - job->queued_ms) / 1000);
    return job;
}

void pool_queue_push_retry(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    job->previous = NULL;
    job->next = queue->retries;
    if (job->next != NULL) {
        job->next->previous = job;
    }
    queue->retries = job;
    job->queued_ms = now_ms;
    queue->retry_count++;
    series_add(queue->gauge, 1);
}

void pool_queue_take_retry(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    assert(queue->retry_count > 0);
    *(job->previous == NULL ? &queue->retries : &job->previous->next) = job->next;
    if (job->next != NULL) {
        job->next->previous = job->previous;
    }
    queue->retry_count--;
    series_add(queue->gauge, -1);
    series_observe(queue->ages, (double)(now_ms - job->queued_ms) / 1000);
}

uint64_t pool_queue_retry_due_ms(const struct pool_queue *queue)
{
    uint64_t due_ms = UINT64_MAX;

    for (const struct job *job = queue->retries; job != NULL; job = job->next) {
        due_ms = job->give_up_ms < due_ms ? job->give_up_ms : due_ms;
    }
    return due_ms;
}

struct job *pool_queue_pop(struct pool_queue *queue, uint64_t now_ms)
{
    return queue->first == NULL ? NULL : take_out(queue, queue->first, now_ms);
}

struct job *pool_queue_pop_aged(struct pool_queue *queue, uint64_t now_ms)
{
    return now_ms >= pool_queue_aged_at_ms(queue) ? take_out(queue, queue->first, now_ms) : NULL;
}

struct job *pool_queue_pop_abandoned(struct pool_queue *queue, uint64_t now_ms)
{
    for (struct job *job = queue->first; job != NULL; job = job->next) {
        if (atomic_load_explicit(&job->abandoned, memory_order_relaxed)) {
            return take_out(queue, job, now_ms);
        }
    }
    return NULL;
}

uint64_t pool_queue_aged_at_ms(const struct pool_queue *queue)
{
    return queue->first == NULL ? UINT64_MAX : queue->first->queued_ms + queue->age_ms;
}

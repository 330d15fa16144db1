/* pool_queue: a list of jobs for each caller, the callers in turn, and one list over all by age. */
#include "gateway/pool_queue.h"

#include <assert.h>
#include <stdlib.h>

struct queue_caller {
    uint64_t number;
    struct {
        struct job *first;
        struct job *last;
    } jobs[QUEUE_LINES];
    size_t count; /* never 0 while in use */
    size_t bytes;
    struct queue_caller *next; /* in turn */
    struct queue_caller *previous;
    struct queue_caller *chain; /* in its bucket, or among the unused */
};

enum status pool_queue_open(struct pool_queue *queue, const struct pool_settings *settings, struct metrics *metrics)
{
    size_t bucket_count = 1;

    while (bucket_count < settings->queue_jobs) {
        bucket_count *= 2;
    }
    *queue = (struct pool_queue){.count_max = settings->queue_jobs,
                                 .bytes_max = settings->queue_bytes,
                                 .age_ms = settings->queue_age_ms,
                                 .bucket_mask = bucket_count - 1};
    queue->callers = calloc(queue->count_max, sizeof *queue->callers);
    queue->buckets = calloc(bucket_count, sizeof(struct queue_caller *));
    account_open(&queue->account, "queue", settings->queue_bytes, metrics);
    if (queue->callers == NULL || queue->buckets == NULL) {
        pool_queue_close(queue);
        return STATUS_NO_MEMORY;
    }
    for (size_t index = queue->count_max; index > 0; index--) {
        queue->callers[index - 1].chain = queue->unused;
        queue->unused = &queue->callers[index - 1];
    }
    for (size_t kind = 0; kind <= SLOT_REVIEW; kind++) {
        const struct metric_label label = {"kind", slot_kind_name((enum slot_kind)kind)};

        queue->gauges[kind] = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_queue_jobs",
                                             "Jobs that wait for a slot.", &label, 1);
    }
    queue->bytes_gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_queue_bytes",
                                        "Text of the jobs that wait for their first attempt.", NULL, 0);
    queue->ages = metrics_series(metrics, METRIC_HISTOGRAM, "prismguard_gateway_pool_queue_age_seconds",
                                 "How long a job had waited when it left the queue.", NULL, 0);
    return STATUS_OK;
}

void pool_queue_close(struct pool_queue *queue)
{
    assert(queue->count == 0 && queue->retries[SLOT_LOCAL].count == 0 && queue->retries[SLOT_REVIEW].count == 0);
    account_close(&queue->account);
    free(queue->callers);
    free(queue->buckets);
    *queue = (struct pool_queue){0};
}

static struct queue_caller **bucket_of(const struct pool_queue *queue, uint64_t number)
{
    return &queue->buckets[(number ^ number >> 32) & queue->bucket_mask];
}

static struct queue_caller *find_caller(const struct pool_queue *queue, uint64_t number)
{
    struct queue_caller *caller = *bucket_of(queue, number);

    while (caller != NULL && caller->number != number) {
        caller = caller->chain;
    }
    return caller;
}

static void join_turns(struct pool_queue *queue, struct queue_caller *caller)
{
    caller->next = NULL;
    caller->previous = queue->last_turn;
    *(queue->last_turn == NULL ? &queue->turn : &queue->last_turn->next) = caller;
    queue->last_turn = caller;
}

static void leave_turns(struct pool_queue *queue, struct queue_caller *caller)
{
    *(caller->previous == NULL ? &queue->turn : &caller->previous->next) = caller->next;
    *(caller->next == NULL ? &queue->last_turn : &caller->next->previous) = caller->previous;
}

/* There are as many callers as jobs, so one is free while there is room for a job. */
static struct queue_caller *add_caller(struct pool_queue *queue, uint64_t number)
{
    struct queue_caller **bucket = bucket_of(queue, number);
    struct queue_caller *caller = queue->unused;

    assert(caller != NULL);
    queue->unused = caller->chain;
    *caller = (struct queue_caller){.number = number, .chain = *bucket};
    *bucket = caller;
    join_turns(queue, caller);
    return caller;
}

static void remove_caller(struct pool_queue *queue, struct queue_caller *caller)
{
    struct queue_caller **link = bucket_of(queue, caller->number);

    while (*link != caller) {
        assert(*link != NULL);
        link = &(*link)->chain;
    }
    *link = caller->chain;
    leave_turns(queue, caller);
    caller->chain = queue->unused;
    queue->unused = caller;
}

static bool bytes_are_full(const struct pool_queue *queue, const struct job *job)
{
    return job->body.count > queue->bytes_max - queue->bytes;
}

static void join_line(struct queue_line *line, struct job *job, uint64_t now_ms)
{
    job->newer = NULL;
    job->older = line->newest;
    *(line->newest == NULL ? &line->oldest : &line->newest->newer) = job;
    line->newest = job;
    line->count++;
    job->queued_ms = now_ms;
}

static void leave_line(struct queue_line *line, struct job *job)
{
    assert(line->count > 0);
    *(job->older == NULL ? &line->oldest : &job->older->newer) = job->newer;
    *(job->newer == NULL ? &line->newest : &job->newer->older) = job->older;
    line->count--;
}

enum status pool_queue_push(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    struct queue_caller *caller;
    enum status status;

    if (queue->count >= queue->count_max || bytes_are_full(queue, job)) {
        return STATUS_FULL;
    }
    caller = find_caller(queue, job->caller);
    if (caller == NULL) {
        caller = add_caller(queue, job->caller);
    }
    job->next = NULL;
    job->previous = caller->jobs[job->is_long].last;
    *(job->previous == NULL ? &caller->jobs[job->is_long].first : &job->previous->next) = job;
    caller->jobs[job->is_long].last = job;
    caller->count++;
    caller->bytes += job->body.count;
    join_line(&queue->lines[job->is_long], job, now_ms);
    queue->count++;
    queue->bytes += job->body.count;
    status = account_charge(&queue->account, job->body.count);
    assert(status == STATUS_OK); /* bytes_are_full has looked */
    (void)status;
    series_add(queue->gauges[SLOT_LOCAL], 1);
    series_add(queue->bytes_gauge, (int64_t)job->body.count);
    return STATUS_OK;
}

static struct job *take_out(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    struct queue_caller *caller = find_caller(queue, job->caller);

    assert(caller != NULL && caller->count > 0 && queue->count > 0 && queue->bytes >= job->body.count);
    *(job->previous == NULL ? &caller->jobs[job->is_long].first : &job->previous->next) = job->next;
    *(job->next == NULL ? &caller->jobs[job->is_long].last : &job->next->previous) = job->previous;
    leave_line(&queue->lines[job->is_long], job);
    caller->count--;
    caller->bytes -= job->body.count;
    if (caller->count == 0) {
        remove_caller(queue, caller);
    }
    queue->count--;
    queue->bytes -= job->body.count;
    account_release(&queue->account, job->body.count);
    series_add(queue->gauges[SLOT_LOCAL], -1);
    series_add(queue->bytes_gauge, -(int64_t)job->body.count);
    series_observe(queue->ages, (double)(now_ms - job->queued_ms) / 1000);
    return job;
}

/* The newest job of a caller. */
static struct job *newest_of(const struct queue_caller *caller)
{
    struct job *newest = caller->jobs[QUEUE_SHORT].last;
    struct job *longest = caller->jobs[QUEUE_LONG].last;

    return newest == NULL || (longest != NULL && longest->queued_ms >= newest->queued_ms) ? longest : newest;
}

struct job *pool_queue_pop_greediest(struct pool_queue *queue, const struct job *job, uint64_t now_ms)
{
    bool by_bytes = bytes_are_full(queue, job);
    struct queue_caller *own = find_caller(queue, job->caller);
    struct queue_caller *greediest = NULL;
    size_t most = 0;

    for (struct queue_caller *caller = queue->turn; caller != NULL; caller = caller->next) {
        size_t has = by_bytes ? caller->bytes : caller->count;

        if (has > most) {
            most = has;
            greediest = caller;
        }
    }
    if (greediest == NULL ||
        (by_bytes ? job->body.count : 1) + (own == NULL ? 0 : by_bytes ? own->bytes : own->count) >= most) {
        return NULL;
    }
    return take_out(queue, newest_of(greediest), now_ms);
}

void pool_queue_push_retry(struct pool_queue *queue, struct job *job, enum slot_kind kind, uint64_t now_ms)
{
    join_line(&queue->retries[kind], job, now_ms);
    series_add(queue->gauges[kind], 1);
}

void pool_queue_take_retry(struct pool_queue *queue, struct job *job, enum slot_kind kind, uint64_t now_ms)
{
    leave_line(&queue->retries[kind], job);
    series_add(queue->gauges[kind], -1);
    series_observe(queue->ages, (double)(now_ms - job->queued_ms) / 1000);
}

size_t pool_queue_reviews(const struct pool_queue *queue, const struct profile_settings *profile, const struct job *job)
{
    size_t count = 0;

    for (const struct job *other = queue->retries[SLOT_REVIEW].oldest; other != NULL; other = other->newer) {
        count += strcmp(other->profile->name, profile->name) == 0;
        if (other == job) {
            break;
        }
    }
    return count;
}

uint64_t pool_queue_retry_due_ms(const struct pool_queue *queue)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t kind = 0; kind <= SLOT_REVIEW; kind++) {
        for (const struct job *job = queue->retries[kind].oldest; job != NULL; job = job->newer) {
            due_ms = job->give_up_ms < due_ms ? job->give_up_ms : due_ms;
        }
    }
    return due_ms;
}

/* The oldest job of a caller. */
static struct job *oldest_of(const struct queue_caller *caller, bool with_long)
{
    struct job *oldest = caller->jobs[QUEUE_SHORT].first;
    struct job *longest = with_long ? caller->jobs[QUEUE_LONG].first : NULL;

    return oldest == NULL || (longest != NULL && longest->queued_ms < oldest->queued_ms) ? longest : oldest;
}

struct job *pool_queue_peek(const struct pool_queue *queue, bool with_long)
{
    struct job *job = NULL;

    if (!with_long && queue->lines[QUEUE_SHORT].oldest == NULL) {
        return NULL;
    }
    for (const struct queue_caller *caller = queue->turn; job == NULL && caller != NULL; caller = caller->next) {
        job = oldest_of(caller, with_long);
    }
    return job;
}

struct job *pool_queue_take(struct pool_queue *queue, struct job *job, uint64_t now_ms)
{
    struct queue_caller *caller = find_caller(queue, job->caller);

    assert(caller != NULL);
    leave_turns(queue, caller);
    join_turns(queue, caller);
    return take_out(queue, job, now_ms);
}

struct job *pool_queue_pop(struct pool_queue *queue, uint64_t now_ms)
{
    struct job *job = pool_queue_peek(queue, true);

    return job == NULL ? NULL : pool_queue_take(queue, job, now_ms);
}

struct job *pool_queue_pop_aged(struct pool_queue *queue, uint64_t now_ms)
{
    for (size_t line = 0; line < QUEUE_LINES; line++) {
        struct job *job = queue->lines[line].oldest;

        if (job != NULL && now_ms >= job->queued_ms + queue->age_ms) {
            return take_out(queue, job, now_ms);
        }
    }
    return NULL;
}

struct job *pool_queue_pop_abandoned(struct pool_queue *queue, uint64_t now_ms)
{
    for (size_t line = 0; line < QUEUE_LINES; line++) {
        for (struct job *job = queue->lines[line].oldest; job != NULL; job = job->newer) {
            if (atomic_load_explicit(&job->abandoned, memory_order_relaxed)) {
                return take_out(queue, job, now_ms);
            }
        }
    }
    return NULL;
}

uint64_t pool_queue_aged_at_ms(const struct pool_queue *queue)
{
    uint64_t first_ms = UINT64_MAX;

    for (size_t line = 0; line < QUEUE_LINES; line++) {
        const struct job *job = queue->lines[line].oldest;

        first_ms = job != NULL && job->queued_ms + queue->age_ms < first_ms ? job->queued_ms + queue->age_ms : first_ms;
    }
    return first_ms;
}

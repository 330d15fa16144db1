/* pool_batch: several short tasks in one message to one slot, where more of them wait than slots are idle. */
#include "gateway/pool_inside.h"

#include <assert.h>
#include <math.h>

/* Jobs that go together, by `beside`, in the order in which they were taken from the queue. */
struct batch {
    struct job *first;
    struct job *last;
    size_t count;
    size_t bytes; /* of their bodies */
};

static bool fits(const struct pool_dispatch *dispatch, const struct batch *batch, const struct job *job)
{
    return !job->is_long && job->packing.segment_count <= BATCH_SEGMENTS_MAX &&
           job->body.count <= BATCH_BYTES_MAX - batch->bytes &&
           pool_slots_has_room(dispatch->slots, batch->bytes + job->body.count);
}

size_t dispatch_share(const struct pool_dispatch *dispatch)
{
    const struct slot *slot = pool_slots_first(dispatch->slots, SLOT_LOCAL, SLOT_IDLE);
    size_t idle = pool_slots_in(dispatch->slots, SLOT_LOCAL, SLOT_IDLE);
    size_t waiting = dispatch->queue.lines[QUEUE_SHORT].count;
    size_t share;

    if (slot == NULL || slot->takes_one) {
        return 1;
    }
    share = waiting / idle + (waiting % idle > 0);
    return share < dispatch->batch_tasks_max ? share : dispatch->batch_tasks_max;
}

/* The next ones whose turn it is, as long as they are short; those that need not be sent come to their end here. */
static struct batch collect(struct pool_dispatch *dispatch, size_t share, uint64_t now_ms)
{
    struct batch batch = {0};
    struct job *job;

    while (batch.count < share &&
           (job = pool_queue_peek(&dispatch->queue, pool_slots_long_room(dispatch->slots))) != NULL &&
           fits(dispatch, &batch, job)) {
        enum status status = dispatch_may_send(dispatch, job, now_ms);

        (void)pool_queue_take(&dispatch->queue, job, now_ms);
        if (status != STATUS_OK) {
            dispatch_finish_unsent(dispatch, job, status);
            continue;
        }
        job->beside = NULL;
        *(batch.last == NULL ? &batch.first : &batch.last->beside) = job;
        batch.last = job;
        batch.count++;
        batch.bytes += job->body.count;
    }
    return batch;
}

static enum status write_bodies(struct pool_dispatch *dispatch, const struct slot *slot, const struct job *job)
{
    enum status status = STATUS_OK;

    for (; status == STATUS_OK && job != NULL; job = job->beside) {
        status = message_write_tasks_next(&dispatch->frame);
        if (status == STATUS_OK) {
            status = job->names.count > 0 ? pool_recall_body(dispatch->recall, job, slot->worker, &dispatch->frame)
                                          : buffer_append(&dispatch->frame, buffer_view(&job->body));
        }
    }
    return status;
}

/* Statuses of dispatch_post; on failure the jobs are still the caller's. */
static enum status send_all(struct pool_dispatch *dispatch, struct slot *slot, struct batch batch, uint64_t now_ms)
{
    struct message_task_head head = {.nonce = dispatch->nonce, .kind = SLOT_LOCAL, .drawn = DRAWN_UNSURE, .score = NAN};
    uint64_t time_ms = UINT64_MAX;
    enum status status;

    for (struct job *job = batch.first; job != NULL; job = job->beside) {
        uint64_t attempt_ms = dispatch_attempt_ms(dispatch, SLOT_LOCAL, job, now_ms);

        time_ms = attempt_ms < time_ms ? attempt_ms : time_ms;
    }
    head.sequence = ++dispatch->sequence;
    head.remaining_ms = (uint32_t)time_ms;
    buffer_clear(&dispatch->frame);
    status = message_write_tasks(&head, batch.count, &dispatch->frame);
    if (status == STATUS_OK) {
        status = write_bodies(dispatch, slot, batch.first);
    }
    return status == STATUS_OK ? dispatch_post(dispatch, slot, batch.first, time_ms, now_ms) : status;
}

static void count_sent(struct pool_dispatch *dispatch, struct batch batch)
{
    series_add(dispatch->counts.batches, 1);
    series_add(dispatch->counts.batched, (int64_t)batch.count);
    for (struct job *job = batch.first; job != NULL; job = job->beside) {
        job->attempts++;
    }
}

/* What could not be sent together waits to be sent alone, first of all. */
static void split(struct pool_dispatch *dispatch, struct batch batch, uint64_t now_ms)
{
    struct job *job = batch.first;

    while (job != NULL) {
        struct job *next = job->beside;

        job->beside = NULL;
        dispatch_line_up(dispatch, job, now_ms);
        job = next;
    }
    dispatch_retry(dispatch, now_ms);
}

enum status dispatch_send_batch(struct pool_dispatch *dispatch, size_t share, uint64_t now_ms)
{
    struct batch batch = collect(dispatch, share, now_ms);
    struct slot *slot = pool_slots_first(dispatch->slots, SLOT_LOCAL, SLOT_IDLE);

    assert(slot != NULL);
    if (batch.count == 0) {
        return STATUS_NOT_FOUND;
    }
    if (batch.count > 1 && send_all(dispatch, slot, batch, now_ms) == STATUS_OK) {
        count_sent(dispatch, batch);
    } else {
        split(dispatch, batch, now_ms);
    }
    return STATUS_OK;
}

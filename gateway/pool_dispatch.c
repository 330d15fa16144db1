/* pool_dispatch: a job from its submission to its end: sent, waiting, reviewed, failed. */
#include "gateway/pool_inside.h"

#include "proto/clock.h"
#include "proto/log.h"
#include "proto/secret.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status pool_dispatch_open(struct pool_dispatch **out, const struct pool_options *options, struct wire *wire,
                               void (*finish)(void *context, struct job *job), void *context)
{
    struct pool_dispatch *dispatch = calloc(1, sizeof *dispatch);
    enum status status;

    if (dispatch == NULL) {
        return STATUS_NO_MEMORY;
    }
    *dispatch = (struct pool_dispatch){
        .wire = wire,
        .deadline_ms = {[SLOT_LOCAL] = options->settings->deadline_local_ms,
                        [SLOT_REVIEW] = options->settings->deadline_review_ms},
        .text_bytes_max = options->text_bytes_max,
        .ping_idle_ms = options->ping_idle_ms != 0 ? options->ping_idle_ms : PING_IDLE_MS,
        .silence_ms = options->silence_ms != 0 ? options->silence_ms : GATEWAY_SILENCE_MS,
        .probe_busy_ms = options->probe_busy_ms != 0 ? options->probe_busy_ms : PROBE_BUSY_MS,
        .nonce = secret_random_u64(),
        .batch_tasks_max = options->batch_tasks_max != 0 ? options->batch_tasks_max : BATCH_TASKS_MAX,
        .finish = finish,
        .context = context,
    };
    buffer_init(&dispatch->frame, options->text_bytes_max + TASK_OVERHEAD_BYTES_MAX);
    buffer_init(&dispatch->body, options->text_bytes_max + TASK_OVERHEAD_BYTES_MAX);
    pool_counts_init(&dispatch->counts, options->metrics);
    pool_poison_init(&dispatch->poison);
    status = pool_queue_open(&dispatch->queue, options->settings, options->metrics);
    if (status == STATUS_OK) {
        status = pool_recall_open(&dispatch->recall, options->metrics);
    }
    if (status == STATUS_OK) {
        status = pool_slots_open(&dispatch->slots, options->settings, options->metrics);
    }
    if (status != STATUS_OK) {
        pool_dispatch_close(&dispatch);
        return status;
    }
    *out = dispatch;
    return STATUS_OK;
}

void pool_dispatch_close(struct pool_dispatch **dispatch)
{
    assert(dispatch != NULL);
    if (*dispatch == NULL) {
        return;
    }
    pool_queue_close(&(*dispatch)->queue);
    pool_slots_close(&(*dispatch)->slots);
    pool_recall_close(&(*dispatch)->recall);
    buffer_free(&(*dispatch)->frame);
    buffer_free(&(*dispatch)->body);
    free(*dispatch);
    *dispatch = NULL;
}

void pool_dispatch_name(const struct pool_dispatch *dispatch, struct job *job)
{
    pool_recall_name(dispatch->recall, job);
}

bool dispatch_is_abandoned(struct job *job)
{
    return atomic_load_explicit(&job->abandoned, memory_order_relaxed);
}

struct bytes dispatch_text(const struct job *job)
{
    return bytes_from(buffer_view(&job->body), job->packing.count_at);
}

/* The end of every job. What came of one that nobody waits for is no verdict. */
void dispatch_finish(struct pool_dispatch *dispatch, struct job *job, enum status status)
{
    job->result.status = dispatch_is_abandoned(job) ? STATUS_CLOSED : status;
    pool_counts_result(&dispatch->counts, &job->result);
    dispatch->finish(dispatch->context, job);
}

/* Takes the job off its slot, with those beside it. */
struct job *dispatch_release(struct slot *slot)
{
    struct job *job = slot->job;

    slot->job = NULL;
    return job;
}

/* The slot is gone, or not trusted any more: its task fails now, not at its deadline. */
void dispatch_forget(struct pool_dispatch *dispatch, struct slot *slot, enum pool_end end, const char *why, uint64_t now_ms)
{
    enum slot_kind kind = slot->kind;
    struct job *jobs = dispatch_release(slot);

    log_event_limited(LOG_DEBUG, "slot_gone", LOG_TEXT("why", why), LOG_TEXT("kind", slot_kind_name(kind)));
    pool_slots_remove(dispatch->slots, slot);
    dispatch_fail_all(dispatch, kind, jobs, end, now_ms);
    if (kind == SLOT_LOCAL && pool_slots_count(dispatch->slots, SLOT_LOCAL) == 0) {
        log_event_limited(LOG_WARN, "moderators_gone", LOG_TEXT("why", why), LOG_NUMBER("waiting", dispatch->queue.count));
    }
}

/* How long this attempt may take. A local one takes at most half of the deadline where there is another moderator to ask
 * afterwards; a review has all of it, as a second one would be late by the same LLM. */
uint64_t dispatch_attempt_ms(const struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms)
{
    uint64_t whole_ms = dispatch->deadline_ms[kind];
    uint64_t left_ms;

    job->give_up_ms = job->give_up_ms == 0 ? now_ms + whole_ms : job->give_up_ms;
    left_ms = job->give_up_ms > now_ms ? job->give_up_ms - now_ms : 0;
    if (kind == SLOT_LOCAL && pool_slots_processes(dispatch->slots, kind) > 1) {
        whole_ms = (whole_ms + 1) / 2;
    }
    return whole_ms < left_ms ? whole_ms : left_ms;
}

/* Writes the message into the frame. A job whose texts have names is told to a local slot by them. */
static enum status write_task(struct pool_dispatch *dispatch, const struct slot *slot, const struct job *job,
                              const struct message_task_head *head, struct bytes body)
{
    enum status status;

    buffer_clear(&dispatch->frame);
    if (slot->kind != SLOT_LOCAL || job->names.count == 0) {
        return message_write_task(head, body, &dispatch->frame);
    }
    buffer_clear(&dispatch->body);
    status = pool_recall_body(dispatch->recall, job, slot->worker, &dispatch->body);
    return status == STATUS_OK ? message_write_recall(head, buffer_view(&dispatch->body), &dispatch->frame) : status;
}

enum status dispatch_post(struct pool_dispatch *dispatch, struct slot *slot, struct job *jobs, uint64_t time_ms, uint64_t now_ms)
{
    struct bytes identity = {slot->identity, slot->identity_bytes};
    uint64_t now_us;

    if (pool_slots_charge(dispatch->slots, slot, dispatch->frame.count) != STATUS_OK) {
        return STATUS_FULL;
    }
    switch (wire_send_to(dispatch->wire, identity, buffer_view(&dispatch->frame))) {
    case STATUS_OK:
        slot->job = jobs;
        slot->is_long = jobs->is_long;
        slot->sequence = dispatch->sequence;
        slot->due_ms = now_ms + time_ms;
        slot->task_count = 0;
        pool_slots_move(dispatch->slots, slot, SLOT_BUSY, now_ms);
        now_us = clock_us();
        for (struct job *job = jobs; job != NULL; job = job->beside) {
            slot->task_count++;
            memcpy(job->asked, slot->worker, WORKER_ID_BYTES);
            job->sent_us = now_us;
            if (slot->kind == SLOT_LOCAL && job->result.queue_us == 0) {
                job->result.queue_us = (uint32_t)(now_us - job->submitted_us);
            }
        }
        dispatch_mark_sole(dispatch, slot);
        return STATUS_OK;
    case STATUS_NO_MEMORY:
        pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms); /* what was charged for it is given back */
        return STATUS_NO_MEMORY;
    default:
        /* Gone; or its queue is full, which nobody's is that reads what it is sent: the credit is one frame. */
        dispatch_forget(dispatch, slot, END_GONE, "unreachable", now_ms);
        return STATUS_CLOSED;
    }
}

/* One job to one slot: statuses of dispatch_post. */
static enum status send_task(struct pool_dispatch *dispatch, struct slot *slot, struct job *job,
                             struct message_task_head *head, struct bytes body, uint64_t now_ms)
{
    uint64_t time_ms = dispatch_attempt_ms(dispatch, slot->kind, job, now_ms);
    enum status status;

    head->nonce = dispatch->nonce;
    head->sequence = ++dispatch->sequence;
    head->kind = slot->kind;
    head->remaining_ms = (uint32_t)time_ms;
    if (!pool_slots_has_room(dispatch->slots, body.count)) {
        return STATUS_FULL;
    }
    status = write_task(dispatch, slot, job, head, body);
    return status == STATUS_OK ? dispatch_post(dispatch, slot, job, time_ms, now_ms) : STATUS_NO_MEMORY;
}

void dispatch_send_whole(struct pool_dispatch *dispatch, struct slot *slot, struct job *job, uint64_t now_ms)
{
    struct message_task_head head = {.drawn = DRAWN_UNSURE, .score = NAN};

    pool_recall_forget(dispatch->recall, job, slot->worker);
    if (send_task(dispatch, slot, job, &head, buffer_view(&job->body), now_ms) != STATUS_OK) {
        dispatch_fail(dispatch, SLOT_LOCAL, job, END_LEFT, now_ms);
    }
}

static struct slot *idle_slot(const struct pool_dispatch *dispatch, enum slot_kind kind, const struct job *job)
{
    if (kind == SLOT_LOCAL && job->crashes > 0) {
        return dispatch_idle_for_suspect(dispatch, job);
    }
    return pool_slots_idle(dispatch->slots, kind, job->profile->name, job->attempts > 0 ? job->tried : NULL);
}

static enum status send_to_idle(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms)
{
    struct message_task_head head = {.drawn = DRAWN_UNSURE, .score = NAN};
    struct bytes body = buffer_view(&job->body);
    bool was_sent = job->give_up_ms != 0;
    enum status status = STATUS_OK;
    struct slot *slot;

    if (kind == SLOT_LOCAL && job->is_long && !pool_slots_long_room(dispatch->slots)) {
        return STATUS_AGAIN;
    }
    if (idle_slot(dispatch, kind, job) == NULL) {
        return STATUS_AGAIN;
    }
    if (kind == SLOT_REVIEW) {
        head = job->review;
        buffer_clear(&dispatch->body);
        status = message_body_select(body, buffer_view(&job->unsure), &dispatch->body);
        body = buffer_view(&dispatch->body);
    }
    while (status == STATUS_OK && (slot = idle_slot(dispatch, kind, job)) != NULL) {
        status = send_task(dispatch, slot, job, &head, body, now_ms);
        if (status == STATUS_OK) {
            job->attempts++;
            return STATUS_OK;
        }
        status = status == STATUS_CLOSED ? STATUS_OK : status;
    }
    job->give_up_ms = was_sent ? job->give_up_ms : 0; /* its deadline runs from its first sending on */
    return status == STATUS_OK || status == STATUS_FULL ? STATUS_AGAIN : status;
}

enum status dispatch_send(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms)
{
    enum status status = send_to_idle(dispatch, kind, job, now_ms);

    buffer_shed(&dispatch->frame, TASK_KEPT_BYTES);
    buffer_shed(&dispatch->body, TASK_KEPT_BYTES);
    return status;
}

enum status dispatch_may_send(const struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    if (dispatch_is_abandoned(job)) {
        return STATUS_CLOSED;
    }
    return pool_poison_has(&dispatch->poison, dispatch_text(job), now_ms) ? STATUS_DENIED : STATUS_OK;
}

/* Statuses of dispatch_may_send and dispatch_send. */
static enum status send_local(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status = dispatch_may_send(dispatch, job, now_ms);

    return status == STATUS_OK ? dispatch_send(dispatch, SLOT_LOCAL, job, now_ms) : status;
}

void dispatch_finish_unsent(struct pool_dispatch *dispatch, struct job *job, enum status status)
{
    if (status == STATUS_DENIED) {
        series_add(dispatch->counts.quarantined, 1);
        job_block_undecided(job);
        status = STATUS_OK;
    } else if (status != STATUS_CLOSED && status != STATUS_FULL) {
        status = STATUS_UNAVAILABLE;
    }
    dispatch_finish(dispatch, job, status);
}

/* Gives the next job in the queue to an idle slot, alone. STATUS_AGAIN: it waits on. */
static enum status give_one(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status = send_local(dispatch, job, now_ms);

    if (status == STATUS_AGAIN) {
        return STATUS_AGAIN;
    }
    (void)pool_queue_take(&dispatch->queue, job, now_ms);
    if (status != STATUS_OK) {
        dispatch_finish_unsent(dispatch, job, status);
    }
    return STATUS_OK;
}

/* Gives idle slots the jobs that wait; with no slot left to wait for, none waits. */
void dispatch_give(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    enum status status = STATUS_OK;
    struct job *job;

    dispatch_retry(dispatch, now_ms);
    while (status != STATUS_AGAIN &&
           (job = pool_queue_peek(&dispatch->queue, pool_slots_long_room(dispatch->slots))) != NULL) {
        size_t share = dispatch_share(dispatch);

        status = share > 1 ? dispatch_send_batch(dispatch, share, now_ms) : STATUS_NOT_FOUND;
        if (status == STATUS_NOT_FOUND) {
            job = pool_queue_peek(&dispatch->queue, pool_slots_long_room(dispatch->slots));
            status = job == NULL ? STATUS_OK : give_one(dispatch, job, now_ms);
        }
    }
    while (pool_slots_count(dispatch->slots, SLOT_LOCAL) == 0 &&
           (job = pool_queue_pop(&dispatch->queue, now_ms)) != NULL) {
        dispatch_finish(dispatch, job, STATUS_UNAVAILABLE);
    }
    if (pool_slots_count(dispatch->slots, SLOT_LOCAL) == 0) {
        dispatch_retry(dispatch, now_ms); /* the last one may have been found dead only now */
    }
}

/* Whoever has most of a full queue makes room. STATUS_FULL: that is this job's own caller. */
static enum status queue_job(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status = pool_queue_push(&dispatch->queue, job, now_ms);
    struct job *greedy;

    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    if (pool_slots_in(dispatch->slots, SLOT_LOCAL, SLOT_IDLE) > 0) {
        dispatch_give(dispatch, now_ms); /* some may wait only for others of this turn to share a slot with */
    }
    while ((status = pool_queue_push(&dispatch->queue, job, now_ms)) == STATUS_FULL &&
           (greedy = pool_queue_pop_greediest(&dispatch->queue, job, now_ms)) != NULL) {
        dispatch_finish(dispatch, greedy, STATUS_FULL);
    }
    return status;
}

/* Whether the job goes to a slot at once. Nobody is passed: whatever frees a slot gives it to the queue before it returns; an
 * idle one has no room for its first. Where more jobs come in this turn than slots are idle, they share them. */
static bool goes_at_once(const struct pool_dispatch *dispatch)
{
    return pool_queue_peek(&dispatch->queue, pool_slots_long_room(dispatch->slots)) == NULL &&
           (dispatch->coming_count == 0 || dispatch->coming_count < pool_slots_in(dispatch->slots, SLOT_LOCAL, SLOT_IDLE));
}

static void submit(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status;

    job->is_long = job->text_bytes > LONG_TEXT_BYTES;
    if (dispatch->stopped) {
        dispatch_finish(dispatch, job, STATUS_UNAVAILABLE);
        return;
    }
    if (dispatch_is_abandoned(job)) {
        dispatch_finish(dispatch, job, STATUS_CLOSED);
        return;
    }
    status = goes_at_once(dispatch) ? send_local(dispatch, job, now_ms) : STATUS_AGAIN;
    if (status == STATUS_AGAIN && pool_slots_count(dispatch->slots, SLOT_LOCAL) > 0) {
        status = queue_job(dispatch, job, now_ms);
        series_add(dispatch->counts.held, job->is_long && !pool_slots_long_room(dispatch->slots) ? 1 : 0);
    }
    if (status != STATUS_OK) {
        dispatch_finish_unsent(dispatch, job, status);
    }
}

void pool_dispatch_expect(struct pool_dispatch *dispatch, size_t count)
{
    dispatch->coming_count = count;
}

void pool_dispatch_submit(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    bool was_last = dispatch->coming_count == 1;

    dispatch->coming_count -= dispatch->coming_count > 0;
    submit(dispatch, job, now_ms);
    if (was_last) {
        dispatch_give(dispatch, now_ms);
    }
}

void pool_dispatch_sweep(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    struct job *job;

    dispatch_retry(dispatch, now_ms);
    while ((job = pool_queue_pop_abandoned(&dispatch->queue, now_ms)) != NULL) {
        dispatch_finish(dispatch, job, STATUS_CLOSED);
    }
    dispatch_give(dispatch, now_ms); /* the next one may be smaller */
}

void pool_dispatch_stop(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    struct job *job;

    dispatch->stopped = true;
    for (size_t kind = 0; kind <= SLOT_REVIEW; kind++) {
        struct slot *slot;

        while ((slot = pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_BUSY)) != NULL) {
            struct job *jobs = dispatch_release(slot);

            pool_slots_move(dispatch->slots, slot, SLOT_QUARANTINED, now_ms);
            while ((job = dispatch_next(&jobs)) != NULL) {
                dispatch_finish(dispatch, job, STATUS_UNAVAILABLE);
            }
        }
    }
    dispatch_retry(dispatch, now_ms);
    while ((job = pool_queue_pop(&dispatch->queue, now_ms)) != NULL) {
        dispatch_finish(dispatch, job, STATUS_UNAVAILABLE);
    }
}

size_t pool_dispatch_slot_count(const struct pool_dispatch *dispatch)
{
    return pool_slots_count(dispatch->slots, SLOT_LOCAL);
}

size_t pool_dispatch_review_count(const struct pool_dispatch *dispatch)
{
    return pool_slots_in(dispatch->slots, SLOT_REVIEW, SLOT_BUSY) + dispatch->queue.retries[SLOT_REVIEW].count;
}

uint64_t pool_dispatch_oldest_ms(const struct pool_dispatch *dispatch)
{
    const struct job *oldest = dispatch->queue.lines[QUEUE_SHORT].oldest;

    return oldest == NULL ? UINT64_MAX : oldest->queued_ms;
}

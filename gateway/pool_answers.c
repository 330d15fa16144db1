/* pool_answers: what the slots send: each message is an answer in turn, or it is dropped and counted. */
#include "gateway/pool_inside.h"

#include "proto/clock.h"
#include "proto/log.h"

/* Good or bad, it was the slot's turn: it will send nothing more for what it was sent. */
static void drop_bad(struct pool_dispatch *dispatch, struct slot *slot, enum pool_bad why, uint64_t now_ms)
{
    struct job *job;

    series_add(dispatch->counts.bad[why], 1);
    log_event_limited_each(why, BAD_REASONS, LOG_WARN, "pool_bad_message", LOG_TEXT("why", pool_counts_bad_name(why)));
    if (slot == NULL) {
        return;
    }
    if (++slot->bad_count >= BAD_FRAMES_MAX) {
        dispatch_forget(dispatch, slot, END_LEFT, "bad messages", now_ms);
        return;
    }
    job = dispatch_release(slot);
    pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms);
    if (job != NULL) {
        dispatch_fail(dispatch, slot->kind, job, END_LEFT, now_ms);
    }
}

static void take_ready(struct pool_dispatch *dispatch, struct slot *slot, struct bytes identity, struct bytes frame,
                       uint64_t now_ms)
{
    struct message_ready ready;

    if (message_read_ready(frame, &ready) != STATUS_OK) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    if (slot != NULL) {
        dispatch_forget(dispatch, slot, END_LEFT, "ready again", now_ms); /* it has begun anew, and has no task any more */
    }
    if (ready.text_bytes_max < dispatch->text_bytes_max) {
        drop_bad(dispatch, NULL, BAD_TEXT_BOUND, now_ms);
        return;
    }
    if (pool_slots_add(dispatch->slots, identity, &ready, now_ms, &slot) != STATUS_OK) {
        drop_bad(dispatch, NULL, BAD_PEERS, now_ms);
        return;
    }
    log_event_limited(LOG_DEBUG, "slot_ready", LOG_TEXT("kind", slot_kind_name(ready.kind)));
    if (ready.kind == SLOT_LOCAL && pool_slots_count(dispatch->slots, SLOT_LOCAL) == 1) {
        log_event_limited(LOG_INFO, "moderators_ready", LOG_NUMBER("waiting", dispatch->queue.count));
    }
}

/* The slot has answered the task of these numbers: frees it. The job that waits for the answer, or NULL. */
static struct job *take_answer(struct pool_dispatch *dispatch, struct slot *slot, uint64_t nonce, uint64_t sequence,
                               uint64_t now_ms)
{
    struct job *job;

    if (slot == NULL) {
        series_add(dispatch->counts.late, 1); /* forgotten meanwhile, or a task of the gateway before this one */
        return NULL;
    }
    if ((slot->state != SLOT_BUSY && slot->state != SLOT_QUARANTINED) || nonce != dispatch->nonce ||
        sequence != slot->sequence) {
        drop_bad(dispatch, slot, BAD_TURN, now_ms);
        return NULL;
    }
    job = dispatch_release(slot);
    if (job == NULL || dispatch_is_abandoned(job)) {
        series_add(dispatch->counts.late, 1);
    }
    pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms);
    return job;
}

/* Does a local verdict name only segments that the task has? */
static bool segments_exist(const struct message_verdict *verdict, const struct job *job)
{
    return verdict->unsure.count == 0 || message_unsure_end(verdict->unsure) <= job->packing.segment_count;
}

static void take_verdict(struct pool_dispatch *dispatch, struct slot *slot, struct bytes frame, uint64_t now_ms)
{
    struct message_verdict verdict;
    struct job *job;
    uint64_t passed_us;

    if (message_read_verdict(frame, &verdict) != STATUS_OK ||
        (slot != NULL && slot->job != NULL && slot->kind == SLOT_LOCAL && !segments_exist(&verdict, slot->job))) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    job = take_answer(dispatch, slot, verdict.nonce, verdict.sequence, now_ms);
    if (job == NULL) {
        return;
    }
    passed_us = clock_us() - job->sent_us;
    series_observe(dispatch->counts.hop,
                   passed_us > verdict.worker_us ? (double)(passed_us - verdict.worker_us) / 1e6 : 0);
    job_take_verdict(job, slot->kind, &verdict, slot->worker);
    if (slot->kind == SLOT_LOCAL && verdict.outcome == OUTCOME_ALLOW) {
        pool_recall_learn(dispatch->recall, job, slot->worker);
    }
    *(slot->kind == SLOT_LOCAL ? &job->result.judge_us : &job->result.review_us) = (uint32_t)passed_us;
    if (slot->kind == SLOT_REVIEW && verdict.outcome == OUTCOME_UNSURE) {
        series_add(dispatch->counts.unreviewed[UNREVIEWED_NO_VERDICT], 1);
    }
    if (slot->kind == SLOT_LOCAL && verdict.outcome == OUTCOME_UNSURE) {
        dispatch_review(dispatch, job, &verdict, now_ms);
    } else {
        dispatch_finish(dispatch, job, STATUS_OK);
    }
}

/* Whether what the slot could not judge is a RECALL, which it may know more of when it gets the texts: it does not know one that
 * was left out, or it is of a version that has no RECALL. */
static bool wants_texts(const struct slot *slot, struct job *job, enum busy_reason reason)
{
    return slot->kind == SLOT_LOCAL && job->names.count > 0 && !dispatch_is_abandoned(job) &&
           (reason == BUSY_UNKNOWN_TEXT || reason == BUSY_UNSUPPORTED);
}

static void take_busy(struct pool_dispatch *dispatch, struct slot *slot, struct bytes frame, uint64_t now_ms)
{
    struct message_busy busy;
    struct job *job;

    if (message_read_busy(frame, &busy) != STATUS_OK) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    if (slot != NULL && busy.nonce == 0 && busy.sequence == 0) { /* it could not read the task it was sent */
        busy.nonce = dispatch->nonce;
        busy.sequence = slot->sequence;
    }
    job = take_answer(dispatch, slot, busy.nonce, busy.sequence, now_ms);
    if (job != NULL && wants_texts(slot, job, busy.reason)) {
        dispatch_send_whole(dispatch, slot, job, now_ms);
    } else if (job != NULL) {
        log_event_limited_each(busy.reason, BUSY_UNKNOWN_TEXT + 1, LOG_WARN, "moderator_busy", LOG_NUMBER("reason", busy.reason));
        dispatch_fail(dispatch, slot->kind, job, busy.reason == BUSY_EXPIRED ? END_TIMEOUT : END_BUSY, now_ms);
    }
}

static void take_frame(struct pool_dispatch *dispatch, struct bytes identity, struct bytes frame, uint64_t now_ms)
{
    struct slot *slot = pool_slots_find(dispatch->slots, identity);
    enum message_type type;
    enum status status = message_read_type(frame, &type);

    if (status != STATUS_OK) {
        drop_bad(dispatch, slot, status == STATUS_UNSUPPORTED ? BAD_VERSION : BAD_MALFORMED, now_ms);
        return;
    }
    switch (type) {
    case MESSAGE_READY:
        take_ready(dispatch, slot, identity, frame, now_ms);
        break;
    case MESSAGE_VERDICT:
        take_verdict(dispatch, slot, frame, now_ms);
        break;
    case MESSAGE_BUSY:
        take_busy(dispatch, slot, frame, now_ms);
        break;
    case MESSAGE_BYE:
        if (slot != NULL) {
            dispatch_forget(dispatch, slot, END_LEFT, "bye", now_ms);
            break;
        }
        drop_bad(dispatch, NULL, BAD_UNKNOWN, now_ms);
        break;
    case MESSAGE_PONG:
        if (slot != NULL && slot->state == SLOT_PINGED) {
            pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms);
            break;
        }
        drop_bad(dispatch, slot, slot == NULL ? BAD_UNKNOWN : BAD_TURN, now_ms);
        break;
    default: /* what only others send */
        drop_bad(dispatch, slot, BAD_TURN, now_ms);
        break;
    }
}

bool pool_dispatch_receive(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    enum status status = STATUS_OK;

    for (unsigned count = 0; count < POOL_TURN_FRAMES && status != STATUS_AGAIN; count++) {
        struct bytes identity;
        struct bytes frame;

        status = wire_take(dispatch->wire, &identity, &frame);
        if (status == STATUS_OK) {
            take_frame(dispatch, identity, frame, now_ms);
        } else if (status == STATUS_MALFORMED) {
            drop_bad(dispatch, pool_slots_find(dispatch->slots, identity), BAD_PARTS, now_ms);
        } else {
            break;
        }
    }
    dispatch_give(dispatch, now_ms);
    return status == STATUS_OK || status == STATUS_MALFORMED;
}

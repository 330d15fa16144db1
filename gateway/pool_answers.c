/* pool_answers: what the slots send: each message is an answer in turn, or it is dropped and counted. */
#include "gateway/pool_inside.h"

#include "proto/clock.h"
#include "proto/log.h"

#include <string.h>

/* Good or bad, it was the slot's turn: it will send nothing more for what it was sent. */
static void drop_bad(struct pool_dispatch *dispatch, struct slot *slot, enum pool_bad why, uint64_t now_ms)
{
    struct job *jobs;

    series_add(dispatch->counts.bad[why], 1);
    log_event_limited_each(why, BAD_REASONS, LOG_WARN, "pool_bad_message", LOG_TEXT("why", pool_counts_bad_name(why)));
    if (slot == NULL) {
        return;
    }
    if (++slot->bad_count >= BAD_FRAMES_MAX) {
        dispatch_forget(dispatch, slot, END_LEFT, "bad messages", now_ms);
        return;
    }
    jobs = dispatch_release(slot);
    pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms);
    dispatch_fail_all(dispatch, slot->kind, jobs, END_LEFT, now_ms);
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

/* Which answer a message is: to one task, to each of several, or a refusal of what there was. */
enum answer { ANSWER_ONE, ANSWER_EACH, ANSWER_ALL };

static bool is_answer_to(const struct slot *slot, enum answer answer)
{
    return answer == ANSWER_ALL || (answer == ANSWER_EACH) == (slot->task_count > 1);
}

/* The slot has answered the message of these numbers: frees it. The jobs that wait for the answer, or NULL. */
static struct job *take_answer(struct pool_dispatch *dispatch, struct slot *slot, enum answer answer, uint64_t nonce,
                               uint64_t sequence, uint64_t now_ms)
{
    struct job *jobs;

    if (slot == NULL) {
        series_add(dispatch->counts.late, 1); /* forgotten meanwhile, or a task of the gateway before this one */
        return NULL;
    }
    if ((slot->state != SLOT_BUSY && slot->state != SLOT_QUARANTINED) || nonce != dispatch->nonce ||
        sequence != slot->sequence || !is_answer_to(slot, answer)) {
        drop_bad(dispatch, slot, BAD_TURN, now_ms);
        return NULL;
    }
    jobs = dispatch_release(slot);
    if (jobs == NULL) {
        series_add(dispatch->counts.late, (int64_t)slot->task_count);
    }
    for (struct job *job = jobs; job != NULL; job = job->beside) {
        series_add(dispatch->counts.late, dispatch_is_abandoned(job) ? 1 : 0);
    }
    pool_slots_move(dispatch->slots, slot, SLOT_IDLE, now_ms);
    return jobs;
}

/* Does a local verdict name only segments that the task has? */
static bool segments_exist(const struct message_verdict *verdict, const struct job *job)
{
    return verdict->unsure.count == 0 || message_unsure_end(verdict->unsure) <= job->packing.segment_count;
}

/* The time from the sending to the answer, of which the moderator says that it took so much. */
static uint64_t observe_hop(struct pool_dispatch *dispatch, const struct job *job, uint64_t worker_us)
{
    uint64_t passed_us = clock_us() - job->sent_us;

    series_observe(dispatch->counts.hop, passed_us > worker_us ? (double)(passed_us - worker_us) / 1e6 : 0);
    return passed_us;
}

/* Of a local slot: the end of the job, or its review. */
static void take_local(struct pool_dispatch *dispatch, const struct slot *slot, struct job *job,
                       const struct message_verdict *verdict, uint64_t now_ms)
{
    job_take_verdict(job, SLOT_LOCAL, verdict, slot->worker);
    if (verdict->outcome == OUTCOME_ALLOW) {
        pool_recall_learn(dispatch->recall, job, slot->worker);
    }
    if (verdict->outcome == OUTCOME_UNSURE) {
        dispatch_review(dispatch, job, verdict, now_ms);
    } else {
        dispatch_finish(dispatch, job, STATUS_OK);
    }
}

static void take_verdict(struct pool_dispatch *dispatch, struct slot *slot, struct bytes frame, uint64_t now_ms)
{
    struct message_verdict verdict;
    struct job *job;
    uint32_t passed_us;

    if (message_read_verdict(frame, &verdict) != STATUS_OK ||
        (slot != NULL && slot->job != NULL && slot->kind == SLOT_LOCAL && !segments_exist(&verdict, slot->job))) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    job = take_answer(dispatch, slot, ANSWER_ONE, verdict.nonce, verdict.sequence, now_ms);
    if (job == NULL) {
        return;
    }
    passed_us = (uint32_t)observe_hop(dispatch, job, verdict.worker_us);
    if (slot->kind == SLOT_LOCAL) {
        job->result.judge_us = passed_us;
        take_local(dispatch, slot, job, &verdict, now_ms);
        return;
    }
    job->result.review_us = passed_us;
    job_take_verdict(job, SLOT_REVIEW, &verdict, slot->worker);
    series_add(dispatch->counts.unreviewed[UNREVIEWED_NO_VERDICT], verdict.outcome == OUTCOME_UNSURE ? 1 : 0);
    dispatch_finish(dispatch, job, STATUS_OK);
}

/* Whether what the slot could not judge is a RECALL, which it may know more of when it gets the texts: it does not know one that
 * was left out, or it is of a version that has no RECALL. */
static bool wants_texts(const struct slot *slot, struct job *job, enum busy_reason reason)
{
    return slot->kind == SLOT_LOCAL && job->names.count > 0 && !dispatch_is_abandoned(job) &&
           (reason == BUSY_UNKNOWN_TEXT || reason == BUSY_UNSUPPORTED);
}

static void refuse(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *jobs, enum busy_reason reason,
                   uint64_t now_ms)
{
    log_event_limited_each(reason, BUSY_LATER + 1, LOG_WARN, "moderator_busy", LOG_NUMBER("reason", reason));
    dispatch_fail_all(dispatch, kind, jobs, reason == BUSY_EXPIRED ? END_TIMEOUT : END_BUSY, now_ms);
}

/* No answers to several tasks: a process that does not know such a message is sent them one by one. */
static void take_busy_for_all(struct pool_dispatch *dispatch, struct slot *slot, struct job *jobs, enum busy_reason reason,
                              uint64_t now_ms)
{
    struct job *job;

    if (reason != BUSY_UNSUPPORTED) {
        refuse(dispatch, SLOT_LOCAL, jobs, reason, now_ms);
        return;
    }
    pool_slots_take_one(dispatch->slots, slot->worker);
    while ((job = dispatch_next(&jobs)) != NULL) {
        dispatch_again(dispatch, job, now_ms);
    }
}

static void take_busy(struct pool_dispatch *dispatch, struct slot *slot, struct bytes frame, uint64_t now_ms)
{
    struct message_busy busy;
    struct job *jobs;

    if (message_read_busy(frame, &busy) != STATUS_OK) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    if (slot != NULL && busy.nonce == 0 && busy.sequence == 0) { /* it could not read the task it was sent */
        busy.nonce = dispatch->nonce;
        busy.sequence = slot->sequence;
    }
    jobs = take_answer(dispatch, slot, ANSWER_ALL, busy.nonce, busy.sequence, now_ms);
    if (jobs == NULL) {
        return;
    }
    if (jobs->beside != NULL) {
        take_busy_for_all(dispatch, slot, jobs, busy.reason, now_ms);
    } else if (wants_texts(slot, jobs, busy.reason)) {
        dispatch_send_whole(dispatch, slot, jobs, now_ms);
    } else {
        refuse(dispatch, slot->kind, jobs, busy.reason, now_ms);
    }
}

/* Are they as many as the slot's tasks, and does each name only segments of its own? Of tasks that nobody waits for any more it
 * does not matter. */
static bool verdicts_fit(const struct slot *slot, const struct message_verdicts *verdicts)
{
    const struct job *job = slot == NULL ? NULL : slot->job;

    if (job == NULL) {
        return true;
    }
    for (size_t index = 0; index < verdicts->count; index++) {
        const struct message_answer *answer = &verdicts->answers[index];

        if (job == NULL || (answer->busy == BUSY_NONE && !segments_exist(&answer->verdict, job))) {
            return false;
        }
        job = job->beside;
    }
    return job == NULL;
}

/* One answer of several. What it was not sent whole, or did not come to, it gets alone. */
static void take_one_of(struct pool_dispatch *dispatch, struct slot *slot, struct job *job, const struct message_answer *answer,
                        uint64_t now_ms)
{
    if (answer->busy == BUSY_NONE) {
        take_local(dispatch, slot, job, &answer->verdict, now_ms);
    } else if (wants_texts(slot, job, answer->busy)) {
        pool_recall_forget(dispatch->recall, job, slot->worker);
        dispatch_again(dispatch, job, now_ms);
    } else if (answer->busy == BUSY_LATER) {
        dispatch_again(dispatch, job, now_ms);
    } else {
        refuse(dispatch, SLOT_LOCAL, job, answer->busy, now_ms);
    }
}

static void take_verdicts(struct pool_dispatch *dispatch, struct slot *slot, struct bytes frame, uint64_t now_ms)
{
    struct message_verdicts verdicts;
    struct job *jobs;
    struct job *job;
    uint64_t worker_us = 0;

    if (message_read_verdicts(frame, &verdicts) != STATUS_OK || !verdicts_fit(slot, &verdicts)) {
        drop_bad(dispatch, slot, BAD_MALFORMED, now_ms);
        return;
    }
    jobs = take_answer(dispatch, slot, ANSWER_EACH, verdicts.nonce, verdicts.sequence, now_ms);
    for (size_t index = 0; index < verdicts.count; index++) {
        worker_us += verdicts.answers[index].busy == BUSY_NONE ? verdicts.answers[index].verdict.worker_us : 0;
    }
    for (size_t index = 0; (job = dispatch_next(&jobs)) != NULL; index++) {
        job->result.judge_us = (uint32_t)observe_hop(dispatch, job, worker_us);
        take_one_of(dispatch, slot, job, &verdicts.answers[index], now_ms);
    }
}

/* What it was sent is judged elsewhere, and was no attempt. Its whole process may leave, so its other idle slots are asked before
 * they are given a job. */
static void take_bye(struct pool_dispatch *dispatch, struct slot *slot, uint64_t now_ms)
{
    unsigned char worker[WORKER_ID_BYTES];
    enum slot_kind kind = slot->kind;
    struct job *jobs = dispatch_release(slot);
    struct job *job;

    memcpy(worker, slot->worker, sizeof worker);
    dispatch_forget(dispatch, slot, END_LEFT, "bye", now_ms);
    dispatch_suspect(dispatch, worker, now_ms);
    while ((job = dispatch_next(&jobs)) != NULL) {
        dispatch_pass_on(dispatch, kind, job, now_ms);
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
    case MESSAGE_VERDICTS:
        take_verdicts(dispatch, slot, frame, now_ms);
        break;
    case MESSAGE_BUSY:
        take_busy(dispatch, slot, frame, now_ms);
        break;
    case MESSAGE_BYE:
        if (slot != NULL) {
            take_bye(dispatch, slot, now_ms);
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

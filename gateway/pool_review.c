/* pool_review: what the local judge is unsure of goes to a review slot of its profile: at once, in a moment, or not at all. */
#include "gateway/pool_inside.h"

#include "proto/clock.h"

void dispatch_finish_unreviewed(struct pool_dispatch *dispatch, struct job *job, enum pool_unreviewed why)
{
    series_add(dispatch->counts.unreviewed[why], 1);
    job->result.review_us = job->attempts > 0 ? (uint32_t)(clock_us() - job->sent_us) : 0;
    /* A text that was only drawn at random is not undecided: the model knew. */
    if (why == UNREVIEWED_FULL && job->review.drawn == DRAWN_UNSURE && job->profile->review.when_full == WHEN_FULL_BLOCK) {
        job_block_undecided(job);
    }
    dispatch_finish(dispatch, job, STATUS_OK);
}

static void give_up(struct pool_dispatch *dispatch, struct job *job)
{
    dispatch_finish_unreviewed(dispatch, job, job->attempts > 0 ? UNREVIEWED_NO_VERDICT : UNREVIEWED_FULL);
}

void dispatch_review(struct pool_dispatch *dispatch, struct job *job, const struct message_verdict *verdict, uint64_t now_ms)
{
    if (dispatch_is_abandoned(job) || job->profile->review.url[0] == '\0') {
        dispatch_finish(dispatch, job, STATUS_OK);
        return;
    }
    job->attempts = 0;
    job->is_counted = false;
    job->give_up_ms = 0;
    job->review = (struct message_task_head){
        .drawn = verdict->drawn, .score = verdict->score, .model_version = verdict->model_version};
    if (buffer_append(&job->unsure, verdict->unsure) == STATUS_OK) {
        dispatch_seek_review(dispatch, job, now_ms);
    } else {
        give_up(dispatch, job);
    }
}

enum status dispatch_send_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    if (pool_slots_in(dispatch->slots, SLOT_REVIEW, SLOT_IDLE) > 0) {
        dispatch_retry_reviews(dispatch, now_ms);
    }
    return dispatch_send(dispatch, SLOT_REVIEW, job, now_ms);
}

void dispatch_seek_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status;

    if (dispatch_is_abandoned(job)) {
        dispatch_finish(dispatch, job, STATUS_CLOSED);
        return;
    }
    if (job->give_up_ms != 0 && now_ms >= job->give_up_ms) { /* whoever had it has left just now */
        dispatch_finish_unreviewed(dispatch, job, UNREVIEWED_NO_VERDICT);
        return;
    }
    status = dispatch_send_review(dispatch, job, now_ms);
    if (status == STATUS_OK) {
        dispatch_count_sent(dispatch, job);
    } else if (status != STATUS_AGAIN || dispatch_await_review(dispatch, job, now_ms) != STATUS_OK) {
        give_up(dispatch, job);
    }
}

/* Slots that owe a PONG and may have the job then. */
static size_t slots_to_come(const struct pool_dispatch *dispatch, const struct job *job)
{
    return pool_slots_pinged(dispatch->slots, job->profile->name, job->attempts > 0 ? job->tried : NULL);
}

enum status dispatch_await_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    if (dispatch->stopped || pool_queue_reviews(&dispatch->queue, job->profile, NULL) >= slots_to_come(dispatch, job)) {
        return STATUS_FULL;
    }
    (void)dispatch_attempt_ms(dispatch, SLOT_REVIEW, job, now_ms); /* its deadline runs */
    pool_queue_push_retry(&dispatch->queue, job, SLOT_REVIEW, now_ms);
    return STATUS_OK;
}

/* It waits on, as one of so many as slots may come for it, or is sent, or finished. */
static void retry(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status = STATUS_TIMEOUT;

    if (!dispatch->stopped && !dispatch_is_abandoned(job) && now_ms < job->give_up_ms) {
        status = dispatch_send(dispatch, SLOT_REVIEW, job, now_ms);
    }
    if (status == STATUS_AGAIN && pool_queue_reviews(&dispatch->queue, job->profile, job) <= slots_to_come(dispatch, job)) {
        return;
    }
    pool_queue_take_retry(&dispatch->queue, job, SLOT_REVIEW, now_ms);
    if (status == STATUS_OK) {
        dispatch_count_sent(dispatch, job);
    } else if (dispatch->stopped || dispatch_is_abandoned(job)) {
        dispatch_finish(dispatch, job, STATUS_UNAVAILABLE);
    } else {
        give_up(dispatch, job);
    }
}

void dispatch_retry_reviews(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    struct job *job = dispatch->queue.retries[SLOT_REVIEW].oldest;

    while (job != NULL) {
        struct job *next = job->newer;

        retry(dispatch, job, now_ms);
        job = next;
    }
}

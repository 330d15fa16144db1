/* pool_review: what the local judge is unsure of goes to a review slot of its profile: at once, in a moment, or not at all. */
#include "gateway/pool_inside.h"

/* No slot, and none to come. */
static void finish_full(struct pool_dispatch *dispatch, struct job *job)
{
    series_add(dispatch->counts.unreviewed[UNREVIEWED_FULL], 1);
    /* Nobody to ask. A text that was only drawn at random is not undecided: the model knew. */
    if (job->review.drawn == DRAWN_UNSURE && job->profile->review.when_full == WHEN_FULL_BLOCK) {
        job_block_undecided(job);
    }
    dispatch_finish(dispatch, job, STATUS_OK);
}

void dispatch_review(struct pool_dispatch *dispatch, struct job *job, const struct message_verdict *verdict, uint64_t now_ms)
{
    if (dispatch_is_abandoned(job) || job->profile->review.url[0] == '\0') {
        dispatch_finish(dispatch, job, STATUS_OK);
        return;
    }
    job->give_up_ms = 0;
    job->review = (struct message_task_head){
        .drawn = verdict->drawn, .score = verdict->score, .model_version = verdict->model_version};
    if (buffer_append(&job->unsure, verdict->unsure) == STATUS_OK) {
        dispatch_seek_review(dispatch, job, now_ms);
    } else {
        finish_full(dispatch, job);
    }
}

void dispatch_seek_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status;

    job->attempts = 0;
    status = dispatch_send(dispatch, SLOT_REVIEW, job, now_ms);
    if (status == STATUS_AGAIN) {
        status = dispatch_await_review(dispatch, job, now_ms);
    }
    if (status != STATUS_OK) {
        finish_full(dispatch, job);
    }
}

enum status dispatch_await_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    if (dispatch->stopped ||
        pool_queue_reviews(&dispatch->queue, job->profile) >= pool_slots_pinged(dispatch->slots, job->profile->name)) {
        return STATUS_FULL;
    }
    (void)dispatch_attempt_ms(dispatch, SLOT_REVIEW, job, now_ms); /* its deadline runs */
    pool_queue_push_retry(&dispatch->queue, job, SLOT_REVIEW, now_ms);
    return STATUS_OK;
}

/* Whether it waits on: not longer than slots owe PONGs, one for each that waits. */
static bool waits_on(const struct pool_dispatch *dispatch, const struct job *job)
{
    return pool_queue_reviews(&dispatch->queue, job->profile) <= pool_slots_pinged(dispatch->slots, job->profile->name);
}

enum status dispatch_retry_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status = STATUS_FULL;

    if (dispatch_is_abandoned(job)) {
        status = STATUS_CLOSED;
    } else if (!dispatch->stopped && now_ms < job->give_up_ms) {
        status = dispatch_send(dispatch, SLOT_REVIEW, job, now_ms);
        if (status == STATUS_AGAIN && waits_on(dispatch, job)) {
            return STATUS_AGAIN;
        }
    }
    pool_queue_take_retry(&dispatch->queue, job, now_ms);
    if (status == STATUS_CLOSED) {
        dispatch_finish(dispatch, job, STATUS_CLOSED);
    } else if (status != STATUS_OK) {
        finish_full(dispatch, job);
    }
    return status;
}

/* pool_attempts: what becomes of a job whose moderator gave no verdict: once more, by another process, or the end. */
#include "gateway/pool_inside.h"

#include "proto/clock.h"
#include "proto/log.h"

#include <assert.h>
#include <string.h>

static bool may_retry(const struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, enum pool_end end,
                      uint64_t now_ms)
{
    if (dispatch->stopped || job->attempts >= ATTEMPTS_MAX || now_ms >= job->give_up_ms || dispatch_is_abandoned(job)) {
        return false;
    }
    /* A review that was late has had its LLM; asked again it would be late again, and paid twice. */
    return (kind == SLOT_LOCAL || end != END_TIMEOUT) && pool_slots_has_other(dispatch->slots, kind, job->tried);
}

/* A review that fails leaves what the first verdict said; a local task leaves nothing. */
static void give_up(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job)
{
    if (kind == SLOT_REVIEW) {
        dispatch_finish_unreviewed(dispatch, job, UNREVIEWED_NO_VERDICT);
    } else {
        dispatch_finish(dispatch, job, job->failure);
    }
}

/* Blocked, whatever `when_unavailable` says, or the text would be a way past the judges. */
static void block_suspect(struct pool_dispatch *dispatch, struct job *job)
{
    series_add(dispatch->counts.poisons, 1);
    log_event_limited(LOG_ERROR, "moderators_lost_to_a_text", LOG_TEXT("profile", job->profile->name),
                      LOG_NUMBER("text_bytes", job->text_bytes));
    job_block_undecided(job);
    dispatch_finish(dispatch, job, STATUS_OK);
}

/* Another text than this one, and one that a moderator has ended with. */
static bool is_other_suspect(const struct job *job, const struct job *other)
{
    return other->crashes > 0 && !bytes_equal(dispatch_text(job), dispatch_text(other));
}

/* The next busy slot of the same process that has another suspect than `job`, from `slot` on. */
static struct slot *find_suspect(struct slot *slot, const unsigned char *worker, const struct job *job)
{
    while (slot != NULL && (memcmp(slot->worker, worker, WORKER_ID_BYTES) != 0 || !is_other_suspect(job, slot->job))) {
        slot = slot->next;
    }
    return slot;
}

/* Whether this process has a suspect, and that one or `job` has to be the only one there. */
static bool is_crowded(const struct pool_dispatch *dispatch, const unsigned char *worker, const struct job *job)
{
    for (size_t kind = 0; kind <= SLOT_REVIEW; kind++) {
        struct slot *slot = find_suspect(pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_BUSY), worker, job);

        while (slot != NULL && job->crashes < CRASHES_MAX && slot->job->crashes < CRASHES_MAX) {
            slot = find_suspect(slot->next, worker, job);
        }
        if (slot != NULL) {
            return true;
        }
    }
    return false;
}

struct slot *dispatch_idle_for_suspect(const struct pool_dispatch *dispatch, const struct job *job)
{
    struct slot *slot = pool_slots_first(dispatch->slots, SLOT_LOCAL, SLOT_IDLE);

    while (slot != NULL &&
           (memcmp(slot->worker, job->tried, WORKER_ID_BYTES) == 0 || is_crowded(dispatch, slot->worker, job))) {
        slot = slot->next;
    }
    return slot;
}

void dispatch_mark_sole(const struct pool_dispatch *dispatch, const struct slot *slot)
{
    struct job *job = slot->job;

    job->is_sole = true;
    for (size_t kind = 0; job->crashes > 0 && kind <= SLOT_REVIEW; kind++) {
        struct slot *other = find_suspect(pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_BUSY), slot->worker, job);

        while (other != NULL) {
            job->is_sole = other->job->is_sole = false;
            other = find_suspect(other->next, slot->worker, job);
        }
    }
}

/* Two moderators have ended with the text. It is taken for the cause where it was the only suspect with the second one. Else one
 * of them was, and nobody is blamed for having been beside it: each is asked about once more, as the only one. */
static void fail_suspect(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, enum pool_end end, uint64_t now_ms)
{
    if (end == END_GONE && job->is_sole) {
        pool_poison_add(&dispatch->poison, dispatch_text(job), now_ms);
    } else if (end == END_GONE && kind == SLOT_LOCAL && job->crashes == CRASHES_MAX && !dispatch->stopped &&
               now_ms < job->give_up_ms && pool_slots_has_other(dispatch->slots, kind, job->tried)) {
        pool_queue_push_retry(&dispatch->queue, job, SLOT_LOCAL, now_ms);
        return;
    }
    block_suspect(dispatch, job);
}

void dispatch_count_sent(struct pool_dispatch *dispatch, struct job *job)
{
    if (job->attempts > 1 && !job->is_counted) {
        job->result.retries++;
        series_add(dispatch->counts.retries, 1);
    }
    job->is_counted = false;
}

/* Whoever waits for a second attempt already goes first, before the turn is over. */
static enum status send_behind(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    return dispatch->queue.retries[SLOT_LOCAL].count > 0 ? STATUS_AGAIN : dispatch_send(dispatch, SLOT_LOCAL, job, now_ms);
}

void dispatch_fail(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, enum pool_end end, uint64_t now_ms)
{
    enum status status;

    series_add(dispatch->counts.ends[end], 1);
    memcpy(job->tried, job->asked, sizeof job->tried);
    job->failure = end == END_TIMEOUT ? STATUS_TIMEOUT : STATUS_UNAVAILABLE;
    job->crashes += end == END_GONE;
    if (job->crashes >= CRASHES_MAX) {
        fail_suspect(dispatch, kind, job, end, now_ms);
        return;
    }
    if (!may_retry(dispatch, kind, job, end, now_ms)) {
        give_up(dispatch, kind, job);
        return;
    }
    status = kind == SLOT_REVIEW ? dispatch_send_review(dispatch, job, now_ms) : send_behind(dispatch, job, now_ms);
    if (status == STATUS_OK) {
        dispatch_count_sent(dispatch, job);
    } else if (status == STATUS_AGAIN && kind == SLOT_LOCAL) {
        pool_queue_push_retry(&dispatch->queue, job, SLOT_LOCAL, now_ms);
    } else if (status != STATUS_AGAIN || dispatch_await_review(dispatch, job, now_ms) != STATUS_OK) {
        give_up(dispatch, kind, job);
    }
}

struct job *dispatch_next(struct job **jobs)
{
    struct job *job = *jobs;

    if (job != NULL) {
        *jobs = job->beside;
        job->beside = NULL;
    }
    return job;
}

void dispatch_fail_all(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *jobs, enum pool_end end, uint64_t now_ms)
{
    struct job *job;

    while ((job = dispatch_next(&jobs)) != NULL) {
        dispatch_fail(dispatch, kind, job, end, now_ms);
    }
}

void dispatch_line_up(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    (void)dispatch_attempt_ms(dispatch, SLOT_LOCAL, job, now_ms); /* its deadline runs */
    job->failure = job->attempts > 0 ? job->failure : STATUS_UNAVAILABLE;
    pool_queue_push_retry(&dispatch->queue, job, SLOT_LOCAL, now_ms);
}

/* Its last sending was no attempt. */
static void take_back(struct job *job)
{
    assert(job->attempts > 0);
    job->attempts--;
    job->is_counted = job->attempts > 0;
}

void dispatch_again(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    take_back(job);
    dispatch_line_up(dispatch, job, now_ms);
}

void dispatch_pass_on(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms)
{
    if (job->passes >= PASSES_MAX) {
        dispatch_fail(dispatch, kind, job, END_LEFT, now_ms);
        return;
    }
    job->passes++;
    series_add(dispatch->counts.passes, 1);
    if (kind == SLOT_LOCAL) {
        dispatch_again(dispatch, job, now_ms);
    } else {
        take_back(job);
        dispatch_seek_review(dispatch, job, now_ms);
    }
}

/* Whether there is a moderator that may be asked about a job that waits to be sent once more. */
static bool may_come(const struct pool_dispatch *dispatch, const struct job *job)
{
    return job->attempts > 0 ? pool_slots_has_other(dispatch->slots, SLOT_LOCAL, job->tried)
                             : pool_slots_count(dispatch->slots, SLOT_LOCAL) > 0;
}

/* It waits on, or is sent, or finished. */
static void retry_local(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms)
{
    enum status status;

    if (dispatch_is_abandoned(job)) {
        status = STATUS_CLOSED;
    } else if (now_ms >= job->give_up_ms) {
        status = STATUS_TIMEOUT;
    } else if (dispatch->stopped || !may_come(dispatch, job)) {
        status = job->failure;
    } else {
        status = dispatch_send(dispatch, SLOT_LOCAL, job, now_ms);
        if (status == STATUS_AGAIN) {
            return;
        }
    }
    pool_queue_take_retry(&dispatch->queue, job, SLOT_LOCAL, now_ms);
    if (status == STATUS_OK) {
        dispatch_count_sent(dispatch, job);
    } else if (status != STATUS_CLOSED && job->crashes >= CRASHES_MAX) {
        block_suspect(dispatch, job);
    } else {
        dispatch_finish(dispatch, job, status == STATUS_NO_MEMORY ? STATUS_UNAVAILABLE : status);
    }
}

void dispatch_retry(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    struct job *job = dispatch->queue.retries[SLOT_LOCAL].oldest;

    while (job != NULL) {
        struct job *next = job->newer;

        retry_local(dispatch, job, now_ms);
        job = next;
    }
    dispatch_retry_reviews(dispatch, now_ms);
}

void dispatch_ping(struct pool_dispatch *dispatch, struct slot *slot, uint64_t now_ms)
{
    enum status status;

    buffer_clear(&dispatch->frame);
    status = message_write_plain(MESSAGE_PING, &dispatch->frame);
    if (status == STATUS_OK) {
        status = wire_send_to(dispatch->wire, (struct bytes){slot->identity, slot->identity_bytes},
                              buffer_view(&dispatch->frame));
    }
    if (status == STATUS_OK) {
        pool_slots_move(dispatch->slots, slot, SLOT_PINGED, now_ms);
    } else {
        dispatch_forget(dispatch, slot, END_GONE, "unreachable", now_ms);
    }
}

void dispatch_suspect(struct pool_dispatch *dispatch, const unsigned char worker[WORKER_ID_BYTES], uint64_t now_ms)
{
    for (size_t kind = 0; kind <= SLOT_REVIEW; kind++) {
        struct slot *slot = pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_IDLE);

        while (slot != NULL) {
            struct slot *next = slot->next;

            if (memcmp(slot->worker, worker, WORKER_ID_BYTES) == 0) {
                dispatch_ping(dispatch, slot, now_ms);
            }
            slot = next;
        }
    }
}

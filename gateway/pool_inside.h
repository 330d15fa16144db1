/* pool_inside: what the six files of the pool's dispatch share: pool_dispatch.c (jobs), pool_batch.c (several in one message),
 * pool_attempts.c (those without a verdict), pool_review.c (those the local judge is unsure of), pool_answers.c (messages of the
 * slots) and pool_due.c (what time brings). For them alone.
 *
 * Every job in here is in exactly one place: in the queue, or at one busy slot, with those `beside` it. Thread: the pool's.
 */
#ifndef GATEWAY_POOL_INSIDE_H
#define GATEWAY_POOL_INSIDE_H

#include "gateway/pool_counts.h"
#include "gateway/pool_dispatch.h"
#include "gateway/pool_poison.h"
#include "gateway/pool_queue.h"
#include "gateway/pool_recall.h"
#include "gateway/pool_slots.h"

struct pool_dispatch {
    struct wire *wire; /* lent */
    struct pool_slots *slots;
    struct pool_queue queue;
    struct pool_poison poison;
    struct pool_recall *recall;
    uint64_t deadline_ms[SLOT_REVIEW + 1];
    uint64_t text_bytes_max;
    uint64_t ping_idle_ms;
    uint64_t silence_ms;
    uint64_t probe_busy_ms;
    uint64_t probe_at_ms; /* not before */
    uint64_t nonce;
    uint64_t sequence;
    size_t batch_tasks_max;
    size_t coming_count; /* jobs that are submitted next, in the same turn */
    bool stopped;
    struct buffer frame; /* the message being sent */
    struct buffer body;  /* what a review sees, or a moderator that knows some of the texts */
    void (*finish)(void *context, struct job *job);
    void *context;
    struct pool_counts counts;
};

/* The end of every job: gives it back. */
void dispatch_finish(struct pool_dispatch *dispatch, struct job *job, enum status status);

/* Whether the job is still to be sent: STATUS_OK; STATUS_CLOSED: nobody waits for it; STATUS_DENIED: moderators have died of
 * this text before. */
MUST_CHECK enum status dispatch_may_send(const struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* The end of a job that no moderator was asked about. */
void dispatch_finish_unsent(struct pool_dispatch *dispatch, struct job *job, enum status status);

/* How long its next attempt may take; from the first one on its deadline runs. */
uint64_t dispatch_attempt_ms(const struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms);

/* The frame, with the sequence drawn last, goes to this idle slot: STATUS_OK: it has these jobs (`beside` one another).
 * STATUS_CLOSED: it was gone and is forgotten. STATUS_FULL: slots that hang hold as many tasks as there may be.
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status dispatch_post(struct pool_dispatch *dispatch, struct slot *slot, struct job *jobs, uint64_t time_ms,
                                     uint64_t now_ms);

/* How many of the waiting jobs the next idle slot is to have: 1 as long as there is a slot for each. */
size_t dispatch_share(const struct pool_dispatch *dispatch);

/* Takes up to `share` short jobs from the queue to one idle slot, which there is; where that fails they wait to be sent alone.
 * STATUS_NOT_FOUND: none was taken, the next one has to go alone. */
MUST_CHECK enum status dispatch_send_batch(struct pool_dispatch *dispatch, size_t share, uint64_t now_ms);

/* An idle local slot for a suspect (job->crashes), of another process than before; NULL when there is none now. A suspect that
 * has to be the only one gets a process without others, and keeps them off it. */
struct slot *dispatch_idle_for_suspect(const struct pool_dispatch *dispatch, const struct job *job);

/* The slot has got its job: whether that is the only suspect with its process; of others there it is known then that they are
 * not. */
void dispatch_mark_sole(const struct pool_dispatch *dispatch, const struct slot *slot);

/* A job that was not sent in the end: waits to be sent alone, first of all. */
void dispatch_line_up(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* The same for one that was sent and got no answer, which is nobody's fault: it was no attempt. */
void dispatch_again(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);


/* Sends the job to an idle slot of this kind, of another process than before: STATUS_OK. STATUS_AGAIN: there is none, or no room
 * for one more task. STATUS_NO_MEMORY. */
MUST_CHECK enum status dispatch_send(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms);

/* Sends the job once more to the same slot, which is idle again and knew not all texts that were left out. */
void dispatch_send_whole(struct pool_dispatch *dispatch, struct slot *slot, struct job *job, uint64_t now_ms);

/* A task will get no answer, and its job is off the slot: sends it to another moderator, or finishes it. */
void dispatch_fail(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, enum pool_end end, uint64_t now_ms);

/* The same for all of a message (`beside` one another); NULL for none. Each is sent alone. */
void dispatch_fail_all(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *jobs, enum pool_end end, uint64_t now_ms);

/* It has just been sent: a second attempt is counted, once. */
void dispatch_count_sent(struct pool_dispatch *dispatch, struct job *job);

/* The slot said BYE to it: another one is asked, which is no attempt, up to PASSES_MAX times. */
void dispatch_pass_on(struct pool_dispatch *dispatch, enum slot_kind kind, struct job *job, uint64_t now_ms);

/* The next one of a message, which is then on its own: takes `*job` off those beside it. NULL behind the last. */
struct job *dispatch_next(struct job **jobs);

/* Gives idle slots of another moderator the jobs that wait for one; finishes those that wait in vain. */
void dispatch_retry(struct pool_dispatch *dispatch, uint64_t now_ms);

/* One slot of this process was found dead or late, or has left: its idle ones get no task until they have answered a PING. */
void dispatch_suspect(struct pool_dispatch *dispatch, const unsigned char worker[WORKER_ID_BYTES], uint64_t now_ms);

/* PINGs an idle slot, or forgets it when it is gone. */
void dispatch_ping(struct pool_dispatch *dispatch, struct slot *slot, uint64_t now_ms);

bool dispatch_is_abandoned(struct job *job);

/* What moderators read of the job: roles and texts, whoever sends them under whatever profile. Lends from the job. */
struct bytes dispatch_text(const struct job *job);

/* Takes the job, and those beside it, off its slot, which is to be moved or forgotten next; NULL when it has none. */
struct job *dispatch_release(struct slot *slot);

/* The slot is gone, or not trusted any more: its task fails now, not at its deadline. `why` is for the log. */
void dispatch_forget(struct pool_dispatch *dispatch, struct slot *slot, enum pool_end end, const char *why, uint64_t now_ms);

/* Gives idle slots the jobs that wait; with no slot left to wait for, none waits. */
void dispatch_give(struct pool_dispatch *dispatch, uint64_t now_ms);

/* The local judge is unsure: asks a review slot of the profile, or takes what the job's result says already. */
void dispatch_review(struct pool_dispatch *dispatch, struct job *job, const struct message_verdict *verdict, uint64_t now_ms);

/* dispatch_send to a review slot, behind those that wait for one. */
MUST_CHECK enum status dispatch_send_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* Sends it so. With no slot but one that owes a PONG, it waits for that: a PING takes a slot away for a moment, which must leave
 * no text undecided. With none of these, or past its deadline, it is finished. */
void dispatch_seek_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* Waits for one of the slots that owe a PONG, until its deadline: STATUS_OK. STATUS_FULL: as many as those wait already. */
MUST_CHECK enum status dispatch_await_review(struct pool_dispatch *dispatch, struct job *job, uint64_t now_ms);

/* Nobody reviews it: what the local verdict said decides, or `when_full` where there was nobody to ask. */
void dispatch_finish_unreviewed(struct pool_dispatch *dispatch, struct job *job, enum pool_unreviewed why);

/* Gives idle review slots those that wait so, the one that has waited longest first; finishes those that wait in vain. */
void dispatch_retry_reviews(struct pool_dispatch *dispatch, uint64_t now_ms);

#endif

/* job: one request's wish for a verdict, and what came of it.
 *
 *   loop: job_open, job_add..., pool_submit ──> pool thread ──> pool_take: read `result`, job_close
 *
 * The text is copied once, packed as the body of a TASK, into a buffer of the job's own: nothing of the request is referred
 * to while the pool has it. A job belongs to its loop before pool_submit and after pool_take, and to the pool in between,
 * also when its client has left (pool_abandon). Thread: its owner's, one at a time.
 */
#ifndef GATEWAY_JOB_H
#define GATEWAY_JOB_H

#include "gateway/snapshot.h"
#include "proto/account.h"
#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/settings.h"
#include "proto/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Only `status`, `retries` and the times mean something unless `status` is STATUS_OK. */
struct job_result {
    /* STATUS_OK           judged: see `outcome`
     * STATUS_UNAVAILABLE  no moderator, or the one that had it gave no verdict
     * STATUS_FULL         the queue's jobs or bytes are full
     * STATUS_TIMEOUT      waited longer than the queue's age, or no verdict within the deadline
     * STATUS_CLOSED       abandoned before there was a verdict */
    enum status status;
    enum outcome outcome;       /* OUTCOME_ALLOW or OUTCOME_BLOCK; unsure has been resolved */
    enum verdict_source source; /* SOURCE_UNDECIDED: nobody knew, the profile's `undecided` or `when_full` decided */
    size_t category_bytes;      /* 0 when allowed */
    char category[CATEGORY_BYTES_MAX + 1]; /* terminated; UTF-8 without control characters */
    float score;                           /* the local model's, 0 to 1; NaN when none ran */
    uint64_t model_version;                /* 0 when none ran */
    unsigned char worker[WORKER_ID_BYTES]; /* the moderator process whose verdict it is */
    uint32_t retries;                      /* attempts after the first, of both kinds */
    uint32_t queue_us;                     /* from pool_submit to the sending of the task */
    uint32_t judge_us;                     /* from there to the local verdict; 0 when there was none */
    uint32_t review_us;                    /* from there to the end of the review; 0 without one */
};

struct job {
    /* The loop's own; the pool does not change them. */
    void *owner; /* borrowed, never looked into */
    size_t loop_index;
    const struct profile_settings *profile; /* lent until the job comes back */
    uint64_t caller;                        /* whose it is, hashed: callers wait in turn (job_set_caller); 0 = nobody's */
    struct snapshot *snapshot;              /* holds the profile until job_close, also when its client has left; may be NULL */

    struct account *account; /* its text is charged to; NULL = to none */
    size_t charged_bytes;

    struct job_result result;

    /* The pool's. */
    struct buffer body;          /* packed profile and segments */
    struct message_body packing; /* open until pool_submit */
    struct buffer names;         /* of its longer texts, in their order (gateway/pool_recall); empty: they are sent each time */
    size_t text_bytes;           /* of all segments */
    size_t text_bytes_max;
    bool is_long; /* its text is longer than LONG_TEXT_BYTES; known from pool_submit on */
    _Atomic bool abandoned;
    uint64_t submitted_us;
    uint64_t sent_us;                     /* the attempt under way */
    uint64_t give_up_ms;                  /* the deadline of its kind, over all attempts; 0: not sent yet */
    unsigned attempts;                    /* of the kind under way: local, then review */
    unsigned passes;                      /* tasks that came to slots that left: no attempts */
    bool is_counted;                      /* its next sending is a second attempt that is counted already */
    unsigned crashes;                     /* moderators that ended while they had it; above 0 it is a suspect */
    bool is_sole;                         /* no other suspect was with the moderator that has it, or had it last */
    unsigned char asked[WORKER_ID_BYTES]; /* the moderator process that has it, or had it last */
    unsigned char tried[WORKER_ID_BYTES]; /* and of the attempt that failed last */
    enum status failure;                  /* of that attempt */
    struct message_task_head review;      /* what a review is told of the local verdict */
    struct buffer unsure; /* the segments it shall look at (message_unsure_has); empty but for a job that is reviewed */
    uint64_t queued_ms; /* when it began to wait; the queue's */
    struct job *next;   /* the queue's: of its caller */
    struct job *previous;
    struct job *beside; /* at a slot: the next one of the same message */
    struct job *older; /* the queue's: by age, over all callers, or among those that wait to be sent once more */
    struct job *newer;
};

/* `key`: the name of the key that asks, empty for none; copied. `text_bytes_max` is limits.moderated_text. STATUS_NO_MEMORY.
 * Lends `profile`. */
MUST_CHECK enum status job_open(struct job **out, size_t loop_index, void *owner, const struct profile_settings *profile,
                                struct bytes key, size_t text_bytes_max);
void job_close(struct job **job);

/* One more piece of text; copied. STATUS_FULL past SEGMENTS_MAX, STATUS_TOO_LARGE past text_bytes_max (all pieces together),
 * STATUS_NO_MEMORY; what was added before stays. */
MUST_CHECK enum status job_add(struct job *job, const struct segment *segment);

/* Charges the packed text to `account` (borrowed) until job_close, whoever calls that. STATUS_FULL: nothing is charged. Before
 * pool_submit. */
MUST_CHECK enum status job_charge(struct job *job, struct account *account);

/* The same for so many bytes more, where it is charged to an account. */
MUST_CHECK enum status job_charge_more(struct job *job, size_t bytes);

/* Names whose job it is: a key's name or a client's address. Before pool_submit. */
void job_set_caller(struct job *job, struct bytes name);

/* Takes a moderator's verdict into the result: who decided, what, why. The local verdict comes first, the review's over it;
 * score and model version stay the local model's. An unsure one leaves what decides without a review: the local verdict's
 * fallback. Thread: the pool's. */
void job_take_verdict(struct job *job, enum slot_kind kind, const struct message_verdict *verdict,
                      const unsigned char worker[WORKER_ID_BYTES]);

/* Blocked because nobody could be asked. Thread: the pool's. */
void job_block_undecided(struct job *job);

/* The category as a view; lent until job_close. */
struct bytes job_category(const struct job *job);

#endif

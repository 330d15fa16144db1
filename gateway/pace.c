/* pace: a ring of queues, and a count of what the turn has begun. */
#include "gateway/pace.h"

#include "proto/limits.h"
#include "proto/secret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

TAILQ_HEAD(pace_members, pace_member);

struct pace_queue {
    struct pace_members members;        /* the longest waiting one first */
    TAILQ_ENTRY(pace_queue) in_ring; /* while it has any */
};

TAILQ_HEAD(pace_ring, pace_queue);

struct pace {
    struct pace_ring ring; /* whose turn is next comes first */
    size_t waiting;
    size_t begun;          /* in this turn */
    uint64_t standing_ms;  /* since when there was somebody at the end of each turn; 0 = there was nobody */
    bool has_stood;        /* since the last tick somebody was in line at the end of a turn; */
    bool is_crowded;       /* or a request was one too many; */
    bool is_busy;          /* in the tick before it was so, and there was little sleep, or no time since */
    bool is_short;         /* of time: since a tick with little sleep */
    int accepts;           /* connections in an ACCEPT_PAUSE_MS since the loop was full; 0 = that is long ago */
    size_t judging;        /* texts with moderators */
    struct series *gauge;
    unsigned char key[SECRET_TABLE_KEY_BYTES];
    struct pace_queue queues[PACE_QUEUES];
};

_Static_assert((PACE_QUEUES & (PACE_QUEUES - 1)) == 0, "a mask chooses");

enum status pace_open(struct pace **out, struct metrics *metrics)
{
    struct pace *pace = calloc(1, sizeof *pace);

    if (pace == NULL) {
        return STATUS_NO_MEMORY;
    }
    TAILQ_INIT(&pace->ring);
    for (size_t index = 0; index < PACE_QUEUES; index++) {
        TAILQ_INIT(&pace->queues[index].members);
    }
    secret_random(pace->key, sizeof pace->key);
    pace->gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_paced",
                                 "Requests in flight that wait until their loop has time to begin them", NULL, 0);
    *out = pace;
    return STATUS_OK;
}

void pace_close(struct pace **pace)
{
    if (*pace != NULL) {
        assert((*pace)->waiting == 0);
        free(*pace);
        *pace = NULL;
    }
}

/* Whether verdicts come first. */
static bool is_held_back(const struct pace *pace)
{
    return pace->is_short && pace->judging >= PACE_JUDGING;
}

void pace_judging(struct pace *pace, size_t count)
{
    pace->judging = count;
}

bool pace_begin(struct pace *pace)
{
    bool begins = pace->waiting == 0 && pace->begun < PACE_BEGINS && !is_held_back(pace);

    pace->begun += begins ? 1 : 0;
    return begins;
}

static size_t index_of(const struct pace *pace, struct bytes caller)
{
    unsigned char hash[TABLE_HASH_BYTES];
    uint64_t number;

    secret_table_hash(hash, pace->key, caller);
    memcpy(&number, hash, sizeof number);
    return (size_t)number & (PACE_QUEUES - 1);
}

bool pace_is_late(const struct pace *pace, struct bytes caller, uint64_t now_ms)
{
    const struct pace_member *oldest;

    if (pace->waiting == 0) {
        return false;
    }
    oldest = TAILQ_FIRST(&pace->queues[index_of(pace, caller)].members);
    return oldest != NULL && now_ms - oldest->since_ms >= PACE_LATE_MS;
}

void pace_stand(struct pace *pace, struct pace_member *member, struct bytes caller, uint64_t now_ms)
{
    struct pace_queue *queue = &pace->queues[index_of(pace, caller)];

    assert(member->queue == NULL);
    if (TAILQ_EMPTY(&queue->members)) {
        TAILQ_INSERT_TAIL(&pace->ring, queue, in_ring);
    }
    TAILQ_INSERT_TAIL(&queue->members, member, in_queue);
    member->queue = queue;
    member->since_ms = now_ms;
    pace->waiting++;
    series_add(pace->gauge, 1);
}

void pace_leave(struct pace *pace, struct pace_member *member)
{
    struct pace_queue *queue = member->queue;

    if (queue == NULL) {
        return;
    }
    TAILQ_REMOVE(&queue->members, member, in_queue);
    if (TAILQ_EMPTY(&queue->members)) {
        TAILQ_REMOVE(&pace->ring, queue, in_ring);
    }
    member->queue = NULL;
    pace->waiting--;
    series_add(pace->gauge, -1);
}

struct pace_member *pace_next(struct pace *pace)
{
    struct pace_queue *queue = TAILQ_FIRST(&pace->ring);
    struct pace_member *member;

    if (queue == NULL || pace->begun == PACE_BEGINS || is_held_back(pace)) {
        return NULL;
    }
    member = TAILQ_FIRST(&queue->members);
    TAILQ_REMOVE(&pace->ring, queue, in_ring);
    TAILQ_INSERT_TAIL(&pace->ring, queue, in_ring);
    pace_leave(pace, member);
    pace->begun++;
    return member;
}

struct pace_member *pace_overdue(const struct pace *pace, uint64_t now_ms)
{
    struct pace_queue *queue;

    TAILQ_FOREACH(queue, &pace->ring, in_ring) {
        struct pace_member *oldest = TAILQ_FIRST(&queue->members);

        if (now_ms - oldest->since_ms >= PACE_WAIT_MAX_MS) {
            return oldest;
        }
    }
    return NULL;
}

void pace_turn(struct pace *pace, uint64_t now_ms)
{
    pace->begun = 0;
    if (pace_is_full(pace, now_ms)) {
        pace->accepts = PACE_ACCEPTS;
    }
    if (pace->waiting == 0) {
        pace->standing_ms = 0;
        return;
    }
    pace->has_stood = true;
    if (pace->standing_ms == 0) {
        pace->standing_ms = now_ms;
    }
}

void pace_crowd(struct pace *pace)
{
    pace->is_crowded = true;
}

void pace_tick(struct pace *pace, uint64_t slept_ns, uint64_t all_ns)
{
    pace->is_short = slept_ns < all_ns / PACE_PAUSE_PART || (pace->is_short && slept_ns <= all_ns / PACE_SLEEP_PART);
    pace->is_busy = (pace->is_crowded && slept_ns < all_ns / PACE_SLEEP_PART) || (pace->has_stood && pace->is_short);
    pace->is_crowded = false;
    pace->has_stood = false;
    pace->accepts = pace->accepts < ACCEPT_TURN_MAX ? 2 * pace->accepts : 0;
}

bool pace_is_held(const struct pace *pace)
{
    return pace->waiting > 0;
}

bool pace_goes_on(const struct pace *pace)
{
    return pace->waiting > 0 && !is_held_back(pace);
}

bool pace_is_full(const struct pace *pace, uint64_t now_ms)
{
    return pace->is_busy || (pace->standing_ms != 0 && now_ms - pace->standing_ms >= PACE_STANDING_MS);
}

bool pace_is_long(const struct pace *pace, uint64_t now_ms)
{
    return pace->waiting >= PACE_LINE && pace_is_full(pace, now_ms);
}

int pace_accepts(const struct pace *pace, uint64_t now_ms)
{
    if (pace_is_full(pace, now_ms) || pace->is_crowded) {
        return PACE_ACCEPTS;
    }
    if (pace->waiting > 0) {
        return 0;
    }
    return pace->accepts > 0 ? pace->accepts : ACCEPT_TURN_MAX;
}

bool pace_accepts_slowly(const struct pace *pace, uint64_t now_ms)
{
    return pace->accepts > 0 || pace_is_full(pace, now_ms);
}

/* pool_due: what time brings: deadlines, ages, PINGs to idle slots, probes of busy ones, the end of silent ones. */
#include "gateway/pool_inside.h"

#include <assert.h>

enum { KINDS = SLOT_REVIEW + 1 };

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

/* When the slot that has been in this state longest has been so for `limit_ms`; the first of a list comes first. */
static uint64_t first_due_ms(const struct pool_dispatch *dispatch, size_t kind, enum slot_state state, uint64_t limit_ms)
{
    const struct slot *slot = pool_slots_first(dispatch->slots, (enum slot_kind)kind, state);

    return slot == NULL ? UINT64_MAX : slot->since_ms + limit_ms;
}

/* That slot, once it has been so. */
static struct slot *first_due(const struct pool_dispatch *dispatch, size_t kind, enum slot_state state, uint64_t limit_ms,
                              uint64_t now_ms)
{
    return first_due_ms(dispatch, kind, state, limit_ms) <= now_ms
               ? pool_slots_first(dispatch->slots, (enum slot_kind)kind, state)
               : NULL;
}

/* The job goes on without it; the slot gets no task before it has answered the old one. */
static void end_attempts(struct pool_dispatch *dispatch, size_t kind, uint64_t now_ms)
{
    struct slot *slot;

    while ((slot = pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_BUSY)) != NULL && slot->due_ms <= now_ms) {
        struct job *jobs = dispatch_release(slot);

        pool_slots_move(dispatch->slots, slot, SLOT_QUARANTINED, now_ms);
        if (kind == SLOT_LOCAL) { /* a late review says something of its LLM only */
            dispatch_suspect(dispatch, slot->worker, now_ms);
        }
        dispatch_fail_all(dispatch, (enum slot_kind)kind, jobs, END_TIMEOUT, now_ms);
    }
}

static void forget_silent(struct pool_dispatch *dispatch, size_t kind, uint64_t now_ms)
{
    struct slot *slot;

    while ((slot = first_due(dispatch, kind, SLOT_PINGED, dispatch->silence_ms, now_ms)) != NULL ||
           (slot = first_due(dispatch, kind, SLOT_QUARANTINED, dispatch->silence_ms, now_ms)) != NULL) {
        dispatch_forget(dispatch, slot, END_GONE, "silent", now_ms);
    }
}

/* A killed process is found by its connection's end, long before a deadline. A slot that is found dead may be the first of
 * its process, so the others are looked at too. */
static void probe(struct pool_dispatch *dispatch, size_t kind, enum slot_state state, uint64_t now_ms)
{
    struct slot *slot = pool_slots_first(dispatch->slots, (enum slot_kind)kind, state);

    while (slot != NULL) {
        struct slot *next = slot->next;

        if (slot->since_ms + dispatch->probe_busy_ms <= now_ms && slot->probe_count < PROBES_MAX) {
            slot->probe_count++;
            if (wire_probe(dispatch->wire, (struct bytes){slot->identity, slot->identity_bytes}) == STATUS_CLOSED) {
                dispatch_suspect(dispatch, slot->worker, now_ms);
                dispatch_forget(dispatch, slot, END_GONE, "unreachable", now_ms);
            }
        }
        slot = next;
    }
}

/* A slot that hears nothing takes its gateway for dead. */
static void ping_idle(struct pool_dispatch *dispatch, size_t kind, uint64_t now_ms)
{
    struct slot *slot;

    while ((slot = first_due(dispatch, kind, SLOT_IDLE, dispatch->ping_idle_ms, now_ms)) != NULL) {
        dispatch_ping(dispatch, slot, now_ms);
    }
}

void pool_dispatch_tick(struct pool_dispatch *dispatch, uint64_t now_ms)
{
    struct job *job;

    for (size_t kind = 0; kind < KINDS; kind++) {
        end_attempts(dispatch, kind, now_ms);
        forget_silent(dispatch, kind, now_ms);
        ping_idle(dispatch, kind, now_ms);
    }
    if (now_ms >= dispatch->probe_at_ms) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            probe(dispatch, kind, SLOT_BUSY, now_ms);
            probe(dispatch, kind, SLOT_QUARANTINED, now_ms);
        }
        dispatch->probe_at_ms = now_ms + dispatch->probe_busy_ms;
    }
    while ((job = pool_queue_pop_aged(&dispatch->queue, now_ms)) != NULL) {
        dispatch_finish(dispatch, job, STATUS_TIMEOUT);
    }
    dispatch_give(dispatch, now_ms);
}

uint64_t pool_dispatch_due_ms(const struct pool_dispatch *dispatch)
{
    uint64_t due_ms = earlier(pool_queue_aged_at_ms(&dispatch->queue), pool_queue_retry_due_ms(&dispatch->queue));

    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct slot *busy = pool_slots_first(dispatch->slots, (enum slot_kind)kind, SLOT_BUSY);
        uint64_t probe_ms = earlier(first_due_ms(dispatch, kind, SLOT_BUSY, dispatch->probe_busy_ms),
                                    first_due_ms(dispatch, kind, SLOT_QUARANTINED, dispatch->probe_busy_ms));

        if (busy != NULL) {
            due_ms = earlier(due_ms, busy->due_ms);
        }
        due_ms = earlier(due_ms, first_due_ms(dispatch, kind, SLOT_PINGED, dispatch->silence_ms));
        due_ms = earlier(due_ms, first_due_ms(dispatch, kind, SLOT_QUARANTINED, dispatch->silence_ms));
        due_ms = earlier(due_ms, first_due_ms(dispatch, kind, SLOT_IDLE, dispatch->ping_idle_ms));
        /* Probes go out together, so a slot that is due for one may have to wait for the next round. */
        due_ms = earlier(due_ms, probe_ms > dispatch->probe_at_ms ? probe_ms : dispatch->probe_at_ms);
    }
    return due_ms;
}

/* pool_slots: one array of slots, a hash table by identity, and a list for each kind and state. */
#include "gateway/pool_slots.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = SLOT_REVIEW + 1 };

struct list {
    struct slot *first;
    struct slot *last;
};

struct pool_slots {
    size_t peers;
    struct slot *all;    /* peers of them */
    struct slot *unused; /* by chain */
    size_t mask;
    struct slot **buckets;
    struct list lists[KINDS][SLOT_STATES];
    struct series *gauges[KINDS][SLOT_STATES];
    struct series *process_gauges[KINDS];
    size_t process_counts[KINDS];
    size_t state_counts[KINDS][SLOT_STATES];
    size_t long_count; /* local slots with a long text */
    struct series *long_gauge;
    _Atomic size_t counts[KINDS];
    struct account tasks;
};

static void open_gauges(struct pool_slots *slots, struct metrics *metrics)
{
    static const char *const states[SLOT_STATES] = {
        [SLOT_IDLE] = "idle", [SLOT_PINGED] = "pinged", [SLOT_BUSY] = "busy", [SLOT_QUARANTINED] = "quarantined"};

    slots->long_gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_long_texts",
                                       "Local slots that have a long text.", NULL, 0);
    for (size_t kind = 0; kind < KINDS; kind++) {
        const struct metric_label of_kind = {"kind", slot_kind_name((enum slot_kind)kind)};

        slots->process_gauges[kind] = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_moderators",
                                                     "Moderator processes with slots of a kind.", &of_kind, 1);
        for (size_t state = 0; state < SLOT_STATES; state++) {
            const struct metric_label labels[] = {{"kind", slot_kind_name((enum slot_kind)kind)}, {"state", states[state]}};

            slots->gauges[kind][state] = metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_pool_slots",
                                                        "Moderator slots by kind and what they are doing.", labels, 2);
        }
    }
}

enum status pool_slots_open(struct pool_slots **out, const struct pool_settings *settings, struct metrics *metrics)
{
    struct pool_slots *slots = calloc(1, sizeof *slots);
    size_t bucket_count = 1, peers = settings->peers;

    assert(peers > 0 && peers < SIZE_MAX / 4);
    if (slots == NULL) {
        return STATUS_NO_MEMORY;
    }
    while (bucket_count < 2 * peers) {
        bucket_count *= 2;
    }
    slots->peers = peers;
    slots->mask = bucket_count - 1;
    slots->all = calloc(peers, sizeof *slots->all);
    slots->buckets = calloc(bucket_count, sizeof(struct slot *));
    if (slots->all == NULL || slots->buckets == NULL) {
        pool_slots_close(&slots);
        return STATUS_NO_MEMORY;
    }
    for (size_t index = peers; index > 0; index--) {
        slots->all[index - 1].chain = slots->unused;
        slots->unused = &slots->all[index - 1];
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        atomic_init(&slots->counts[kind], 0);
    }
    open_gauges(slots, metrics);
    account_open(&slots->tasks, "tasks", settings->queue_bytes, metrics);
    *out = slots;
    return STATUS_OK;
}

/* Its slot has read it, or is gone. */
static void release_task(struct pool_slots *slots, struct slot *slot)
{
    account_release(&slots->tasks, slot->task_bytes);
    slot->task_bytes = 0;
}

void pool_slots_close(struct pool_slots **slots)
{
    assert(slots != NULL);
    if (*slots == NULL) {
        return;
    }
    for (size_t index = 0; (*slots)->all != NULL && index < (*slots)->peers; index++) {
        release_task(*slots, &(*slots)->all[index]);
    }
    account_close(&(*slots)->tasks);
    free((*slots)->all);
    free((*slots)->buckets);
    free(*slots);
    *slots = NULL;
}

/* FNV-1a. libzmq makes most of an identity at random; who chooses one badly makes a chain of at most `peers`. */
static struct slot **bucket_of(const struct pool_slots *slots, struct bytes identity)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t index = 0; index < identity.count; index++) {
        hash = (hash ^ (unsigned char)identity.data[index]) * 0x100000001b3u;
    }
    return &slots->buckets[(hash ^ hash >> 32) & slots->mask];
}

static struct bytes identity_of(const struct slot *slot)
{
    return (struct bytes){slot->identity, slot->identity_bytes};
}

struct slot *pool_slots_find(const struct pool_slots *slots, struct bytes identity)
{
    struct slot *slot = *bucket_of(slots, identity);

    while (slot != NULL && !bytes_equal(identity_of(slot), identity)) {
        slot = slot->chain;
    }
    return slot;
}

/* `before` is NULL for the beginning of the list. */
static void list_insert(struct list *list, struct slot *before, struct slot *slot)
{
    struct slot **link = before == NULL ? &list->first : &before->next;

    slot->previous = before;
    slot->next = *link;
    *(slot->next == NULL ? &list->last : &slot->next->previous) = slot;
    *link = slot;
}

static void list_remove(struct list *list, struct slot *slot)
{
    *(slot->previous == NULL ? &list->first : &slot->previous->next) = slot->next;
    *(slot->next == NULL ? &list->last : &slot->next->previous) = slot->previous;
}

static void count_long(struct pool_slots *slots, const struct slot *slot, int more)
{
    if (slot->kind == SLOT_LOCAL && slot->is_long) {
        slots->long_count += (size_t)more;
        series_add(slots->long_gauge, more);
    }
}

static void enter(struct pool_slots *slots, struct slot *slot, enum slot_state state, uint64_t now_ms)
{
    struct list *list = &slots->lists[slot->kind][state];
    struct slot *before;

    slot->state = state;
    slot->since_ms = now_ms;
    slot->is_long = slot->is_long && (state == SLOT_BUSY || state == SLOT_QUARANTINED);
    count_long(slots, slot, 1);
    before = list->last;
    while (state == SLOT_BUSY && before != NULL && before->due_ms > slot->due_ms) {
        before = before->previous; /* few: only a second attempt may be shorter than those begun before it */
    }
    list_insert(list, before, slot);
    slots->state_counts[slot->kind][state]++;
    series_add(slots->gauges[slot->kind][state], 1);
}

static void leave(struct pool_slots *slots, struct slot *slot)
{
    list_remove(&slots->lists[slot->kind][slot->state], slot);
    slots->state_counts[slot->kind][slot->state]--;
    series_add(slots->gauges[slot->kind][slot->state], -1);
    if (slot->state == SLOT_BUSY || slot->state == SLOT_QUARANTINED) { /* of any other the flag is the next task's */
        count_long(slots, slot, -1);
    }
}

/* A slot of this kind and process that is in one of the lists; NULL when there is none. */
static const struct slot *any_of(const struct pool_slots *slots, enum slot_kind kind, const unsigned char *worker)
{
    for (size_t state = 0; state < SLOT_STATES; state++) {
        for (const struct slot *slot = slots->lists[kind][state].first; slot != NULL; slot = slot->next) {
            if (memcmp(slot->worker, worker, WORKER_ID_BYTES) == 0) {
                return slot;
            }
        }
    }
    return NULL;
}

static bool process_is_known(const struct pool_slots *slots, enum slot_kind kind, const unsigned char *worker)
{
    return any_of(slots, kind, worker) != NULL;
}

static void count_process(struct pool_slots *slots, enum slot_kind kind, int more)
{
    slots->process_counts[kind] += (size_t)more;
    series_add(slots->process_gauges[kind], more);
}

enum status pool_slots_add(struct pool_slots *slots, struct bytes identity, const struct message_ready *ready,
                           uint64_t now_ms, struct slot **out)
{
    struct slot **bucket = bucket_of(slots, identity);
    struct slot *slot = slots->unused;
    const struct slot *other;
    enum status status;

    assert(pool_slots_find(slots, identity) == NULL);
    assert(ready->worker.count == WORKER_ID_BYTES);
    if (identity.count == 0 || identity.count > IDENTITY_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (slot == NULL) {
        return STATUS_FULL;
    }
    slots->unused = slot->chain;
    *slot = (struct slot){.kind = ready->kind, .identity_bytes = (unsigned char)identity.count, .chain = *bucket};
    *bucket = slot;
    memcpy(slot->identity, identity.data, identity.count);
    memcpy(slot->worker, ready->worker.data, WORKER_ID_BYTES);
    status = bytes_copy(ready->profile, slot->profile, sizeof slot->profile);
    assert(status == STATUS_OK); /* message_read_ready bounds it */
    other = any_of(slots, slot->kind, slot->worker);
    if (other == NULL) {
        count_process(slots, slot->kind, 1);
    } else {
        slot->takes_one = other->takes_one;
    }
    enter(slots, slot, SLOT_IDLE, now_ms);
    atomic_fetch_add_explicit(&slots->counts[slot->kind], 1, memory_order_relaxed);
    *out = slot;
    return STATUS_OK;
}

void pool_slots_move(struct pool_slots *slots, struct slot *slot, enum slot_state state, uint64_t now_ms)
{
    assert((state == SLOT_BUSY) == (slot->job != NULL));
    leave(slots, slot);
    if (state == SLOT_BUSY) {
        slot->probe_count = 0;
    } else if (state != SLOT_QUARANTINED) {
        release_task(slots, slot);
    }
    enter(slots, slot, state, now_ms);
}

enum status pool_slots_charge(struct pool_slots *slots, struct slot *slot, size_t task_bytes)
{
    enum status status = account_charge(&slots->tasks, task_bytes);

    assert(slot->task_bytes == 0);
    if (status == STATUS_OK) {
        slot->task_bytes = task_bytes;
    }
    return status;
}

bool pool_slots_has_room(const struct pool_slots *slots, size_t task_bytes)
{
    return account_has_room(&slots->tasks, task_bytes);
}

void pool_slots_remove(struct pool_slots *slots, struct slot *slot)
{
    struct slot **link = bucket_of(slots, identity_of(slot));

    assert(slot->job == NULL);
    while (*link != slot) {
        assert(*link != NULL);
        link = &(*link)->chain;
    }
    *link = slot->chain;
    leave(slots, slot);
    release_task(slots, slot);
    if (!process_is_known(slots, slot->kind, slot->worker)) {
        count_process(slots, slot->kind, -1);
    }
    atomic_fetch_sub_explicit(&slots->counts[slot->kind], 1, memory_order_relaxed);
    slot->chain = slots->unused;
    slots->unused = slot;
}

struct slot *pool_slots_first(const struct pool_slots *slots, enum slot_kind kind, enum slot_state state)
{
    return slots->lists[kind][state].first;
}

/* A local slot serves every profile. */
static bool serves(const struct slot *slot, const char *profile, const unsigned char *avoided)
{
    return (slot->kind == SLOT_LOCAL || strcmp(slot->profile, profile) == 0) &&
           (avoided == NULL || memcmp(slot->worker, avoided, WORKER_ID_BYTES) != 0);
}

struct slot *pool_slots_idle(const struct pool_slots *slots, enum slot_kind kind, const char *profile,
                             const unsigned char *avoided)
{
    struct slot *slot = slots->lists[kind][SLOT_IDLE].first;

    while (slot != NULL && !serves(slot, profile, avoided)) {
        slot = slot->next;
    }
    return slot;
}

size_t pool_slots_pinged(const struct pool_slots *slots, const char *profile, const unsigned char *avoided)
{
    size_t count = 0;

    for (const struct slot *slot = slots->lists[SLOT_REVIEW][SLOT_PINGED].first; slot != NULL; slot = slot->next) {
        count += serves(slot, profile, avoided);
    }
    return count;
}

bool pool_slots_long_room(const struct pool_slots *slots)
{
    size_t room = pool_slots_count(slots, SLOT_LOCAL) / 2;

    return slots->long_count < (room == 0 ? 1 : room);
}

size_t pool_slots_in(const struct pool_slots *slots, enum slot_kind kind, enum slot_state state)
{
    return slots->state_counts[kind][state];
}

void pool_slots_take_one(struct pool_slots *slots, const unsigned char worker[WORKER_ID_BYTES])
{
    for (size_t state = 0; state < SLOT_STATES; state++) {
        for (struct slot *slot = slots->lists[SLOT_LOCAL][state].first; slot != NULL; slot = slot->next) {
            slot->takes_one = slot->takes_one || memcmp(slot->worker, worker, WORKER_ID_BYTES) == 0;
        }
    }
}

size_t pool_slots_processes(const struct pool_slots *slots, enum slot_kind kind)
{
    return slots->process_counts[kind];
}

bool pool_slots_has_other(const struct pool_slots *slots, enum slot_kind kind, const unsigned char worker[WORKER_ID_BYTES])
{
    return slots->process_counts[kind] > (process_is_known(slots, kind, worker) ? 1u : 0u);
}

size_t pool_slots_count(const struct pool_slots *slots, enum slot_kind kind)
{
    return atomic_load_explicit(&slots->counts[kind], memory_order_relaxed);
}

/* worker_slots: turns, polls and dismisses a set of slots. */
#include "moderator/worker_slots.h"

#include "proto/log.h"

#include <assert.h>
#include <stdlib.h>

enum status worker_slots_open(struct worker_slots *set, size_t room, enum slot_kind kind,
                              const struct wire_security *security, struct metrics *metrics)
{
    const struct metric_label label = {"kind", kind == SLOT_LOCAL ? "local" : "review"};
    struct slot *slots = calloc(room, sizeof *slots);

    assert(room > 0);
    if (slots == NULL) {
        return STATUS_NO_MEMORY;
    }
    *set = (struct worker_slots){.slots = slots, .room = room, .security = security};
    set->gauge = metrics_series(metrics, METRIC_GAUGE, "prismguard_moderator_slots", "Slots that hear their gateway", &label, 1);
    return STATUS_OK;
}

static void count_joined(struct worker_slots *set)
{
    int64_t joined_count = 0;

    for (size_t index = 0; index < set->count; index++) {
        joined_count += set->slots[index].heard_ms != 0 && set->slots[index].state != SLOT_GONE;
    }
    series_add(set->gauge, joined_count - set->joined_count);
    set->joined_count = joined_count;
}

void worker_slots_close(struct worker_slots *set)
{
    if (set->slots == NULL) {
        return;
    }
    for (size_t index = 0; index < set->count; index++) {
        slot_close(&set->slots[index]);
    }
    count_joined(set);
    free(set->slots);
    *set = (struct worker_slots){0};
}

struct slot *worker_slots_add(struct worker_slots *set, const char *endpoint, const struct message_ready *ready, uint64_t now_ms)
{
    struct slot *slot;

    assert(set->count < set->room);
    slot = &set->slots[set->count++];
    slot_init(slot, endpoint, set->security, ready, now_ms);
    return slot;
}

uint64_t worker_slots_turn(struct worker_slots *set, uint64_t now_ms)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t index = 0; index < set->count; index++) {
        struct slot *slot = &set->slots[index];
        enum status status = slot_turn(slot, now_ms);

        if (status != STATUS_OK) {
            log_event_limited(LOG_WARN, "slot_failed", LOG_TEXT("gateway", slot->endpoint), LOG_STATUS("status", status));
        }
        due_ms = slot->due_ms < due_ms ? slot->due_ms : due_ms;
    }
    count_joined(set);
    return due_ms;
}

long worker_slots_wait_ms(uint64_t now_ms, uint64_t due_ms)
{
    if (due_ms == UINT64_MAX) {
        return -1;
    }
    return due_ms > now_ms ? (long)(due_ms - now_ms) : 0;
}

void worker_slots_poll(const struct worker_slots *set, zmq_pollitem_t *items)
{
    for (size_t index = 0; index < set->count; index++) {
        const struct slot *slot = &set->slots[index];

        /* poll(2) passes over a negative descriptor. */
        items[index] = (zmq_pollitem_t){.fd = -1};
        if (slot_wants_input(slot)) {
            items[index] = (zmq_pollitem_t){.socket = slot_socket(slot), .events = ZMQ_POLLIN};
        } else if (slot_wants_output(slot)) {
            items[index] = (zmq_pollitem_t){.socket = slot_socket(slot), .events = ZMQ_POLLOUT};
        }
    }
}

void worker_slots_leave(struct worker_slots *set)
{
    for (size_t index = 0; index < set->count; index++) {
        slot_leave(&set->slots[index]);
    }
}

bool worker_slots_gone(const struct worker_slots *set)
{
    for (size_t index = 0; index < set->count; index++) {
        if (set->slots[index].state != SLOT_GONE) {
            return false;
        }
    }
    return true;
}
